#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// Two processes of chat.js talk to each other over a relay, and this one tells what was said, with the ticks that each message got. Exit 0 only when all of
// it came about.
//
//   transcript.js --relay wss://HOST/v1/relay [--ca FILE] [--address IP]

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const CHAT = fileURLToPath(new URL("chat.js", import.meta.url)), PATIENCE_MS = 60000;
const folder = mkdtempSync(join(tmpdir(), "waxwire-transcript-"));
const clock = () => new Date().toISOString().slice(11, 23);
const say = (...words) => console.log(`  ${clock()}  ${words.join(" ")}`);

class Talker {
  constructor(name) {
    this.name = name;
    this.events = [];
    this.lookers = new Set();
  }

  start(peer) {
    const options = process.argv.slice(2);
    this.process = spawn(process.execPath, [CHAT, "--json", "--state", join(folder, this.name), ...options, ...(peer ? ["--peer", peer] : [])],
      { stdio: ["pipe", "pipe", "inherit"] });
    createInterface({ input: this.process.stdout }).on("line", (line) => {
      this.events.push(JSON.parse(line));
      for (const look of this.lookers) look();
    });
  }

  order(line) {
    this.process.stdin.write(`${line}\n`);
  }

  async end() {
    this.order("/quit");
    await new Promise((resolve) => { this.process.on("exit", resolve); });
  }

  /** The first event of a kind behind `from` for which `good` holds. */
  event(kind, good = () => true, from = 0) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.name}: no ${kind} in time; ${JSON.stringify(this.events.slice(-3))}`)), PATIENCE_MS);
      const look = () => {
        const found = this.events.slice(from).find((event) => event.event === kind && good(event));
        if (found === undefined) return;
        clearTimeout(timer);
        this.lookers.delete(look);
        resolve(found);
      };
      this.lookers.add(look);
      look();
    });
  }
}

async function line(from, to, text, state = "read") {
  const [mine, theirs] = [from.events.length, to?.events.length ?? 0];
  from.order(text);
  const { n } = await from.event("sent", (event) => event.text === text, mine);
  say(`${from.name.padEnd(5)}  ${text}`);
  if (to) await to.event("message", (event) => event.text === text, theirs);
  const { mark } = await from.event("ticks", (event) => event.n === n && event.state === state, mine);
  say(`${" ".repeat(5)}  ${mark}`);
}

async function safetyNumbers(alice, bob) {
  for (const one of [alice, bob]) one.order("/number");
  const [{ number }, other] = [await alice.event("number"), await bob.event("number")];
  if (number !== other.number) throw new Error("the safety numbers differ");
  say("safety number, the same on both sides:");
  for (const half of [number.slice(0, 35), number.slice(36)]) say(`       ${half}`);
}

async function photo(alice, bob) {
  const [sent, got] = [join(folder, "sent"), join(folder, "got")], from = bob.events.length;
  writeFileSync(sent, Buffer.from(Array.from({ length: 300000 }, (_, at) => (at * at) >> 3)));
  alice.order(`/photo ${sent}`);
  const { n } = await bob.event("message", (event) => event.kind === "photo", from);
  bob.order(`/save ${n} ${got}`);
  await bob.event("saved", undefined, from);
  if (Buffer.compare(readFileSync(sent), readFileSync(got)) !== 0) throw new Error("the photo is another one");
  say("alice  [a photo of 300,000 bytes, sealed under a key of its own; bob has every byte of it]");
}

const alice = new Talker("alice"), bob = new Talker("bob");
let code = 1;
try {
  alice.start();
  bob.start();
  const users = [(await alice.event("open")).user, (await bob.event("open")).user];
  for (const [at, one] of [alice, bob].entries()) {
    const { held } = await one.event("published");
    say(`${one.name} is process ${one.process.pid}, user ${users[at]}; ${held} one-time keys (PQXDH) are in the directory`);
  }
  alice.order(`/to ${users[1]}`);
  bob.order(`/to ${users[0]}`);
  await line(alice, bob, "Hi Bob. Can anybody read this on its way?");
  await line(bob, alice, "Not the relay: it has a sealed blob, my name and the time.");
  await safetyNumbers(alice, bob);
  await photo(alice, bob);
  await bob.end();
  say("— bob’s process has ended —");
  await line(alice, null, "I write all the same: the mailbox keeps it.", "accepted");
  const seen = alice.events.length;
  bob.events = [];
  bob.start(users[0]);
  const { text } = await bob.event("message");
  say(`— bob’s process ${bob.process.pid} goes on with what is on its disk, and reads: “${text}” —`);
  await alice.event("ticks", (event) => event.state === "read", seen);
  say(`${" ".repeat(5)}  ✓✓ read`);
  await line(bob, alice, "And here I am again.");
  await Promise.all([alice.end(), bob.end()]);
  code = 0;
} catch (error) {
  console.log(`✗ ${error.message}`);
} finally {
  for (const one of [alice, bob]) one.process?.kill();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(code);
