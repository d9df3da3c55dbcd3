// SPDX-License-Identifier: BSD-3-Clause
// A client of the waxwire relay. docs/clients.md tells what it takes care of; README.md how to use it.

export { concat, fromBase64url, fromHex, sameBytes, textOf, toBase64url, toHex, utf8, WireError } from "./bytes.js";
export { Client, OutboxFull, RequestError } from "./client.js";
export { bundleIsOf, Identity, isUser, keysText, proofText, randomBytes, ready, safetyNumber, userOf } from "./identity.js";
export { IndexedDbStorage } from "./indexeddb-storage.js";
export { browserHttp, MediaError, openMedia, sealMedia } from "./media.js";
export { MemoryStorage } from "./storage.js";
export { webSocket } from "./transport.js";
export { Code, decode, encode, firstId, Flag, Kind, Reason, reasonText, sequenceAfter, Type } from "./wire.js";

/** @typedef {import("./client.js").Answer} Answer */
/** @typedef {import("./client.js").Clock} Clock */
/** @typedef {import("./client.js").Message} Message */
/** @typedef {import("./client.js").Options} Options */
/** @typedef {import("./client.js").SendOptions} SendOptions */
/** @typedef {import("./client.js").Sent} Sent */
/** @typedef {import("./media.js").Http} Http */
/** @typedef {import("./outbox.js").OutboxRecord} OutboxRecord */
/** @typedef {import("./outbox.js").Recipient} Recipient */
/** @typedef {import("./session.js").End} End */
/** @typedef {import("./storage.js").Change} Change */
/** @typedef {import("./storage.js").Own} Own */
/** @typedef {import("./storage.js").Snapshot} Snapshot */
/** @typedef {import("./storage.js").Storage} Storage */
/** @typedef {import("./transport.js").Connect} Connect */
/** @typedef {import("./transport.js").Handlers} Handlers */
/** @typedef {import("./transport.js").Transport} Transport */
