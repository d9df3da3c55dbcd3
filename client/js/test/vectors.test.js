// SPDX-License-Identifier: BSD-3-Clause
// The library against client/vectors.json, which tests/vectors/make.py makes from the protocol's page.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import { fromHex, toHex, WireError } from "../src/bytes.js";
import { bundleIsOf, Identity, keysText, proofText, ready } from "../src/identity.js";
import { decode, encode, firstId, sequenceAfter, Type } from "../src/wire.js";

const vectors = JSON.parse(readFileSync(new URL("../../vectors.json", import.meta.url), "utf8"));
const BIG = ["id"], TIMES = ["time", "taken", "last_seen"], TEXT = ["text", "user"];

/** @param {string} name */
const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

/**
 * A field of the file as the library has it.
 * @param {string} name
 * @param {any} value
 * @returns {any}
 */
function ours(name, value) {
  if (BIG.includes(name)) return BigInt(value);
  if (TIMES.includes(name)) return Number(value);
  if (Array.isArray(value)) return value.map((each) => ours("", each));
  if (typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, each]) => [camel(key), ours(key, each)]));
  return typeof value === "string" && !TEXT.includes(name) ? fromHex(value) : value;
}

before(ready);

for (const vector of vectors.frames) {
  test(`frame: ${vector.name}`, () => {
    const fields = ours("", vector.fields);
    assert.equal(toHex(encode(vector.type, fields)), vector.bytes);
    assert.deepEqual(decode(fromHex(vector.bytes)), { type: vector.type, ...fields });
    assert.equal(fromHex(vector.bytes)[0], Type[vector.type]);
  });
}

test("there is a vector of each type", () => {
  assert.deepEqual(new Set(vectors.frames.map((/** @type {any} */ vector) => vector.type)), new Set(Object.keys(Type)));
});

for (const vector of vectors.broken) {
  test(`broken: ${vector.name}`, () => {
    assert.throws(() => decode(fromHex(vector.bytes)), WireError);
  });
}

test("keys and user ids", async () => {
  for (const key of vectors.keys) {
    const identity = await Identity.fromSeed(fromHex(key.seed));
    assert.equal(toHex(identity.accountKey), key.account_key);
    assert.equal(identity.user, key.user);
  }
});

test("signatures", async () => {
  for (const s of vectors.signatures) {
    const identity = await Identity.fromSeed(fromHex(vectors.keys.find((/** @type {any} */ key) => key.name === s.key).seed));
    const text = s.name === "keys" ? keysText(identity.user, s.device, fromHex(s.bundle)) : proofText({
      relayId: fromHex(s.relay_id), relayNonce: fromHex(s.relay_nonce), nonce: fromHex(s.nonce), device: s.device, binding: fromHex(s.binding),
    });
    assert.equal(toHex(text), s.signed);
    assert.equal(toHex(identity.sign(text)), s.signature);
    if (s.name !== "keys") continue;
    const entry = { device: s.device, bundle: fromHex(s.bundle), signature: fromHex(s.signature) };
    assert.ok(bundleIsOf(identity.accountKey, entry));
    assert.ok(!bundleIsOf(identity.accountKey, { ...entry, device: s.device + 1 }));
  }
});

test("first ids and sequences", () => {
  for (const { time, id } of vectors.first_ids) assert.equal(firstId(Number(time)), BigInt(id));
  for (const { sequence, next } of vectors.sequences) assert.equal(sequenceAfter(sequence), next);
});

test("an unknown type is told, not refused", () => {
  assert.deepEqual(decode(Uint8Array.of(0x77, 1, 2)), { type: "UNKNOWN", number: 0x77 });
});

test("fields that don't fit are refused", () => {
  const good = { flags: 0, device: 1, ttl: 0, id: 1n, user: "00".repeat(16), payload: new Uint8Array(0) };
  for (const bad of [{ device: 65536 }, { ttl: -1 }, { id: 1n << 64n }, { user: "00" }, { device: 1.5 }, { payload: new Uint8Array(1 << 20) }])
    assert.throws(() => encode("SEND", { ...good, ...bad }), WireError);
});
