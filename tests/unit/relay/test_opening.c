/* SPDX-License-Identifier: BSD-3-Clause */
/* How a session opens, and what is refused before it is open. */
#include "toy_session.h"

/* Home has attached the session: the WELCOME that this brings. */
static struct frame_welcome welcomed(void)
{
    struct item attached = {.kind = ITEM_ATTACHED};
    attached.u.attached.conn = 3;
    attached.u.attached.conn_generation = 4;
    session_item(&env, &attached, toy.now_us);
    struct frame_welcome welcome;
    cr_assert_eq(frame_parse_welcome(next_frame(), &welcome), WAX_OK);
    return welcome;
}

Test(opening, opens_by_hello_challenge_proof_welcome, .init = start)
{
    cr_assert_eq(say_hello(), WAX_OK);
    struct frame_challenge challenge;
    cr_assert_eq(frame_parse_challenge(next_frame(), &challenge), WAX_OK);
    cr_assert_eq(challenge.relay_nonce[0], 0x77);
    cr_assert_eq(say_proof(0), WAX_OK);
    flush();
    cr_assert_eq(jobs, 1);
    cr_assert_eq(job.account_key[0], 2);
    cr_assert_eq(job.signature[0], 5);
    cr_assert_eq(job.message[33], 0x77, "the nonce is signed");
    cr_assert_eq(job.message[83], 0, "no binding");
    job.ok = 1;
    memset(job.user, 0xCC, sizeof job.user);
    session_verified(&session, &env, &job, toy.now_us);
    flush();
    struct channel_login *login = toy_record(CHANNEL_LOGIN);
    cr_assert_eq(login->tag, (uint64_t)3 << 32 | 4);
    cr_assert_eq(login->name.user[0], 0xCC);
    struct channel_login_reply reply = {.waiting = 12, .welcome = WIRE_WELCOME_NEW_ACCOUNT};
    session_login_reply(&session, &env, &reply, toy.now_us);
    flush();
    struct item *attach = toy_next_of(&toy.sends, ITEM_ATTACH);
    cr_assert_eq(attach->u.attach.peer_port, 99);
    cr_assert_eq(frame_head, frame_tail, "no WELCOME before home has attached it");
    struct frame_welcome welcome = welcomed();
    cr_assert_eq(welcome.window, 4);
    cr_assert_eq(welcome.waiting, 12);
    cr_assert_eq(welcome.flags, WIRE_WELCOME_NEW_ACCOUNT);
    cr_assert_eq(welcome.user[0], 0xCC);
    cr_assert_eq(openings.free_count, 4, "what only the opening needed has gone back");
}

/* HELLO with a token, for the session's account key (2, 0, …) and device. */
static void say_resume(struct view token, uint16_t device)
{
    uint8_t key[WAX_ACCOUNT_KEY_BYTES] = {2}, nonce[WAX_CLIENT_NONCE_BYTES] = {0};
    struct frame_hello hello = {.device = device,
                                .flags = WIRE_HELLO_RESUME,
                                .account_key = key,
                                .client_nonce = nonce,
                                .token = token};
    cr_assert_eq(feed(frame_write_hello(span_of(out, sizeof out), &hello)), WAX_OK);
}

/* A resume token for device 1 of a user, given so many ms ago. */
static struct view token_given(uint64_t ago_ms)
{
    static uint8_t token[TOKEN_BYTES];
    const uint8_t key[WAX_ACCOUNT_KEY_BYTES] = {2};
    const struct name name = {.user = {0xCC}, .device = 1};
    size_t len = token_make(&tokens, toy_mac, TOKEN_RESUME, &name, key, wall_ms(NULL) - ago_ms, token);
    return view_of(token, len);
}

static bool challenged(void)
{
    struct frame_challenge challenge;
    return frame_parse_challenge(next_frame(), &challenge) == WAX_OK;
}

