// SPDX-License-Identifier: BSD-3-Clause
// Scenes of the JavaScript library in Node against a running appliance: javascript.mjs WHERE [SCENE…], WHERE being its JSON. For each a
// line of JSON: its name, and what failed.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, FileStorage, Identity, MemoryStorage, nodeHttp, nodeWebSocket, openMedia, RequestError, sealMedia, textOf, utf8 }
  from "../../client/js/src/node.js";

const where = JSON.parse(process.argv[2]);
const reach = { ca: readFileSync(where.ca), address: where.address };
const host = `${where.server_name}:${where.port}`;
const folder = mkdtempSync(join(tmpdir(), "waxwire-javascript-"));
const clients = [];

/** A client that has started, and what came to it. */
async function online(identity, options = {}) {
  const client = new Client({
    identity: identity ?? await Identity.create(), connect: nodeWebSocket(`wss://${host}/v1/relay`, reach),
    http: nodeHttp(reach), mediaUrl: `https://${host}/v1/media`, ...options,
  });
  const got = { client, messages: [], statuses: [], opens: [], closes: [] };
  client.on("message", (message) => { got.messages.push(message); });
  client.on("status", (status) => { got.statuses.push(status); });
  client.on("open", (open) => { got.opens.push(open); });
  client.on("close", (end) => { got.closes.push(end); });
  got.texts = () => got.messages.map((message) => textOf(message.payload));
  clients.push(client);
  await client.start();
  await client.opened();
  return got;
}

