// SPDX-License-Identifier: BSD-3-Clause
// Signal's protocol over the relay: PQXDH bundles and one-time keys in its directory, a ratchet for each device, text and photos.
// What a person knows is kept in memory here: an application keeps it in a database, in one transaction with what it decrypted.

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fromBase64url, openMedia, sealMedia, textOf, toBase64url, utf8 } from "../../src/node.js";

// The library looks for its native part below its own folder; on Node 18, which has no import.meta.dirname, below the current one.
const here = process.cwd();
process.chdir(join(dirname(createRequire(import.meta.url).resolve("@signalapp/libsignal-client")), ".."));
const S = await import("@signalapp/libsignal-client");
process.chdir(here);

const ONE_TIME_KEYS = 50;
const VERSION = 1;

class Sessions extends S.SessionStore {
  held = new Map();
  async saveSession(name, record) {
    this.held.set(name.toString(), record.serialize());
  }
  async getSession(name) {
    const held = this.held.get(name.toString());
    return held === undefined ? null : S.SessionRecord.deserialize(held);
  }
  async getExistingSessions(names) {
    return Promise.all(names.map((name) => this.getSession(name)));
  }
}

/** Trusts whom it meets first; another key under the same name is refused until the person says that it is good. */
class Identities extends S.IdentityKeyStore {
  own = S.IdentityKeyPair.generate();
  registrationId = 1 + Math.floor(Math.random() * 16380);
  known = new Map();
  async getIdentityKey() {
    return this.own.privateKey;
  }
  async getLocalRegistrationId() {
    return this.registrationId;
  }
  async saveIdentity(name, key) {
    const before = this.known.get(name.toString());
    this.known.set(name.toString(), key);
    return before === undefined || before.equals(key) ? S.IdentityChange.NewOrUnchanged : S.IdentityChange.ReplacedExisting;
  }
  async isTrustedIdentity(name, key) {
    const known = this.known.get(name.toString());
    return known === undefined || known.equals(key);
  }
  async getIdentity(name) {
    return this.known.get(name.toString()) ?? null;
  }
}

/** Keys by number, for the three kinds of them. */
const keysOf = (Base, names) => {
  class Keys extends Base {
    held = new Map();
  }
  Keys.prototype[names.save] = async function save(id, record) {
    this.held.set(id, record);
  };
  Keys.prototype[names.get] = async function get(id) {
    const record = this.held.get(id);
    if (record === undefined) throw new Error(`no key ${id}`);
    return record;
  };
  if (names.remove) Keys.prototype[names.remove] = async function remove(id) {
    this.held.delete(id);
  };
  if (names.used) Keys.prototype[names.used] = async function used() {};
  return new Keys();
};

/** A person's device: a client of the relay, and Signal's state. */
export class Person {
  /** @param {import("../../src/client.js").Client} client not started yet */
  constructor(client) {
    this.client = client;
    this.sessions = new Sessions();
    this.identities = new Identities();
    this.preKeys = keysOf(S.PreKeyStore, { save: "savePreKey", get: "getPreKey", remove: "removePreKey" });
    this.signedKeys = keysOf(S.SignedPreKeyStore, { save: "saveSignedPreKey", get: "getSignedPreKey" });
    this.kyberKeys = keysOf(S.KyberPreKeyStore, { save: "saveKyberPreKey", get: "getKyberPreKey", used: "markKyberPreKeyUsed" });
    this.lastKey = 0;
    this.turn = Promise.resolve();
    this.onMessage = (_message) => {};
    client.on("message", (message) => this.receive(message));
    client.on("keys low", () => this.publish());
  }

  /** One use of the ratchets at a time: each loads a session, moves it on, and saves it. */
  alone(use) {
    const done = this.turn.then(use);
    this.turn = done.catch(() => {});
    return done;
  }

  name(user, device) {
    return S.ProtocolAddress.new(user, device);
  }

  get own() {
    return this.name(this.client.user, this.client.device);
  }

  /** Puts this device's bundle and fresh one-time keys into the relay's directory. */
  async publish() {
    if (this.bundle === undefined) await this.makeBundle();
    const keys = [];
    for (let n = 0; n < ONE_TIME_KEYS; n++) {
      const id = ++this.lastKey, secret = S.PrivateKey.generate();
      await this.preKeys.savePreKey(id, S.PreKeyRecord.new(id, secret.getPublicKey(), secret));
      keys.push(utf8(JSON.stringify({ id, key: toBase64url(secret.getPublicKey().serialize()) })));
    }
    return this.client.putKeys(this.bundle, keys);
  }

