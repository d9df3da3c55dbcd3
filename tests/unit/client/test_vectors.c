/* SPDX-License-Identifier: BSD-3-Clause */
/* The C codec against frames that tests/e2e/vectors.py made from the protocol's page, sharing no code with
 * it. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>

#include "relay/envelope.h"

#define IDENT  0x0123456789ABCDEFull
#define NOW_MS 0x0000018BCFE56800ull

static uint8_t vector[1024], out[1024];
static uint8_t key[32], nonce[16], relay_nonce[32], relay_id[16], signature[64], binding[32];
static struct name peer = {.device = 0x0203};

static void fill(uint8_t *bytes, size_t len, uint8_t first)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(first + i);
}

static void begin(void)
{
    fill(key, sizeof key, 0);
    fill(nonce, sizeof nonce, 0x40);
    fill(peer.user, sizeof peer.user, 0x80);
    fill(relay_nonce, sizeof relay_nonce, 0xA0);
    fill(relay_id, sizeof relay_id, 0xD0);
    fill(signature, sizeof signature, 0);
    fill(binding, sizeof binding, 0x10);
}

/* The frame of that name in the file. */
static struct view vector_of(const char *wanted)
{
    char name[64], text[2049];
    size_t len = 0;
    FILE *file = fopen(VECTORS_FILE, "r");

    cr_assert_not_null(file);
    while (fscanf(file, "%63s %2048s", name, text) == 2) {
        if (strcmp(name, wanted) == 0)
            cr_assert_eq(sodium_hex2bin(vector, sizeof vector, text, strlen(text), NULL, &len, NULL), 0);
    }
    fclose(file);
    cr_assert_gt(len, 0, "no vector %s", wanted);
    return view_of(vector, len);
}

static void same(const char *name, size_t len)
{
    struct view wanted = vector_of(name);

    cr_assert_eq(len, wanted.len, "%s: %zu bytes instead of %zu", name, len, wanted.len);
    cr_assert_arr_eq(out, wanted.data, len, "%s", name);
}

TestSuite(vectors, .init = begin);

Test(vectors, hello)
{
    struct frame_hello hello = {.device = 5, .account_key = key, .client_nonce = nonce};
    same("hello", frame_write_hello(span_of(out, sizeof out), &hello));
    hello.device = 0xFFFF;
    hello.flags = WIRE_HELLO_RESUME | WIRE_HELLO_BINDING | WIRE_HELLO_SEND_ONLY;
    hello.token = view_of("token", 5);
    hello.invite = view_of("invite", 6);
    same("hello_resume", frame_write_hello(span_of(out, sizeof out), &hello));
    struct frame_hello read;
    cr_assert_eq(frame_parse_hello(vector_of("hello_resume"), &read), WAX_OK);
    cr_assert_eq(read.device, 0xFFFF);
    cr_assert_eq(read.flags, 7);
    cr_assert_arr_eq(read.account_key, key, sizeof key);
    cr_assert_arr_eq(read.client_nonce, nonce, sizeof nonce);
    cr_assert_eq(read.token.len, 5);
    cr_assert_eq(read.invite.len, 6);
}

Test(vectors, proof)
{
    struct frame_proof proof = {.flags = WIRE_PROOF_BINDING, .signature = signature};
    same("proof", frame_write_proof(span_of(out, sizeof out), &proof));
    frame_write_proof_signed(out, relay_id, relay_nonce, nonce, 0x0203, binding);
    same("proof_text", WIRE_PROOF_SIGNED_BYTES);
}

Test(vectors, send_and_ack)
{
    struct frame_send read, send = {
                                .flags = WIRE_SEND_URGENT,
                                .to = peer,
                                .ttl_s = 0x01020304,
                                .id = IDENT,
                                .payload = view_of("payload", 7),
                            };
    same("send", frame_write_send(span_of(out, sizeof out), &send));
    cr_assert_eq(frame_parse_send(vector_of("send"), &read), WAX_OK);
    cr_assert(read.id == IDENT && read.ttl_s == 0x01020304 && read.flags == WIRE_SEND_URGENT);
    cr_assert(name_same(&read.to, &peer));
    cr_assert_arr_eq(read.payload.data, "payload", 7);
    send = (struct frame_send){.to = peer, .id = 1};
    send.to.device = 1;
    same("send_empty", frame_write_send(span_of(out, sizeof out), &send));
    same("ack", frame_write_ack(span_of(out, sizeof out), 0xFEDCBA98));
}

