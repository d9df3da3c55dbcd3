/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mailbox store beside databases, at the same durability: every message is answered when it is on stable
 * storage. So many senders have one message each under way; whoever is answered sends the next. A database
 * takes all that wait in one transaction and syncs it; keys are (mailbox, position), or with "append" the
 * order of coming, which is the fastest there is for it, but no mailbox.
 */
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "bench_store.h"
#include "mailbox.h"
#include "storage_local.h"

/* ---- the mailbox store ---- */

struct bench {
    const struct options *options;
    struct outcome *out;
    struct loop *loop;
    struct storage *storage;
    struct mailboxes *m;
    bool ready;
    uint64_t random, position;
    uint64_t sent_ns[SENDERS_MAX];
    uint32_t idle[SENDERS_MAX], idle_count; /* senders that have been answered */
    uint32_t under_way;
    uint64_t refused;
    struct channel_store *request;
    uint32_t purge_ms;
    _Alignas(16) uint8_t drained[sizeof(struct channel_drained) + WAX_FRAME_BYTES_MAX];
};

static void on_ready(void *ctx, enum wax_status status)
{
    must(status == WAX_OK, wax_status_text(status));
    ((struct bench *)ctx)->ready = true;
}

static void on_stored(void *ctx, uint32_t worker, uint64_t tag, uint8_t reason)
{
    struct bench *b = ctx;
    (void)worker;
    b->refused += reason != 0;
    took(b->out, now_ns(CLOCK_MONOTONIC) - b->sent_ns[tag]);
    b->idle[b->idle_count++] = (uint32_t)tag;
    b->under_way--;
}

static uint64_t on_settled(void *ctx, uint32_t worker)
{
    (void)ctx;
    (void)worker;
    return 0;
}

static void on_failed(void *ctx, enum wax_status status)
{
    (void)ctx;
    must(false, wax_status_text(status));
}

static void on_damaged(void *ctx, uint32_t shard, uint64_t segment, uint64_t offset, enum wax_status status)
{
    (void)ctx;
    (void)shard;
    (void)segment;
    (void)offset;
    must(status == WAX_STORE_TORN, "damage");
}

static struct channel_record *on_reserve(void *ctx, uint32_t worker, uint32_t bytes)
{
    struct bench *b = ctx;
    (void)worker;
    struct channel_record *record = (struct channel_record *)(void *)b->drained;
    must(bytes <= sizeof b->drained, "a record too large");
    return record;
}

static void on_publish(void *ctx, uint32_t worker)
{
    (void)ctx;
    (void)worker;
}

static uint64_t wall_ms(void)
{
    return now_ns(CLOCK_REALTIME) / 1000000u;
}

static void store_open(struct bench *b)
{
    const struct mailbox_port port = {.ctx = b,
                                      .ready = on_ready,
                                      .stored = on_stored,
                                      .reserve = on_reserve,
                                      .publish = on_publish,
                                      .settled = on_settled,
                                      .failed = on_failed,
                                      .damaged = on_damaged};
    struct mailbox_config config = {.seed = 1,
                                    .segment_bytes = 8u << 20,
                                    .commit_bytes = 2u << 20,
                                    .purge_ms = b->purge_ms,
                                    .cipher = log_cipher_choose(),
                                    .slack_bytes = 32u << 20};
    struct storage_local_config local = {b->options->directory, config.segment_bytes, UINT64_C(1) << 30};
    b->loop = loop_new();
    must(b->loop != NULL, "io_uring");
    must(storage_local_open(b->loop, &local, &b->storage) == WAX_OK, b->options->directory);
    b->m = mailboxes_new(b->storage, &port, &config);
    mailboxes_clock(b->m, wall_ms());
    mailboxes_recover(b->m);
    while (!b->ready)
        loop_turn(b->loop, 10);
}

static void store_turn(struct bench *b)
{
    mailboxes_clock(b->m, wall_ms());
    mailboxes_pump(b->m);
    mailboxes_flush(b->m);
    loop_turn(b->loop, b->under_way != 0 ? 10 : 0);
}

