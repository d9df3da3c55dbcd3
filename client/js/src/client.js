// SPDX-License-Identifier: BSD-3-Clause
// A client: sessions one after the other, an outbox that outlives them, and what is asked of the relay in between.

import { WireError } from "./bytes.js";
import { bundleIsOf, isUser, keysText, ready, userOf } from "./identity.js";
import { download, remove, upload } from "./media.js";
import { isEphemeral, Outbox } from "./outbox.js";
import { Session } from "./session.js";
import { applyOwn, MemoryStorage } from "./storage.js";
import { BUNDLE_BYTES_MAX, Code, decode, encode, firstId, Flag, FRAME_BYTES_MAX, KEY_BYTES_MAX, KEYS_MAX, Kind, Reason, reasonText, RECIPIENTS_MAX }
  from "./wire.js";

const BACKOFF_MS_MIN = 500, BACKOFF_MS_MAX = 60000;
const STOOD_MS = 5000; // a session that stood so long begins the back-off anew
const BUFFERED_MAX = 1 << 18, BUFFERED_WAIT_MS = 20;
const CHECK_MS = 5000, SILENT_MS = 25000, PROBE_MS = 10000;
const KEPT_BYTES_MAX = 64 << 20;
const REQUEST_MS = 15000, REQUESTS_AT_ONCE = 3; // the relay takes 4 of a session, one of which is left for `probe`
const BUSY_MS = 1000, BUSY_MS_MAX = 4000; // pauses before a request that was refused as too many is made again
const READS_MAX = 512;

/** @typedef {import("./outbox.js").Recipient} Recipient */
/** @typedef {import("./outbox.js").OutboxRecord} OutboxRecord */

/**
 * Time, so that tests can have their own.
 * @typedef {object} Clock
 * @property {() => number} now milliseconds since 1970
 * @property {(run: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {() => number} random from 0 to below 1
 */

/**
 * @typedef {object} Options
 * @property {import("./identity.js").Identity} identity
 * @property {import("./transport.js").Connect} connect `webSocket(url)` in browsers, `nodeWebSocket(url, …)` in Node
 * @property {number} [device] 1 to 65535; 1
 * @property {import("./storage.js").Storage} [storage] MemoryStorage by default
 * @property {boolean} [sendOnly] ask for no deliveries
 * @property {boolean} [resume] use resume tokens; true
 * @property {number} [keptBytesMax] of messages without an answer; beyond it `send` fails with OutboxFull. 64 MiB
 * @property {string} [invite]
 * @property {import("./media.js").Http} [http] for media: `browserHttp`, or `nodeHttp(…)`
 * @property {string} [mediaUrl] https://host/v1/media
 * @property {Clock} [clock]
 */

/**
 * A message that came.
 * @typedef {object} Message
 * @property {{user: string, device: number}} from
 * @property {bigint} id
 * @property {Uint8Array} head of a message to many, what was for this device alone; else empty
 * @property {Uint8Array} payload
 * @property {number} taken when the relay took it, ms since 1970
 * @property {boolean} again it may have been delivered before
 * @property {boolean} stored it came out of the mailbox
 * @property {boolean} urgent
 * @property {boolean} ephemeral
 * @property {(own?: import("./storage.js").Own) => Promise<void>} done for a handler, called once: keeps what came of the message in one
 *   write with the note that it has been seen. Whatever happens, both are there or neither is, and the message is not delivered again
 */

/**
 * The relay's word on a message of ours, for one recipient.
 * @typedef {object} Answer
 * @property {bigint} id
 * @property {{user: string, device: number}} to
 * @property {"accepted" | "delivered" | "read" | "rejected"} kind
 * @property {number} reason of a rejection, else 0
 * @property {string} text the reason for people
 * @property {boolean} first it ended our custody for this recipient
 * @property {boolean} local not from the relay: an ephemeral message lost with its session
 */

/**
 * @typedef {object} SendOptions
 * @property {number} [ttl] in seconds; 0, the default, is the relay's
 * @property {boolean} [urgent]
 * @property {boolean} [ephemeral] never stored: now or not at all
 * @property {boolean} [silent] ephemeral, and without any answer
 * @property {import("./storage.js").Own | ((id: bigint) => import("./storage.js").Own)} [own] what the application keeps in one write
 *   with the message (not of ephemeral ones); a function of the message's id, where that is wanted
 */

