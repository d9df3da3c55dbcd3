/* SPDX-License-Identifier: BSD-3-Clause */
/* SEND_MULTI: held once, a part to each recipient, one of the window until the last has answered. */
#include "toy_session.h"

static uint8_t frame_bytes[64 << 10];

/* Begin a SEND_MULTI of id 5; to() adds recipients, say() ends and feeds it. */
static size_t at;

static void begin_multi(uint64_t id, uint8_t flags)
{
    struct frame_multi multi = {.flags = flags, .id = id};
    at = frame_open_multi(span_of(frame_bytes, sizeof frame_bytes), &multi);
}

static void to(uint8_t user, uint16_t device, struct view head)
{
    struct name name = {{user}, device};
    at = frame_append_multi(span_of(frame_bytes, sizeof frame_bytes), at, &name, head);
    cr_assert_neq(at, 0);
}

static enum wax_status say(struct view shared)
{
    at = frame_close_multi(span_of(frame_bytes, sizeof frame_bytes), at, shared);
    return session_frame(&session, &env, view_of(frame_bytes, at), toy.now_us);
}

#define TEXT(text) view_of(text, sizeof(text) - 1)

static struct msg *part_sent(void)
{
    struct item *item = toy_next_of(&toy.sends, ITEM_SEND);
    return item == NULL ? NULL : item->u.send.msg;
}

static void expect_payload(const struct msg *msg, const char *text)
{
    char got[200] = {0};
    cr_assert_eq(msg->payload_bytes, strlen(text));
    msg_copy(msg, (uint8_t *)got);
    cr_assert_str_eq(got, text);
    struct view pieces[MSG_PIECES_MAX];
    size_t len = 0;
    for (uint32_t i = 0, count = msg_pieces(msg, pieces); i < count; i++) {
        cr_assert_eq(memcmp(text + len, pieces[i].data, pieces[i].len), 0);
        len += pieces[i].len;
    }
    cr_assert_eq(len, strlen(text));
}

static void answer_part(struct msg *msg, uint8_t kind, bool with_memory)
{
    struct item item = {.kind = ITEM_ANSWER, .flags = 1};
    item.u.answer.msg = with_memory ? msg : NULL;
    item.u.answer.frame = msg_frame_of(msg);
    item.u.answer.id = msg->id;
    item.u.answer.conn = 3;
    item.u.answer.conn_generation = 4;
    item.u.answer.status_kind = kind;
    item.u.answer.about = msg->to;
    session_item(&env, &item, toy.now_us);
}

Test(multi, each_recipient_gets_its_head_and_what_is_shared, .init = start)
{
    open_session();
    begin_multi(5, WIRE_SEND_URGENT);
    to(9, 1, TEXT("for nine: "));
    to(10, 2, TEXT(""));
    cr_assert_eq(say(TEXT("hello all")), WAX_OK);
    struct msg *first = part_sent(), *second = part_sent();
    expect_payload(first, "for nine: hello all");
    expect_payload(second, "hello all");
    cr_assert_eq(first->head_bytes, 10);
    cr_assert_eq(second->head_bytes, 0);
    cr_assert_eq(first->to.user[0], 9);
    cr_assert_eq(second->to.device, 2);
    cr_assert_eq(first->id, 5);
    cr_assert_eq(second->from.user[0], 0xCC);
    cr_assert_eq(second->send_flags, WIRE_SEND_URGENT);
    cr_assert_eq(second->ttl_s, 3600);
    cr_assert_null(part_sent());
    cr_assert_eq(toy.metrics.multis, 1);
    cr_assert_eq(toy.metrics.sends, 2);
}

Test(multi, what_is_shared_is_held_once_and_freed_with_the_last_part, .init = start)
{
    static uint8_t shared[90];
    open_session();
    begin_multi(5, 0);
    for (uint8_t user = 1; user <= 12; user++)
        to(user, 1, TEXT("head"));
    cr_assert_eq(say(view_of(shared, sizeof shared)), WAX_OK);
    cr_assert_eq(toy.blocks.free_count, 37, "one block holds it all");
    cr_assert_eq(toy.messages.slots.free_count, 150 - 12 - 1);
    for (uint32_t i = 0; i < 12; i++)
        answer_part(part_sent(), WIRE_DELIVERED, true);
    cr_assert_eq(toy.blocks.free_count, 38);
    cr_assert_eq(toy.messages.slots.free_count, 150);
}

