// SPDX-License-Identifier: BSD-3-Clause
// A small relay in this process, to test the client against what a real one does only at bad moments: it can hold answers
// back, lose connections, forget tokens and break the protocol. And a clock that stands still until it is moved.

import sodium from "#sodium";
import { concat, fromHex } from "../src/bytes.js";
import { bundleIsOf, proofText, userOf } from "../src/identity.js";
import { decode, encode, Flag, sequenceAfter } from "../src/wire.js";

/** Lets everything happen that needs no time. */
export async function settle(turns = 8) {
  for (let n = 0; n < turns; n++) await new Promise((resolve) => setImmediate(resolve));
}

export class FakeClock {
  constructor(now = 1_764_000_000_000) {
    this.time = now;
    /** @type {Set<{at: number, run: () => void}>} */
    this.timers = new Set();
    this.chance = 0.5;
    this.now = () => this.time;
    this.random = () => this.chance;
    this.setTimeout = (/** @type {() => void} */ run, /** @type {number} */ ms) => {
      const timer = { at: this.time + ms, run };
      this.timers.add(timer);
      return timer;
    };
    this.clearTimeout = (/** @type {any} */ timer) => void this.timers.delete(timer);
  }

  /** @param {number} ms */
  async advance(ms) {
    const end = this.time + ms;
    for (;;) {
      await settle();
      const [next] = [...this.timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = end;
    await settle();
  }
}

/** One connection, the relay's side. */
class Connection {
  /**
   * @param {FakeRelay} relay
   * @param {import("../src/transport.js").Handlers} handlers
   */
  constructor(relay, handlers) {
    this.relay = relay;
    this.handlers = handlers;
    this.open = true;
    this.user = "";
    this.device = 0;
    /** @type {any} */
    this.hello = null;
    this.sequence = 0;
    /** @type {{sequence: number, from: any, frame: any}[]} */
    this.window = [];
    this.ready = false;
    this.pings = 0;
    this.buffered = 0;
  }

  /**
   * @param {string} type
   * @param {any} fields
   */
  say(type, fields) {
    this.raw(encode(type, fields));
  }

  /** @param {Uint8Array} frame */
  raw(frame) {
    if (!this.open) return;
    queueMicrotask(() => this.open && this.handlers.message(frame));
  }

  /** @param {number} code */
  end(code) {
    if (!this.open) return;
    this.relay.gone(this);
    setImmediate(() => {
      if (!this.open) return;
      this.open = false;
      this.handlers.close(code, "");
    });
  }

  /** @param {number} code of a fatal ERROR */
  fatal(code) {
    this.say("ERROR", { code, request: 0, text: `error ${code}` });
    this.end(4000 + code);
  }
}

export class FakeRelay {
  constructor() {
    /** @type {Connection[]} */
    this.connections = [];
    /** @type {any[]} everything that clients have said */
    this.said = [];
    this.window = 256;
    this.heartbeat = 240;
    this.largest = 65536;
    this.refuse = false; // connections
    this.holdStatus = false;
    this.deaf = false; // takes frames and does nothing
    this.accept = true; // answers ACCEPTED for who is not there
    this.tokens = new Map();
    this.lastToken = 0;
    /** @type {Map<string, any[]>} */
    this.mailboxes = new Map();
    /** @type {Map<string, Uint8Array>} */
    this.accounts = new Map();
    /** @type {Map<string, {bundle: Uint8Array, signature: Uint8Array, keys: Uint8Array[]}>} */
    this.keys = new Map();
    /** @type {Set<string>} */
    this.blocked = new Set();
    /** @type {Uint8Array | null} */
    this.swapKey = null;
    this.binding = /** @type {Uint8Array | null} */ (null);
    this.canPing = true;
  }

  /** @type {import("../src/transport.js").Connect} */
  connect = (handlers) => {
    const connection = new Connection(this, handlers);
    this.connections.push(connection);
    setImmediate(() => {
      if (!connection.open) return;
      if (!this.refuse) return handlers.open(this.binding);
      connection.open = false;
      handlers.close(1006, "refused");
    });
    return {
      send: (frame) => {
        const copy = frame.slice();
        queueMicrotask(() => this.take(connection, copy));
      },
      close: (code) => connection.end(code),
      cut: () => {
        connection.open = false;
        this.gone(connection);
      },
      ping: this.canPing ? () => {
        connection.pings++;
        if (!this.deaf) queueMicrotask(() => connection.open && handlers.alive());
      } : null,
      buffered: () => connection.buffered,
    };
  };

  get current() {
    return this.connections[this.connections.length - 1];
  }

  /** @param {string} type */
  saidOf(type) {
    return this.said.filter((frame) => frame.type === type);
  }

  /** @param {Connection} connection */
  gone(connection) {
    if (!connection.ready) return;
    connection.ready = false;
    const box = this.box(connection);
    box.unshift(...connection.window.map((held) => ({ ...held.frame, again: true })));
    connection.window = [];
  }

  /** @param {{user: string, device: number}} name */
  box({ user, device }) {
    const name = `${user}/${device}`;
    const box = this.mailboxes.get(name) ?? [];
    this.mailboxes.set(name, box);
    return box;
  }

  /** @param {{user: string, device: number}} name */
  sessionOf({ user, device }) {
    return this.connections.find((c) => c.open && c.ready && c.user === user && c.device === device);
  }

  /**
   * @param {Connection} c
   * @param {Uint8Array} bytes
   */
  take(c, bytes) {
    if (!c.open) return;
    const frame = decode(bytes);
    this.said.push(frame);
    if (this.deaf) return;
    const answer = /** @type {Record<string, (c: Connection, f: any) => void>} */ ({
      HELLO: (to, f) => this.onHello(to, f), PROOF: (to, f) => this.onProof(to, f),
      SEND: (to, f) => this.onSend(to, f.id, f.flags, { user: f.user, device: f.device }, new Uint8Array(0), f.payload),
      SEND_MULTI: (to, f) => { for (const one of f.recipients) this.onSend(to, f.id, f.flags, one, one.head, f.shared); },
      ACK: (to, f) => this.onAck(to, f), READ: (to, f) => this.onRead(to, f),
      KEYS_PUT: (to, f) => this.onKeysPut(to, f), KEYS_GET: (to, f) => this.onKeysGet(to, f),
      DEVICE: (to, f) => to.say("DEVICES", { request: f.request, devices: [{ device: to.device, flags: 1, lastSeen: 0 }] }),
      BLOCK: (to, f) => {
        this.blocked.add(f.user);
        to.say("OK", { request: f.request });
      },
    })[frame.type];
    if (answer === undefined) c.say("ERROR", { code: 130, request: 0, text: "unknown" });
    else answer(c, frame);
  }

  /**
   * @param {Connection} c
   * @param {any} f
   */
  onHello(c, f) {
    c.hello = f;
    const token = new TextDecoder().decode(f.token);
    if (f.flags & Flag.HELLO_RESUME && this.tokens.get(token) === `${userOf(f.accountKey)}/${f.device}`) return this.welcome(c, Flag.WELCOME_RESUMED);
    c.say("CHALLENGE", { nonce: new Uint8Array(32).fill(7), relayId: new Uint8Array(16).fill(9), time: 0 });
  }

  /**
   * @param {Connection} c
   * @param {any} f
   */
  onProof(c, f) {
    const binding = f.flags & Flag.PROOF_BINDING ? this.binding : null;
    const text = proofText({ relayId: new Uint8Array(16).fill(9), relayNonce: new Uint8Array(32).fill(7), nonce: c.hello.nonce, device: c.hello.device, binding });
    if (!sodium.crypto_sign_verify_detached(f.signature, text, c.hello.accountKey)) return c.fatal(3);
    this.welcome(c, this.accounts.has(userOf(c.hello.accountKey)) ? 0 : Flag.WELCOME_NEW);
  }

  /**
   * @param {Connection} c
   * @param {number} flags
   */
  welcome(c, flags) {
    const user = userOf(c.hello.accountKey), device = c.hello.device;
    this.sessionOf({ user, device })?.fatal(9);
    Object.assign(c, { user, device, ready: true });
    this.accounts.set(user, c.hello.accountKey);
    const token = `token-${++this.lastToken}`;
    this.tokens.set(token, `${user}/${device}`);
    const box = this.box(c);
    c.say("WELCOME", {
      flags, device, largest: this.largest, time: 0, user, window: this.window, waiting: box.length, heartbeat: this.heartbeat,
      token: new TextEncoder().encode(token), mediaToken: new TextEncoder().encode("media"),
    });
    for (const message of box.splice(0)) this.deliver(c, message, Flag.STORED | (message.again ? Flag.AGAIN : 0));
  }

  /**
   * @param {Connection} c
   * @param {any} message
   * @param {number} flags
   */
  deliver(c, message, flags) {
    c.sequence = sequenceAfter(c.sequence);
    c.window.push({ sequence: c.sequence, from: message.from, frame: message });
    c.say("DELIVER", { ...message, flags: flags | message.flags, user: message.from.user, device: message.from.device, sequence: c.sequence, taken: 1 });
  }

  /**
   * @param {{user: string, device: number}} to
   * @param {any[]} entries
   */
  status(to, entries) {
    if (!this.holdStatus) this.sessionOf(to)?.say("STATUS", { entries });
  }

  /**
   * @param {Connection} c
   * @param {bigint} id
   * @param {number} flags
   * @param {{user: string, device: number}} to
   * @param {Uint8Array} head
   * @param {Uint8Array} payload
   */
  onSend(c, id, flags, to, head, payload) {
    const about = { kind: 0, reason: 0, id, user: to.user, device: to.device };
    const from = { user: c.user, device: c.device };
    if (this.blocked.has(c.user)) return this.status(c, [{ ...about, kind: 4, reason: 3 }]);
    if (!this.accounts.has(to.user)) return this.status(c, [{ ...about, kind: 4, reason: 1 }]);
    const message = { id, head, payload, from, flags: (flags & Flag.EPHEMERAL ? Flag.DELIVER_EPHEMERAL : 0) | (flags & Flag.URGENT ? Flag.DELIVER_URGENT : 0) };
    const session = this.sessionOf(to);
    if (session !== undefined) {
      if (flags & Flag.SILENT) return session.say("DELIVER", { ...message, user: from.user, device: from.device, sequence: 0, taken: 1 });
      return this.deliver(session, message, head.length > 0 ? Flag.DELIVER_MULTI : 0);
    }
    if (flags & Flag.EPHEMERAL) return this.status(c, [{ ...about, kind: 4, reason: 10 }]);
    this.box(to).push(message);
    if (this.accept) this.status(c, [{ ...about, kind: 1 }]);
  }

  /**
   * @param {Connection} c
   * @param {any} f
   */
  onAck(c, f) {
    for (let held = c.window[0]; held !== undefined && held.sequence <= f.sequence; held = c.window[0]) {
      c.window.shift();
      this.status(held.from, [{ kind: 2, reason: 0, id: held.frame.id, user: c.user, device: c.device }]);
    }
  }

  /**
   * @param {Connection} c
   * @param {any} f
   */
  onRead(c, f) {
    for (const { user, device, id } of f.entries) this.status({ user, device }, [{ kind: 3, reason: 0, id, user: c.user, device: c.device }]);
  }

  /**
   * @param {Connection} c
   * @param {any} f
   */
  onKeysPut(c, f) {
    if (!bundleIsOf(c.hello.accountKey, f)) return c.say("ERROR", { code: 132, request: f.request, text: "wrong signature" });
    const name = `${c.user}/${c.device}`, old = f.flags & Flag.KEYS_REPLACE ? [] : this.keys.get(name)?.keys ?? [];
    this.keys.set(name, { bundle: f.bundle, signature: f.signature, keys: [...old, ...f.keys] });
    c.say("KEYS_OK", { device: f.device, request: f.request, held: old.length + f.keys.length });
  }

  /**
   * @param {Connection} c
   * @param {any} f
   */
  onKeysGet(c, f) {
    const accountKey = this.accounts.get(f.user);
    if (accountKey === undefined) return c.say("KEYS", { flags: 1, request: f.request, user: f.user, accountKey: new Uint8Array(32), devices: [] });
    const wanted = f.device === 0 ? `${f.user}/` : `${f.user}/${f.device}`;
    const devices = [...this.keys].filter(([name]) => (f.device === 0 ? name.startsWith(wanted) : name === wanted)).map(([name, held]) => ({
      device: Number(name.split("/")[1]), bundle: held.bundle, signature: held.signature,
      key: (f.flags & Flag.KEYS_TAKE ? held.keys.shift() : undefined) ?? new Uint8Array(0),
    }));
    c.say("KEYS", { flags: 0, request: f.request, user: f.user, accountKey: this.swapKey ?? accountKey, devices });
  }
}

/** A seed that is easily told apart. @param {number} number */
export const seedOf = (number) => concat(fromHex("00".repeat(31)), Uint8Array.of(number));