/**
 * A message that has been sent, or will be.
 * @typedef {object} Sent
 * @property {bigint} id
 * @property {Promise<Answer>} answered the answer that ended our custody (of a message to many: the last such)
 */

/** Why a request was not answered well: `code` is ERROR's, or 0 when the session was lost or the time ran out. */
export class RequestError extends Error {
  /**
   * @param {number} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.name = "RequestError";
    this.code = code;
  }
}

/** So much waits for the relay's answers that no more messages are taken. */
export class OutboxFull extends Error {
  constructor() {
    super("too many messages wait for an answer");
    this.name = "OutboxFull";
  }
}

/** @type {Clock} */
const REAL_CLOCK = {
  now: () => Date.now(),
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  random: () => Math.random(),
};

const KINDS = /** @type {Record<number, Answer["kind"]>} */ ({
  [Kind.ACCEPTED]: "accepted", [Kind.DELIVERED]: "delivered", [Kind.READ]: "read", [Kind.REJECTED]: "rejected",
});

/** Whether a new session could fare better than one that ended so. */
const worthAgain = (/** @type {import("./session.js").End} */ end) =>
  !end.asked && (end.error === 0 || end.error === Code.TIMEOUT || end.error === Code.TOO_SLOW);

/**
 * Events, by `on`: "open" (WELCOME's fields), "message" (a Message; a handler may be async: the message is acknowledged when
 * it is done, and delivered again when it throws), "status" (an Answer), "keys low" ({left}), "error" (an ERROR of the relay, or what a
 * handler threw), "close" (an End; `again`: there will be another session), "pause" ({ms} until the next try).
 */
export class Client {
  /** @param {Options} options */
  constructor(options) {
    this.identity = options.identity;
    this.device = options.device ?? 1;
    this.connect = options.connect;
    this.storage = options.storage ?? new MemoryStorage();
    this.sendOnly = options.sendOnly ?? false;
    this.resume = options.resume ?? true;
    this.keptBytesMax = options.keptBytesMax ?? KEPT_BYTES_MAX;
    this.invite = options.invite ?? "";
    this.http = options.http ?? null;
    this.mediaUrl = options.mediaUrl ?? "";
    this.clock = options.clock ?? REAL_CLOCK;
    this.outbox = new Outbox();
    /** @type {Map<string, bigint>} */
    this.seen = new Map();
    /** @type {Map<string, any>} what the application keeps in the storage; changed by `keepOwn`, `done` of a message, and `send` */
    this.own = new Map();
    this.lastId = 0n;
    /** @type {Uint8Array | null} */
    this.token = null;
    /** @type {Session | null} */
    this.session = null;
    /** @type {any} WELCOME of the session at hand, null while there is none */
    this.welcome = null;
    this.running = false;
    /** @type {Promise<void> | null} */
    this.loading = null;
    this.failures = 0;
    this.openedAt = 0;
    /** @type {Map<string, Set<(what: any) => any>>} */
    this.handlers = new Map();
    /** @type {Map<number, {resolve: (frame: any) => void, reject: (error: Error) => void, timer: any}>} */
    this.requests = new Map();
    this.lastRequest = 0;
    /** @type {{user: string, device: number, id: bigint}[]} */
    this.reads = [];
    /** @type {{session: Session, frame: any}[]} deliveries that wait to be worked on */
    this.inbox = [];
    this.working = false;
    /** @type {any} */
    this.retryTimer = null;
    /** @type {any} */
    this.pumpTimer = null;
    /** @type {any} */
    this.checkTimer = null;
    this.probedAt = 0;
    /** @type {Set<() => void>} */
    this.waiters = new Set();
  }

  /**
   * @param {"open" | "message" | "status" | "keys low" | "error" | "close" | "pause"} event
   * @param {(what: any) => any} handler
   * @returns {() => void} that takes the handler back
   */
  on(event, handler) {
    const set = this.handlers.get(event) ?? new Set();
    this.handlers.set(event, set.add(handler));
    return () => set.delete(handler);
  }

  /**
   * @param {string} event
   * @param {any} what
   */
  raise(event, what) {
    for (const handler of this.handlers.get(event) ?? []) {
      try {
        const done = handler(what);
        if (done instanceof Promise) done.catch((error) => this.failed(error));
      } catch (error) {
        this.failed(error);
      }
    }
    for (const wake of [...this.waiters]) wake();
  }

