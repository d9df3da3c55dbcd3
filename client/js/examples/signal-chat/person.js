// SPDX-License-Identifier: BSD-3-Clause
// A person's device: a client of the relay, Signal's ratchets with each device of everyone it talks to, and the history. All of it lies in the
// client's storage; what a message did to a ratchet is kept in one write with the message, so a crash at any time loses and doubles nothing.

import { randomUUID } from "node:crypto";
import { fromBase64url, openMedia, Reason, sealMedia, textOf, toBase64url, utf8 } from "../../src/node.js";
import { History } from "../shared/history.js";
import { makeDevice, makeOneTimeKeys, preKeyBundle, readBundle } from "./keys.js";
import S from "./libsignal.js";
import { DEVICES, KNOWN, OWN, Transaction } from "./stores.js";

const GROUP = "signal/group/";
const PAD = 160; // bytes: how long a text is, is nobody's business
const REFRESH_MS = 60000; // so old may be what we know of a person's devices
const ASK_AT_ONCE = 32;
const AGAIN_MS = 2000; // until what the relay was too busy for is sent anew
const SHARE_BYTES = 1024; // longer contents are sealed once, and each copy has the key

/** Somebody's identity key is another one than before: look at the number, then `trust`. */
export class NumberChanged extends Error {
  constructor(users) {
    super(`the safety number has changed with ${users.join(", ")}`);
    this.name = "NumberChanged";
    this.users = users;
  }
}

const padded = (content) => {
  const bytes = utf8(JSON.stringify(content)), all = new Uint8Array(Math.ceil(bytes.length / PAD) * PAD).fill(0x20);
  all.set(bytes);
  return all;
};

/**
 * Events, by `on`: "message" (an entry of the history: text, photo, group, unreadable), "number changed" ({user}), "ticks" (an entry of ours that has
 * come further), "published" (how many one-time keys the directory has), "error".
 */
export class Person {
  /**
   * @param {import("../../src/client.js").Client} client not started yet
   * @param {{identityKey?: Uint8Array, oneTimeKeys?: number, refreshMs?: number}} [options] identityKey: of this person's other device, by `link`
   */
  constructor(client, { identityKey, oneTimeKeys = 50, refreshMs = REFRESH_MS } = {}) {
    this.client = client;
    this.identityKey = identityKey;
    this.oneTimeKeys = oneTimeKeys;
    this.refreshMs = refreshMs;
    this.turn = Promise.resolve();
    this.asked = new Map(); // when the directory was asked for a user's devices
    this.handlers = new Map();
    this.said = new History(client, (entry) => this.raise("ticks", entry), (error) => this.raise("error", error));
    client.on("message", (message) => this.receive(message));
    client.on("status", (answer) => this.onStatus(answer));
    client.on("open", () => this.client.own.get(OWN).published || this.publish());
    client.on("keys low", () => this.publish());
    client.on("error", (error) => this.raise("error", error));
  }

  on(event, handler) {
    this.handlers.set(event, [...this.handlers.get(event) ?? [], handler]);
  }

  raise(event, what) {
    for (const handler of this.handlers.get(event) ?? []) handler(what);
  }

  get history() {
    return this.said.entries;
  }

  get user() {
    return this.client.user;
  }

  /** Loads what was kept and connects; a new device makes its keys, and publishes them when it is connected. */
  async start() {
    await this.client.load();
    const { own } = this.client;
    if (!own.has(OWN)) {
      const kept = new Transaction(own);
      await makeDevice(kept, this.identityKey);
      await this.client.keepOwn(kept.pairs());
    }
    this.said.load();
    this.heard = new Set(this.history.map((entry) => `${entry.from.user} ${entry.uid}`));
    await this.client.start();
  }

  async close() {
    await this.turn;
    await this.client.close();
  }

  /** One use of the ratchets at a time: each loads a session, moves it on, and saves it. */
  alone(use) {
    const done = this.turn.then(use);
    this.turn = done.catch(() => {});
    return done;
  }

  address(user, device) {
    return S.ProtocolAddress.new(user, device);
  }

  get own() {
    return this.address(this.user, this.client.device);
  }

  // ---- keys

