/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

TestSuite(sending, .init = bench_begin, .fini = bench_end);

Test(sending, ids_rise_from_milliseconds_times_two_to_the_twentieth)
{
    uint64_t a, b, c, d;
    wax_client_send(bench.client, &to_bob, NOW_MS, &a);
    wax_client_send(bench.client, &to_bob, NOW_MS, &b);
    wax_client_send(bench.client, &to_bob, NOW_MS - 1000, &c);
    wax_client_send(bench.client, &to_bob, NOW_MS + 1, &d);
    cr_assert_eq(a, NOW_MS << 20);
    cr_assert_eq(b, a + 1);
    cr_assert_eq(c, a + 2);
    cr_assert_eq(d, (NOW_MS + 1) << 20);
}

Test(sending, a_send_carries_what_was_asked)
{
    open_session(256);
    to_bob.flags = WIRE_SEND_URGENT;
    to_bob.ttl_s = 77;
    uint64_t id = send_one();
    struct frame_send send = next_send();
    cr_assert_eq(send.id, id);
    cr_assert_eq(send.flags, WIRE_SEND_URGENT);
    cr_assert_eq(send.ttl_s, 77);
    cr_assert_eq(send.to.device, 2);
    cr_assert_arr_eq(send.to.user, to_bob.recipient, WAX_USER_BYTES);
    cr_assert_eq(send.payload.len, 5);
    cr_assert_arr_eq(send.payload.data, "hello", 5);
}

Test(sending, what_is_sent_before_the_session_opens_goes_out_after_it)
{
    uint64_t id;
    wax_client_send(bench.client, &to_bob, NOW_MS, &id);
    open_session(256);
    bench.relay.read = 2;
    cr_assert_eq(next_send().id, id);
}

Test(sending, accepted_ends_custody_and_delivered_follows)
{
    open_session(256);
    uint64_t id = send_one();
    cr_assert_eq(wax_client_unanswered(bench.client), 1);
    relay_say_status(&bench.relay, WIRE_ACCEPTED, 0, id, &to_bob);
    exchange();
    cr_assert_eq(wax_client_unanswered(bench.client), 0);
    cr_assert(bench.last_status.first);
    relay_say_status(&bench.relay, WIRE_DELIVERED, 0, id, &to_bob);
    exchange();
    cr_assert_eq(bench.statuses, 2);
    cr_assert_not(bench.last_status.first);
    cr_assert_eq(bench.last_status.kind, WIRE_DELIVERED);
}

Test(sending, a_read_receipt_does_not_end_custody)
{
    open_session(256);
    uint64_t id = send_one();
    relay_say_status(&bench.relay, WIRE_READ_BY, 0, id, &to_bob);
    exchange();
    cr_assert_eq(wax_client_unanswered(bench.client), 1);
    cr_assert_not(bench.last_status.first);
}

Test(sending, an_answer_about_another_recipient_does_not_end_custody)
{
    open_session(256);
    uint64_t id = send_one();
    struct wax_client_message other = to_bob;
    other.recipient_device = 3;
    relay_say_status(&bench.relay, WIRE_ACCEPTED, 0, id, &other);
    exchange();
    cr_assert_eq(wax_client_unanswered(bench.client), 1);
}

Test(sending, no_more_than_the_window_is_unanswered_on_the_wire)
{
    uint64_t first = 0, id;
    open_session(4);
    for (int i = 0; i < 10; i++) {
        wax_client_send(bench.client, &to_bob, NOW_MS, &id);
        first = i == 0 ? id : first;
    }
    exchange();
    for (int i = 0; i < 4; i++)
        next_send();
    cr_assert_null(relay_next(&bench.relay));
    relay_say_status(&bench.relay, WIRE_ACCEPTED, 0, first + 1, &to_bob);
    exchange();
    cr_assert_eq(next_send().id, first + 4);
    cr_assert_null(relay_next(&bench.relay));
}