async function until(done, what, ms = 10000) {
  const end = Date.now() + ms;
  while (!done()) {
    assert.ok(Date.now() < end, `${what} in time`);
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
}

const numbers = (count) => Array.from({ length: count }, (_, n) => `${n}`);

const scenes = {
  async "a session by proof with channel binding, then by the token"() {
    const storage = new FileStorage(join(folder, "alice"));
    const alice = await online(null, { storage });
    assert.deepEqual([alice.opens[0].isNew, alice.opens[0].resumed, alice.client.session.binding.length], [true, false, 32]);
    await alice.client.close();
    assert.deepEqual([alice.closes[0].code, alice.closes[0].asked], [1000, true]);
    const again = await online(alice.client.identity, { storage: new FileStorage(join(folder, "alice")) });
    assert.deepEqual([again.opens[0].isNew, again.opens[0].resumed], [false, true]);
  },

  async "messages both ways, in order, each answered"() {
    const alice = await online(), bob = await online();
    const sent = [];
    for (const text of numbers(300)) sent.push(await alice.client.send({ user: bob.client.user }, utf8(text)));
    const back = await bob.client.send({ user: alice.client.user }, new Uint8Array(60000).fill(7));
    await until(() => bob.messages.length === 300 && alice.messages.length === 1, "all arrive");
    assert.deepEqual(bob.texts(), numbers(300));
    assert.deepEqual([alice.messages[0].payload.length, alice.messages[0].from.user], [60000, bob.client.user]);
    for (const { answered } of [...sent, back]) assert.match((await answered).kind, /accepted|delivered/);
    await until(() => new Set(alice.statuses.filter((s) => s.kind === "delivered").map((s) => s.id)).size === 300, "all delivered");
    assert.equal(alice.client.outbox.size, 0);
  },

  async "who is offline finds the messages later, and the sender hears of it"() {
    const alice = await online(), bob = await online();
    await bob.client.close();
    const sent = [];
    for (const text of numbers(20)) sent.push(await alice.client.send({ user: bob.client.user }, utf8(text)));
    for (const { answered } of sent) assert.equal((await answered).kind, "accepted");
    const back = await online(bob.client.identity);
    await until(() => back.messages.length === 20, "what was stored arrives");
    assert.deepEqual(back.texts(), numbers(20));
    assert.ok(back.messages.every((message) => message.stored));
    await until(() => alice.statuses.filter((s) => s.kind === "delivered").length === 20, "the receipts");
  },

  async "connections that break in the middle lose, double and reorder nothing"() {
    const alice = await online(null, { storage: new FileStorage(join(folder, "breaking-a")) });
    const bob = await online(null, { storage: new FileStorage(join(folder, "breaking-b")) });
    for (let n = 0; n < 200; n++) {
      await alice.client.send({ user: bob.client.user }, utf8(`${n}`));
      if (n % 50 === 25) alice.client.session?.cut("the test cuts");
      if (n % 70 === 35) bob.client.session?.cut("the test cuts");
    }
    await until(() => bob.messages.length >= 200 && alice.client.outbox.size === 0, "all arrive", 30000);
    assert.deepEqual(bob.texts(), numbers(200));
    const ended = alice.closes.filter((end) => end.opened).length; // others were cut before WELCOME
    assert.ok(alice.closes.length >= 1 && alice.opens.length === ended + 1);
  },

  async "ephemeral messages, refusals, and a second session of the same device"() {
    const alice = await online(), bob = await online();
    const nobody = await Identity.create();
    assert.equal((await (await alice.client.send({ user: nobody.user }, utf8("x"))).answered).text, "unknown user");
    await bob.client.close();
    const typing = await alice.client.send({ user: bob.client.user }, utf8("…"), { ephemeral: true });
    assert.equal((await typing.answered).text, "not connected");
    await online(alice.client.identity);
    await until(() => alice.closes.length === 1, "the older session ends");
    assert.deepEqual([alice.closes[0].error, alice.closes[0].code, alice.closes[0].again], [9, 4009, false]);
  },

  async "keys: published, got and checked, each one-time key once; devices; blocks"() {
    const alice = await online(), bob = await online();
    assert.equal(await alice.client.putKeys(utf8("bundle"), [utf8("one"), utf8("two")]), 2);
    const taken = [];
    for (let n = 0; n < 3; n++) {
      const got = await bob.client.getKeys(alice.client.user, { take: true });
      assert.deepEqual(got.devices.map((each) => [each.device, textOf(each.bundle)]), [[1, "bundle"]]);
      taken.push(got.devices[0].key && textOf(got.devices[0].key));
    }
    assert.deepEqual([taken.slice(0, 2).sort(), taken[2]], [["one", "two"], null]);
    assert.equal(await bob.client.getKeys((await Identity.create()).user), null);
    const devices = await alice.client.devices();
    assert.deepEqual(devices.map((each) => [each.device, each.connected]), [[1, true]]);
    await bob.client.accept("block", alice.client.user);
    const blocked = await alice.client.send({ user: bob.client.user }, utf8("x"));
    assert.equal((await blocked.answered).text, "blocked");
    await bob.client.accept("unblock", alice.client.user);
    assert.match((await (await alice.client.send({ user: bob.client.user }, utf8("y"))).answered).kind, /accepted|delivered/);
    await assert.rejects(alice.client.request("BLOCK", { what: 9, user: bob.client.user }), (error) => error instanceof RequestError || /ended/.test(error.message));
  },

  async "a message to many, each with its own head; and who has read it"() {
    const alice = await online(), bob = await online(), carol = await online();
    const tablet = await online(bob.client.identity, { device: 2 }), nobody = await Identity.create();
    const to = [[bob, 1], [bob, 2], [carol, 1]].map(([one, device]) => ({ user: one.client.user, device, head: utf8(`for ${device} `) }));
    const sent = await alice.client.sendMulti([...to, { user: nobody.user, device: 1, head: utf8("for nobody") }], utf8("shared"));
    await until(() => bob.messages.length + tablet.messages.length + carol.messages.length === 3, "each has it");
    for (const [one, device] of [[bob, 1], [tablet, 2], [carol, 1]]) {
      const [message] = one.messages;
      assert.deepEqual([textOf(message.head), textOf(message.payload), message.id], [`for ${device} `, "shared", sent.id]);
    }
    await sent.answered;
    const of = (kind) => alice.statuses.filter((s) => s.kind === kind && s.id === sent.id).map((s) => `${s.to.user}/${s.to.device}`).sort();
    assert.deepEqual(of("rejected"), [`${nobody.user}/1`]);
    await until(() => of("delivered").length === 3, "the receipts of three");
    tablet.client.read(tablet.messages);
    await until(() => of("read").length === 1, "the reader is named");
    assert.deepEqual(of("read"), [`${bob.client.user}/2`]);
    await alice.client.close();
    carol.client.read(carol.messages);
    const back = await online(alice.client.identity);
    await until(() => back.statuses.some((s) => s.kind === "read"), "READ waits for who is away");
    assert.deepEqual(back.statuses.filter((s) => s.kind === "read").map((s) => [s.to.user, s.id]), [[carol.client.user, sent.id]]);
  },

  async "a device is removed; an account is deleted, and made anew"() {
    const alice = await online(), bob = await online();
    const storage = new MemoryStorage(), tablet = await online(bob.client.identity, { device: 2, storage });
    assert.deepEqual((await bob.client.devices()).map((each) => [each.device, each.connected]), [[1, true], [2, true]]);
    await bob.client.removeDevice(2);
    await until(() => tablet.closes.length === 1, "the tablet's session ends");
    assert.deepEqual([tablet.closes[0].error, tablet.closes[0].again, (await storage.open()).token], [6, false, null]);
    assert.equal((await (await alice.client.send({ user: bob.client.user, device: 2 }, utf8("x"))).answered).text, "unknown device");
    assert.deepEqual((await bob.client.devices()).map((each) => each.device), [1]);
    await bob.client.putKeys(utf8("bundle"), [utf8("key")]);
    await bob.client.deleteAccount();
    await until(() => bob.closes.length === 1, "the last session of the account ends");
    assert.deepEqual([bob.closes[0].error, bob.closes[0].again], [6, false]);
    assert.equal((await (await alice.client.send({ user: bob.client.user }, utf8("x"))).answered).text, "unknown user");
    assert.equal(await alice.client.getKeys(bob.client.user), null);
    const anew = await online(bob.client.identity);
    assert.equal(anew.opens[0].isNew, true);
    assert.deepEqual((await alice.client.getKeys(bob.client.user)).devices, []);
  },

  async "a sealed photo goes up and down, with progress"() {
    const alice = await online(), bob = await online();
    const photo = new Uint8Array(1_500_000).map((_, at) => at * 7);
    const { sealed, key, hash } = sealMedia(photo), up = [], down = [];
    const { id, size } = await alice.client.upload(sealed, { ttl: 3600, onProgress: (done, all) => up.push([done, all]) });
    assert.equal(size, sealed.length);
    const got = await bob.client.download(id, { onProgress: (done, all) => down.push([done, all]) });
    assert.deepEqual(Buffer.compare(openMedia(got, key, hash), photo), 0);
    for (const steps of [up, down]) {
      assert.ok(steps.length > 2, "in steps");
      assert.deepEqual(steps.at(-1), [sealed.length, sealed.length]);
    }
    assert.deepEqual([...await bob.client.download(id, { from: 10, to: 19 })], [...sealed.slice(10, 20)]);
    assert.throws(() => openMedia(got.map((byte, at) => (at === 5 ? byte ^ 1 : byte)), key, hash));
    await assert.rejects(bob.client.removeMedia(id), /403/);
    await alice.client.removeMedia(id);
    await assert.rejects(bob.client.download(id), /404/);
  },
};

/** One scene, and no client of it left. */
async function play(scene) {
  try {
    await scenes[scene]();
    for (const client of clients.splice(0)) await client.close();
    return null;
  } catch (error) {
    for (const client of clients.splice(0)) client.close();
    return error.stack;
  }
}

for (const scene of process.argv.length > 3 ? process.argv.slice(3) : Object.keys(scenes)) console.log(JSON.stringify({ scene, failed: await play(scene) }));
rmSync(folder, { recursive: true });
process.exit(0);