  /** Puts this device's bundle and fresh one-time keys into the relay's directory. Returns how many it holds. */
  publish() {
    this.publishing ??= this.publishNow().finally(() => { this.publishing = undefined; });
    return this.publishing;
  }

  async publishNow() {
    const keys = await this.alone(async () => {
      const kept = new Transaction(this.client.own), made = await makeOneTimeKeys(kept, this.oneTimeKeys);
      await this.client.keepOwn(kept.pairs()); // before anybody can use them
      return made;
    });
    const { bundle, published } = this.client.own.get(OWN);
    const held = await this.client.putKeys(bundle, keys, { replace: !published });
    await this.alone(() => this.client.keepOwn([[OWN, { ...this.client.own.get(OWN), published: true }]]));
    this.raise("published", held);
    return held;
  }

  /** What a second device of this person needs: hand it over in person. */
  link() {
    return { seed: this.client.identity.seed, identityKey: this.client.own.get(OWN).privateKey };
  }

  /** Devices of a user that the directory has, where what we know is too old; each with a one-time key where a session must begin. */
  async askFor(user) {
    const known = this.client.own.get(DEVICES + user);
    const old = Date.now() - (this.asked.get(user) ?? 0) > this.refreshMs;
    if (known !== undefined && (!old || !this.client.isOpen)) return null;
    const stranger = known === undefined && user !== this.user;
    const directory = await this.client.getKeys(user, { take: stranger });
    if (directory === null) throw new Error(`nobody is ${user}`);
    const others = directory.devices.filter(({ device }) => user !== this.user || device !== this.client.device);
    if (others.length === 0 && user !== this.user) throw new Error(`${user} has published no keys`);
    const devices = [];
    for (const each of others) {
      const { registrationId } = readBundle(each.bundle), fresh = known?.[each.device] !== registrationId;
      const [got] = fresh && !stranger ? (await this.client.getKeys(user, { device: each.device, take: true })).devices : [each];
      if (got !== undefined) devices.push({ ...got, registrationId, fresh });
    }
    this.asked.set(user, Date.now());
    return { user, devices };
  }

  /** Begins sessions with those devices of the users that we have none with yet. */
  async meet(users) {
    for (let at = 0; at < users.length; at += ASK_AT_ONCE) {
      const found = await Promise.all(users.slice(at, at + ASK_AT_ONCE).map((user) => this.askFor(user)));
      await this.alone(async () => {
        const kept = new Transaction(this.client.own);
        for (const one of found) if (one !== null) await this.begin(kept, one);
        if (kept.pairs().length > 0) await this.client.keepOwn(kept.pairs());
        this.tellNumbers(kept);
      });
    }
  }

  async begin(kept, { user, devices }) {
    const known = { ...kept.get(DEVICES + user) };
    for (const device of Object.keys(known).map(Number).filter((number) => !devices.some((each) => each.device === number))) {
      delete known[device];
      kept.dropSession(this.address(user, device));
    }
    for (const each of devices.filter(({ fresh }) => fresh)) {
      const name = this.address(user, each.device), bundle = preKeyBundle(each);
      if (known[each.device] === each.registrationId && kept.hasSession(name)) continue; // it has come to us meanwhile
      try {
        await S.processPreKeyBundle(bundle, name, this.own, kept.sessions, kept.identities);
        known[each.device] = each.registrationId;
      } catch (error) {
        if (error.code !== S.ErrorCode.UntrustedIdentity) throw error;
        await kept.identities.saveIdentity(name, bundle.identityKey());
        delete known[each.device]; // once it is trusted, a session begins
      }
    }
    kept.set(DEVICES + user, known);
  }

  tellNumbers(kept) {
    for (const user of kept.newNumbers) this.raise("number changed", { user });
  }

  // ---- out

  sendText(user, text) {
    return this.send({ user }, { kind: "text", text });
  }

  async sendPhoto(user, bytes, onProgress) {
    const { sealed, key, hash } = sealMedia(bytes);
    const { id } = await this.client.upload(sealed, { onProgress });
    return this.send({ user }, { kind: "photo", photo: id, key: toBase64url(key), hash: toBase64url(hash), size: bytes.length });
  }

  /** A group is what its members know of it; the relay knows none. */
  async createGroup(name, members) {
    const group = randomUUID(), all = [...new Set([this.user, ...members])];
    await this.post(all, { group }, { kind: "group", name, members: all }, [[GROUP + group, { name, members: all }]]); // we know it once they will
    return group;
  }

