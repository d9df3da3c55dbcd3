// SPDX-License-Identifier: BSD-3-Clause
// Signal clients that come and go while the relay's processes are killed, and theirs too; in the end every message must have been read exactly once, in order.
// Started by tests/soak/signal, which has the help. The clients live in worker processes of this same file.

import { fork, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Client, FileStorage, Identity, nodeHttp, nodeWebSocket, ready } from "../../client/js/src/node.js";
import { Person } from "../../client/js/examples/signal-chat/person.js";

const PEERS = 8; // whom each client writes to
const GROUP_EVERY = 20, GROUP_SIZE = 8; // each so-many-th client has a group
const WRITE_MS = 6000, STAY_MS = 40000, AWAY_MS = 12000; // means: between two texts, until it goes, until it comes back
const LAST_MS = 180000; // patience for what is on its way in the end

const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const about = (ms) => -Math.log(1 - Math.random()) * ms;
const seedOf = (number) => new Uint8Array(32).fill(0).map((_, at) => (at < 4 ? (number >>> (8 * at)) & 255 : 7));

// ---- a worker: some of the clients

class Walker {
  constructor(number, setting) {
    Object.assign(this, { number, setting, person: null, over: false, failed: 0, doing: Promise.resolve() });
  }

  async come() {
    const { where, folder } = this.setting, reach = { ca: readFileSync(where.ca), address: where.address }, host = `${where.server_name}:${where.port}`;
    const client = new Client({
      identity: await Identity.fromSeed(seedOf(this.number)), storage: new FileStorage(join(folder, `${this.number}`)),
      connect: nodeWebSocket(`wss://${host}/v1/relay`, reach), http: nodeHttp(reach), mediaUrl: `https://${host}/v1/media`,
    });
    this.person = new Person(client, { oneTimeKeys: 20, refreshMs: 120000 });
    this.person.on("message", (entry) => this.person?.markRead([entry]));
    this.person.on("error", () => { this.failed++; });
    await this.person.start();
  }

  async go() {
    const { person } = this;
    this.person = null;
    await person.close();
  }

  async write(users) {
    const { person, number } = this, text = `${number}/${person.history.length}/${Math.random()}`;
    const group = [...person.client.own.keys()].filter((name) => name.startsWith("signal/group/")).map((name) => name.slice(13));
    if (number % GROUP_EVERY === 0 && group.length === 0 && person.client.isOpen)
      return void await person.createGroup(`of ${number}`, Array.from({ length: GROUP_SIZE - 1 }, (_, n) => users[(number + 3 * (n + 1)) % users.length]));
    if (group.length > 0 && Math.random() < 0.15) return void await person.sendGroup(group[Math.floor(Math.random() * group.length)], text);
    const peer = users[(number + 1 + Math.floor(Math.random() * PEERS) ** 2) % users.length];
    if (peer !== person.user) await person.sendText(peer, text);
  }

  /** Comes, writes, goes, comes again, until it is over; then stays. */
  async live(users) {
    await wait(Math.random() * 3000);
    while (!this.over) {
      if (this.person === null) await this.come();
      const end = Date.now() + about(STAY_MS);
      while (!this.over && Date.now() < end) {
        await wait(about(WRITE_MS));
        if (this.over) break;
        await Promise.race([this.write(users).catch(() => { this.failed++; }), wait(20000)]);
      }
      if (this.over) break;
      await this.go();
      for (const back = Date.now() + about(AWAY_MS); !this.over && Date.now() < back;) await wait(200);
    }
    if (this.person === null) await this.come();
  }

  /** What it has written, and what it has read, by whom from whom, in order. */
  report() {
    const { person } = this, sent = [], read = [];
    for (const entry of person?.history ?? []) {
      const name = entry.text ?? `${entry.kind} ${entry.name ?? entry.why}`;
      if (entry.states) for (const to of new Set(Object.keys(entry.states).map((device) => device.split("/")[0]))) sent.push([person.user, to, name]);
      else read.push([entry.from.user, person.user, name]);
    }
    return { sent, read };
  }
}

function worker() {
  let walkers = [];
  process.on("disconnect", () => process.exit(1));
  process.on("message", async (order) => {
    if (order.begin) {
      await ready();
      walkers = order.begin.numbers.map((number) => new Walker(number, order.begin));
      for (const one of walkers) one.life = one.live(order.begin.users);
    } else if (order.over) {
      for (const one of walkers) one.over = true;
      await Promise.all(walkers.map((one) => one.life));
      for (const one of walkers) one.person.client.nudge();
      process.send({ over: true });
    } else if (order.count) {
      const reports = walkers.map((one) => one.report());
      process.send({ count: {
        sent: reports.reduce((sum, one) => sum + one.sent.length, 0), read: reports.reduce((sum, one) => sum + one.read.length, 0),
        open: walkers.filter((one) => one.person?.client.isOpen).length, waiting: walkers.reduce((sum, one) => sum + (one.person?.client.outbox.size ?? 0), 0),
        failed: walkers.reduce((sum, one) => sum + one.failed, 0),
      } });
    } else if (order.report) {
      const reports = walkers.map((one) => one.report());
      process.send({ report: { sent: reports.flatMap((one) => one.sent), read: reports.flatMap((one) => one.read) } });
    }
  });
}

// ---- the main process

class Workers {
  constructor(setting, numbers) {
    this.setting = setting;
    this.lots = Array.from({ length: setting.workers }, (_, at) => numbers.filter((number) => number % setting.workers === at));
    this.processes = this.lots.map((_, at) => this.start(at));
  }

