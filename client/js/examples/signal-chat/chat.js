#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// A chat in a terminal, by Signal's protocol over a relay.
//
//   chat.js --state FOLDER --relay wss://HOST/v1/relay [--peer USER] [--device N] [--ca FILE] [--address IP] [--json]
//
// The folder keeps account, ratchets and history. Lines of standard input go to the peer; some are orders:
//   /to USER · /photo FILE · /save N FILE (the photo of message N) · /group NAME USER… · /number · /trust · /quit

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { Client, FileStorage, fromHex, Identity, nodeHttp, nodeWebSocket, randomBytes, ready, toHex } from "../../src/node.js";
import { Person } from "./person.js";

const { values } = parseArgs({ options: {
  state: { type: "string" }, relay: { type: "string" }, peer: { type: "string" }, device: { type: "string", default: "1" }, ca: { type: "string" },
  address: { type: "string" }, json: { type: "boolean", default: false },
} });
if (!values.state || !values.relay) {
  console.error("usage: chat.js --state FOLDER --relay wss://HOST/v1/relay [--peer USER] [--device N] [--ca FILE] [--address IP] [--json]");
  process.exit(2);
}

const digits = (number) => number.match(/\d{5}/g).join(" ");
const nameOf = (entry) => (entry.to.group ? `${person.groupOf(entry.to.group)?.name}/` : "") + entry.from.user.slice(0, 8);

/** For programs a line of JSON, for people a sentence. */
const TELL = {
  open: ({ user, device, resumed }) => `you are ${user}, device ${device}${resumed ? " (session resumed)" : ""}`,
  published: ({ held }) => `${held} one-time keys are in the directory`,
  sent: ({ n }) => `· #${n}`,
  ticks: ({ n, mark }) => `${mark} #${n}`,
  message: ({ who, n, kind, text, stored }) => `${who}: ${kind === "text" ? text : `[${kind} #${n}]`}${stored ? " (it was stored)" : ""}`,
  saved: ({ file, bytes }) => `${file}: ${bytes} bytes`,
  group: ({ group, name }) => `the group ${name} is ${group}; /to ${group} writes to it`,
  number: ({ number }) => `safety number: ${number}`,
  "number changed": ({ user }) => `the safety number with ${user} has changed: /number, and /trust when it is right`,
  progress: ({ done, all }) => `${Math.floor((100 * done) / all)} %`,
  error: ({ text }) => `! ${text}`,
};
const tell = (event, about) => console.log(values.json ? JSON.stringify({ event, time_ms: Date.now(), ...about }) : TELL[event](about));

await ready();
mkdirSync(values.state, { recursive: true, mode: 0o700 });
const seed = join(values.state, "seed");
if (!existsSync(seed)) writeFileSync(seed, toHex(randomBytes(32)), { mode: 0o600 });
const reach = { ca: values.ca && readFileSync(values.ca), address: values.address };
const client = new Client({
  identity: await Identity.fromSeed(fromHex(readFileSync(seed, "utf8"))), device: Number(values.device), storage: new FileStorage(join(values.state, `device-${values.device}`)),
  connect: nodeWebSocket(values.relay, reach), http: nodeHttp(reach), mediaUrl: values.relay.replace(/^ws/, "http").replace(/relay$/, "media"),
});
const person = new Person(client, { refreshMs: 10000 });
let to = values.peer;

client.on("open", ({ resumed }) => tell("open", { user: client.user, device: client.device, resumed }));
client.on("close", (end) => end.again || end.asked || tell("error", { text: `the session has ended: ${end.why || end.code}` }));
person.on("error", (error) => tell("error", { text: error.message ?? error.text }));
person.on("published", (held) => tell("published", { held }));
person.on("ticks", (entry) => tell("ticks", { n: entry.n, ...person.ticks(entry) }));
person.on("number changed", ({ user }) => tell("number changed", { user }));
person.on("message", (entry) => {
  const { n, kind, text, stored, why, from } = entry;
  tell("message", { n, from, who: nameOf(entry), kind, text, stored, why });
  person.markRead([entry]);
});

const address = () => (to.length === 32 ? { user: to } : { group: to });
const ORDERS = {
  to: (name) => { to = name; },
  photo: (file) => person.sendPhoto(to, new Uint8Array(readFileSync(file)), (done, all) => tell("progress", { done, all })),
  async save(n, file) {
    const bytes = await person.photo(person.history.find((entry) => entry.n === Number(n)));
    writeFileSync(file, bytes);
    tell("saved", { file, bytes: bytes.length });
  },
  group: async (name, ...users) => {
    to = await person.createGroup(name, users);
    tell("group", { group: to, name });
  },
  number: () => tell("number", { number: digits(person.safetyNumber(to)) }),
  trust: () => person.trust(to),
};

await person.start();
for await (const line of createInterface({ input: process.stdin })) {
  const [, order, rest = ""] = /^\/(\w+) *(.*)$/.exec(line) ?? [], before = person.history.length;
  if (order === "quit") break;
  try {
    if (ORDERS[order]) await ORDERS[order](...rest.split(" "));
    else if (line !== "") await person.send(address(), { kind: "text", text: line });
    for (const entry of person.history.slice(before)) if (entry.states) tell("sent", { n: entry.n, kind: entry.kind, text: entry.text });
  } catch (error) {
    tell("error", { text: error.message });
  }
}
await person.close();
process.exit(0);
