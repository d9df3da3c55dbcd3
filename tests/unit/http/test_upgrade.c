/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/sha1.h"
#include "http/upgrade.h"

static void assert_sha1(const void *message, size_t len, const char *hex)
{
    uint8_t digest[SHA1_BYTES];
    char text[2 * SHA1_BYTES + 1];
    sha1(view_of(message, len), digest);
    for (size_t i = 0; i < SHA1_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    cr_assert_str_eq(text, hex);
}

Test(http_upgrade, sha1_fips180_vectors)
{
    assert_sha1("", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    assert_sha1("abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    assert_sha1(million, 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    free(million);
}

Test(http_upgrade, rfc6455_1_3_accept)
{
    char accept[HTTP_WS_ACCEPT_BYTES];
    http_ws_accept(view_of("dGhlIHNhbXBsZSBub25jZQ==", 24), accept);
    cr_assert_arr_eq(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof accept);
}

/* A request head with some of its lines exchanged: `line` replaces the one that begins alike. */
static enum wax_status check(const char *start, const char *without, const char *line)
{
    static const char *const lines[] = {"Host: a",
                                        "Connection: Upgrade",
                                        "Upgrade: websocket",
                                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                                        "Sec-WebSocket-Protocol: waxwire.v1",
                                        "Sec-WebSocket-Version: 13"};
    char head[1024];
    size_t n = (size_t)snprintf(head, sizeof head, "%s\r\n", start);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (without == NULL || strncmp(lines[i], without, strlen(without)) != 0)
            n += (size_t)snprintf(head + n, sizeof head - n, "%s\r\n", lines[i]);
    snprintf(head + n, sizeof head - n, "%s%s\r\n", line != NULL ? line : "", line != NULL ? "\r\n" : "");
    struct http_request req = {0};
    enum wax_status status = http_request_parse(view_of(head, strlen(head)), &req);
    return status != WAX_OK ? status : http_request_check(&req);
}

#define RELAY "GET /v1/relay HTTP/1.1"

Test(http_upgrade, rfc6455_4_2_1_what_a_request_must_have)
{
    cr_assert_eq(check(RELAY, NULL, NULL), WAX_OK);
    cr_assert_eq(check(RELAY, "Connection", NULL), WAX_HTTP_UPGRADE_REQUIRED);
    cr_assert_eq(check(RELAY, "Connection", "Connection: keep-alive"), WAX_HTTP_UPGRADE_REQUIRED);
    cr_assert_eq(check(RELAY, "Upgrade", "Upgrade: h2c"), WAX_HTTP_UPGRADE_REQUIRED);
    cr_assert_eq(check(RELAY, "Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"),
                 WAX_HTTP_UPGRADE_REQUIRED);
    cr_assert_eq(check(RELAY, "Sec-WebSocket-Version", NULL), WAX_HTTP_UPGRADE_REQUIRED);
    cr_assert_eq(check(RELAY, "Sec-WebSocket-Protocol", NULL), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(check(RELAY, "Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: waxwire.v2"),
                 WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(check(RELAY, "Sec-WebSocket-Key", NULL), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(check(RELAY, "Sec-WebSocket-Key", "Sec-WebSocket-Key: c2hvcnQ="), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(check(RELAY, "Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!=="),
                 WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(check(RELAY, NULL, "Content-Length: 1"), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(check(RELAY, NULL, "Content-Length: 0"), WAX_OK);
    cr_assert_eq(check(RELAY, NULL, "Sec-WebSocket-Extensions: permessage-deflate"), WAX_OK);
    cr_assert_eq(check("GET /v1/relay HTTP/1.0", NULL, NULL), WAX_HTTP_UPGRADE_REQUIRED);
}

Test(http_upgrade, methods_and_paths)
{
    cr_assert_eq(check("POST /v1/relay HTTP/1.1", NULL, NULL), WAX_HTTP_METHOD);
    cr_assert_eq(check("GET /nowhere HTTP/1.1", NULL, NULL), WAX_HTTP_NOT_FOUND);
    cr_assert_eq(check("GET /healthz HTTP/1.1", NULL, NULL), WAX_OK);
    cr_assert_eq(check("HEAD /healthz HTTP/1.1", NULL, NULL), WAX_OK);
    cr_assert_eq(check("PUT /healthz HTTP/1.1", NULL, NULL), WAX_HTTP_METHOD);
    cr_assert_eq(check("PUT /v1/media HTTP/1.1", NULL, NULL), WAX_OK);
    cr_assert_eq(check("GET /v1/media HTTP/1.1", NULL, NULL), WAX_HTTP_METHOD);
    cr_assert_eq(check("GET /v1/media/abc HTTP/1.1", NULL, NULL), WAX_OK);
    cr_assert_eq(check("DELETE /v1/media/abc HTTP/1.1", NULL, NULL), WAX_OK);
    cr_assert_eq(check("POST /v1/media/abc HTTP/1.1", NULL, NULL), WAX_HTTP_METHOD);
}

Test(http_upgrade, client_and_server_agree)
{
    uint8_t ask[HTTP_UPGRADE_BYTES_MAX], reply[HTTP_UPGRADE_BYTES_MAX], nonce[16];
    char key[HTTP_WS_KEY_BYTES];
    size_t ask_len, reply_len, consumed;
    int code;
    for (size_t i = 0; i < sizeof nonce; i++)
        nonce[i] = (uint8_t)(i * 37);
    cr_assert_eq(
        http_upgrade_ask(span_of(ask, sizeof ask), "relay.example", "/v1/relay", nonce, key, &ask_len),
        WAX_OK);
    struct http_request req = {0};
    cr_assert_eq(http_request_parse(view_of(ask, ask_len), &req), WAX_OK);
    cr_assert_eq(http_request_check(&req), WAX_OK);
    cr_assert_eq(http_upgrade_reply(span_of(reply, sizeof reply), &req, &reply_len), WAX_OK);

    for (size_t n = 0; n < reply_len; n++)
        cr_assert_eq(http_upgrade_confirm(view_of(reply, n), key, &consumed, &code), WAX_MORE);
    cr_assert_eq(http_upgrade_confirm(view_of(reply, reply_len), key, &consumed, &code), WAX_OK);
    cr_assert(consumed == reply_len && code == 101);
    key[0] ^= 1;
    cr_assert_eq(http_upgrade_confirm(view_of(reply, reply_len), key, &consumed, &code),
                 WAX_HTTP_BAD_REQUEST);

    size_t len;
    cr_assert_eq(http_upgrade_reply(span_of(reply, reply_len - 1), &req, &len), WAX_FULL);
    cr_assert_eq(http_upgrade_ask(span_of(ask, ask_len - 1), "relay.example", "/v1/relay", nonce, key, &len),
                 WAX_FULL);
}

static enum wax_status confirm(const char *reply, int *code)
{
    size_t consumed;
    return http_upgrade_confirm(view_of(reply, strlen(reply)), "dGhlIHNhbXBsZSBub25jZQ==", &consumed, code);
}

#define SWITCH        "HTTP/1.1 101 Switching Protocols\r\n"
#define GOOD_FIELDS   "Upgrade: WebSocket\r\nConnection: x, upgrade\r\n"
#define GOOD_ACCEPT   "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define GOOD_PROTOCOL "Sec-WebSocket-Protocol: waxwire.v1\r\n"

Test(http_upgrade, rfc6455_4_1_what_a_client_demands)
{
    int code;
    cr_assert_eq(confirm(SWITCH GOOD_FIELDS GOOD_ACCEPT GOOD_PROTOCOL "\r\n", &code), WAX_OK);
    cr_assert_eq(confirm(SWITCH GOOD_ACCEPT GOOD_PROTOCOL "\r\n", &code), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(confirm(SWITCH GOOD_FIELDS GOOD_PROTOCOL "\r\n", &code), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(confirm(SWITCH GOOD_FIELDS GOOD_ACCEPT "\r\n", &code), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(
        confirm(SWITCH GOOD_FIELDS GOOD_ACCEPT GOOD_PROTOCOL "Sec-WebSocket-Extensions: x\r\n\r\n", &code),
        WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(confirm("HTTP/1.1 503 Service Unavailable\r\n\r\n", &code), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(code, 503);
    cr_assert_eq(confirm("SSH-2.0-x\r\n\r\n", &code), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(code, 0);
}
