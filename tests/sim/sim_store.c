/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mailbox store over a simulated disk. A model plays the data plane: it stores, sends
 * receipts, retires and drains, while control is killed or the power cut at any step, and
 * writes are torn, refused, of unknown outcome or broken. It holds the store to:
 *   - what was answered as stored is drained, in order, with its bytes, until it is retired;
 *   - what was retired durably, or by a receipt that was answered, never comes back;
 *   - what was answered busy never comes; what is offered again is not there twice;
 *   - the same over a channel that breaks and is made again;
 *   - DRAIN_IDLE comes when everything has been streamed, not before;
 *   - in the end no segment is left but those that are being written.
 */
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "mailbox.h"
#include "storage_sim.h"
#include "waxwire/wire.h"

#define BOXES    8u
#define MESSAGES 600u
#define PAYLOAD  6000u
#define START_MS 1700000000000u

enum told { UNTOLD, STORED, BUSY };

struct msg {
    uint32_t box;
    uint64_t position;
    uint64_t id;
    uint64_t taken_ms;
    uint32_t ttl_s;
    uint32_t len;
    bool receipt;
    uint32_t about; /* of a receipt: the message that it retires */
    bool retires;
    bool offered;     /* in this attachment */
    enum told issued; /* by the store in this life */
    enum told told;   /* and read by the data plane */
    bool abandoned;   /* the data plane that offered it died unanswered: it may be there or not */
    bool retire_sent;
    bool retire_sent_now; /* to the control that lives */
    bool retire_durable;
};

struct box {
    struct device_name name;
    bool draining;
    uint64_t generation;
    uint64_t cursor;
    uint64_t credit;
    uint64_t after;
};

struct answer {
    uint64_t tag;
    uint8_t reason;
};

struct sim {
    uint64_t seed;
    uint64_t random;
    uint64_t now_ms;
    struct storage_sim *disk;
    struct mailboxes *m;
    bool ready, broken;
    struct msg msg[MESSAGES];
    uint32_t count;
    struct box box[BOXES];
    uint64_t next_position;
    uint64_t generation;
    struct answer answer[4096];
    uint32_t answers;
    uint64_t settled;
    bool room; /* in the ring */
    bool expect_damage;
    _Alignas(16) uint8_t record[sizeof(struct channel_drained) + PAYLOAD + 64];
    bool record_used;
    uint64_t crashes, refusals, drained, torn, repeats;
    uint64_t early;                   /* deaths while it started */
    uint64_t moved, stripped, purges; /* by the store, in all its lives */
};

static bool verbose;
static struct {
    uint64_t moved, stripped, purges, early;
} totals;

