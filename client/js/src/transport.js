// SPDX-License-Identifier: BSD-3-Clause
// What a session speaks through. `webSocket` is for browsers; Node's is in node.js.

/**
 * @typedef {object} Handlers
 * @property {(binding: Uint8Array | null) => void} open the WebSocket stands; `binding` is the TLS exporter, where it can be had
 * @property {(frame: Uint8Array) => void} message
 * @property {() => void} alive a sign of life that is no message: a ping or a pong
 * @property {(code: number, why: string) => void} close called once, whatever comes; 1006: without a word
 */

/**
 * @typedef {object} Transport
 * @property {(frame: Uint8Array) => void} send
 * @property {(code: number) => void} close begins the clean end
 * @property {() => void} cut ends it now
 * @property {(() => void) | null} ping null where it can't be done
 * @property {() => number} buffered bytes that wait to be written
 */

/** @typedef {(handlers: Handlers) => Transport} Connect */

import { SUBPROTOCOL } from "./wire.js";

/**
 * A way to connect by the browser's own WebSocket.
 * @param {string} url wss://host/v1/relay
 * @returns {Connect}
 */
export function webSocket(url) {
  return (handlers) => {
    const socket = new WebSocket(url, [SUBPROTOCOL]);
    let ended = false;
    const end = (/** @type {number} */ code, /** @type {string} */ why) => {
      if (ended) return;
      ended = true;
      handlers.close(code, why);
    };
    socket.binaryType = "arraybuffer";
    socket.onopen = () => handlers.open(null);
    socket.onmessage = (event) => {
      if (event.data instanceof ArrayBuffer && !ended) handlers.message(new Uint8Array(event.data));
    };
    socket.onclose = (event) => end(event.code, event.reason);
    return {
      send: (frame) => socket.send(/** @type {Uint8Array<ArrayBuffer>} */ (frame)),
      close: (code) => socket.close(code),
      cut: () => {
        end(1006, "cut");
        socket.close();
      },
      ping: null,
      buffered: () => socket.bufferedAmount,
    };
  };
}