static void store_close(struct bench *b)
{
    while (mailboxes_busy(b->m))
        store_turn(b);
    storage_local_close(b->storage);
    mailboxes_free(b->m);
    loop_free(b->loop);
    b->ready = false;
}

static void store_send(struct bench *b)
{
    struct channel_store *r = b->request;
    while (b->idle_count != 0) {
        uint32_t sender = b->idle[b->idle_count - 1];
        r->tag = sender;
        r->position = ++b->position;
        r->id = b->position;
        user_of(draw(&b->random) % USERS, r->name.user);
        b->sent_ns[sender] = now_ns(CLOCK_MONOTONIC);
        if (mailbox_store(b->m, 0, r) == WAX_FULL)
            return;
        b->idle_count--;
        b->under_way++;
    }
}

/* The process is gone, as far as the store can tell: start on what lies there, and stream all of it. */
static void store_again(struct bench *b, uint64_t log_bytes)
{
    struct outcome *out = b->out;
    struct mailbox_counts counts;
    while (mailboxes_busy(b->m))
        store_turn(b);
    storage_local_close(b->storage);
    mailboxes_free(b->m);
    loop_free(b->loop);
    b->ready = false;
    uint64_t began = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    store_open(b);
    out->recover_cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    out->recover_ns = now_ns(CLOCK_MONOTONIC) - began;
    out->log_bytes = log_bytes;
    mailboxes_counts(b->m, &counts);
    must(counts.items_now == out->messages, "the start does not find all messages");
    began = now_ns(CLOCK_MONOTONIC);
    for (uint32_t user = 0; user < USERS; user++) {
        struct channel_drain drain = {.generation = 1, .messages = 100000};
        drain.name.device = 1;
        user_of(user, drain.name.user);
        mailbox_drain(b->m, 0, &drain);
        while ((user % 64 == 63 || user + 1 == USERS) && (mailboxes_pump(b->m) || mailboxes_busy(b->m)))
            store_turn(b);
    }
    out->drain_ns = now_ns(CLOCK_MONOTONIC) - began;
    mailboxes_counts(b->m, &counts);
    out->drained = counts.drained;
    must(counts.drained == out->messages, "not all messages are streamed");
}

static struct bench *bench_new(const struct options *options, struct outcome *out)
{
    struct bench *b = calloc(1, sizeof *b);
    must(b != NULL, "memory");
    b->options = options;
    b->out = out;
    b->purge_ms = 60000;
    b->request = calloc(1, sizeof *b->request + options->payload);
    must(b->request != NULL, "memory");
    b->request->name.device = 1;
    b->request->sender.device = 1;
    b->request->ttl_s = 1000000;
    b->request->taken_ms = wall_ms();
    b->request->payload_bytes = options->payload;
    randombytes_buf(b->request->payload, options->payload);
    for (uint32_t i = 0; i < options->senders; i++)
        b->idle[b->idle_count++] = i;
    return b;
}

/* What is allocated, in the heap and beside it. */
static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void run_waxwire(const struct options *options, struct outcome *out)
{
    struct bench *b = bench_new(options, out);
    struct mailbox_counts counts;
    store_open(b);
    for (int i = 0; i < 50; i++) /* the first rings */
        store_turn(b);
    uint64_t began = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t until = began + (uint64_t)options->seconds * SECOND;
    size_t heap = heap_bytes();
    while (now_ns(CLOCK_MONOTONIC) < until) {
        store_send(b);
        store_turn(b);
    }
    while (b->under_way != 0)
        store_turn(b);
    out->ns = now_ns(CLOCK_MONOTONIC) - began;
    out->cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    out->heap_bytes = heap_bytes() - heap - out->room * sizeof *out->latency_ns;
    mailboxes_counts(b->m, &counts);
    out->commits = counts.commits;
    must(b->refused == 0 && counts.stored == out->messages, "messages were refused");
    if (options->again)
        store_again(b, counts.commit_bytes);
    store_close(b);
    free(b->request);
    free(b);
}