static void fail(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

static void fail(struct sim *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fprintf(stderr, "sim_store: seed %llu at %llu ms: ", (unsigned long long)s->seed,
            (unsigned long long)(s->now_ms - START_MS));
    vfprintf(stderr, format, args);
    fprintf(stderr, "\nreplay: sim-store --seed %llu --runs 1 --verbose\n", (unsigned long long)s->seed);
    va_end(args);
    exit(1);
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    va_list args;
    if (!verbose)
        return;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
}

static uint32_t roll(struct sim *s, uint32_t below)
{
    return (uint32_t)(sim_random(&s->random) % below);
}

static uint8_t payload_byte(uint64_t id, uint32_t at)
{
    return (uint8_t)(id * 31 + at * 7 + (at >> 8));
}

/* ---- what the store says ---- */

static void on_ready(void *ctx, enum wax_status status)
{
    struct sim *s = ctx;
    s->ready = status == WAX_OK;
    s->broken = status != WAX_OK;
}

static void on_stored(void *ctx, uint32_t worker, uint64_t tag, uint8_t reason)
{
    struct sim *s = ctx;
    (void)worker;
    struct msg *msg = &s->msg[tag];
    if (!msg->offered)
        fail(s, "an answer for %llu that nobody waits for", (unsigned long long)tag);
    if (reason != 0 && reason != WIRE_REASON_BUSY)
        fail(s, "reason %u", reason);
    msg->offered = false;
    msg->issued = reason == 0 ? STORED : BUSY;
    s->answer[s->answers++] = (struct answer){tag, reason};
}

static void take_record(struct sim *s);

static struct channel_record *on_reserve(void *ctx, uint32_t worker, uint32_t bytes)
{
    struct sim *s = ctx;
    (void)worker;
    take_record(s);
    if (!s->room || bytes > sizeof s->record)
        return NULL;
    s->record_used = true;
    struct channel_record *record = (struct channel_record *)(void *)s->record;
    *record = (struct channel_record){.bytes = bytes};
    return record;
}

static void on_publish(void *ctx, uint32_t worker)
{
    (void)worker;
    take_record(ctx);
}

static uint64_t on_settled(void *ctx, uint32_t worker)
{
    (void)worker;
    return ((struct sim *)ctx)->settled;
}

static void on_failed(void *ctx, enum wax_status status)
{
    struct sim *s = ctx;
    say("  store stopped: %s\n", wax_status_text(status));
    s->broken = true;
}

static void on_damaged(void *ctx, uint32_t shard, uint64_t segment, uint64_t offset, enum wax_status status)
{
    struct sim *s = ctx;
    say("  %s shard %u segment %llu offset %llu\n", wax_status_name(status), shard,
        (unsigned long long)segment, (unsigned long long)offset);
    s->torn++;
    if (status != WAX_STORE_TORN)
        fail(s, "damage reported where none was done");
}

/* ---- what is streamed ---- */

static bool expired(const struct sim *s, const struct msg *msg)
{
    return !msg->receipt && s->now_ms >= msg->taken_ms + (uint64_t)msg->ttl_s * 1000u;
}

/* Was this one owed to a drain that has come past it? */
static bool owed(const struct msg *msg)
{
    return (msg->issued == STORED || msg->told == STORED) && !msg->retire_sent;
}

static struct box *box_of(struct sim *s, const struct device_name *name)
{
    for (uint32_t i = 0; i < BOXES; i++) {
        if (memcmp(&s->box[i].name, name, sizeof *name) == 0)
            return &s->box[i];
    }
    fail(s, "an unknown mailbox");
}

static void check_passed(struct sim *s, const struct box *box, uint64_t upto)
{
    uint32_t index = (uint32_t)(box - s->box);
    for (uint32_t i = 0; i < s->count; i++) {
        const struct msg *msg = &s->msg[i];
        if (msg->box == index && msg->position > box->cursor && msg->position <= upto && owed(msg))
            fail(s, "position %llu of box %u (message %u) was left out", (unsigned long long)msg->position,
                 index, i);
    }
}

static void take_drained(struct sim *s, const struct channel_drained *d)
{
    struct box *box = box_of(s, &d->name);
    struct msg *msg = NULL;
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->msg[i].position == d->position)
            msg = &s->msg[i];
    }
    if (!box->draining || d->generation != box->generation)
        fail(s, "an item for a drain that has ended");
    if (msg == NULL || &s->box[msg->box] != box)
        fail(s, "an item that was never offered");
    if (d->position <= box->cursor)
        fail(s, "position %llu out of order", (unsigned long long)d->position);
    if (box->credit-- == 0)
        fail(s, "an item without credit");
    check_passed(s, box, d->position - 1);
    if (msg->told == BUSY)
        fail(s, "message %u came though it was refused", (unsigned)(msg - s->msg));
    if (msg->offered)
        fail(s, "message %u came before its answer", (unsigned)(msg - s->msg));
    if (msg->retire_durable || msg->retire_sent_now)
        fail(s, "message %u came back after it was retired", (unsigned)(msg - s->msg));
    uint8_t item = msg->receipt      ? CHANNEL_ITEM_RECEIPT
                   : expired(s, msg) ? CHANNEL_ITEM_EXPIRED
                                     : CHANNEL_ITEM_MESSAGE;
    if (d->item != item || d->id != msg->id || (!msg->receipt && d->taken_ms != msg->taken_ms) ||
        (item == CHANNEL_ITEM_MESSAGE ? d->payload_bytes != msg->len : d->payload_bytes != 0))
        fail(s, "message %u came changed", (unsigned)(msg - s->msg));
    for (uint32_t i = 0; i < d->payload_bytes; i++) {
        if (d->payload[i] != payload_byte(msg->id, i))
            fail(s, "message %u has another byte %u", (unsigned)(msg - s->msg), i);
    }
    box->cursor = d->position;
    s->drained++;
}

