// SPDX-License-Identifier: BSD-3-Clause
// The page: whom we talk to on the left, the talk on the right; on a phone one at a time.

import { browserHttp, Client, fromHex, Identity, IndexedDbStorage, randomBytes, ready, toHex, webSocket } from "../../src/index.js";
import { Chat } from "./chat.js";
import { addDialog, codeDialog } from "./dialogs.js";
import { avatar, button, Children, h, icon } from "./dom.js";

const PICTURE_PIXELS = 1600, PICTURE_QUALITY = 0.85;
const app = document.getElementById("app"), page = location.origin + location.pathname + location.search;
const as = new URLSearchParams(location.search).get("as") ?? ""; // several people in one browser, to try it out
const place = `waxwire-chat${as && `-${as}`}`;

const time = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
const day = (at) => {
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86400000);
  if (days < 2) return days <= 0 ? "Today" : "Yesterday";
  return new Date(at).toLocaleDateString([], { weekday: "long", day: "numeric", month: "long" });
};
const summary = (entry) => (entry === null ? "Say hello" : { text: entry.text, photo: "Photo" }[entry.kind] ?? "A message that can’t be read");

/** The marks of a message of ours, beside its time. */
const marks = ({ state, mark }) => {
  const words = { waiting: "waiting", accepted: "on the relay", delivered: "delivered", read: "read", rejected: "not delivered" }[state];
  return h("span", { class: `ticks ${state}`, title: words, "aria-label": words }, state === "waiting" ? icon("clock") : mark.split(" ")[0]);
};

/** One tab at a time: two would displace each other at the relay. */
const claim = () => new Promise((resolve) => {
  navigator.locks.request(place, { ifAvailable: true }, (lock) => {
    resolve(lock !== null);
    return lock && new Promise(() => {});
  });
});

async function makeChat(onChange) {
  await ready();
  const seed = localStorage.getItem(place) ?? toHex(randomBytes(32));
  localStorage.setItem(place, seed);
  const client = new Client({
    identity: await Identity.fromSeed(fromHex(seed)), connect: webSocket(`${location.origin.replace("http", "ws")}/v1/relay`),
    storage: new IndexedDbStorage(place), http: browserHttp, mediaUrl: `${location.origin}/v1/media`,
  });
  await client.load();
  for (const event of ["online", "focus"]) window.addEventListener(event, () => client.nudge());
  return new Chat(client, onChange);
}

/** A name, once. */
function askName() {
  return new Promise((resolve) => {
    const input = h("input", { name: "name", maxlength: 40, autocomplete: "nickname", placeholder: "Your name", "aria-label": "Your name", required: true, autofocus: true });
    app.replaceChildren(h("section", { class: "hello" },
      h("img", { src: "/examples/browser-chat/seal.svg", alt: "" }), h("h1", {}, "waxwire chat"),
      h("p", {}, "Messages are sealed in your browser and opened in your friend’s. The relay between you carries them, and can’t read a word."),
      h("form", { onsubmit: (event) => { event.preventDefault(); if (input.value.trim()) resolve(input.value.trim()); } }, input, h("button", {}, "Begin")),
      h("p", { class: "small" }, "No number, no address: your account is a key that stays in this browser.")));
    input.focus();
  });
}

async function shrink(file) {
  const picture = await createImageBitmap(file), scale = Math.min(1, PICTURE_PIXELS / Math.max(picture.width, picture.height));
  const canvas = h("canvas", { width: Math.round(picture.width * scale), height: Math.round(picture.height * scale) });
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height); // and where it was taken stays here
  const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", PICTURE_QUALITY); });
  return { bytes: new Uint8Array(await blob.arrayBuffer()), about: { width: canvas.width, height: canvas.height, type: blob.type } };
}

class Page {
  constructor() {
    this.user = null; // whom we talk to
    this.pictures = new Map();
    this.waiting = false;
  }