Test(multi, is_one_of_the_window_until_its_last_recipient_is_answered, .init = start)
{
    open_session();
    begin_multi(5, 0);
    to(9, 1, TEXT("a"));
    to(10, 1, TEXT("b"));
    to(11, 1, TEXT("c"));
    say(TEXT("x"));
    struct msg *part[3] = {part_sent(), part_sent(), part_sent()};
    cr_assert_eq(session.unanswered, 1);
    answer_part(part[1], WIRE_ACCEPTED, false);
    answer_part(part[0], WIRE_DELIVERED, true);
    cr_assert_eq(session.unanswered, 1);
    answer_part(part[2], WIRE_REJECTED, true);
    cr_assert_eq(session.unanswered, 0);
    struct item free = {.kind = ITEM_FREE, .u.send.msg = part[1]};
    session_item(&env, &free, toy.now_us);
    cr_assert_eq(toy.messages.slots.free_count, 150);
    flush();
    struct frame_status status;
    cr_assert_eq(frame_parse_status(next_frame(), &status), WAX_OK);
    cr_assert_eq(status.count, 3, "statuses share a frame");
    for (uint64_t id = 10; id < 14; id++) {
        begin_multi(id, 0);
        to(9, 1, TEXT("a"));
        cr_assert_eq(say(TEXT("x")), WAX_OK);
    }
    begin_multi(14, 0);
    to(9, 1, TEXT("a"));
    cr_assert_eq(say(TEXT("x")), WAX_SESSION_WINDOW);
}

static void expect_rejected(const struct frame_status *status, uint32_t index, uint8_t user, uint8_t reason)
{
    struct frame_status_entry entry = frame_status_entry(status, index);
    cr_assert_eq(entry.kind, WIRE_REJECTED);
    cr_assert_eq(entry.reason, reason);
    cr_assert_eq(entry.about.user[0], user);
    cr_assert_eq(entry.id, 5);
}

Test(multi, the_same_recipient_twice_device_0_and_too_large_are_rejected_one_by_one, .init = start)
{
    static const uint8_t large[60];
    open_session();
    begin_multi(5, 0);
    to(9, 1, TEXT("one"));
    to(9, 1, TEXT("two"));
    to(10, 0, TEXT(""));
    to(11, 1, view_of(large, sizeof large));
    to(9, 2, TEXT("another device"));
    cr_assert_eq(say(view_of(large, 50)), WAX_OK);
    struct msg *first = part_sent(), *second = part_sent();
    cr_assert_eq(first->head_bytes, 3);
    cr_assert_eq(second->to.device, 2);
    cr_assert_null(part_sent());
    flush();
    struct frame_status status;
    cr_assert_eq(frame_parse_status(next_frame(), &status), WAX_OK);
    cr_assert_eq(status.count, 3);
    expect_rejected(&status, 0, 9, WIRE_REASON_MALFORMED);
    expect_rejected(&status, 1, 10, WIRE_REASON_MALFORMED);
    expect_rejected(&status, 2, 11, WIRE_REASON_TOO_LARGE);
    answer_part(first, WIRE_DELIVERED, true);
    answer_part(second, WIRE_DELIVERED, true);
    cr_assert_eq(session.unanswered, 0, "those refused are not waited for");
}

Test(multi, that_reaches_nobody_takes_nothing, .init = start)
{
    open_session();
    begin_multi(0, 0);
    to(9, 1, TEXT("id 0"));
    to(10, 1, TEXT("id 0"));
    cr_assert_eq(say(TEXT("x")), WAX_OK);
    cr_assert_eq(session.unanswered, 0);
    cr_assert_eq(toy.messages.slots.free_count, 150);
    flush();
    struct frame_status status;
    cr_assert_eq(frame_parse_status(next_frame(), &status), WAX_OK);
    cr_assert_eq(status.count, 2);
}