static void take_idle(struct sim *s, const struct channel_drain_idle *idle)
{
    struct box *box = box_of(s, &idle->name);
    if (!box->draining || idle->generation != box->generation)
        fail(s, "DRAIN_IDLE for a drain that has ended");
    check_passed(s, box, idle->upto);
    for (uint32_t i = 0; i < s->count; i++) {
        if (&s->box[s->msg[i].box] == box && owed(&s->msg[i]) && s->msg[i].position > idle->upto)
            fail(s, "DRAIN_IDLE too early");
    }
    if (idle->upto > box->cursor)
        box->cursor = idle->upto;
}

static void take_record(struct sim *s)
{
    if (!s->record_used)
        return;
    s->record_used = false;
    const struct channel_record *record = (const struct channel_record *)(void *)s->record;
    if (record->kind == CHANNEL_DRAINED)
        take_drained(s, (const struct channel_drained *)(const void *)record);
    else if (record->kind == CHANNEL_DRAIN_IDLE)
        take_idle(s, (const struct channel_drain_idle *)(const void *)record);
    else
        fail(s, "a record of kind %u", record->kind);
}

/* ---- what the data plane does ---- */

static void read_answers(struct sim *s, uint32_t count)
{
    if (count > s->answers)
        count = s->answers;
    for (uint32_t i = 0; i < count; i++) {
        struct msg *msg = &s->msg[s->answer[i].tag];
        msg->told = s->answer[i].reason == 0 ? STORED : BUSY;
        s->refusals += msg->told == BUSY;
        if (msg->receipt && msg->retires && msg->told == STORED) {
            s->msg[msg->about].retire_sent = true;
            s->msg[msg->about].retire_durable = true;
        }
    }
    memmove(s->answer, s->answer + count, (s->answers - count) * sizeof s->answer[0]);
    s->answers -= count;
    if (s->answers == 0)
        s->settled++;
}

/* One turn of control's loop. */
static void turn(struct sim *s)
{
    s->now_ms += 1 + roll(s, 5);
    mailboxes_clock(s->m, s->now_ms);
    mailboxes_flush(s->m);
    storage_sim_step(s->disk);
    if (!s->broken)
        mailboxes_pump(s->m);
}

static void offer(struct sim *s, uint32_t index, bool again)
{
    static union {
        struct channel_store store;
        struct channel_store_receipt receipt;
        uint8_t bytes[sizeof(struct channel_store) + PAYLOAD];
    } u;
    struct msg *msg = &s->msg[index];
    enum wax_status status = WAX_FULL;
    memset(&u, 0, sizeof(struct channel_store) + sizeof(struct channel_store_receipt));
    msg->offered = true;
    if (msg->receipt) {
        const struct msg *about = &s->msg[msg->about];
        u.receipt = (struct channel_store_receipt){
            .tag = index,
            .name = s->box[msg->box].name,
            .position = msg->position,
            .about = s->box[about->box].name,
            .id = msg->id,
            .retire = msg->retires ? about->position : 0,
            .status_kind = WIRE_DELIVERED,
            .again = again,
        };
    } else {
        u.store = (struct channel_store){
            .tag = index,
            .name = s->box[msg->box].name,
            .sender = s->box[(msg->box + 1) % BOXES].name,
            .position = msg->position,
            .id = msg->id,
            .taken_ms = msg->taken_ms,
            .ttl_s = msg->ttl_s,
            .payload_bytes = msg->len,
            .again = again,
        };
        for (uint32_t i = 0; i < msg->len; i++)
            u.store.payload[i] = payload_byte(msg->id, i);
    }
    while (status == WAX_FULL && !s->broken) {
        status = msg->receipt ? mailbox_store_receipt(s->m, 0, &u.receipt) : mailbox_store(s->m, 0, &u.store);
        if (status == WAX_FULL)
            turn(s);
    }
}

