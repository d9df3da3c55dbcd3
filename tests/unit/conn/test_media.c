/* SPDX-License-Identifier: BSD-3-Clause */
/* Media through a worker: what its client and a control plane made by hand see of one another. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "conn/state.h"
#include "http/media.h"
#include "relay/token.h"
#include "rig.h"

#define ID    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define BYTES (2u << 20)

/* The control plane, as far as media go: one upload and any number of downloads of one blob. */
struct fake {
    uint8_t *blob; /* what downloads read */
    uint64_t size; /* CHANNEL_MEDIA_UNKNOWN: not told, BYTES come */
    uint32_t opening_credit;
    uint32_t status; /* of what begins */
    bool no_done;    /* uploads are not confirmed */
    bool trickles;   /* downloads get nothing of it: the test sends */

    uint8_t *got; /* of the upload */
    size_t got_len, pieces;
    uint64_t put_tag, put_bytes;
    uint32_t ttl_s;
    struct device_name owner;
    uint32_t puts, gets, deletes, ends, closes;

    struct {
        uint64_t tag, offset, left, credit, granted;
    } download[64];
    uint32_t downloads;
};

static void reply(struct rig *rig, enum channel_media_kind kind, uint64_t tag, uint64_t bytes,
                  uint32_t status, uint32_t credit)
{
    struct channel_media_answer *answer = rig_answer(rig, sizeof *answer, (enum channel_kind)kind);
    answer->tag = tag;
    answer->bytes = bytes;
    answer->expires_s = 1700000600;
    answer->status = status;
    answer->credit = credit;
}

static void credit(struct rig *rig, uint64_t tag, uint32_t bytes)
{
    struct channel_media_credit *record =
        rig_answer(rig, sizeof *record, (enum channel_kind)CHANNEL_MEDIA_CREDIT);
    record->tag = tag;
    record->bytes = bytes;
}

/* As much as there is credit for, and the end. */
static void stream(struct rig *rig, uint32_t n)
{
    struct fake *fake = rig->media_ctx;
    while (fake->download[n].left != 0 && fake->download[n].credit != 0 && !fake->trickles) {
        uint64_t len = fake->download[n].left < fake->download[n].credit ? fake->download[n].left
                                                                         : fake->download[n].credit;
        len = len < WAX_MEDIA_PIECE_BYTES ? len : WAX_MEDIA_PIECE_BYTES;
        struct channel_media_piece *piece =
            rig_answer(rig, (uint32_t)(sizeof *piece + len), (enum channel_kind)CHANNEL_MEDIA_PIECE);
        piece->tag = fake->download[n].tag;
        memcpy(piece->bytes, fake->blob + fake->download[n].offset, len);
        fake->download[n].offset += len;
        fake->download[n].left -= len;
        fake->download[n].credit -= len;
        if (fake->download[n].left == 0)
            reply(rig, CHANNEL_MEDIA_DONE, fake->download[n].tag, BYTES, WAX_OK, 0);
    }
}

static void take_download(struct rig *rig, const struct channel_record *record)
{
    struct fake *fake = rig->media_ctx;
    const struct channel_media_mark *mark = (const void *)record;
    for (uint32_t n = 0; n < fake->downloads; n++) {
        if (fake->download[n].tag != mark->tag)
            continue;
        if (record->kind == CHANNEL_MEDIA_READ) {
            const struct channel_media_read *read = (const void *)record;
            fake->download[n].offset = read->offset;
            fake->download[n].left = read->bytes == CHANNEL_MEDIA_UNKNOWN ? BYTES : read->bytes;
        } else {
            uint32_t more = ((const struct channel_media_credit *)(const void *)record)->bytes;
            fake->download[n].credit += more;
            fake->download[n].granted += more;
        }
        stream(rig, n);
    }
}

static void take_put(struct rig *rig, const struct channel_media_put *put)
{
    struct fake *fake = rig->media_ctx;
    fake->puts++;
    fake->put_tag = put->tag;
    fake->put_bytes = put->bytes;
    fake->owner = put->name;
    fake->ttl_s = put->ttl_s;
    reply(rig, CHANNEL_MEDIA_OPENED, put->tag, put->bytes, fake->status, fake->opening_credit);
}

