// SPDX-License-Identifier: BSD-3-Clause
// The chat without its looks: contacts, messages, ticks, photos, security codes, all of it kept in the client's storage.

import { fromBase64url, openMedia, safetyNumber, sealMedia, textOf, toBase64url, utf8 } from "../../src/index.js";
import { Changes } from "../shared/changes.js";
import { History } from "../shared/history.js";
import { Mls } from "./mls.js";

const CONTACT = "contact/", PHOTO = "photo/", ME = "me";
const TEXT_MAX = 8000, NAME_MAX = 40, PHOTO_MAX = 20 << 20;

const short = (text, most) => String(text).slice(0, most);

export class Chat {
  /**
   * @param {import("../../src/client.js").Client} client not started yet
   * @param {() => void} onChange something is to be shown anew
   * @param {number} [oneTimeKeys] in a heap for the directory
   */
  constructor(client, onChange, oneTimeKeys) {
    this.client = client;
    this.onChange = onChange;
    this.mls = new Mls(client, oneTimeKeys);
    this.turn = Promise.resolve();
    this.history = new History(client, () => onChange(), (error) => this.failed(error));
    this.sending = new Map(); // photos on their way up, by a number of theirs: {user, share}
    this.error = "";
    client.on("message", (message) => this.receive(message));
    client.on("open", () => {
      if (!this.mls.own.published) this.publish().catch((error) => this.failed(error));
      onChange();
    });
    client.on("close", (end) => {
      if (!end.again && !end.asked) this.error = end.error === 9 ? "opened elsewhere" : end.why || `closed (${end.code})`;
      onChange();
    });
    client.on("keys low", () => this.publish());
    client.on("error", (error) => this.failed(error));
  }

  failed(error) {
    this.error = error.message ?? error.text ?? String(error);
    this.onChange();
  }

  /** One use of the ratchets at a time. */
  alone(use) {
    const done = this.turn.then(use);
    this.turn = done.catch(() => {});
    return done;
  }

  get me() {
    return this.client.own.get(ME) ?? null;
  }

  async start(name) {
    await this.client.load();
    if (this.me === null) {
      const kept = new Changes(this.client.own);
      kept.set(ME, { name: short(name, NAME_MAX) });
      await this.mls.make(kept);
      await this.client.keepOwn(kept.pairs());
    }
    this.history.load();
    await this.client.start();
  }

  publish() {
    this.publishing ??= this.publishNow().finally(() => { this.publishing = undefined; });
    return this.publishing;
  }

  async publishNow() {
    const keys = await this.alone(async () => {
      const kept = new Changes(this.client.own), made = await this.mls.oneTimeKeys(kept);
      await this.client.keepOwn(kept.pairs()); // before anybody can use them
      return made;
    });
    const { bundle, published } = this.mls.own;
    await this.client.putKeys(bundle, keys, { replace: !published });
    await this.alone(() => this.client.keepOwn([["mls/own", { ...this.mls.own, published: true }]]));
  }

  // ---- contacts

  contact(user) {
    return this.client.own.get(CONTACT + user) ?? null;
  }

  /** Everyone we know, who wrote or was written to last first. */
  contacts() {
    const last = new Map(this.history.entries.map((entry) => [entry.peer, entry]));
    return [...this.client.own].filter(([name]) => name.startsWith(CONTACT)).map(([name, contact]) => {
      const user = name.slice(CONTACT.length), entry = last.get(user) ?? null;
      return { user, ...contact, last: entry, unread: this.unread(user).length, at: entry?.at ?? contact.since };
    }).sort((a, b) => b.at - a.at);
  }

  /** @param {string} user */
  async add(user, name) {
    if (user === this.client.user) throw new Error("that is your own code");
    const before = this.contact(user);
    await this.client.keepOwn([[CONTACT + user, { verified: false, since: Date.now(), ...before, name: before?.name || short(name || user.slice(0, 8), NAME_MAX) }]]);
    this.onChange();
  }

  /** What somebody is to be told, as a text or in a QR code. */
  invitation(page) {
    return `${page}#${this.client.user}.${encodeURIComponent(this.me.name)}`;
  }

