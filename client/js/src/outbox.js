// SPDX-License-Identifier: BSD-3-Clause
// Messages of ours that the relay has not answered, in the order of their ids.

import { encode, Flag, Kind } from "./wire.js";

/**
 * @typedef {object} Recipient
 * @property {string} user
 * @property {number} device
 * @property {Uint8Array} [head] what this one gets before the shared bytes (of a message to many)
 */

/**
 * A message as it is kept.
 * @typedef {object} OutboxRecord
 * @property {bigint} id
 * @property {boolean} many whether it goes out as SEND_MULTI
 * @property {Recipient[]} to
 * @property {number} flags
 * @property {number} ttl in seconds, 0: the relay's default
 * @property {Uint8Array} payload
 */

/**
 * @typedef {object} Entry
 * @property {OutboxRecord} record
 * @property {Recipient[]} open recipients about whom there is no answer yet
 * @property {boolean} kept whether it is safe in the storage, so that it may go out
 * @property {boolean} sent in the session at hand
 * @property {((answer: import("./client.js").Answer) => void) | null} answered
 */

/** @param {OutboxRecord} record what it takes to keep it, about */
const bytesOf = (record) => record.to.reduce((sum, to) => sum + 20 + (to.head?.length ?? 0), 32 + record.payload.length);

/** @param {OutboxRecord} record */
export const isEphemeral = (record) => (record.flags & Flag.EPHEMERAL) !== 0;

export class Outbox {
  constructor() {
    /** @type {Map<bigint, Entry>} in the order of the ids, which is the order of insertion */
    this.entries = new Map();
    this.unanswered = 0;
    this.bytes = 0; // of all messages
  }

  get size() {
    return this.entries.size;
  }

  /**
   * @param {OutboxRecord} record with an id above all others
   * @param {boolean} kept
   * @returns {Entry}
   */
  add(record, kept) {
    const entry = { record, open: record.to, kept, sent: false, answered: null };
    this.entries.set(record.id, entry);
    this.bytes += bytesOf(record);
    return entry;
  }

  /** The next message to go out; none overtakes one that is still being kept. */
  next() {
    for (const entry of this.entries.values()) {
      if (!entry.kept) return null;
      if (!entry.sent) return entry;
    }
    return null;
  }

  /**
   * The frame of a message, for those who have not answered; it counts in the window from now on.
   * @param {Entry} entry
   */
  frame(entry) {
    const { record, open } = entry;
    entry.sent = true;
    this.unanswered++;
    const { id, flags, ttl, payload } = record;
    if (!record.many) return encode("SEND", { id, flags, ttl, payload, user: open[0].user, device: open[0].device });
    const recipients = open.map((to) => ({ user: to.user, device: to.device, head: to.head ?? new Uint8Array(0) }));
    return encode("SEND_MULTI", { id, flags, ttl, recipients, shared: payload });
  }

  /**
   * The relay's word on a message. What it ended: null (nothing of ours, or not the first word), "part" (of a message to
   * many), or the whole entry, which is no longer held.
   * @param {{kind: number, id: bigint, user: string, device: number}} status
   * @returns {Entry | "part" | null}
   */
  answer({ kind, id, user, device }) {
    const entry = this.entries.get(id);
    if (entry === undefined || kind === Kind.READ) return null;
    const open = entry.open.filter((to) => to.user !== user || to.device !== device);
    if (open.length === entry.open.length) return null;
    entry.open = open;
    if (open.length > 0) return "part";
    this.drop(entry);
    return entry;
  }

  /** @param {Entry} entry */
  drop(entry) {
    if (!this.entries.delete(entry.record.id)) return;
    this.bytes -= bytesOf(entry.record);
    if (entry.sent) this.unanswered--;
  }

  /** The session has ended: all will be sent again, but what was ephemeral, which is returned and held no longer. */
  restart() {
    const lost = [...this.entries.values()].filter((entry) => isEphemeral(entry.record));
    for (const entry of lost) this.drop(entry);
    for (const entry of this.entries.values()) entry.sent = false;
    this.unanswered = 0;
    return lost;
  }
}