/* ---- much that lives, a part of which goes all the time ---- */

#define CHURN_PURGE_MS 1000u /* a minute, sixty times as fast */
#define CHURN_PART     100u  /* of what lives goes in it */

struct living {
    uint32_t user;
    uint64_t position;
};

static void churn_retire(struct bench *b, struct living *living, uint64_t *count)
{
    uint64_t buffer[sizeof(struct channel_retire) / 8 + 1];
    struct channel_retire *r = (struct channel_retire *)(void *)buffer;
    uint64_t which = draw(&b->random) % *count;
    *r = (struct channel_retire){.count = 1};
    r->name.device = 1;
    user_of(living[which].user, r->name.user);
    r->position[0] = living[which].position;
    if (mailbox_retire(b->m, r) == WAX_OK)
        living[which] = living[--*count];
}

static void churn_store(struct bench *b, struct living *living, uint64_t *count)
{
    struct channel_store *r = b->request;
    uint32_t user = (uint32_t)(draw(&b->random) % USERS);
    if (b->idle_count == 0)
        return;
    r->tag = b->idle[b->idle_count - 1];
    r->position = b->position + 1;
    user_of(user, r->name.user);
    b->sent_ns[r->tag] = now_ns(CLOCK_MONOTONIC);
    if (mailbox_store(b->m, 0, r) == WAX_FULL)
        return;
    b->idle_count--;
    b->under_way++;
    b->position++;
    living[(*count)++] = (struct living){user, r->position};
}

/*
 * Fill the store with so many MB, then let 1 % of what lives go each second, at random, and as much come;
 * keys go within a second. What that writes is told of the second half.
 */
static void run_churn(const struct options *options, struct outcome *out)
{
    struct bench *b = bench_new(options, out);
    struct mailbox_counts begun, ended;
    uint64_t most = (uint64_t)options->living_mb * 1000000u / log_message_size(options->payload), count = 0,
             gone = 0;
    struct living *living = calloc(most + 1, sizeof *living);
    must(living != NULL, "memory");
    b->purge_ms = CHURN_PURGE_MS;
    store_open(b);
    while (count < most) {
        while (b->idle_count != 0 && count < most)
            churn_store(b, living, &count);
        store_turn(b);
    }
    uint64_t began = now_ns(CLOCK_MONOTONIC), span = (uint64_t)options->seconds * SECOND;
    mailboxes_counts(b->m, &begun);
    for (bool half = false; now_ns(CLOCK_MONOTONIC) - began < span;) {
        uint64_t passed = now_ns(CLOCK_MONOTONIC) - began;
        uint64_t due = (uint64_t)((double)passed / 1e9 * (double)most / CHURN_PART);
        if (!half && passed > span / 2) {
            half = true;
            mailboxes_counts(b->m, &begun);
        }
        for (; gone < due && b->idle_count != 0; gone++) {
            churn_retire(b, living, &count);
            churn_store(b, living, &count);
        }
        mailboxes_clock(b->m, wall_ms());
        mailboxes_flush(b->m);
        loop_turn(b->loop, 2);
    }
    mailboxes_counts(b->m, &ended);
    out->churn_bytes = (ended.stored - begun.stored) * log_message_size(options->payload);
    out->churn_written = ended.commit_bytes - begun.commit_bytes + ended.purge_bytes - begun.purge_bytes;
    out->churn_moved = ended.moved_bytes - begun.moved_bytes;
    out->churn_purge = ended.purge_bytes - begun.purge_bytes;
    out->churn_late_ms = ended.purge_late_ms;
    out->churn_disk = (double)ended.log_bytes_now / (double)ended.bytes_now;
    out->ns = now_ns(CLOCK_MONOTONIC) - began;
    free(living);
    store_close(b);
    free(b->request);
    free(b);
}

/* ---- the answer ---- */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double percentile_ms(const struct outcome *out, double part)
{
    uint64_t at = (uint64_t)((double)(out->messages - 1) * part);
    return (double)out->latency_ns[at] / 1e6;
}

