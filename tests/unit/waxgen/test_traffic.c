/* SPDX-License-Identifier: BSD-3-Clause */
/* A checker that finds no fault must have been able to: every fault that a relay could make is shown to it.
 */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdlib.h>

#include "waxgen/gen.h"

enum { PAYLOAD = 100, SENT = 10 };

static struct gen *gen;
static struct client *sender, *receiver;

/* Two sessions; the first has sent ten messages to the second. */
static void make(void)
{
    cr_redirect_stderr();
    gen = calloc(1, sizeof *gen);
    gen->options = (struct gen_options){
        .sessions = 2, .active = 2, .window = SENT, .payload = PAYLOAD, .messages = SENT};
    gen->clients = calloc(2, sizeof *gen->clients);
    gen->dirty = calloc(2, sizeof *gen->dirty);
    gen->id_base = UINT64_C(1) << 60;
    gen->now_us = 5000;
    sender = &gen->clients[0];
    receiver = &gen->clients[1];
    for (uint32_t i = 0; i < 2; i++) {
        gen->clients[i].index = i;
        gen->clients[i].conn = TCP_NONE;
        gen->clients[i].name.device = GEN_DEVICE;
        gen->clients[i].name.user[0] = (uint8_t)(i + 1);
    }
    traffic_begin(gen);
    sender->quota = SENT;
    sender->messages = realloc(sender->messages, SENT * sizeof(struct message));
    for (uint32_t n = 0; n < SENT; n++)
        sender->messages[n] = (struct message){.sent_us = 1000, .to = 1, .state = MESSAGE_SENT};
    sender->sent = sender->unanswered = SENT;
}

static void unmake(void)
{
    free(sender->messages);
    free(receiver->messages);
    free(gen->clients);
    free(gen->dirty);
    free(gen);
}

TestSuite(traffic, .init = make, .fini = unmake);

static void deliver_as(uint32_t number, uint32_t seq, uint8_t flags, uint32_t payload_number)
{
    uint8_t frame[WIRE_DELIVER_BYTES + PAYLOAD];
    struct frame_deliver d = {.flags = flags, .from = sender->name, .seq = seq, .id = gen->id_base + number};
    cr_assert_eq(frame_write_deliver_head(span_of(frame, sizeof frame), &d), WIRE_DELIVER_BYTES);
    payload_write(frame + WIRE_DELIVER_BYTES, PAYLOAD, sender->index, payload_number);
    traffic_frame(gen, receiver, view_of(frame, sizeof frame));
}

static void deliver(uint32_t number)
{
    deliver_as(number, receiver->seq + 1, 0, number);
}

static void answer(uint32_t number, uint8_t kind)
{
    uint8_t frame[WIRE_STATUS_BYTES + WIRE_STATUS_ENTRY_BYTES];
    struct frame_status_entry entry = {.kind = kind, .about = receiver->name, .id = gen->id_base + number};
    frame_open_status(span_of(frame, sizeof frame));
    cr_assert_eq(frame_append_status(span_of(frame, sizeof frame), &entry), sizeof frame);
    traffic_frame(gen, sender, view_of(frame, sizeof frame));
}

Test(traffic, whole_cycles_are_good_and_complete)
{
    for (uint32_t n = 0; n < SENT; n++) {
        cr_assert_not(traffic_done(gen));
        deliver(n);
        if (n % 2 == 0)
            answer(n, WIRE_ACCEPTED);
        answer(n, WIRE_DELIVERED);
    }
    cr_assert(traffic_done(gen));
    cr_assert_not(gen->failed);
    cr_assert_eq(sender->unanswered, 0);
    cr_assert_eq(sender->base, SENT);
    cr_assert_eq(gen->counts.accepted, SENT / 2);
    cr_assert_eq(report_latency_at(&gen->counts, 1000000) / 100, 40);
}

Test(traffic, a_missing_message_is_lost_and_reordered)
{
    deliver(0);
    deliver(3);
    cr_assert(gen->failed);
    cr_assert_eq(gen->counts.lost, 2);
    cr_assert_eq(gen->counts.reordered, 1);
}

