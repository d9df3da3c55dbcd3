/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/envelope.h"

#include <criterion/criterion.h>

static uint8_t out[4096];
static const uint8_t key[WAX_ACCOUNT_KEY_BYTES] = {1, 2, 3}, nonce[WAX_NONCE_BYTES] = {9, 8, 7};
static const uint8_t sixteen[16] = {4, 5, 6}, signature[WAX_SIGNATURE_BYTES] = {11, 12};

/* The type's parser, with somewhere to put the result. */
static enum wax_status parse(struct view frame)
{
    static union {
        struct frame_hello hello;
        struct frame_proof proof;
        struct frame_send send;
        uint32_t seq;
        struct frame_read read;
        struct frame_multi multi;
        struct frame_challenge challenge;
        struct frame_welcome welcome;
        struct frame_deliver deliver;
        struct frame_status status;
        struct frame_error error;
    } to;
    switch (frame_type(frame)) {
    case WIRE_HELLO:
        return frame_parse_hello(frame, &to.hello);
    case WIRE_PROOF:
        return frame_parse_proof(frame, &to.proof);
    case WIRE_SEND:
        return frame_parse_send(frame, &to.send);
    case WIRE_ACK:
        return frame_parse_ack(frame, &to.seq);
    case WIRE_SEND_MULTI:
        return frame_parse_multi(frame, &to.multi);
    case WIRE_READ:
        return frame_parse_read(frame, &to.read);
    case WIRE_CHALLENGE:
        return frame_parse_challenge(frame, &to.challenge);
    case WIRE_WELCOME:
        return frame_parse_welcome(frame, &to.welcome);
    case WIRE_DELIVER:
        return frame_parse_deliver(frame, &to.deliver);
    case WIRE_STATUS:
        return frame_parse_status(frame, &to.status);
    case WIRE_ERROR:
        return frame_parse_error(frame, &to.error);
    default:
        return WAX_FRAME_UNKNOWN;
    }
}

/* Every prefix of the frame shorter than `least` is malformed; the exact heap copy lets ASan watch. */
static void check_truncations(size_t len, size_t least)
{
    for (size_t cut = 1; cut < len; cut++) {
        uint8_t *copy = malloc(cut);
        memcpy(copy, out, cut);
        enum wax_status status = parse(view_of(copy, cut));
        free(copy);
        if (cut < least)
            cr_assert_eq(status, WAX_FRAME_MALFORMED, "type %02x cut to %zu", out[0], cut);
    }
    cr_assert_eq(parse(view_of(out, len)), WAX_OK);
}

static void check_left_over(size_t len)
{
    out[len] = 0;
    cr_assert_eq(parse(view_of(out, len + 1)), WAX_FRAME_MALFORMED, "type %02x with a byte left over",
                 out[0]);
}

static size_t hello(size_t token, size_t invite)
{
    struct frame_hello frame = {258,     WIRE_HELLO_SEND_ONLY,      key,
                                sixteen, view_of(signature, token), view_of(nonce, invite)};
    return frame_write_hello(span_of(out, sizeof out), &frame);
}

Test(envelope, hello_is_read_as_written)
{
    size_t len = hello(5, 7);
    cr_assert_eq(len, WIRE_HELLO_BYTES + 5 + 2 + 7);
    struct frame_hello back;
    cr_assert_eq(frame_parse_hello(view_of(out, len), &back), WAX_OK);
    cr_assert_eq(back.device, 258);
    cr_assert_eq(back.flags, WIRE_HELLO_SEND_ONLY);
    cr_assert_arr_eq(back.account_key, key, sizeof key);
    cr_assert_arr_eq(back.client_nonce, sixteen, 16);
    cr_assert_eq(back.token.len, 5);
    cr_assert_eq(back.invite.len, 7);
    cr_assert_arr_eq(back.invite.data, nonce, 7);
    check_truncations(len, len);
    check_left_over(len);
}

