/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The directory of many accounts: how long it takes to open, how many look-ups one core makes, and how many
 * one-time keys it gives out, each durably taken before. The accounts are written into the storage's file in
 * order, as the directory would have them (the directory itself is slower at that: each is durable by
 * itself). One of 100 has a bundle and one-time keys.
 */
#include <fcntl.h>
#include <lmdb.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "directory.h"
#include "directory_keys.h"
#include "storage_local.h"

#define MAP_BYTES     (UINT64_C(64) << 30)
#define SEGMENT_BYTES (256u << 10)
#define WITH_KEYS     100u /* one account of so many has keys */
#define KEYS          100u /* one-time keys of each of them */
#define BUNDLE_BYTES  256u
#define KEY_BYTES     33u
#define TAKERS_MAX    4096u

struct seed {
    uint8_t user[WAX_USER_BYTES];
    uint32_t number;
};

struct bench {
    const char *path;
    uint64_t accounts;
    uint32_t seconds, takers;
    struct seed *seed; /* in order of users */
    struct loop *loop;
    struct storage *storage;
    struct directory *directory;
    bool ready;
    uint64_t random, found, given;
    struct taker {
        struct keys_get get;
        struct bench *bench;
        uint64_t begun_ns;
        bool busy;
    } taker[TAKERS_MAX];
    uint64_t waited_ns[1u << 20];
    bool told; /* a figure */
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "bench-directory: %s\n", what);
    exit(1);
}

/* One figure of the object of JSON. */
static void tell(struct bench *b, const char *key, double value, int digits)
{
    printf("%s\"%s\": %.*f", b->told ? ", " : "{", key, digits, value);
    b->told = true;
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t dice(struct bench *b)
{
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    b->random ^= b->random << 17;
    return b->random;
}

/* ---- filling ---- */

static void key_of(uint32_t number, uint8_t key[WAX_ACCOUNT_KEY_BYTES])
{
    memset(key, 0x5a, WAX_ACCOUNT_KEY_BYTES);
    store_be32(key, number);
}

static int by_user(const void *a, const void *b)
{
    return memcmp(a, b, WAX_USER_BYTES);
}

static void make_seeds(struct bench *b)
{
    uint8_t key[WAX_ACCOUNT_KEY_BYTES];
    b->seed = malloc(b->accounts * sizeof *b->seed);
    must(b->seed != NULL, "memory");
    for (uint64_t i = 0; i < b->accounts; i++) {
        b->seed[i].number = (uint32_t)i;
        key_of((uint32_t)i, key);
        crypto_generichash(b->seed[i].user, WAX_USER_BYTES, key, sizeof key, NULL, 0);
    }
    qsort(b->seed, b->accounts, sizeof *b->seed, by_user);
}

static void append(MDB_txn *txn, MDB_dbi values, const struct seed *seed, const void *name, size_t name_len,
                   const void *value, size_t len)
{
    uint8_t key[WAX_USER_BYTES + STORAGE_NAME_BYTES_MAX];
    memcpy(key, seed->user, WAX_USER_BYTES);
    memcpy(key + WAX_USER_BYTES, name, name_len);
    MDB_val k = {WAX_USER_BYTES + name_len, key}, v = {len, (void *)(uintptr_t)value};
    must(mdb_put(txn, values, &k, &v, MDB_APPEND) == 0, "a value can't be appended: is the directory empty?");
}

/* Bundle, one-time keys and their range, of device 1. */
static void append_keys(MDB_txn *txn, MDB_dbi values, const struct seed *seed)
{
    uint8_t bundle[WAX_SIGNATURE_BYTES + BUNDLE_BYTES] = {1}, range[16] = {0}, key[KEY_BYTES] = {5};
    uint8_t name[11] = {'b', 0, 1};
    append(txn, values, seed, name, 3, bundle, sizeof bundle);
    name[0] = 'k';
    for (uint64_t i = 0; i < KEYS; i++) {
        store_be64(name + 3, i);
        store_be64(key + 1, i);
        append(txn, values, seed, name, sizeof name, key, sizeof key);
    }
    name[0] = 'n';
    store_be64(range + 8, KEYS);
    append(txn, values, seed, name, 3, range, sizeof range);
}

static void fill(struct bench *b)
{
    char path[512];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi values;
    struct account account;
    uint8_t key[WAX_ACCOUNT_KEY_BYTES];
    snprintf(path, sizeof path, "%s/directory.mdb", b->path);
    must(mdb_env_create(&env) == 0 && mdb_env_set_maxdbs(env, 8) == 0 &&
             mdb_env_set_mapsize(env, MAP_BYTES) == 0 &&
             mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOSYNC, 0600) == 0,
         "the file can't be opened");
    for (uint64_t i = 0; i < b->accounts;) {
        must(mdb_txn_begin(env, NULL, 0, &txn) == 0 && mdb_dbi_open(txn, "values", MDB_CREATE, &values) == 0,
             "a transaction");
        for (uint64_t until = i + 100000; i < until && i < b->accounts; i++) {
            key_of(b->seed[i].number, key);
            account_make(&account, key, 1);
            account_add(&account, 1, 1);
            append(txn, values, &b->seed[i], "account", 7, account.bytes, account.len);
            if (b->seed[i].number % WITH_KEYS == 0)
                append_keys(txn, values, &b->seed[i]);
        }
        must(mdb_txn_commit(txn) == 0, "the disk is full");
    }
    must(mdb_env_sync(env, 1) == 0, "the file can't be written");
    mdb_env_close(env);
}