Test(vectors, challenge)
{
    struct frame_challenge read,
        challenge = {.relay_nonce = relay_nonce, .relay_id = relay_id, .time_ms = NOW_MS};
    same("challenge", frame_write_challenge(span_of(out, sizeof out), &challenge));
    cr_assert_eq(frame_parse_challenge(vector_of("challenge"), &read), WAX_OK);
    cr_assert_arr_eq(read.relay_nonce, relay_nonce, sizeof relay_nonce);
    cr_assert_arr_eq(read.relay_id, relay_id, sizeof relay_id);
    cr_assert_eq(read.time_ms, NOW_MS);
}

Test(vectors, welcome)
{
    struct frame_welcome read, welcome = {
                                   .flags = WIRE_WELCOME_NEW_ACCOUNT | WIRE_WELCOME_RESUMED,
                                   .device = 0x0203,
                                   .payload_bytes_max = 65536,
                                   .time_ms = NOW_MS,
                                   .user = peer.user,
                                   .window = 256,
                                   .waiting = WIRE_WAITING_UNKNOWN,
                                   .heartbeat_s = 240,
                                   .token = view_of("token", 5),
                                   .media_token = view_of("media", 5),
                               };
    same("welcome", frame_write_welcome(span_of(out, sizeof out), &welcome));
    cr_assert_eq(frame_parse_welcome(vector_of("welcome"), &read), WAX_OK);
    cr_assert(read.flags == 3 && read.device == 0x0203 && read.payload_bytes_max == 65536);
    cr_assert(read.window == 256 && read.waiting == WIRE_WAITING_UNKNOWN && read.heartbeat_s == 240);
    cr_assert_arr_eq(read.user, peer.user, WAX_USER_BYTES);
    cr_assert_arr_eq(read.media_token.data, "media", 5);
}

Test(vectors, deliver)
{
    struct frame_deliver read, deliver = {
                                   .flags = WIRE_DELIVER_MULTI | WIRE_DELIVER_STORED,
                                   .from = peer,
                                   .seq = 0x04050607,
                                   .id = IDENT,
                                   .taken_ms = NOW_MS,
                                   .head_bytes = 2,
                                   .payload = view_of("head and shared", 15),
                               };
    size_t len = frame_write_deliver_head(span_of(out, sizeof out), &deliver);
    memcpy(out + len, "head and shared", 15);
    same("deliver", len + 15);
    cr_assert_eq(frame_parse_deliver(vector_of("deliver"), &read), WAX_OK);
    cr_assert(read.seq == 0x04050607 && read.id == IDENT && read.taken_ms == NOW_MS && read.head_bytes == 2);
    cr_assert(name_same(&read.from, &peer));
    cr_assert_eq(read.payload.len, 15);
}

Test(vectors, status)
{
    struct frame_status_entry first = {.kind = WIRE_DELIVERED, .about = peer, .id = IDENT};
    struct frame_status_entry second = {
        .kind = WIRE_REJECTED, .reason = WIRE_REASON_BUSY, .about = peer, .id = IDENT + 1};
    struct frame_status read;
    second.about.device = 1;
    frame_open_status(span_of(out, sizeof out));
    frame_append_status(span_of(out, sizeof out), &first);
    same("status", frame_append_status(span_of(out, sizeof out), &second));
    cr_assert_eq(frame_parse_status(vector_of("status"), &read), WAX_OK);
    cr_assert_eq(read.count, 2);
    struct frame_status_entry entry = frame_status_entry(&read, 1);
    cr_assert(entry.kind == WIRE_REJECTED && entry.reason == WIRE_REASON_BUSY && entry.id == IDENT + 1);
    cr_assert(name_same(&entry.about, &second.about));
}

Test(vectors, error)
{
    struct frame_error read, error = {.code = 130, .request = 0x01020304, .text = view_of("unknown", 7)};
    same("error", frame_write_error(span_of(out, sizeof out), &error));
    cr_assert_eq(frame_parse_error(vector_of("error"), &read), WAX_OK);
    cr_assert(read.code == 130 && read.request == 0x01020304 && read.text.len == 7);
}