  /** @param {unknown} error of a handler */
  failed(error) {
    const handlers = this.handlers.get("error");
    if (handlers === undefined || handlers.size === 0) console.error(error);
    for (const handler of handlers ?? []) handler(error);
  }

  get user() {
    return this.identity.user;
  }

  /** Whether a session is open now. */
  get isOpen() {
    return this.welcome !== null;
  }

  /** Loads what was kept, without connecting yet. */
  load() {
    this.loading ??= this.loadKept();
    return this.loading;
  }

  async loadKept() {
    await ready();
    const kept = await this.storage.open();
    this.lastId = kept.lastId > this.lastId ? kept.lastId : this.lastId;
    this.token = kept.token;
    this.seen = new Map(kept.seen);
    this.own = new Map(kept.own);
    for (const record of kept.outbox) {
      this.outbox.add(record, true);
      if (record.id > this.lastId) this.lastId = record.id;
    }
  }

  /** Begins to connect; from now on the client comes back by itself. */
  async start() {
    if (this.running) return;
    this.running = true;
    await this.load();
    if (this.running) this.open();
  }

  /** Ends the session and the client; the outbox stays in the storage. */
  async close() {
    if (!this.running) return;
    this.running = false;
    this.clock.clearTimeout(this.retryTimer);
    const session = this.session;
    if (session !== null) {
      session.close();
      await this.until(() => this.session !== session);
    }
    await this.until(() => !this.working);
    await this.storage.close();
    this.loading = null;
  }

  // ---- sessions

  open() {
    this.session = new Session({
      connect: this.connect, identity: this.identity, device: this.device, sendOnly: this.sendOnly, invite: this.invite, clock: this.clock,
      token: this.resume && this.token !== null && this.token.length > 0 ? this.token : null,
      onOpen: (welcome) => this.onOpen(welcome),
      onFrame: (frame) => this.onFrame(frame),
      onEnd: (end) => this.onEnd(end),
    });
  }

  /** @param {any} welcome */
  onOpen(welcome) {
    this.welcome = welcome;
    this.openedAt = this.clock.now();
    this.token = welcome.token;
    if (this.resume) this.keep([{ token: welcome.token }]);
    this.check();
    this.flushReads();
    this.pump();
    this.raise("open", {
      user: welcome.user, device: welcome.device, isNew: (welcome.flags & Flag.WELCOME_NEW) !== 0,
      resumed: (welcome.flags & Flag.WELCOME_RESUMED) !== 0, window: welcome.window, largest: welcome.largest,
      waiting: welcome.waiting, time: welcome.time,
    });
  }

  /** @param {import("./session.js").End} end */
  onEnd(end) {
    const stood = this.welcome !== null && this.clock.now() - this.openedAt >= STOOD_MS;
    this.session = null;
    this.welcome = null;
    this.clock.clearTimeout(this.checkTimer);
    for (const [number, request] of this.requests) {
      this.clock.clearTimeout(request.timer);
      this.requests.delete(number);
      request.reject(new RequestError(0, `the session has ended: ${end.why || end.code}`));
    }
    if (end.error === Code.SUSPENDED) {
      this.token = null;
      this.keep([{ token: null }]);
    }
    for (const entry of this.outbox.restart()) this.lost(entry);
    const again = this.running && worthAgain(end);
    if (stood) this.failures = 0;
    if (!again) this.running = false;
    this.raise("close", { ...end, again });
    if (again) this.pause();
  }

  /** The next try, after a pause drawn at random: all clients of a relay that comes back should not meet. */
  pause() {
    const ceiling = Math.min(BACKOFF_MS_MIN * 2 ** this.failures, BACKOFF_MS_MAX);
    const ms = Math.floor(this.clock.random() * ceiling);
    this.failures++;
    this.retryTimer = this.clock.setTimeout(() => {
      this.retryTimer = null;
      if (this.running && this.session === null) this.open();
    }, ms);
    this.raise("pause", { ms });
  }

  /** Something says that the network is back, or that the session may be dead: tries at once. */
  nudge() {
    if (!this.running) return;
    if (this.session === null) {
      this.clock.clearTimeout(this.retryTimer);
      this.open();
    } else if (this.isOpen) {
      this.probe();
    }
  }

