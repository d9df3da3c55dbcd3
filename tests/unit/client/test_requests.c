/* SPDX-License-Identifier: BSD-3-Clause */
#include <sodium.h>

#include "bench.h"
#include "relay/envelope.h"
#include "waxwire/request.h"

TestSuite(requests, .init = bench_begin, .fini = bench_end);

static struct view next(void)
{
    client_to_relay();
    const struct relay_frame *frame = relay_next(&bench.relay);
    cr_assert_not_null(frame, "a frame");
    return view_of(frame->data, frame->len);
}

Test(requests, each_has_a_number_and_its_answer)
{
    uint32_t first = 0, second = 0;
    uint8_t ok[WIRE_OK_BYTES], bob[WAX_USER_BYTES] = {0xb0};
    struct wire_device device;
    struct wire_block block;
    open_session(256);
    cr_assert_eq(wax_client_device(bench.client, 1, 0, &first), WAX_OK);
    cr_assert(wire_device_read(next(), &device));
    cr_assert(device.what == 1 && device.request == first);
    cr_assert_eq(wax_client_block(bench.client, 1, bob, &second), WAX_OK);
    cr_assert(wire_block_read(next(), &block));
    cr_assert(block.what == 1 && block.request == second && second != first);
    cr_assert_arr_eq(block.user, bob, WAX_USER_BYTES);
    relay_say(&bench.relay, view_of(ok, wire_ok_write(span_of(ok, sizeof ok), second)));
    exchange();
    cr_assert_eq(bench.replies, 1);
    cr_assert(bench.last_reply.type == WIRE_OK && bench.last_reply.request == second);
    cr_assert_eq(wax_client_block(bench.client, 5, NULL, &second), WAX_OK);
    cr_assert(wire_block_read(next(), &block));
    cr_assert_eq(block.user[0], 0);
}

Test(requests, keys_are_put_with_the_accounts_signature_over_device_and_bundle)
{
    struct view keys[2] = {view_of("one", 3), view_of("another", 7)}, key;
    uint8_t text[WIRE_KEYS_SIGNED_BYTES + 6];
    struct wire_keys_put put;
    uint32_t request;
    open_session(256);
    cr_assert_eq(wax_client_keys_put(bench.client, view_of("bundle", 6), keys, 2, true, &request), WAX_OK);
    cr_assert(wire_keys_put_read(next(), &put));
    cr_assert(put.flags == WIRE_KEYS_PUT_REPLACE && put.request == request && put.count == 2);
    cr_assert_eq(put.device, bench.config.device);
    wire_keys_signed_write(text, bench.config.identity.user, put.device);
    memcpy(text + WIRE_KEYS_SIGNED_BYTES, "bundle", 6);
    cr_assert_eq(
        crypto_sign_verify_detached(put.signature, text, sizeof text, bench.config.identity.account_key), 0);
    cr_assert(wire_key_next(&put.keys, &key) && key.len == 3);
    cr_assert(wire_key_next(&put.keys, &key) && key.len == 7);
    cr_assert_arr_eq(key.data, "another", 7);
}

Test(requests, keys_that_the_relay_would_refuse_are_not_sent)
{
    static uint8_t large[WAX_BUNDLE_BYTES_MAX + 1];
    struct view empty = view_of(large, 0), key = view_of(large, WAX_ONE_TIME_KEY_BYTES_MAX + 1);
    uint32_t request;
    open_session(256);
    cr_assert_eq(wax_client_keys_put(bench.client, empty, NULL, 0, false, &request), WAX_BAD_ARGUMENT);
    cr_assert_eq(wax_client_keys_put(bench.client, view_of(large, sizeof large), NULL, 0, false, &request),
                 WAX_BAD_ARGUMENT);
    cr_assert_eq(wax_client_keys_put(bench.client, view_of("b", 1), &key, 1, false, &request),
                 WAX_BAD_ARGUMENT);
    cr_assert_eq(wax_client_keys_put(bench.client, view_of("b", 1), &empty, 1, false, &request),
                 WAX_BAD_ARGUMENT);
    cr_assert_eq(wax_client_keys_put(bench.client, view_of("b", 1), NULL, 201, false, &request),
                 WAX_BAD_ARGUMENT);
    client_to_relay();
    cr_assert_null(relay_next(&bench.relay));
}

