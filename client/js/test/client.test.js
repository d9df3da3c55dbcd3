// SPDX-License-Identifier: BSD-3-Clause
// The client against a relay that can misbehave, and a clock that is moved by hand.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, OutboxFull, RequestError } from "../src/client.js";
import { Identity, safetyNumber } from "../src/identity.js";
import { MemoryStorage } from "../src/storage.js";
import { textOf, utf8, WireError } from "../src/bytes.js";
import { encode } from "../src/wire.js";
import { FakeClock, FakeRelay, seedOf, settle } from "./fake-relay.js";

/** A relay, a clock, and clients with what happened to them. */
class Scene {
  constructor() {
    this.relay = new FakeRelay();
    this.clock = new FakeClock();
    /** @type {Client[]} */
    this.clients = [];
  }

  /**
   * @param {number} seed
   * @param {Partial<import("../src/client.js").Options>} [options]
   */
  async client(seed, options = {}) {
    const identity = await Identity.fromSeed(seedOf(seed));
    const client = new Client({ identity, connect: this.relay.connect, clock: this.clock, ...options });
    /** @type {Record<string, any[]>} */
    const log = { open: [], message: [], status: [], "keys low": [], error: [], close: [], pause: [] };
    for (const event of /** @type {any[]} */ (Object.keys(log))) client.on(event, (what) => { log[event].push(what); });
    this.clients.push(client);
    return { client, log, texts: () => log.message.map((message) => textOf(message.payload)) };
  }

  /**
   * @param {number} seed
   * @param {Partial<import("../src/client.js").Options>} [options]
   */
  async online(seed, options) {
    const made = await this.client(seed, options);
    await made.client.start();
    await settle();
    assert.equal(made.client.isOpen, true);
    return made;
  }
}

test("opens by proof, then by the token", async () => {
  const scene = new Scene(), storage = new MemoryStorage();
  const first = await scene.online(1, { storage });
  assert.deepEqual([first.log.open[0].isNew, first.log.open[0].resumed], [true, false]);
  const closing = first.client.close();
  await settle();
  await closing;
  assert.deepEqual([first.log.close[0].asked, first.log.close[0].again], [true, false]);
  const second = await scene.online(1, { storage });
  assert.deepEqual([second.log.open[0].isNew, second.log.open[0].resumed], [false, true]);
  assert.equal(scene.relay.saidOf("PROOF").length, 1);
});

test("a stale token falls back to a proof", async () => {
  const scene = new Scene(), storage = new MemoryStorage();
  await storage.write([{ token: utf8("stale") }]);
  const { log } = await scene.online(1, { storage });
  assert.equal(log.open[0].resumed, false);
  assert.equal(scene.relay.saidOf("HELLO")[0].flags & 1, 1);
});

test("channel binding is used where there is one", async () => {
  const scene = new Scene();
  scene.relay.binding = new Uint8Array(32).fill(5);
  await scene.online(1);
  assert.equal(scene.relay.saidOf("PROOF")[0].flags, 1);
});

test("a message is delivered once, acknowledged, and answered", async () => {
  const scene = new Scene(), alice = await scene.online(1), bob = await scene.online(2);
  const sent = await alice.client.send({ user: bob.client.user }, utf8("hello"), { urgent: true });
  const answer = await sent.answered;
  assert.deepEqual([answer.kind, answer.first, answer.id], ["delivered", true, sent.id]);
  assert.deepEqual(bob.texts(), ["hello"]);
  const [message] = bob.log.message;
  assert.deepEqual([message.from.user, message.from.device, message.urgent, message.stored], [alice.client.user, 1, true, false]);
  assert.equal(alice.client.outbox.size, 0);
});

test("ids begin at the time and rise, whatever the clock does", async () => {
  const scene = new Scene(), storage = new MemoryStorage(), alice = await scene.online(1, { storage });
  const to = { user: alice.client.user, device: 9 };
  const one = await alice.client.send(to, utf8("1"));
  scene.clock.time -= 86400000;
  const two = await alice.client.send(to, utf8("2"));
  assert.equal(one.id, BigInt(scene.clock.time + 86400000) << 20n);
  assert.equal(two.id, one.id + 1n);
  await settle();
  assert.equal(alice.client.outbox.size, 0);
  const again = await scene.client(1, { storage });
  await again.client.start();
  assert.equal((await again.client.send(to, utf8("3"))).id, two.id + 1n);
});

