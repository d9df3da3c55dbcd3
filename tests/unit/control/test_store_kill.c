/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store over real files, killed under load at random, again and again. Who is killed has told, in memory
 * that outlives it, what was answered; the next life must stream all of that, in order, with its bytes, and
 * go on. WAX_KILLS in the environment sets how often.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mailbox.h"
#include "storage_local.h"

#define POSITIONS 400000u
#define USERS     40u
#define WINDOW    96u

/* What outlives a life; by position. */
struct told {
    uint8_t stored[POSITIONS];
    uint8_t retired[POSITIONS]; /* asked for: it may come or not */
    uint8_t before[POSITIONS];  /* stored before a backup began */
    uint8_t dead[POSITIONS];    /* and its key was destroyed before that: it must not come */
    volatile uint64_t next, checked, lives;
    volatile bool ready;
    char fault[160]; /* what a life found wrong */
};

struct life {
    struct told *told;
    struct loop *loop;
    struct storage *storage;
    struct mailboxes *m;
    bool ready, draining;
    uint32_t under_way;
    uint64_t random, last, seen;
    _Alignas(16) uint8_t record[sizeof(struct channel_drained) + 8192];
};

static void fault(struct life *life, const char *text, uint64_t number)
{
    snprintf(life->told->fault, sizeof life->told->fault, "%s %lu in life %lu", text, (unsigned long)number,
             (unsigned long)life->told->lives);
    _exit(1);
}

static uint64_t wall_ms(void)
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
    if (reason != 0)
        fault(life, "refused", tag);
    life->told->stored[tag] = 1;
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
        fault(life, "a message without a key", d->position);
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
    (void)ctx;
    (void)worker;
    return 0;
}

static void on_failed(void *ctx, enum wax_status status)
{
    fault(ctx, wax_status_text(status), 0);
}

static void on_damaged(void *ctx, uint32_t shard, uint64_t segment, uint64_t offset, enum wax_status status)
{
    (void)shard;
    (void)segment;
    if (status != WAX_STORE_TORN)
        fault(ctx, "damage", offset);
}

static void turn(struct life *life)
{
    mailboxes_clock(life->m, wall_ms());
    mailboxes_pump(life->m);
    mailboxes_flush(life->m);
    loop_turn(life->loop, 1);
}

static void open_store(struct life *life, const char *directory)
{
    const struct mailbox_port port = {life,       on_ready,   on_stored, on_reserve,
                                      on_publish, on_settled, on_failed, on_damaged};
    const struct mailbox_config config = {.seed = 3,
                                          .segment_bytes = 256u << 10,
                                          .commit_bytes = 64u << 10,
                                          .purge_ms = 400,
                                          .cipher = log_cipher_choose()};
    const struct storage_local_config local = {directory, config.segment_bytes, UINT64_C(1) << 28};
    enum wax_status status = WAX_STORE_LOCKED;
    life->loop = loop_new();
    for (int i = 0; i < 2000 && status == WAX_STORE_LOCKED;
         i++) { /* the kernel lets go of the killed one late */
        status = storage_local_open(life->loop, &local, &life->storage);
        if (status == WAX_STORE_LOCKED)
            usleep(1000);
    }
    if (status != WAX_OK)
        fault(life, wax_status_text(status), 0);
    life->m = mailboxes_new(life->storage, &port, &config);
    mailboxes_clock(life->m, wall_ms());
    mailboxes_recover(life->m);
    while (!life->ready)
        loop_turn(life->loop, 10);
}

