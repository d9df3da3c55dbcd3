// SPDX-License-Identifier: BSD-3-Clause
// A headless Chromium, driven over its DevTools protocol: windows, what they show, clicks, keys, files, pictures of them.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "../../client/js/node_modules/ws/wrapper.mjs";

const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** Waits until `look` gives something that is true. */
export async function until(look, what, ms = 40000) {
  const end = Date.now() + ms;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await wait(30);
  }
}

class Window {
  constructor(browser, session, target) {
    this.browser = browser;
    this.session = session;
    this.target = target;
  }

  ask(method, params = {}) {
    return this.browser.ask(method, params, this.session);
  }

  /** The value of an expression, which may be a promise. */
  async eval(expression) {
    const { result, exceptionDetails } = await this.ask("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }

  async until(expression, what = expression) {
    try {
      return await until(() => this.eval(expression).catch(() => false), what);
    } catch (error) {
      error.message += `; the page says: ${await this.eval("document.body.innerText").catch(() => "nothing")}`;
      throw error;
    }
  }

  /** The texts of all elements that a selector finds. */
  texts(selector) {
    return this.eval(`[...document.querySelectorAll(${JSON.stringify(selector)})].map((one) => one.textContent)`);
  }

  async click(selector) {
    const one = `document.querySelector(${JSON.stringify(selector)})`;
    await this.until(`${one} !== null`, selector);
    const { x, y } = await this.eval(`(() => { const r = ${one}.getBoundingClientRect(); return { x: r.x + r.width / 2, y: r.y + r.height / 2 }; })()`);
    for (const type of ["mousePressed", "mouseReleased"]) await this.ask("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount: 1 });
  }

  async type(selector, text) {
    await this.until(`document.querySelector(${JSON.stringify(selector)})?.focus() === undefined`, selector);
    await this.ask("Input.insertText", { text });
  }

  async press(key, code) {
    for (const type of ["rawKeyDown", "char", "keyUp"])
      await this.ask("Input.dispatchKeyEvent", { type, key, code: key, windowsVirtualKeyCode: code, text: type === "char" ? "\r" : undefined });
  }

  async choose(selector, file) {
    const { root } = await this.ask("DOM.getDocument");
    const { nodeId } = await this.ask("DOM.querySelector", { nodeId: root.nodeId, selector });
    await this.ask("DOM.setFileInputFiles", { nodeId, files: [file] });
  }

  go(url) {
    return this.ask("Page.navigate", { url });
  }

  /** @param {{width: number, height: number, mobile?: boolean, dark?: boolean}} look */
  async look({ width, height, mobile = false, dark = false }) {
    await this.ask("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: mobile ? 2 : 1, mobile });
    await this.ask("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }] });
  }

  async picture(file) {
    await wait(400); // what moves comes to rest
    const { data } = await this.ask("Page.captureScreenshot", { format: "png" });
    writeFileSync(file, Buffer.from(data, "base64"));
  }
}

export class Browser {
  static async start() {
    const made = new Browser();
    made.folder = mkdtempSync(join(tmpdir(), "waxwire-chromium-"));
    const program = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"].find(existsSync);
    made.process = spawn(program, ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
      "--remote-debugging-port=0", `--user-data-dir=${made.folder}`, "about:blank"], { stdio: "ignore", detached: true });
    const told = join(made.folder, "DevToolsActivePort");
    await until(() => existsSync(told) && readFileSync(told, "utf8").split("\n").length > 1, "Chromium starts", 40000);
    const [port, path] = readFileSync(told, "utf8").split("\n");
    made.socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { perMessageDeflate: false });
    made.asked = new Map();
    made.last = 0;
    made.troubles = [];
    made.socket.on("message", (data) => made.take(JSON.parse(data)));
    await new Promise((resolve, reject) => made.socket.on("open", resolve).on("error", reject));
    return made;
  }

  take({ id, result, error, method, params }) {
    if (method === "Runtime.exceptionThrown") this.troubles.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Log.entryAdded" && params.entry.level === "error") this.troubles.push(`${params.entry.text} ${params.entry.url ?? ""}`);
    const asked = this.asked.get(id);
    this.asked.delete(id);
    if (error) asked?.reject(new Error(error.message));
    else asked?.resolve(result);
  }

  ask(method, params = {}, sessionId = undefined) {
    const id = ++this.last;
    this.socket.send(JSON.stringify({ id, method, params, sessionId }));
    return new Promise((resolve, reject) => { this.asked.set(id, { resolve, reject }); });
  }

  /** A new window; everything that goes wrong in it is in `troubles`. */
  async open(url) {
    const { targetId } = await this.ask("Target.createTarget", { url: "about:blank", newWindow: true });
    const { sessionId } = await this.ask("Target.attachToTarget", { targetId, flatten: true });
    const made = new Window(this, sessionId, targetId);
    for (const domain of ["Page", "Runtime", "DOM", "Log"]) await made.ask(`${domain}.enable`);
    await made.ask("Emulation.setFocusEmulationEnabled", { enabled: true });
    await made.go(url);
    return made;
  }

  close(window) {
    return this.ask("Target.closeTarget", { targetId: window.target });
  }

  async end() {
    this.socket?.terminate();
    try {
      process.kill(-this.process.pid, "SIGKILL"); // a browser is many processes
    } catch {
      // it has ended
    }
    await wait(100);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