test("what is unanswered is sent again after a reconnect: same ids, in order, before what is new", async () => {
  const scene = new Scene(), alice = await scene.online(1), bob = await scene.online(2);
  scene.relay.holdStatus = true;
  const to = { user: bob.client.user };
  for (const text of ["one", "two", "three"]) await alice.client.send(to, utf8(text));
  await settle();
  scene.relay.sessionOf({ user: alice.client.user, device: 1 })?.end(1012);
  await settle();
  assert.equal(alice.client.isOpen, false);
  const late = await alice.client.send(to, utf8("four"));
  scene.relay.holdStatus = false;
  await scene.clock.advance(1000);
  assert.equal(alice.client.isOpen, true);
  const sends = scene.relay.saidOf("SEND").map((frame) => textOf(frame.payload));
  assert.deepEqual(sends, ["one", "two", "three", "one", "two", "three", "four"]);
  const ids = scene.relay.saidOf("SEND").map((frame) => frame.id);
  assert.deepEqual(ids.slice(0, 3), ids.slice(3, 6));
  assert.equal((await late.answered).kind, "delivered");
  assert.deepEqual(bob.texts(), ["one", "two", "three", "four"], "duplicates are dropped");
  assert.equal(alice.client.outbox.size, 0);
});

test("what is unanswered outlives the program", async () => {
  const scene = new Scene(), storage = new MemoryStorage(), alice = await scene.online(1, { storage }), bob = await scene.online(2);
  scene.relay.deaf = true;
  await alice.client.send({ user: bob.client.user }, utf8("kept"));
  await alice.client.sendMulti([{ user: bob.client.user, device: 1, head: utf8("he") }], utf8("ad"));
  await settle();
  alice.client.session?.cut("the program is killed");
  scene.relay.deaf = false;
  scene.clock.timers.clear();
  await scene.online(1, { storage });
  await settle();
  assert.deepEqual(bob.log.message.map((m) => textOf(m.head) + textOf(m.payload)), ["kept", "head"]);
  assert.equal((await storage.open()).outbox.length, 0);
});

test("nothing goes out before it is kept, and nothing overtakes it", async () => {
  const scene = new Scene();
  /** @type {(() => void)[]} */
  const writes = [];
  class Slow extends MemoryStorage {
    /** @param {import("../src/storage.js").Change[]} changes */
    async write(changes) {
      if (changes.some((change) => "put" in change)) await new Promise((resolve) => { writes.push(() => resolve(null)); });
      return super.write(changes);
    }
  }
  const alice = await scene.online(1, { storage: new Slow() }), to = { user: alice.client.user, device: 9 };
  const both = [alice.client.send(to, utf8("1")), alice.client.send(to, utf8("2"))];
  await settle();
  writes[1]();
  await settle();
  assert.equal(scene.relay.saidOf("SEND").length, 0);
  writes[0]();
  await Promise.all(both);
  await settle();
  assert.deepEqual(scene.relay.saidOf("SEND").map((frame) => textOf(frame.payload)), ["1", "2"]);
});

test("no message is sent that can't be kept", async () => {
  const scene = new Scene();
  class Full extends MemoryStorage {
    /** @param {import("../src/storage.js").Change[]} changes */
    async write(changes) {
      if (changes.some((change) => "put" in change)) throw new Error("the disk is full");
      return super.write(changes);
    }
  }
  const alice = await scene.online(1, { storage: new Full() });
  await assert.rejects(alice.client.send({ user: alice.client.user }, utf8("x")), /disk is full/);
  assert.deepEqual([scene.relay.saidOf("SEND").length, alice.client.outbox.size, alice.client.outbox.unanswered], [0, 0, 0]);
});

