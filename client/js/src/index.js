// SPDX-License-Identifier: BSD-3-Clause
// A client of the waxwire relay. docs/clients.md tells what it takes care of; README.md how to use it.

export { concat, fromBase64url, fromHex, sameBytes, textOf, toBase64url, toHex, utf8, WireError } from "./bytes.js";
export { Client, RequestError } from "./client.js";
export { bundleIsOf, Identity, isUser, keysText, proofText, randomBytes, ready, safetyNumber, userOf } from "./identity.js";
export { IndexedDbStorage } from "./indexeddb-storage.js";
export { browserHttp, MediaError, openMedia, sealMedia } from "./media.js";
export { MemoryStorage } from "./storage.js";
export { webSocket } from "./transport.js";
export { Code, decode, encode, firstId, Flag, Kind, Reason, reasonText, sequenceAfter, Type } from "./wire.js";