static void to_many(uint32_t count)
{
    begin_multi(5, 0);
    for (uint32_t i = 0; i < count; i++)
        to((uint8_t)(i / 200), (uint16_t)(1 + i % 200), TEXT(""));
}

Test(multi, goes_out_in_portions_that_leave_credits_and_messages_to_single_ones, .init = start)
{
    toy.credits = env.send_slots = 64;
    open_session();
    to_many(200);
    cr_assert_eq(say(TEXT("x")), WAX_OK);
    uint32_t sent = 0;
    while (part_sent() != NULL)
        sent++;
    cr_assert_eq(sent, 16, "a first portion");
    flush();
    while (part_sent() != NULL)
        sent++;
    cr_assert_eq(sent, 48, "three of four credits");
    cr_assert_eq(say_send(6, 1, 0, 1), WAX_FULL, "one behind it waits: it could overtake");
    for (uint32_t i = 0; i < 8; i++) {
        toy_clear();
        flush();
        while (part_sent() != NULL)
            sent++;
    }
    cr_assert_eq(sent, 112, "three of four messages, one of them its own");
    cr_assert_eq(session.unanswered, 1);
}

Test(multi, lists_under_way_never_hold_up_the_messages_of_others, .init = start)
{
    struct session bob;
    uint32_t turns = 0, lists = 0, parts = 0;
    toy.credits = env.send_slots = 64;
    env.send_window = 4096;
    open_session();
    bob = session;
    bob.conn = 5;
    link_init(&bob.work);
    link_init(&bob.park);
    neighbour = &bob;
    while (turns < 200) {
        if (!session.fanning && lists < 10) {
            to_many(200);
            cr_assert_eq(say(TEXT("x")), WAX_OK);
            lists++;
        }
        uint8_t bytes[WIRE_SEND_BYTES + 1];
        struct frame_send send = {0, {{9}, 1}, 0, ++turns, view_of("y", 1)};
        size_t len = frame_write_send(span_of(bytes, sizeof bytes), &send);
        cr_assert_eq(session_frame(&bob, &env, view_of(bytes, len), toy.now_us), WAX_OK, "turn %u", turns);
        flush();
        /* The home takes no more than 20 in a turn, and all parts come back. */
        for (uint32_t taken = 0; taken < 20 && toy.peers[0].consumed < toy.peers[0].sent; taken++) {
            struct msg *msg = part_sent();
            parts += msg->kind == MSG_PART;
            toy.peers[0].consumed++;
            struct item item = {.kind = ITEM_FREE, .u.send.msg = msg};
            session_item(&env, &item, toy.now_us);
        }
    }
    cr_expect_eq(bob.unanswered, 200);
    cr_expect_eq(lists, 10);
    cr_expect_eq(parts, 2000, "and the lists have had their turns");
    neighbour = NULL;
}

Test(multi, lists_leave_a_quarter_of_the_blocks_to_single_messages, .init = start)
{
    static uint8_t shared[10000];
    uint32_t lists = 0;
    open_session();
    env.payload_bytes_max = 20000;
    env.send_window = 4096;
    enum wax_status status;
    do {
        begin_multi(5 + lists, 0);
        to(9, 1, TEXT("a"));
        status = say(view_of(shared, sizeof shared));
        lists += status == WAX_OK;
    } while (status == WAX_OK);
    cr_assert_eq(status, WAX_FULL);
    cr_expect_eq(lists, 5, "of 38 blocks, 5 for each");
    cr_expect_eq(toy.blocks.free_count, 38 - 5 * 5);
    size_t len = at;
    flush();
    cr_expect_eq(resumes, 1, "there is some memory");
    cr_expect(!session_may_retry(&session, &env, WIRE_SEND_MULTI, len), "but not for this one");
    flush();
    cr_expect_eq(resumes, 2, "it is asked again");
    static uint8_t bytes[9000];
    struct frame_send send = {0, {{9}, 1}, 0, 99, view_of(shared, 8000)};
    len = frame_write_send(span_of(bytes, sizeof bytes), &send);
    cr_expect_eq(session_frame(&session, &env, view_of(bytes, len), toy.now_us), WAX_OK,
                 "a large single one");
    cr_expect(session_may_retry(&session, &env, WIRE_SEND, len));
    while (toy.blocks.free_count > 3)
        pool_take(&toy.blocks);
    cr_expect(!session_may_retry(&session, &env, WIRE_SEND, len));
    cr_expect(session_may_retry(&session, &env, WIRE_SEND, WIRE_SEND_BYTES + 10), "a small one needs none");
    cr_expect(session_may_retry(&session, &env, WIRE_SEND_MULTI, 200000), "it will be refused for good");
}

