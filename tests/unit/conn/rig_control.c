/* SPDX-License-Identifier: BSD-3-Clause */
/* The rig's control plane: everyone may come in, mailboxes are one array in memory. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "rig.h"
#include "waxwire/channel_media.h"

static bool name_is(const struct device_name *a, const struct device_name *b)
{
    return a->device == b->device && memcmp(a->user, b->user, WAX_USER_BYTES) == 0;
}

void *rig_answer(struct rig *rig, uint32_t bytes, enum channel_kind kind)
{
    struct channel_record *record = channel_reserve(rig->to_worker, bytes);
    cr_assert(record != NULL);
    memset(record + 1, 0, bytes - sizeof *record);
    record->kind = (uint16_t)kind;
    return record;
}

static void take_login(struct rig *rig, const struct channel_login *login)
{
    uint64_t tag = login->tag;
    struct channel_login_reply *reply = rig_answer(rig, sizeof *reply, CHANNEL_LOGIN_REPLY);
    reply->tag = tag;
    reply->waiting = 0;
    for (uint32_t i = 0; i < rig->stored_count; i++)
        reply->waiting += !rig->stored[i].gone && rig->stored[i].item == CHANNEL_ITEM_MESSAGE &&
                          name_is(&rig->stored[i].name, &login->name);
    rig->logins++;
}

static struct rig_stored *add(struct rig *rig, const struct device_name *name, uint64_t position)
{
    for (uint32_t i = 0; i < rig->stored_count; i++)
        if (name_is(&rig->stored[i].name, name) && rig->stored[i].position == position)
            return NULL;
    cr_assert(rig->stored_count < RIG_STORED);
    struct rig_stored *stored = &rig->stored[rig->stored_count++];
    *stored = (struct rig_stored){.name = *name, .position = position};
    return stored;
}

static void stored(struct rig *rig, uint64_t tag)
{
    struct channel_stored *reply = rig_answer(rig, sizeof *reply, CHANNEL_STORED);
    reply->tag = tag;
}

static void take_store(struct rig *rig, const struct channel_store *store)
{
    struct rig_stored *s = add(rig, &store->name, store->position);
    if (s != NULL) {
        s->sender = store->sender;
        s->id = store->id;
        s->taken_ms = store->taken_ms;
        s->deliver_flags = store->deliver_flags;
        s->item = CHANNEL_ITEM_MESSAGE;
        s->payload_bytes = store->payload_bytes;
        s->payload = malloc(store->payload_bytes + 1u);
        memcpy(s->payload, store->payload, store->payload_bytes);
    }
    stored(rig, store->tag);
}

static void retire(struct rig *rig, const struct device_name *name, uint64_t position)
{
    for (uint32_t i = 0; i < rig->stored_count; i++)
        if (name_is(&rig->stored[i].name, name) && rig->stored[i].position == position)
            rig->stored[i].gone = true;
}

static void take_receipt(struct rig *rig, const struct channel_store_receipt *receipt)
{
    struct rig_stored *s = add(rig, &receipt->name, receipt->position);
    if (s != NULL) {
        s->sender = receipt->about;
        s->id = receipt->id;
        s->item = CHANNEL_ITEM_RECEIPT;
        s->status_kind = receipt->status_kind;
        s->reason = receipt->reason;
    }
    if (receipt->retire != 0)
        retire(rig, &receipt->about, receipt->retire);
    stored(rig, receipt->tag);
}

static struct rig_drain *drain_of(struct rig *rig, const struct device_name *name)
{
    for (uint32_t i = 0; i < rig->drains; i++)
        if (name_is(&rig->drain[i].name, name))
            return &rig->drain[i];
    cr_assert(rig->drains < sizeof rig->drain / sizeof rig->drain[0]);
    rig->drain[rig->drains] = (struct rig_drain){.name = *name};
    return &rig->drain[rig->drains++];
}

static void take_drain(struct rig *rig, const struct channel_drain *drain)
{
    struct rig_drain *d = drain_of(rig, &drain->name);
    d->generation = drain->generation;
    d->after = drain->after;
    d->credit = drain->messages;
    d->told_idle = false;
}

static void take(struct rig *rig, const struct channel_record *record)
{
    const void *body = record;
    switch (record->kind) {
    case CHANNEL_LOGIN:
        take_login(rig, body);
        break;
    case CHANNEL_STORE:
        take_store(rig, body);
        break;
    case CHANNEL_STORE_RECEIPT:
        take_receipt(rig, body);
        break;
    case CHANNEL_RETIRE: {
        const struct channel_retire *r = body;
        for (uint32_t i = 0; i < r->count; i++)
            retire(rig, &r->name, r->position[i]);
        break;
    }
    case CHANNEL_DRAIN:
        take_drain(rig, body);
        break;
    case CHANNEL_DRAIN_CREDIT: {
        const struct channel_drain_credit *c = body;
        struct rig_drain *d = drain_of(rig, &c->name);
        if (d->generation == c->generation)
            d->credit += c->messages;
        break;
    }
    case CHANNEL_DRAIN_STOP: {
        const struct channel_drain_stop *s = body;
        struct rig_drain *d = drain_of(rig, &s->name);
        if (d->generation == s->generation)
            d->generation = 0;
        break;
    }
    case CHANNEL_TRACED: {
        const struct channel_traced *t = body;
        cr_assert_leq(rig->traced_count + t->count, 512);
        memcpy(rig->traced + rig->traced_count, t->event, t->count * sizeof t->event[0]);
        rig->traced_count += t->count;
        rig->traced_wall_us = t->wall_us;
        if (t->tag != 0) {
            rig->traced_answers++;
            rig->traced_tag = t->tag;
            rig->traced_status = (enum wax_status)t->status;
        }
        break;
    }
    default: /* or announcements of sessions */
        if (channel_is_media(record->kind) && rig->media != NULL)
            rig->media(rig, record);
        break;
    }
}

