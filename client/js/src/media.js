// SPDX-License-Identifier: BSD-3-Clause
// Media: blobs of ciphertext up and down over HTTP, and a way to seal them.

import sodium from "#sodium";
import { sameBytes, textOf, utf8, WireError } from "./bytes.js";

/**
 * @typedef {object} HttpRequest
 * @property {string} method
 * @property {string} url
 * @property {Record<string, string>} headers
 * @property {Uint8Array | null} body
 * @property {((done: number, all: number) => void) | undefined} onProgress of the body, or where there is none, of the answer
 * @property {AbortSignal | undefined} signal
 */

/** @typedef {{status: number, headers: Record<string, string>, body: Uint8Array}} HttpAnswer */
/** @typedef {(request: HttpRequest) => Promise<HttpAnswer>} Http */
/** @typedef {{http: Http, url: string}} MediaOptions */

/** The relay's refusal; `status` is HTTP's. */
export class MediaError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(`${message} (HTTP ${status})`);
    this.name = "MediaError";
    this.status = status;
  }
}

/** @param {HttpAnswer} answer */
function refuse(answer) {
  throw new MediaError(answer.status, textOf(answer.body.subarray(0, 200)).trim() || "the relay refused");
}

/**
 * @param {MediaOptions} options
 * @param {string} token WELCOME's media token
 * @param {Uint8Array} bytes
 * @param {{ttl?: number, id?: string, onProgress?: (done: number, all: number) => void, signal?: AbortSignal}} more
 * @returns {Promise<{id: string, size: number, expires: number}>}
 */
export async function upload({ http, url }, token, bytes, { ttl, id, onProgress, signal }) {
  /** @type {Record<string, string>} */
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/octet-stream" };
  if (ttl) headers["Waxwire-TTL"] = String(ttl);
  if (id) headers["Waxwire-Id"] = id;
  const answer = await http({ method: "PUT", url, headers, body: bytes, onProgress, signal });
  if (answer.status !== 201) refuse(answer);
  return JSON.parse(textOf(answer.body));
}

/**
 * @param {MediaOptions} options
 * @param {string} id
 * @param {{from?: number, to?: number, onProgress?: (done: number, all: number) => void, signal?: AbortSignal}} more
 */
export async function download({ http, url }, id, { from, to, onProgress, signal }) {
  const ranged = from !== undefined || to !== undefined;
  /** @type {Record<string, string>} */
  const headers = ranged ? { Range: `bytes=${from ?? 0}-${to ?? ""}` } : {};
  const answer = await http({ method: "GET", url: `${url}/${id}`, headers, body: null, onProgress, signal });
  if (answer.status !== (ranged ? 206 : 200)) refuse(answer);
  return answer.body;
}

/**
 * @param {MediaOptions} options
 * @param {string} token
 * @param {string} id
 */
export async function remove({ http, url }, token, id) {
  const headers = { Authorization: `Bearer ${token}` };
  const answer = await http({ method: "DELETE", url: `${url}/${id}`, headers, body: null, onProgress: undefined, signal: undefined });
  if (answer.status >= 300) refuse(answer);
}

/**
 * HTTP by a browser, for its progress of uploads.
 * @type {Http}
 */
export const browserHttp = ({ method, url, headers, body, onProgress, signal }) => new Promise((resolve, reject) => {
  const request = new XMLHttpRequest();
  request.open(method, url);
  request.responseType = "arraybuffer";
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  (body === null ? request : request.upload).onprogress = (event) => onProgress?.(event.loaded, event.total);
  request.onload = () => resolve({
    status: request.status, body: new Uint8Array(request.response),
    headers: Object.fromEntries(request.getAllResponseHeaders().trim().split("\r\n").map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    })),
  });
  request.onerror = () => reject(new MediaError(0, "the connection failed"));
  request.onabort = () => reject(new MediaError(0, "aborted"));
  signal?.addEventListener("abort", () => request.abort());
  request.send(/** @type {any} */ (body));
});

const SEAL_CONTEXT = utf8("waxwire media 1");

/**
 * Seals a blob under a fresh key (XChaCha20-Poly1305): upload `sealed`, send `key` and `hash` with the id in a message.
 * @param {Uint8Array} bytes
 */
export function sealMedia(bytes) {
  const key = sodium.crypto_aead_xchacha20poly1305_ietf_keygen();
  const nonce = new Uint8Array(24); // each key seals one blob
  const sealed = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(bytes, SEAL_CONTEXT, null, nonce, key);
  return { sealed, key, hash: sodium.crypto_generichash(32, sealed, null) };
}

/**
 * Opens what sealMedia sealed; throws when it is not what was sent.
 * @param {Uint8Array} sealed
 * @param {Uint8Array} key
 * @param {Uint8Array} hash
 */
export function openMedia(sealed, key, hash) {
  if (!sameBytes(sodium.crypto_generichash(32, sealed, null), hash)) throw new WireError("the blob is not the one that was sent");
  return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, sealed, SEAL_CONTEXT, new Uint8Array(24), key);
}
