/* SPDX-License-Identifier: BSD-3-Clause */
/* The PROXY protocol, version 2: the parser rule by rule, and a listener that wants it. */
#include <criterion/criterion.h>

#include "conn/conn.h"
#include "conn/proxy.h"
#include "conn/state.h"
#include "rig.h"

static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
static const uint8_t ip4[] = {198, 18, 7, 9, 198, 18, 0, 1, 0x30, 0x39, 0, 80};
static const uint8_t ip6[36] = {
    0x20, 1, 0, 2, [15] = 9, [16] = 0x20, [17] = 1, [19] = 2, [31] = 1, [32] = 0x30, [33] = 0x39};

struct header {
    uint8_t bytes[PROXY_BYTES_MAX + 64];
    size_t len;
};

static struct header header(uint8_t command, uint8_t family, struct view body)
{
    struct header h = {.len = PROXY_FIXED_BYTES + body.len};
    memcpy(h.bytes, signature, sizeof signature);
    h.bytes[12] = command;
    h.bytes[13] = family;
    store_be16(h.bytes + 14, (uint16_t)body.len);
    if (body.len > 0)
        memcpy(h.bytes + PROXY_FIXED_BYTES, body.data, body.len);
    return h;
}

static void append(struct header *h, const void *bytes, size_t len)
{
    memcpy(h->bytes + h->len, bytes, len);
    h->len += len;
    store_be16(h->bytes + 14, (uint16_t)(h->len - PROXY_FIXED_BYTES));
}

static enum wax_status parse(const struct header *h, struct proxy_header *out)
{
    return proxy_parse(view_of(h->bytes, h->len), out);
}

static void refused(struct header h, enum wax_status why)
{
    struct proxy_header out;
    cr_expect_eq(parse(&h, &out), why, "%s", wax_status_name(parse(&h, &out)));
}

Test(proxy, a_client_over_ip4_and_over_ip6)
{
    struct proxy_header out;
    struct header h = header(0x21, 0x11, view_of(ip4, sizeof ip4));
    cr_assert_eq(parse(&h, &out), WAX_OK);
    struct addr client = addr_ip4(0xc6120709u);
    cr_expect(out.known && addr_same(&out.client, &client) && out.port == 12345 && out.bytes == 28);
    h = header(0x21, 0x21, view_of(ip6, sizeof ip6));
    cr_assert_eq(parse(&h, &out), WAX_OK);
    cr_expect(out.known && memcmp(out.client.b, ip6, 16) == 0 && out.port == 12345 && out.bytes == 52);
}

Test(proxy, local_and_unspec_leave_the_connection_as_it_is)
{
    struct proxy_header out;
    struct header h = header(0x20, 0x00, view_of(NULL, 0));
    cr_assert_eq(parse(&h, &out), WAX_OK);
    cr_expect(!out.known && out.bytes == 16);
    h = header(0x20, 0x11, view_of(ip4, sizeof ip4)); /* a health check: whatever it names is ignored */
    cr_assert_eq(parse(&h, &out), WAX_OK);
    cr_expect(!out.known && out.bytes == 28);
    h = header(0x21, 0x00, view_of("anything", 8));
    cr_assert_eq(parse(&h, &out), WAX_OK);
    cr_expect(!out.known && out.bytes == 24);
}

Test(proxy, a_prefix_of_a_header_wants_more_and_a_wrong_byte_is_noticed_at_once)
{
    struct proxy_header out;
    struct header h = header(0x21, 0x11, view_of(ip4, sizeof ip4));
    for (size_t len = 0; len < h.len; len++)
        cr_expect_eq(proxy_parse(view_of(h.bytes, len), &out), WAX_MORE, "%zu bytes", len);
    append(&h, "GET /", 0);
    for (size_t at = 0; at < 12; at++) {
        struct header wrong = h;
        wrong.bytes[at] ^= 1;
        cr_expect_eq(proxy_parse(view_of(wrong.bytes, at + 1), &out), WAX_PROXY_SIGNATURE);
    }
    cr_expect_eq(proxy_parse(view_of("PROXY TCP4 198.18.7.9", 21), &out), WAX_PROXY_SIGNATURE, "version 1");
    cr_expect_eq(proxy_parse(view_of("GET / HTTP/1.1\r\n", 16), &out), WAX_PROXY_SIGNATURE, "no header");
}