test("the window holds messages back until there are answers", async () => {
  const scene = new Scene();
  scene.relay.window = 3;
  scene.relay.deaf = false;
  const alice = await scene.online(1), bob = await scene.online(2);
  scene.relay.holdStatus = true;
  for (let n = 0; n < 8; n++) await alice.client.send({ user: bob.client.user }, utf8(`${n}`));
  await settle();
  assert.equal(scene.relay.saidOf("SEND").length, 3);
  scene.relay.holdStatus = false;
  const first = scene.relay.saidOf("SEND")[0];
  scene.relay.status({ user: alice.client.user, device: 1 }, [{ kind: 1, reason: 0, id: first.id, user: first.user, device: 1 }]);
  await settle();
  assert.equal(scene.relay.saidOf("SEND").length > 3, true);
  await scene.clock.advance(1);
  for (const frame of scene.relay.saidOf("SEND").slice(1, 3))
    scene.relay.status({ user: alice.client.user, device: 1 }, [{ kind: 2, reason: 0, id: frame.id, user: frame.user, device: 1 }]);
  await settle();
  assert.equal(alice.client.outbox.size, 0);
  assert.deepEqual(bob.texts(), ["0", "1", "2", "3", "4", "5", "6", "7"]);
});

test("a message to many counts as one, until its last recipient is answered; sent again, it is for the rest", async () => {
  const scene = new Scene();
  scene.relay.window = 1;
  const alice = await scene.online(1), bob = await scene.online(2);
  const carol = await scene.online(3);
  const recipients = [{ user: bob.client.user, device: 1, head: utf8("b") }, { user: carol.client.user, device: 1, head: utf8("c") }];
  scene.relay.holdStatus = true;
  const sent = await alice.client.sendMulti(recipients, utf8("shared"));
  await alice.client.send({ user: bob.client.user }, utf8("next"));
  await settle();
  const self = { user: alice.client.user, device: 1 };
  scene.relay.holdStatus = false;
  scene.relay.status(self, [{ kind: 1, reason: 0, id: sent.id, user: bob.client.user, device: 1 }]);
  await settle();
  assert.deepEqual([alice.log.status.length, scene.relay.saidOf("SEND").length], [1, 0]);
  scene.relay.sessionOf(self)?.end(1006);
  await scene.clock.advance(1000);
  const again = scene.relay.saidOf("SEND_MULTI")[1];
  assert.deepEqual(again.recipients.map((/** @type {any} */ to) => to.user), [carol.client.user]);
  assert.equal((await sent.answered).to.user, carol.client.user);
  await settle();
  assert.deepEqual(bob.log.message.map((m) => [textOf(m.head), textOf(m.payload)]), [["b", "shared"], ["", "next"]]);
  assert.deepEqual(carol.log.message.map((m) => [textOf(m.head), textOf(m.payload)]), [["c", "shared"]]);
});

test("what waits for an answer has a limit; an answer makes room", async () => {
  const scene = new Scene(), alice = await scene.online(1, { keptBytesMax: 2500 }), bob = await scene.online(2);
  scene.relay.holdStatus = true;
  const send = () => alice.client.send({ user: bob.client.user }, new Uint8Array(1000));
  await send();
  await send();
  await assert.rejects(send(), OutboxFull);
  assert.deepEqual([alice.client.outbox.size, alice.client.outbox.bytes], [2, 2 * 1052]);
  scene.relay.sessionOf({ user: alice.client.user, device: 1 })?.end(1012);
  scene.relay.holdStatus = false;
  await settle();
  await scene.clock.advance(1000);
  assert.deepEqual([alice.client.outbox.size, alice.client.outbox.bytes], [0, 0]);
  await send();
  await settle();
  await alice.client.send({ user: bob.client.user }, new Uint8Array(2000), { ephemeral: true });
});

test("a slow connection holds messages back", async () => {
  const scene = new Scene(), alice = await scene.online(1);
  scene.relay.current.buffered = 1 << 20;
  await alice.client.send({ user: alice.client.user }, utf8("x"));
  await scene.clock.advance(100);
  assert.equal(scene.relay.saidOf("SEND").length, 0);
  scene.relay.current.buffered = 0;
  await scene.clock.advance(100);
  assert.equal(scene.relay.saidOf("SEND").length, 1);
});

