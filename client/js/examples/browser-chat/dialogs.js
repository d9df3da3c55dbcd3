// SPDX-License-Identifier: BSD-3-Clause
// Exchanging ids, and comparing the code.

import encodeQR from "qr";
import { Chat } from "./chat.js";
import { dialog, h, icon } from "./dom.js";

const qr = (text, label) => h("img", { class: "qr", alt: label, src: `data:image/svg+xml,${encodeURIComponent(encodeQR(text, "svg", { ecc: "medium", border: 2 }))}` });

/** Looks for a QR code in what the camera sees, until one is found or the dialog is closed. */
async function scan(video, found) {
  const { default: decodeQR } = await import("qr/decode.js");
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d", { willReadFrequently: true });
  video.srcObject = stream;
  video.hidden = false;
  await video.play();
  while (video.isConnected) {
    await new Promise((resolve) => { setTimeout(resolve, 150); });
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    if (canvas.width === 0) continue;
    context.drawImage(video, 0, 0);
    try {
      if (found(decodeQR(context.getImageData(0, 0, canvas.width, canvas.height)))) break;
    } catch {
      // no code in this picture
    }
  }
  for (const track of stream.getTracks()) track.stop();
}

/** Our own code to show, and a place for somebody else's. */
export function addDialog(chat, page, onAdded) {
  const invitation = chat.invitation(page), trouble = h("p", { class: "trouble", role: "alert" });
  const input = h("input", { name: "code", autocomplete: "off", spellcheck: "false", placeholder: "Paste a code or a link", "aria-label": "Somebody's code" });
  const video = h("video", { hidden: true, muted: true, playsinline: true });
  const take = async (text) => {
    const read = Chat.readInvitation(text);
    if (read === null) {
      trouble.textContent = "This is not a code: it has 32 letters and digits.";
      return false;
    }
    try {
      await chat.add(read.user, read.name);
    } catch (error) {
      trouble.textContent = `Not possible: ${error.message}.`;
      return false;
    }
    made.close();
    onAdded(read.user);
    return true;
  };
  const copy = h("button", { type: "button", class: "plain", onclick: async () => {
    await navigator.clipboard.writeText(invitation);
    copy.textContent = "Copied";
  } }, "Copy the link");
  const camera = navigator.mediaDevices && h("button", { type: "button", class: "plain", onclick: () =>
    scan(video, take).catch((error) => { trouble.textContent = `No camera: ${error.message}.`; }) }, "Scan with the camera");
  const made = dialog("Add someone",
    h("section", {}, h("h3", {}, "Your code"), h("p", {}, "Let somebody scan it, or send the link. It says who you are, and nothing secret."),
      qr(invitation, "Your code as QR"), h("code", { class: "id" }, chat.client.user), copy),
    h("section", {}, h("h3", {}, "Somebody else’s"),
      h("form", { onsubmit: (event) => { event.preventDefault(); take(input.value); } }, input, h("button", {}, "Add")), trouble, camera, video));
}

/** The number that both compare, and whether that has been done. */
export function codeDialog(chat, user) {
  const contact = chat.contact(user), code = chat.code(user);
  if (code === null) {
    dialog("Security code", h("p", {}, "It is known once the first message has been written."));
    return;
  }
  const groups = code.split(" ").map((group) => h("span", {}, group));
  const made = dialog("Security code",
    h("p", {}, `If ${contact.name} sees the same 60 digits, nobody is between you: not the relay, not anybody else. Compare them in person or on the phone.`),
    h("div", { class: "digits", "aria-label": code }, groups), qr(code, "The code as QR"),
    h("button", { class: contact.verified ? "plain" : "", onclick: async () => {
      await chat.verify(user, !contact.verified);
      made.close();
    } }, icon(contact.verified ? "shield" : "verified"), contact.verified ? "Not verified any more" : "They are the same"));
}