Test(envelope, hello_without_token_and_invite_has_its_two_lengths)
{
    size_t len = hello(0, 0);
    cr_assert_eq(len, 60);
    check_truncations(len, len);
    check_left_over(len);
}

Test(envelope, hello_of_another_version_is_told_apart_from_a_malformed_one)
{
    size_t len = hello(0, 0);
    struct frame_hello back;
    out[1] = 2;
    cr_assert_eq(frame_parse_hello(view_of(out, len), &back), WAX_SESSION_VERSION);
    cr_assert_eq(frame_parse_hello(view_of(out, 2), &back), WAX_SESSION_VERSION);
}

Test(envelope, hello_beyond_its_limits_is_malformed)
{
    size_t len = hello(0, 0);
    struct frame_hello back;
    store_be16(out + 2, 0);
    cr_assert_eq(frame_parse_hello(view_of(out, len), &back), WAX_FRAME_MALFORMED, "device 0");
    hello(0, 0);
    store_be16(out + 56, WAX_TOKEN_BYTES_MAX + 1);
    cr_assert_eq(frame_parse_hello(view_of(out, WIRE_HELLO_BYTES + WAX_TOKEN_BYTES_MAX + 3), &back),
                 WAX_FRAME_MALFORMED);
    hello(0, 0);
    store_be16(out + 58, WAX_INVITE_BYTES_MAX + 1);
    cr_assert_eq(frame_parse_hello(view_of(out, 60 + WAX_INVITE_BYTES_MAX + 1), &back), WAX_FRAME_MALFORMED);
}

Test(envelope, proof_has_one_length)
{
    struct frame_proof frame = {WIRE_PROOF_BINDING, signature}, back;
    size_t len = frame_write_proof(span_of(out, sizeof out), &frame);
    cr_assert_eq(len, 72);
    cr_assert_eq(frame_parse_proof(view_of(out, len), &back), WAX_OK);
    cr_assert_eq(back.flags, WIRE_PROOF_BINDING);
    cr_assert_arr_eq(back.signature, signature, sizeof signature);
    check_truncations(len, len);
    check_left_over(len);
}

Test(envelope, send_has_its_layout)
{
    struct frame_send frame = {WIRE_SEND_URGENT, {{7, 7}, 3}, 60, 0x0102030405060708, view_of("hello", 5)},
                      back;
    size_t len = frame_write_send(span_of(out, sizeof out), &frame);
    cr_assert_eq(len, 37);
    static const uint8_t head[] = {0x10, 2, 0, 3, 0, 0, 0, 60, 1, 2, 3, 4, 5, 6, 7, 8, 7, 7, 0};
    cr_assert_arr_eq(out, head, sizeof head);
    cr_assert_eq(frame_parse_send(view_of(out, len), &back), WAX_OK);
    cr_assert_eq(back.id, frame.id);
    cr_assert_eq(back.ttl_s, 60);
    cr_assert(name_same(&back.to, &frame.to));
    cr_assert_eq(back.payload.len, 5);
    check_truncations(len, WIRE_SEND_BYTES);
}

Test(envelope, send_may_be_empty_and_may_fill_a_frame)
{
    static uint8_t big[WAX_FRAME_BYTES_MAX + 1] = {WIRE_SEND};
    struct frame_send back;
    cr_assert_eq(frame_parse_send(view_of(big, WIRE_SEND_BYTES), &back), WAX_OK);
    cr_assert_eq(back.payload.len, 0);
    cr_assert_eq(frame_parse_send(view_of(big, WAX_FRAME_BYTES_MAX), &back), WAX_OK);
    cr_assert_eq(frame_parse_send(view_of(big, WAX_FRAME_BYTES_MAX + 1), &back), WAX_FRAME_MALFORMED);
}

