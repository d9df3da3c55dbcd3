// SPDX-License-Identifier: BSD-3-Clause
// libsodium for Node: its CommonJS build, for the other one wants a global `crypto`, which Node 18 has not.

import { createRequire } from "node:module";

/** @type {typeof import("libsodium-wrappers")} */
const sodium = createRequire(import.meta.url)("libsodium-wrappers");

export default sodium;