  sendGroup(group, text) {
    return this.send({ group }, { kind: "text", text });
  }

  groupOf(id) {
    return this.client.own.get(GROUP + id);
  }

  /**
   * Encrypts for each device by itself, our own other ones among them, and sends all of it as one message of the relay. The promise is kept when
   * the message is safe here; the entry's ticks tell the rest.
   */
  async send(to, content) {
    const group = to.group && this.groupOf(to.group);
    if (to.group && group === undefined) throw new Error("no such group");
    return this.post([...(group?.members ?? [to.user])], to, content);
  }

  /** The same, with what else is to be kept in one write with the message. */
  async post(members, to, content, own = []) {
    const users = [...new Set([...members, this.user])];
    await this.meet(users);
    return this.alone(() => this.encryptAndSend(users, to, own, { ...content, uid: randomUUID(), ...(to.group && { group: to.group }) }));
  }

  async encryptAndSend(users, to, own, content) {
    const kept = new Transaction(this.client.own), changed = users.filter((user) => kept.known(user)?.changed);
    if (changed.length > 0) throw new NumberChanged(changed);
    const { inner, shared } = this.share(content);
    const plain = padded(inner), copy = padded({ ...inner, sentTo: to }), recipients = [], states = {};
    for (const user of users) {
      for (const device of Object.keys(kept.get(DEVICES + user) ?? {}).map(Number)) {
        const text = user === this.user ? copy : plain;
        const box = await S.signalEncrypt(text, this.address(user, device), this.own, kept.sessions, kept.identities);
        recipients.push({ user, device, head: new Uint8Array([box.type(), ...box.serialize()]) });
        if (user !== this.user) states[`${user}/${device}`] = "waiting";
      }
    }
    if (recipients.length === 0) throw new Error("there is nobody to send it to");
    const entry = this.said.entry({ ...content, to, from: { user: this.user, device: this.client.device }, states });
    return this.client.sendMulti(recipients, shared, { urgent: true, own: (id) => {
      entry.id = id;
      return [...kept.pairs(), ...own, this.said.add(entry)];
    } });
  }

  /** What each copy holds, and what all of them share: nothing, or a long content under a key that the copies hold. */
  share(content) {
    const bytes = padded(content);
    if (bytes.length <= SHARE_BYTES) return { inner: content, shared: new Uint8Array(0) };
    const { sealed, key, hash } = sealMedia(bytes);
    return { inner: { shared: { key: toBase64url(key), hash: toBase64url(hash) } }, shared: sealed };
  }

  unshare(content, payload) {
    if (content.shared === undefined) return content;
    const { key, hash } = content.shared;
    return { ...JSON.parse(textOf(openMedia(payload, fromBase64url(key), fromBase64url(hash)))), sentTo: content.sentTo };
  }

  onStatus({ id, to, kind, reason }) {
    if (kind !== "rejected") return;
    if (reason === Reason.UNKNOWN_DEVICE) this.forget(to);
    const entry = this.said.byId.get(id);
    if (entry === undefined || (reason !== Reason.BUSY && reason !== Reason.RATE)) return;
    setTimeout(() => this.sendAnew(entry, to).catch((error) => this.raise("error", error)), AGAIN_MS * (1 + Math.random()));
  }

  /** What the relay was too busy for, to one device, under a new id: encrypted anew, for keys are for one time. Who has it already knows it by its uid. */
  sendAnew(entry, { user, device }) {
    return this.alone(async () => {
      if (!this.client.running) return;
      const { from: _from, states: _states, id: _id, n: _n, at: _at, to, ...content } = entry, kept = new Transaction(this.client.own);
      const { inner, shared } = this.share(content);
      const box = await S.signalEncrypt(padded(inner), this.address(user, device), this.own, kept.sessions, kept.identities);
      entry.states[`${user}/${device}`] = "waiting";
      await this.client.sendMulti([{ user, device, head: new Uint8Array([box.type(), ...box.serialize()]) }], shared, { urgent: true, own: (id) => {
        this.said.byId.set(id, entry);
        if (Object.keys(entry.states).length === 1) entry.id = id; // of a group's, the other copies are known by the first
        return [...kept.pairs(), this.said.pair(entry)];
      } });
    });
  }

