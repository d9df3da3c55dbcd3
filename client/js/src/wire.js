// SPDX-License-Identifier: BSD-3-Clause
// The frames of docs/protocol.md, both directions: encode(type, fields) and decode(bytes).
// User ids are 32 hexadecimal digits, message ids bigint, times numbers of milliseconds, everything else that is bytes Uint8Array.

import { Reader, WireError, Writer, textOf, utf8 } from "./bytes.js";

export const SUBPROTOCOL = "waxwire.v1";
export const EXPORTER_LABEL = "EXPORTER-waxwire-v1";
export const VERSION = 1;
export const FRAME_BYTES_MAX = 1 << 20;
export const RECIPIENTS_MAX = 1024;
export const BUNDLE_BYTES_MAX = 8192;
export const KEY_BYTES_MAX = 4096;
export const KEYS_MAX = 200;
export const WAITING_UNKNOWN = 0xffffffff;

/** Flags of frames. */
export const Flag = Object.freeze({
  HELLO_RESUME: 1, HELLO_BINDING: 2, HELLO_SEND_ONLY: 4, PROOF_BINDING: 1,
  EPHEMERAL: 1, URGENT: 2, SILENT: 4,
  WELCOME_NEW: 1, WELCOME_RESUMED: 2,
  AGAIN: 1, DELIVER_URGENT: 2, DELIVER_EPHEMERAL: 4, DELIVER_MULTI: 8, STORED: 16,
  KEYS_REPLACE: 1, KEYS_TAKE: 1, KEYS_UNKNOWN_USER: 1, DEVICE_CONNECTED: 1,
});

/** Kinds of STATUS. */
export const Kind = Object.freeze({ ACCEPTED: 1, DELIVERED: 2, READ: 3, REJECTED: 4 });

/** Reasons of REJECTED. */
export const Reason = Object.freeze({
  NONE: 0, UNKNOWN_USER: 1, UNKNOWN_DEVICE: 2, BLOCKED: 3, RATE: 4, MAILBOX_FULL: 5, TOO_LARGE: 6, EXPIRED: 7, BUSY: 8,
  MALFORMED: 9, NOT_CONNECTED: 10,
});

/** Codes of ERROR; those below 128 are fatal. */
export const Code = Object.freeze({
  MALFORMED: 1, NOT_AUTHENTICATED: 2, BAD_PROOF: 3, VERSION: 4, NOT_INVITED: 5, SUSPENDED: 6, TIMEOUT: 7, TOO_SLOW: 8,
  DISPLACED: 9, DEVICES: 10, UNKNOWN_REQUEST: 130, RATE: 131, KEYS: 132,
});

const REASONS = ["", "unknown user", "unknown device", "blocked", "rate limited", "mailbox full", "too large", "expired", "busy",
  "malformed", "not connected"];

/** @param {number} reason */
export const reasonText = (reason) => REASONS[reason] ?? `reason ${reason}`;

/** @typedef {Record<string, any>} Fields */

/**
 * @param {Reader} r
 * @param {number} count
 * @param {() => any} read
 */
function listOf(r, count, read) {
  const list = [];
  for (let n = 0; n < count; n++) list.push(read());
  r.end();
  return list;
}

/** @param {number} count */
function atLeastOne(count) {
  if (count === 0) throw new WireError("a count of 0");
  return count;
}

/** @param {number} device */
function realDevice(device) {
  if (device === 0) throw new WireError("device 0");
  return device;
}

/**
 * For each type: its number, how its fields are written behind the type's byte, and how they are read.
 * @type {Record<string, {type: number, write: (w: Writer, f: Fields) => Writer, read: (r: Reader) => Fields}>}
 */
