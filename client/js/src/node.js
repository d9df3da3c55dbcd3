// SPDX-License-Identifier: BSD-3-Clause
// The same for Node, with its own ways to connect, to ask over HTTP, and to keep things.

import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import WebSocket from "ws";
import { MediaError } from "./media.js";
import { EXPORTER_LABEL, SUBPROTOCOL } from "./wire.js";

export * from "./index.js";
export { FileStorage } from "./file-storage.js";

/**
 * How to reach a relay.
 * @typedef {object} NodeOptions
 * @property {string | Buffer} [ca] PEM of the authorities to trust; Node's by default
 * @property {string} [address] to connect to instead of asking the DNS for the URL's host
 */

/** @param {NodeOptions} options */
function lookupOf({ address }) {
  if (address === undefined) return undefined;
  const family = address.includes(":") ? 6 : 4;
  return (/** @type {string} */ _, /** @type {any} */ options, /** @type {any} */ done) =>
    options.all ? done(null, [{ address, family }]) : done(null, address, family);
}

/** @param {any} socket the channel binding of its TLS, or null */
function bindingOf(socket) {
  if (typeof socket.exportKeyingMaterial !== "function") return null;
  return new Uint8Array(socket.exportKeyingMaterial(32, EXPORTER_LABEL));
}

/**
 * A way to connect by `ws`, with channel binding over TLS.
 * @param {string} url wss://host/v1/relay
 * @param {NodeOptions} [options]
 * @returns {import("./transport.js").Connect}
 */
export function nodeWebSocket(url, options = {}) {
  return (handlers) => {
    const socket = new WebSocket(url, [SUBPROTOCOL], {
      ca: options.ca, minVersion: "TLSv1.3", lookup: lookupOf(options), perMessageDeflate: false, handshakeTimeout: 15000,
    });
    let ended = false, why = "";
    const end = (/** @type {number} */ code, /** @type {string} */ reason) => {
      if (ended) return;
      ended = true;
      handlers.close(code, why || reason);
    };
    socket.on("open", () => handlers.open(bindingOf(/** @type {any} */ (socket)._socket)));
    socket.on("message", (data, isBinary) => {
      const bytes = /** @type {Buffer} */ (data);
      if (isBinary && !ended) handlers.message(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
    });
    socket.on("ping", () => handlers.alive());
    socket.on("pong", () => handlers.alive());
    socket.on("error", (error) => { why = error.message; });
    socket.on("close", (code, reason) => end(code, reason.toString()));
    return {
      send: (frame) => { if (socket.readyState === WebSocket.OPEN) socket.send(frame); },
      close: (code) => socket.close(code),
      cut: () => {
        end(1006, "cut");
        socket.terminate();
      },
      ping: () => { if (socket.readyState === WebSocket.OPEN) socket.ping(); },
      buffered: () => socket.bufferedAmount,
    };
  };
}

const PIECE = 64 << 10;

/**
 * HTTP by Node, with progress both ways.
 * @param {NodeOptions} [options]
 * @returns {import("./media.js").Http}
 */
export function nodeHttp(options = {}) {
  return ({ method, url, headers, body, onProgress, signal }) => new Promise((resolve, reject) => {
    const length = body === null ? {} : { "Content-Length": String(body.length) };
    const ask = url.startsWith("https:") ? httpsRequest : httpRequest;
    const request = ask(url, {
      method, headers: { ...headers, ...length }, ca: options.ca, lookup: /** @type {any} */ (lookupOf(options)), signal,
    }, (reply) => {
      /** @type {Buffer[]} */
      const parts = [];
      const all = Number(reply.headers["content-length"] ?? 0);
      let done = 0;
      reply.on("data", (part) => {
        parts.push(part);
        done += part.length;
        if (body === null) onProgress?.(done, all);
      });
      reply.on("end", () => resolve({
        status: reply.statusCode ?? 0, headers: /** @type {Record<string, string>} */ (reply.headers), body: new Uint8Array(Buffer.concat(parts)),
      }));
      reply.on("error", (error) => reject(new MediaError(0, error.message)));
    });
    request.on("error", (error) => reject(new MediaError(0, error.message)));
    if (body === null) {
      request.end();
      return;
    }
    let at = 0;
    const next = () => {
      if (at > 0) onProgress?.(at, body.length);
      if (at === body.length) return void request.end();
      const piece = body.subarray(at, at + PIECE);
      at += piece.length;
      request.write(piece, next);
    };
    next();
  });
}
