// SPDX-License-Identifier: BSD-3-Clause
// Signal's own library. It looks for its native part below its own folder; on Node 18, which has no import.meta.dirname, below the current one.

import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const here = process.cwd();
process.chdir(join(dirname(createRequire(import.meta.url).resolve("@signalapp/libsignal-client")), ".."));
const signal = await import("@signalapp/libsignal-client");
process.chdir(here);

export default signal;