  /** Looks now and then whether the relay is still there. */
  check() {
    this.clock.clearTimeout(this.checkTimer);
    this.checkTimer = this.clock.setTimeout(() => {
      if (this.session === null) return;
      const silent = this.clock.now() - this.session.heard;
      const awaits = this.outbox.unanswered > 0 || this.requests.size > 0;
      const patience = awaits ? SILENT_MS : this.welcome.heartbeat * 1000;
      if (this.probedAt > this.session.heard && this.clock.now() - this.probedAt >= PROBE_MS) return this.session.cut("the relay is silent");
      if (silent >= patience && this.probedAt <= this.session.heard) this.probe();
      this.check();
    }, CHECK_MS);
  }

  /** Wants a sign of life: a ping, or where there is none a question that any relay answers. */
  probe() {
    if (this.session === null || !this.isOpen) return;
    this.probedAt = this.clock.now();
    if (this.session.transport.ping !== null) this.session.transport.ping();
    else this.session.send(encode("DEVICE", { what: 1, device: 0, request: 0 }));
  }

  /**
   * @param {() => boolean} done
   * @returns {Promise<void>} kept when done() is true; looks after each event
   */
  until(done) {
    return new Promise((resolve) => {
      const look = () => {
        if (!done()) return;
        this.waiters.delete(look);
        resolve();
      };
      this.waiters.add(look);
      look();
    });
  }

  /** Kept when a session is open. */
  async opened() {
    await this.until(() => this.isOpen || !this.running);
    if (!this.isOpen) throw new RequestError(0, "the client has ended");
  }

  /** Kept when every message has been answered. */
  drained() {
    return this.until(() => this.outbox.size === 0);
  }

  /** @param {import("./storage.js").Change[]} changes whose time doesn't matter */
  keep(changes) {
    this.storage.write(changes).catch((error) => this.failed(error));
  }

  /**
   * Keeps something of the application's; null takes a name away. It stands in `own` at once; the promise is kept when it is safe.
   * @param {import("./storage.js").Own} own
   */
  keepOwn(own) {
    return this.write([], own);
  }

  /**
   * @param {import("./storage.js").Change[]} changes
   * @param {import("./storage.js").Own} own
   */
  write(changes, own) {
    applyOwn(this.own, own);
    return this.storage.write([...changes, ...own.map((pair) => ({ own: pair }))]);
  }

  // ---- frames of the relay

  /** @param {any} frame */
  onFrame(frame) {
    switch (frame.type) {
      case "DELIVER":
        this.inbox.push({ session: /** @type {Session} */ (this.session), frame });
        if (!this.working) this.work();
        break;
      case "STATUS":
        for (const entry of frame.entries) this.onStatus(entry);
        this.pump();
        break;
      case "ERROR":
        if (!this.settle(frame.request, null, new RequestError(frame.code, frame.text))) this.raise("error", frame);
        break;
      case "KEYS_LOW":
        this.raise("keys low", { left: frame.left });
        break;
      case "KEYS_OK": case "KEYS": case "OK": case "DEVICES":
        this.settle(frame.request, frame, null);
        break;
      default: // of clients
    }
  }

  /** Works on deliveries, one after the other. */
  async work() {
    this.working = true;
    for (let next = this.inbox.shift(); next !== undefined; next = this.inbox.shift()) {
      const { session, frame } = next;
      try {
        await this.deliver(frame);
        this.failures = 0;
        session.received(frame.sequence, this.inbox.length > 0);
      } catch (error) {
        // It can't be taken now, so nothing behind it may be acknowledged: it comes again in another session.
        this.inbox = this.inbox.filter((other) => other.session !== session);
        session.cut("a handler failed");
        this.failed(error);
      }
    }
    this.working = false;
    for (const wake of [...this.waiters]) wake();
  }

  /** @param {any} frame */
  async deliver(frame) {
    const peer = `${frame.user}/${frame.device}`;
    const ephemeral = (frame.flags & Flag.DELIVER_EPHEMERAL) !== 0;
    if (!ephemeral && frame.id <= (this.seen.get(peer) ?? 0n)) return;
    let noted = ephemeral;
    const done = (/** @type {import("./storage.js").Own} */ own = []) => {
      if (noted) return this.write([], own);
      noted = true;
      this.seen.set(peer, frame.id);
      return this.write([{ seen: [peer, frame.id] }], own);
    };
    /** @type {Message} */
    const message = {
      from: { user: frame.user, device: frame.device }, id: frame.id, head: frame.head, payload: frame.payload, taken: frame.taken,
      again: (frame.flags & Flag.AGAIN) !== 0, stored: (frame.flags & Flag.STORED) !== 0,
      urgent: (frame.flags & Flag.DELIVER_URGENT) !== 0, ephemeral, done,
    };
    for (const handler of this.handlers.get("message") ?? []) await handler(message);
    if (!noted) await done();
  }