  start(at) {
    const child = fork(fileURLToPath(import.meta.url), ["worker"]);
    child.send({ begin: { ...this.setting, numbers: this.lots[at] } });
    return child;
  }

  /** One of them is killed, and begins again from what is on its disk. */
  async kill(at) {
    const child = this.processes[at], gone = new Promise((resolve) => { child.on("exit", resolve); });
    child.kill("SIGKILL");
    await gone;
    this.processes[at] = this.start(at);
  }

  ask(order) {
    return Promise.all(this.processes.map((child) => new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`a worker is silent: ${order}`)), 120000);
      const take = (answer) => {
        if (!(order in answer)) return;
        clearTimeout(timer);
        child.off("message", take);
        resolve(answer[order]);
      };
      child.on("message", take);
      child.send({ [order]: true });
    })));
  }

  async count() {
    const counts = await this.ask("count"), sum = (name) => counts.reduce((all, one) => all + one[name], 0);
    return { sent: sum("sent"), read: sum("read"), open: sum("open"), waiting: sum("waiting"), failed: sum("failed") };
  }

  end() {
    for (const child of this.processes) child.kill("SIGKILL");
  }
}

/** Kills one of the appliance's processes by the command that also starts it again; true when it is back. */
const restart = (command) => new Promise((resolve) => {
  const words = command.split(" ");
  spawn(words[0], words.slice(1), { stdio: "ignore" }).on("exit", (code) => resolve(code === 0));
});

/** What is wrong between those who wrote and those who read: texts that are missing, doubled, out of order, or nobody's. */
function compare(sent, read) {
  const talks = (list) => {
    const all = new Map();
    for (const [from, to, text] of list) all.set(`${from} ${to}`, [...all.get(`${from} ${to}`) ?? [], text]);
    return all;
  };
  const wrote = talks(sent), got = talks(read), wrong = [];
  for (const name of new Set([...wrote.keys(), ...got.keys()])) {
    const one = wrote.get(name) ?? [], two = got.get(name) ?? [], seen = new Set(two);
    const missing = one.filter((text) => !seen.has(text)), strange = two.filter((text) => !one.includes(text)), doubled = two.length - seen.size;
    if (missing.length || strange.length || doubled) wrong.push({ name, missing, strange, doubled });
    else if (one.some((text, at) => text !== two[at])) wrong.push({ name, order: two });
  }
  return wrong;
}

async function main() {
  const { values } = parseArgs({ options: {
    json: { type: "string" }, clients: { type: "string", default: "200" }, seconds: { type: "string", default: "600" }, workers: { type: "string", default: "4" },
    kill: { type: "string", default: "30" }, folder: { type: "string", default: "/dev/shm" },
  } });
  const where = JSON.parse(readFileSync(values.json, "utf8")), seconds = Number(values.seconds), numbers = Array.from({ length: Number(values.clients) }, (_, n) => n + 1);
  await ready();
  const users = [];
  for (const number of numbers) users.push((await Identity.fromSeed(seedOf(number))).user);
  const folder = mkdtempSync(join(values.folder, "waxwire-soak-"));
  const workers = new Workers({ where, folder, users, workers: Number(values.workers) }, numbers), began = Date.now(), kills = { control: 0, dataplane: 0, worker: 0 };
  const tell = (text) => console.log(`[${String(Math.round((Date.now() - began) / 1000)).padStart(4)} s] ${text}`);
  let code = 1;
  try {
    for (let turn = 0; Date.now() - began < seconds * 1000; turn++) {
      await wait(Number(values.kill) * 1000 * (0.5 + Math.random()) / 2);
      const { sent, read, open, waiting, failed } = await workers.count();
      tell(`${sent} written, ${read} read; ${open} of ${numbers.length} connected, ${waiting} messages unanswered; ${failed} things failed and were given up`);
      const victim = ["control", "worker", "dataplane", "worker"][turn % 4];
      tell(`a ${victim === "worker" ? "process of clients" : victim} is killed`);
      kills[victim]++;
      if (victim === "worker") await workers.kill(Math.floor(Math.random() * workers.processes.length));
      else if (!await restart(where[`restart_${victim}`])) throw new Error(`${victim} did not come back`);
    }
    tell("nobody writes any more; all come");
    await workers.ask("over");
    let last = await workers.count();
    for (const end = Date.now() + LAST_MS; (last.read < last.sent || last.waiting > 0) && Date.now() < end; last = await workers.count()) await wait(1000);
    tell(`${last.sent} written, ${last.read} read, ${last.waiting} unanswered`);
    const reports = await workers.ask("report"), wrong = compare(reports.flatMap((one) => one.sent), reports.flatMap((one) => one.read));
    for (const one of wrong.slice(0, 20)) console.log("wrong:", JSON.stringify(one));
    tell(`kills: ${kills.control} of the control plane, ${kills.dataplane} of the data plane, ${kills.worker} of client processes`);
    tell(wrong.length === 0 && last.sent > 0 ? `✓ ${last.sent} messages, each read exactly once, in order` : `✗ ${wrong.length} talks are wrong`);
    code = wrong.length === 0 && last.sent > 0 ? 0 : 1;
  } catch (error) {
    tell(`✗ ${error.message}`);
  } finally {
    workers.end();
    rmSync(folder, { recursive: true, force: true });
  }
  process.exit(code);
}

if (process.argv[2] === "worker") worker();
else await main();