test("ephemeral messages: now, or not at all", async () => {
  const scene = new Scene(), alice = await scene.online(1), bob = await scene.online(2), to = { user: bob.client.user };
  assert.equal((await (await alice.client.send(to, utf8("typing"), { ephemeral: true })).answered).kind, "delivered");
  assert.equal(bob.log.message[0].ephemeral, true);
  scene.relay.holdStatus = true;
  const lost = await alice.client.send(to, utf8("lost"), { ephemeral: true });
  scene.relay.sessionOf({ user: alice.client.user, device: 1 })?.end(1006);
  const answer = await lost.answered;
  assert.deepEqual([answer.kind, answer.reason, answer.local], ["rejected", 10, true]);
  const offline = await (await alice.client.send(to, utf8("offline"), { ephemeral: true })).answered;
  assert.deepEqual([offline.kind, offline.local], ["rejected", true]);
  await scene.clock.advance(1000);
  assert.equal(scene.relay.saidOf("SEND").length, 2, "not sent again");
});

test("silent messages have no answer, no sequence, and no place in the window", async () => {
  const scene = new Scene(), alice = await scene.online(1), bob = await scene.online(2);
  await alice.client.send({ user: bob.client.user }, utf8("…"), { silent: true });
  await settle();
  assert.deepEqual(bob.texts(), ["…"]);
  assert.deepEqual([alice.client.outbox.size, alice.client.outbox.unanswered, scene.relay.saidOf("ACK").length], [0, 0, 0]);
});

test("a message is acknowledged only when its handler is done", async () => {
  const scene = new Scene(), alice = await scene.online(1), bob = await scene.online(2);
  /** @type {() => void} */
  let finish = () => {};
  bob.client.on("message", () => new Promise((resolve) => { finish = () => resolve(null); }));
  const sent = await alice.client.send({ user: bob.client.user }, utf8("x"));
  await settle();
  assert.equal(scene.relay.saidOf("ACK").length, 0);
  finish();
  assert.equal((await sent.answered).kind, "delivered");
});

test("what a handler can't take comes again, with all behind it", async () => {
  const scene = new Scene(), alice = await scene.online(1), bob = await scene.online(2);
  let fails = 1;
  /** @type {string[]} */
  const taken = [];
  bob.client.on("message", (message) => {
    if (fails-- > 0) throw new Error("not now");
    taken.push(textOf(message.payload));
  });
  for (const text of ["1", "2", "3"]) await alice.client.send({ user: bob.client.user }, utf8(text));
  await settle();
  assert.deepEqual([bob.client.isOpen, taken], [false, []]);
  assert.match(String(bob.log.error[0]), /not now/);
  await scene.clock.advance(2000);
  assert.deepEqual(taken, ["1", "2", "3"]);
});

test("duplicates are dropped by id, also after a restart", async () => {
  const scene = new Scene(), storage = new MemoryStorage(), alice = await scene.online(1), bob = await scene.online(2, { storage });
  await alice.client.send({ user: bob.client.user }, utf8("once"));
  await settle();
  const from = { user: alice.client.user, device: 1 }, id = scene.relay.saidOf("SEND")[0].id;
  bob.client.session?.cut("killed");
  scene.clock.timers.clear();
  scene.relay.box({ user: bob.client.user, device: 1 }).push({ id, from, head: utf8(""), payload: utf8("once"), flags: 0, again: true });
  const acks = scene.relay.saidOf("ACK").length;
  const back = await scene.online(2, { storage });
  await settle();
  assert.deepEqual([bob.texts(), back.texts()], [["once"], []]);
  assert.equal(scene.relay.saidOf("ACK").length, acks + 1, "but acknowledged");
});

test("what came of a message is kept in one write with the note that it was seen, whenever the program dies", async () => {
  for (const dies of ["before", "with", "after"]) {
    const scene = new Scene(), storage = new MemoryStorage(), alice = await scene.online(1);
    let dead = false, writes = 0;
    const first = new MemoryStorage();
    first.write = async (changes) => {
      writes += changes.some((change) => "own" in change) ? 1 : 0;
      if (dies === "with" && writes > 0) dead = true;
      await (dead ? new Promise(() => {}) : storage.write(changes));
    };
    const bob = await scene.online(2, { storage: first });
    bob.client.on("message", async (message) => {
      if (dies === "before") throw new Error("dies");
      const read = bob.client.own.get("read") ?? [];
      await message.done([["read", [...read, textOf(message.payload)]]]);
      if (dies === "after") throw new Error("dies");
    });
    await alice.client.send({ user: bob.client.user }, utf8("hello"));
    await settle();
    dead = true;
    bob.client.session?.cut("dies");
    bob.client.running = false;
    const again = await scene.client(2, { storage });
    again.client.on("message", (message) => message.done([["read", [...(again.client.own.get("read") ?? []), textOf(message.payload)]]]));
    assert.equal(scene.relay.box({ user: bob.client.user, device: 1 }).length, 1, "the relay still has it");
    await again.client.start();
    await settle();
    assert.deepEqual((await storage.open()).own, [["read", ["hello"]]], dies);
    assert.equal(writes, dies === "before" ? 0 : 1);
  }
});

