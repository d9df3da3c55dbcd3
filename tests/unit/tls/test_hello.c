/* SPDX-License-Identifier: BSD-3-Clause */
/* What a server does with a ClientHello (RFC 8446 4.1, 4.2, 9.2), rule by rule. */
#include "certificate.h"
#include "hello.h"

static struct tls_context *server;
static SSL_CTX *client_ctx;
static SSL *peer;
static SSL_SESSION *ticket;
static struct hello hello;

static void peer_new(void)
{
    SSL_free(peer);
    peer = SSL_new(client_ctx);
    SSL_set_bio(peer, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(peer);
}

static void setup(void)
{
    cr_assert_eq(crypto_init(), WAX_OK);
    server = certificate_context(1);
    client_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(client_ctx, TLS1_3_VERSION);
    SSL_CTX_set1_groups_list(client_ctx, "X25519:P-256");
    peer_new();
    hello_take(&hello, peer);
}

static void teardown(void)
{
    SSL_SESSION_free(ticket);
    SSL_free(peer);
    SSL_CTX_free(client_ctx);
    tls_context_free(server);
    certificate_remove();
}

TestSuite(tls_hello, .init = setup, .fini = teardown);

static int alert(void)
{
    return answer_hello(server, &hello).alert;
}

static bool accepted(void)
{
    struct answer answer = answer_hello(server, &hello);
    return answer.alert == -1 && answer.server_hello && answer.status == WAX_MORE;
}

Test(tls_hello, rfc8446_4_1_2_an_unchanged_hello_is_accepted)
{
    cr_assert(accepted(), "or what follows proves nothing");
}

/* ---- 4.1.2, 4.1.3: the fields ---- */

Test(tls_hello, rfc8446_4_1_2_compression_is_one_zero)
{
    hello.compression = (struct hello_part){{0, 1}, 2};
    cr_assert_eq(alert(), ILLEGAL_PARAMETER);
    hello.compression = (struct hello_part){{1, 0}, 2};
    cr_assert_eq(alert(), ILLEGAL_PARAMETER);
    hello.compression = (struct hello_part){{1}, 1};
    cr_assert_eq(alert(), ILLEGAL_PARAMETER);
    hello.compression.len = 0;
    cr_assert(alert() == ILLEGAL_PARAMETER || alert() == DECODE_ERROR);
}

Test(tls_hello, rfc8446_4_1_2_unknown_suites_are_passed_over)
{
    hello.suites = (struct hello_part){{0x0A, 0x0A, 0xFF, 0xFE, 0x13, 0x01, 0x13, 0x99}, 8};
    cr_assert(accepted());
    hello.suites = (struct hello_part){{0x0A, 0x0A, 0xFF, 0xFE}, 4};
    cr_assert_eq(alert(), HANDSHAKE_FAILURE);
}

Test(tls_hello, rfc8446_4_1_2_suites_come_in_pairs_of_bytes)
{
    hello.suites = (struct hello_part){{0x13, 0x01, 0x13}, 3};
    cr_assert_eq(alert(), DECODE_ERROR);
    hello.suites.len = 0;
    cr_assert(alert() == DECODE_ERROR || alert() == ILLEGAL_PARAMETER);
}

Test(tls_hello, rfc8446_4_1_2_a_session_id_has_at_most_32_bytes)
{
    hello.session_id.len = 33;
    cr_assert_eq(alert(), DECODE_ERROR);
    hello.session_id.len = 0;
    cr_assert(accepted(), "and none will do");
}

Test(tls_hello, rfc8446_4_1_3_the_server_hello_is_sound)
{
    memset(hello.session_id.bytes, 0x77, 32);
    hello.session_id.len = 32;
    struct answer answer = answer_hello(server, &hello);
    cr_assert(answer.server_hello);
    cr_assert_eq(answer.hello.version, 0x0303);
    cr_assert_eq(answer.hello.session_id.len, 32);
    cr_assert_arr_eq(answer.hello.session_id.bytes, hello.session_id.bytes, 32);
    cr_assert_eq(answer.hello.compression.bytes[0], 0);
    cr_assert_eq(answer.hello.count, 2, "supported_versions and key_share, and nothing else in clear");
    int versions = hello_find(&answer.hello, EXT_VERSIONS), share = hello_find(&answer.hello, EXT_KEY_SHARE);
    cr_assert(versions >= 0 && share >= 0);
    cr_assert_eq(load_be16(answer.hello.extension[versions].bytes), 0x0304);
    cr_assert_eq(load_be16(answer.hello.extension[share].bytes), 0x001d);
    cr_assert_arr_neq(answer.hello.random + 24, "DOWNGRD\x01", 8);
    struct answer again = answer_hello(server, &hello);
    cr_assert_arr_neq(again.hello.random, answer.hello.random, 32);
}

Test(tls_hello, rfc8446_4_1_2_nothing_stands_behind_the_extensions)
{
    hello.behind = (struct hello_part){{0}, 1};
    cr_assert_eq(alert(), DECODE_ERROR);
}

Test(tls_hello, rfc8446_4_2_an_extension_stays_within_its_bounds)
{
    uint8_t bytes[HELLO_BYTES];
    size_t n = hello_write(&hello, bytes);
    struct tls_shake *shake = tls_shake_new(server);
    size_t extensions =
        9 + 2 + 32 + 1 + hello.session_id.len + 2 + hello.suites.len + 1 + hello.compression.len;
    store_be16(bytes + extensions + 4, 0x7fff); /* the first one's length */
    cr_assert_eq(answer_to(shake, bytes, n).alert, DECODE_ERROR);
    tls_shake_free(shake);
}

/* ---- 4.2: extensions ---- */

Test(tls_hello, rfc8446_4_2_an_extension_comes_once)
{
    int at = hello_find(&hello, EXT_VERSIONS);
    struct hello_part copy = hello.extension[at];
    hello_add(&hello, EXT_VERSIONS, copy.bytes, copy.len);
    cr_assert_eq(alert(), ILLEGAL_PARAMETER);
}

Test(tls_hello, rfc8446_4_2_unknown_extensions_are_passed_over)
{
    hello_add(&hello, 0x0A0A, "", 0);
    hello_add(&hello, 0xFFFE, "what it may be", 14);
    cr_assert(accepted());
    struct answer answer = answer_hello(server, &hello);
    cr_assert(hello_find(&answer.hello, 0x0A0A) < 0 && hello_find(&answer.hello, 0xFFFE) < 0);
}

Test(tls_hello, rfc8446_4_2_1_without_supported_versions_it_is_an_old_client)
{
    hello_remove(&hello, EXT_VERSIONS);
    cr_assert_eq(alert(), PROTOCOL_VERSION);
    hello.bare = true;
    hello.count = 0;
    cr_assert_eq(alert(), PROTOCOL_VERSION);
}

Test(tls_hello, rfc8446_4_2_1_supported_versions_alone_decide)
{
    hello_set(&hello, EXT_VERSIONS, "\x02\x03\x03", 3);
    cr_assert_eq(alert(), PROTOCOL_VERSION, "TLS 1.2");
    hello_set(&hello, EXT_VERSIONS, "\x02\x03\x05", 3);
    cr_assert_eq(alert(), PROTOCOL_VERSION, "one that isn't yet");
    hello_set(&hello, EXT_VERSIONS, "\x06\x0A\x0A\x03\x03\x03\x04", 7);
    cr_assert(accepted());
    hello.version = 0x0302;
    cr_assert(accepted(), "legacy_version says nothing");
    hello_set(&hello, EXT_VERSIONS, "\x00", 1);
    cr_assert_eq(alert(), PROTOCOL_VERSION, "an empty list");
}

Test(tls_hello, rfc8446_d_5_ssl_3_is_refused)
{
    hello_remove(&hello, EXT_VERSIONS);
    hello.version = 0x0300;
    cr_assert_eq(alert(), PROTOCOL_VERSION);
}

Test(tls_hello, rfc8446_9_2_signatures_groups_and_shares_belong_together)
{
    struct hello whole = hello;
    hello_remove(&hello, EXT_SIGNATURES);
    cr_assert_eq(alert(), MISSING_EXTENSION);
    hello = whole;
    hello_remove(&hello, EXT_GROUPS);
    cr_assert_eq(alert(), MISSING_EXTENSION, "key_share without supported_groups");
    hello = whole;
    hello_remove(&hello, EXT_KEY_SHARE);
    cr_assert_eq(alert(), MISSING_EXTENSION, "supported_groups without key_share");
    hello = whole;
    hello_remove(&hello, EXT_KEY_SHARE);
    hello_remove(&hello, EXT_GROUPS);
    cr_assert_eq(alert(), MISSING_EXTENSION, "neither, and no key that is shared");
}

Test(tls_hello, rfc8446_4_2_3_without_a_common_signature_it_fails)
{
    hello_set(&hello, EXT_SIGNATURES, "\x00\x02\x08\x04", 4); /* RSA-PSS, and we have ECDSA */
    cr_assert_eq(alert(), HANDSHAKE_FAILURE);
    hello_set(&hello, EXT_SIGNATURES, "\x00\x02\x02\x03", 4); /* ECDSA with SHA-1 */
    cr_assert_eq(alert(), HANDSHAKE_FAILURE);
    hello_set(&hello, EXT_SIGNATURES, "\x00\x03\x04\x03\x08", 5);
    cr_assert_eq(alert(), DECODE_ERROR);
    hello_set(&hello, EXT_SIGNATURES, "\x00\x04\x0A\x0A\x04\x03", 6);
    cr_assert(accepted(), "unknown ones are passed over");
}

Test(tls_hello, rfc8446_4_2_7_without_a_common_group_it_fails)
{
    hello_set(&hello, EXT_GROUPS, "\x00\x02\x00\x1e", 4); /* X448 */
    hello_set(&hello, EXT_KEY_SHARE, "\x00\x00", 2);
    cr_assert_eq(alert(), HANDSHAKE_FAILURE);
}

static void share_set(uint16_t group, const uint8_t *key, size_t len)
{
    uint8_t bytes[300];
    store_be16(bytes, (uint16_t)(len + 4));
    store_be16(bytes + 2, group);
    store_be16(bytes + 4, (uint16_t)len);
    memcpy(bytes + 6, key, len);
    hello_set(&hello, EXT_KEY_SHARE, bytes, len + 6);
}

Test(tls_hello, rfc8446_4_2_8_a_share_is_of_a_supported_group)
{
    const uint8_t key[32] = {9};
    hello_set(&hello, EXT_GROUPS, "\x00\x02\x00\x17", 4); /* P-256 alone, and a share of X25519 */
    share_set(0x001d, key, sizeof key);
    cr_assert_eq(alert(), ILLEGAL_PARAMETER);
}

Test(tls_hello, rfc8446_4_2_8_no_share_asks_for_one)
{
    hello_set(&hello, EXT_KEY_SHARE, "\x00\x00", 2);
    struct answer answer = answer_hello(server, &hello);
    cr_assert(answer.retry && answer.alert == -1);
    int share = hello_find(&answer.hello, EXT_KEY_SHARE);
    cr_assert_geq(share, 0);
    cr_assert_eq(answer.hello.extension[share].len, 2, "the group, and no key");
    cr_assert_eq(load_be16(answer.hello.extension[share].bytes), 0x001d);
    cr_assert_geq(hello_find(&answer.hello, EXT_VERSIONS), 0);
    cr_assert_lt(hello_find(&answer.hello, EXT_COOKIE), 0);
}

Test(tls_hello, rfc8446_4_2_8_2_a_share_of_x25519_has_32_bytes)
{
    const uint8_t key[33] = {9};
    share_set(0x001d, key, 31);
    cr_assert_eq(alert(), ILLEGAL_PARAMETER);
    share_set(0x001d, key, 33);
    cr_assert_eq(alert(), ILLEGAL_PARAMETER);
    share_set(0x001d, key, 32);
    cr_assert(accepted());
    hello_set(&hello, EXT_KEY_SHARE, "\x00\x04\x00\x1d\x00\x00", 6);
    cr_assert(alert() == DECODE_ERROR || alert() == ILLEGAL_PARAMETER, "an empty one");
}

Test(tls_hello, rfc8446_7_4_2_a_shared_secret_of_zeros_is_refused)
{
    const uint8_t zero[32] = {0}, one[32] = {1}; /* points of small order */
    share_set(0x001d, zero, sizeof zero);
    struct answer answer = answer_hello(server, &hello);
    cr_assert(!answer.server_hello || answer.status != WAX_MORE);
    cr_assert_neq(answer.alert, -1);
    share_set(0x001d, one, sizeof one);
    cr_assert_neq(alert(), -1);
}

Test(tls_hello, rfc8446_4_2_8_2_a_point_lies_on_its_curve)
{
    uint8_t point[65] = {4, 1, 2, 3};
    hello_set(&hello, EXT_GROUPS, "\x00\x02\x00\x17", 4);
    share_set(0x0017, point, sizeof point);
    cr_assert_eq(alert(), ILLEGAL_PARAMETER);
    share_set(0x0017, point, 64);
    cr_assert_eq(alert(), ILLEGAL_PARAMETER, "too short");
}

/* A good point of P-256 in compressed form is not allowed (only 4, x, y). */
Test(tls_hello, rfc8446_4_2_8_2_a_point_is_not_compressed)
{
    static const uint8_t base[33] = {3,    0x6B, 0x17, 0xD1, 0xF2, 0xE1, 0x2C, 0x42, 0x47, 0xF8, 0xBC,
                                     0xE6, 0xE5, 0x63, 0xA4, 0x40, 0xF2, 0x77, 0x03, 0x7D, 0x81, 0x2D,
                                     0xEB, 0x33, 0xA0, 0xF4, 0xA1, 0x39, 0x45, 0xD8, 0x98, 0xC2, 0x96};
    hello_set(&hello, EXT_GROUPS, "\x00\x02\x00\x17", 4);
    share_set(0x0017, base, sizeof base);
    cr_assert_eq(alert(), ILLEGAL_PARAMETER);
}

Test(tls_hello, rfc7301_3_1_a_protocol_has_a_name)
{
    hello_set(&hello, EXT_ALPN, "\x00\x01\x00", 3);
    cr_assert_eq(alert(), DECODE_ERROR, "an empty name");
    hello_set(&hello, EXT_ALPN, "\x00\x00", 2);
    cr_assert_eq(alert(), DECODE_ERROR, "an empty list");
    hello_set(&hello, EXT_ALPN, "\x00\x0a\x08http/1.1\x05", 12);
    cr_assert_eq(alert(), DECODE_ERROR, "a name that is longer than the list");
    hello_set(&hello, EXT_ALPN, "\x00\x03\x02h2", 5);
    struct answer answer = answer_hello(server, &hello);
    cr_assert(answer.status == WAX_TLS_HANDSHAKE && answer.alert == NO_APPLICATION_PROTOCOL);
}

Test(tls_hello, rfc6066_3_a_host_name_is_well_formed)
{
    hello_set(&hello, EXT_SERVER_NAME, "\x00\x00", 2);
    cr_assert_eq(alert(), DECODE_ERROR, "an empty list");
    hello_set(&hello, EXT_SERVER_NAME, "\x00\x04\x00\x00\x05x", 6);
    cr_assert_eq(alert(), DECODE_ERROR, "longer than the list");
    hello_set(&hello, EXT_SERVER_NAME, "\x00\x06\x00\x00\x03x\0y", 8);
    cr_assert_neq(alert(), -1, "a zero within");
    hello_set(&hello, EXT_SERVER_NAME, "\x00\x06\x00\x00\x03x.y", 8);
    cr_assert(accepted());
}

/* ---- 4.2.9, 4.2.11: keys that are shared before ---- */

static int ticket_keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

/* The hello of a client that has been here before. */
static void hello_resuming(void)
{
    static uint8_t in[1 << 16], out[TLS_SHAKE_OUT_BYTES];
    struct tls_shake_result result;
    struct tls_shake *shake = tls_shake_new(server);
    enum wax_status status = WAX_MORE;
    char byte;
    SSL_CTX_set_session_cache_mode(client_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client_ctx, ticket_keep);
    peer_new();
    while (status == WAX_MORE) {
        size_t consumed, out_len;
        SSL_do_handshake(peer);
        int n = BIO_read(SSL_get_wbio(peer), in, sizeof in);
        status = tls_shake_input(shake, view_of(in, (size_t)n), span_of(out, sizeof out), &consumed, &out_len,
                                 &result);
        cr_assert_eq(consumed, (size_t)n);
        BIO_write(SSL_get_rbio(peer), out, (int)out_len);
    }
    cr_assert_eq(status, WAX_OK);
    tls_shake_free(shake);
    SSL_read(peer, &byte, 1);
    cr_assert_not_null(ticket);
    SSL_set_quiet_shutdown(peer, 1);
    SSL_shutdown(peer);
    peer_new();
    SSL_set_session(peer, ticket);
    hello_take(&hello, peer);
    cr_assert_eq(hello_find(&hello, EXT_PRE_SHARED_KEY), (int)hello.count - 1, "it offers its ticket");
}

/* A ServerHello that takes the ticket names it; else the handshake is a full one. */
static bool resumed(void)
{
    struct answer answer = answer_hello(server, &hello);
    cr_assert(answer.server_hello && answer.alert == -1);
    return hello_find(&answer.hello, EXT_PRE_SHARED_KEY) >= 0;
}

Test(tls_hello, rfc8446_4_2_11_a_good_ticket_is_taken)
{
    hello_resuming();
    cr_assert(resumed(), "or what follows proves nothing");
}

Test(tls_hello, rfc8446_4_2_11_pre_shared_key_is_last)
{
    hello_resuming();
    hello_add(&hello, 0x0A0A, "", 0);
    cr_assert_eq(alert(), ILLEGAL_PARAMETER);
}

Test(tls_hello, rfc8446_4_2_11_2_a_binder_must_verify)
{
    hello_resuming();
    struct hello_part *key = &hello.extension[hello.count - 1];
    key->bytes[key->len - 1] ^= 1;
    cr_assert_eq(alert(), ILLEGAL_PARAMETER);
    key->bytes[key->len - 1] ^= 1;
    cr_assert(resumed());
    hello.random[5] ^= 1; /* what the binder binds */
    cr_assert_eq(alert(), ILLEGAL_PARAMETER);
}

Test(tls_hello, rfc8446_4_2_11_every_identity_has_a_binder)
{
    hello_resuming();
    struct hello_part *key = &hello.extension[hello.count - 1];
    size_t identities = load_be16(key->bytes);
    key->bytes[key->len++] = 0; /* a second binder, of no length: not allowed either */
    store_be16(key->bytes + 2 + identities, (uint16_t)(load_be16(key->bytes + 2 + identities) + 1));
    cr_assert_neq(alert(), -1);
    /* no binders at all */
    store_be16(key->bytes + 2 + identities, 0);
    key->len = 2 + identities + 2;
    cr_assert_neq(alert(), -1);
}

Test(tls_hello, rfc8446_4_2_9_pre_shared_key_needs_its_modes)
{
    hello_resuming();
    hello_remove(&hello, EXT_PSK_MODES);
    cr_assert_eq(alert(), MISSING_EXTENSION);
}

Test(tls_hello, rfc8446_4_2_9_psk_without_ecdhe_is_not_taken)
{
    hello_resuming();
    hello_set(&hello, EXT_PSK_MODES, "\x01\x00", 2); /* psk_ke alone */
    cr_assert_not(resumed(), "a full handshake");
    hello_set(&hello, EXT_PSK_MODES, "\x02\x0A\x0B", 3);
    cr_assert_not(resumed(), "unknown ones are passed over");
}

Test(tls_hello, rfc8446_4_2_11_a_ticket_is_for_suites_of_its_hash)
{
    hello_resuming();
    hello.suites = (struct hello_part){{0x13, 0x02}, 2}; /* SHA-384, and the ticket is of SHA-256 */
    cr_assert_not(resumed());
}

Test(tls_hello, rfc8446_4_2_11_an_unknown_identity_is_passed_over)
{
    hello_resuming();
    struct hello_part *key = &hello.extension[hello.count - 1];
    memset(key->bytes + 4, 0x55, 32); /* the ticket's beginning: the name of its key */
    cr_assert_not(resumed());
}

/* ---- 4.1.4: HelloRetryRequest ---- */

/* A handshake that has been asked to try again with P-256; `hello` is what it will say then, if unchanged. */
static struct tls_shake *retried(void)
{
    uint8_t bytes[HELLO_BYTES];
    struct tls_shake *shake = tls_shake_new(server);
    hello_set(&hello, EXT_GROUPS, "\x00\x04\x00\x1d\x00\x17", 6);
    hello_set(&hello, EXT_KEY_SHARE, "\x00\x00", 2);
    struct answer answer = answer_to(shake, bytes, hello_write(&hello, bytes));
    cr_assert(answer.retry && answer.status == WAX_MORE);
    const uint8_t key[32] = {9};
    share_set(0x001d, key, sizeof key);
    return shake;
}

static struct answer second(struct tls_shake *shake)
{
    uint8_t bytes[HELLO_BYTES];
    struct answer answer = answer_to(shake, bytes, hello_write(&hello, bytes));
    tls_shake_free(shake);
    return answer;
}

Test(tls_hello, rfc8446_4_1_4_a_second_hello_leads_on)
{
    struct answer answer = second(retried());
    cr_assert(answer.server_hello && answer.alert == -1);
}

Test(tls_hello, rfc8446_4_1_4_the_second_hello_has_the_share_that_was_asked_for)
{
    struct tls_shake *shake = retried();
    hello_set(&hello, EXT_KEY_SHARE, "\x00\x00", 2);
    struct answer answer = second(shake);
    cr_assert(!answer.retry && answer.alert == ILLEGAL_PARAMETER, "and there is no second retry");
    shake = retried();
    uint8_t point[65] = {4};
    share_set(0x0017, point, sizeof point);
    cr_assert_eq(second(shake).alert, ILLEGAL_PARAMETER, "of another group");
}

Test(tls_hello, rfc8446_4_1_4_the_second_hello_keeps_the_suite)
{
    struct tls_shake *shake = retried();
    hello.suites = (struct hello_part){{0x13, 0x02}, 2};
    cr_assert_eq(second(shake).alert, ILLEGAL_PARAMETER);
}

Test(tls_hello, rfc8446_4_2_10_early_data_does_not_follow_a_retry)
{
    struct tls_shake *shake = retried();
    hello_add(&hello, EXT_EARLY_DATA, "", 0);
    cr_assert_neq(second(shake).alert, -1);
}

Test(tls_hello, rfc8446_4_1_2_there_is_no_third_hello)
{
    uint8_t bytes[HELLO_BYTES];
    struct tls_shake *shake = tls_shake_new(server);
    size_t n = hello_write(&hello, bytes);
    cr_assert(answer_to(shake, bytes, n).server_hello);
    cr_assert_eq(answer_to(shake, bytes, n).status, WAX_TLS_HANDSHAKE, "nor a second without a retry");
    tls_shake_free(shake);
}
