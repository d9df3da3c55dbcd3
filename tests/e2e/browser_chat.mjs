// SPDX-License-Identifier: BSD-3-Clause
// Two people in two windows of Chromium with the browser chat: browser_chat.mjs WHERE [FOLDER]. Pictures of it all go into the folder, where one is given.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { deflateSync, crc32 as zlibCrc32 } from "node:zlib";
import { Browser } from "./devtools.mjs";

const where = JSON.parse(process.argv[2]), pictures = process.argv[3];
const PHONE = { width: 390, height: 780, mobile: true }, DESK = { width: 1100, height: 720 };
const photo = join(tmpdir(), `waxwire-photo-${process.pid}.png`);
if (pictures) mkdirSync(pictures, { recursive: true });

/** The demo's server, beside the appliance. */
async function serve(port = 0) {
  const program = fileURLToPath(new URL("../../client/js/examples/browser-chat/serve.js", import.meta.url));
  const server = spawn("node", [program, "--relay", `https://${where.server_name}:${where.port}`, "--ca", where.ca, "--address", where.address, "--listen", `127.0.0.1:${port}`],
    { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: server.stdout })) return { server, url: JSON.parse(line).url };
  throw new Error("the demo's server has ended");
}

function crc32(bytes) {
  if (zlibCrc32) return zlibCrc32(bytes);
  let crc = ~0; // Node 18 has none
  for (const byte of bytes) {
    crc ^= byte;
    for (let n = 0; n < 8; n++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** An evening sky over hills, as a PNG. */
function sky(width, height) {
  const rows = Buffer.alloc((width * 3 + 1) * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const hill = height * (0.72 + 0.08 * Math.sin(x / 90) + 0.04 * Math.sin(x / 31)), t = y / height;
      const sun = Math.hypot(x - width * 0.7, y - height * 0.45) < height * 0.09;
      const colour = y > hill ? [30 + 20 * t, 45 + 30 * t, 60] : sun ? [255, 236, 190] : [90 + 160 * t, 90 + 70 * t, 160 - 40 * t];
      rows.set(colour.map(Math.round), y * (width * 3 + 1) + 1 + x * 3);
    }
  }
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]), all = Buffer.alloc(8);
    all.writeUInt32BE(data.length, 0);
    all.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([all.subarray(0, 4), body, all.subarray(4)]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

const show = async (window, name, look) => {
  if (!pictures) return;
  await window.look(look);
  await window.picture(join(pictures, `${name}.png`));
};

async function join_(browser, url, name) {
  const window = await browser.open(`${url}?as=${name.toLowerCase()}`);
  await window.look(PHONE);
  await window.until("document.querySelector('.hello input')", "the page asks for a name");
  await show(window, `1-hello-${name}`, PHONE);
  await window.type(".hello input", name);
  await window.click(".hello button");
  await window.until("document.querySelector('.state.good')", `${name} is connected`);
  return window;
}

const say = async (window, text) => {
  await window.type(".composer textarea", text);
  await window.press("Enter", 13);
};
const bubbles = (window) => window.texts(".bubble p");
const lastTicks = (window) => window.eval("[...document.querySelectorAll('.bubble.mine .ticks')].at(-1)?.className.split(' ')[1]");
const dialogGone = (window) => window.until("document.querySelector('dialog') === null", "the dialog closes");

/** Bob gets Alice's code as a QR code, and adds her by the text in it. */
async function exchange(alice, bob) {
  await alice.click("aside button[title='Your code']");
  const link = await alice.until(`(async () => {
    const image = document.querySelector("dialog .qr"), canvas = document.createElement("canvas");
    await image.decode();
    canvas.width = canvas.height = 400;
    const context = canvas.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, 400, 400);
    context.drawImage(image, 0, 0, 400, 400);
    return (await import("qr/decode.js")).default(context.getImageData(0, 0, 400, 400));
  })()`, "the QR code can be read");
  await show(alice, "2-code", PHONE);
  await alice.click("dialog button[title='Close']");
  await dialogGone(alice);
  assert.match(link, /#[0-9a-f]{32}\.Alice$/);
  await bob.click("aside .add");
  await bob.type("dialog input", "nonsense");
  await bob.press("Enter", 13);
  await bob.until("/not a code/.test(document.querySelector('dialog .trouble').textContent)", "nonsense is refused");
  await bob.eval("document.querySelector('dialog input').value = ''");
  await bob.type("dialog input", link);
  await bob.press("Enter", 13);
  await dialogGone(bob);
  await bob.until("document.querySelector('.room h2')?.textContent === 'Alice'", "Bob sees Alice's name");
}

/** Whoever is written to and is nobody: the text is still there. */
async function nobody(alice) {
  await alice.click("aside .add");
  await alice.type("dialog input", "ab".repeat(16));
  await alice.press("Enter", 13);
  await dialogGone(alice);
  await say(alice, "Hello?");
  await alice.until("/nobody has this id/.test(document.querySelector('.room .trouble').textContent)", "the reason");
  assert.equal(await alice.eval("document.querySelector('.composer textarea').value"), "Hello?");
  await alice.eval("document.querySelector('.composer textarea').value = ''");
  await alice.click(".back");
}

async function talk(alice, bob) {
  await say(bob, "Hi Alice! Is this really sealed?");
  await alice.until("document.querySelector('.people .count')?.textContent === '1'", "one unread message of a new contact");
  assert.equal(await alice.eval("document.title"), "(1) waxwire chat");
  assert.deepEqual(await alice.texts(".people strong"), ["Bob", "abababab"]);
  await bob.until("[...document.querySelectorAll('.bubble.mine .ticks')].at(-1)?.classList.contains('delivered')", "✓✓ while it is unread");
  await show(alice, "3-list", PHONE);
  await alice.click(".people button");
  await bob.until("[...document.querySelectorAll('.bubble.mine .ticks')].at(-1)?.classList.contains('read')", "read");
  await say(alice, "It is. Your browser has the keys, and mine. The relay only sees that we talk.");
  await say(alice, "<b>not bold</b>");
  await bob.until("document.querySelectorAll('.bubble.theirs').length === 2", "the answers");
  assert.deepEqual(await bubbles(bob), await bubbles(alice));
  assert.equal(await bob.eval("document.querySelectorAll('.bubble b').length"), 0, "what is said is text");
}

async function offline(browser, url, alice, bob) {
  await browser.close(bob);
  await say(alice, "Are you still there?");
  await say(alice, "Then read it later 🙂");
  await alice.until("[...document.querySelectorAll('.bubble.mine .ticks')].slice(-2).every((one) => one.classList.contains('accepted'))", "✓ for who is away");
  await show(alice, "4-away", PHONE);
  const again = await browser.open(`${url}?as=bob`);
  await again.look(PHONE);
  await again.until("document.querySelector('.people .count')?.textContent === '2'", "what waited has come");
  await again.click(".people button");
  await again.until("document.querySelectorAll('.bubble.theirs').length === 4", "the whole talk is there");
  await alice.until("[...document.querySelectorAll('.bubble.mine .ticks')].at(-1).classList.contains('read')", "read");
  assert.equal((await bubbles(again)).at(-1), "Then read it later 🙂");
  return again;
}

/** The relay can't be reached: what is written goes out when it can. */
async function unreachable(alice, bob) {
  const { port } = new URL(served.url);
  served.server.kill();
  await alice.until("!document.querySelector('.state').classList.contains('good')", "the page notices");
  await say(alice, "Written in a tunnel");
  await alice.until("[...document.querySelectorAll('.bubble.mine .ticks')].at(-1).classList.contains('waiting')", "it waits");
  await show(alice, "4-tunnel", PHONE);
  served = await serve(port);
  await bob.until("[...document.querySelectorAll('.bubble.theirs p')].at(-1)?.textContent === 'Written in a tunnel'", "it arrives by itself");
  await alice.until("[...document.querySelectorAll('.bubble.mine .ticks')].at(-1).classList.contains('read')", "read");
  browser.troubles = browser.troubles.filter((text) => !/ERR_CONNECTION_REFUSED/.test(text)); // those of the tries meanwhile
}

async function sendPhoto(alice, bob) {
  writeFileSync(photo, sky(1400, 900));
  await alice.choose(".composer input[type=file]", photo);
  for (const window of [alice, bob])
    await window.until("document.querySelector('.picture')?.naturalWidth === 1400", "the photo");
  await say(bob, "Beautiful!");
  await alice.until("[...document.querySelectorAll('.bubble.theirs')].at(-1).textContent.startsWith('Beautiful')", "the answer");
}

async function codes(alice, bob) {
  const digits = async (window) => {
    await window.click(".room button[title='Security code']");
    await window.until("document.querySelector('.digits')", "the code");
    return (await window.texts(".digits span")).join(" ");
  };
  const number = await digits(alice);
  await show(alice, "5-code", PHONE);
  assert.match(number, /^(\d{5} ){11}\d{5}$/);
  assert.equal(await digits(bob), number);
  await bob.click("dialog .sheet > button");
  await bob.until("document.querySelector('.room .who p').textContent === 'verified'", "Bob has verified Alice");
  await alice.click("dialog button[title='Close']");
  await dialogGone(alice);
}

let served = await serve();
const { url } = served;
const browser = await Browser.start();
let code = 1;
try {
  for (const path of ["..%2f..%2fpackage.json", "examples/browser-chat/serve.js%00", "src/../package.json", "node_modules/ws/index.js", "examples/signal-chat/person.js"])
    assert.equal((await fetch(url + path)).status, 404, path);
  const alice = await join_(browser, url, "Alice"), bob = await join_(browser, url, "Bob");
  await nobody(alice);
  await exchange(alice, bob);
  await talk(alice, bob);
  const bobAgain = await offline(browser, url, alice, bob);
  await unreachable(alice, bobAgain);
  await sendPhoto(alice, bobAgain);
  await codes(alice, bobAgain);
  await show(bobAgain, "6-phone-light", PHONE);
  await show(bobAgain, "7-phone-dark", { ...PHONE, dark: true });
  await show(alice, "8-desk-light", DESK);
  await show(alice, "9-desk-dark", { ...DESK, dark: true });
  await alice.go(`${url}?as=alice`);
  await alice.until("document.querySelector('.people button')", "loaded anew");
  await alice.click(".people button");
  await alice.until("document.querySelector('.picture')?.naturalWidth === 1400", "all of it is there, the photo too");
  assert.deepEqual(await bubbles(alice), await bubbles(bobAgain));
  const twice = await browser.open(`${url}?as=alice`);
  await twice.until("/Open already/.test(document.querySelector('h1')?.textContent)", "a second tab of the same person waits");
  assert.deepEqual(browser.troubles, []);
  console.log("done");
  code = 0;
} catch (error) {
  console.log(error, browser.troubles);
} finally {
  await browser.end();
  served.server.kill();
  rmSync(photo, { force: true });
}
process.exit(code);