Test(requests, keys_are_asked_for_and_running_low_is_told)
{
    uint8_t bob[WAX_USER_BYTES] = {0xb0}, low[WIRE_KEYS_LOW_BYTES];
    struct wire_keys_get get;
    uint32_t request;
    open_session(256);
    cr_assert_eq(wax_client_keys_get(bench.client, bob, 0, true, &request), WAX_OK);
    cr_assert(wire_keys_get_read(next(), &get));
    cr_assert(get.flags == WIRE_KEYS_GET_TAKE && get.device == 0 && get.request == request);
    relay_say(&bench.relay, view_of(low, wire_keys_low_write(span_of(low, sizeof low), 1, 19)));
    exchange();
    cr_assert(bench.last_reply.type == WIRE_KEYS_LOW && bench.last_reply.request == 0);
}

Test(requests, an_error_names_the_request_and_the_session_goes_on)
{
    uint8_t out[64];
    uint32_t request;
    struct frame_error error = {WIRE_ERROR_RATE, 0, view_of("later", 5)};
    open_session(256);
    cr_assert_eq(wax_client_device(bench.client, 1, 0, &request), WAX_OK);
    error.request = request;
    relay_say(&bench.relay, view_of(out, frame_write_error(span_of(out, sizeof out), &error)));
    exchange();
    cr_assert(bench.errors == 1 && bench.last_error.request == request);
    cr_assert(wax_client_is_open(bench.client));
}

Test(requests, read_goes_behind_the_ack_of_what_was_delivered)
{
    struct frame_read read;
    wax_client_destroy(bench.client);
    bench.config.ack_delay_ms = 900;
    wax_client_create(&bench.client, &bench.config);
    open_session(256);
    relay_say_deliver(&bench.relay, 1, 77, 0, 3, view_of("hi", 2));
    exchange();
    cr_assert_eq(wax_client_read(bench.client, bench.last_message.sender, 1, 77), WAX_OK);
    client_to_relay();
    cr_assert_eq(next_ack(), 1);
    cr_assert_eq(frame_parse_read(next(), &read), WAX_OK);
    cr_assert_eq(read.count, 1);
    cr_assert_eq(frame_read_entry(read.entries).id, 77);
    cr_assert_arr_eq(frame_read_entry(read.entries).sender.user, bench.last_message.sender, WAX_USER_BYTES);
}

Test(requests, without_a_session_there_are_none)
{
    uint8_t bob[WAX_USER_BYTES] = {0xb0};
    uint32_t request;
    cr_assert_eq(wax_client_device(bench.client, 1, 0, &request), WAX_CLIENT_NOT_OPEN);
    cr_assert_eq(wax_client_block(bench.client, 1, bob, &request), WAX_CLIENT_NOT_OPEN);
    cr_assert_eq(wax_client_keys_get(bench.client, bob, 0, false, &request), WAX_CLIENT_NOT_OPEN);
    cr_assert_eq(wax_client_keys_put(bench.client, view_of("b", 1), NULL, 0, false, &request),
                 WAX_CLIENT_NOT_OPEN);
    cr_assert_eq(wax_client_read(bench.client, bob, 1, 1), WAX_CLIENT_NOT_OPEN);
}

Test(requests, an_answer_that_is_cut_off_ends_the_session)
{
    open_session(256);
    relay_say(&bench.relay, view_of("\xb0\0\0\0", 4));
    cr_assert_eq(exchange(), WAX_FRAME_MALFORMED);
}