Test(opening, a_good_token_opens_without_control_or_proof, .init = start)
{
    say_resume(token_given(1000), 1);
    cr_assert_eq(frame_head, frame_tail, "no CHALLENGE");
    flush();
    cr_assert_null(toy_record(CHANNEL_LOGIN));
    struct item *attach = toy_next_of(&toy.sends, ITEM_ATTACH);
    cr_assert_eq(attach->u.attach.name.user[0], 0xCC);
    struct frame_welcome welcome = welcomed();
    cr_assert_eq(welcome.flags, WIRE_WELCOME_RESUMED);
    cr_assert_eq(welcome.waiting, WIRE_WAITING_UNKNOWN);
    cr_assert_eq(welcome.token.len, TOKEN_BYTES, "a fresh one");
    cr_assert_eq(welcome.media_token.len, TOKEN_BYTES);
    cr_assert_eq(toy.metrics.sessions_resumed, 1);
}

Test(opening, any_other_token_falls_back_to_challenge, .init = start)
{
    uint8_t forged[TOKEN_BYTES];
    memcpy(forged, token_given(1000).data, sizeof forged);
    forged[60] ^= 1;
    const struct view bad[] = {view_of(forged, sizeof forged), view_of("short", 5), view_of(NULL, 0)};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        start();
        say_resume(bad[i], 1);
        cr_assert(challenged(), "forged %zu", i);
    }
    start();
    say_resume(token_given(3600000), 1);
    cr_assert(challenged(), "stale");
    cr_assert_eq(toy.metrics.status[WAX_TOKEN_STALE], 1);
    start();
    say_resume(token_given(1000), 2);
    cr_assert(challenged(), "of another device");
    cr_assert_eq(toy.metrics.status[WAX_TOKEN_FORGED], 1);
}

Test(opening, welcome_has_no_tokens_while_there_are_no_keys, .init = start)
{
    tokens.key_count = 0;
    open_session();
    struct frame_welcome welcome;
    cr_assert_eq(frame_parse_welcome(view_of(frames[1], frame_len[1]), &welcome), WAX_OK);
    cr_assert(welcome.token.len == 0 && welcome.media_token.len == 0);
}

Test(opening, any_other_frame_before_welcome_is_error_2, .init = start)
{
    cr_assert_eq(say_send(1, 1, 0, 1), WAX_FRAME_NOT_AUTHENTICATED);
    expect_error(2);
    cr_assert_eq(say_send(1, 1, 0, 1), WAX_OK, "a failed session takes nothing more");
}

Test(opening, a_proof_without_a_challenge_is_error_2, .init = start)
{
    cr_assert_eq(say_proof(0), WAX_FRAME_NOT_AUTHENTICATED);
    expect_error(2);
}

Test(opening, hello_twice_is_error_1_also_before_welcome, .init = start)
{
    say_hello();
    next_frame();
    cr_assert_eq(say_hello(), WAX_FRAME_MALFORMED);
    expect_error(1);
}

Test(opening, hello_after_welcome_is_error_1, .init = start)
{
    open_session();
    cr_assert_eq(say_hello(), WAX_FRAME_MALFORMED);
    expect_error(1);
}

Test(opening, another_version_is_error_4, .init = start)
{
    out[0] = WIRE_HELLO;
    out[1] = 9;
    cr_assert_eq(feed(60), WAX_SESSION_VERSION);
    expect_error(4);
}

Test(opening, an_empty_frame_is_error_1, .init = start)
{
    cr_assert_eq(feed(0), WAX_FRAME_MALFORMED);
    expect_error(1);
}

Test(opening, a_bad_proof_is_error_3, .init = start)
{
    say_hello();
    next_frame();
    say_proof(0);
    flush();
    job.ok = 0;
    session_verified(&session, &env, &job, toy.now_us);
    expect_error(3);
}

Test(opening, binding_is_signed_when_proof_says_so_and_refused_on_a_plain_listener, .init = start)
{
    say_hello();
    next_frame();
    cr_assert_eq(say_proof(WIRE_PROOF_BINDING), WAX_OK);
    flush();
    cr_assert_eq(job.message[83], 0xBB);
    start();
    cr_assert(session_end(&session, &env));
    no_binding = true;
    begin();
    say_hello();
    next_frame();
    cr_assert_eq(say_proof(WIRE_PROOF_BINDING), WAX_SESSION_BAD_PROOF);
    expect_error(3);
}

