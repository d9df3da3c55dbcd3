/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages to groups: what goes out, and every fault that a relay could make with what comes. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdlib.h>

#include "waxgen/gen.h"

enum { SESSIONS = 8, GROUP = 3, SHARED = 64, SENT = 4, SENDER = 6 };

static struct gen *gen;
static struct client *sender;

/* The seventh of eight has sent to the three after it: the eighth, the first, the second. */
static void make(void)
{
    cr_redirect_stderr();
    gen = calloc(1, sizeof *gen);
    gen->options = (struct gen_options){.sessions = SESSIONS,
                                        .active = SESSIONS,
                                        .window = SENT,
                                        .payload = SHARED,
                                        .group = GROUP,
                                        .messages = (uint64_t)SESSIONS * SENT};
    gen->clients = calloc(SESSIONS, sizeof *gen->clients);
    gen->dirty = calloc(SESSIONS, sizeof *gen->dirty);
    gen->id_base = UINT64_C(1) << 60;
    for (uint32_t i = 0; i < SESSIONS; i++) {
        gen->clients[i].index = i;
        gen->clients[i].conn = TCP_NONE;
        gen->clients[i].name.device = GEN_DEVICE;
        gen->clients[i].name.user[0] = (uint8_t)(i % 2); /* some collide */
        gen->clients[i].name.user[15] = (uint8_t)i;
    }
    traffic_begin(gen);
    sender = &gen->clients[SENDER];
    for (uint32_t n = 0; n < SENT; n++)
        sender->messages[n] = (struct message){.to = GROUP, .state = MESSAGE_SENT};
    sender->sent = sender->unanswered = SENT;
}

static void unmake(void)
{
    for (uint32_t i = 0; i < SESSIONS; i++) {
        free(gen->clients[i].messages);
        free(gen->clients[i].members);
    }
    free(gen->names);
    free(gen->clients);
    free(gen->dirty);
    free(gen);
}

TestSuite(group, .init = make, .fini = unmake);

/* Message `number` to `to`, with the head that was meant for `head_of`. */
static void deliver_as(uint32_t to, uint32_t number, uint32_t head_of)
{
    static uint8_t out[4096];
    struct frame_multi multi;
    uint8_t frame[WIRE_DELIVER_BYTES + GEN_HEAD_BYTES + SHARED];
    struct client *client = &gen->clients[to];
    struct frame_deliver d = {.flags = WIRE_DELIVER_MULTI,
                              .from = sender->name,
                              .seq = client->seq + 1,
                              .id = gen->id_base + number,
                              .head_bytes = GEN_HEAD_BYTES};
    uint32_t sent = sender->sent;
    sender->sent = number;
    size_t len = group_frame(gen, sender, span_of(out, sizeof out));
    sender->sent = sent;
    cr_assert_eq(frame_parse_multi(view_of(out, len), &multi), WAX_OK);
    cr_assert_eq(multi.count, GROUP);
    const uint8_t *entry = multi.entries.data;
    for (uint32_t i = 0; i < GROUP; i++, entry += WIRE_MULTI_ENTRY_BYTES + GEN_HEAD_BYTES) {
        struct frame_multi_entry e = frame_multi_entry(entry);
        if (name_same(&e.to, &gen->clients[head_of].name))
            memcpy(frame + WIRE_DELIVER_BYTES, entry + WIRE_MULTI_ENTRY_BYTES, GEN_HEAD_BYTES);
    }
    frame_write_deliver_head(span_of(frame, sizeof frame), &d);
    memcpy(frame + WIRE_DELIVER_BYTES + GEN_HEAD_BYTES, multi.shared.data, multi.shared.len);
    traffic_frame(gen, client, view_of(frame, sizeof frame));
}

static void deliver(uint32_t to, uint32_t number)
{
    deliver_as(to, number, to);
}

static void answer(uint32_t about, uint32_t number)
{
    struct frame_status_entry entry = {
        .kind = WIRE_DELIVERED, .about = gen->clients[about].name, .id = gen->id_base + number};
    ledger_answer(gen, sender, &entry);
}

Test(group, a_message_is_complete_when_all_have_it)
{
    static const uint32_t members[GROUP] = {7, 0, 1};
    for (uint32_t n = 0; n < 2; n++)
        for (uint32_t i = 0; i < GROUP; i++) {
            cr_expect_eq(gen->counts.completed, n);
            deliver(members[i], n);
            answer(members[i], n);
        }
    cr_expect_not(gen->failed);
    cr_expect_eq(gen->counts.completed, 2);
    cr_expect_eq(gen->counts.deliveries, 2 * GROUP);
    cr_expect_eq(sender->unanswered, SENT - 2);
    cr_expect_eq(sender->base, 2);
}

Test(group, stored_ones_may_be_answered_later)
{
    for (uint32_t n = 0; n < 3; n++)
        deliver(7, n);
    answer(7, 2);
    answer(7, 0);
    answer(7, 1);
    cr_expect_not(gen->failed);
    cr_expect_eq(gen->counts.deliveries, 3);
    answer(7, 2);
    cr_expect_eq(gen->counts.wrong, 1);
}

Test(group, who_is_not_in_it_gets_nothing)
{
    deliver_as(3, 0, 7);
    cr_expect_eq(gen->counts.wrong, 1);
    answer(3, 0);
    cr_expect_eq(gen->counts.wrong, 2);
    cr_expect_eq(gen->counts.received, 0);
}

Test(group, the_head_of_another_is_wrong)
{
    deliver_as(7, 0, 0);
    cr_expect_eq(gen->counts.wrong, 1);
}

Test(group, a_hole_and_a_double_are_seen)
{
    deliver(7, 0);
    deliver(7, 2);
    cr_expect_eq(gen->counts.lost, 1);
    cr_expect_eq(gen->counts.reordered, 1);
    deliver(7, 2);
    cr_expect_eq(gen->counts.duplicated, 1);
}

Test(group, answers_come_once_and_not_too_early)
{
    answer(7, 0);
    cr_expect_eq(gen->counts.wrong, 1, "before it was delivered");
    deliver(7, 0);
    answer(7, 0);
    cr_expect_eq(gen->counts.wrong, 1);
    answer(7, 0);
    cr_expect_eq(gen->counts.wrong, 2, "twice");
    cr_expect_eq(gen->counts.deliveries, 1);
}