Test(proxy, what_follows_is_not_touched)
{
    struct proxy_header out;
    struct header h = header(0x21, 0x11, view_of(ip4, sizeof ip4));
    memcpy(h.bytes + h.len, "GET", 3);
    cr_assert_eq(proxy_parse(view_of(h.bytes, h.len + 3), &out), WAX_OK);
    cr_expect_eq(out.bytes, h.len);
}

Test(proxy, other_versions_commands_and_families_are_refused)
{
    refused(header(0x11, 0x11, view_of(ip4, sizeof ip4)), WAX_PROXY_HEADER);
    refused(header(0x31, 0x11, view_of(ip4, sizeof ip4)), WAX_PROXY_HEADER);
    refused(header(0x22, 0x11, view_of(ip4, sizeof ip4)), WAX_PROXY_HEADER);
    static const uint8_t families[] = {0x10, 0x12, 0x22, 0x31, 0x32, 0x01, 0x41, 0xff};
    for (size_t i = 0; i < sizeof families; i++)
        refused(header(0x21, families[i], view_of(ip6, sizeof ip6)), WAX_PROXY_HEADER);
}

Test(proxy, addresses_that_no_client_has_are_refused)
{
    static const uint8_t none[12] = {0}, group[12] = {224, 0, 0, 1}, all[12] = {255, 255, 255, 255};
    static const uint8_t none6[36] = {0}, group6[36] = {0xff, 2, [15] = 1};
    refused(header(0x21, 0x11, view_of(none, 12)), WAX_PROXY_HEADER);
    refused(header(0x21, 0x11, view_of(group, 12)), WAX_PROXY_HEADER);
    refused(header(0x21, 0x11, view_of(all, 12)), WAX_PROXY_HEADER);
    refused(header(0x21, 0x21, view_of(none6, 36)), WAX_PROXY_HEADER);
    refused(header(0x21, 0x21, view_of(group6, 36)), WAX_PROXY_HEADER);
}

Test(proxy, lengths_have_limits)
{
    static const uint8_t large[PROXY_BYTES_MAX] = {0};
    refused(header(0x21, 0x11, view_of(ip4, 11)), WAX_PROXY_LENGTH);
    refused(header(0x21, 0x21, view_of(ip6, 35)), WAX_PROXY_LENGTH);
    refused(header(0x20, 0x00, view_of(large, PROXY_BYTES_MAX - PROXY_FIXED_BYTES + 1)), WAX_PROXY_LENGTH);
    struct proxy_header out;
    struct header most = header(0x20, 0x00, view_of(large, PROXY_BYTES_MAX - PROXY_FIXED_BYTES));
    cr_expect_eq(parse(&most, &out), WAX_OK);
    struct header early = header(0x21, 0x11, view_of(ip4, sizeof ip4));
    store_be16(early.bytes + 14, 60000);
    cr_expect_eq(proxy_parse(view_of(early.bytes, PROXY_FIXED_BYTES), &out), WAX_PROXY_LENGTH,
                 "a length beyond the limit is not waited for");
}

Test(proxy, notes_are_skipped_but_must_add_up)
{
    struct proxy_header out;
    struct header h = header(0x21, 0x11, view_of(ip4, sizeof ip4));
    append(&h, "\x02\x00\x05relay", 8);
    append(&h, "\x04\x00\x00", 3);
    append(&h, "\xee\x00\x01x", 4);
    cr_expect_eq(parse(&h, &out), WAX_OK);
    struct header cut = h;
    append(&cut, "\x01\x00", 2);
    refused(cut, WAX_PROXY_HEADER);
    cut = h;
    append(&cut,
           "\x01\x00\x05"
           "four",
           7);
    refused(cut, WAX_PROXY_HEADER);
}

