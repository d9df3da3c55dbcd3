// SPDX-License-Identifier: BSD-3-Clause
// Account keys, user ids, signatures, and the numbers by which two people make sure of each other.

import sodium from "#sodium";
import { concat, fromHex, sameBytes, toHex, utf8, WireError, Writer } from "./bytes.js";

const PROOF_CONTEXT = utf8("waxwire v1 proof\0");
const KEYS_CONTEXT = utf8("waxwire v1 keys\0");

/** libsodium loads by itself; await this once before anything here is called. */
export const ready = () => sodium.ready;

/**
 * The user id of an account key.
 * @param {Uint8Array} accountKey
 */
export const userOf = (accountKey) => toHex(sodium.crypto_generichash(16, accountKey, null));

/** @param {number} length */
export const randomBytes = (length) => sodium.randombytes_buf(length);

/**
 * What PROOF signs.
 * @param {{relayId: Uint8Array, relayNonce: Uint8Array, nonce: Uint8Array, device: number, binding?: Uint8Array | null}} about
 */
export function proofText({ relayId, relayNonce, nonce, device, binding }) {
  return new Writer().put(PROOF_CONTEXT).put(relayId, 16).put(relayNonce, 32).put(nonce, 16).u16(device)
    .put(binding ?? new Uint8Array(32), 32).done();
}

/**
 * What KEYS_PUT signs.
 * @param {string} user
 * @param {number} device
 * @param {Uint8Array} bundle
 */
export const keysText = (user, device, bundle) => new Writer().put(KEYS_CONTEXT).user(user).u16(device).put(bundle).done();

/**
 * Whether a bundle in KEYS is the account's.
 * @param {Uint8Array} accountKey
 * @param {{device: number, bundle: Uint8Array, signature: Uint8Array}} entry
 */
export function bundleIsOf(accountKey, { device, bundle, signature }) {
  return sodium.crypto_sign_verify_detached(signature, keysText(userOf(accountKey), device, bundle), accountKey);
}

/** An account key with its secret: what a person's devices share. */
export class Identity {
  /** @param {Uint8Array} seed 32 bytes, to be kept secret */
  constructor(seed) {
    if (seed.length !== 32) throw new WireError("a seed has 32 bytes");
    const pair = sodium.crypto_sign_seed_keypair(seed);
    this.seed = seed;
    this.accountKey = pair.publicKey;
    this.secretKey = pair.privateKey;
    this.user = userOf(this.accountKey);
  }

  /** A new account. */
  static async create() {
    await sodium.ready;
    return new Identity(sodium.randombytes_buf(32));
  }

  /** @param {Uint8Array} seed */
  static async fromSeed(seed) {
    await sodium.ready;
    return new Identity(seed);
  }

  /** @param {Uint8Array} text */
  sign(text) {
    return sodium.crypto_sign_detached(text, this.secretKey);
  }
}

/**
 * 60 digits in groups of 5 that two people read to each other: the same for both, another one when a key was swapped.
 * @param {Uint8Array} one account key
 * @param {Uint8Array} two account key
 */
export function safetyNumber(one, two) {
  const [low, high] = [one, two].sort((a, b) => (toHex(a) < toHex(b) ? -1 : 1));
  if (sameBytes(low, high)) throw new WireError("two keys are wanted");
  const digest = sodium.crypto_generichash(60, concat(utf8("waxwire safety number\0"), low, high), null);
  const groups = [];
  for (let at = 0; at < 60; at += 5) {
    const number = digest.slice(at, at + 5).reduce((sum, byte) => sum * 256 + byte, 0);
    groups.push(String(number % 100000).padStart(5, "0"));
  }
  return groups.join(" ");
}

/** @param {string} text a user id */
export const isUser = (text) => /^[0-9a-f]{32}$/.test(text) && fromHex(text).length === 16;
