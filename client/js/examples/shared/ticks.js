// SPDX-License-Identifier: BSD-3-Clause
// How far a message of ours has come, by what the relay said of each device.

const RANK = { waiting: 0, accepted: 1, delivered: 2, read: 3 };
const MARKS = { waiting: "·", accepted: "✓", delivered: "✓✓", read: "✓✓ read", rejected: "✗" };

/** The later of two words about one device; a rejection stands. */
export function later(before, now) {
  if (before === "rejected" || now === "rejected") return "rejected";
  return RANK[now] > RANK[before] ? now : before;
}

/**
 * What a message's sender sees: of each recipient the device that is furthest; of many recipients the one that is least far, those
 * who can't be reached aside.
 * @param {Record<string, string>} states by "user/device"
 */
export function ticksOf(states) {
  const people = new Map();
  for (const [name, state] of Object.entries(states)) {
    const user = name.split("/")[0], best = people.get(user);
    if (best === undefined || best === "rejected" || (state !== "rejected" && RANK[state] > RANK[best])) people.set(user, state);
  }
  const reached = [...people.values()].filter((state) => state !== "rejected");
  const state = reached.length === 0 ? "rejected" : reached.reduce((least, one) => (RANK[one] < RANK[least] ? one : least));
  const count = (least) => reached.filter((one) => RANK[one] >= RANK[least]).length;
  return { state, mark: MARKS[state], people: people.size, accepted: count("accepted"), delivered: count("delivered"), read: count("read") };
}