Test(envelope, ack_has_one_length)
{
    uint32_t seq;
    size_t len = frame_write_ack(span_of(out, sizeof out), 0xFFFFFFFE);
    cr_assert_eq(len, 8);
    cr_assert_eq(frame_parse_ack(view_of(out, len), &seq), WAX_OK);
    cr_assert_eq(seq, 0xFFFFFFFE);
    out[1] = out[2] = out[3] = 0xFF; /* reserved: ignored */
    cr_assert_eq(frame_parse_ack(view_of(out, len), &seq), WAX_OK);
    check_truncations(len, len);
    check_left_over(len);
}

Test(envelope, send_multi_adds_up)
{
    struct span room = span_of(out, sizeof out);
    struct frame_multi multi = {.flags = WIRE_SEND_URGENT, .ttl_s = 9, .id = 0x1122334455667788};
    struct name first = {{1}, 2}, second = {{3}, 4};
    size_t len = frame_open_multi(room, &multi);
    cr_assert_eq(len, WIRE_SEND_MULTI_BYTES);
    len = frame_append_multi(room, len, &first, view_of("head", 4));
    len = frame_append_multi(room, len, &second, view_of(NULL, 0));
    cr_assert_eq(frame_append_multi(span_of(out, len + 19), len, &second, view_of(NULL, 0)), 0, "no room");
    len = frame_close_multi(room, len, view_of("shared", 6));
    cr_assert_eq(len, 24 + 20 + 4 + 20 + 6);
    check_truncations(len, len);
    cr_assert_eq(parse(view_of(out, len + 1)), WAX_FRAME_MALFORMED);
    struct frame_multi got;
    cr_assert_eq(frame_parse_multi(view_of(out, len), &got), WAX_OK);
    cr_assert_eq(got.count, 2);
    cr_assert_eq(got.flags, multi.flags);
    cr_assert_eq(got.ttl_s, 9);
    cr_assert_eq(got.id, multi.id);
    cr_assert_eq(got.entries.len, 44);
    cr_assert_eq(memcmp(got.shared.data, "shared", 6), 0);
    struct frame_multi_entry entry = frame_multi_entry(got.entries.data);
    cr_assert(name_same(&entry.to, &first));
    cr_assert_eq(entry.head_bytes, 4);
    store_be16(out + 2, 0);
    cr_assert_eq(parse(view_of(out, len)), WAX_FRAME_MALFORMED, "nobody");
    cr_assert_eq(parse(view_of(out, WIRE_SEND_MULTI_BYTES)), WAX_FRAME_MALFORMED);
}

Test(envelope, send_multi_has_1024_recipients_at_most)
{
    static uint8_t large[64 << 10];
    struct span room = span_of(large, sizeof large);
    struct frame_multi multi = {.id = 1};
    struct name name = {{1}, 2};
    size_t len = frame_open_multi(room, &multi);
    for (uint32_t i = 0; i < WAX_MULTI_RECIPIENTS_MAX; i++)
        len = frame_append_multi(room, len, &name, view_of(NULL, 0));
    cr_assert_eq(frame_append_multi(room, len, &name, view_of(NULL, 0)), 0);
    cr_assert_eq(frame_parse_multi(view_of(large, len), &multi), WAX_OK);
    store_be16(large + 2, WAX_MULTI_RECIPIENTS_MAX + 1);
    cr_assert_eq(frame_parse_multi(view_of(large, len + WIRE_MULTI_ENTRY_BYTES), &multi),
                 WAX_FRAME_MALFORMED);
}

