/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread that blocks in the loop's stead: LMDB, and the making and removing of segment files. */
#include "storage_local_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FORMAT_VERSION                                                                                       \
    3u /* 2: bodies are sealed, keys-NN hold their keys; 3: commits in blocks, files used again */
#define LISTED_BYTES 12u /* of a segment: sealed at 8, file 4 */

enum wax_status status_of_errno(int error)
{
    if (error == ENOSPC || error == EDQUOT || error == MDB_MAP_FULL)
        return WAX_STORE_NO_SPACE;
    return error == 0 ? WAX_OK : WAX_STORE_IO;
}

void segment_file_name(char name[64], uint32_t number)
{
    snprintf(name, 64, "log-%08u", number);
}

MDB_val mdb_view(const void *data, size_t len)
{
    return (MDB_val){.mv_size = len, .mv_data = (void *)(uintptr_t)data};
}

static size_t segment_key(uint8_t key[12], uint32_t shard, uint64_t id)
{
    store_be32(key, shard);
    store_be64(key + 4, id);
    return 12;
}

static void listed_put(uint8_t value[LISTED_BYTES], uint64_t sealed, uint32_t number)
{
    store_be64(value, sealed);
    store_be32(value + 8, number);
}

int listed_write(MDB_txn *txn, MDB_dbi segments, uint32_t shard, uint64_t id, uint64_t sealed,
                 uint32_t number)
{
    uint8_t key[12], value[LISTED_BYTES];
    MDB_val k = mdb_view(key, segment_key(key, shard, id)), v = mdb_view(value, sizeof value);
    listed_put(value, sealed, number);
    return mdb_put(txn, segments, &k, &v, 0);
}

