// SPDX-License-Identifier: BSD-3-Clause
// Encryption by MLS (RFC 9420, the library ts-mls). Each of two people has a group of its own with the other in it, and is the only one who speaks and commits
// there. So the order that the relay keeps from device to device is all the order that is needed: no two commits ever meet.
// A sender renews its keys when it has heard something since the last time, and begins a new group, with a fresh one-time key, after a day.

import { createGroup, decodeGroupState, encodeGroupState, joinGroup } from "ts-mls/clientState.js";
import { defaultClientConfig } from "ts-mls/clientConfig.js";
import { getCiphersuiteFromName } from "ts-mls/crypto/ciphersuite.js";
import { getCiphersuiteImpl } from "ts-mls/crypto/getCiphersuiteImpl.js";
import { createCommit } from "ts-mls/createCommit.js";
import { createApplicationMessage } from "ts-mls/createMessage.js";
import { defaultCapabilities } from "ts-mls/defaultCapabilities.js";
import { decodeKeyPackage, encodeKeyPackage, generateKeyPackageWithKey, makeKeyPackageRef } from "ts-mls/keyPackage.js";
import { defaultLifetime } from "ts-mls/lifetime.js";
import { decodeMlsMessage, encodeMlsMessage } from "ts-mls/message.js";
import { processPrivateMessage } from "ts-mls/processMessages.js";
import { emptyPskIndex } from "ts-mls/pskIndex.js";
import { concat, fromBase64url, randomBytes, sameBytes, textOf, toBase64url, toHex, utf8 } from "../../src/index.js";

const SUITE = "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519";
const VERSION = 1;
const OWN = "mls/own", KEY = "mls/key/", OUT = "mls/out/", IN = "mls/in/", PEER = "mls/peer/";
const ONE_TIME_KEYS = 40;
const RENEW_MS = 86400000;
const PAD = 256;

const suite = await getCiphersuiteImpl(getCiphersuiteFromName(SUITE));
const config = { ...defaultClientConfig, paddingConfig: { kind: "padUntilLength", padUntilLength: PAD } };

const stateOf = (bytes) => ({ ...decodeGroupState(bytes, 0)[0], clientConfig: config });
const message = (content) => encodeMlsMessage({ version: "mls10", ...content });
const credential = (user, device) => ({ credentialType: "basic", identity: utf8(`${user}/${device}`) });

/** Messages of MLS one behind the other. */
function messagesOf(bytes) {
  const all = [];
  for (let at = 0; at < bytes.length;) {
    const read = decodeMlsMessage(bytes, at);
    if (read === undefined || read[1] <= 0) throw new Error("not a message of MLS");
    all.push(read[0]);
    at += read[1];
  }
  return all;
}

const membersOf = (state) => state.ratchetTree.filter((node) => node?.nodeType === "leaf").map((node) => node.leaf);

export class Mls {
  /**
   * @param {import("../../src/client.js").Client} client loaded
   * @param {number} count of one-time keys in a heap
   */
  constructor(client, count = ONE_TIME_KEYS) {
    this.client = client;
    this.count = count;
  }

  get own() {
    return this.client.own.get(OWN);
  }

  /** A new key package; its private half is kept under the name that a welcome will bear. */
  async keyPackage(kept, lastResort = false) {
    const { signKey, publicKey } = kept.get(OWN);
    const made = await generateKeyPackageWithKey(credential(this.client.user, this.client.device), defaultCapabilities(), defaultLifetime, [],
      { signKey, publicKey }, suite);
    const bytes = encodeKeyPackage(made.publicPackage), { initPrivateKey, hpkePrivateKey } = made.privatePackage;
    kept.set(KEY + toHex(await makeKeyPackageRef(made.publicPackage, suite.hash)), { bytes, initPrivateKey, hpkePrivateKey, lastResort });
    return bytes;
  }

  /** The keys of a new device. */
  async make(kept) {
    const { signKey, publicKey } = await suite.signature.keygen();
    kept.set(OWN, { signKey, publicKey, bundle: null, published: false });
    const lastResort = await this.keyPackage(kept, true);
    const bundle = utf8(JSON.stringify({ version: VERSION, suite: SUITE, key: toBase64url(publicKey), lastResort: toBase64url(lastResort) }));
    kept.set(OWN, { signKey, publicKey, bundle, published: false });
  }

  /** Fresh one-time keys, for the directory. */
  async oneTimeKeys(kept) {
    const keys = [];
    for (let n = 0; n < this.count; n++) keys.push(await this.keyPackage(kept));
    return keys;
  }

  /** The device's signature key and a key package of a user, out of the directory: the account has signed the one, and the one the other. */
  async ask(user, device, take) {
    const directory = await this.client.getKeys(user, { device, take });
    if (directory === null) throw new Error("nobody has this id");
    const [found] = directory.devices;
    if (found === undefined) throw new Error("no keys have been published under this id");
    const bundle = JSON.parse(textOf(found.bundle));
    if (bundle.version !== VERSION || bundle.suite !== SUITE) throw new Error("another kind of keys");
    const [keyPackage] = decodeKeyPackage(found.key ?? fromBase64url(bundle.lastResort), 0);
    return { device: found.device, keyPackage, peer: { accountKey: directory.accountKey, key: fromBase64url(bundle.key) } };
  }