static void stream_one(struct rig *rig, struct rig_drain *d, const struct rig_stored *s)
{
    struct channel_drained *out = rig_answer(rig, (uint32_t)sizeof *out + s->payload_bytes, CHANNEL_DRAINED);
    out->name = d->name;
    out->generation = d->generation;
    out->position = s->position;
    out->peer = s->sender;
    out->id = s->id;
    out->taken_ms = s->taken_ms;
    out->payload_bytes = s->payload_bytes;
    out->item = s->item;
    out->deliver_flags = s->deliver_flags;
    out->status_kind = s->status_kind;
    out->reason = s->reason;
    memcpy(out->payload, s->payload, s->payload_bytes);
    d->after = s->position;
    d->told_idle = false;
}

/* The living entry with the lowest position above `after`. */
static const struct rig_stored *next_of(const struct rig *rig, const struct rig_drain *d)
{
    const struct rig_stored *best = NULL;
    for (uint32_t i = 0; i < rig->stored_count; i++) {
        const struct rig_stored *s = &rig->stored[i];
        if (!s->gone && name_is(&s->name, &d->name) && s->position > d->after &&
            (best == NULL || s->position < best->position))
            best = s;
    }
    return best;
}

static void stream(struct rig *rig, struct rig_drain *d)
{
    const struct rig_stored *s = next_of(rig, d);
    for (; s != NULL && d->credit > 0; s = next_of(rig, d)) {
        stream_one(rig, d, s);
        d->credit--;
    }
    if (s != NULL || d->told_idle)
        return;
    uint64_t upto = 0;
    for (uint32_t i = 0; i < rig->stored_count; i++)
        if (name_is(&rig->stored[i].name, &d->name) && rig->stored[i].position > upto)
            upto = rig->stored[i].position;
    struct channel_drain_idle *idle = rig_answer(rig, sizeof *idle, CHANNEL_DRAIN_IDLE);
    idle->name = d->name;
    idle->generation = d->generation;
    idle->upto = upto;
    d->told_idle = true;
}

void rig_control_turn(struct rig *rig)
{
    enum wax_status status;
    const struct channel_record *record;
    if (!rig->control_up || rig->control_held)
        return;
    while ((record = channel_peek(rig->to_control, &status)) != NULL) {
        take(rig, record);
        channel_release(rig->to_control, record);
    }
    cr_assert(status == WAX_OK);
    for (uint32_t i = 0; i < rig->drains; i++)
        if (rig->drain[i].generation != 0)
            stream(rig, &rig->drain[i]);
    channel_publish(rig->to_worker);
}

void rig_control_up(struct rig *rig)
{
    static const uint8_t relay_id[WAX_RELAY_ID_BYTES] = "rig";
    memset(rig->to_control, 0, sizeof *rig->to_control);
    memset(rig->to_worker, 0, sizeof *rig->to_worker);
    rig->drains = 0;
    rig->control_up = true;
    stack_control_up(rig->stack, 1, relay_id);
}

void rig_control_down(struct rig *rig)
{
    rig->control_up = false;
    stack_control_down(rig->stack);
}

uint32_t rig_stored_living(const struct rig *rig)
{
    uint32_t living = 0;
    for (uint32_t i = 0; i < rig->stored_count; i++)
        living += !rig->stored[i].gone;
    return living;
}
