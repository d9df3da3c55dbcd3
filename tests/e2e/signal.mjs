// SPDX-License-Identifier: BSD-3-Clause
// People with Signal's library over the relay: signal.mjs WHERE SECRET CANARY. It says "done" when all has been shown, keeps its sessions until
// standard input ends, and leaves a message with the secret waiting for somebody who is offline. Everything said has the secret in it. What the relay
// sends Bob's phone and most of a group goes without TLS, so that who captures packets sees what the relay sees; the canary alone is sent unsealed.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, FileStorage, Identity, MemoryStorage, nodeHttp, nodeWebSocket, textOf, utf8 } from "../../client/js/src/node.js";
import { NumberChanged, Person } from "../../client/js/examples/signal-chat/person.js";

const where = JSON.parse(process.argv[2]), [secret, canary] = process.argv.slice(3);
const folder = mkdtempSync(join(tmpdir(), "waxwire-signal-"));
const tls = { ca: readFileSync(where.ca), address: where.address }, host = `${where.server_name}:${where.port}`;
const plain = `${where.address}:${where.plain_port}`;
const GROUP = 256;

const paths = {
  tls: { connect: nodeWebSocket(`wss://${host}/v1/relay`, tls), http: nodeHttp(tls), mediaUrl: `https://${host}/v1/media` },
  plain: { connect: nodeWebSocket(`ws://${plain}/v1/relay`), http: nodeHttp(), mediaUrl: `http://${plain}/v1/media` },
};

async function person(identity, way, { device, storage, ...options } = {}) {
  const client = new Client({ identity, device, storage, ...paths[way] });
  const made = new Person(client, { refreshMs: 0, ...options });
  Object.assign(made, { got: [], changes: [] });
  made.on("message", (entry) => made.got.push(entry));
  made.on("error", (error) => console.log("error", error));
  made.on("number changed", ({ user }) => made.changes.push(user));
  await made.start();
  await until(() => client.own.get("signal/own").published, "keys published");
  return made;
}