  checkLeaf(leaf, user, device, key) {
    if (textOf(leaf.credential.identity) !== `${user}/${device}` || !sameBytes(leaf.signaturePublicKey, key)) throw new Error("a key of somebody else");
  }

  /**
   * What has to be fetched before something can be encrypted for a user; null: nothing.
   * @param {string} user
   */
  async meet(user) {
    const out = this.client.own.get(OUT + user);
    if (out !== undefined && (Date.now() - out.began < RENEW_MS || !this.client.isOpen)) return null;
    if (!this.client.isOpen) throw new Error("the first message needs a connection");
    return this.ask(user, 1, true);
  }

  /** Encrypts; `met` is what `meet` gave. Returns the device it is for, and the bytes. */
  async encrypt(kept, user, plain, met) {
    const parts = [], own = kept.get(OWN);
    let out = kept.get(OUT + user), state;
    if (met !== null) {
      this.checkLeaf(met.keyPackage.leafNode, user, met.device, met.peer.key);
      kept.set(PEER + user, met.peer);
      const mine = await generateKeyPackageWithKey(credential(this.client.user, this.client.device), defaultCapabilities(), defaultLifetime, [],
        { signKey: own.signKey, publicKey: own.publicKey }, suite);
      const alone = await createGroup(randomBytes(16), mine.publicPackage, mine.privatePackage, [], suite, config);
      const made = await createCommit({ state: alone, cipherSuite: suite }, {
        extraProposals: [{ proposalType: "add", add: { keyPackage: met.keyPackage } }], ratchetTreeExtension: true,
      });
      parts.push(message({ wireformat: "mls_welcome", welcome: made.welcome }));
      state = made.newState;
      out = { device: met.device, began: Date.now(), heard: false };
    } else {
      state = stateOf(out.state);
      if (out.heard) {
        const made = await createCommit({ state, cipherSuite: suite });
        parts.push(encodeMlsMessage(made.commit));
        state = made.newState;
      }
    }
    const said = await createApplicationMessage(state, plain, suite);
    parts.push(message({ wireformat: "mls_private_message", privateMessage: said.privateMessage }));
    kept.set(OUT + user, { ...out, heard: false, state: encodeGroupState(said.newState) });
    return { device: out.device, bytes: concat(...parts) };
  }

  /** What a peer's device sent; the text, or an error. Everything it changes is in `kept`. */
  async decrypt(kept, from, bytes) {
    let plain;
    for (const part of messagesOf(bytes)) {
      if (part.wireformat === "mls_welcome") {
        await this.join(kept, from, part.welcome);
        continue;
      }
      if (part.wireformat !== "mls_private_message") throw new Error(`${part.wireformat} is not for us`);
      const name = `${IN}${from.user}/${from.device}/${toHex(part.privateMessage.groupId)}`, held = kept.get(name);
      if (held === undefined) throw new Error("encrypted for keys that are gone");
      const done = await processPrivateMessage(stateOf(held), part.privateMessage, emptyPskIndex, suite);
      kept.set(name, encodeGroupState(done.newState));
      if (done.kind === "applicationMessage") plain = done.message;
    }
    if (plain === undefined) throw new Error("nothing was said");
    const out = kept.get(OUT + from.user);
    if (out !== undefined && !out.heard) kept.set(OUT + from.user, { ...out, heard: true });
    return plain;
  }

  /** A peer has begun a group. It must hold the peer, by the key that its account has signed, and us, and nobody else. */
  async join(kept, from, welcome) {
    let name, held;
    for (const { newMember } of welcome.secrets) {
      name = KEY + toHex(newMember);
      held = kept.get(name);
      if (held !== undefined) break;
    }
    if (held === undefined) throw new Error("encrypted for keys that are gone");
    const { signKey, publicKey } = kept.get(OWN), { initPrivateKey, hpkePrivateKey } = held;
    const state = await joinGroup(welcome, decodeKeyPackage(held.bytes, 0)[0], { initPrivateKey, hpkePrivateKey, signaturePrivateKey: signKey },
      emptyPskIndex, suite, undefined, undefined, config);
    const members = membersOf(state), theirs = members.find((leaf) => !sameBytes(leaf.signaturePublicKey, publicKey));
    if (members.length !== 2 || theirs === undefined) throw new Error("a group of others");
    let peer = kept.get(PEER + from.user);
    if (peer === undefined || !sameBytes(peer.key, theirs.signaturePublicKey)) ({ peer } = await this.ask(from.user, from.device, false));
    this.checkLeaf(theirs, from.user, from.device, peer.key);
    if (kept.get(PEER + from.user) !== peer) kept.set(OUT + from.user, null); // its program was made anew: what we say goes to the new keys
    kept.set(PEER + from.user, peer);
    if (!held.lastResort) kept.set(name, null);
    const group = `${IN}${from.user}/${from.device}/`;
    for (const old of [...kept.own.keys()].filter((each) => each.startsWith(group))) kept.set(old, null); // what the peer says from now on is in the new one
    kept.set(group + toHex(state.groupContext.groupId), encodeGroupState(state));
  }

  /** The account key of somebody whom we have met. */
  accountKey(user) {
    return this.client.own.get(PEER + user)?.accountKey ?? null;
  }
}
