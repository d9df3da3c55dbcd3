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
        sender->messages[n] = (struct message){1000, MESSAGE_SENT};
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
    traffic_payload(frame + WIRE_DELIVER_BYTES, PAYLOAD, sender->index, payload_number);
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
    cr_assert_eq(receiver->expected, SENT);
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
    traffic_payload(frame + WIRE_DELIVER_BYTES, PAYLOAD, sender->index, 0);
    frame[sizeof frame - 1] ^= 0x10;
    traffic_frame(gen, receiver, view_of(frame, sizeof frame));
    cr_assert_eq(gen->counts.wrong, 1);
}

Test(traffic, a_cut_payload_is_wrong)
{
    uint8_t frame[WIRE_DELIVER_BYTES + PAYLOAD];
    struct frame_deliver d = {.from = sender->name, .seq = 1, .id = gen->id_base};
    frame_write_deliver_head(span_of(frame, sizeof frame), &d);
    traffic_payload(frame + WIRE_DELIVER_BYTES, PAYLOAD, sender->index, 0);
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
    cr_assert_eq(receiver->expected, 0);
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
