// SPDX-License-Identifier: BSD-3-Clause

/** What the client keeps for us, and what we are about to change of it: the changes are written with the message they belong to, or thrown away. */
export class Changes {
  /** @param {Map<string, any>} own of the client */
  constructor(own) {
    this.own = own;
    this.changed = new Map();
  }

  get(name) {
    return this.changed.has(name) ? this.changed.get(name) ?? undefined : this.own.get(name);
  }

  /** null takes a name away. */
  set(name, value) {
    this.changed.set(name, value);
  }

  pairs() {
    return [...this.changed];
  }
}