  /** @param {{kind: number, reason: number, id: bigint, user: string, device: number}} status */
  onStatus(status) {
    const ended = this.outbox.answer(status);
    /** @type {Answer} */
    const answer = {
      id: status.id, to: { user: status.user, device: status.device }, kind: KINDS[status.kind] ?? "read", reason: status.reason,
      text: reasonText(status.reason), first: ended !== null, local: false,
    };
    this.failures = 0;
    if (ended !== null && ended !== "part") {
      if (!isEphemeral(ended.record)) this.keep([{ drop: status.id }]);
      ended.answered?.(answer);
    }
    this.raise("status", answer);
  }

  /** @param {import("./outbox.js").Entry} entry an ephemeral message whose session is gone */
  lost(entry) {
    for (const to of entry.open) {
      /** @type {Answer} */
      const answer = {
        id: entry.record.id, to: { user: to.user, device: to.device }, kind: "rejected", reason: Reason.NOT_CONNECTED,
        text: "the session ended before an answer", first: true, local: true,
      };
      entry.answered?.(answer);
      this.raise("status", answer);
    }
  }

  // ---- sending

  nextId() {
    const least = firstId(this.clock.now());
    this.lastId = this.lastId + 1n > least ? this.lastId + 1n : least;
    return this.lastId;
  }

  /**
   * Sends to one device; kept in the storage until the relay has answered, and sent again after each reconnect. The promise is
   * kept when the message is safe here.
   * @param {{user: string, device?: number}} to
   * @param {Uint8Array} payload
   * @param {SendOptions} [options]
   * @returns {Promise<Sent>}
   */
  send(to, payload, options = {}) {
    return this.post([{ user: to.user, device: to.device ?? 1 }], false, payload, options);
  }

  /**
   * The same to many devices at once: each gets its `head`, then the shared bytes.
   * @param {Recipient[]} recipients
   * @param {Uint8Array} shared
   * @param {SendOptions} [options]
   * @returns {Promise<Sent>}
   */
  sendMulti(recipients, shared, options = {}) {
    if (recipients.length < 1 || recipients.length > RECIPIENTS_MAX) throw new WireError(`from 1 to ${RECIPIENTS_MAX} recipients`);
    const names = new Set(recipients.map((to) => `${to.user}/${to.device}`));
    if (names.size !== recipients.length) throw new WireError("a recipient twice");
    return this.post(recipients, true, shared, options);
  }

  /**
   * @param {Recipient[]} to
   * @param {boolean} many
   * @param {Uint8Array} payload
   * @param {SendOptions} options
   * @returns {Promise<Sent>}
   */
  async post(to, many, payload, options) {
    const flags = (options.ephemeral || options.silent ? Flag.EPHEMERAL : 0) | (options.urgent ? Flag.URGENT : 0) |
      (options.silent ? Flag.SILENT : 0);
    for (const one of to) {
      if (!isUser(one.user)) throw new WireError(`not a user id: ${one.user}`);
      if (!Number.isInteger(one.device) || one.device < 1 || one.device > 65535) throw new WireError(`not a device: ${one.device}`);
    }
    const bytes = payload.length + to.reduce((sum, one) => sum + 20 + (one.head?.length ?? 0), 32);
    if (bytes > FRAME_BYTES_MAX) throw new WireError("a message above 1 MiB");
    if (to.some((one) => (one.head?.length ?? 0) > 65535)) throw new WireError("a head above 64 KiB");
    if (this.outbox.bytes + bytes > this.keptBytesMax) throw new OutboxFull();
    /** @type {OutboxRecord} */
    const record = { id: this.nextId(), many, to, flags, ttl: options.ttl ?? 0, payload };
    if (flags & Flag.EPHEMERAL) return this.postEphemeral(record);
    const entry = this.outbox.add(record, false);
    const answered = new Promise((resolve) => { entry.answered = resolve; });
    try {
      const { own = [] } = options;
      await this.write([{ put: record }], typeof own === "function" ? own(record.id) : own);
    } catch (error) {
      this.outbox.drop(entry);
      this.pump();
      throw error;
    }
    entry.kept = true;
    this.pump();
    return { id: record.id, answered: /** @type {Promise<Answer>} */ (answered) };
  }