static void take_get(struct rig *rig, const struct channel_media_get *get)
{
    struct fake *fake = rig->media_ctx;
    fake->gets++;
    reply(rig, CHANNEL_MEDIA_OPENED, get->tag, fake->size, fake->status, 0);
    if (!get->head && fake->status == WAX_OK)
        fake->download[fake->downloads++].tag = get->tag;
}

static void take(struct rig *rig, const struct channel_record *record)
{
    struct fake *fake = rig->media_ctx;
    const struct channel_media_mark *mark = (const void *)record;
    switch (record->kind) {
    case CHANNEL_MEDIA_PUT:
        take_put(rig, (const void *)record);
        break;
    case CHANNEL_MEDIA_GET:
        take_get(rig, (const void *)record);
        break;
    case CHANNEL_MEDIA_DELETE:
        fake->deletes++;
        reply(rig, CHANNEL_MEDIA_DONE, mark->tag, 0, fake->status, 0);
        break;
    case CHANNEL_MEDIA_PIECE: {
        const struct channel_media_piece *piece = (const void *)record;
        size_t len = record->bytes - sizeof *piece;
        cr_assert_leq(fake->got_len + len, BYTES);
        memcpy(fake->got + fake->got_len, piece->bytes, len);
        fake->got_len += len;
        fake->pieces++;
        break;
    }
    case CHANNEL_MEDIA_END:
        fake->ends++;
        if (!fake->no_done)
            reply(rig, CHANNEL_MEDIA_DONE, mark->tag, fake->got_len, WAX_OK, 0);
        break;
    case CHANNEL_MEDIA_CLOSE:
        fake->closes++;
        break;
    default:
        take_download(rig, record);
    }
}

static void mac(uint8_t out[TOKEN_MAC_BYTES], const uint8_t *key, struct view text)
{
    crypto_generichash(out, TOKEN_MAC_BYTES, text.data, text.len, key, crypto_generichash_KEYBYTES);
}

static char token[TOKEN_BYTES + 1];

/* A rig whose worker knows a key of tokens, and a token of user 7's; `fake` is its control plane. */
static struct rig *start(struct fake *fake)
{
    struct rig *rig = rig_new(NULL);
    struct token_set set = {.life_ms = 1000000, .key_count = 1, .key[0] = {.id = 5, .key = {1, 2, 3}}};
    struct name name = {.user = {7}, .device = 3};
    *fake = (struct fake){.blob = malloc(BYTES), .got = malloc(BYTES), .size = BYTES};
    fake->opening_credit = UINT32_MAX / 2u;
    for (uint32_t i = 0; i < BYTES; i++)
        fake->blob[i] = (uint8_t)(i * 2654435761u >> 13);
    rig->media = take;
    rig->media_ctx = fake;
    stack_tokens(rig->stack, &set);
    cr_assert_eq(token_make(&set, mac, TOKEN_MEDIA, &name, NULL, rig->wall_ms, (uint8_t *)token),
                 TOKEN_BYTES);
    rig_run(rig, 5);
    return rig;
}

/* Every transfer's place is free again once all have ended. */
static void finish(struct rig *rig)
{
    struct fake *fake = rig->media_ctx;
    rig_run(rig, 20);
    cr_expect_eq(rig->metrics.media_transfers_now, 0);
    cr_expect_eq(rig->stack->downloads, 0);
    free(fake->blob);
    free(fake->got);
    rig_free(rig);
}

static void print_put(struct peer *peer, const char *fields)
{
    char head[1024];
    snprintf(head, sizeof head, "PUT /v1/media HTTP/1.1\r\nHost: r\r\nAuthorization: Bearer %s\r\n%s\r\n",
             token, fields);
    peer_print(peer, head);
}

static void print_get(struct peer *peer, const char *method, const char *fields)
{
    char head[1024];
    snprintf(head, sizeof head, "%s /v1/media/" ID " HTTP/1.1\r\nHost: r\r\n%s\r\n", method, fields);
    peer_print(peer, head);
}