Test(traffic, the_same_message_twice_is_duplicated)
{
    deliver(0);
    deliver(0);
    cr_assert(gen->failed);
    cr_assert_eq(gen->counts.duplicated, 1);
    cr_assert_eq(gen->counts.received, 1);
}

Test(traffic, a_doubtful_one_that_says_so_is_dropped_by_the_id_rule)
{
    deliver(0);
    deliver_as(0, receiver->seq + 1, WIRE_DELIVER_AGAIN, 0);
    cr_assert_not(gen->failed);
    cr_assert_eq(gen->counts.again, 1);
    cr_assert_eq(gen->counts.received, 1);
}

Test(traffic, another_payload_is_wrong)
{
    deliver_as(0, 1, 0, 1);
    cr_assert(gen->failed);
    cr_assert_eq(gen->counts.wrong, 1);
}

Test(traffic, a_flipped_bit_is_wrong)
{
    uint8_t frame[WIRE_DELIVER_BYTES + PAYLOAD];
    struct frame_deliver d = {.from = sender->name, .seq = 1, .id = gen->id_base};
    frame_write_deliver_head(span_of(frame, sizeof frame), &d);
    payload_write(frame + WIRE_DELIVER_BYTES, PAYLOAD, sender->index, 0);
    frame[sizeof frame - 1] ^= 0x10;
    traffic_frame(gen, receiver, view_of(frame, sizeof frame));
    cr_assert_eq(gen->counts.wrong, 1);
}

Test(traffic, a_cut_payload_is_wrong)
{
    uint8_t frame[WIRE_DELIVER_BYTES + PAYLOAD];
    struct frame_deliver d = {.from = sender->name, .seq = 1, .id = gen->id_base};
    frame_write_deliver_head(span_of(frame, sizeof frame), &d);
    payload_write(frame + WIRE_DELIVER_BYTES, PAYLOAD, sender->index, 0);
    traffic_frame(gen, receiver, view_of(frame, sizeof frame - 8));
    cr_assert_eq(gen->counts.wrong, 1);
}

Test(traffic, a_hole_in_the_delivery_sequence_is_wrong)
{
    deliver(0);
    deliver_as(1, receiver->seq + 2, 0, 1);
    cr_assert(gen->failed);
    cr_assert_eq(gen->counts.wrong, 1);
}

Test(traffic, what_was_never_sent_is_an_error)
{
    for (uint32_t n = 0; n < SENT; n++)
        deliver(n);
    cr_assert_not(gen->failed);
    deliver(SENT);
    cr_assert(gen->failed);
}

Test(traffic, leftovers_of_an_earlier_run_are_only_counted)
{
    uint8_t frame[WIRE_DELIVER_BYTES + PAYLOAD] = {0};
    struct frame_deliver d = {.from = sender->name, .seq = 1, .id = gen->id_base - 995};
    frame_write_deliver_head(span_of(frame, sizeof frame), &d);
    traffic_frame(gen, receiver, view_of(frame, sizeof frame));
    cr_assert_not(gen->failed);
    cr_assert_eq(gen->counts.stale, 1);
    cr_assert_eq(sender->base, 0);
}

Test(traffic, delivered_before_it_came_is_wrong)
{
    answer(0, WIRE_DELIVERED);
    cr_assert(gen->failed);
    cr_assert_eq(gen->counts.wrong, 1);
}

Test(traffic, an_answer_twice_is_wrong_and_counts_once)
{
    deliver(0);
    answer(0, WIRE_DELIVERED);
    cr_assert_eq(sender->unanswered, SENT - 1);
    answer(0, WIRE_DELIVERED);
    cr_assert_eq(sender->unanswered, SENT - 1);
    cr_assert_eq(gen->counts.completed, 1);
    cr_assert_eq(gen->counts.wrong, 1);
}

Test(traffic, accepted_after_delivered_is_wrong)
{
    deliver(0);
    answer(0, WIRE_DELIVERED);
    answer(0, WIRE_ACCEPTED);
    cr_assert_eq(gen->counts.wrong, 1);
}

Test(traffic, a_rejected_message_fails_the_run)
{
    answer(0, WIRE_REJECTED);
    cr_assert(gen->failed);
    cr_assert_eq(gen->counts.rejected, 1);
}

