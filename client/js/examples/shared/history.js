// SPDX-License-Identifier: BSD-3-Clause
// What was said: entries in the client's storage, in their order, and how far our own have come.

import { later, ticksOf } from "./ticks.js";

const NAME = "chat/";

export class History {
  /**
   * @param {import("../../src/client.js").Client} client
   * @param {(entry: any) => void} onTicks an entry of ours has come further
   * @param {(error: Error) => void} onError
   */
  constructor(client, onTicks, onError) {
    this.client = client;
    this.onTicks = onTicks;
    this.onError = onError;
    this.entries = [];
    this.byId = new Map(); // ours by message id
    this.dirty = new Set(); // those with new ticks
    client.on("status", (answer) => this.onStatus(answer));
  }

  load() {
    this.entries = [...this.client.own].filter(([name]) => name.startsWith(NAME)).sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
    for (const entry of this.entries) if (entry.states !== undefined) this.byId.set(entry.id, entry);
  }

  entry(about) {
    return { ...about, n: (this.entries.at(-1)?.n ?? 0) + 1, at: Date.now() };
  }

  /** Adds an entry; what is returned is to be kept with the message. */
  add(entry) {
    this.entries.push(entry);
    if (entry.states !== undefined) this.byId.set(entry.id, entry);
    return this.pair(entry);
  }

  pair(entry) {
    return [NAME + String(entry.n).padStart(9, "0"), { ...entry }];
  }

  ticks(entry) {
    return ticksOf(entry.states);
  }

  onStatus({ id, to, kind }) {
    const entry = this.byId.get(id), name = `${to.user}/${to.device}`;
    if (entry?.states[name] === undefined) return; // not ours any more, or a copy for our own devices
    entry.states[name] = later(entry.states[name], kind);
    if (this.dirty.size === 0) setTimeout(() => this.keepTicks());
    this.dirty.add(entry);
  }

  /** All that the relay said in one breath in one write. */
  keepTicks() {
    const entries = [...this.dirty];
    this.dirty.clear();
    this.client.keepOwn(entries.map((entry) => this.pair(entry))).catch(this.onError);
    for (const entry of entries) this.onTicks(entry);
  }
}