test("what an application keeps with a message that it sends is there exactly when the message is", async () => {
  const scene = new Scene(), storage = new MemoryStorage(), alice = await scene.online(1, { storage });
  scene.relay.holdStatus = true;
  const { id } = await alice.client.send({ user: "ab".repeat(16) }, utf8("x"), { own: (sent) => [["history", [sent]], ["gone", null]] });
  const kept = await storage.open();
  assert.deepEqual([kept.outbox.map((record) => record.id), kept.own], [[id], [["history", [id]]]]);
  await alice.client.keepOwn([["history", null]]);
  assert.deepEqual([(await storage.open()).own, alice.client.own.size], [[], 0]);
});

test("a burst is acknowledged within 8 deliveries", async () => {
  const scene = new Scene(), alice = await scene.online(1), bob = await scene.online(2);
  for (let n = 0; n < 40; n++) await alice.client.send({ user: bob.client.user }, utf8(`${n}`));
  await settle(20);
  assert.equal(bob.log.message.length, 40);
  const acks = scene.relay.saidOf("ACK").map((frame) => frame.sequence);
  assert.equal(acks[acks.length - 1], 40);
  assert.ok(acks.every((sequence, at) => sequence - (acks[at - 1] ?? 0) <= 8), `${acks}`);
});

test("a gap in the deliveries ends the session", async () => {
  const scene = new Scene(), bob = await scene.online(2);
  scene.relay.current.sequence = 5;
  scene.relay.deliver(scene.relay.current, { id: 1n, from: { user: "00".repeat(16), device: 1 }, head: utf8(""), payload: utf8(""), flags: 0 }, 0);
  await settle();
  assert.match(bob.log.close[0].why, /gap/);
});

test("what no client could read ends the session; unknown frames don't", async () => {
  const scene = new Scene(), bob = await scene.online(2);
  scene.relay.current.raw(Uint8Array.of(0x99, 1, 2, 3));
  await settle();
  assert.equal(bob.client.isOpen, true);
  scene.relay.current.raw(encode("OK", { request: 1 }).slice(0, 7));
  await settle();
  assert.deepEqual([bob.client.isOpen, bob.log.close[0].again], [false, true]);
});