Test(traffic, an_answer_to_what_was_not_sent_is_wrong)
{
    answer(SENT, WIRE_DELIVERED);
    cr_assert(gen->failed);
    cr_assert_eq(gen->counts.wrong, 1);
}

Test(traffic, what_was_skipped_is_late_when_it_comes)
{
    deliver(0);
    deliver(2);
    deliver(1);
    cr_assert_eq(gen->counts.lost, 1);
    cr_assert_eq(gen->counts.duplicated, 1);
}

Test(traffic, a_message_for_somebody_else_is_wrong)
{
    sender->messages[0].to = 0;
    deliver(0);
    cr_assert(gen->failed);
    cr_assert_eq(gen->counts.wrong, 1);
    cr_assert_eq(gen->counts.received, 0);
}

Test(traffic, an_answer_about_somebody_else_is_wrong)
{
    deliver(0);
    sender->messages[0].to = 0;
    answer(0, WIRE_DELIVERED);
    cr_assert_eq(gen->counts.wrong, 1);
    cr_assert_eq(gen->counts.completed, 0);
}

/* Nothing answers it: who has it tells its sender, and no sequence number is used up. */
Test(traffic, a_silent_message_is_complete_when_it_is_there)
{
    gen->options.silent = true;
    for (uint32_t n = 0; n < SENT; n++) {
        cr_assert_not(traffic_done(gen));
        deliver_as(n, 0, WIRE_DELIVER_EPHEMERAL, n);
    }
    cr_assert_not(gen->failed);
    cr_assert(traffic_done(gen));
    cr_assert_eq(sender->unanswered, 0);
    cr_assert_eq(receiver->seq, 0);
    deliver_as(0, 0, WIRE_DELIVER_EPHEMERAL, 0);
    cr_assert_eq(gen->counts.duplicated, 1);
}

/* Between two sessions there may be others' messages, which may come in any order. */
Test(traffic, only_messages_to_the_same_recipient_have_an_order)
{
    sender->messages[0].to = sender->messages[2].to = 0;
    deliver(1);
    deliver(3);
    cr_assert_not(gen->failed);
    cr_assert_eq(gen->counts.received, 2);
    cr_assert_eq(sender->base, 0);
    deliver(5);
    cr_assert_eq(gen->counts.lost, 1, "the fourth");
}

/* Eight of twenty-four sessions: every third pair, and all messages among them. */
Test(traffic, only_the_active_send_and_they_lie_evenly_among_the_idle)
{
    struct gen *many = calloc(1, sizeof *many);
    many->options = (struct gen_options){.sessions = 24, .active = 8, .messages = 20};
    many->clients = calloc(24, sizeof *many->clients);
    many->dirty = calloc(24, sizeof *many->dirty);
    for (uint32_t i = 0; i < 24; i++)
        many->clients[i].index = i;
    traffic_begin(many);
    uint64_t quota = 0;
    for (uint32_t i = 0; i < 24; i++) {
        bool active = i / 2 % 3 == 0;
        cr_expect_eq(many->clients[i].quota != 0, active, "session %u", i);
        cr_expect_eq(many->clients[i].messages != NULL, active, "session %u follows messages", i);
        quota += many->clients[i].quota;
        free(many->clients[i].messages);
    }
    cr_expect_eq(quota, 20);
    cr_expect_eq(many->dirty_count, 8);
    free(many->clients);
    free(many->dirty);
    free(many);
}

static struct gen *crowd(uint32_t sessions, uint32_t active, uint64_t messages)
{
    struct gen *many = calloc(1, sizeof *many);
    many->options = (struct gen_options){.sessions = sessions,
                                         .active = active,
                                         .messages = messages,
                                         .window = 4,
                                         .payload = 16,
                                         .matrix = MATRIX_UNIFORM,
                                         .seed = 7};
    many->clients = calloc(sessions, sizeof *many->clients);
    many->dirty = calloc(sessions, sizeof *many->dirty);
    for (uint32_t i = 0; i < sessions; i++)
        many->clients[i].index = i;
    return many;
}

static void crowd_free(struct gen *many)
{
    for (uint32_t i = 0; i < many->options.sessions; i++)
        free(many->clients[i].messages);
    free(many->clients);
    free(many->dirty);
    free(many);
}