  /** @param {OutboxRecord} record never kept: now or not at all */
  postEphemeral(record) {
    const entry = this.outbox.add(record, true);
    const answered = /** @type {Promise<Answer>} */ (new Promise((resolve) => { entry.answered = resolve; }));
    if (this.session === null || !this.isOpen || record.flags & Flag.SILENT) {
      this.outbox.drop(entry);
      if (this.session !== null && this.isOpen) {
        this.session.send(this.outbox.frame(entry));
        this.outbox.unanswered--;
      }
      if (!(record.flags & Flag.SILENT)) this.lost(entry);
    } else {
      this.pump();
    }
    return { id: record.id, answered };
  }

  /** Sends what the window and the connection allow. */
  pump() {
    if (this.session === null || !this.isOpen) return;
    while (this.outbox.unanswered < this.welcome.window) {
      const entry = this.outbox.next();
      if (entry === null) return;
      if (this.session.transport.buffered() > BUFFERED_MAX) {
        this.clock.clearTimeout(this.pumpTimer);
        this.pumpTimer = this.clock.setTimeout(() => this.pump(), BUFFERED_WAIT_MS);
        return;
      }
      this.session.send(this.outbox.frame(entry));
      if (this.session === null) return;
    }
  }

  /**
   * Tells the senders that their messages have been read. Without a session it waits for the next; lost with the process.
   * @param {{from: {user: string, device: number}, id: bigint}[]} messages
   */
  read(messages) {
    for (const { from, id } of messages) this.reads.push({ user: from.user, device: from.device, id });
    this.flushReads();
  }

  flushReads() {
    while (this.session !== null && this.isOpen && this.reads.length > 0)
      this.session.send(encode("READ", { entries: this.reads.splice(0, READS_MAX) }));
  }

  // ---- requests

  /**
   * @param {string} type
   * @param {import("./wire.js").Fields} fields without `request`
   * @returns {Promise<any>} the frame that answers; "rate limited" is tried again up to three times
   */
  async request(type, fields) {
    for (let pause = BUSY_MS; ; pause *= 2) {
      try {
        return await this.ask(type, fields);
      } catch (error) {
        const busy = error instanceof RequestError && error.code === Code.RATE && type !== "BLOCK"; // a full list stays full
        if (!busy || pause > BUSY_MS_MAX) throw error;
      }
      await new Promise((resolve) => { this.clock.setTimeout(() => resolve(null), pause * (1 + this.clock.random())); });
    }
  }

  /**
   * Asks once, when it is this question's turn.
   * @param {string} type
   * @param {import("./wire.js").Fields} fields
   * @returns {Promise<any>}
   */
  async ask(type, fields) {
    const turn = () => !this.running || (this.isOpen && this.requests.size < REQUESTS_AT_ONCE);
    while (!turn() || !this.isOpen) {
      if (!this.running) throw new RequestError(0, "the client has ended");
      await this.until(turn); // and then another may have been quicker
    }
    const session = /** @type {Session} */ (this.session);
    this.lastRequest = this.lastRequest === 0xffffffff ? 1 : this.lastRequest + 1;
    const number = this.lastRequest;
    const frame = encode(type, { ...fields, request: number });
    decode(frame); // what the relay would call malformed is refused here
    return new Promise((resolve, reject) => {
      const timer = this.clock.setTimeout(() => this.settle(number, null, new RequestError(0, "no answer in time")), REQUEST_MS);
      this.requests.set(number, { resolve, reject, timer });
      session.send(frame);
    });
  }

  /**
   * @param {number} number
   * @param {any} frame
   * @param {Error | null} error
   * @returns {boolean} whether somebody had asked
   */
  settle(number, frame, error) {
    const request = this.requests.get(number);
    if (request === undefined) return number === 0 && error instanceof RequestError && error.code === Code.UNKNOWN_REQUEST;
    this.requests.delete(number);
    this.clock.clearTimeout(request.timer);
    if (error) request.reject(error);
    else request.resolve(frame);
    for (const wake of [...this.waiters]) wake();
    return true;
  }