/* Bytes as the host's TCP takes them, for so long. Returns how many it took. */
static size_t pump(struct peer *peer, const uint8_t *bytes, size_t len, uint32_t ms)
{
    size_t at = 0;
    for (uint32_t i = 0; i < ms; i++) {
        while (at < len && tcp_send_room(peer->rig->host, peer->id) > 20000) {
            size_t step = len - at < 10000 ? len - at : 10000;
            peer_write(peer, bytes + at, step);
            at += step;
        }
        rig_turn(peer->rig, 1000);
    }
    return at;
}

static bool says(const struct peer *peer, const char *text)
{
    return memmem(peer->bytes, peer->len, text, strlen(text)) != NULL;
}

/* Whether what came ends with these bytes. */
static bool ends(const struct peer *peer, const uint8_t *bytes, size_t len)
{
    return peer->len >= len && memcmp(peer->bytes + peer->len - len, bytes, len) == 0;
}

Test(conn_media, an_upload_is_handed_on_and_answered_once_control_has_it)
{
    static const uint32_t ports[] = {RIG_PORT_TLS, RIG_PORT_PLAIN};
    struct fake fake;
    for (unsigned i = 0; i < 2; i++) {
        struct rig *rig = start(&fake);
        fake.no_done = true;
        struct peer *peer = peer_connect(rig, (uint16_t)ports[i]);
        print_put(peer, "Content-Length: 300000\r\nWaxwire-Id: " ID "\r\nWaxwire-TTL: 77\r\n");
        peer_write(peer, fake.blob, 300000);
        rig_run(rig, 300);
        cr_expect_eq(fake.put_bytes, 300000);
        cr_expect_eq(fake.ttl_s, 77);
        cr_expect_eq(fake.owner.user[0], 7);
        cr_expect_eq(fake.owner.device, 3);
        cr_expect_eq(fake.got_len, 300000);
        cr_expect_eq(memcmp(fake.got, fake.blob, 300000), 0);
        cr_expect_eq(fake.ends, 1);
        cr_expect_eq(peer->len, 0, "nothing is said before control has confirmed");
        reply(rig, CHANNEL_MEDIA_DONE, fake.put_tag, 300000, WAX_OK, 0);
        rig_run(rig, 50);
        cr_expect(says(peer, "HTTP/1.1 201 Created\r\n"));
        cr_expect(says(peer, "Location: /v1/media/" ID "\r\n"));
        cr_expect(says(peer, "{\"id\":\"" ID "\",\"size\":300000,\"expires\":1700000600}\n"));
        cr_expect_eq(rig->metrics.media_uploads, 1);
        cr_expect_eq(fake.closes, 0);
        finish(rig);
    }
}

Test(conn_media, chunks_are_unpacked_and_the_next_request_follows)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    print_put(peer, "Transfer-Encoding: chunked\r\n");
    peer_print(
        peer, "5\r\nhello\r\n1;x=y\r\n,\r\n6\r\n world\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: r\r\n\r\n");
    rig_run(rig, 100);
    cr_expect_eq(fake.put_bytes, CHANNEL_MEDIA_UNKNOWN);
    cr_expect_eq(fake.got_len, 12);
    cr_expect_eq(memcmp(fake.got, "hello, world", 12), 0);
    cr_expect(says(peer, "HTTP/1.1 201"));
    cr_expect(says(peer, "HTTP/1.1 200 OK"), "the request behind it");
    finish(rig);
}

Test(conn_media, a_body_may_be_empty)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    print_put(peer, "Content-Length: 0\r\n");
    rig_run(rig, 50);
    cr_expect_eq(fake.ends, 1);
    cr_expect(says(peer, "\"size\":0,"));
    finish(rig);
}

Test(conn_media, rfc9110_10_1_1_who_expects_100_is_told_once_control_agrees)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    print_put(peer, "Content-Length: 5\r\nExpect: 100-continue\r\n");
    rig_run(rig, 50);
    cr_expect(says(peer, "HTTP/1.1 100 Continue\r\n\r\n"));
    peer_print(peer, "12345");
    rig_run(rig, 50);
    cr_expect(says(peer, "HTTP/1.1 201"));
    fake.status = WAX_MEDIA_QUOTA;
    struct peer *other = peer_connect(rig, RIG_PORT_TLS);
    print_put(other, "Content-Length: 5\r\nExpect: 100-continue\r\n");
    rig_run(rig, 50);
    cr_expect(!says(other, "100 Continue"));
    cr_expect(says(other, "HTTP/1.1 507"));
    finish(rig);
}

