// SPDX-License-Identifier: BSD-3-Clause
// Two people with Signal's library over the relay: signal.mjs WHERE SECRET. It says "done" when all has been shown, keeps its
// sessions until standard input ends, and leaves a message with the secret waiting for somebody who is offline.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Client, Identity, nodeHttp, nodeWebSocket, textOf, utf8 } from "../../client/js/src/node.js";
import { Person } from "../../client/js/examples/signal-chat/signal.js";

const where = JSON.parse(process.argv[2]), secret = process.argv[3];
const reach = { ca: readFileSync(where.ca), address: where.address }, host = `${where.server_name}:${where.port}`;

async function person(identity, device = 1) {
  const client = new Client({
    identity, device, connect: nodeWebSocket(`wss://${host}/v1/relay`, reach), http: nodeHttp(reach), mediaUrl: `https://${host}/v1/media`,
  });
  const made = new Person(client);
  made.got = [];
  made.onMessage = (message) => { made.got.push(message); };
  client.on("error", (error) => { console.log("error", error); });
  await client.start();
  await client.opened();
  assert.equal(await made.publish(), 50);
  return made;
}

async function until(done, what) {
  const end = Date.now() + 10000;
  while (!done()) {
    assert.ok(Date.now() < end, `${what} in time`);
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
}

try {
  const [a, b, c] = [await Identity.create(), await Identity.create(), await Identity.create()];
  const alice = await person(a), bob = await person(b), tablet = await person(b, 2), carol = await person(c);
  // Text both ways, to both of Bob's devices, and ticks.
  const first = await alice.sendText(b.user, `${secret} hello`);
  assert.equal(first.length, 2, "for two devices, each encrypted by itself");
  await until(() => bob.got.length === 1 && tablet.got.length === 1, "the first message");
  assert.deepEqual([bob.got[0].text, tablet.got[0].text], [`${secret} hello`, `${secret} hello`]);
  for (const { answered } of first) assert.match((await answered).kind, /accepted|delivered/);
  for (let n = 0; n < 10; n++) {
    await bob.sendText(a.user, `${secret} ${n} from bob`);
    await alice.sendText(b.user, `${secret} ${n} from alice`);
  }
  await until(() => alice.got.length === 10 && bob.got.length === 11 && tablet.got.length === 11, "the conversation");
  assert.deepEqual(alice.got.map((m) => m.text), Array.from({ length: 10 }, (_, n) => `${secret} ${n} from bob`));
  // A photo.
  const photo = utf8(`${secret} photo `.repeat(20000));
  await alice.sendPhoto(b.user, photo);
  await until(() => bob.got.length === 12, "the photo");
  assert.equal(textOf(await bob.photo(bob.got[11])), textOf(photo));
  // The safety number is the same for both, and another one for another key.
  const number = await alice.safetyNumber(b.user);
  assert.match(number, /^\d{60}$/);
  assert.equal(await bob.safetyNumber(a.user), number);
  await alice.sendText(c.user, "hi");
  await until(() => carol.got.length === 1, "carol's");
  assert.notEqual(await alice.safetyNumber(c.user), number);
  // Another key under Bob's name is refused.
  const other = carol.identities.own.publicKey;
  assert.equal(await alice.identities.isTrustedIdentity(alice.name(b.user, 1), other), false);
  // Who is offline has it later: now it lies in a mailbox.
  await carol.client.close();
  for (const { answered } of await alice.sendText(c.user, `${secret} for later`)) assert.equal((await answered).kind, "accepted");
  console.log("done", c.user);
  for await (const _ of process.stdin); // until the test has looked at the relay
  process.exit(0);
} catch (error) {
  console.log(error);
  process.exit(1);
}
