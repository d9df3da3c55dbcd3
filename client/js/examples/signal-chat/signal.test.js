// SPDX-License-Identifier: BSD-3-Clause
// People with Signal's library, over the small relay of the library's tests.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { FakeRelay, seedOf } from "../../test/fake-relay.js";
import { Client, Identity, MemoryStorage, textOf } from "../../src/node.js";
import { NumberChanged, Person } from "./person.js";
import { Transaction } from "./stores.js";
import { later, ticksOf } from "../shared/ticks.js";

/** @type {Person[]} */
const everyone = [];

afterEach(async () => {
  for (const one of everyone.splice(0)) await one.client.close();
});

async function until(done, what) {
  for (let n = 0; !done(); n++) {
    assert.ok(n < 500, `${what} in time`);
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
}

/** A person's device on a relay, once its keys are published. */
async function person(relay, seed, options = {}) {
  const { device = 1, storage = new MemoryStorage() } = options;
  const client = new Client({ identity: await Identity.fromSeed(seedOf(seed)), device, connect: relay.connect, storage });
  const made = new Person(client, { oneTimeKeys: 5, refreshMs: 0, ...options });
  Object.assign(made, { got: [], errors: [], changes: [] });
  made.on("message", (entry) => made.got.push(entry));
  made.on("error", (error) => made.errors.push(error));
  made.on("number changed", ({ user }) => made.changes.push(user));
  everyone.push(made);
  await made.start();
  await until(() => client.own.get("signal/own").published, "keys published");
  return made;
}

const texts = (one) => one.got.map((entry) => entry.text);
const sends = (relay) => relay.said.filter((frame) => frame.type === "SEND" || frame.type === "SEND_MULTI");

test("text both ways, for all devices of both, and ticks", async () => {
  const relay = new FakeRelay(), alice = await person(relay, 1), bob = await person(relay, 2);
  const tablet = await person(relay, 2, { device: 2, identityKey: bob.link().identityKey });
  await alice.sendText(bob.user, "hello");
  await until(() => bob.got.length === 1 && tablet.got.length === 1, "the first");
  await bob.sendText(alice.user, "hi");
  await until(() => alice.got.length === 1 && tablet.got.length === 2, "the answer, and the tablet's copy");
  assert.deepEqual([texts(alice), texts(bob), texts(tablet)], [["hi"], ["hello"], ["hello", "hi"]]);
  assert.deepEqual(tablet.got[1].to, { user: alice.user });
  await tablet.sendText(alice.user, "from my tablet");
  await until(() => alice.got.length === 2 && bob.got.length === 2, "the tablet's, and the phone's copy");
  tablet.markRead(tablet.got.slice(0, 1));
  await until(() => alice.ticks(alice.history[0]).state === "read", "read by one device is read");
  assert.equal(alice.safetyNumber(bob.user), bob.safetyNumber(alice.user));
  assert.equal(tablet.safetyNumber(alice.user), bob.safetyNumber(alice.user));
  assert.match(alice.safetyNumber(bob.user), /^\d{60}$/);
  for (const frame of sends(relay)) for (const to of frame.recipients) assert.doesNotMatch(textOf(to.head), /hello|my tablet/);
});

test("both write first, at the same time", async () => {
  const relay = new FakeRelay(), alice = await person(relay, 1), bob = await person(relay, 2);
  await Promise.all([alice.sendText(bob.user, "a"), bob.sendText(alice.user, "b")]);
  await until(() => alice.got.length === 1 && bob.got.length === 1, "the first");
  for (let n = 0; n < 5; n++) await Promise.all([alice.sendText(bob.user, `a${n}`), bob.sendText(alice.user, `b${n}`)]);
  await until(() => alice.got.length === 6 && bob.got.length === 6, "the others");
  assert.deepEqual([texts(alice), texts(bob)], [["b", "b0", "b1", "b2", "b3", "b4"], ["a", "a0", "a1", "a2", "a3", "a4"]]);
});

test("a swapped key: the number is another one for both, and nothing goes out until it is trusted", async () => {
  const relay = new FakeRelay(), alice = await person(relay, 1), bob = await person(relay, 2);
  await alice.sendText(bob.user, "to the old one");
  await until(() => bob.got.length === 1, "the first");
  const before = alice.safetyNumber(bob.user);
  bob.client.session.cut("reinstalled");
  bob.client.running = false;
  const anew = await person(relay, 2);
  await assert.rejects(alice.sendText(bob.user, "to whom?"), (error) => error instanceof NumberChanged && error.users[0] === bob.user);
  assert.deepEqual(alice.changes, [bob.user]);
  const after = alice.safetyNumber(bob.user);
  assert.notEqual(after, before);
  await assert.rejects(alice.sendText(bob.user, "again"), NumberChanged);
  await alice.trust(bob.user);
  await alice.sendText(bob.user, "to the new one");
  await until(() => anew.got.length === 1, "the new one's");
  assert.deepEqual([texts(anew), anew.safetyNumber(alice.user)], [["to the new one"], after]);
});

test("who comes with another key is read, and noted", async () => {
  const relay = new FakeRelay(), alice = await person(relay, 1), bob = await person(relay, 2);
  await bob.sendText(alice.user, "old");
  await until(() => alice.got.length === 1, "the first");
  bob.client.session.cut("reinstalled");
  bob.client.running = false;
  const anew = await person(relay, 2);
  await anew.sendText(alice.user, "new");
  await until(() => alice.got.length === 2, "the second");
  assert.deepEqual([texts(alice), alice.changes], [["old", "new"], [bob.user]]);
  await assert.rejects(alice.sendText(bob.user, "x"), NumberChanged);
  await alice.trust(bob.user);
  await alice.sendText(bob.user, "y");
  await until(() => anew.got.length === 1, "the answer");
});

test("a crash at each write, of the sender's or the receiver's: every message is read once, in order", async () => {
  for (const victim of [1, 2]) {
    for (let dies = 1; dies <= 8; dies++) {
      const relay = new FakeRelay(), kept = [null, new MemoryStorage(), new MemoryStorage()];
      let writes = -1;
      const storage = (seed) => {
        const front = new MemoryStorage();
        let dead = false;
        front.open = () => kept[seed].open();
        front.write = async (changes) => {
          if (seed === victim && writes >= 0 && ++writes === dies) dead = true;
          await (dead ? new Promise(() => {}) : kept[seed].write(structuredClone(changes)));
        };
        return front;
      };
      let people = [null, await person(relay, 1, { storage: storage(1) }), await person(relay, 2, { storage: storage(2) })];
      const [, { user: a }, { user: b }] = people;
      writes = 0;
      let next = 0;
      const goOn = async () => {
        for (; next < 3; next++) {
          const sending = people[1].sendText(b, `${next}`);
          const safe = await Promise.race([sending, new Promise((resolve) => { setTimeout(() => resolve(null), 200); })]);
          if (safe === null) return false;
        }
        return true;
      };
      await goOn();
      await new Promise((resolve) => { setTimeout(resolve, 20); });
      const old = people[victim];
      old.client.running = false;
      old.client.session?.cut("dies");
      writes = -1;
      people[victim] = await person(relay, victim, { storage: storage(victim) });
      // The sender's application knows from its history what it had sent; a text that was not safe is written again.
      next = people[1].history.filter((entry) => entry.from.user === a).length;
      assert.ok(await goOn());
      const read = () => people[2].history.filter((entry) => entry.from.user === a).map((entry) => entry.text ?? entry.kind);
      await until(() => read().length >= 3, `victim ${victim}, write ${dies}: all arrive`);
      assert.deepEqual(read(), ["0", "1", "2"], `victim ${victim}, write ${dies}`);
    }
  }
});

test("what nobody could read is noted and acknowledged, and the next is read", async () => {
  const relay = new FakeRelay(), alice = await person(relay, 1), bob = await person(relay, 2);
  await alice.client.send({ user: bob.user }, new Uint8Array(3));
  await alice.client.sendMulti([{ user: bob.user, device: 1, head: Uint8Array.of(3, 1, 2, 3) }], new Uint8Array(0));
  await alice.sendText(bob.user, "sound");
  await until(() => bob.got.length === 3, "all three");
  assert.deepEqual(bob.got.map((entry) => entry.kind), ["unreadable", "unreadable", "text"]);
  assert.equal(alice.client.outbox.size, 0);
});

test("a group; who is not of it can't write to it", async () => {
  const relay = new FakeRelay(), people = [];
  for (let seed = 1; seed <= 4; seed++) people.push(await person(relay, seed));
  const [alice, bob, carol, eve] = people, group = await alice.createGroup("friends", [bob.user, carol.user]);
  await until(() => bob.groupOf(group) && carol.groupOf(group), "all know the group");
  await carol.sendGroup(group, "to all");
  await until(() => alice.got.length === 1 && bob.got.length === 2, "all have it");
  const heads = sends(relay).at(-1).recipients.map((to) => Buffer.from(to.head).toString("hex"));
  assert.equal(new Set(heads).size, 2, "each has a copy of its own");
  await eve.client.keepOwn([[`signal/group/${group}`, { name: "friends", members: [bob.user] }]]);
  await eve.sendGroup(group, "let me in");
  await until(() => bob.got.length === 3, "eve's");
  assert.equal(bob.got[2].kind, "unreadable");
});

test("a group that its members did not hear of is none", async () => {
  const relay = new FakeRelay(), alice = await person(relay, 1), bob = await person(relay, 2), nobody = await Identity.fromSeed(seedOf(9));
  await assert.rejects(alice.createGroup("lost", [bob.user, nobody.user]), /nobody is/);
  assert.deepEqual([...alice.client.own.keys()].filter((name) => name.startsWith("signal/group/")), []);
  const group = await alice.createGroup("found", [bob.user]);
  await alice.sendGroup(group, "hello");
  await until(() => bob.got.length === 2, "both");
  assert.deepEqual([bob.got[0].kind, bob.got[1].text, alice.groupOf(group)], ["group", "hello", bob.groupOf(group)]);
});

test("one-time keys are used once each, also the post-quantum ones; without any the one of last resort serves", async () => {
  const relay = new FakeRelay(), bob = await person(relay, 99, { oneTimeKeys: 2 });
  const left = () => [...bob.client.own.keys()].filter((name) => /^signal\/(key|kyber)\//.test(name)).length;
  assert.equal(left(), 2 * 2 + 1);
  for (let seed = 1; seed <= 4; seed++) {
    const one = await person(relay, seed);
    await one.sendText(bob.user, `${seed}`);
    await until(() => bob.got.length === seed, "it arrives");
  }
  assert.deepEqual([texts(bob), left()], [["1", "2", "3", "4"], 1]);
  const kept = new Transaction(bob.client.own), used = [...bob.client.own.keys()].filter((name) => name.startsWith("signal/used/"));
  assert.equal(used.length, 2);
  const baseKey = { serialize: () => Buffer.from(used[0].split("/")[3], "base64url") };
  await assert.rejects(kept.kyberKeys.markKyberPreKeyUsed(1, 1, baseKey), /used before/);
});

test("ticks", () => {
  assert.equal(later("delivered", "accepted"), "delivered");
  assert.equal(ticksOf({ "a/1": "delivered", "a/2": "accepted" }).mark, "✓✓");
  assert.equal(ticksOf({ "a/1": "delivered", "b/1": "accepted" }).mark, "✓");
  assert.equal(ticksOf({ "a/1": "read", "b/1": "rejected" }).mark, "✓✓ read");
  assert.equal(ticksOf({ "a/1": "rejected" }).mark, "✗");
  assert.deepEqual(ticksOf({ "a/1": "read", "b/1": "delivered", "c/1": "waiting" }), { state: "waiting", mark: "·", people: 3, accepted: 2, delivered: 2, read: 1 });
});

test("what the relay was too busy for goes out anew, and is read once even if it had been taken", async () => {
  const relay = new FakeRelay(), alice = await person(relay, 1), bob = await person(relay, 2), onSend = relay.onSend.bind(relay);
  let busy = 2;
  relay.onSend = (c, id, flags, to, head, payload) => {
    if (busy-- <= 0) return onSend(c, id, flags, to, head, payload);
    if (busy === 0) onSend(c, id, flags, to, head, payload); // refused, though it has been taken
    return relay.status(c, [{ kind: 4, reason: 8, id, user: to.user, device: to.device }]);
  };
  await alice.sendText(bob.user, "one");
  await alice.sendText(bob.user, "two");
  await alice.sendText(bob.user, "three");
  await until(() => alice.history.every((entry) => alice.ticks(entry).state === "delivered"), "all delivered in the end");
  assert.deepEqual(texts(bob).sort(), ["one", "three", "two"]);
});

test("a long text is sealed once, and each copy has the key", async () => {
  const relay = new FakeRelay(), alice = await person(relay, 1), bob = await person(relay, 2), long = "0123456789".repeat(900);
  const tablet = await person(relay, 2, { device: 2, identityKey: bob.link().identityKey });
  await bob.sendText(alice.user, long);
  await until(() => alice.got.length === 1 && tablet.got.length === 1, "all have it");
  assert.deepEqual([texts(alice), texts(tablet), tablet.got[0].to], [[long], [long], { user: alice.user }]);
  const [frame] = sends(relay);
  assert.ok(frame.shared.length > 9000 && frame.recipients.every((to) => to.head.length < 4000));
});
