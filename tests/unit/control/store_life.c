/* SPDX-License-Identifier: BSD-3-Clause */
#include "store_life.h"
#include "storage_reopen.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void fault(struct life *life, const char *text, uint64_t number)
{
    snprintf(life->told->fault, sizeof life->told->fault, "%s %lu in life %lu", text, (unsigned long)number,
             (unsigned long)life->told->lives);
    _exit(1);
}

uint64_t life_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static uint32_t length_of(uint64_t position)
{
    return (uint32_t)(position * 7919u % 3000u);
}

static struct device_name name_of(uint64_t position)
{
    struct device_name name = {.device = 1};
    memset(name.user, (int)(position % USERS), sizeof name.user);
    return name;
}

static void on_ready(void *ctx, enum wax_status status)
{
    struct life *life = ctx;
    life->ready = true;
    if (status != WAX_OK)
        fault(life, wax_status_text(status), 0);
}

static void on_stored(void *ctx, uint32_t worker, uint64_t tag, uint8_t reason)
{
    struct life *life = ctx;
    (void)worker;
    life->under_way--;
    if (reason != 0 && !life->may_refuse)
        fault(life, "refused", tag);
    life->refused += reason != 0;
    life->accepted += reason == 0;
    life->told->stored[tag] = reason == 0;
    if (life->stopped != WAX_OK)
        fault(life, "an answer after the end", tag);
}

/* Look at what was streamed last, then give its room away again. */
static void take(struct life *life)
{
    const struct channel_drained *d = (const void *)life->record;
    if (d->record.kind != CHANNEL_DRAINED)
        return;
    if (d->position <= life->last || d->position >= POSITIONS)
        fault(life, "out of order", d->position);
    life->last = d->position;
    if (life->told->dead[d->position] != 0)
        fault(life, "a message that must not be there", d->position);
    if (d->payload_bytes != length_of(d->position))
        fault(life, "another length", d->position);
    for (uint32_t i = 0; i < d->payload_bytes; i++) {
        if (d->payload[i] != (uint8_t)(d->position + i))
            fault(life, "another byte", d->position);
    }
    life->seen += life->told->stored[d->position] != 0 && life->told->retired[d->position] == 0;
    life->told->stored[d->position] |= 2;
    memset(life->record, 0, sizeof(struct channel_record));
}

static struct channel_record *on_reserve(void *ctx, uint32_t worker, uint32_t bytes)
{
    struct life *life = ctx;
    (void)worker;
    take(life);
    if (bytes > sizeof life->record)
        fault(life, "a record too large", bytes);
    return (struct channel_record *)(void *)life->record;
}

static void on_publish(void *ctx, uint32_t worker)
{
    (void)worker;
    take(ctx);
}

static uint64_t on_settled(void *ctx, uint32_t worker)
{
    (void)worker;
    return ((struct life *)ctx)->settled;
}

static void on_failed(void *ctx, enum wax_status status)
{
    struct life *life = ctx;
    life->stopped = status;
    if (!life->may_stop)
        fault(life, wax_status_text(status), 0);
}

static void on_damaged(void *ctx, uint32_t shard, uint64_t segment, uint64_t offset, enum wax_status status)
{
    (void)shard;
    (void)segment;
    if (status != WAX_STORE_TORN)
        fault(ctx, "damage", offset);
}

void life_turn(struct life *life)
{
    mailboxes_clock(life->m, life_wall_ms());
    mailboxes_pump(life->m);
    mailboxes_flush(life->m);
    loop_turn(life->loop, 1);
    life->settled++; /* answers are read at once */
}

void life_open(struct life *life, const char *directory)
{
    const struct mailbox_port port = {life,       on_ready,   on_stored, on_reserve,
                                      on_publish, on_settled, on_failed, on_damaged};
    const struct mailbox_config config = {.seed = 3,
                                          .segment_bytes = 256u << 10,
                                          .commit_bytes = 64u << 10,
                                          .purge_ms = 400,
                                          .cipher = log_cipher_choose()};
    const struct storage_local_config local = {directory, config.segment_bytes, UINT64_C(1) << 28};
    life->loop = loop_new();
    enum wax_status status = storage_reopen(life->loop, &local, &life->storage);
    if (status != WAX_OK)
        fault(life, wax_status_text(status), 0);
    life->m = mailboxes_new(life->storage, &port, &config);
    mailboxes_clock(life->m, life_wall_ms());
    mailboxes_recover(life->m);
    while (!life->ready)
        loop_turn(life->loop, 10);
}

/* Everything that was answered and not retired is there. */
void life_check(struct life *life)
{
    uint64_t owed = 0;
    for (uint64_t p = 1; p < life->told->next; p++)
        owed += life->told->stored[p] != 0 && life->told->retired[p] == 0;
    for (uint64_t user = 0; user < USERS; user++) {
        struct channel_drain drain = {.name = name_of(user), .generation = 1, .messages = POSITIONS};
        life->last = 0;
        mailbox_drain(life->m, 0, &drain);
        while (mailboxes_pump(life->m) || mailboxes_busy(life->m))
            life_turn(life);
        struct channel_drain_stop stop = {.name = drain.name, .generation = 1};
        mailbox_drain_stop(life->m, &stop);
    }
    if (life->seen != owed)
        fault(life, "messages are missing, or too many:", owed - life->seen);
    life->told->checked += owed;
}

static void send_one(struct life *life)
{
    static uint64_t buffer[(sizeof(struct channel_store) + 4096) / 8];
    struct channel_store *r = (struct channel_store *)(void *)buffer;
    uint64_t position = life->told->next;
    *r = (struct channel_store){.tag = position,
                                .name = name_of(position),
                                .sender = name_of(position + 1),
                                .position = position,
                                .id = position,
                                .taken_ms = life_wall_ms(),
                                .ttl_s = 100000,
                                .payload_bytes = length_of(position)};
    for (uint32_t i = 0; i < r->payload_bytes; i++)
        r->payload[i] = (uint8_t)(position + i);
    if (mailbox_store(life->m, 0, r) != WAX_OK)
        return;
    life->told->next = position + 1;
    life->under_way++;
}

static void retire_one(struct life *life)
{
    uint64_t buffer[sizeof(struct channel_retire) / 8 + 1];
    struct channel_retire *r = (struct channel_retire *)(void *)buffer;
    uint64_t position = 1 + randombytes_uniform((uint32_t)life->told->next);
    if (position >= life->told->next || life->told->stored[position] == 0 ||
        (life->keeps_fifths && position % 5 == 0))
        return;
    life->told->retired[position] |= RETIRE_ASKED;
    *r = (struct channel_retire){.name = name_of(position), .count = 1};
    r->position[0] = position;
    if (mailbox_retire(life->m, r) == WAX_OK)
        life->told->retired[position] = RETIRE_TAKEN;
}

void life_load(struct life *life)
{
    for (int i = 0; i < 8 && life->under_way < WINDOW; i++)
        send_one(life);
    for (int i = 0; i < 7; i++)
        retire_one(life);
    life_turn(life);
}
