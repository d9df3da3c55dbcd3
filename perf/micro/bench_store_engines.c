/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef WITH_ROCKSDB
#include <rocksdb/c.h>
#endif
#ifdef WITH_SQLITE
#include <sqlite3.h>
#endif

#include "bench_store.h"
#include "waxwire/bytes.h"

uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "bench-store: %s: %s\n", what, strerror(errno));
    exit(1);
}

void took(struct outcome *out, uint64_t ns)
{
    if (out->messages == out->room) {
        out->room = out->room == 0 ? 1u << 16 : out->room * 2;
        out->latency_ns = realloc(out->latency_ns, out->room * sizeof *out->latency_ns);
        must(out->latency_ns != NULL, "memory");
    }
    out->latency_ns[out->messages++] = ns;
}

uint64_t draw(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void user_of(uint64_t number, uint8_t user[WAX_USER_BYTES])
{
    uint64_t state = number * 7919u;
    store_be64(user, draw(&state));
    store_be64(user + 8, draw(&state));
}

/* One message for a database: 26 bytes of key, and its value. */
struct record {
    uint8_t key[26];
    uint8_t *value;
    size_t len;
};

struct database {
    void *state;
    void (*begin)(void *state);
    void (*put)(void *state, const struct record *record);
    void (*commit)(void *state);
    void (*close)(void *state);
};

static void run_engine(const struct options *options, struct outcome *out, const struct database *db,
                       bool append)
{
    uint64_t random = 0, position = 0, began = now_ns(CLOCK_MONOTONIC),
             cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t until = began + (uint64_t)options->seconds * SECOND;
    struct record record = {.len = META_BYTES + options->payload};
    record.value = malloc(record.len);
    must(record.value != NULL, "memory");
    randombytes_buf(record.value, record.len);
    for (uint64_t sent = began; sent < until; sent = now_ns(CLOCK_MONOTONIC)) {
        db->begin(db->state);
        for (uint32_t i = 0; i < options->senders; i++) {
            memset(record.key, 0, sizeof record.key);
            if (!append)
                user_of(draw(&random) % USERS, record.key);
            store_be64(record.key + 18, ++position);
            db->put(db->state, &record);
        }
        db->commit(db->state);
        uint64_t ns = now_ns(CLOCK_MONOTONIC) - sent;
        out->commits++;
        for (uint32_t i = 0; i < options->senders; i++)
            took(out, ns);
    }
    out->ns = now_ns(CLOCK_MONOTONIC) - began;
    out->cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    free(record.value);
    db->close(db->state);
}

struct lmdb {
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *txn;
    unsigned flags;
};

static void lmdb_begin(void *state)
{
    struct lmdb *l = state;
    must(mdb_txn_begin(l->env, NULL, 0, &l->txn) == 0, "mdb_txn_begin");
}

static void lmdb_put(void *state, const struct record *record)
{
    struct lmdb *l = state;
    MDB_val k = {sizeof record->key, (void *)(uintptr_t)record->key}, v = {record->len, record->value};
    must(mdb_put(l->txn, l->dbi, &k, &v, l->flags) == 0, "mdb_put");
}

static void lmdb_commit(void *state)
{
    must(mdb_txn_commit(((struct lmdb *)state)->txn) == 0, "mdb_txn_commit");
}

static void lmdb_close(void *state)
{
    mdb_env_close(((struct lmdb *)state)->env);
}

static void run_lmdb(const struct options *options, struct outcome *out, bool append)
{
    struct lmdb l = {.flags = append ? MDB_APPEND : 0};
    must(mkdir(options->directory, 0700) == 0, options->directory);
    must(mdb_env_create(&l.env) == 0 && mdb_env_set_mapsize(l.env, UINT64_C(64) << 30) == 0 &&
             /* written by pwrite; as an expert would choose for writing: no memory map to write through */
             mdb_env_open(l.env, options->directory, MDB_NOTLS | MDB_NORDAHEAD, 0600) == 0,
         "mdb_env_open");
    lmdb_begin(&l);
    must(mdb_dbi_open(l.txn, NULL, 0, &l.dbi) == 0, "mdb_dbi_open");
    lmdb_commit(&l);
    struct database db = {&l, lmdb_begin, lmdb_put, lmdb_commit, lmdb_close};
    run_engine(options, out, &db, append);
}

#ifdef WITH_ROCKSDB
struct rocks {
    rocksdb_t *db;
    rocksdb_writeoptions_t *write;
    rocksdb_writebatch_t *batch;
};

static void rocks_begin(void *state)
{
    rocksdb_writebatch_clear(((struct rocks *)state)->batch);
}

static void rocks_put(void *state, const struct record *record)
{
    rocksdb_writebatch_put(((struct rocks *)state)->batch, (const char *)record->key, sizeof record->key,
                           (const char *)record->value, record->len);
}

static void rocks_commit(void *state)
{
    struct rocks *r = state;
    char *error = NULL;
    rocksdb_write(r->db, r->write, r->batch, &error);
    must(error == NULL, error);
}

static void rocks_close(void *state)
{
    rocksdb_close(((struct rocks *)state)->db);
}

static void run_rocksdb(const struct options *options, struct outcome *out)
{
    struct rocks r = {.write = rocksdb_writeoptions_create(), .batch = rocksdb_writebatch_create()};
    rocksdb_options_t *o = rocksdb_options_create();
    char *error = NULL;
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_compression(o, rocksdb_no_compression); /* what is sealed does not shrink */
    rocksdb_options_set_write_buffer_size(o, 256u << 20);
    rocksdb_options_set_max_write_buffer_number(o, 4);
    rocksdb_options_increase_parallelism(o, 2);
    rocksdb_options_set_recycle_log_file_num(o, 4);
    rocksdb_writeoptions_set_sync(r.write, 1);
    r.db = rocksdb_open(o, options->directory, &error);
    must(error == NULL, error);
    struct database db = {&r, rocks_begin, rocks_put, rocks_commit, rocks_close};
    run_engine(options, out, &db, false);
}
#endif

#ifdef WITH_SQLITE
struct lite {
    sqlite3 *db;
    sqlite3_stmt *insert;
};

static void lite_exec(struct lite *l, const char *sql)
{
    must(sqlite3_exec(l->db, sql, NULL, NULL, NULL) == SQLITE_OK, sqlite3_errmsg(l->db));
}

static void lite_begin(void *state)
{
    lite_exec(state, "BEGIN");
}

static void lite_put(void *state, const struct record *record)
{
    struct lite *l = state;
    sqlite3_bind_blob(l->insert, 1, record->key, sizeof record->key, SQLITE_STATIC);
    sqlite3_bind_blob(l->insert, 2, record->value, (int)record->len, SQLITE_STATIC);
    must(sqlite3_step(l->insert) == SQLITE_DONE, sqlite3_errmsg(l->db));
    sqlite3_reset(l->insert);
}

static void lite_commit(void *state)
{
    lite_exec(state, "COMMIT");
}

static void lite_close(void *state)
{
    struct lite *l = state;
    sqlite3_finalize(l->insert);
    sqlite3_close(l->db);
}

static void run_sqlite(const struct options *options, struct outcome *out)
{
    struct lite l;
    char path[512];
    must(mkdir(options->directory, 0700) == 0, options->directory);
    snprintf(path, sizeof path, "%s/mail.db", options->directory);
    must(sqlite3_open(path, &l.db) == SQLITE_OK, path);
    lite_exec(&l, "PRAGMA journal_mode=WAL");
    lite_exec(&l, "PRAGMA synchronous=FULL");
    lite_exec(&l, "CREATE TABLE mail(k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID");
    must(sqlite3_prepare_v2(l.db, "INSERT INTO mail VALUES(?,?)", -1, &l.insert, NULL) == SQLITE_OK,
         sqlite3_errmsg(l.db));
    struct database db = {&l, lite_begin, lite_put, lite_commit, lite_close};
    run_engine(options, out, &db, false);
}
#endif

/* ---- the disk alone ---- */

/* Plain sequential writes of 1 MiB, past the page cache; each counts as 1 MiB/payload messages. */
static void run_disk(const struct options *options, struct outcome *out)
{
    char path[512];
    uint8_t *bytes = aligned_alloc(4096, DISK_BYTES);
    must(mkdir(options->directory, 0700) == 0 && bytes != NULL, options->directory);
    snprintf(path, sizeof path, "%s/plain", options->directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_DIRECT, 0600);
    must(fd >= 0, path);
    randombytes_buf(bytes, DISK_BYTES);
    uint64_t began = now_ns(CLOCK_MONOTONIC), until = began + (uint64_t)options->seconds * SECOND;
    for (uint64_t at = 0, t = began; t < until && at < UINT64_C(8) << 30; at += DISK_BYTES) {
        must(pwrite(fd, bytes, DISK_BYTES, (off_t)at) == DISK_BYTES, "pwrite");
        uint64_t end = now_ns(CLOCK_MONOTONIC);
        took(out, end - t);
        t = end;
    }
    must(fdatasync(fd) == 0, "fdatasync");
    out->ns = now_ns(CLOCK_MONOTONIC) - began;
    close(fd);
    free(bytes);
}

bool run_database(const struct options *options, struct outcome *out)
{
    const char *engine = options->engine;
    if (strcmp(engine, "lmdb") == 0 || strcmp(engine, "lmdb-append") == 0) {
        run_lmdb(options, out, engine[4] != '\0');
        return true;
    }
#ifdef WITH_ROCKSDB
    if (strcmp(engine, "rocksdb") == 0) {
        run_rocksdb(options, out);
        return true;
    }
#endif
#ifdef WITH_SQLITE
    if (strcmp(engine, "sqlite") == 0) {
        run_sqlite(options, out);
        return true;
    }
#endif
    if (strcmp(engine, "disk") == 0) {
        run_disk(options, out);
        return true;
    }
    return false;
}