/* ---- measuring ---- */

static void on_ready(void *ctx, enum wax_status status)
{
    must(status == WAX_OK, wax_status_text(status));
    ((struct bench *)ctx)->ready = true;
}

static void open_directory(struct bench *b)
{
    const struct storage_local_config local = {b->path, SEGMENT_BYTES, MAP_BYTES};
    b->ready = false;
    b->loop = loop_new();
    must(b->loop != NULL, "io_uring");
    must(storage_local_open(b->loop, &local, &b->storage) == WAX_OK, b->path);
    b->directory = directory_new(b->storage, b, on_ready);
    directory_open(b->directory);
    while (!b->ready)
        loop_turn(b->loop, 10);
}

static void close_directory(struct bench *b)
{
    directory_free(b->directory);
    storage_local_close(b->storage);
    loop_free(b->loop);
}

/* Take what was written out of the page cache: the next look at it is at the disk. */
static double forget_pages(const struct bench *b)
{
    char path[512];
    struct stat info;
    snprintf(path, sizeof path, "%s/directory.mdb", b->path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && fstat(fd, &info) == 0, path);
    fdatasync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
    return (double)info.st_size / 1e6;
}

static void look_up(struct bench *b, const uint8_t user[WAX_USER_BYTES], uint32_t kind)
{
    static const uint8_t sender[WAX_USER_BYTES] = {7};
    struct device_name name = {.device = 1};
    struct account account;
    memcpy(name.user, user, sizeof name.user);
    if (kind == 0)
        b->found += directory_account(b->directory, user, &account) == WAX_OK;
    else
        b->found += directory_refuses(b->directory, &name, sender, &account) == 0;
}

static void on_bundle(struct keys_get *get, enum wax_status status, const uint8_t *account_key,
                      const struct keys_of_device *device, uint32_t count)
{
    struct taker *taker = (struct taker *)(void *)get;
    (void)account_key;
    taker->busy = false;
    taker->bench->found += status == WAX_OK && count == 1;
    taker->bench->given += count == 1 && device->key_bytes != 0;
}

static const struct seed *someone(struct bench *b, bool with_keys)
{
    for (;;) {
        const struct seed *seed = &b->seed[dice(b) % b->accounts];
        if (!with_keys || seed->number % WITH_KEYS == 0)
            return seed;
    }
}

static void get_bundle(struct bench *b, struct taker *taker, bool take)
{
    taker->get = (struct keys_get){.device = 1, .take = take, .done = on_bundle};
    taker->bench = b;
    taker->busy = true;
    taker->begun_ns = now_ns(CLOCK_MONOTONIC);
    memcpy(taker->get.user, someone(b, true)->user, WAX_USER_BYTES);
    directory_keys_get(b->directory, &taker->get);
}

/* So many look-ups of users at random in a second of this core. */
static void measure(struct bench *b, const char *what, uint32_t kind)
{
    uint64_t begun = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_THREAD_CPUTIME_ID), count = 0;
    b->found = 0;
    while (now_ns(CLOCK_MONOTONIC) - begun < (uint64_t)b->seconds * 1000000000u) {
        for (int i = 0; i < 256; i++, count++) {
            if (kind < 2)
                look_up(b, someone(b, false)->user, kind);
            else
                get_bundle(b, &b->taker[0], false);
        }
    }
    double wall = (double)(now_ns(CLOCK_MONOTONIC) - begun) / 1e9,
           busy = (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu) / 1e9;
    must(b->found == count, "somebody was not found");
    char key[64];
    snprintf(key, sizeof key, "%s_per_s", what);
    tell(b, key, (double)count / wall, 0);
    snprintf(key, sizeof key, "%s_per_cpu_s", what);
    tell(b, key, (double)count / busy, 0);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Each of so many askers waits for its key before it asks for the next. */