Test(conn_media, without_credit_the_clients_window_closes)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    fake.opening_credit = 65536;
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    uint32_t before = rig->stack->blocks.free_count;
    print_put(peer, "Content-Length: 2097152\r\n");
    size_t at = pump(peer, fake.blob, BYTES, 2000);
    cr_expect_gt(tcp_unacked(rig->host, peer->id) + (BYTES - at), BYTES / 2, "the rest waits at the client");
    cr_expect_eq(fake.got_len, 65536);
    uint32_t held = (before - rig->stack->blocks.free_count) * WAX_BLOCK_BYTES;
    cr_expect_leq(held, 2u * WAX_CONN_RECEIVE_BYTES_MAX, "%u bytes wait here", held);
    for (uint32_t left = BYTES - 65536; left > 0; left -= 65536) {
        credit(rig, fake.put_tag, 65536);
        at += pump(peer, fake.blob + at, BYTES - at, 100);
        cr_expect_eq(fake.got_len, BYTES - left + 65536, "as much as was allowed");
    }
    cr_expect_eq(memcmp(fake.got, fake.blob, BYTES), 0);
    cr_expect(says(peer, "HTTP/1.1 201"));
    finish(rig);
}

Test(conn_media, media_leave_most_of_the_ring_to_messages)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *peer[4];
    for (unsigned i = 0; i < 4; i++) {
        peer[i] = peer_connect(rig, RIG_PORT_TLS);
        print_put(peer[i], "Content-Length: 500000\r\n");
    }
    rig_run(rig, 50);
    rig->control_held = true;
    for (unsigned i = 0; i < 4; i++)
        peer_write(peer[i], fake.blob, 500000);
    rig_run(rig, 1000);
    uint64_t used = WAX_CHANNEL_RING_BYTES - channel_ring_room(rig->to_control, WAX_CHANNEL_RING_BYTES);
    cr_expect_gt(used, WAX_MEDIA_RING_BYTES / 2u);
    cr_expect_leq(used, WAX_MEDIA_RING_BYTES, "%llu bytes", (unsigned long long)used);
    rig->control_held = false;
    rig_run(rig, 1000);
    cr_expect_eq(fake.got_len, 2000000, "and all of it comes once control is back");
    cr_expect_eq(rig->metrics.media_uploads, 4);
    for (unsigned i = 0; i < 4; i++)
        cr_expect(says(peer[i], "HTTP/1.1 201"));
    finish(rig);
}

Test(conn_media, an_upload_that_breaks_off_is_given_up)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *reset = peer_connect(rig, RIG_PORT_TLS), *closed = peer_connect(rig, RIG_PORT_PLAIN);
    print_put(reset, "Content-Length: 1000\r\n");
    print_put(closed, "Content-Length: 1000\r\n");
    peer_print(reset, "half");
    peer_print(closed, "half");
    rig_run(rig, 50);
    tcp_abort(rig->host, reset->id);
    tcp_close(rig->host, closed->id, rig->now_us);
    rig_run(rig, 50);
    cr_expect_eq(fake.closes, 2);
    cr_expect_eq(fake.ends, 0);
    cr_expect_eq(rig->metrics.status[WAX_MEDIA_BROKEN], 2);
    finish(rig);
}

Test(conn_media, who_closes_his_half_behind_a_whole_body_is_answered)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    fake.opening_credit = 0;
    struct peer *peer = peer_connect(rig, RIG_PORT_PLAIN);
    print_put(peer, "Content-Length: 3000\r\n");
    peer_write(peer, fake.blob, 3000);
    rig_run(rig, 20);
    tcp_close(rig->host, peer->id, rig->now_us);
    rig_run(rig, 50);
    cr_expect_eq(fake.closes, 0, "it waits for credit, with all its bytes");
    credit(rig, fake.put_tag, 3000);
    rig_run(rig, 100);
    cr_expect_eq(fake.ends, 1);
    cr_expect(says(peer, "HTTP/1.1 201"));
    cr_expect(peer->fin);
    finish(rig);
}

