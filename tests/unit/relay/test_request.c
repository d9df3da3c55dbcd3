/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests that the control plane answers, as the worker of the session sees them. */
#include "waxwire/request.h"

#include "toy_session.h"

TestSuite(request, .init = start);

static enum wax_status ask_devices(uint32_t number)
{
    struct wire_device device = {WIRE_DEVICE_LIST, 0, number};
    return feed(wire_device_write(span_of(out, sizeof out), &device));
}

static void answer_with(const struct channel_request *request, struct view bytes)
{
    static uint8_t memory[4096];
    struct channel_answer *answer = (struct channel_answer *)(void *)memory;
    answer->tag = request->tag;
    answer->slot = request->slot;
    answer->serial = request->serial;
    answer->frame_bytes = (uint32_t)bytes.len;
    memcpy(answer->frame, bytes.data, bytes.len);
    session_answer(&env, answer);
}

static void answer_ok(const struct channel_request *request)
{
    uint8_t bytes[WIRE_OK_BYTES];
    answer_with(request, view_of(bytes, wire_ok_write(span_of(bytes, sizeof bytes),
                                                      wire_request_number(view_of(request->frame, 8)))));
}

static void expect_rate(uint32_t number)
{
    struct frame_error error;
    cr_assert_eq(frame_parse_error(next_frame(), &error), WAX_OK);
    cr_assert_eq(error.code, WIRE_ERROR_RATE);
    cr_assert_eq(error.request, number);
}

Test(request, a_request_goes_to_control_whole_and_its_answer_to_the_client)
{
    open_session();
    struct wire_block block = {WIRE_BLOCK_USER, 77, (const uint8_t *)"0123456789abcdef"};
    size_t len = wire_block_write(span_of(out, sizeof out), &block);
    cr_assert_eq(feed(len), WAX_OK);
    const struct channel_request *request = toy_record(CHANNEL_REQUEST);
    cr_assert_not_null(request);
    cr_assert_eq(request->tag, channel_conn_tag(3, 4));
    cr_assert_eq(request->name.device, 1);
    cr_assert_eq(request->name.user[0], 0xCC);
    cr_assert_eq(request->frame_bytes, len);
    cr_assert_arr_eq(request->frame, out, len);
    cr_assert_eq(frame_head, frame_tail, "nothing is said before the answer");
    answer_ok(request);
    struct view frame = next_frame();
    cr_assert_eq(frame.len, 8);
    cr_assert_eq(frame.data[0], WIRE_OK);
    cr_assert_eq(wire_request_number(frame), 77);
    answer_ok(request);
    cr_assert_eq(frame_head, frame_tail, "one answer");
}

Test(request, a_broken_layout_is_fatal)
{
    static const uint8_t types[] = {WIRE_KEYS_PUT, WIRE_KEYS_GET, WIRE_DEVICE, WIRE_BLOCK};
    for (size_t i = 0; i < sizeof types; i++) {
        start();
        open_session();
        memset(out, 0, 64);
        out[0] = types[i];
        cr_assert_eq(feed(7), WAX_FRAME_MALFORMED);
        expect_error(WIRE_ERROR_MALFORMED);
        cr_assert_null(toy_record(CHANNEL_REQUEST));
    }
}

Test(request, before_WELCOME_it_is_not_authenticated)
{
    cr_assert_eq(ask_devices(1), WAX_FRAME_NOT_AUTHENTICATED);
    expect_error(WIRE_ERROR_NOT_AUTHENTICATED);
}

Test(request, more_than_a_session_may_have_are_refused_until_one_is_answered)
{
    const struct channel_request *request[WAX_REQUESTS_PER_SESSION];
    open_session();
    for (uint32_t i = 0; i < WAX_REQUESTS_PER_SESSION; i++) {
        cr_assert_eq(ask_devices(i), WAX_OK);
        request[i] = toy_record(CHANNEL_REQUEST);
        cr_assert_not_null(request[i]);
    }
    cr_assert_eq(ask_devices(100), WAX_OK);
    cr_assert_null(toy_record(CHANNEL_REQUEST));
    expect_rate(100);
    cr_assert_eq(closes, 0, "the session goes on");
    answer_ok(request[1]);
    cr_assert_eq(wire_request_number(next_frame()), 1);
    cr_assert_eq(ask_devices(101), WAX_OK);
    cr_assert_not_null(toy_record(CHANNEL_REQUEST));
}

Test(request, sessions_share_what_a_worker_may_have)
{
    open_session();
    for (uint32_t i = 0; i < WAX_REQUESTS_PER_WORKER; i++) { /* of others */
        env.requests.used[i / 64] |= UINT64_C(1) << i % 64;
        env.requests.slot[i].conn = 1000 + i;
    }
    ask_devices(5);
    expect_rate(5);
    env.requests.used[2] &= ~UINT64_C(1);
    ask_devices(6);
    const struct channel_request *request = toy_record(CHANNEL_REQUEST);
    cr_assert_not_null(request);
    cr_assert_eq(request->slot, 128);
}