  /** Shows anew what has changed, once in a frame. */
  change() {
    if (this.waiting || !this.list) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.show();
    });
  }

  begin(chat) {
    this.chat = chat;
    const add = () => addDialog(chat, page, (user) => this.open(user));
    this.state = h("p", { class: "state", role: "status" });
    this.list = new Children(h("ul", { class: "people" }));
    this.head = new Children(h("header", {}));
    this.talk = new Children(h("ol", { class: "talk", "aria-live": "polite" }));
    this.input = h("textarea", { rows: 1, placeholder: "Message", "aria-label": "Message", enterkeyhint: "send", oninput: () => this.fit(), onkeydown: (event) => this.key(event) });
    const file = h("input", { type: "file", accept: "image/*", hidden: true, onchange: () => this.photo(file) });
    this.trouble = h("p", { class: "trouble", role: "alert" });
    this.composer = h("form", { class: "composer", onsubmit: (event) => { event.preventDefault(); this.say(); } },
      button("Send a photo", "photo", () => file.click()), file, this.input, h("button", { "aria-label": "Send", title: "Send" }, icon("send")));
    app.replaceChildren(
      h("aside", {}, h("header", {}, avatar(chat.me.name, chat.client.user), h("div", { class: "who" }, h("h1", {}, chat.me.name), this.state), button("Your code", "code", add)),
        this.list.parent, h("button", { class: "add", type: "button", onclick: add }, icon("add"), "Add someone")),
      h("section", { class: "room" }, this.head.parent, this.talk.parent, this.trouble, this.composer));
    document.addEventListener("visibilitychange", () => this.show());
    new ResizeObserver(() => this.toEnd(600)).observe(this.talk.parent); // a keyboard has come, or a window is smaller
    this.show();
  }

  open(user) {
    this.user = user;
    this.talk.show([]);
    this.trouble.textContent = "";
    this.show();
    if (user !== null && matchMedia("(hover: hover)").matches) this.input.focus();
  }

  show() {
    const { chat } = this, people = chat.contacts(), unread = people.reduce((sum, one) => sum + one.unread, 0);
    document.title = unread > 0 ? `(${unread}) waxwire chat` : "waxwire chat";
    app.className = this.user === null ? "at-list" : "at-talk";
    this.state.textContent = chat.client.isOpen ? "connected" : chat.error || "waiting for a connection";
    this.state.classList.toggle("good", chat.client.isOpen);
    const nobody = { name: "nobody", look: "", make: () => h("li", { class: "empty" }, "Nobody yet. Add someone by a code.") };
    this.list.show(people.length > 0 ? people.map((one) => this.person(one)) : [nobody]);
    this.showTalk();
    if (this.user !== null && document.visibilityState === "visible") chat.markRead(this.user);
  }

  person({ user, name, verified, last, unread, at }) {
    const ticks = last?.states && this.chat.history.ticks(last), here = user === this.user;
    const make = () => h("li", {}, h("button", { type: "button", class: here ? "here" : "", onclick: () => this.open(user) }, avatar(name, user),
      h("span", { class: "who" }, h("strong", {}, name, verified && icon("verified")), h("span", { class: "last" }, ticks && marks(ticks), " ", summary(last))),
      h("span", { class: "side" }, h("time", {}, last && time(at)), unread > 0 && h("span", { class: "count", "aria-label": `${unread} new` }, unread))));
    return { name: user, look: JSON.stringify([name, verified, last?.n, ticks?.state, unread, here]), make };
  }

  showTalk() {
    const { chat, user } = this, contact = user && chat.contact(user);
    this.composer.hidden = !contact;
    if (!contact) {
      this.head.show([]);
      this.talk.show([{ name: "nobody", look: "", make: () => h("li", { class: "nobody" }, h("img", { src: "/examples/browser-chat/seal.svg", alt: "" }), "Choose whom to talk to.") }]);
      return;
    }
    const { name, verified } = contact, about = !chat.client.isOpen ? "waiting for a connection" : verified ? "verified" : "sealed end to end";
    this.head.show([{ name: user, look: JSON.stringify([name, verified, about]), make: () => h("div", {},
      button("Back", "back", () => this.open(null), { class: "back" }), avatar(name, user), h("div", { class: "who" }, h("h2", {}, name), h("p", {}, about)),
      button("Security code", verified ? "verified" : "shield", () => codeDialog(chat, user), { class: verified ? "good" : "" })) }]);
    const { parent } = this.talk, low = parent.scrollHeight - parent.scrollTop - parent.clientHeight < 80 || parent.childElementCount < 2;
    this.talk.show(this.wanted(chat.entriesWith(user)));
    if (low) parent.scrollTop = parent.scrollHeight;
  }

  /** What a talk consists of. */
  wanted(entries) {
    const all = [{ name: "about", look: "", make: () => h("li", { class: "note" }, "Only the two of you can read this. Compare the security code to be sure.") }];
    let last = "";
    for (const entry of entries) {
      const on = day(entry.at), ticks = entry.states && this.chat.history.ticks(entry);
      if (on !== last) all.push({ name: `day ${entry.n}`, look: on, make: () => h("li", { class: "day" }, on) });
      all.push({ name: `${entry.n}`, look: ticks?.state ?? "", make: () => this.bubble(entry, ticks) });
      last = on;
    }
    for (const [number, { user, share }] of this.chat.sending) {
      if (user !== this.user) continue;
      all.push({ name: `up ${number}`, look: `${share}`, make: () => h("li", { class: "bubble mine" }, h("progress", { value: share, max: 1, "aria-label": "Photo on its way" })) });
    }
    return all;
  }

  bubble(entry, ticks) {
    const body = { text: () => h("p", {}, entry.text), photo: () => this.picture(entry) }[entry.kind]?.() ?? h("p", { class: "unreadable" }, "A message that can’t be read: it was sealed for keys that are gone.");
    return h("li", { class: `bubble ${ticks ? "mine" : "theirs"} ${entry.kind}` }, body,
      h("span", { class: "foot" }, h("time", {}, time(entry.at)), ticks && marks(ticks)));
  }

  picture(entry) {
    const { width = 4, height = 3 } = entry, made = h("img", { class: "picture", alt: "Photo", width: Math.min(width, 4096) || 4, height: Math.min(height, 4096) || 3 });
    const show = async () => {
      if (!this.pictures.has(entry.photo)) this.pictures.set(entry.photo, URL.createObjectURL(new Blob([await this.chat.photo(entry)], { type: entry.type })));
      made.src = this.pictures.get(entry.photo);
      made.onload = () => this.toEnd(600);
    };
    show().catch((error) => { made.replaceWith(h("p", { class: "unreadable" }, `The photo can’t be had: ${error.message}`)); });
    return made;
  }

  // ---- what the person does

  /** Shows the end of the talk, when it is not farther away than so many pixels. */
  toEnd(near) {
    const { parent } = this.talk;
    if (parent.scrollHeight - parent.scrollTop - parent.clientHeight < near) parent.scrollTop = parent.scrollHeight;
  }

  fit() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, 140)}px`;
  }

  key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.say();
  }

  /** @param {() => Promise<void>} act what can fail, and is then told */
  async try(act) {
    this.trouble.textContent = "";
    try {
      await act();
    } catch (error) {
      this.trouble.textContent = `Not sent: ${error.message}.`;
    }
  }

  async say() {
    const text = this.input.value.trim(), { user } = this;
    if (text === "" || user === null) return;
    this.input.value = "";
    this.fit();
    this.toEnd(Infinity);
    await this.try(() => this.chat.sendText(user, text));
    if (this.trouble.textContent !== "" && this.input.value === "" && this.user === user) this.input.value = text; // to try again
    this.fit();
  }

  async photo(file) {
    const [chosen] = file.files, { user } = this;
    file.value = "";
    if (chosen === undefined) return;
    await this.try(async () => {
      const { bytes, about } = await shrink(chosen);
      await this.chat.sendPhoto(user, bytes, about);
    });
  }
}

if (!globalThis.crypto?.subtle) {
  app.replaceChildren(h("section", { class: "hello" }, h("h1", {}, "Not here"), h("p", {}, "A browser encrypts only on pages that came by https, or from the machine itself (localhost).")));
} else if (!await claim()) {
  app.replaceChildren(h("section", { class: "hello" }, h("h1", {}, "Open already"), h("p", {}, "This chat is open in another tab of this browser.")));
} else {
  const shown = new Page(), invited = Chat.readInvitation(location.hash);
  const chat = await makeChat(() => shown.change());
  await chat.start(chat.me?.name ?? await askName());
  shown.begin(chat);
  navigator.storage?.persist?.();
  if (invited !== null) {
    history.replaceState(null, "", page);
    await chat.add(invited.user, invited.name).then(() => shown.open(invited.user), () => {});
  }
}