Test(envelope, read_counts_its_entries)
{
    struct frame_read_entry entry = {{{7, 8}, 0x0102}, 0x1122334455667788};
    cr_assert_eq(frame_open_read(span_of(out, sizeof out)), WIRE_READ_BYTES);
    cr_assert_eq(frame_append_read(span_of(out, sizeof out), &entry), 36);
    entry.id++;
    cr_assert_eq(frame_append_read(span_of(out, 63), &entry), 0, "no room");
    cr_assert_eq(frame_append_read(span_of(out, sizeof out), &entry), 64);
    static const uint8_t head[] = {0x13, 0,    0,    2,    0,    0,    0,    0,    0,    0, 1,
                                   2,    0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 7, 8};
    cr_assert_arr_eq(out, head, sizeof head);
    check_truncations(64, 64);
    cr_assert_eq(parse(view_of(out, 65)), WAX_FRAME_MALFORMED);
    struct frame_read read;
    cr_assert_eq(frame_parse_read(view_of(out, 64), &read), WAX_OK);
    cr_assert_eq(read.count, 2);
    struct frame_read_entry got = frame_read_entry(read.entries + WIRE_READ_ENTRY_BYTES);
    cr_assert_eq(got.id, entry.id);
    cr_assert(name_same(&got.sender, &entry.sender));
}

Test(envelope, challenge_has_one_length)
{
    struct frame_challenge frame = {nonce, sixteen, 1700000000123}, back;
    size_t len = frame_write_challenge(span_of(out, sizeof out), &frame);
    cr_assert_eq(len, 64);
    cr_assert_eq(frame_parse_challenge(view_of(out, len), &back), WAX_OK);
    cr_assert_arr_eq(back.relay_nonce, nonce, sizeof nonce);
    cr_assert_arr_eq(back.relay_id, sixteen, 16);
    cr_assert_eq(back.time_ms, 1700000000123);
    check_truncations(len, len);
    check_left_over(len);
}

Test(envelope, welcome_is_read_as_written)
{
    struct frame_welcome frame = {1,
                                  7,
                                  65536,
                                  99,
                                  sixteen,
                                  256,
                                  WIRE_WAITING_UNKNOWN,
                                  240,
                                  view_of(nonce, 3),
                                  view_of(key, 4)},
                         back;
    size_t len = frame_write_welcome(span_of(out, sizeof out), &frame);
    cr_assert_eq(len, 44 + 3 + 2 + 4);
    cr_assert_eq(frame_parse_welcome(view_of(out, len), &back), WAX_OK);
    cr_assert_eq(back.window, 256);
    cr_assert_eq(back.waiting, WIRE_WAITING_UNKNOWN);
    cr_assert_eq(back.heartbeat_s, 240);
    cr_assert_eq(back.media_token.len, 4);
    check_truncations(len, len);
    check_left_over(len);
}

Test(envelope, deliver_is_read_as_written)
{
    struct frame_deliver
        frame = {WIRE_DELIVER_AGAIN | WIRE_DELIVER_STORED, {{3}, 9}, 77, 88, 99, 2, view_of("abc", 3)},
        back;
    size_t head = frame_write_deliver_head(span_of(out, sizeof out), &frame);
    cr_assert_eq(head, 44);
    memcpy(out + head, "abc", 3);
    cr_assert_eq(frame_parse_deliver(view_of(out, head + 3), &back), WAX_OK);
    cr_assert_eq(back.flags, 0x11);
    cr_assert_eq(back.seq, 77);
    cr_assert_eq(back.id, 88);
    cr_assert_eq(back.taken_ms, 99);
    cr_assert_eq(back.head_bytes, 2);
    cr_assert_eq(back.payload.len, 3);
    check_truncations(head + 3, WIRE_DELIVER_BYTES + 2); /* the head must be there */
}

Test(envelope, status_counts_its_entries)
{
    struct span room = span_of(out, WIRE_STATUS_BYTES + 2 * WIRE_STATUS_ENTRY_BYTES);
    struct frame_status_entry first = {WIRE_ACCEPTED, 0, {{1}, 2}, 3},
                              second = {WIRE_REJECTED, 8, {{4}, 5}, 6};
    cr_assert_eq(frame_open_status(room), 8);
    cr_assert_eq(frame_append_status(room, &first), 36);
    cr_assert_eq(frame_append_status(room, &second), 64);
    cr_assert_eq(frame_append_status(room, &second), 0, "there is no room for a third");
    struct frame_status status;
    cr_assert_eq(frame_parse_status(view_of(out, 64), &status), WAX_OK);
    cr_assert_eq(status.count, 2);
    struct frame_status_entry back = frame_status_entry(&status, 1);
    cr_assert_eq(back.kind, WIRE_REJECTED);
    cr_assert_eq(back.reason, 8);
    cr_assert_eq(back.id, 6);
    cr_assert(name_same(&back.about, &second.about));
    check_truncations(64, 64);
    check_left_over(64);
}