const LAYOUTS = {
  HELLO: {
    type: 0x01,
    write: (w, f) => w.u8(VERSION).u16(f.device).u32(f.flags).put(f.accountKey, 32).put(f.nonce, 16).short(f.token).short(f.invite),
    read: (r) => {
      if (r.u8() !== VERSION) throw new WireError("another version");
      return { device: realDevice(r.u16()), flags: r.u32(), accountKey: r.take(32), nonce: r.take(16), token: r.short(), invite: r.short() };
    },
  },
  PROOF: {
    type: 0x02,
    write: (w, f) => w.u8(f.flags).zero(6).put(f.signature, 64),
    read: (r) => ({ flags: r.u8(), signature: (r.skip(6), r.take(64)) }),
  },
  SEND: {
    type: 0x10,
    write: (w, f) => w.u8(f.flags).u16(f.device).u32(f.ttl).u64(f.id).user(f.user).put(f.payload),
    read: (r) => ({ flags: r.u8(), device: r.u16(), ttl: r.u32(), id: r.u64(), user: r.user(), payload: r.rest() }),
  },
  SEND_MULTI: {
    type: 0x11,
    write: (w, f) => {
      w.u8(f.flags).u16(f.recipients.length).u32(f.ttl).u64(f.id).u32(f.shared.length).zero(4);
      for (const to of f.recipients) w.user(to.user).u16(to.device).short(to.head);
      return w.put(f.shared);
    },
    read: (r) => {
      const flags = r.u8(), count = atLeastOne(r.u16()), ttl = r.u32(), id = r.u64(), length = r.u32();
      r.skip(4);
      const recipients = [];
      for (let n = 0; n < count; n++) recipients.push({ user: r.user(), device: r.u16(), head: r.short() });
      return { flags, ttl, id, recipients, shared: r.take(length) };
    },
  },
  ACK: {
    type: 0x12,
    write: (w, f) => w.zero(3).u32(f.sequence),
    read: (r) => ({ sequence: (r.skip(3), r.u32()) }),
  },
  READ: {
    type: 0x13,
    write: (w, f) => {
      w.zero(1).u16(f.entries.length).zero(4);
      for (const entry of f.entries) w.zero(2).u16(entry.device).u64(entry.id).user(entry.user);
      return w;
    },
    read: (r) => {
      r.skip(1);
      const count = r.u16();
      r.skip(4);
      return { entries: listOf(r, count, () => ({ device: (r.skip(2), r.u16()), id: r.u64(), user: r.user() })) };
    },
  },
  KEYS_PUT: {
    type: 0x20,
    write: (w, f) => {
      w.u8(f.flags).u16(f.device).u32(f.request).u16(f.bundle.length).u16(f.keys.length).put(f.bundle).put(f.signature, 64);
      for (const key of f.keys) w.short(key);
      return w;
    },
    read: (r) => {
      const flags = r.u8(), device = r.u16(), request = r.u32(), length = r.u16(), count = r.u16();
      if (length > BUNDLE_BYTES_MAX || count > KEYS_MAX) throw new WireError("above a limit");
      const bundle = r.take(length), signature = r.take(64);
      return { flags, device, request, bundle, signature, keys: listOf(r, count, () => r.short(KEY_BYTES_MAX)) };
    },
  },
  KEYS_GET: {
    type: 0x21,
    write: (w, f) => w.u8(f.flags).u16(f.device).u32(f.request).user(f.user),
    read: (r) => ({ flags: r.u8(), device: r.u16(), request: r.u32(), user: r.user() }),
  },
  BLOCK: {
    type: 0x30,
    write: (w, f) => w.u8(f.what).zero(2).u32(f.request).user(f.user),
    read: (r) => ({ what: r.u8(), request: (r.skip(2), r.u32()), user: r.user() }),
  },
  DEVICE: {
    type: 0x31,
    write: (w, f) => w.u8(f.what).u16(f.device).u32(f.request),
    read: (r) => ({ what: r.u8(), device: r.u16(), request: r.u32() }),
  },
  CHALLENGE: {
    type: 0x81,
    write: (w, f) => w.u8(VERSION).zero(6).put(f.nonce, 32).put(f.relayId, 16).u64(f.time),
    read: (r) => {
      if (r.u8() !== VERSION) throw new WireError("another version");
      return { nonce: (r.skip(6), r.take(32)), relayId: r.take(16), time: r.time() };
    },
  },
  WELCOME: {
    type: 0x82,
    write: (w, f) => w.u8(f.flags).u16(f.device).u32(f.largest).u64(f.time).user(f.user).u32(f.window).u32(f.waiting).u16(f.heartbeat)
      .short(f.token).short(f.mediaToken),
    read: (r) => ({
      flags: r.u8(), device: r.u16(), largest: r.u32(), time: r.time(), user: r.user(), window: r.u32(), waiting: r.u32(),
      heartbeat: r.u16(), token: r.short(), mediaToken: r.short(),
    }),
  },
  DELIVER: {
    type: 0x90,
    write: (w, f) => w.u8(f.flags).u16(f.device).u32(f.sequence).u64(f.id).user(f.user).u64(f.taken).u32(f.head.length).put(f.head)
      .put(f.payload),
    read: (r) => ({
      flags: r.u8(), device: r.u16(), sequence: r.u32(), id: r.u64(), user: r.user(), taken: r.time(), head: r.take(r.u32()),
      payload: r.rest(),
    }),
  },
  STATUS: {
    type: 0x92,
    write: (w, f) => {
      w.zero(1).u16(f.entries.length).zero(4);
      for (const entry of f.entries) w.u8(entry.kind).u8(entry.reason).u16(entry.device).u64(entry.id).user(entry.user);
      return w;
    },
    read: (r) => {
      r.skip(1);
      const count = r.u16();
      r.skip(4);
      return { entries: listOf(r, count, () => ({ kind: r.u8(), reason: r.u8(), device: r.u16(), id: r.u64(), user: r.user() })) };
    },
  },
  KEYS_OK: {
    type: 0xa0,
    write: (w, f) => w.zero(1).u16(f.device).u32(f.request).u32(f.held),
    read: (r) => ({ device: (r.skip(1), r.u16()), request: r.u32(), held: r.u32() }),
  },
  KEYS: {
    type: 0xa1,
    write: (w, f) => {
      w.u8(f.flags).u16(f.devices.length).u32(f.request).user(f.user).put(f.accountKey, 32);
      for (const each of f.devices) w.u16(each.device).short(each.bundle).put(each.signature, 64).short(each.key);
      return w;
    },
    read: (r) => {
      const flags = r.u8(), count = r.u16(), request = r.u32(), user = r.user(), accountKey = r.take(32);
      const devices = listOf(r, count, () => ({ device: r.u16(), bundle: r.short(), signature: r.take(64), key: r.short() }));
      return { flags, request, user, accountKey, devices };
    },
  },
  KEYS_LOW: {
    type: 0xa2,
    write: (w, f) => w.zero(1).u16(f.device).u32(f.left),
    read: (r) => ({ device: (r.skip(1), r.u16()), left: r.u32() }),
  },
  OK: {
    type: 0xb0,
    write: (w, f) => w.zero(3).u32(f.request),
    read: (r) => ({ request: (r.skip(3), r.u32()) }),
  },
  DEVICES: {
    type: 0xb1,
    write: (w, f) => {
      w.zero(1).u16(f.devices.length).u32(f.request);
      for (const each of f.devices) w.u16(each.device).u16(each.flags).u64(each.lastSeen);
      return w;
    },
    read: (r) => {
      r.skip(1);
      const count = r.u16(), request = r.u32();
      return { request, devices: listOf(r, count, () => ({ device: r.u16(), flags: r.u16(), lastSeen: r.time() })) };
    },
  },
  ERROR: {
    type: 0xff,
    write: (w, f) => {
      const text = utf8(f.text);
      return w.u8(f.code).u16(text.length).u32(f.request).put(text);
    },
    read: (r) => {
      const code = r.u8(), length = r.u16();
      return { code, request: r.u32(), text: textOf(r.take(length)) };
    },
  },
};