static void act_store(struct sim *s, bool receipt)
{
    if (s->count == MESSAGES)
        return;
    struct msg *msg = &s->msg[s->count];
    *msg = (struct msg){.box = roll(s, BOXES), .taken_ms = s->now_ms, .receipt = receipt};
    if (receipt) {
        msg->about = roll(s, s->count + 1);
        if (msg->about >= s->count || s->msg[msg->about].told != STORED || s->msg[msg->about].receipt ||
            s->msg[msg->about].retire_sent)
            return;
        msg->retires = true;
        s->msg[msg->about].retire_sent = true; /* maybe: it may come until the receipt is answered */
    }
    msg->position = s->next_position++;
    msg->id = sim_random(&s->random);
    msg->ttl_s = roll(s, 10) == 0 ? 1 : 1000000;
    msg->len = receipt ? 0 : roll(s, 5) == 0 ? roll(s, PAYLOAD) : roll(s, 200);
    say("store %u box %u position %llu %s %u\n", s->count, msg->box, (unsigned long long)msg->position,
        receipt ? "receipt of" : "bytes", receipt ? msg->about : msg->len);
    s->count++;
    offer(s, s->count - 1, false);
}

static void act_retire(struct sim *s, uint32_t box, uint32_t most)
{
    uint64_t storage[sizeof(struct channel_retire) / 8 + 64];
    struct channel_retire *request = (struct channel_retire *)(void *)storage;
    *request = (struct channel_retire){.name = s->box[box].name};
    for (uint32_t i = 0; i < s->count && request->count < most; i++) {
        struct msg *msg = &s->msg[i];
        if (msg->box != box || msg->retire_sent || msg->told == BUSY || roll(s, 3) == 0)
            continue;
        if (msg->told != STORED && (msg->issued != STORED || roll(s, 4) != 0))
            continue;
        msg->retire_sent = true; /* it may still come until the store has taken the request */
        request->position[request->count++] = msg->position;
        say("retire %u\n", i);
    }
    while (request->count != 0 && mailbox_retire(s->m, request) == WAX_FULL && !s->broken)
        turn(s);
    for (uint32_t i = 0; i < s->count && !s->broken; i++) {
        for (uint32_t j = 0; j < request->count; j++)
            s->msg[i].retire_sent_now |= s->msg[i].position == request->position[j];
    }
}

static void act_drain(struct sim *s, uint32_t index, uint32_t credit)
{
    struct box *box = &s->box[index];
    if (box->draining && roll(s, 3) == 0) {
        struct channel_drain_stop stop = {.name = box->name, .generation = box->generation};
        box->draining = false;
        mailbox_drain_stop(s->m, &stop);
    } else if (box->draining) {
        struct channel_drain_credit more = {
            .name = box->name, .generation = box->generation, .messages = credit};
        box->credit += credit;
        mailbox_drain_credit(s->m, &more);
    } else {
        box->draining = true;
        box->generation = ++s->generation;
        box->cursor = box->after = 0;
        box->credit = credit;
        struct channel_drain drain = {.name = box->name, .generation = box->generation, .messages = credit};
        mailbox_drain(s->m, 0, &drain);
    }
}

/* ---- lives and deaths of control ---- */

static const struct mailbox_config config = {.hash_key = "0123456789abcde",
                                             .seed = 77,
                                             .segment_bytes = STORAGE_SIM_SEGMENT_BYTES,
                                             .commit_bytes = 4096,
                                             .master = "the key of keys, for this test.",
                                             .purge_ms = 400,
                                             .cipher = LOG_CHACHA20_POLY1305};

static void start(struct sim *s)
{
    const struct mailbox_port port = {
        .ctx = s,
        .ready = on_ready,
        .stored = on_stored,
        .reserve = on_reserve,
        .publish = on_publish,
        .settled = on_settled,
        .failed = on_failed,
        .damaged = on_damaged,
    };
    do {
        s->ready = s->broken = false;
        s->m = mailboxes_new(storage_sim_storage(s->disk), &port, &config);
        mailboxes_clock(s->m, s->now_ms);
        mailboxes_recover(s->m);
        uint32_t patience = roll(s, 4) == 0 ? roll(s, 60) : UINT32_MAX; /* and is killed while it starts */
        for (uint32_t i = 0; !s->ready && !s->broken && i < patience; i++)
            storage_sim_step(s->disk);
        if (!s->ready) {
            s->early += !s->broken;
            storage_sim_crash(s->disk);
            mailboxes_free(s->m);
        }
    } while (!s->ready);
}