Test(multi, several_lists_have_their_turns, .init = start)
{
    toy.credits = env.send_slots = 400;
    open_session();
    to_many(40);
    say(TEXT("x"));
    session.fanning = false; /* as another session's would be */
    begin_multi(6, 0);
    for (uint16_t device = 1; device <= 40; device++)
        to(77, device, TEXT(""));
    say(TEXT("x"));
    toy_clear();
    flush();
    uint32_t turns = 0, last = 0;
    for (struct msg *part = part_sent(); part != NULL; part = part_sent()) {
        turns += last != 0 && last != part->id;
        last = (uint32_t)part->id;
    }
    cr_assert_eq(turns, 3, "16 and 16, 8 and 8");
}

Test(multi, is_not_handed_out_further_when_its_session_has_ended, .init = start)
{
    toy.credits = env.send_slots = 64;
    open_session();
    to_many(100);
    say(TEXT("x"));
    session_end(&session, &env);
    flush();
    uint32_t sent = 0;
    for (struct msg *part = part_sent(); part != NULL; part = part_sent()) {
        answer_part(part, WIRE_DELIVERED, true);
        sent++;
    }
    cr_assert_eq(sent, 16);
    cr_assert_eq(toy.messages.slots.free_count, 150);
    cr_assert_eq(toy.blocks.free_count, 38);
}

Test(multi, silent_ones_are_not_answered_and_count_in_no_window, .init = start)
{
    open_session();
    begin_multi(5, WIRE_SEND_EPHEMERAL | WIRE_SEND_SILENT);
    to(9, 1, TEXT("typing"));
    to(9, 1, TEXT("twice"));
    cr_assert_eq(say(TEXT("")), WAX_OK);
    struct msg *part = part_sent();
    cr_assert_eq(part->send_flags, WIRE_SEND_EPHEMERAL | WIRE_SEND_SILENT);
    cr_assert_eq(session.unanswered, 0);
    struct item free = {.kind = ITEM_FREE, .u.send.msg = part};
    session_item(&env, &free, toy.now_us);
    flush();
    cr_assert_eq(frame_head, frame_tail, "no STATUS");
    cr_assert_eq(toy.messages.slots.free_count, 150);
}

Test(multi, that_no_memory_could_ever_hold_is_refused_as_busy, .init = start)
{
    open_session();
    toy.messages.blocks_kept = 30;
    begin_multi(5, 0);
    for (uint16_t device = 1; device <= 900; device++)
        to(9, device, TEXT(""));
    cr_assert_eq(say(TEXT("x")), WAX_OK);
    cr_assert_eq(toy.metrics.status[WAX_REJECT_BUSY], 900);
    cr_assert_eq(session.unanswered, 0);
    cr_assert(frame_tail - frame_head <= 900 / STATUS_CHUNK_ENTRIES + 1, "few frames");
}

Test(multi, waits_for_memory_that_will_be_free, .init = start)
{
    struct msg *taken[150];
    uint32_t count = 0;
    open_session();
    while (toy.messages.slots.free_count > 30)
        taken[count++] = msg_make(&toy.messages, TEXT(""));
    begin_multi(5, 0);
    to(9, 1, TEXT("a"));
    cr_assert_eq(say(TEXT("x")), WAX_FULL);
    cr_assert_eq(say_send(6, 1, 0, 1), WAX_OK, "a single one still finds some");
    flush();
    cr_assert_eq(resumes, 0);
    while (count > 0)
        msg_free(&toy.messages, taken[--count]);
    flush();
    cr_assert_eq(resumes, 1);
}

