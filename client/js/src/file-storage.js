// SPDX-License-Identifier: BSD-3-Clause
// A storage in a file, for Node: a journal of JSON lines, synced before a write is done, rewritten when it has grown.

import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { Kept } from "./storage.js";

/** @typedef {import("./storage.js").Change} Change */

const REWRITE_BYTES = 1 << 18;

/** @param {any} change */
const toPlain = (change) => JSON.stringify(change, (_, value) => {
  if (typeof value === "bigint") return { $n: value.toString() };
  return value instanceof Uint8Array ? { $b: Buffer.from(value.buffer, value.byteOffset, value.length).toString("base64") } : value;
});

/** @param {string} text */
const fromPlain = (text) => JSON.parse(text, (_, value) => {
  if (typeof value?.$n === "string") return BigInt(value.$n);
  return typeof value?.$b === "string" ? new Uint8Array(Buffer.from(value.$b, "base64")) : value;
});

/** @param {string} path of a folder: makes the names in it durable */
async function syncFolder(path) {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export class FileStorage {
  /** @param {string} path of the file; one client's at a time. Only its owner can read it. */
  constructor(path) {
    this.path = path;
    this.kept = new Kept();
    /** @type {import("node:fs/promises").FileHandle | null} */
    this.file = null;
    this.bytes = 0; // of the file
    this.rewritten = 0; // its bytes when it was written anew
    /** @type {{text: string, resolve: () => void, reject: (error: unknown) => void}[]} */
    this.waiting = [];
    /** @type {Promise<void> | null} */
    this.flushing = null;
  }

  async open() {
    this.kept = new Kept();
    this.file = await open(this.path, "a+", 0o600);
    await syncFolder(dirname(this.path));
    const text = await this.file.readFile("utf8");
    const lines = text.split("\n");
    const torn = lines.pop() ?? ""; // behind the last newline: a write that a crash cut off, and that nobody was told of
    for (const line of lines) for (const change of fromPlain(line)) this.kept.apply(change);
    this.bytes = this.rewritten = text.length;
    if (torn !== "") await this.rewrite();
    return this.kept.snapshot();
  }

  /**
   * @param {Change[]} changes
   * @returns {Promise<void>}
   */
  write(changes) {
    if (this.file === null) return Promise.reject(new Error("the storage is not open"));
    for (const change of changes) this.kept.apply(change);
    return new Promise((resolve, reject) => {
      this.waiting.push({ text: `${toPlain(changes)}\n`, resolve, reject });
      this.flushing ??= this.flush();
    });
  }

  /** Writes what waits, all of it with one sync, until nothing waits. */
  async flush() {
    await null; // what is written in the same turn goes together
    while (this.waiting.length > 0) {
      const batch = this.waiting;
      this.waiting = [];
      try {
        if (this.file === null) throw new Error("the storage is not open");
        const text = batch.map((each) => each.text).join("");
        await this.file.appendFile(text);
        await this.file.datasync();
        this.bytes += text.length;
        for (const each of batch) each.resolve();
        if (this.bytes > REWRITE_BYTES && this.bytes > 4 * this.rewritten) await this.rewrite();
      } catch (error) {
        for (const each of batch) each.reject(error);
      }
    }
    this.flushing = null;
  }

  /** A new file with what is kept now takes the place of the journal. */
  async rewrite() {
    const { lastId, token, outbox, seen, own } = this.kept.snapshot();
    /** @type {Change[][]} */
    const all = [...outbox.map((put) => [{ put }]), ...seen.map((pair) => [{ seen: pair }]), ...own.map((pair) => [{ own: pair }]), [{ token }]];
    if (!this.kept.outbox.has(lastId)) // the number alone has to live on
      all.push([{ put: { id: lastId, many: false, to: [], flags: 0, ttl: 0, payload: new Uint8Array(0) } }, { drop: lastId }]);
    const text = all.map((changes) => `${toPlain(changes)}\n`).join("");
    const fresh = await open(`${this.path}.new`, "w", 0o600);
    try {
      await fresh.writeFile(text);
      await fresh.sync();
    } finally {
      await fresh.close();
    }
    await rename(`${this.path}.new`, this.path);
    await syncFolder(dirname(this.path));
    await this.file?.close();
    this.file = await open(this.path, "a+", 0o600);
    this.bytes = this.rewritten = text.length;
  }

  async close() {
    await this.flushing;
    await this.file?.close();
    this.file = null;
  }
}