const NAMES = new Map(Object.entries(LAYOUTS).map(([name, layout]) => [layout.type, name]));

/** The number of each type. */
export const Type = Object.freeze(Object.fromEntries(Object.entries(LAYOUTS).map(([name, layout]) => [name, layout.type])));

/**
 * The bytes of a frame. Throws WireError when a field doesn't fit.
 * @param {string} type a name of `Type`
 * @param {Fields} fields
 * @returns {Uint8Array}
 */
export function encode(type, fields) {
  const layout = LAYOUTS[type];
  if (layout === undefined) throw new WireError(`no frame ${type}`);
  const frame = layout.write(new Writer().u8(layout.type), fields).done();
  if (frame.length > FRAME_BYTES_MAX) throw new WireError("a frame above 1 MiB");
  return frame;
}

/**
 * A frame's fields with its `type`; a type that nobody knows here is "UNKNOWN". Throws WireError for a broken layout.
 * @param {Uint8Array} frame
 * @returns {Fields & {type: string}}
 */
export function decode(frame) {
  const reader = new Reader(frame);
  const type = NAMES.get(reader.u8());
  if (type === undefined) return { type: "UNKNOWN", number: frame[0] };
  const fields = LAYOUTS[type].read(reader);
  reader.end();
  return { type, ...fields };
}

/** @param {number} sequence of a delivery; which one follows */
export const sequenceAfter = (sequence) => (sequence === 0xffffffff ? 1 : sequence + 1);

/** @param {number} time the id of a first message at that time */
export const firstId = (time) => BigInt(Math.floor(time)) << 20n;
