// SPDX-License-Identifier: BSD-3-Clause
// The storage in a file: what was written is there again, whatever the crash cut off.

import assert from "node:assert/strict";
import { appendFile, mkdtemp, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { FileStorage } from "../src/file-storage.js";
import { utf8 } from "../src/bytes.js";

let folder = "", path = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "waxwire-storage-"));
  path = join(folder, "client");
});

afterEach(() => rm(folder, { recursive: true }));

/** @param {bigint} id */
const record = (id) => ({
  id, many: true, to: [{ user: "ab".repeat(16), device: 3, head: Uint8Array.of(0, 255) }], flags: 2, ttl: 60, payload: utf8(`payload ${id}`),
});

/** @param {(storage: FileStorage) => Promise<void>} [use] */
async function reopened(use) {
  const storage = new FileStorage(path);
  const before = await storage.open();
  await use?.(storage);
  await storage.close();
  return before;
}

test("an empty one", async () => {
  assert.deepEqual(await reopened(), { lastId: 0n, token: null, outbox: [], seen: [], own: [] });
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test("everything is there again", async () => {
  const big = (1n << 63n) + 1n;
  await reopened(async (storage) => {
    await Promise.all([storage.write([{ put: record(1n) }]), storage.write([{ put: record(big) }]), storage.write([{ drop: 1n }])]);
    await storage.write([{ seen: ["u/1", 7n] }, { token: utf8("token") }]);
    await storage.write([{ seen: ["u/1", 8n] }]);
  });
  assert.deepEqual(await reopened(), { lastId: big, token: utf8("token"), outbox: [record(big)], seen: [["u/1", 8n]], own: [] });
});

test("what the application keeps is there again, also when the journal was written anew", async () => {
  const own = { text: "x", id: 1n << 60n, deep: [{ bytes: Uint8Array.of(0, 255) }] };
  await reopened(async (storage) => {
    await storage.write([{ own: ["a", 1] }, { own: ["b", own] }]);
    for (let n = 0; n < 15; n++) await Promise.all(Array.from({ length: 20 }, () => storage.write([{ own: ["big", utf8("x".repeat(1500))] }])));
    await storage.write([{ own: ["a", null] }, { own: ["big", null] }]);
  });
  assert.ok((await stat(path)).size < 300000);
  assert.deepEqual((await reopened()).own, [["b", own]]);
});

test("a write that was cut off is forgotten, whole, and the next is sound", async () => {
  await reopened((storage) => storage.write([{ seen: ["u/1", 1n] }]));
  const { size } = await stat(path);
  await reopened((storage) => storage.write([{ seen: ["u/1", 2n] }, { seen: ["u/2", 2n] }]));
  const whole = (await stat(path)).size;
  for (const length of [whole - 1, size + 1]) {
    await truncate(path, length);
    assert.deepEqual((await reopened((storage) => storage.write([{ seen: ["u/3", 3n] }]))).seen, [["u/1", 1n]]);
    assert.deepEqual((await reopened()).seen, [["u/1", 1n], ["u/3", 3n]]);
    await writeFile(path, "");
    await reopened((storage) => storage.write([{ seen: ["u/1", 1n] }]));
    await appendFile(path, '[{"seen":["u/1",{"$n":"2"}]}'.padEnd(size + 2));
  }
});

test("the journal does not grow for ever, and the last id outlives its message", async () => {
  await reopened(async (storage) => {
    for (let n = 1n; n <= 2500n; n += 50n) { // 50 of them share a sync
      const some = Array.from({ length: 50 }, (_, at) => n + BigInt(at));
      await Promise.all(some.flatMap((id) => [storage.write([{ put: record(id) }]), storage.write([{ drop: id }])]));
    }
    await storage.write([{ put: record(3000n) }]);
    await storage.write([{ drop: 3000n }, { token: utf8("t") }]);
  });
  assert.ok((await stat(path)).size < 300000);
  assert.deepEqual(await reopened(), { lastId: 3000n, token: utf8("t"), outbox: [], seen: [], own: [] });
});

test("a storage that is not open says so", async () => {
  await assert.rejects(new FileStorage(path).write([]), /not open/);
});