static void note_counts(struct sim *s)
{
    struct mailbox_counts counts;
    mailboxes_counts(s->m, &counts);
    s->moved += counts.moved;
    s->stripped += counts.stripped;
    s->purges += counts.purges;
}

/* Control dies; `data_plane` dies with it, or offers again what was not answered. */
static void crash(struct sim *s, bool data_plane)
{
    say("crash%s\n", data_plane ? " of both" : "");
    s->crashes++;
    storage_sim_crash(s->disk);
    note_counts(s);
    mailboxes_free(s->m);
    s->answers = 0;
    s->record_used = false;
    for (uint32_t i = 0; i < BOXES; i++)
        s->box[i].draining = false;
    for (uint32_t i = 0; i < s->count; i++) {
        struct msg *msg = &s->msg[i];
        msg->offered = false;
        msg->issued = UNTOLD;
        if (msg->retire_sent_now && !msg->retire_durable)
            msg->retire_sent_now = false;
        if (data_plane && msg->told == UNTOLD)
            msg->abandoned = true;
    }
    start(s);
    for (uint32_t i = 0; i < s->count && !s->broken; i++) {
        if (s->msg[i].told == UNTOLD && !s->msg[i].abandoned) {
            s->repeats++;
            offer(s, i, true);
        }
    }
}

/* The channel breaks while control lives on: what was not read is offered again on a new one. */
static void reattach(struct sim *s, bool data_plane)
{
    say("reattach%s\n", data_plane ? ", another data plane" : "");
    mailboxes_detach(s->m);
    s->answers = 0;
    for (uint32_t i = 0; i < BOXES; i++)
        s->box[i].draining = false;
    for (uint32_t i = 0; i < s->count; i++) {
        s->msg[i].offered = false;
        s->msg[i].abandoned |= data_plane && s->msg[i].told == UNTOLD;
    }
    for (uint32_t i = 0; i < s->count && !s->broken; i++) {
        if (s->msg[i].told == UNTOLD && !s->msg[i].abandoned)
            offer(s, i, true);
    }
}

/* Until nothing is under way: what was retired before is durable then. */
static void quiesce(struct sim *s)
{
    storage_sim_set(s->disk, (struct storage_sim_faults){.delay = 3});
    s->room = true;
    for (uint32_t i = 0; mailboxes_busy(s->m) || s->answers != 0; i++) {
        turn(s);
        read_answers(s, UINT32_MAX);
        if (s->broken)
            fail(s, "the store stopped without a fault");
        if (i > 100000)
            fail(s, "the store never comes to rest");
    }
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->msg[i].retire_sent_now)
            s->msg[i].retire_durable = true;
        if (s->msg[i].offered)
            fail(s, "message %u was never answered", i);
    }
}

static void check_all(struct sim *s)
{
    quiesce(s);
    for (uint32_t i = 0; i < BOXES; i++) {
        struct box *box = &s->box[i];
        if (box->draining) {
            struct channel_drain_stop stop = {.name = box->name, .generation = box->generation};
            mailbox_drain_stop(s->m, &stop);
            box->draining = false;
        }
        act_drain(s, i, MESSAGES);
    }
    quiesce(s);
    for (uint32_t i = 0; i < BOXES; i++)
        check_passed(s, &s->box[i], UINT64_MAX);
}