Test(conn_media, a_malformed_chunk_ends_an_upload)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    print_put(peer, "Transfer-Encoding: chunked\r\n");
    peer_print(peer, "5\r\nhello\nx\r\n");
    rig_run(rig, 50);
    cr_expect(says(peer, "HTTP/1.1 400"));
    cr_expect_eq(fake.closes, 1);
    cr_expect_eq(rig->metrics.status[WAX_HTTP_CHUNK], 1);
    finish(rig);
}

Test(conn_media, an_upload_without_progress_ends_after_a_minute)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    print_put(peer, "Content-Length: 1000000\r\n");
    for (unsigned i = 0; i < 3; i++) {
        rig_run(rig, 40000);
        peer_write(peer, fake.blob, WAX_MEDIA_PROGRESS_BYTES);
    }
    rig_run(rig, 40000);
    cr_expect_eq(fake.closes, 0, "who moves on goes on");
    peer_print(peer, "x");
    rig_run(rig, 21000);
    cr_expect(says(peer, "HTTP/1.1 408"), "a byte is no progress");
    cr_expect_eq(fake.closes, 1);
    cr_expect_eq(rig->metrics.status[WAX_MEDIA_STALLED], 1);
    finish(rig);
}

Test(conn_media, a_download_streams_and_the_connection_goes_on)
{
    static const uint32_t ports[] = {RIG_PORT_TLS, RIG_PORT_PLAIN};
    struct fake fake;
    for (unsigned i = 0; i < 2; i++) {
        struct rig *rig = start(&fake);
        struct peer *peer = peer_connect(rig, (uint16_t)ports[i]);
        print_get(peer, "GET", "");
        rig_run(rig, 1500);
        cr_expect(
            says(peer,
                 "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 2097152\r\n"));
        cr_expect(says(peer, "ETag: \"" ID "\"\r\n"));
        cr_expect(ends(peer, fake.blob, BYTES));
        print_get(peer, "GET", "Range: bytes=100-299\r\n");
        rig_run(rig, 50);
        cr_expect(says(peer, "HTTP/1.1 206 Partial Content\r\n"));
        cr_expect(says(peer, "Content-Range: bytes 100-299/2097152\r\n"));
        cr_expect(ends(peer, fake.blob + 100, 200));
        print_get(peer, "HEAD", "");
        print_get(peer, "GET", "Range: bytes=2097152-\r\n");
        rig_run(rig, 50);
        cr_expect(says(peer, "HTTP/1.1 416"));
        cr_expect(says(peer, "Content-Range: bytes */2097152\r\n"));
        cr_expect_eq(fake.gets, 4);
        cr_expect_eq(fake.closes, 1, "of the part that there is not");
        cr_expect_eq(rig->metrics.media_downloads, 2);
        finish(rig);
    }
}

Test(conn_media, rfc9110_13_1_5_a_range_of_something_else_is_no_range)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    fake.size = 1000;
    print_get(peer, "GET", "Range: bytes=1-2\r\nIf-Range: \"" ID "\"\r\n");
    rig_run(rig, 50);
    cr_expect(says(peer, "HTTP/1.1 206"));
    static const char *const others[] = {"\"other\"", "W/\"" ID "\"", "Sat, 29 Oct 1994 19:43:31 GMT", ""};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char fields[200];
        snprintf(fields, sizeof fields, "Range: bytes=1-2\r\nIf-Range: %s\r\n", others[i]);
        struct peer *other = peer_connect(rig, RIG_PORT_TLS);
        print_get(other, "GET", fields);
        rig_run(rig, 50);
        cr_expect(says(other, "HTTP/1.1 200"), "%s", others[i]);
        cr_expect(ends(other, fake.blob, 1000));
    }
    finish(rig);
}