Test(multi, that_is_malformed_is_error_1, .init = start)
{
    open_session();
    begin_multi(5, 0);
    to(9, 1, TEXT("a"));
    say(TEXT("xyz"));
    toy_clear();
    cr_assert_eq(session_frame(&session, &env, view_of(frame_bytes, at - 1), toy.now_us),
                 WAX_FRAME_MALFORMED);
    expect_error(WIRE_ERROR_MALFORMED);
}

/* ---- homes ---- */

static struct msg *part_to_home(uint8_t user, uint8_t flags)
{
    static struct view head = {(const uint8_t *)"head", 4};
    uint8_t bytes[24 + 20 + 4 + 6];
    struct frame_multi multi = {.id = 7};
    struct name name = toy_name(user);
    size_t len = frame_open_multi(span_of(bytes, sizeof bytes), &multi);
    len = frame_append_multi(span_of(bytes, sizeof bytes), len, &name, head);
    len = frame_close_multi(span_of(bytes, sizeof bytes), len, TEXT("shared"));
    struct msg *frame = msg_make_frame(&toy.messages, view_of(bytes, len));
    struct msg_place place = msg_begin(frame);
    msg_read(frame, &place, NULL, 44);
    struct msg_place start_of_head = place;
    msg_read(frame, &place, NULL, 4);
    msg_frame(frame)->shared = place;
    msg_frame(frame)->shared_bytes = 6;
    struct msg *part = msg_make_part(&toy.messages, frame, start_of_head, 4);
    msg_free(&toy.messages, frame);
    part->id = 7;
    part->ttl_s = 60;
    part->from = toy_name(1);
    part->to = toy_name(user);
    part->send_flags = flags;
    struct item item = {.kind = ITEM_SEND, .u.send.msg = part};
    cr_assert(home_send(toy.home, &item, toy.now_us));
    toy_poll();
    return part;
}

Test(multi, is_delivered_with_bit_3_and_the_length_of_its_head, .init = start)
{
    struct item attached = toy_online(2, 9);
    struct msg *part = part_to_home(2, 0);
    struct item *item = toy_next_of(&toy.sends, ITEM_DELIVER);
    cr_assert_eq(item->flags, WIRE_DELIVER_MULTI);
    open_session();
    struct item copy = *item;
    copy.u.deliver.generation = 55;
    copy.u.deliver.conn = 3;
    copy.u.deliver.conn_generation = 4;
    copy.u.deliver.msg = part;
    session_item(&env, &copy, toy.now_us);
    struct frame_deliver deliver;
    cr_assert_eq(frame_parse_deliver(next_frame(), &deliver), WAX_OK);
    cr_assert_eq(deliver.head_bytes, 4);
    cr_assert_eq(deliver.payload.len, 10);
    cr_assert_eq(memcmp(deliver.payload.data, "headshared", 10), 0);
    toy_report(&attached, ITEM_ACK, 1);
    struct item *answer_item = toy_next_of(&toy.gives, ITEM_ANSWER);
    cr_assert_eq(answer_item->u.answer.frame, msg_part(part)->frame);
}

Test(multi, is_stored_with_its_head_for_each_recipient, .init = toy_start)
{
    part_to_home(2, 0);
    struct channel_store *store = toy_record(CHANNEL_STORE);
    cr_assert_eq(store->head_bytes, 4);
    cr_assert_eq(store->payload_bytes, 10);
    cr_assert_eq(store->deliver_flags, WIRE_DELIVER_MULTI);
    cr_assert_eq(memcmp(store->payload, "headshared", 10), 0);
    toy_stored(store->tag, 0);
    toy_carry();
    cr_assert_eq(toy.messages.slots.free_count, 150);
    cr_assert_eq(toy.blocks.free_count, 38);
}