Test(opening, control_may_refuse, .init = start)
{
    static const uint8_t codes[] = {WIRE_ERROR_NOT_INVITED, WIRE_ERROR_SUSPENDED, WIRE_ERROR_DEVICES};
    for (size_t i = 0; i < sizeof codes; i++) {
        start();
        say_hello();
        next_frame();
        say_proof(0);
        flush();
        job.ok = 1;
        session_verified(&session, &env, &job, toy.now_us);
        flush();
        struct channel_login_reply reply = {.error = codes[i]};
        session_login_reply(&session, &env, &reply, toy.now_us);
        expect_error(codes[i]);
    }
}

Test(opening, no_hello_or_proof_in_time_is_error_7, .init = start)
{
    cr_assert_eq(session_deadline_us(&session, &env), toy.now_us + 10000000);
    toy.now_us += 9999999;
    session_tick(&session, &env, toy.now_us);
    cr_assert_eq(closes, 0);
    say_hello();
    next_frame();
    cr_assert_eq(session_deadline_us(&session, &env), toy.now_us + 10000000, "PROOF has its own time");
    toy.now_us += 10000000;
    session_tick(&session, &env, toy.now_us);
    expect_error(7);
    cr_assert_eq(openings.free_count, 4);
}

Test(opening, the_relay_pings_after_a_heartbeat_and_closes_after_two, .init = start)
{
    open_session();
    toy.now_us += 9999999;
    session_tick(&session, &env, toy.now_us);
    cr_assert_eq(pings, 0);
    toy.now_us += 1 + SESSION_HEARD_US;
    session_tick(&session, &env, toy.now_us);
    cr_assert_eq(pings, 1);
    session_tick(&session, &env, toy.now_us);
    cr_assert_eq(pings, 1);
    session_heard(&session, toy.now_us);
    uint64_t due = session_deadline_us(&session, &env);
    cr_assert(due >= toy.now_us + 10000000 && due < toy.now_us + 10000000 + SESSION_HEARD_US);
    session_tick(&session, &env, due - 1);
    cr_assert_eq(pings, 1);
    session_tick(&session, &env, due);
    cr_assert_eq(pings, 2);
    toy.now_us = due + 9999999;
    session_tick(&session, &env, toy.now_us);
    cr_assert_eq(closes, 0);
    toy.now_us += 1;
    session_tick(&session, &env, toy.now_us);
    expect_error(7);
}

Test(opening, the_heartbeat_pauses_while_we_do_not_read, .init = start)
{
    open_session();
    toy.credits = 0;
    env.send_slots = 0;
    cr_assert_eq(say_send(1, 1, 0, 1), WAX_FULL);
    toy.now_us += 50000000;
    session_tick(&session, &env, toy.now_us);
    toy.now_us += 50000000;
    session_tick(&session, &env, toy.now_us);
    cr_assert_eq(closes + pings, 0);
}

Test(opening, login_is_asked_again_after_a_restart_of_control, .init = start)
{
    say_hello();
    next_frame();
    say_proof(0);
    flush();
    job.ok = 1;
    session_verified(&session, &env, &job, toy.now_us);
    toy.control_away = true;
    cr_assert(sessions_flush(&env, toy.now_us), "it waits");
    toy.control_away = false;
    flush();
    cr_assert_not_null(toy_record(CHANNEL_LOGIN));
    session_control_up(&session, &env, toy.now_us);
    flush();
    cr_assert_not_null(toy_record(CHANNEL_LOGIN));
}

Test(opening, without_a_relay_id_the_challenge_waits_for_control, .init = start)
{
    env.relay_id_known = false;
    cr_assert_eq(say_hello(), WAX_OK);
    cr_assert_eq(frame_head, frame_tail);
    env.relay_id_known = true;
    session_control_up(&session, &env, toy.now_us);
    cr_assert_eq(frame_type(next_frame()), WIRE_CHALLENGE);
}