Test(conn_media, pages_of_any_origin_may_ask_and_read)
{
    static const char ask[] = "OPTIONS /v1/media HTTP/1.1\r\nHost: r\r\nOrigin: https://chat.example\r\n"
                              "Access-Control-Request-Method: PUT\r\n\r\n";
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    peer_print(peer, ask);
    rig_run(rig, 50);
    cr_expect(says(peer, "HTTP/1.1 204"));
    cr_expect(says(peer, "Access-Control-Allow-Methods: GET, HEAD, PUT, DELETE\r\n"));
    cr_expect(says(peer, "Waxwire-TTL\r\n"));
    cr_expect(says(peer, "Allow: PUT, OPTIONS\r\n"));
    print_put(peer, "Content-Length: 1\r\n");
    peer_print(peer, "x");
    rig_run(rig, 50);
    cr_expect(says(peer, "HTTP/1.1 201"), "the connection goes on");
    struct peer *wrong = peer_connect(rig, RIG_PORT_TLS);
    print_get(wrong, "POST", "");
    rig_run(rig, 50);
    cr_expect(says(wrong, "HTTP/1.1 405"));
    cr_expect(says(wrong, "Allow: GET, HEAD, DELETE, OPTIONS\r\n"));
    cr_expect(says(wrong, "Access-Control-Allow-Origin: *\r\n"), "a page may know why");
    finish(rig);
}

Test(conn_media, a_blob_of_unknown_length_comes_in_chunks)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    fake.size = CHANNEL_MEDIA_UNKNOWN;
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    print_get(peer, "GET", "Range: bytes=5-6\r\n");
    rig_run(rig, 1500);
    cr_expect(says(peer, "HTTP/1.1 200 OK"), "a part of who knows what is no part");
    cr_expect(says(peer, "Transfer-Encoding: chunked\r\n"));
    cr_expect(ends(peer, (const uint8_t *)"\r\n0\r\n\r\n", 7));
    cr_expect_gt(peer->len, BYTES);
    finish(rig);
}

Test(conn_media, a_reader_who_reads_nothing_holds_a_window_and_no_more)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    uint32_t before = rig->stack->blocks.free_count;
    peer->stalled = true;
    print_get(peer, "GET", "");
    rig_run(rig, 3000);
    cr_expect_leq(fake.download[0].granted, WAX_MEDIA_WINDOW_BYTES_MAX + 2u * WAX_CONN_RECEIVE_BYTES_MAX);
    uint32_t held = (before - rig->stack->blocks.free_count) * WAX_BLOCK_BYTES;
    cr_expect_leq(held, WAX_MEDIA_WINDOW_BYTES_MAX + WAX_MEDIA_WINDOW_BYTES_MAX / 8u, "%u bytes", held);
    rig_run(rig, 130000);
    cr_expect_eq(rig->metrics.status[WAX_MEDIA_STALLED], 1, "and is cut off in the end");
    cr_expect_eq(fake.closes, 1);
    finish(rig);
}

Test(conn_media, who_follows_a_slow_upload_is_not_slow_himself)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    fake.size = CHANNEL_MEDIA_UNKNOWN;
    fake.trickles = true;
    print_get(peer, "GET", "");
    rig_run(rig, 50);
    for (unsigned i = 0; i < 30; i++) {
        struct channel_media_piece *piece =
            rig_answer(rig, sizeof *piece + 1u, (enum channel_kind)CHANNEL_MEDIA_PIECE);
        piece->tag = fake.download[0].tag;
        rig_run(rig, 20000);
    }
    cr_expect_eq(rig->metrics.status[WAX_MEDIA_STALLED], 0);
    reply(rig, CHANNEL_MEDIA_DONE, fake.download[0].tag, 30, WAX_OK, 0);
    rig_run(rig, 50);
    cr_expect(ends(peer, (const uint8_t *)"\r\n0\r\n\r\n", 7));
    finish(rig);
}

Test(conn_media, readers_share_what_downloads_may_hold)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *peer[40];
    uint32_t before = rig->stack->blocks.free_count;
    for (unsigned i = 0; i < 40; i++) {
        peer[i] = peer_connect(rig, RIG_PORT_PLAIN);
        peer[i]->stalled = true;
        print_get(peer[i], "GET", "");
    }
    rig_run(rig, 3000);
    uint32_t held = before - rig->stack->blocks.free_count;
    cr_expect_leq(held, rig->config.blocks / WAX_MEDIA_BLOCKS_PART * 9u / 8u, "%u of %u blocks", held,
                  rig->config.blocks);
    for (unsigned i = 0; i < 40; i++)
        tcp_abort(rig->host, peer[i]->id);
    rig_run(rig, 50);
    cr_expect_eq(rig->stack->blocks.free_count, before);
    cr_expect_eq(fake.closes, 40);
    finish(rig);
}