  async makeBundle() {
    const identity = this.identities.own, signed = S.PrivateKey.generate(), kyber = S.KEMKeyPair.generate(), now = Date.now();
    const signedSignature = identity.privateKey.sign(signed.getPublicKey().serialize());
    const kyberSignature = identity.privateKey.sign(kyber.getPublicKey().serialize());
    await this.signedKeys.saveSignedPreKey(1, S.SignedPreKeyRecord.new(1, now, signed.getPublicKey(), signed, signedSignature));
    await this.kyberKeys.saveKyberPreKey(1, S.KyberPreKeyRecord.new(1, now, kyber, kyberSignature));
    this.bundle = utf8(JSON.stringify({
      version: VERSION, registrationId: this.identities.registrationId, identity: toBase64url(identity.publicKey.serialize()),
      signed: toBase64url(signed.getPublicKey().serialize()), signedSignature: toBase64url(signedSignature),
      kyber: toBase64url(kyber.getPublicKey().serialize()), kyberSignature: toBase64url(kyberSignature),
    }));
  }

  /** Begins sessions with those devices of a user that we have none with yet; the directory's signatures have been checked. */
  async meet(user) {
    const directory = await this.client.getKeys(user);
    const devices = [];
    for (const { device } of directory?.devices ?? []) {
      if (user === this.client.user && device === this.client.device) continue;
      devices.push(device);
      if (await this.sessions.getSession(this.name(user, device))) continue;
      const got = (await this.client.getKeys(user, { device, take: true })).devices[0];
      const bundle = JSON.parse(textOf(got.bundle)), one = got.key && JSON.parse(textOf(got.key));
      await S.processPreKeyBundle(S.PreKeyBundle.new(
        bundle.registrationId, device, one?.id ?? null, one ? S.PublicKey.deserialize(fromBase64url(one.key)) : null,
        1, S.PublicKey.deserialize(fromBase64url(bundle.signed)), fromBase64url(bundle.signedSignature),
        S.PublicKey.deserialize(fromBase64url(bundle.identity)), 1, S.KEMPublicKey.deserialize(fromBase64url(bundle.kyber)),
        fromBase64url(bundle.kyberSignature)), this.name(user, device), this.own, this.sessions, this.identities);
    }
    if (devices.length === 0) throw new Error(`${user} has published no keys`);
    return devices;
  }

  /** Encrypts for each device of the user by itself, and sends. */
  send(user, content) {
    return this.alone(() => this.encryptAndSend(user, content));
  }

  async encryptAndSend(user, content) {
    const sent = [];
    for (const device of await this.meet(user)) {
      const box = await S.signalEncrypt(utf8(JSON.stringify(content)), this.name(user, device), this.own, this.sessions, this.identities);
      const payload = new Uint8Array([box.type(), ...box.serialize()]);
      sent.push(await this.client.send({ user, device }, payload, { urgent: true }));
    }
    return sent;
  }

  sendText(user, text) {
    return this.send(user, { kind: "text", text });
  }

  async sendPhoto(user, bytes, onProgress) {
    const { sealed, key, hash } = sealMedia(bytes);
    const { id } = await this.client.upload(sealed, { onProgress });
    return this.send(user, { kind: "photo", id, key: toBase64url(key), hash: toBase64url(hash) });
  }

  async receive({ from, payload, stored }) {
    const name = this.name(from.user, from.device), type = payload[0], box = payload.slice(1);
    const plain = await this.alone(() => (type === S.CiphertextMessageType.PreKey
      ? S.signalDecryptPreKey(S.PreKeySignalMessage.deserialize(box), name, this.own, this.sessions, this.identities, this.preKeys,
        this.signedKeys, this.kyberKeys)
      : S.signalDecrypt(S.SignalMessage.deserialize(box), name, this.own, this.sessions, this.identities)));
    await this.onMessage({ from, stored, ...JSON.parse(textOf(plain)) });
  }

  /** The photo of a message of kind "photo". */
  async photo({ id, key, hash }) {
    return openMedia(await this.client.download(id), fromBase64url(key), fromBase64url(hash));
  }

  /** Signal's safety number with a device that we have a session with. */
  async safetyNumber(user, device = 1) {
    const theirs = await this.identities.getIdentity(this.name(user, device));
    return S.Fingerprint.new(5200, 2, utf8(this.client.user), this.identities.own.publicKey, utf8(user), theirs).displayableFingerprint().toString();
  }
}