Test(envelope, error_carries_its_text)
{
    struct frame_error frame = {WIRE_ERROR_UNKNOWN_REQUEST, 5, view_of("what?", 5)}, back;
    size_t len = frame_write_error(span_of(out, sizeof out), &frame);
    cr_assert_eq(len, 13);
    cr_assert_eq(frame_parse_error(view_of(out, len), &back), WAX_OK);
    cr_assert_eq(back.code, 130);
    cr_assert_eq(back.request, 5);
    cr_assert_arr_eq(back.text.data, "what?", 5);
    check_truncations(len, len);
    check_left_over(len);
}

Test(envelope, writers_do_nothing_without_room)
{
    struct frame_proof proof = {0, signature};
    struct frame_challenge challenge = {nonce, sixteen, 0};
    struct frame_welcome welcome = {.user = sixteen};
    struct frame_error error = {1, 0, view_of("x", 1)};
    struct frame_send send = {.payload = view_of("x", 1)};
    struct frame_hello greeting = {1, 0, key, sixteen, {0}, {0}};
    struct frame_deliver deliver = {0};
    cr_assert_eq(frame_write_proof(span_of(out, 71), &proof), 0);
    cr_assert_eq(frame_write_challenge(span_of(out, 63), &challenge), 0);
    cr_assert_eq(frame_write_welcome(span_of(out, 45), &welcome), 0);
    cr_assert_eq(frame_write_error(span_of(out, 8), &error), 0);
    cr_assert_eq(frame_write_send(span_of(out, 32), &send), 0);
    cr_assert_eq(frame_write_send_head(span_of(out, 31), &send), 0);
    cr_assert_eq(frame_write_hello(span_of(out, 59), &greeting), 0);
    cr_assert_eq(frame_write_deliver_head(span_of(out, 43), &deliver), 0);
    cr_assert_eq(frame_write_ack(span_of(out, 7), 1), 0);
    cr_assert_eq(frame_open_status(span_of(out, 7)), 0);
}

Test(envelope, the_proof_is_over_context_ids_nonces_device_and_binding)
{
    uint8_t message[WIRE_PROOF_SIGNED_BYTES], binding[WAX_BINDING_BYTES] = {0xAA};
    frame_write_proof_signed(message, sixteen, nonce, signature, 0x0102, binding);
    cr_assert_arr_eq(message, "waxwire v1 proof\0", 17);
    cr_assert_arr_eq(message + 17, sixteen, 16);
    cr_assert_arr_eq(message + 33, nonce, 32);
    cr_assert_arr_eq(message + 65, signature, 16);
    cr_assert_eq(message[81], 1);
    cr_assert_eq(message[82], 2);
    cr_assert_eq(message[83], 0xAA);
    frame_write_proof_signed(message, sixteen, nonce, signature, 0x0102, NULL);
    for (size_t i = 83; i < sizeof message; i++)
        cr_assert_eq(message[i], 0);
}

Test(envelope, sequences_are_serial_numbers_that_skip_zero)
{
    cr_assert_eq(sequence_next(0), 1);
    cr_assert_eq(sequence_next(UINT32_MAX), 1);
    cr_assert(sequence_after(1, UINT32_MAX));
    cr_assert(!sequence_after(UINT32_MAX, 1));
    cr_assert(!sequence_after(5, 5));
}
