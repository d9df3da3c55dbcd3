#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// Serves the browser chat, for demonstrations: its page and modules, and /v1/ passed on to a relay. Not for production: there the relay's own
// port faces the browsers, and a web server of one's choice gives them the page.
//
//   serve.js --relay https://HOST:PORT [--ca FILE] [--address IP] [--listen IP:PORT | --fd N] [--certificate FILE --key FILE]
//
//   --ca       authorities to trust for the relay's certificate
//   --address  where the relay is, without asking the DNS
//   --listen   127.0.0.1:8080 by default; port 0: any. Browsers want https or the loopback for the page's cryptography
//   --fd       a socket that listens already, as number of a file that was inherited
//   --certificate, --key   serve by https, for phones and other machines

import { createReadStream, existsSync, readFileSync, realpathSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer, request } from "node:https";
import { dirname, extname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";

const HERE = dirname(fileURLToPath(import.meta.url)), LIBRARY = join(HERE, "../..");
const KINDS = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

/** What may be fetched: prefixes of paths, and the folders they stand for. */
const FOLDERS = [
  ["/examples/browser-chat/", HERE], ["/examples/shared/", join(HERE, "../shared")], ["/src/", join(LIBRARY, "src")],
  ...["ts-mls/dist/src", "@hpke/core/esm", "@hpke/common/esm", "libsodium/dist/modules-esm", "libsodium-wrappers/dist/modules-esm", "qr"]
    .map((name) => [`/node_modules/${name}/`, join(LIBRARY, "node_modules", name)]),
];

const PAGE = readFileSync(join(HERE, "index.html"), "utf8");
const importMap = /<script type="importmap">([^]*?)<\/script>/.exec(PAGE)?.[1] ?? "";
const POLICY = [
  "default-src 'none'", `script-src 'self' 'wasm-unsafe-eval' 'sha256-${createHash("sha256").update(importMap).digest("base64")}'`,
  "style-src 'self'", "img-src 'self' blob: data:", "media-src blob:", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
].join("; ");

/** The file behind a path, or null: only those of FOLDERS, and never out of them. */
function fileOf(path) {
  for (const [prefix, folder] of FOLDERS) {
    if (!path.startsWith(prefix)) continue;
    const file = join(folder, path.slice(prefix.length));
    if (!KINDS[extname(file)] || !existsSync(file) || !realpathSync(file).startsWith(realpathSync(folder) + sep)) return null;
    return file;
  }
  return null;
}

function servePage(asked, reply) {
  const { pathname } = new URL(asked.url, "http://x"), file = fileOf(pathname);
  const headers = { "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer" };
  if (asked.method !== "GET" && asked.method !== "HEAD") return reply.writeHead(405, headers).end();
  if (pathname === "/") return reply.writeHead(200, { ...headers, "Content-Type": KINDS[".html"], "Cache-Control": "no-store" }).end(PAGE);
  if (file === null) return reply.writeHead(404, headers).end("nothing is here\n");
  reply.writeHead(200, { ...headers, "Content-Type": KINDS[extname(file)], "Cache-Control": "no-cache" });
  return createReadStream(file).pipe(reply);
}

/** Passes requests on to the relay, upgrades among them. */
function relayTo({ relay, ca, address }) {
  const url = new URL(relay), lookup = address && ((_, options, done) =>
    (options.all ? done(null, [{ address, family: address.includes(":") ? 6 : 4 }]) : done(null, address, address.includes(":") ? 6 : 4)));
  const to = (asked) => request({
    host: url.hostname, port: url.port || 443, servername: url.hostname, path: asked.url, method: asked.method, ca, lookup, agent: false,
    headers: { ...asked.headers, host: url.host },
  });
  return {
    pass(asked, reply) {
      const on = to(asked);
      on.on("response", (answer) => {
        reply.writeHead(answer.statusCode, answer.headers);
        answer.pipe(reply);
      });
      on.on("error", () => (reply.headersSent ? reply.destroy() : reply.writeHead(502).end("the relay can't be reached\n")));
      asked.pipe(on);
    },
    upgrade(asked, socket, head) {
      const on = to(asked);
      socket.on("error", () => on.destroy());
      on.on("response", () => socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
      on.on("error", () => socket.destroy());
      on.on("upgrade", (answer, far, first) => {
        socket.write(`HTTP/1.1 101 Switching Protocols\r\n${Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`);
        socket.write(first);
        far.write(head);
        far.pipe(socket).pipe(far);
        far.on("error", () => socket.destroy());
        socket.on("error", () => far.destroy());
        far.on("close", () => socket.destroy());
        socket.on("close", () => far.destroy());
      });
      on.end();
    },
  };
}

const { values } = parseArgs({ options: {
  relay: { type: "string" }, ca: { type: "string" }, address: { type: "string" }, listen: { type: "string", default: "127.0.0.1:8080" }, fd: { type: "string" },
  certificate: { type: "string" }, key: { type: "string" },
} });
if (values.relay === undefined) {
  console.error("usage: serve.js --relay https://HOST:PORT [--ca FILE] [--address IP] [--listen IP:PORT | --fd N] [--certificate FILE --key FILE]");
  process.exit(2);
}
const relay = relayTo({ ...values, ca: values.ca && readFileSync(values.ca) });
const isRelays = (url) => url.startsWith("/v1/");
const serve = (asked, reply) => (isRelays(asked.url) ? relay.pass(asked, reply) : servePage(asked, reply)), secure = values.certificate !== undefined;
const server = secure ? createTlsServer({ cert: readFileSync(values.certificate), key: readFileSync(values.key) }, serve) : createServer(serve);
server.on("upgrade", (asked, socket, head) => (asked.url === "/v1/relay" ? relay.upgrade(asked, socket, head) : socket.destroy()));
const [, host, port] = /^\[?([^\]]*?)\]?:(\d+)$/.exec(values.listen) ?? [];
server.listen(values.fd === undefined ? { host, port: Number(port) } : { fd: Number(values.fd) }, () => {
  const at = /** @type {any} */ (server.address());
  console.log(JSON.stringify({ url: `http${secure ? "s" : ""}://${at.address.includes(":") ? `[${at.address}]` : at.address}:${at.port}/` }));
});