static void tell(const struct options *options, struct outcome *out)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    must(out->messages != 0, "nothing was stored");
    qsort(out->latency_ns, out->messages, sizeof *out->latency_ns, by_value);
    double s = (double)out->ns / 1e9, rate = (double)out->messages / s;
    bool disk = strcmp(options->engine, "disk") == 0;
    printf("{\"engine\":\"%s\",\"senders\":%u,\"payload\":%u,\"messages\":%lu,\"stored_per_s\":%.0f,"
           "\"stored_mb_per_s\":%.1f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"commits\":%lu,"
           "\"cpu_us_per_message\":%.2f,\"written_mb\":%.1f",
           options->engine, options->senders, options->payload, (unsigned long)out->messages, rate,
           rate * (disk ? DISK_BYTES : options->payload) / 1e6, percentile_ms(out, 0.5),
           percentile_ms(out, 0.99), percentile_ms(out, 1), (unsigned long)out->commits,
           (double)out->cpu_ns / 1e3 / (double)out->messages, (double)usage.ru_oublock * 512 / 1e6);
    if (out->recover_ns != 0)
        printf(",\"index_bytes_per_message\":%.1f,\"recovery_mb_per_s\":%.0f,"
               "\"recovery_mb_per_cpu_s\":%.0f,\"drained_per_s\":%.0f",
               (double)out->heap_bytes / (double)out->messages,
               (double)out->log_bytes * 1e3 / (double)out->recover_ns,
               (double)out->log_bytes * 1e3 / (double)out->recover_cpu_ns,
               (double)out->drained * 1e9 / (double)out->drain_ns);
    if (out->churn_bytes != 0)
        printf(",\"living_mb\":%u,\"written_per_byte\":%.2f,\"copied_per_byte\":%.2f,\"keys_per_byte\":%.2f,"
               "\"log_per_living\":%.2f,\"unreadable_after_ms\":%lu",
               options->living_mb, (double)out->churn_written / (double)out->churn_bytes,
               (double)out->churn_moved / (double)out->churn_bytes,
               (double)out->churn_purge / (double)out->churn_bytes, out->churn_disk,
               (unsigned long)out->churn_late_ms);
    printf("}\n");
}

static int usage(void)
{
    fputs("usage: bench-store ENGINE DIRECTORY [--senders N] [--payload N] [--seconds N] [--again 1] "
          "[--living MB]\n"
          "engines: waxwire churn lmdb lmdb-append rocksdb sqlite disk; the directory must not exist\n",
          stderr);
    return 2;
}

static void run(const struct options *options, struct outcome *out)
{
    const char *engine = options->engine;
    if (strcmp(engine, "waxwire") == 0)
        run_waxwire(options, out);
    else if (strcmp(engine, "churn") == 0)
        run_churn(options, out);
    else if (!run_database(options, out))
        must(false, "no such engine in this build");
}

int main(int argc, char **argv)
{
    struct options options = {.senders = 1000, .payload = 256, .seconds = 3, .living_mb = 200};
    struct outcome out = {0};
    if (argc < 3)
        return usage();
    options.engine = argv[1];
    options.directory = argv[2];
    for (int i = 3; i + 1 < argc; i += 2) {
        uint32_t value = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--senders") == 0 && value >= 1 && value <= SENDERS_MAX)
            options.senders = value;
        else if (strcmp(argv[i], "--payload") == 0 && value >= 1 && value <= WAX_PAYLOAD_BYTES_DEFAULT)
            options.payload = value;
        else if (strcmp(argv[i], "--seconds") == 0 && value >= 1 && value <= 60)
            options.seconds = value;
        else if (strcmp(argv[i], "--living") == 0 && value >= 1 && value <= 10000)
            options.living_mb = value;
        else if (strcmp(argv[i], "--again") == 0)
            options.again = value != 0;
        else
            return usage();
    }
    must(sodium_init() >= 0, "libsodium");
    run(&options, &out);
    tell(&options, &out);
    free(out.latency_ns);
    return 0;
}
