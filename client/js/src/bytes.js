// SPDX-License-Identifier: BSD-3-Clause
// Bytes: reading and writing big-endian layouts, hexadecimal, base64url, UTF-8.

/** A frame whose layout is broken, or a value that doesn't fit its field. */
export class WireError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "WireError";
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** @param {string} text */
export const utf8 = (text) => encoder.encode(text);

/** @param {Uint8Array} bytes */
export const textOf = (bytes) => decoder.decode(bytes);

/**
 * @param {Uint8Array} bytes
 * @returns {string}
 */
export function toHex(bytes) {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/**
 * @param {string} text hexadecimal digits, an even number of them
 * @returns {Uint8Array}
 */
export function fromHex(text) {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) throw new WireError(`not hexadecimal: ${text}`);
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = parseInt(text.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

/** @param {Uint8Array} bytes */
export function toBase64url(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {string} text */
export function fromBase64url(text) {
  if (!/^[\w-]*$/.test(text)) throw new WireError("not base64url");
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
}

/**
 * @param {Uint8Array} one
 * @param {Uint8Array} two
 */
export function sameBytes(one, two) {
  return one.length === two.length && one.every((byte, at) => byte === two[at]);
}

/** @param {Uint8Array[]} parts */
export function concat(...parts) {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Takes a frame apart, byte by byte; throws WireError where it is too short. */
export class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  /** @param {number} length */
  skip(length) {
    const at = this.at;
    if (length > this.bytes.length - at) throw new WireError("a frame that is too short");
    this.at = at + length;
    return at;
  }

  u8() {
    return this.view.getUint8(this.skip(1));
  }

  u16() {
    return this.view.getUint16(this.skip(2));
  }

  u32() {
    return this.view.getUint32(this.skip(4));
  }

  u64() {
    return this.view.getBigUint64(this.skip(8));
  }

  /** Milliseconds since 1970. */
  time() {
    return Number(this.u64());
  }

  /** @param {number} length */
  take(length) {
    const at = this.skip(length);
    return this.bytes.slice(at, at + length);
  }

  user() {
    return toHex(this.take(16));
  }

  /**
   * A length of 2 bytes, and as many bytes.
   * @param {number} [most]
   */
  short(most = 65535) {
    const length = this.u16();
    if (length > most) throw new WireError(`a field of ${length} bytes`);
    return this.take(length);
  }

  rest() {
    return this.take(this.bytes.length - this.at);
  }

  end() {
    if (this.at !== this.bytes.length) throw new WireError("bytes left over");
  }
}

/** Puts a frame together. Values that don't fit their field throw WireError. */
export class Writer {
  constructor() {
    this.bytes = new Uint8Array(256);
    this.view = new DataView(this.bytes.buffer);
    this.length = 0;
  }

  /** @param {number} length */
  grow(length) {
    const at = this.length;
    this.length = at + length;
    if (this.length > this.bytes.length) {
      const old = this.bytes;
      this.bytes = new Uint8Array(Math.max(this.length, 2 * old.length));
      this.bytes.set(old.subarray(0, at));
      this.view = new DataView(this.bytes.buffer);
    }
    return at;
  }

  /**
   * @param {number} value
   * @param {number} most
   */
  whole(value, most) {
    if (!Number.isInteger(value) || value < 0 || value > most) throw new WireError(`${value} is not from 0 to ${most}`);
    return value;
  }

  /** @param {number} value */
  u8(value) {
    this.whole(value, 0xff);
    const at = this.grow(1);
    this.view.setUint8(at, value);
    return this;
  }

  /** @param {number} value */
  u16(value) {
    this.whole(value, 0xffff);
    const at = this.grow(2);
    this.view.setUint16(at, value);
    return this;
  }

  /** @param {number} value */
  u32(value) {
    this.whole(value, 0xffffffff);
    const at = this.grow(4);
    this.view.setUint32(at, value);
    return this;
  }

  /** @param {bigint | number} value */
  u64(value) {
    const whole = BigInt(value);
    if (whole < 0n || whole >> 64n !== 0n) throw new WireError(`${value} doesn't fit 64 bits`);
    const at = this.grow(8);
    this.view.setBigUint64(at, whole);
    return this;
  }

  /** @param {number} length */
  zero(length) {
    this.grow(length);
    return this;
  }

  /**
   * @param {Uint8Array} bytes
   * @param {number} [length] that it must have
   */
  put(bytes, length = bytes.length) {
    if (bytes.length !== length) throw new WireError(`${bytes.length} bytes where ${length} belong`);
    const at = this.grow(length);
    this.bytes.set(bytes, at);
    return this;
  }

  /** @param {string} user */
  user(user) {
    return this.put(fromHex(user), 16);
  }

  /**
   * A length of 2 bytes, and as many bytes.
   * @param {Uint8Array} bytes
   */
  short(bytes) {
    return this.u16(bytes.length).put(bytes);
  }

  done() {
    return this.bytes.slice(0, this.length);
  }
}