Test(sending, the_unanswered_are_sent_again_with_the_same_ids_in_order)
{
    uint64_t ids[5];
    open_session(256);
    for (int i = 0; i < 5; i++)
        ids[i] = send_one();
    relay_say_status(&bench.relay, WIRE_ACCEPTED, 0, ids[0], &to_bob);
    relay_say_status(&bench.relay, WIRE_REJECTED, WIRE_REASON_BUSY, ids[2], &to_bob);
    exchange();
    wax_client_disconnected(bench.client, WAX_TCP_RESET);
    cr_assert_eq(bench.last_closed.status, WAX_TCP_RESET);
    uint64_t fresh;
    wax_client_send(bench.client, &to_bob, NOW_MS, &fresh);
    open_session(256);
    bench.relay.read = 2;
    cr_assert_eq(next_send().id, ids[1]);
    cr_assert_eq(next_send().id, ids[3]);
    cr_assert_eq(next_send().id, ids[4]);
    cr_assert_eq(next_send().id, fresh);
    cr_assert_null(relay_next(&bench.relay));
}

Test(sending, a_receipt_for_a_message_not_sent_again_yet_ends_custody_too)
{
    open_session(256);
    uint64_t a = send_one(), b = send_one();
    wax_client_disconnected(bench.client, WAX_TCP_RESET);
    open_session(1);
    bench.relay.read = 2;
    cr_assert_eq(next_send().id, a);
    relay_say_status(&bench.relay, WIRE_DELIVERED, 0, b, &to_bob);
    exchange();
    cr_assert_eq(wax_client_unanswered(bench.client), 1);
    relay_say_status(&bench.relay, WIRE_ACCEPTED, 0, a, &to_bob);
    exchange();
    cr_assert_null(relay_next(&bench.relay));
    cr_assert_eq(wax_client_unanswered(bench.client), 0);
}

Test(sending, an_ephemeral_message_is_not_sent_again_and_says_so)
{
    open_session(256);
    to_bob.flags = WIRE_SEND_EPHEMERAL;
    uint64_t id = send_one();
    wax_client_disconnected(bench.client, WAX_TCP_RESET);
    cr_assert_eq(bench.last_status.id, id);
    cr_assert_eq(bench.last_status.kind, WIRE_REJECTED);
    cr_assert(bench.last_status.local);
    cr_assert_eq(wax_client_unanswered(bench.client), 0);
}

Test(sending, a_silent_message_is_written_once_and_never_kept)
{
    uint64_t id;
    to_bob.flags = WIRE_SEND_EPHEMERAL | WIRE_SEND_SILENT;
    cr_assert_eq(wax_client_send(bench.client, &to_bob, NOW_MS, &id), WAX_CLIENT_NOT_OPEN);
    open_session(256);
    id = send_one();
    cr_assert_eq(next_send().id, id);
    cr_assert_eq(wax_client_unanswered(bench.client), 0);
}

Test(sending, custody_is_bounded_in_bytes)
{
    uint64_t id;
    wax_client_destroy(bench.client);
    bench.config.kept_bytes_max = 12;
    wax_client_create(&bench.client, &bench.config);
    cr_assert_eq(wax_client_send(bench.client, &to_bob, NOW_MS, &id), WAX_OK);
    cr_assert_eq(wax_client_send(bench.client, &to_bob, NOW_MS, &id), WAX_OK);
    cr_assert_eq(wax_client_send(bench.client, &to_bob, NOW_MS, &id), WAX_FULL);
}

Test(sending, the_largest_payload_makes_a_frame_of_at_most_a_mebibyte)
{
    uint64_t id;
    uint8_t *bytes = calloc(1, WAX_PAYLOAD_BYTES_MAX + 1);
    open_session(256);
    to_bob.payload = view_of(bytes, WAX_PAYLOAD_BYTES_MAX + 1);
    cr_assert_eq(wax_client_send(bench.client, &to_bob, NOW_MS, &id), WAX_BAD_ARGUMENT);
    to_bob.payload.len = WAX_PAYLOAD_BYTES_MAX;
    send_one();
    cr_assert_eq(next_send().payload.len, WAX_PAYLOAD_BYTES_MAX);
    free(bytes);
}