static void check_segments(struct sim *s)
{
    for (uint32_t round = 0; round < 200; round++) {
        for (uint32_t i = 0; i < BOXES; i++)
            act_retire(s, i, 32);
        quiesce(s);
    }
    /* what was abandoned is retired as well: the store knows it, if it is there */
    for (uint32_t i = 0; i < s->count; i++) {
        uint64_t storage[sizeof(struct channel_retire) / 8 + 1];
        struct channel_retire *request = (struct channel_retire *)(void *)storage;
        *request = (struct channel_retire){.name = s->box[s->msg[i].box].name, .count = 1};
        request->position[0] = s->msg[i].position;
        while (mailbox_retire(s->m, request) == WAX_FULL)
            turn(s);
    }
    quiesce(s);
    struct mailbox_counts counts;
    mailboxes_counts(s->m, &counts);
    if (counts.items_now != 0)
        fail(s, "%llu items are left", (unsigned long long)counts.items_now);
    if (storage_sim_segments(s->disk) > WAX_STORE_SHARDS)
        fail(s, "%u segments are left", storage_sim_segments(s->disk));
}

static void step(struct sim *s)
{
    uint32_t what = roll(s, 100);
    s->room = roll(s, 4) != 0;
    if (what < 40)
        act_store(s, false);
    else if (what < 50)
        act_store(s, true);
    else if (what < 60)
        act_retire(s, roll(s, BOXES), 1 + roll(s, 8));
    else if (what < 75)
        act_drain(s, roll(s, BOXES), 1 + roll(s, 10));
    if (roll(s, 2) == 0)
        turn(s);
    if (roll(s, 3) == 0)
        read_answers(s, 1 + roll(s, 20));
    if (s->broken)
        crash(s, roll(s, 3) == 0);
    else if (roll(s, 150) == 0)
        crash(s, roll(s, 3) == 0);
    else if (roll(s, 150) == 0)
        reattach(s, roll(s, 3) == 0);
    else if (roll(s, 300) == 0)
        quiesce(s);
    if (roll(s, 50) == 0)
        storage_sim_set(s->disk, (struct storage_sim_faults){
                                     .unknown = roll(s, 3) == 0 ? roll(s, 200) : 0,
                                     .no_space = roll(s, 3) == 0 ? roll(s, 300) : 0,
                                     .io = roll(s, 6) == 0 ? roll(s, 50) : 0,
                                     .delay = 1 + roll(s, 20),
                                 });
}

static void run(uint64_t seed)
{
    struct sim *s = calloc(1, sizeof *s);
    s->seed = seed;
    s->random = seed * 2 + 1;
    s->now_ms = START_MS;
    s->next_position = (UINT64_C(1) << 48) + 1;
    s->disk = storage_sim_new(seed);
    for (uint32_t i = 0; i < BOXES; i++) {
        s->box[i].name.device = (uint16_t)(1 + i % 2);
        memset(s->box[i].name.user, (int)(i / 2), WAX_USER_BYTES);
    }
    start(s);
    for (uint32_t i = 0; i < 1500; i++)
        step(s);
    if (s->broken)
        crash(s, false);
    check_all(s);
    crash(s, false);
    check_all(s);
    check_segments(s);
    note_counts(s);
    say("crashes %llu refusals %llu drained %llu torn %llu repeats %llu moved %llu stripped %llu purges "
        "%llu\n",
        (unsigned long long)s->crashes, (unsigned long long)s->refusals, (unsigned long long)s->drained,
        (unsigned long long)s->torn, (unsigned long long)s->repeats, (unsigned long long)s->moved,
        (unsigned long long)s->stripped, (unsigned long long)s->purges);
    totals.moved += s->moved;
    totals.stripped += s->stripped;
    totals.purges += s->purges;
    totals.early += s->early;
    storage_sim_crash(s->disk);
    mailboxes_free(s->m);
    storage_sim_free(s->disk);
    free(s);
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, runs = 1;
    if (sodium_init() < 0)
        return 2;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc)
            runs = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--verbose") == 0)
            verbose = true;
        else {
            fprintf(stderr, "usage: sim-store [--seed N] [--runs N] [--verbose]\n");
            return 2;
        }
    }
    for (uint64_t i = 0; i < runs; i++)
        run(seed + i);
    printf("sim_store: %llu runs from seed %llu passed: %llu copied, %llu stripped, %llu rounds of purging, "
           "%llu killed while they started\n",
           (unsigned long long)runs, (unsigned long long)seed, (unsigned long long)totals.moved,
           (unsigned long long)totals.stripped, (unsigned long long)totals.purges,
           (unsigned long long)totals.early);
    return 0;
}