/* The sum by the definition: reflected, polynomial 0x82f63b78. */
static uint32_t crc32c_slow(const uint8_t *bytes, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

Test(proxy, a_checksum_is_verified_when_it_is_there)
{
    struct proxy_header out;
    cr_assert_eq(crc32c_slow((const uint8_t *)"123456789", 9), 0xe3069283u, "the sum's own check value");
    struct header h = header(0x21, 0x11, view_of(ip4, sizeof ip4));
    append(&h, "\x02\x00\x01x", 4);
    append(&h, "\x03\x00\x04\x00\x00\x00\x00", 7);
    append(&h, "\x04\x00\x02\x00\x00", 5);
    store_be32(h.bytes + 28 + 4 + 3, crc32c_slow(h.bytes, h.len));
    cr_expect_eq(parse(&h, &out), WAX_OK);
    for (size_t at = 16; at < h.len; at++) {
        if (at == 28 + 4)
            continue; /* a note of another type is no checksum */
        struct header wrong = h;
        wrong.bytes[at] ^= 0x10;
        cr_expect_neq(parse(&wrong, &out), WAX_OK, "byte %zu may be changed", at);
    }
    struct header wrong = h;
    wrong.bytes[17] ^= 1;
    refused(wrong, WAX_PROXY_CHECKSUM);
    struct header shorter = header(0x21, 0x11, view_of(ip4, sizeof ip4));
    append(&shorter, "\x03\x00\x03\x00\x00\x00", 6);
    refused(shorter, WAX_PROXY_HEADER);
}

/* ---- a listener that wants it ---- */

static void say(struct peer *peer, const struct header *h)
{
    peer_write(peer, h->bytes, h->len);
}

static bool replied(const struct peer *peer, const char *text)
{
    return memmem(peer->bytes, peer->len, text, strlen(text)) != NULL;
}

Test(conn_proxy, the_request_behind_the_header_is_served_however_it_is_split)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: r\r\n\r\n";
    struct header h = header(0x21, 0x21, view_of(ip6, sizeof ip6));
    memcpy(h.bytes + h.len, request, sizeof request - 1);
    h.len += sizeof request - 1;
    struct rig *rig = rig_new(NULL);
    for (size_t step = 1; step < 120; step = step < 4 ? step + 1 : step * 3) {
        struct peer *peer = peer_connect(rig, RIG_PORT_PROXY);
        for (size_t at = 0; at < h.len; at += step) {
            peer_write(peer, h.bytes + at, h.len - at < step ? h.len - at : step);
            rig_run(rig, 2);
        }
        rig_run(rig, 50);
        cr_expect(replied(peer, "HTTP/1.1 200 OK"), "in steps of %zu", step);
    }
    rig_free(rig);
}

Test(conn_proxy, a_session_is_its_clients_and_not_the_terminators)
{
    static const char request[] =
        "GET /v1/relay HTTP/1.1\r\nHost: r\r\nUpgrade: websocket\r\nConnection: "
        "Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: waxwire.v1\r\n\r\n";
    struct rig *rig = rig_new(NULL);
    struct addr client = addr_ip4(0xc6120709u), terminator = addr_ip4(0xc6120002u);
    struct header headers[] = {header(0x21, 0x11, view_of(ip4, sizeof ip4)),
                               header(0x20, 0, view_of(NULL, 0))};
    for (unsigned i = 0; i < 2; i++) {
        struct peer *peer = peer_connect(rig, RIG_PORT_PROXY);
        say(peer, &headers[i]);
        peer_print(peer, request);
        rig_run(rig, 50);
        cr_assert(replied(peer, "HTTP/1.1 101"));
        const struct session *session = NULL;
        for (uint32_t id = 0; id < rig->config.connections_max; id++)
            if (rig->stack->conns[id].state == CONN_WS)
                session = &rig->stack->conns[id].session;
        cr_assert(session != NULL && session->opening != NULL);
        cr_expect_arr_eq(session->opening->peer, i == 0 ? client.b : terminator.b, 16, "header %u", i);
        cr_expect_eq(session->opening->peer_port, i == 0 ? 12345 : tcp_peer(rig->host, peer->id)->local_port);
        tcp_abort(rig->host, peer->id);
        rig_run(rig, 50);
    }
    rig_free(rig);
}

