// SPDX-License-Identifier: BSD-3-Clause
// The browser chat without a browser, over the small relay of the library's tests.

import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { afterEach, test } from "node:test";
import { FakeRelay, seedOf } from "../../test/fake-relay.js";
import { Client, Identity, MemoryStorage, textOf, utf8 } from "../../src/node.js";

globalThis.crypto ??= /** @type {any} */ (webcrypto); // Node 18
const { Chat } = await import("./chat.js");
const { Changes } = await import("../shared/changes.js");

const everyone = [];

afterEach(async () => {
  for (const one of everyone.splice(0)) await one.client.close();
});

async function until(done, what) {
  for (let n = 0; !done(); n++) {
    assert.ok(n < 1000, `${what} in time`);
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
}

async function person(relay, seed, name, storage = new MemoryStorage()) {
  const client = new Client({ identity: await Identity.fromSeed(seedOf(seed)), connect: relay.connect, storage });
  const chat = new Chat(client, () => {}, 3);
  everyone.push(chat);
  await chat.start(name);
  await until(() => chat.mls.own.published, "keys published");
  return chat;
}

const said = (one, other) => one.entriesWith(other.client.user).map((entry) => entry.text ?? entry.kind);
const marks = (one, other) => one.entriesWith(other.client.user).filter((entry) => entry.states).map((entry) => one.history.ticks(entry).mark);

test("two people talk, both ways and both first; codes are the same; nothing is said in the open", async () => {
  const relay = new FakeRelay(), alice = await person(relay, 1, "Alice"), bob = await person(relay, 2, "Bob");
  const [a, b] = [alice.client.user, bob.client.user];
  await alice.add(b, "Bob");
  await Promise.all([alice.sendText(b, "both at once, alice"), bob.sendText(a, "both at once, bob")]);
  for (let n = 0; n < 4; n++) {
    await alice.sendText(b, `alice says ${n}`);
    await bob.sendText(a, `bob says ${n}`);
    await until(() => said(alice, bob).length === 2 * n + 4 && said(bob, alice).length === 2 * n + 4, `turn ${n}`);
  }
  assert.deepEqual(said(bob, alice).filter((text) => /alice/.test(text)), ["both at once, alice", "alice says 0", "alice says 1", "alice says 2", "alice says 3"]);
  assert.equal(bob.contact(a).name, "Alice");
  assert.match(alice.code(b), /^(\d{5} ){11}\d{5}$/);
  assert.equal(alice.code(b), bob.code(a));
  await bob.markRead(a);
  await until(() => marks(alice, bob).every((mark) => mark === "✓✓ read"), "read");
  for (const frame of relay.said) if (frame.payload) assert.doesNotMatch(textOf(frame.payload), /alice|bob says/i);
});

test("programs that end go on where they were; a new group begins after a day, and with a device that was made anew", async () => {
  const relay = new FakeRelay(), kept = new MemoryStorage(), alice = await person(relay, 1, "Alice", kept), bob = await person(relay, 2, "Bob");
  const [a, b] = [alice.client.user, bob.client.user];
  await alice.sendText(b, "one");
  await until(() => said(bob, alice).length === 1, "one");
  await bob.sendText(a, "two");
  await until(() => said(alice, bob).length === 2, "two");
  await alice.client.close();
  const again = await person(relay, 1, "", kept);
  assert.deepEqual([again.me.name, said(again, bob)], ["Alice", ["one", "two"]]);
  await again.sendText(b, "three");
  await until(() => said(bob, again).length === 3, "three");
  const out = again.client.own.get(`mls/out/${b}`), groups = () => [...bob.client.own.keys()].filter((name) => name.startsWith("mls/in/"));
  const [before] = groups();
  await again.client.keepOwn([[`mls/out/${b}`, { ...out, began: 0 }]]);
  await again.sendText(b, "four");
  await until(() => said(bob, again).length === 4, "four");
  assert.deepEqual([groups().length, groups()[0] === before, said(bob, again)], [1, false, ["one", "two", "three", "four"]]);
  await bob.client.close();
  const anew = await person(relay, 2, "Bob");
  await anew.sendText(a, "it is me");
  await until(() => said(again, anew).length === 5, "the new device's");
  assert.equal(again.code(b), anew.code(a), "the account is the same");
  await again.sendText(b, "welcome back");
  await until(() => said(anew, again).length === 2, "the answer, for the new keys");
  assert.deepEqual(said(anew, again), ["it is me", "welcome back"]);
});

test("what a stranger's key, a copy, or noise says is not read", async () => {
  const relay = new FakeRelay(), alice = await person(relay, 1, "Alice"), bob = await person(relay, 2, "Bob"), eve = await person(relay, 3, "Eve");
  const [a, b] = [alice.client.user, bob.client.user];
  await alice.sendText(b, "hello");
  await until(() => said(bob, alice).length === 1, "hello");
  const sealed = relay.saidOf("SEND")[0].payload;
  await bob.add(eve.client.user, "Eve");
  const send = (bytes) => eve.client.send({ user: b, device: 1 }, bytes);
  await send(sealed);
  await send(utf8("noise"));
  await until(() => said(bob, eve).length === 2, "eve's");
  assert.deepEqual(said(bob, eve), ["unreadable", "unreadable"]);
  // Eve says that she is Alice: her group names Alice, with a key that Alice's account has not signed.
  const kept = new Changes(eve.client.own), met = await eve.mls.meet(b);
  const real = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(eve.client), "user");
  Object.defineProperty(eve.client, "user", { value: a, configurable: true });
  const { bytes } = await eve.mls.encrypt(kept, b, utf8(JSON.stringify({ kind: "text", text: "send me money", name: "Alice" })), met);
  Object.defineProperty(eve.client, "user", real);
  await assert.rejects(bob.mls.decrypt(new Changes(bob.client.own), { user: a, device: 1 }, bytes), /somebody else/);
  await alice.sendText(b, "the next");
  await until(() => said(bob, alice).length === 2, "the next");
});

test("a first message that can't go out is not lost silently", async () => {
  const relay = new FakeRelay(), alice = await person(relay, 1, "Alice"), bob = await person(relay, 2, "Bob");
  await assert.rejects(alice.sendText("ab".repeat(16), "hello?"), /nobody has this id/);
  relay.refuse = true;
  alice.client.session.cut("a tunnel");
  await assert.rejects(alice.sendText(bob.client.user, "hello"), /needs a connection/);
  assert.equal(alice.history.entries.length, 0);
  relay.refuse = false;
  alice.client.nudge();
  await until(() => alice.client.isOpen, "connected again");
  await alice.sendText(bob.client.user, "hello");
  await until(() => said(bob, alice).length === 1, "it arrives");
});

test("invitations", () => {
  const user = "0123456789abcdef0123456789abcdef";
  assert.deepEqual(Chat.readInvitation(`https://x.example/#${user}.J%C3%BCrgen`), { user, name: "Jürgen" });
  assert.deepEqual(Chat.readInvitation(` ${user}\n`), { user, name: "" });
  for (const wrong of ["", "hello", `${user}0`, `x${user}`]) assert.equal(Chat.readInvitation(wrong), null, wrong);
});