test("it comes back after pauses that double, drawn at random", async () => {
  const scene = new Scene(), alice = await scene.online(1);
  scene.relay.refuse = true;
  scene.relay.current.end(1006);
  for (let n = 0; n < 10; n++) await scene.clock.advance(60000);
  const pauses = alice.log.pause.map((each) => each.ms);
  assert.deepEqual(pauses.slice(0, 9), [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  scene.relay.refuse = false;
  await scene.clock.advance(60000);
  assert.equal(alice.client.isOpen, true);
  await scene.clock.advance(6000);
  scene.relay.current.end(1012);
  await settle();
  assert.equal(alice.log.pause.at(-1)?.ms, 250, "after a session that stood it begins anew");
});

test("a nudge tries at once", async () => {
  const scene = new Scene(), alice = await scene.online(1);
  scene.relay.current.end(1006);
  await settle();
  assert.equal(alice.client.isOpen, false);
  alice.client.nudge();
  await settle();
  assert.equal(alice.client.isOpen, true);
});

for (const [code, again] of /** @type {[number, boolean][]} */ ([[1, false], [3, false], [5, false], [6, false], [7, true], [8, true], [9, false], [10, false]])) {
  test(`fatal ERROR ${code}: ${again ? "it comes back" : "it stays away"}`, async () => {
    const scene = new Scene(), alice = await scene.online(1);
    scene.relay.current.fatal(code);
    await scene.clock.advance(10000);
    assert.deepEqual([alice.log.close[0].error, alice.log.close[0].code, alice.log.close[0].again], [code, 4000 + code, again]);
    assert.equal(alice.client.isOpen, again);
  });
}

test("a removed device forgets its token", async () => {
  const scene = new Scene(), storage = new MemoryStorage();
  await scene.online(1, { storage });
  scene.relay.current.fatal(6);
  await settle();
  assert.equal((await storage.open()).token, null);
});

test("a silent relay is noticed: pinged, then left", async () => {
  const scene = new Scene(), alice = await scene.online(1);
  scene.relay.deaf = true;
  await alice.client.send({ user: alice.client.user, device: 2 }, utf8("x"));
  await scene.clock.advance(31000);
  assert.equal(scene.relay.current.pings, 1);
  assert.equal(alice.client.isOpen, true);
  await scene.clock.advance(15000);
  assert.match(alice.log.close[0].why, /silent/);
});

test("a browser, which can't ping, asks for its devices instead", async () => {
  const scene = new Scene();
  scene.relay.canPing = false;
  const alice = await scene.online(1);
  await scene.clock.advance(250000);
  assert.equal(scene.relay.saidOf("DEVICE").length, 1);
  await scene.clock.advance(30000);
  assert.deepEqual([alice.client.isOpen, alice.log.close.length, alice.log.error.length], [true, 0, 0]);
});

test("no WELCOME in time ends the attempt", async () => {
  const scene = new Scene();
  scene.relay.deaf = true;
  const alice = await scene.client(1);
  await alice.client.start();
  await scene.clock.advance(16000);
  assert.match(alice.log.close[0].why, /WELCOME/);
  assert.equal(alice.log.close[0].again, true);
});

test("READ reaches the sender; without a session it waits for the next", async () => {
  const scene = new Scene(), alice = await scene.online(1), bob = await scene.online(2);
  const sent = await alice.client.send({ user: bob.client.user }, utf8("x"));
  await settle();
  scene.relay.sessionOf({ user: bob.client.user, device: 1 })?.end(1012);
  await settle();
  bob.client.read(bob.log.message);
  await scene.clock.advance(1000);
  assert.deepEqual(alice.log.status.map((status) => [status.kind, status.id]), [["delivered", sent.id], ["read", sent.id]]);
  assert.equal(alice.log.status[1].first, false);
});

test("keys: put, got, taken once each, and checked", async () => {
  const scene = new Scene(), alice = await scene.online(1), bob = await scene.online(2);
  assert.equal(await alice.client.putKeys(utf8("bundle"), [utf8("k1"), utf8("k2")]), 2);
  const got = await bob.client.getKeys(alice.client.user, { take: true });
  assert.deepEqual(got?.devices.map((each) => [each.device, textOf(each.bundle), textOf(each.key ?? utf8("none"))]), [[1, "bundle", "k1"]]);
  await bob.client.getKeys(alice.client.user, { take: true });
  assert.equal((await bob.client.getKeys(alice.client.user, { take: true }))?.devices[0].key, null);
  assert.equal(await bob.client.getKeys("00".repeat(16)), null);
  const many = Array.from({ length: 450 }, (_, n) => utf8(`key ${n}`));
  assert.equal(await alice.client.putKeys(utf8("bundle"), many, { replace: true }), 450);
  assert.deepEqual(scene.relay.saidOf("KEYS_PUT").slice(1).map((frame) => [frame.flags, frame.keys.length]), [[1, 200], [0, 200], [0, 50]]);
  await assert.rejects(alice.client.putKeys(new Uint8Array(8193)), WireError);
  await assert.rejects(alice.client.putKeys(utf8("b"), [utf8("")]), WireError);
});

test("keys that a relay swapped are refused", async () => {
  const scene = new Scene(), alice = await scene.online(1), bob = await scene.online(2);
  await alice.client.putKeys(utf8("bundle"));
  scene.relay.swapKey = bob.client.identity.accountKey;
  await assert.rejects(bob.client.getKeys(alice.client.user), /another user's key/);
  scene.relay.swapKey = null;
  const held = scene.relay.keys.get(`${alice.client.user}/1`);
  assert.ok(held);
  held.bundle = utf8("forged");
  await assert.rejects(bob.client.getKeys(alice.client.user), /not signed/);
});

test("requests end with their session, or when no answer comes", async () => {
  const scene = new Scene(), alice = await scene.online(1);
  scene.relay.deaf = true;
  const lost = assert.rejects(alice.client.devices(), (error) => error instanceof RequestError && error.code === 0);
  await settle();
  scene.relay.current.end(1012);
  await lost;
  scene.relay.deaf = false;
  const later = alice.client.devices();
  await scene.clock.advance(1000);
  assert.deepEqual(await later, [{ device: 1, connected: true, lastSeen: 0 }]);
  scene.relay.deaf = true;
  const slow = assert.rejects(alice.client.accept("block", alice.client.user), /in time/);
  await scene.clock.advance(16000);
  await slow;
});

test("no more than 3 requests at a time; those refused as too many are made again, the others are not", async () => {
  const scene = new Scene(), { client } = await scene.online(1);
  scene.relay.deaf = true;
  const asked = Array.from({ length: 7 }, () => client.devices());
  await settle();
  const numbers = () => scene.relay.saidOf("DEVICE").map((frame) => frame.request);
  assert.deepEqual(numbers(), [1, 2, 3]);
  scene.relay.deaf = false;
  for (const request of [1, 2]) scene.relay.current.say("DEVICES", { request, devices: [] });
  scene.relay.current.say("ERROR", { code: 131, request: 3, text: "rate limited" });
  await settle();
  assert.deepEqual(numbers(), [1, 2, 3, 4, 5, 6, 7]);
  await scene.clock.advance(2100);
  assert.equal(numbers().length, 8);
  for (const one of asked) await one;
  scene.relay.deaf = true;
  const blocking = client.accept("only allowed");
  await settle();
  scene.relay.current.say("ERROR", { code: 131, request: 9, text: "the list is full" });
  await assert.rejects(blocking, /full/);
});

test("a refusal has its reason", async () => {
  const scene = new Scene(), alice = await scene.online(1), bob = await scene.online(2);
  const nobody = await alice.client.send({ user: "00".repeat(16) }, utf8("x"));
  assert.deepEqual([(await nobody.answered).kind, (await nobody.answered).text], ["rejected", "unknown user"]);
  await bob.client.accept("block", alice.client.user);
  const blocked = await alice.client.send({ user: bob.client.user }, utf8("x"));
  assert.equal((await blocked.answered).text, "blocked");
  await assert.rejects(alice.client.send({ user: "nonsense" }, utf8("x")), WireError);
  await assert.rejects(alice.client.send({ user: bob.client.user, device: 0 }, utf8("x")), WireError);
  await assert.rejects(alice.client.send({ user: bob.client.user }, new Uint8Array(1 << 20)), WireError);
});

test("two people see the same safety number, and another one when a key was swapped", async () => {
  const [a, b, c] = await Promise.all([1, 2, 3].map((seed) => Identity.fromSeed(seedOf(seed))));
  const number = safetyNumber(a.accountKey, b.accountKey);
  assert.match(number, /^(\d{5} ){11}\d{5}$/);
  assert.equal(safetyNumber(b.accountKey, a.accountKey), number);
  assert.notEqual(safetyNumber(c.accountKey, b.accountKey), number);
});

test("an outbox of many under a relay that comes and goes: each once, in order", async () => {
  const scene = new Scene();
  scene.relay.window = 8;
  const storage = new MemoryStorage(), alice = await scene.online(1, { storage }), bob = await scene.online(2);
  let at = 0;
  for (let round = 0; round < 40; round++) {
    for (let n = 0; n < 5; n++) await alice.client.send({ user: bob.client.user }, utf8(`${at++}`));
    scene.relay.holdStatus = round % 3 === 0;
    if (round % 4 === 1) scene.relay.sessionOf({ user: alice.client.user, device: 1 })?.end(1006);
    if (round % 5 === 2) scene.relay.sessionOf({ user: bob.client.user, device: 1 })?.end(1012);
    await scene.clock.advance(700);
  }
  scene.relay.holdStatus = false;
  alice.client.session?.cut("once more");
  await scene.clock.advance(60000);
  assert.equal(alice.client.outbox.size, 0);
  assert.deepEqual(bob.texts(), Array.from({ length: at }, (_, n) => `${n}`));
});