  ticks(entry) {
    return this.said.ticks(entry);
  }

  /** A device is no more. */
  forget({ user, device }) {
    this.asked.delete(user);
    return this.alone(() => {
      const kept = new Transaction(this.client.own), known = { ...kept.get(DEVICES + user) };
      delete known[device];
      kept.set(DEVICES + user, known);
      kept.dropSession(this.address(user, device));
      return this.client.keepOwn(kept.pairs());
    });
  }

  // ---- in

  receive(message) {
    return this.alone(async () => {
      const kept = new Transaction(this.client.own), { from, id, stored } = message;
      let about;
      try {
        const content = JSON.parse(textOf(await this.decrypt(kept, message)));
        about = this.interpret(kept, from, this.unshare(content, message.payload));
        if (about.uid !== undefined && this.heard.has(`${from.user} ${about.uid}`)) return void await message.done(kept.pairs());
      } catch (error) {
        kept.changed.clear(); // it will not become readable: noted, acknowledged, and nothing is changed
        kept.newNumbers.clear();
        about = { kind: "unreadable", why: error.message };
      }
      const entry = this.said.entry({ ...about, id, stored, from });
      this.heard.add(`${from.user} ${entry.uid}`);
      await message.done([...kept.pairs(), this.said.add(entry)]);
      this.tellNumbers(kept);
      this.raise("message", entry);
    });
  }

  decrypt(kept, { from, head }) {
    const name = this.address(from.user, from.device), box = head.slice(1);
    if (head[0] !== S.CiphertextMessageType.PreKey)
      return S.signalDecrypt(S.SignalMessage.deserialize(box), name, this.own, kept.sessions, kept.identities);
    const first = S.PreKeySignalMessage.deserialize(box);
    kept.set(DEVICES + from.user, { ...kept.get(DEVICES + from.user), [from.device]: first.registrationId() });
    return S.signalDecryptPreKey(first, name, this.own, kept.sessions, kept.identities, kept.keys, kept.signedKeys, kept.kyberKeys);
  }

  /** What a peer says is taken apart with care; `sentTo` counts only from our own devices. */
  interpret(kept, from, { kind, text, photo, key, hash, size, name, members, group, sentTo, uid }) {
    const own = from.user === this.user, to = own ? sentTo : group ? { group } : { user: this.user };
    if (to === undefined) throw new Error("a copy of nothing");
    if (kind === "group") {
      if (!Array.isArray(members) || !members.includes(from.user) || !members.includes(this.user)) throw new Error("a group of others");
      if (kept.get(GROUP + group) === undefined) kept.set(GROUP + group, { name: String(name), members: members.map(String) });
    } else if (to.group && !kept.get(GROUP + to.group)?.members.includes(from.user)) {
      throw new Error("not of that group");
    }
    const known = { group: { name }, text: { text: String(text) }, photo: { photo, key, hash, size } }[kind];
    if (known === undefined) throw new Error(`a message of kind ${kind}`);
    return { kind, to, uid, ...known };
  }

  /** Tells the senders that their messages have been read. */
  markRead(entries) {
    this.client.read(entries);
  }

  /** The photo of an entry of that kind. */
  async photo({ photo, key, hash }, onProgress) {
    return openMedia(await this.client.download(photo, { onProgress }), fromBase64url(key), fromBase64url(hash));
  }

  // ---- the numbers that people compare

  /** Signal's safety number with somebody whom we have met: 60 digits, the same for both. */
  safetyNumber(user) {
    const known = this.client.own.get(KNOWN + user), { privateKey } = this.client.own.get(OWN);
    if (known === undefined) throw new Error(`${user} was never met`);
    const mine = S.PrivateKey.deserialize(privateKey).getPublicKey(), theirs = S.PublicKey.deserialize(known.key);
    return S.Fingerprint.new(5200, 2, utf8(this.user), mine, utf8(user), theirs).displayableFingerprint().toString();
  }

  /** The person has looked at the number: messages go out again. */
  trust(user) {
    this.asked.delete(user);
    return this.alone(() => this.client.keepOwn([[KNOWN + user, { ...this.client.own.get(KNOWN + user), changed: false }]]));
  }
}