  /**
   * Publishes this device's bundle, signed by the account key, and one-time keys.
   * @param {Uint8Array} bundle up to 8 KiB
   * @param {Uint8Array[]} [keys] one-time keys, each up to 4 KiB; more than fit one frame go in several
   * @param {{replace?: boolean}} [options] `replace`: throw away the one-time keys held
   * @returns {Promise<number>} how many one-time keys the relay holds now
   */
  async putKeys(bundle, keys = [], { replace = false } = {}) {
    if (bundle.length > BUNDLE_BYTES_MAX) throw new WireError("a bundle above 8 KiB");
    for (const key of keys)
      if (key.length === 0 || key.length > KEY_BYTES_MAX) throw new WireError("a one-time key has 1 to 4096 bytes");
    const signature = this.identity.sign(keysText(this.user, this.device, bundle));
    let held = 0;
    for (let at = 0; at === 0 || at < keys.length; at += KEYS_MAX) {
      const flags = replace && at === 0 ? Flag.KEYS_REPLACE : 0;
      const answer = await this.request("KEYS_PUT", { flags, device: this.device, bundle, signature, keys: keys.slice(at, at + KEYS_MAX) });
      held = answer.held;
    }
    return held;
  }

  /**
   * The keys of a user's devices, checked against the user id: nobody can have swapped them.
   * @param {string} user
   * @param {{device?: number, take?: boolean}} [options] `take`: with a one-time key of each device
   * @returns {Promise<{accountKey: Uint8Array, devices: {device: number, bundle: Uint8Array, key: Uint8Array | null}[]} | null>} null: no such user
   */
  async getKeys(user, { device = 0, take = false } = {}) {
    const answer = await this.request("KEYS_GET", { flags: take ? Flag.KEYS_TAKE : 0, device, user });
    if (answer.flags & Flag.KEYS_UNKNOWN_USER) return null;
    if (answer.user !== user || userOf(answer.accountKey) !== user) throw new WireError("the relay gave another user's key");
    for (const each of answer.devices)
      if (!bundleIsOf(answer.accountKey, each)) throw new WireError(`the bundle of device ${each.device} is not signed by its account`);
    const devices = answer.devices.map((/** @type {any} */ each) => ({
      device: each.device, bundle: each.bundle, key: each.key.length > 0 ? each.key : null,
    }));
    return { accountKey: answer.accountKey, devices };
  }

  /** @returns {Promise<{device: number, connected: boolean, lastSeen: number}[]>} this account's devices */
  async devices() {
    const answer = await this.request("DEVICE", { what: 1, device: 0 });
    return answer.devices.map((/** @type {any} */ each) => ({
      device: each.device, connected: (each.flags & Flag.DEVICE_CONNECTED) !== 0, lastSeen: each.lastSeen,
    }));
  }

  /** @param {number} device removed with its keys and its mailbox */
  async removeDevice(device) {
    await this.request("DEVICE", { what: 2, device });
  }

  /** The account, with everything that the relay has of it. */
  async deleteAccount() {
    await this.request("DEVICE", { what: 3, device: 0 });
  }

  /**
   * Who may write to this account: "block", "unblock" and "allow" are for a user; "only allowed" and "everyone" for all.
   * @param {"block" | "unblock" | "only allowed" | "allow" | "everyone"} what
   * @param {string} [user]
   */
  async accept(what, user = "0".repeat(32)) {
    const number = { block: 1, unblock: 2, "only allowed": 3, allow: 4, everyone: 5 }[what];
    await this.request("BLOCK", { what: number, user });
  }

  // ---- media

  mediaOptions() {
    if (this.http === null || this.mediaUrl === "") throw new WireError("no `http` and `mediaUrl` were given");
    return { http: this.http, url: this.mediaUrl };
  }

  /**
   * Uploads a ciphertext.
   * @param {Uint8Array} bytes
   * @param {{ttl?: number, id?: string, onProgress?: (done: number, all: number) => void, signal?: AbortSignal}} [options]
   * @returns {Promise<{id: string, size: number, expires: number}>}
   */
  async upload(bytes, options = {}) {
    await this.opened();
    return upload(this.mediaOptions(), new TextDecoder().decode(this.welcome.mediaToken), bytes, options);
  }

  /**
   * @param {string} id
   * @param {{from?: number, to?: number, onProgress?: (done: number, all: number) => void, signal?: AbortSignal}} [options] from and to: a range, both included
   * @returns {Promise<Uint8Array>}
   */
  download(id, options = {}) {
    return download(this.mediaOptions(), id, options);
  }

  /** @param {string} id of a blob that this account uploaded */
  async removeMedia(id) {
    await this.opened();
    await remove(this.mediaOptions(), new TextDecoder().decode(this.welcome.mediaToken), id);
  }
}