Test(conn_proxy, one_without_a_header_is_closed_without_a_word_and_counted)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect(rig, RIG_PORT_PROXY);
    peer_print(peer, "GET /healthz HTTP/1.1\r\nHost: r\r\n\r\n");
    rig_run(rig, 50);
    cr_expect(peer->closed && peer->len == 0);
    cr_expect_eq(rig->metrics.status[WAX_PROXY_SIGNATURE], 1);
    cr_expect_eq(rig->metrics.connections_now, 0);
    rig_free(rig);
}

Test(conn_proxy, one_that_does_not_finish_its_header_is_closed_in_time)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect(rig, RIG_PORT_PROXY);
    peer_write(peer, signature, sizeof signature);
    rig_run(rig, WAX_PROXY_TIMEOUT_MS - 100);
    cr_expect_not(peer->closed);
    rig_run(rig, 300);
    cr_expect(peer->closed);
    cr_expect_eq(rig->metrics.status[WAX_PROXY_TIMEOUT], 1);
    rig_free(rig);
}

Test(conn_proxy, a_listener_without_it_takes_a_header_for_a_bad_request)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect(rig, RIG_PORT_PLAIN);
    struct header h = header(0x21, 0x11, view_of(ip4, sizeof ip4));
    say(peer, &h);
    rig_run(rig, 50);
    cr_expect(replied(peer, "HTTP/1.1 400"));
    rig_free(rig);
}

static void client_of(struct peer *peer, uint8_t last, uint8_t command)
{
    uint8_t body[sizeof ip4];
    memcpy(body, ip4, sizeof body);
    body[3] = last;
    struct header h = header(command, 0x11, view_of(body, sizeof body));
    say(peer, &h);
    peer_print(peer, "GET /healthz HTTP/1.1\r\nHost: r\r\n\r\n");
    rig_run(peer->rig, 20);
}

Test(conn_proxy, limits_of_addresses_see_the_client_and_not_the_terminator)
{
    struct rig *rig = rig_new(&(struct rig_options){.per_address_max = 3});
    struct peer *peer[12];
    /* The terminator has more connections than an address may have: two clients with three each, its own
     * checks. */
    for (uint32_t i = 0; i < 6; i++)
        client_of(peer[i] = peer_connect(rig, RIG_PORT_PROXY), (uint8_t)(1 + i % 2), 0x21);
    for (uint32_t i = 6; i < 8; i++)
        client_of(peer[i] = peer_connect(rig, RIG_PORT_PROXY), 1, 0x20);
    for (uint32_t i = 0; i < 8; i++)
        cr_expect(replied(peer[i], "HTTP/1.1 200 OK"), "connection %u", i);
    /* A client's fourth is refused; another client's first is not. */
    client_of(peer[8] = peer_connect(rig, RIG_PORT_PROXY), 1, 0x21);
    cr_expect(peer[8]->closed && peer[8]->len == 0);
    cr_expect_eq(rig->metrics.status[WAX_PROXY_REFUSED], 1);
    cr_expect_eq(rig->metrics.status[WAX_TCP_ADDRESS_FULL], 1);
    client_of(peer[9] = peer_connect(rig, RIG_PORT_PROXY), 3, 0x21);
    cr_expect(replied(peer[9], "HTTP/1.1 200 OK"));
    /* When one ends its place is free, whichever way it ends. */
    tcp_abort(rig->host, peer[0]->id);
    tcp_close(rig->host, peer[1]->id, rig->now_us);
    rig_run(rig, 50);
    for (uint8_t i = 0; i < 2; i++) {
        client_of(peer[10 + i] = peer_connect(rig, RIG_PORT_PROXY), (uint8_t)(1 + i), 0x21);
        cr_expect(replied(peer[10 + i], "HTTP/1.1 200 OK"), "client %u again", 1 + i);
    }
    rig_free(rig);
}