/* Each has earned a large window before the next comes, and stops reading then. */
Test(conn_media, readers_who_stop_one_after_another_hold_no_more_than_their_part)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *peer[30];
    uint32_t before = rig->stack->blocks.free_count;
    for (unsigned i = 0; i < 30; i++) {
        peer[i] = peer_connect(rig, RIG_PORT_PLAIN);
        print_get(peer[i], "GET", "");
        for (unsigned ms = 0; ms < 500 && peer[i]->len < BYTES / 2; ms++)
            rig_turn(rig, 1000);
        cr_expect_geq(peer[i]->len, BYTES / 2, "reader %u gets on", i);
        peer[i]->stalled = true;
        rig_run(rig, 100);
    }
    uint32_t held = before - rig->stack->blocks.free_count;
    cr_expect_leq(held, rig->config.blocks / WAX_MEDIA_BLOCKS_PART * 5u / 4u, "%u of %u blocks", held,
                  rig->config.blocks);
    cr_expect_geq(held, rig->config.blocks / WAX_MEDIA_BLOCKS_PART / 2u, "and not much less");
    for (unsigned i = 0; i < 30; i++)
        tcp_abort(rig->host, peer[i]->id);
    finish(rig);
}

Test(conn_media, an_end_that_comes_too_early_is_not_passed_on_as_one)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    peer->stalled = true;
    print_get(peer, "GET", "");
    rig_run(rig, 100);
    reply(rig, CHANNEL_MEDIA_DONE, fake.download[0].tag, BYTES, WAX_OK, 0);
    peer->stalled = false;
    rig_run(rig, 100);
    cr_expect(peer->reset);
    cr_expect_eq(rig->metrics.status[WAX_MEDIA_IO], 1);
    finish(rig);
}

Test(conn_media, who_reads_no_answers_gets_no_second_one)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *peer = peer_connect(rig, RIG_PORT_PLAIN);
    fake.size = 100000;
    peer->stalled = true;
    for (unsigned i = 0; i < 30; i++)
        print_get(peer, "GET", "");
    rig_run(rig, 2000);
    cr_expect_leq(fake.gets, 4, "a transfer has its place until its client has the bytes");
    tcp_abort(rig->host, peer->id);
    finish(rig);
}

Test(conn_media, when_control_goes_requests_are_answered_and_replies_cut)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *up = peer_connect(rig, RIG_PORT_TLS), *down = peer_connect(rig, RIG_PORT_TLS);
    print_put(up, "Content-Length: 1000\r\n");
    down->stalled = true;
    print_get(down, "GET", "");
    rig_run(rig, 100);
    rig_control_down(rig);
    down->stalled = false;
    rig_run(rig, 100);
    cr_expect(says(up, "HTTP/1.1 503"));
    cr_expect(says(up, "Retry-After: "));
    cr_expect(down->reset, "half of a blob is not told for the whole");
    struct peer *late = peer_connect(rig, RIG_PORT_TLS);
    print_get(late, "GET", "");
    rig_run(rig, 50);
    cr_expect(says(late, "HTTP/1.1 503"));
    cr_expect_eq(rig->metrics.media_transfers_now, 0);
    rig_control_up(rig);
    rig_run(rig, 50);
    struct peer *again = peer_connect(rig, RIG_PORT_TLS);
    print_get(again, "GET", "");
    rig_run(rig, 1500);
    cr_expect(ends(again, fake.blob, BYTES));
    finish(rig);
}

Test(conn_media, what_comes_for_a_transfer_that_has_ended_is_ignored)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    print_put(peer, "Content-Length: 1000\r\n");
    rig_run(rig, 50);
    uint64_t old = fake.put_tag;
    tcp_abort(rig->host, peer->id);
    rig_run(rig, 50);
    struct peer *next = peer_connect(rig, RIG_PORT_TLS);
    fake.opening_credit = 0;
    print_put(next, "Content-Length: 1000\r\n");
    peer_write(next, fake.blob, 1000);
    rig_run(rig, 50);
    cr_expect_eq((uint32_t)old, (uint32_t)fake.put_tag, "the place is used again");
    credit(rig, old, 1000);
    reply(rig, CHANNEL_MEDIA_DONE, old, 1000, WAX_OK, 0);
    reply(rig, CHANNEL_MEDIA_DONE, UINT64_C(1) << 32 | 5000, 1000, WAX_OK, 0);
    rig_run(rig, 50);
    cr_expect_eq(fake.got_len, 0);
    cr_expect_eq(next->len, 0);
    credit(rig, fake.put_tag, 1000);
    rig_run(rig, 50);
    cr_expect(says(next, "HTTP/1.1 201"));
    finish(rig);
}

