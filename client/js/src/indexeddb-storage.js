// SPDX-License-Identifier: BSD-3-Clause
// A storage in the browser's IndexedDB.

/** @typedef {import("./storage.js").Change} Change */

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
const result = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

/** Keys of IndexedDB can't be bigint: 16 hexadecimal digits sort as the numbers do. */
const keyOf = (/** @type {bigint} */ id) => id.toString(16).padStart(16, "0");

const STORES = ["meta", "outbox", "seen", "own"];

export class IndexedDbStorage {
  /** @param {string} name of the database; one client's at a time */
  constructor(name) {
    this.name = name;
    /** @type {IDBDatabase | null} */
    this.database = null;
  }

  async open() {
    const opening = indexedDB.open(this.name, 2);
    opening.onupgradeneeded = () => {
      for (const store of STORES) if (!opening.result.objectStoreNames.contains(store)) opening.result.createObjectStore(store);
    };
    this.database = await result(opening);
    const transaction = this.database.transaction(STORES);
    const [lastId, token, outbox, peers, ids, names, values] = await Promise.all([
      result(transaction.objectStore("meta").get("lastId")), result(transaction.objectStore("meta").get("token")),
      result(transaction.objectStore("outbox").getAll()), result(transaction.objectStore("seen").getAllKeys()),
      result(transaction.objectStore("seen").getAll()),
      result(transaction.objectStore("own").getAllKeys()), result(transaction.objectStore("own").getAll()),
    ]);
    const seen = peers.map((peer, at) => /** @type {[string, bigint]} */ ([String(peer), ids[at]]));
    return { lastId: lastId ?? 0n, token: token ?? null, outbox, seen, own: names.map((name, at) => [String(name), values[at]]) };
  }

  /**
   * @param {Change[]} changes
   * @returns {Promise<void>}
   */
  write(changes) {
    return new Promise((resolve, reject) => {
      if (this.database === null) return reject(new Error("the storage is not open"));
      const transaction = this.database.transaction(STORES, "readwrite", { durability: "strict" });
      const meta = transaction.objectStore("meta"), outbox = transaction.objectStore("outbox"), seen = transaction.objectStore("seen");
      const own = transaction.objectStore("own");
      for (const change of changes) {
        if ("put" in change) {
          outbox.put(change.put, keyOf(change.put.id));
          meta.put(change.put.id, "lastId"); // ids are put in rising order
        } else if ("drop" in change) {
          outbox.delete(keyOf(change.drop));
        } else if ("token" in change) {
          meta.put(change.token, "token");
        } else if ("own" in change) {
          if (change.own[1] === null) own.delete(change.own[0]);
          else own.put(change.own[1], change.own[0]);
        } else {
          seen.put(change.seen[1], change.seen[0]);
        }
      }
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
    });
  }

  async close() {
    this.database?.close();
    this.database = null;
  }
}