Test(request, without_control_or_with_a_full_channel_it_is_refused)
{
    open_session();
    toy.control_away = true;
    ask_devices(9);
    expect_rate(9);
    toy.control_away = false;
    ask_devices(10);
    cr_assert_not_null(toy_record(CHANNEL_REQUEST), "nothing was kept of the refused one");
}

Test(request, who_does_not_read_may_not_ask_for_more)
{
    open_session();
    no_promise = true;
    ask_devices(9);
    expect_rate(9);
    cr_assert_null(toy_record(CHANNEL_REQUEST));
}

Test(request, an_answer_for_which_there_is_no_memory_becomes_rate_limited)
{
    static const uint8_t keys[100] = {WIRE_KEYS};
    open_session();
    ask_devices(21);
    const struct channel_request *request = toy_record(CHANNEL_REQUEST);
    no_room = true;
    answer_with(request, view_of(keys, sizeof keys));
    expect_rate(21);
    cr_assert_eq(closes, 0);
}

Test(request, when_control_goes_each_is_answered_once_and_late_answers_are_nobodys)
{
    open_session();
    ask_devices(1);
    const struct channel_request *first = toy_record(CHANNEL_REQUEST);
    ask_devices(2);
    session_requests_lost(&env);
    expect_rate(1);
    expect_rate(2);
    ask_devices(3); /* in a slot that was used before */
    const struct channel_request *third = toy_record(CHANNEL_REQUEST);
    while (third->slot != first->slot)
        third = toy_record(CHANNEL_REQUEST);
    answer_ok(first);
    cr_assert_eq(frame_head, frame_tail, "an answer of before");
    answer_ok(third);
    cr_assert_eq(wire_request_number(next_frame()), 3);
}

Test(request, an_answer_for_a_session_that_has_gone_gives_its_slot_back)
{
    open_session();
    ask_devices(1);
    const struct channel_request *request = toy_record(CHANNEL_REQUEST);
    session_end(&session, &env);
    answer_ok(request);
    cr_assert_eq(frame_head, frame_tail);
    for (uint32_t i = 0; i < REQUEST_WORDS; i++)
        cr_assert_eq(env.requests.used[i], 0);
}

static void tell_low(uint32_t left)
{
    struct channel_request nobody = {.tag = channel_conn_tag(3, 4), .slot = CHANNEL_SLOT_NONE};
    uint8_t bytes[WIRE_KEYS_LOW_BYTES];
    answer_with(&nobody, view_of(bytes, wire_keys_low_write(span_of(bytes, sizeof bytes), 1, left)));
}

static void expect_low(uint32_t left)
{
    struct view frame = next_frame();
    cr_assert_eq(frame.len, WIRE_KEYS_LOW_BYTES);
    cr_assert_eq(frame.data[0], WIRE_KEYS_LOW);
    cr_assert_eq(load_be16(frame.data + 2), 1);
    cr_assert_eq(load_be32(frame.data + 4), left);
}

Test(request, KEYS_LOW_is_written_and_one_that_comes_before_WELCOME_follows_it)
{
    open_session();
    tell_low(19);
    expect_low(19);
    start();
    log_in();
    tell_low(3);
    cr_assert_eq(frame_head, frame_tail, "nothing before WELCOME");
    struct item attached = {.kind = ITEM_ATTACHED};
    attached.u.attached.generation = 55;
    attached.u.attached.conn = 3;
    attached.u.attached.conn_generation = 4;
    session_item(&env, &attached, toy.now_us);
    cr_assert_eq(frame_type(next_frame()), WIRE_WELCOME);
    expect_low(3);
}

Test(request, while_control_is_replaced_requests_wait_and_messages_behind_them_too)
{
    open_session();
    session_requests_wait(&env, toy.now_us);
    cr_assert_eq(ask_devices(1), WAX_FULL);
    cr_assert_eq(frame_head, frame_tail);
    cr_assert_null(toy_record(CHANNEL_REQUEST));
    sessions_flush(&env, toy.now_us);
    cr_assert_eq(resumes, 0);
    session_requests_go_on(&env);
    sessions_flush(&env, toy.now_us);
    cr_assert_eq(resumes, 1);
    cr_assert_eq(ask_devices(1), WAX_OK);
    cr_assert_not_null(toy_record(CHANNEL_REQUEST));
}

Test(request, patience_with_a_control_plane_that_does_not_come_has_an_end)
{
    open_session();
    session_requests_wait(&env, toy.now_us);
    uint64_t until_us = env.patience_us;
    cr_assert_eq(until_us, toy.now_us + WAX_CONTROL_PATIENCE_MS * 1000ull);
    cr_assert_eq(ask_devices(1), WAX_FULL);
    session_requests_wait(&env, toy.now_us + 1000);
    cr_assert_eq(env.patience_us, until_us, "it was said before");
    toy.now_us = until_us;
    env.now_us = until_us;
    toy.control_away = true;
    sessions_flush(&env, toy.now_us);
    cr_assert_eq(resumes, 1);
    ask_devices(1);
    expect_rate(1);
}
