/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The WebSocket opening handshake (RFC 6455 4), server and client side.
 */
#ifndef WAXWIRE_HTTP_UPGRADE_H
#define WAXWIRE_HTTP_UPGRADE_H

#include "http/request.h"

#define HTTP_WS_KEY_BYTES      24u /* of Sec-WebSocket-Key: base64 of 16 bytes */
#define HTTP_WS_ACCEPT_BYTES   28u /* of Sec-WebSocket-Accept: base64 of a SHA-1 */
#define HTTP_UPGRADE_BYTES_MAX 256u

/*
 * What a parsed request deserves: WAX_OK for a sound upgrade of /v1/relay to WebSocket 13 with the
 * subprotocol waxwire.v1 (RFC 6455 4.2.1), and for GET or HEAD of /healthz and media requests (look at
 * req->place); WAX_HTTP_NOT_FOUND, WAX_HTTP_METHOD, WAX_HTTP_UPGRADE_REQUIRED (no upgrade asked, or another
 * version), or WAX_HTTP_BAD_REQUEST (no subprotocol, bad key, a body).
 */
enum wax_status http_request_check(const struct http_request *req);

/*
 * Writes the 101 reply for a request that passed the check (HTTP_UPGRADE_BYTES_MAX of room suffices).
 * WAX_OK and *len, or WAX_FULL.
 */
enum wax_status http_upgrade_reply(struct span out, const struct http_request *req, size_t *len);

/*
 * Client: writes the request for `path` at `host` ("relay.example:443"); `nonce` is 16 random bytes; `key`
 * receives the HTTP_WS_KEY_BYTES characters sent, for the check of the reply. WAX_OK and *len, or WAX_FULL.
 */
enum wax_status http_upgrade_ask(struct span out, const char *host, const char *path, const uint8_t nonce[16],
                                 char key[HTTP_WS_KEY_BYTES], size_t *len);

/*
 * Client: checks the reply at the head of `in` (RFC 6455 4.1). WAX_OK and *consumed: a WebSocket follows.
 * WAX_MORE; WAX_HTTP_HEAD_TOO_LARGE; WAX_HTTP_BAD_REQUEST for any other reply, with its code in *code (0: not
 * HTTP).
 */
enum wax_status http_upgrade_confirm(struct view in, const char key[HTTP_WS_KEY_BYTES], size_t *consumed,
                                     int *code);

/*
 * Sec-WebSocket-Accept for a key (RFC 6455 4.2.2 step 5.4); not terminated.
 */
void http_ws_accept(struct view key, char accept[HTTP_WS_ACCEPT_BYTES]);

#endif
