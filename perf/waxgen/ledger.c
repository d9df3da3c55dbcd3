/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who sends to whom, and what has become of each message: from SENT through ACCEPTED (when the relay had to
 * store it) to DELIVERED at its sender; and at its recipient it must come once, whole, and after all that the
 * same sender sent there before.
 */
#include "waxgen/gen.h"

uint32_t ledger_place(const struct gen *gen, uint32_t index)
{
    uint32_t pair = index / 2u;
    return pair % gen->apart == 0 && pair / gen->apart < gen->options.active / 2u
               ? 2u * (pair / gen->apart) + (index & 1u)
               : GEN_NOBODY;
}

uint32_t ledger_index(const struct gen *gen, uint32_t place)
{
    return 2u * (place / 2u * gen->apart) + (place & 1u);
}

uint32_t ledger_recipient(const struct gen *gen, const struct client *client, uint32_t number)
{
    if (gen->options.matrix == MATRIX_PAIRS || gen->options.active <= 2)
        return client->index ^ 1u;
    uint64_t drawn = payload_mixed(payload_mixed((uint64_t)client->index << 32 | number) + gen->options.seed);
    uint32_t place = ledger_place(gen, client->index);
    uint32_t other = (uint32_t)((drawn >> 32) * (gen->options.active - 1u) >> 32);
    return ledger_index(gen, other + (other >= place));
}

static void wrong(struct gen *gen, const struct client *client, const char *what)
{
    gen->counts.wrong++;
    gen_error(gen, client, what, "");
}

void ledger_complete(struct gen *gen, const struct message *message)
{
    gen->counts.completed++;
    report_latency(&gen->counts, (uint32_t)gen->now_us - message->sent_us);
    gen->progress_us = gen->now_us;
}

/* What its sender sent here before it and has not come is late or lost; either way it may not come now. */
static void skip_missing(struct gen *gen, const struct client *client, struct client *from, uint32_t number)
{
    uint32_t missing = 0;
    for (uint32_t n = from->base; n < number; n++) {
        struct message *message = &from->messages[n];
        if (message->to != client->index || message->received)
            continue;
        message->received = 1;
        missing++;
    }
    if (missing == 0)
        return;
    gen->counts.reordered++;
    gen->counts.lost += missing;
    gen_error(gen, client, "a message is missing before this one", "");
}

void ledger_again(struct gen *gen, const struct client *client, const struct frame_deliver *d)
{
    bool again = (d->flags & WIRE_DELIVER_AGAIN) != 0;
    gen->counts.again += again;
    gen->counts.duplicated += !again;
    if (!again)
        gen_error(gen, client, "a message came twice, or late", "");
}

static void received(struct gen *gen, struct client *client, struct client *from, uint32_t number,
                     const struct frame_deliver *d)
{
    struct message *message = &from->messages[number];
    if (message->to != client->index) {
        wrong(gen, client, "a message was for somebody else");
        return;
    }
    if (message->received) {
        ledger_again(gen, client, d);
        return;
    }
    skip_missing(gen, client, from, number);
    if (d->payload.len != gen->options.payload || !payload_good(d->payload, from->index, number))
        wrong(gen, client, "a payload is not what was sent");
    message->received = 1;
    gen->counts.received++;
    while (from->base < from->sent && from->messages[from->base].received)
        from->base++;
    if (gen->options.silent) { /* nobody else will tell its sender */
        message->state = MESSAGE_DELIVERED;
        from->unanswered--;
        ledger_complete(gen, message);
        client_mark(gen, from);
    }
}

/* Whose message it is: its first bytes say so, and its sender's name must agree. */
static struct client *sender_of(struct gen *gen, const struct frame_deliver *d)
{
    uint64_t index = d->payload.len < GEN_PAYLOAD_LEAST ? UINT64_MAX : load_be64(d->payload.data);
    if (index >= gen->options.sessions || !name_same(&d->from, &gen->clients[index].name))
        return NULL;
    return &gen->clients[index];
}

void ledger_deliver(struct gen *gen, struct client *client, struct view frame)
{
    struct frame_deliver d;
    bool silent = gen->options.silent;
    if (frame_parse_deliver(frame, &d) != WAX_OK ||
        d.seq != (silent && d.seq == 0 ? 0 : sequence_next(client->seq))) {
        wrong(gen, client, "a DELIVER is malformed or out of sequence");
        return;
    }
    if (d.seq != 0) {
        client->seq = d.seq;
        client_mark(gen, client);
    }
    if (d.id < gen->id_base) {
        gen->counts.stale++; /* left over from an earlier run of this seed */
        return;
    }
    struct client *from = sender_of(gen, &d);
    uint64_t number = d.id - gen->id_base;
    if (from == NULL || number >= from->sent)
        wrong(gen, client, "a message that nobody has sent");
    else if (gen->options.group != 0)
        group_deliver(gen, client, from, (uint32_t)number, &d);
    else
        received(gen, client, from, (uint32_t)number, &d);
}

static void rejected(struct gen *gen, struct client *client, const struct frame_status_entry *entry)
{
    char detail[32];
    snprintf(detail, sizeof detail, "kind %u reason %u", entry->kind, entry->reason);
    gen->counts.rejected += entry->kind == WIRE_REJECTED;
    gen->counts.wrong += entry->kind != WIRE_REJECTED;
    gen_error(gen, client, "an answer REJECTED, or to what was never sent", detail);
}

void ledger_answer(struct gen *gen, struct client *client, const struct frame_status_entry *entry)
{
    uint64_t number = entry->id - gen->id_base;
    if (entry->id < gen->id_base) {
        gen->counts.stale++;
        return;
    }
    if (number >= client->sent || entry->kind == WIRE_REJECTED) {
        rejected(gen, client, entry);
        return;
    }
    if (gen->options.group != 0) {
        if (!group_answer(gen, client, entry, (uint32_t)number))
            wrong(gen, client, "an answer that makes no sense");
        return;
    }
    struct message *message = &client->messages[number];
    bool first = message->state == MESSAGE_SENT;
    if (!name_same(&entry->about, &gen->clients[message->to].name)) {
        wrong(gen, client, "an answer about somebody else");
    } else if (entry->kind == WIRE_ACCEPTED && first) {
        message->state = MESSAGE_ACCEPTED;
        gen->counts.accepted++;
    } else if (entry->kind == WIRE_DELIVERED && message->state < MESSAGE_DELIVERED) {
        message->state = MESSAGE_DELIVERED;
        if (!message->received)
            wrong(gen, client, "DELIVERED before it was");
        ledger_complete(gen, message);
    } else {
        wrong(gen, client, "an answer that makes no sense");
    }
    client->unanswered -= first && message->state != MESSAGE_SENT;
    client_mark(gen, client);
}