static void measure_handouts(struct bench *b)
{
    uint64_t begun = now_ns(CLOCK_MONOTONIC), count = 0, most = sizeof b->waited_ns / sizeof b->waited_ns[0];
    b->given = b->found = 0;
    while (now_ns(CLOCK_MONOTONIC) - begun < (uint64_t)b->seconds * 1000000000u && count < most) {
        for (uint32_t i = 0; i < b->takers; i++) {
            struct taker *taker = &b->taker[i];
            if (taker->busy)
                continue;
            if (taker->begun_ns != 0 && count < most)
                b->waited_ns[count++] = now_ns(CLOCK_MONOTONIC) - taker->begun_ns;
            get_bundle(b, taker, true);
        }
        loop_turn(b->loop, 1);
    }
    double wall = (double)(now_ns(CLOCK_MONOTONIC) - begun) / 1e9;
    while (directory_busy(b->directory))
        loop_turn(b->loop, 1);
    must(count != 0, "nobody was answered");
    qsort(b->waited_ns, count, sizeof b->waited_ns[0], by_value);
    must(b->given == b->found, "somebody was given no key");
    tell(b, "one_time_keys_per_s", (double)count / wall, 0);
    uint64_t p50 = b->waited_ns[count / 2], p99 = b->waited_ns[count * 99 / 100];
    tell(b, "one_time_keys_p50_ms", (double)p50 / 1e6, 2);
    tell(b, "one_time_keys_p99_ms", (double)p99 / 1e6, 2);
}

static void usage(void)
{
    fputs("usage: bench-directory --directory PATH [--accounts N] [--seconds S] [--askers N] [--filled]\n"
          "\n"
          "  --directory PATH  an empty folder on the disk to be measured\n"
          "  --accounts N      to fill it with (10000000)\n"
          "  --seconds S       of each measurement (5)\n"
          "  --askers N        that wait for one-time keys at a time (256, at most 4096)\n"
          "  --filled          it was filled before, with as many accounts\n",
          stderr);
    exit(2);
}

static uint64_t number(int argc, char **argv, int *i)
{
    char *end;
    if (*i + 1 >= argc)
        usage();
    unsigned long value = strtoul(argv[++*i], &end, 10);
    if (*end != '\0' || value == 0)
        usage();
    return value;
}

int main(int argc, char **argv)
{
    static struct bench b = {.accounts = 10000000, .seconds = 5, .takers = 256, .random = 88172645463325252u};
    bool filled = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--directory") == 0 && i + 1 < argc)
            b.path = argv[++i];
        else if (strcmp(argv[i], "--accounts") == 0)
            b.accounts = number(argc, argv, &i);
        else if (strcmp(argv[i], "--seconds") == 0)
            b.seconds = (uint32_t)number(argc, argv, &i);
        else if (strcmp(argv[i], "--askers") == 0)
            b.takers = (uint32_t)number(argc, argv, &i);
        else if (strcmp(argv[i], "--filled") == 0)
            filled = true;
        else
            usage();
    }
    if (b.path == NULL || b.accounts > UINT32_MAX || b.takers > TAKERS_MAX)
        usage();
    must(sodium_init() >= 0, "libsodium");
    uint64_t begun = now_ns(CLOCK_MONOTONIC);
    make_seeds(&b);
    if (!filled)
        fill(&b);
    tell(&b, "accounts", (double)b.accounts, 0);
    tell(&b, "filled_s", (double)(now_ns(CLOCK_MONOTONIC) - begun) / 1e9, 1);
    open_directory(&b); /* the first time, the relay gets its identity and the storage its spare files */
    close_directory(&b);
    tell(&b, "file_mb", forget_pages(&b), 0);
    begun = now_ns(CLOCK_MONOTONIC);
    open_directory(&b);
    tell(&b, "opened_ms", (double)(now_ns(CLOCK_MONOTONIC) - begun) / 1e6, 1);
    begun = now_ns(CLOCK_MONOTONIC);
    look_up(&b, someone(&b, false)->user, 1);
    tell(&b, "first_look_up_ms", (double)(now_ns(CLOCK_MONOTONIC) - begun) / 1e6, 1);
    measure(&b, "cold_look_ups", 1);
    for (uint64_t i = 0; i < b.accounts; i++) /* all of it into memory */
        look_up(&b, b.seed[i].user, 0);
    measure(&b, "look_ups", 0);
    measure(&b, "permissions", 1);
    measure(&b, "bundles", 2);
    measure_handouts(&b);
    printf(", \"askers\": %u}\n", b.takers);
    close_directory(&b);
    free(b.seed);
    return 0;
}