Test(conn_media, records_that_make_no_sense_end_their_transfer_alone)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    peer->stalled = true;
    print_get(peer, "GET", "");
    rig_run(rig, 100);
    struct channel_media_piece *piece =
        rig_answer(rig, sizeof *piece + 100000, (enum channel_kind)CHANNEL_MEDIA_PIECE);
    piece->tag = fake.download[0].tag;
    rig_run(rig, 50);
    cr_expect(peer->reset);
    cr_expect_eq(rig->metrics.status[WAX_CHANNEL_CORRUPT], 1);
    finish(rig);
}

Test(conn_media, a_deletion_is_asked_for_in_the_tokens_name)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    char fields[256];
    snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\n", token);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    print_get(peer, "DELETE", fields);
    rig_run(rig, 50);
    cr_expect(says(peer, "HTTP/1.1 204 No Content\r\n"));
    cr_expect(!says(peer, "Content-Length:"));
    fake.status = WAX_MEDIA_NOT_OWNER;
    print_get(peer, "DELETE", fields);
    rig_run(rig, 50);
    cr_expect(says(peer, "HTTP/1.1 403"));
    cr_expect_eq(fake.deletes, 2);
    cr_expect_eq(rig->metrics.status[WAX_MEDIA_NOT_OWNER], 1);
    finish(rig);
}

Test(conn_media, what_the_worker_refuses_never_reaches_control)
{
    static const struct {
        const char *request, *reply;
        enum wax_status status;
    } refused[] = {
        {"PUT /v1/media HTTP/1.1\r\nHost: r\r\nContent-Length: 1\r\n\r\n", "HTTP/1.1 401",
         WAX_HTTP_UNAUTHORIZED},
        {"PUT /v1/media HTTP/1.1\r\nHost: r\r\nContent-Length: 1\r\nAuthorization: Bearer abc\r\n\r\n",
         "HTTP/1.1 401", WAX_TOKEN_FORGED},
        {"GET /v1/media HTTP/1.1\r\nHost: r\r\n\r\n", "HTTP/1.1 405", WAX_HTTP_METHOD},
        {"GET /v1/media/x HTTP/1.1\r\nHost: r\r\n\r\n", "HTTP/1.1 404", WAX_HTTP_NOT_FOUND},
    };
    struct fake fake;
    struct rig *rig = start(&fake);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
        peer_print(peer, refused[i].request);
        rig_run(rig, 50);
        cr_expect(says(peer, refused[i].reply), "%zu", i);
        cr_expect_eq(rig->metrics.status[refused[i].status], 1, "%zu", i);
    }
    struct peer *large = peer_connect(rig, RIG_PORT_TLS);
    print_put(large, "Content-Length: 1073741825\r\n");
    rig_run(rig, 50);
    cr_expect(says(large, "HTTP/1.1 413"));
    rig->config.media_enabled = false;
    struct peer *off = peer_connect(rig, RIG_PORT_TLS);
    print_get(off, "GET", "");
    rig_run(rig, 50);
    cr_expect(says(off, "HTTP/1.1 404"));
    cr_expect_eq(rig->metrics.status[WAX_MEDIA_OFF], 1);
    cr_expect_eq(fake.puts + fake.gets + fake.deletes, 0);
    finish(rig);
}

Test(conn_media, a_session_can_be_opened_on_a_connection_that_had_media)
{
    struct fake fake;
    struct rig *rig = start(&fake);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    fake.size = 100;
    print_get(peer, "GET", "");
    rig_run(rig, 50);
    cr_assert(ends(peer, fake.blob, 100));
    peer_open(peer, 1, 1);
    rig_run(rig, 200);
    cr_expect_eq(peer->opens, 1);
    finish(rig);
}
