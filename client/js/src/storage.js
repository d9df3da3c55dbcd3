// SPDX-License-Identifier: BSD-3-Clause
// Where a client keeps what it must not forget. MemoryStorage forgets with the process; FileStorage (file-storage.js)
// and IndexedDbStorage (indexeddb-storage.js) don't.

/** @typedef {import("./outbox.js").OutboxRecord} OutboxRecord */

/**
 * What was kept.
 * @typedef {object} Snapshot
 * @property {bigint} lastId the last message id given out, 0n at first
 * @property {Uint8Array | null} token for a resumed session
 * @property {OutboxRecord[]} outbox messages without an answer, by rising id
 * @property {[string, bigint][]} seen for each "user/device", the last message id that came from it
 * @property {[string, any][]} own what the application keeps here
 */

/**
 * One thing that changes.
 * @typedef {{put: OutboxRecord} | {drop: bigint} | {token: Uint8Array | null} | {seen: [string, bigint]} | {own: [string, any]}} Change
 */

/**
 * What an application keeps: plain values, bigint and Uint8Array among them; null takes a name away.
 * @typedef {[string, any][]} Own
 */

/**
 * The interface. `write` makes all its changes or none, in the order of the calls; its promise is kept when they
 * would survive a crash. A put's id is the last one given out.
 * @typedef {object} Storage
 * @property {() => Promise<Snapshot>} open
 * @property {(changes: Change[]) => Promise<void>} write
 * @property {() => Promise<void>} close
 */

/**
 * @param {Map<string, any>} map
 * @param {Own} pairs
 */
export function applyOwn(map, pairs) {
  for (const [name, value] of pairs) {
    if (value === null) map.delete(name);
    else map.set(name, value);
  }
}

/** What the changes make of a snapshot, as every storage keeps it in memory. */
export class Kept {
  constructor() {
    this.lastId = 0n;
    /** @type {Uint8Array | null} */
    this.token = null;
    /** @type {Map<bigint, OutboxRecord>} */
    this.outbox = new Map();
    /** @type {Map<string, bigint>} */
    this.seen = new Map();
    /** @type {Map<string, any>} */
    this.own = new Map();
  }

  /** @param {Change} change */
  apply(change) {
    if ("put" in change) {
      this.outbox.set(change.put.id, change.put);
      if (change.put.id > this.lastId) this.lastId = change.put.id;
    } else if ("drop" in change) {
      this.outbox.delete(change.drop);
    } else if ("token" in change) {
      this.token = change.token;
    } else if ("own" in change) {
      applyOwn(this.own, [change.own]);
    } else {
      this.seen.set(change.seen[0], change.seen[1]);
    }
  }

  /** @returns {Snapshot} */
  snapshot() {
    const outbox = [...this.outbox.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    return { lastId: this.lastId, token: this.token, outbox, seen: [...this.seen], own: [...this.own] };
  }
}

/** Keeps everything as long as the object lives. */
export class MemoryStorage {
  constructor() {
    this.kept = new Kept();
  }

  async open() {
    return this.kept.snapshot();
  }

  /** @param {Change[]} changes */
  async write(changes) {
    for (const change of changes) this.kept.apply(change);
  }

  async close() {}
}