  /** Reads an invitation, or an id alone. */
  static readInvitation(text) {
    const [, user, name] = /(?:^|#)([0-9a-f]{32})(?:\.(\S*))?$/.exec(text.trim()) ?? [];
    if (user === undefined) return null;
    try {
      return { user, name: decodeURIComponent(name ?? "") };
    } catch {
      return { user, name: "" };
    }
  }

  /** 60 digits that both see the same; null before the keys are known. */
  code(user) {
    const theirs = this.mls.accountKey(user);
    return theirs === null ? null : safetyNumber(this.client.identity.accountKey, theirs);
  }

  async verify(user, verified) {
    await this.client.keepOwn([[CONTACT + user, { ...this.contact(user), verified }]]);
    this.onChange();
  }

  // ---- messages

  entriesWith(user) {
    return this.history.entries.filter((entry) => entry.peer === user);
  }

  unread(user) {
    return this.history.entries.filter((entry) => entry.peer === user && !entry.states && !entry.seen);
  }

  /** The person has looked at what this user wrote. */
  async markRead(user) {
    const entries = this.unread(user);
    if (entries.length === 0) return;
    for (const entry of entries) entry.seen = true;
    this.client.read(entries.map((entry) => ({ id: entry.id, from: { user, device: entry.device } })));
    await this.client.keepOwn(entries.map((entry) => this.history.pair(entry)));
    this.onChange();
  }

  async sendText(user, text) {
    await this.send(user, { kind: "text", text: short(text, TEXT_MAX) });
  }

  /** @param {Uint8Array} bytes of a picture, made small already */
  async sendPhoto(user, bytes, { width, height, type }) {
    const number = Math.random();
    try {
      const { sealed, key, hash } = sealMedia(bytes);
      const { id } = await this.client.upload(sealed, { onProgress: (done, all) => {
        this.sending.set(number, { user, share: done / all });
        this.onChange();
      } });
      await this.send(user, { kind: "photo", photo: id, key: toBase64url(key), hash: toBase64url(hash), width, height, type }, [[PHOTO + id, bytes]]);
    } finally {
      this.sending.delete(number);
      this.onChange();
    }
  }

  /** Kept when the message is safe here; the relay gets it when it can be reached. */
  async send(user, content, more = []) {
    const met = await this.mls.meet(user);
    await this.alone(async () => {
      const kept = new Changes(this.client.own), plain = utf8(JSON.stringify({ ...content, name: this.me.name }));
      const { device, bytes } = await this.mls.encrypt(kept, user, plain, met);
      const entry = this.history.entry({ ...content, peer: user, states: { [`${user}/${device}`]: "waiting" } });
      await this.client.send({ user, device }, bytes, { urgent: true, own: (id) => {
        entry.id = id;
        return [...kept.pairs(), ...more, this.history.add(entry)];
      } });
    });
    this.onChange();
  }

  receive(message) {
    return this.alone(async () => {
      let kept = new Changes(this.client.own), about;
      const { from, id, payload } = message;
      try {
        about = this.interpret(JSON.parse(textOf(await this.mls.decrypt(kept, from, payload))));
      } catch (error) {
        if (!this.client.isOpen) throw error; // the directory could not be asked: it comes again
        kept = new Changes(this.client.own); // it will not become readable: noted, and nothing else is changed
        about = { kind: "unreadable", why: error.message };
      }
      const { name, ...said } = about, known = this.contact(from.user);
      if (name && (known === null || known.name !== name && !known.verified))
        kept.set(CONTACT + from.user, { verified: false, since: Date.now(), ...known, name });
      if (known !== null || name) {
        const entry = this.history.entry({ ...said, peer: from.user, device: from.device, id, seen: false });
        await message.done([...kept.pairs(), this.history.add(entry)]);
      }
    }).then(() => this.onChange());
  }

  interpret({ kind, text, photo, key, hash, width, height, type, name }) {
    const common = { name: short(name ?? "", NAME_MAX), kind };
    if (kind === "text") return { ...common, text: short(text, TEXT_MAX) };
    if (kind === "photo") return { ...common, photo: String(photo), key, hash, width: Number(width), height: Number(height), type: /^image\/(jpeg|png|webp)$/.test(type) ? type : "image/jpeg" };
    throw new Error("another kind of message");
  }

  /** The bytes of a photo: from here, or from the relay once, and then from here. */
  async photo({ photo, key, hash }) {
    const held = this.client.own.get(PHOTO + photo);
    if (held !== undefined) return held;
    const bytes = openMedia(await this.client.download(photo), fromBase64url(key), fromBase64url(hash));
    if (bytes.length > PHOTO_MAX) throw new Error("too large");
    await this.client.keepOwn([[PHOTO + photo, bytes]]);
    return bytes;
  }
}