/* Everything that was answered and not retired is there. */
static void check(struct life *life)
{
    uint64_t owed = 0;
    for (uint64_t p = 1; p < life->told->next; p++)
        owed += life->told->stored[p] != 0 && life->told->retired[p] == 0;
    for (uint64_t user = 0; user < USERS; user++) {
        struct channel_drain drain = {.name = name_of(user), .generation = 1, .messages = POSITIONS};
        life->last = 0;
        mailbox_drain(life->m, 0, &drain);
        while (mailboxes_pump(life->m) || mailboxes_busy(life->m))
            turn(life);
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
                                .taken_ms = wall_ms(),
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
    if (position >= life->told->next || life->told->stored[position] == 0)
        return;
    life->told->retired[position] = 1;
    *r = (struct channel_retire){.name = name_of(position), .count = 1};
    r->position[0] = position;
    (void)mailbox_retire(life->m, r);
}

static void load(struct life *life)
{
    for (int i = 0; i < 8 && life->under_way < WINDOW; i++)
        send_one(life);
    for (int i = 0; i < 7; i++)
        retire_one(life);
    turn(life);
}

static void live(struct told *told, const char *directory)
{
    struct life *life = calloc(1, sizeof *life);
    life->told = told;
    open_store(life, directory);
    check(life);
    told->ready = true;
    while (told->next < POSITIONS - 1)
        load(life);
    fault(life, "not killed in time", 0);
}

Test(store_kill, whatever_was_answered_outlives_a_kill_at_any_moment, .timeout = 600)
{
    char directory[64] = "/tmp/wax-kill-XXXXXX", command[96];
    const char *wanted = getenv("WAX_KILLS");
    uint32_t kills = wanted != NULL ? (uint32_t)atoi(wanted) : 25;
    struct told *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq((void *)told, MAP_FAILED);
    cr_assert_geq(sodium_init(), 0);
    cr_assert_not_null(mkdtemp(directory));
    told->next = 1;
    for (uint32_t i = 0; i < kills; i++) {
        int status;
        pid_t child = fork();
        if (child == 0)
            live(told, directory);
        for (int j = 0; j < 10000 && i % 4 != 3 && !told->ready && told->fault[0] == '\0'; j++)
            usleep(1000); /* each fourth is killed while it starts */
        usleep(randombytes_uniform(100000));
        told->ready = false;
        kill(child, SIGKILL);
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert_eq(told->fault[0], '\0', "%s", told->fault);
        told->lives++;
    }
    snprintf(command, sizeof command, "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
    cr_assert_gt(told->next, kills);
    cr_assert_gt(told->checked, kills, "so little was answered that nothing was shown");
    cr_log_info("%u kills, %lu messages, %lu found again", kills, (unsigned long)told->next,
                (unsigned long)told->checked);
}

/* Under load, with compaction and rounds of purging: a backup is made, slowly. */
static void live_and_copy(struct told *told, const char *directory, const char *copy)
{
    struct life *life = calloc(1, sizeof *life);
    struct storage_backup backup;
    struct mailbox_counts begun, ended;
    life->told = told;
    open_store(life, directory);
    for (uint64_t end = wall_ms() + 500; wall_ms() < end;)
        load(life);
    while (mailboxes_busy(life->m))
        turn(life);
    memcpy(told->dead, told->retired, sizeof told->dead);
    for (uint64_t end = wall_ms() + 900; wall_ms() < end;) /* two rounds */
        turn(life);
    for (uint64_t p = 1; p < told->next; p++)
        told->before[p] = told->stored[p] != 0 && told->retired[p] == 0;
    mailboxes_counts(life->m, &begun);
    if (storage_local_backup(life->storage, copy, 4000000) != WAX_OK)
        fault(life, "no backup", 0);
    if (storage_local_backup(life->storage, copy, 0) != WAX_FULL)
        fault(life, "two backups", 0);
    do {
        load(life);
        storage_local_backup_look(life->storage, &backup);
    } while (backup.state == STORAGE_BACKUP_RUNS && told->next < POSITIONS - 1);
    mailboxes_counts(life->m, &ended);
    if (backup.state != STORAGE_BACKUP_WHOLE || backup.bytes != backup.bytes_all)
        fault(life, strerror(backup.error), backup.bytes);
    if (ended.purges < begun.purges + WAX_STORE_SHARDS || ended.moved == begun.moved ||
        ended.stored < begun.stored + 1000)
        fault(life, "nothing happened meanwhile", ended.stored - begun.stored);
    _exit(0);
}

static void open_and_check(struct told *told, const char *directory)
{
    struct life *life = calloc(1, sizeof *life);
    life->told = told;
    open_store(life, directory);
    check(life);
    _exit(0);
}

Test(store_kill, a_backup_under_load_has_all_that_was_answered_before_it_began, .timeout = 120)
{
    char directory[64] = "/tmp/wax-kill-XXXXXX", copy[96], command[96];
    struct told *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    cr_assert_neq((void *)told, MAP_FAILED);
    cr_assert_geq(sodium_init(), 0);
    cr_assert_not_null(mkdtemp(directory));
    snprintf(copy, sizeof copy, "%s/copy", directory);
    told->next = 1;
    pid_t child = fork();
    if (child == 0)
        live_and_copy(told, directory, copy);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(told->fault[0], '\0', "%s", told->fault);
    for (uint64_t p = 1; p < told->next; p++)
        told->retired[p] |= told->before[p] == 0; /* it may be in it or not */
    child = fork();
    if (child == 0)
        open_and_check(told, copy);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(told->fault[0], '\0', "%s", told->fault);
    cr_assert_gt(told->checked, 100);
    snprintf(command, sizeof command, "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
}