Test(traffic, uniform_recipients_are_all_others_that_are_active)
{
    enum { SESSIONS = 24, ACTIVE = 8, DRAWS = 7000 };
    struct gen *many = crowd(SESSIONS, ACTIVE, 8);
    uint32_t drawn[SESSIONS] = {0};
    traffic_begin(many);
    for (uint32_t n = 0; n < DRAWS; n++)
        drawn[ledger_recipient(many, &many->clients[6], n)]++;
    for (uint32_t i = 0; i < SESSIONS; i++) {
        bool may = i / 2 % 3 == 0 && i != 6;
        cr_expect(may ? drawn[i] > 850 && drawn[i] < 1150 : drawn[i] == 0, "%u: %u times", i, drawn[i]);
    }
    cr_expect_eq(ledger_recipient(many, &many->clients[6], 5), ledger_recipient(many, &many->clients[6], 5));
    crowd_free(many);
}

Test(traffic, senders_are_the_first_of_the_active_and_take_turns)
{
    struct gen *many = crowd(24, 8, 9);
    many->options.senders = 2;
    many->options.rate = 1000;
    traffic_begin(many);
    cr_expect_eq(many->clients[0].quota, 5);
    cr_expect_eq(many->clients[1].quota, 4);
    cr_expect_eq(many->clients[6].quota, 0);
    many->phase = GEN_TRAFFIC;
    many->now_us = 3000;
    traffic_pace(many);
    cr_expect_eq(many->clients[0].granted, 2);
    cr_expect_eq(many->clients[1].granted, 2);
    crowd_free(many);
}

Test(traffic, a_burst_is_due_at_once)
{
    struct gen *many = crowd(24, 8, 30);
    many->options.senders = 2;
    many->options.rate = 1000;
    many->options.burst = 4;
    traffic_begin(many);
    cr_expect_eq(many->options.messages, 28, "whole bursts");
    cr_expect_eq(many->clients[0].quota, 16);
    cr_expect_eq(many->clients[1].quota, 12);
    many->phase = GEN_TRAFFIC;
    many->now_us = 3000;
    traffic_pace(many);
    cr_expect_eq(many->clients[0].granted, 4);
    cr_expect_eq(many->clients[1].granted, 0);
    many->now_us = 28000;
    traffic_pace(many);
    cr_expect_eq(many->clients[0].granted, 16);
    cr_expect_eq(many->clients[1].granted, 12);
    crowd_free(many);
}

Test(traffic, a_step_begins_anew_with_higher_ids)
{
    struct gen *many = crowd(4, 4, 10);
    steps_begin(many);
    uint64_t first = many->id_base;
    many->clients[2].sent = 3;
    many->counts.completed = 10;
    many->counts.closed = 1;
    many->options.rate = 100;
    many->options.seconds = 2;
    steps_begin(many);
    cr_expect_eq(many->id_base, first + 3, "three was the most that one could have used");
    cr_expect_eq(many->options.messages, 200);
    cr_expect_eq(many->clients[2].sent, 0);
    cr_expect_eq(many->clients[2].quota, 50);
    cr_expect_eq(many->counts.completed, 0);
    cr_expect_eq(many->counts.closed, 1, "what concerns the sessions stays");
    cr_expect_eq(many->phase, GEN_TRAFFIC);
    crowd_free(many);
}

/* Up to 700 a second come through in time. */
Test(traffic, a_search_finds_the_rate)
{
    struct gen *many = crowd(4, 4, 1000);
    many->options.search = 2;
    many->options.seconds = 1;
    search_begin(many);
    for (uint32_t trials = 0; many->search.on && trials < 20; trials++) {
        uint32_t rate = many->options.rate;
        double took = rate == 0 ? 1.0 : rate <= 700 ? 1.005 : rate / 700.0 + 0.05;
        many->counts.completed = many->options.messages;
        many->end_us = many->traffic_us + (uint64_t)(took * 1e6);
        search_goes_on(many);
    }
    cr_expect_not(many->search.on);
    cr_expect(many->search.low <= 700 && many->search.low >= 680, "%u", many->search.low);
    cr_expect(many->search.high > 700 && many->search.high <= 720, "%u", many->search.high);
    crowd_free(many);
}