static enum wax_status job_create(struct local *local, MDB_txn *txn, struct job *job)
{
    char name[64];
    enum wax_status status = spares_take(local, &job->number);
    if (status != WAX_OK)
        return status;
    segment_file_name(name, job->number);
    int fd = openat(local->directory, name, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return status_of_errno(errno);
    status = status_of_errno(
        listed_write(txn, local->segments, job->shard, job->segment, STORAGE_NOT_SEALED, job->number));
    job->bytes = (uint64_t)fd;
    if (status != WAX_OK) {
        close(fd);
        spares_give(local, job->number);
    }
    return status;
}

static enum wax_status job_seal(struct local *local, MDB_txn *txn, const struct job *job)
{
    uint8_t key[12];
    MDB_val k = mdb_view(key, segment_key(key, job->shard, job->segment)), v;
    int error = mdb_get(txn, local->segments, &k, &v);
    if (error == MDB_NOTFOUND)
        return WAX_OK;
    if (error != 0 || v.mv_size != LISTED_BYTES)
        return error != 0 ? status_of_errno(error) : WAX_STORE_IO;
    return status_of_errno(listed_write(txn, local->segments, job->shard, job->segment, job->bytes,
                                        load_be32((const uint8_t *)v.mv_data + 8)));
}

/* The file may be used again when it is durable that it is listed no more. */
static enum wax_status job_delete(struct local *local, MDB_txn *txn, struct job *job)
{
    uint8_t key[12];
    MDB_val k = mdb_view(key, segment_key(key, job->shard, job->segment)), v;
    int error = mdb_get(txn, local->segments, &k, &v);
    if (error == 0 && v.mv_size == LISTED_BYTES)
        job->number = load_be32((const uint8_t *)v.mv_data + 8);
    if (error == 0)
        error = mdb_del(txn, local->segments, &k, NULL);
    return error == MDB_NOTFOUND ? WAX_NOT_FOUND : status_of_errno(error);
}

enum wax_status list_segments(struct local *local, MDB_txn *txn, uint32_t shard, struct storage_head *head,
                              uint32_t **numbers)
{
    uint8_t key[12];
    MDB_cursor *cursor;
    MDB_val k = mdb_view(key, segment_key(key, shard, 0)), v;
    uint32_t room = 0;
    int error = mdb_cursor_open(txn, local->segments, &cursor);
    if (error != 0)
        return status_of_errno(error);
    for (error = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
         error == 0 && k.mv_size == 12 && v.mv_size == LISTED_BYTES && load_be32(k.mv_data) == shard;
         error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
        if (head->segment_count == room) {
            room = room == 0 ? 16 : room * 2;
            head->segments = realloc(head->segments, room * sizeof *head->segments);
            *numbers = realloc(*numbers, room * sizeof **numbers);
            if (head->segments == NULL || *numbers == NULL)
                abort();
        }
        (*numbers)[head->segment_count] = load_be32((const uint8_t *)v.mv_data + 8);
        head->segments[head->segment_count++] = (struct storage_segment){
            .id = load_be64((const uint8_t *)k.mv_data + 4),
            .sealed_bytes = load_be64(v.mv_data),
        };
    }
    mdb_cursor_close(cursor);
    return error == MDB_NOTFOUND ? WAX_OK : status_of_errno(error);
}

static enum wax_status job_open(struct local *local, MDB_txn *txn, struct job *job)
{
    uint8_t key[4], epoch[8];
    store_be32(key, job->shard);
    MDB_val k = mdb_view(key, sizeof key), v;
    int error = mdb_get(txn, local->heads, &k, &v);
    if (error != 0 && error != MDB_NOTFOUND)
        return status_of_errno(error);
    *job->head = (struct storage_head){.epoch = error == 0 && v.mv_size == 8 ? load_be64(v.mv_data) + 1 : 1};
    store_be64(epoch, job->head->epoch);
    v = mdb_view(epoch, sizeof epoch);
    error = mdb_put(txn, local->heads, &k, &v, 0);
    return error == 0 ? list_segments(local, txn, job->shard, job->head, &job->numbers)
                      : status_of_errno(error);
}

static enum wax_status job_put(struct local *local, MDB_txn *txn, const struct job *job)
{
    MDB_val k = mdb_view(job->key, job->key_len), v = mdb_view(job->value, job->value_len);
    return status_of_errno(mdb_put(txn, local->values, &k, &v, 0));
}

static enum wax_status job_take(struct local *local, MDB_txn *txn, const struct job *job)
{
    MDB_val k = mdb_view(job->key, job->key_len), v;
    int error = mdb_get(txn, local->values, &k, &v);
    if (error == MDB_NOTFOUND)
        return WAX_NOT_FOUND;
    if (error != 0)
        return status_of_errno(error);
    *job->out_len = v.mv_size;
    memcpy(job->out, v.mv_data, v.mv_size < job->room ? v.mv_size : job->room);
    return status_of_errno(mdb_del(txn, local->values, &k, NULL));
}

static enum wax_status job_run(struct local *local, MDB_txn *txn, struct job *job)
{
    switch (job->kind) {
    case JOB_OPEN:
        return job_open(local, txn, job);
    case JOB_CREATE:
        return job_create(local, txn, job);
    case JOB_SEAL:
        return job_seal(local, txn, job);
    case JOB_DELETE:
        return job_delete(local, txn, job);
    case JOB_PUT:
        return job_put(local, txn, job);
    case JOB_TAKE:
        return job_take(local, txn, job);
    case JOB_RING_PUT:
        return ring_file_put(local, job->shard, view_of(job->in, job->room));
    case JOB_RING_GET:
        return ring_file_get(local, job->shard, span_of(job->out, job->room), job->out_len);
    case JOB_BACKUP:
        return backup_shard(local, txn, job->shard);
    case JOB_FENCED:
        return WAX_STORE_FENCED;
    }
    return WAX_BAD_ARGUMENT;
}

/* One transaction for everything that was asked meanwhile. */
static void jobs_run(struct local *local, struct job *jobs)
{
    MDB_txn *txn;
    int error = mdb_txn_begin(local->env, NULL, 0, &txn);
    for (struct job *job = jobs; job != NULL; job = job->next)
        job->status = error == 0 ? job_run(local, txn, job) : status_of_errno(error);
    if (error == 0)
        error = mdb_txn_commit(txn);
    for (struct job *job = jobs; job != NULL; job = job->next) {
        if (error == 0 && job->kind == JOB_DELETE && job->status == WAX_OK)
            spares_give(local, job->number);
        if (error == 0)
            continue;
        if (job->kind == JOB_CREATE && job->status == WAX_OK)
            close((int)job->bytes); /* whether it is listed is unknown: the next start finds out */
        job->status = status_of_errno(error);
    }
}

void *job_thread(void *arg)
{
    struct local *local = arg;
    pthread_mutex_lock(&local->mutex);
    for (;;) {
        while (local->asked == NULL && !local->stop)
            pthread_cond_wait(&local->wake, &local->mutex);
        if (local->asked == NULL)
            break;
        struct job *jobs = local->asked;
        local->asked = NULL;
        local->asked_tail = &local->asked;
        pthread_mutex_unlock(&local->mutex);
        jobs_run(local, jobs);
        struct job *last = jobs;
        while (last->next != NULL)
            last = last->next;
        pthread_mutex_lock(&local->mutex);
        struct job **tail = &local->finished;
        while (*tail != NULL)
            tail = &(*tail)->next;
        *tail = jobs;
        eventfd_write(local->event, 1);
    }
    pthread_mutex_unlock(&local->mutex);
    return NULL;
}

void job_ask(struct local *local, struct job *job)
{
    pthread_mutex_lock(&local->mutex);
    *local->asked_tail = job;
    local->asked_tail = &job->next;
    pthread_cond_signal(&local->wake);
    pthread_mutex_unlock(&local->mutex);
}

struct job *job_new(enum job_kind kind, uint32_t shard, uint64_t segment, struct storage_op *op,
                    size_t value_len)
{
    struct job *job = calloc(1, sizeof *job + value_len);
    if (job == NULL)
        abort();
    job->kind = kind;
    job->shard = shard;
    job->segment = segment;
    job->op = op;
    job->value_len = value_len;
    return job;
}

int env_open(const char *path, uint64_t map_bytes, MDB_env **env, MDB_dbi dbi[3])
{
    static const char *const names[3] = {"heads", "segments", "values"};
    MDB_txn *txn;
    int error = mdb_env_create(env);
    if (error == 0)
        error = mdb_env_set_maxdbs(*env, 8);
    if (error == 0)
        error = mdb_env_set_mapsize(*env, map_bytes);
    if (error == 0)
        error = mdb_env_open(*env, path, MDB_NOSUBDIR | MDB_NOTLS, 0600);
    if (error == 0)
        error = mdb_txn_begin(*env, NULL, 0, &txn);
    if (error != 0)
        return error;
    for (int i = 0; i < 3 && error == 0; i++)
        error = mdb_dbi_open(txn, names[i], MDB_CREATE, &dbi[i]);
    if (error != 0) {
        mdb_txn_abort(txn);
        return error;
    }
    return mdb_txn_commit(txn);
}

/* The version of the format: written when the store is made, refused when it is another. */
static enum wax_status check_version(struct local *local)
{
    uint8_t version[4];
    MDB_txn *txn;
    MDB_val k = mdb_view("format", 6), v;
    int error = mdb_txn_begin(local->env, NULL, 0, &txn);
    if (error != 0)
        return status_of_errno(error);
    error = mdb_get(txn, local->heads, &k, &v);
    if (error == 0) {
        bool same = v.mv_size == 4 && load_be32(v.mv_data) == FORMAT_VERSION;
        mdb_txn_abort(txn);
        return same ? WAX_OK : WAX_STORE_VERSION;
    }
    store_be32(version, FORMAT_VERSION);
    v = mdb_view(version, sizeof version);
    if (error == MDB_NOTFOUND)
        error = mdb_put(txn, local->heads, &k, &v, 0);
    if (error != 0) {
        mdb_txn_abort(txn);
        return status_of_errno(error);
    }
    return status_of_errno(mdb_txn_commit(txn));
}

enum wax_status listed_segments(struct local *local, void *ctx,
                                void (*each)(void *ctx, uint32_t shard, uint64_t id, uint64_t sealed,
                                             uint32_t number))
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val k, v;
    int error = mdb_txn_begin(local->env, NULL, MDB_RDONLY, &txn);
    if (error != 0)
        return status_of_errno(error);
    error = mdb_cursor_open(txn, local->segments, &cursor);
    if (error == 0) {
        for (error = mdb_cursor_get(cursor, &k, &v, MDB_FIRST); error == 0;
             error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
            const uint8_t *key = k.mv_data, *value = v.mv_data;
            if (k.mv_size == 12 && v.mv_size == LISTED_BYTES)
                each(ctx, load_be32(key), load_be64(key + 4), load_be64(value), load_be32(value + 8));
        }
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return error == MDB_NOTFOUND ? WAX_OK : status_of_errno(error);
}

enum wax_status stored_seed(struct local *local, uint32_t *seed)
{
    const uint8_t key[WAX_USER_BYTES + 5] = {[WAX_USER_BYTES] = 'r', 'e', 'l', 'a', 'y'};
    MDB_val k = mdb_view(key, sizeof key), v;
    MDB_txn *txn;
    int error = mdb_txn_begin(local->env, NULL, MDB_RDONLY, &txn);
    if (error != 0)
        return status_of_errno(error);
    error = mdb_get(txn, local->values, &k, &v);
    if (error == 0 && v.mv_size >= 40)
        *seed = load_be32((const uint8_t *)v.mv_data + 36);
    mdb_txn_abort(txn);
    return error == MDB_NOTFOUND ? WAX_NOT_FOUND : status_of_errno(error);
}

enum wax_status local_env_open(struct local *local, const struct storage_local_config *config)
{
    char path[512];
    MDB_dbi dbi[3] = {0};
    snprintf(path, sizeof path, "%s/directory.mdb", config->directory);
    int error = env_open(path, config->map_bytes, &local->env, dbi);
    local->heads = dbi[0];
    local->segments = dbi[1];
    local->values = dbi[2];
    local->map_bytes = config->map_bytes;
    if (error != 0) {
        errno = error > 0 ? error : EIO; /* LMDB's own errors are negative */
        return status_of_errno(error);
    }
    return check_version(local);
}