async function until(done, what) {
  const end = Date.now() + 20000;
  while (!done()) {
    assert.ok(Date.now() < end, `${what} in time`);
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
}

const [a, b, c] = [await Identity.create(), await Identity.create(), await Identity.create()];
const file = (name) => new FileStorage(join(folder, name));
const texts = (one) => one.got.map((entry) => entry.text);

/** Text both ways, to both of Bob's devices, with ticks. */
async function conversation(alice, bob, tablet) {
  await alice.sendText(b.user, `${secret} hello`);
  await until(() => bob.got.length === 1 && tablet.got.length === 1, "the first message");
  assert.deepEqual([texts(bob), texts(tablet)], [[`${secret} hello`], [`${secret} hello`]]);
  await until(() => alice.ticks(alice.history[0]).state === "delivered", "✓✓");
  bob.markRead(bob.got);
  await until(() => alice.ticks(alice.history[0]).state === "read", "read");
  for (let n = 0; n < 10; n++) {
    await bob.sendText(a.user, `${secret} ${n} from bob`);
    await alice.sendText(b.user, `${secret} ${n} from alice`);
  }
  await until(() => alice.got.length === 10 && bob.got.length === 11 && tablet.got.length === 21, "the conversation, and the tablet's copies");
  assert.deepEqual(texts(alice), Array.from({ length: 10 }, (_, n) => `${secret} ${n} from bob`));
  assert.equal(tablet.got.filter((entry) => entry.to.user === a.user).length, 10, "what the phone wrote");
}

async function photo(alice, bob) {
  const bytes = utf8(`${secret} photo `.repeat(20000)), before = bob.got.length;
  await alice.sendPhoto(b.user, bytes);
  await until(() => bob.got.length === before + 1, "the photo");
  assert.equal(textOf(await bob.photo(bob.got.at(-1))), textOf(bytes));
}

/** What was not sealed is seen by whoever looks, and is nothing that Signal would read. */
async function unsealed(alice, bob) {
  const before = bob.got.length;
  await alice.client.send({ user: b.user }, utf8(canary));
  await until(() => bob.got.length === before + 1, "the canary");
  assert.equal(bob.got.at(-1).kind, "unreadable");
}

/** A group: one message of the relay, in which each member has a copy that is encrypted for it alone. */
async function group(alice) {
  const members = [];
  for (let at = 0; at < GROUP - 1; at += 32) {
    const some = Array.from({ length: Math.min(32, GROUP - 1 - at) }, async () => person(await Identity.create(), "plain", { oneTimeKeys: 1 }));
    members.push(...await Promise.all(some));
  }
  const id = await alice.createGroup("everybody", members.map((one) => one.user));
  await alice.sendGroup(id, `${secret} to all of you`);
  await until(() => members.every((one) => one.got.length === 2), "everybody has it");
  for (const one of members) assert.deepEqual([one.got[1].text, one.got[1].to, one.groupOf(id).members.length], [`${secret} to all of you`, { group: id }, GROUP]);
  const entry = alice.history.at(-1);
  await until(() => alice.ticks(entry).delivered === GROUP - 1, "✓✓ of everybody");
  for (const one of members.slice(1)) await one.close();
  const [first] = members, now = alice.got.length;
  await first.client.sendMulti([{ user: a.user, device: 1, head: utf8("not sealed") }], new Uint8Array(0));
  await until(() => alice.got.length === now + 1, "what a member forges");
  assert.equal(alice.got.at(-1).kind, "unreadable");
  await first.close();
}

/** Both programs end and begin again: the ratchets go on where they were, with what is on the disk. */
async function restart(alice, bob) {
  await alice.close();
  await bob.close();
  const bobAgain = await person(b, "plain", { storage: file("bob") }), aliceAgain = await person(a, "tls", { storage: file("alice") });
  assert.deepEqual([aliceAgain.history.length, bobAgain.history.length], [alice.history.length, bob.history.length]);
  await aliceAgain.sendText(b.user, `${secret} after the restart`);
  await until(() => bobAgain.got.length === 1, "a message after the restart");
  await bobAgain.sendText(a.user, `${secret} me too`);
  await until(() => aliceAgain.got.length === 1, "the answer");
  assert.deepEqual([texts(bobAgain), texts(aliceAgain)], [[`${secret} after the restart`], [`${secret} me too`]]);
  return [aliceAgain, bobAgain];
}

/** The number is the same for both; when somebody's key is swapped it is another, and nothing goes out until it is trusted. */
async function numbers(alice, bob, carol) {
  const number = alice.safetyNumber(b.user);
  assert.match(number, /^\d{60}$/);
  assert.equal(bob.safetyNumber(a.user), number);
  await alice.sendText(c.user, `${secret} hi`);
  await until(() => carol.got.length === 1, "carol's");
  const before = alice.safetyNumber(c.user);
  assert.equal(carol.safetyNumber(a.user), before);
  await carol.close();
  const swapped = await person(c, "tls");
  await assert.rejects(alice.sendText(c.user, `${secret} who is it?`), NumberChanged);
  assert.deepEqual(alice.changes, [c.user]);
  assert.notEqual(alice.safetyNumber(c.user), before);
  await alice.trust(c.user);
  await alice.sendText(c.user, `${secret} it is you`);
  await until(() => swapped.got.length === 1, "the new one's");
  assert.equal(swapped.safetyNumber(a.user), alice.safetyNumber(c.user));
  return swapped;
}

/** Who is offline has it later; until then it lies in a mailbox. */
async function offline(alice, carol) {
  await carol.close();
  await alice.sendText(c.user, `${secret} for later`);
  const entry = alice.history.at(-1);
  await until(() => alice.ticks(entry).state === "accepted", "✓");
}

try {
  const alice = await person(a, "tls", { storage: file("alice") }), bob = await person(b, "plain", { storage: file("bob") });
  const tablet = await person(b, "tls", { device: 2, identityKey: bob.link().identityKey });
  const carol = await person(c, "tls", { storage: new MemoryStorage() });
  await conversation(alice, bob, tablet);
  await photo(alice, bob);
  await unsealed(alice, bob);
  const [aliceAgain, bobAgain] = await restart(alice, bob);
  const swapped = await numbers(aliceAgain, bobAgain, carol);
  await group(aliceAgain);
  await offline(aliceAgain, swapped);
  rmSync(folder, { recursive: true });
  console.log("done", c.user);
  for await (const _ of process.stdin); // until the test has looked at the relay
  process.exit(0);
} catch (error) {
  console.log(error);
  rmSync(folder, { recursive: true, force: true });
  process.exit(1);
}
