/* SPDX-License-Identifier: BSD-3-Clause */
#include "mailbox_help.h"

#include <criterion/criterion.h>
#include <sodium.h>

#include "waxwire/wire.h"

struct mailbox_config config = {.hash_key = "0123456789abcde",
                                .seed = 9,
                                .segment_bytes = STORAGE_SIM_SEGMENT_BYTES,
                                .commit_bytes = 4096,
                                .master = "the key of keys, for this test.",
                                .purge_ms = 400,
                                .cipher = LOG_CHACHA20_POLY1305};

static void flush_record(struct fixture *f)
{
    if (!f->used)
        return;
    f->used = false;
    struct said *said = &f->said[f->count++];
    const struct channel_drained *d = (const void *)f->record;
    const struct channel_drain_idle *idle = (const void *)f->record;
    *said = (struct said){.kind = d->record.kind, .generation = d->generation, .position = d->position};
    if (said->kind == CHANNEL_DRAINED) {
        said->item = d->item;
        said->reason = d->reason;
        said->payload_bytes = d->payload_bytes;
        said->first = d->payload_bytes != 0 ? d->payload[0] : 0;
    } else {
        said->position = idle->upto;
    }
}

static void on_ready(void *ctx, enum wax_status status)
{
    ((struct fixture *)ctx)->ready = status == WAX_OK;
}

static void on_stored(void *ctx, uint32_t worker, uint64_t tag, uint8_t reason)
{
    struct fixture *f = ctx;
    (void)worker;
    flush_record(f);
    f->said[f->count++] = (struct said){.kind = CHANNEL_STORED, .tag = tag, .reason = reason};
}

static struct channel_record *on_reserve(void *ctx, uint32_t worker, uint32_t bytes)
{
    struct fixture *f = ctx;
    (void)worker;
    flush_record(f);
    if (!f->room)
        return NULL;
    cr_assert_leq(bytes, sizeof f->record);
    f->used = true;
    return (struct channel_record *)(void *)f->record;
}

static void on_publish(void *ctx, uint32_t worker)
{
    (void)worker;
    flush_record(ctx);
}

static uint64_t on_settled(void *ctx, uint32_t worker)
{
    (void)worker;
    return ((struct fixture *)ctx)->settled;
}

static void on_failed(void *ctx, enum wax_status status)
{
    (void)status;
    struct fixture *f = ctx;
    f->failed = true;
    f->said_before = f->count;
}

static void on_damaged(void *ctx, uint32_t shard, uint64_t segment, uint64_t offset, enum wax_status status)
{
    struct fixture *f = ctx;
    (void)shard;
    (void)segment;
    (void)offset;
    *(status == WAX_STORE_TORN ? &f->torn : &f->damaged) += 1;
}

static void open_store(struct fixture *f)
{
    const struct mailbox_port port = {
        .ctx = f,
        .ready = on_ready,
        .stored = on_stored,
        .reserve = on_reserve,
        .publish = on_publish,
        .settled = on_settled,
        .failed = on_failed,
        .damaged = on_damaged,
    };
    f->ready = false;
    f->m = mailboxes_new(storage_sim_storage(f->disk), &port, &config);
    mailboxes_clock(f->m, f->now_ms);
    mailboxes_recover(f->m);
    while (!f->ready)
        storage_sim_step(f->disk);
    mailboxes_flush(f->m); /* the first key ring */
    for (int i = 0; i < 100 && mailboxes_busy(f->m); i++) {
        storage_sim_step(f->disk);
        mailboxes_flush(f->m);
    }
}

struct fixture *begin(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    cr_assert_geq(sodium_init(), 0);
    f->disk = storage_sim_new(1);
    f->now_ms = 1000000;
    f->room = true;
    open_store(f);
    return f;
}

void reopen(struct fixture *f)
{
    storage_sim_crash(f->disk);
    mailboxes_free(f->m);
    f->count = f->read = 0;
    open_store(f);
}

void end(struct fixture *f)
{
    storage_sim_crash(f->disk);
    mailboxes_free(f->m);
    storage_sim_free(f->disk);
    free(f);
}

void turn(struct fixture *f)
{
    mailboxes_clock(f->m, ++f->now_ms);
    mailboxes_flush(f->m);
    storage_sim_step(f->disk);
    mailboxes_pump(f->m);
}

void settle(struct fixture *f)
{
    for (int i = 0; i < 5000 && mailboxes_busy(f->m); i++)
        turn(f);
    cr_assert_not(mailboxes_busy(f->m));
    turn(f);
}

struct device_name name_of(uint8_t user)
{
    struct device_name name = {.device = 1};
    memset(name.user, user, sizeof name.user);
    return name;
}

enum wax_status put_ttl(struct fixture *f, uint8_t user, uint64_t position, uint32_t bytes, uint32_t ttl_s)
{
    static uint64_t buffer[(sizeof(struct channel_store) + WAX_FRAME_BYTES_MAX) / 8 + 1];
    struct channel_store *request = (struct channel_store *)(void *)buffer;
    *request = (struct channel_store){.tag = position,
                                      .name = name_of(user),
                                      .sender = name_of(99),
                                      .position = position,
                                      .id = position,
                                      .taken_ms = f->now_ms,
                                      .ttl_s = ttl_s,
                                      .payload_bytes = bytes};
    memset(request->payload, (int)(position & 0xff), bytes);
    return mailbox_store(f->m, 0, request);
}

enum wax_status put(struct fixture *f, uint8_t user, uint64_t position, uint32_t bytes)
{
    return put_ttl(f, user, position, bytes, 100000);
}

void drain(struct fixture *f, uint8_t user, uint64_t generation, uint64_t after, uint32_t messages)
{
    struct channel_drain request = {
        .name = name_of(user), .generation = generation, .after = after, .messages = messages};
    mailbox_drain(f->m, 0, &request);
}

void retire(struct fixture *f, uint8_t user, uint64_t position)
{
    uint64_t buffer[sizeof(struct channel_retire) / 8 + 1];
    struct channel_retire *request = (struct channel_retire *)(void *)buffer;
    *request = (struct channel_retire){.name = name_of(user), .count = 1};
    request->position[0] = position;
    while (mailbox_retire(f->m, request) == WAX_FULL)
        turn(f);
}

const struct said *next(struct fixture *f)
{
    for (int i = 0; i < 100 && f->read == f->count; i++)
        turn(f);
    cr_assert_lt(f->read, f->count, "nothing was said");
    return &f->said[f->read++];
}

void expect_stored(struct fixture *f, uint64_t tag, uint8_t reason)
{
    const struct said *said = next(f);
    cr_assert_eq(said->kind, CHANNEL_STORED);
    cr_assert_eq(said->tag, tag);
    cr_assert_eq(said->reason, reason);
}

void expect_item(struct fixture *f, uint64_t position, uint8_t item)
{
    const struct said *said = next(f);
    cr_assert_eq(said->kind, CHANNEL_DRAINED, "kind %u", said->kind);
    cr_assert_eq(said->position, position);
    cr_assert_eq(said->item, item);
    if (item == CHANNEL_ITEM_MESSAGE && said->payload_bytes != 0)
        cr_assert_eq(said->first, position & 0xff);
}

void expect_idle(struct fixture *f, uint64_t upto)
{
    const struct said *said = next(f);
    cr_assert_eq(said->kind, CHANNEL_DRAIN_IDLE, "kind %u", said->kind);
    cr_assert_eq(said->position, upto);
}

void expect_silence(struct fixture *f)
{
    for (int i = 0; i < 40; i++)
        turn(f);
    cr_assert_eq(f->read, f->count);
}
