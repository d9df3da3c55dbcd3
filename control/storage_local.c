/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage_local.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT_VERSION 1u

enum job_kind { JOB_OPEN, JOB_CREATE, JOB_SEAL, JOB_DELETE, JOB_PUT, JOB_TAKE, JOB_FENCED };

/* Work for the thread; comes back with its status. */
struct job {
    enum job_kind kind;
    enum wax_status status;
    struct storage_op *op;
    struct file *file; /* created or deleted */
    struct storage_head *head;
    uint32_t shard;
    uint64_t segment;
    uint64_t bytes;
    uint8_t *out;
    size_t *out_len;
    size_t room;
    size_t key_len;
    size_t value_len;
    struct job *next;
    uint8_t key[WAX_USER_BYTES + STORAGE_NAME_BYTES_MAX];
    uint8_t value[];
};

/* A read or write in the ring; lives in the storage_op's `next`. */
struct transfer {
    struct loop_op op;
    struct storage_op *owner;
    struct local *local;
    struct file *file;
    bool write;
    uint8_t *bytes;
    uint64_t offset;
    size_t len, done;
    struct transfer *next; /* waits for its file */
};

struct file {
    uint64_t id;
    int fd; /* -1 while it is being made */
    struct transfer *waiting;
};

struct shard_files {
    uint64_t epoch;
    struct file **files; /* by id */
    uint32_t count, room;
};

struct local {
    struct storage storage;
    struct loop *loop;
    uint32_t segment_bytes;
    int directory;
    int lock;
    MDB_env *env;
    MDB_dbi heads, segments, values;
    struct shard_files shard[WAX_STORE_SHARDS];
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct job *asked, **asked_tail;
    struct job *finished;
    bool stop;
    int event;
    struct loop_op event_op;
};

static struct local *local_of(struct storage *storage)
{
    return (struct local *)(void *)storage;
}

static enum wax_status status_of_errno(int error)
{
    if (error == ENOSPC || error == EDQUOT || error == MDB_MAP_FULL)
        return WAX_STORE_NO_SPACE;
    return error == 0 ? WAX_OK : WAX_STORE_IO;
}

static void file_name(char name[64], uint32_t shard, uint64_t id)
{
    snprintf(name, 64, "shard-%02u-%010llu.log", shard, (unsigned long long)id);
}

static MDB_val val(const void *data, size_t len)
{
    return (MDB_val){.mv_size = len, .mv_data = (void *)(uintptr_t)data};
}

/* ---- the thread ---- */

static size_t segment_key(uint8_t key[12], uint32_t shard, uint64_t id)
{
    store_be32(key, shard);
    store_be64(key + 4, id);
    return 12;
}

static enum wax_status file_fill(const struct local *local, int fd)
{
    static const uint8_t zeros[256 << 10];
    for (uint64_t at = 0; at < local->segment_bytes;) {
        size_t len =
            local->segment_bytes - at < sizeof zeros ? (size_t)(local->segment_bytes - at) : sizeof zeros;
        ssize_t written = pwrite(fd, zeros, len, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return status_of_errno(errno);
        at += (uint64_t)written;
    }
    return fdatasync(fd) == 0 ? WAX_OK : status_of_errno(errno);
}

static enum wax_status job_create(struct local *local, MDB_txn *txn, struct job *job)
{
    char name[64];
    uint8_t key[12], sealed[8];
    file_name(name, job->shard, job->segment);
    int fd = openat(local->directory, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return status_of_errno(errno);
    enum wax_status status = file_fill(local, fd);
    if (status == WAX_OK && fsync(local->directory) != 0)
        status = status_of_errno(errno);
    if (status == WAX_OK) {
        MDB_val k = val(key, segment_key(key, job->shard, job->segment)), v = val(sealed, sizeof sealed);
        store_be64(sealed, STORAGE_NOT_SEALED);
        status = status_of_errno(mdb_put(txn, local->segments, &k, &v, 0));
    }
    if (status != WAX_OK) {
        close(fd);
        unlinkat(local->directory, name, 0);
        return status;
    }
    job->bytes = (uint64_t)fd;
    return WAX_OK;
}

static enum wax_status job_seal(struct local *local, MDB_txn *txn, const struct job *job)
{
    uint8_t key[12], sealed[8];
    MDB_val k = val(key, segment_key(key, job->shard, job->segment)), v;
    int error = mdb_get(txn, local->segments, &k, &v);
    if (error == MDB_NOTFOUND)
        return WAX_OK;
    store_be64(sealed, job->bytes);
    v = val(sealed, sizeof sealed);
    return status_of_errno(error != 0 ? error : mdb_put(txn, local->segments, &k, &v, 0));
}

static enum wax_status job_delete(struct local *local, MDB_txn *txn, const struct job *job)
{
    char name[64];
    uint8_t key[12];
    MDB_val k = val(key, segment_key(key, job->shard, job->segment));
    file_name(name, job->shard, job->segment);
    /* the file first: a listed segment without a file is empty, a file that is not listed would stay for ever
     */
    if ((unlinkat(local->directory, name, 0) != 0 && errno != ENOENT) || fsync(local->directory) != 0)
        return status_of_errno(errno);
    int error = mdb_del(txn, local->segments, &k, NULL);
    return error == MDB_NOTFOUND ? WAX_NOT_FOUND : status_of_errno(error);
}

static enum wax_status list_segments(struct local *local, MDB_txn *txn, struct job *job)
{
    uint8_t key[12];
    MDB_cursor *cursor;
    MDB_val k = val(key, segment_key(key, job->shard, 0)), v;
    struct storage_head *head = job->head;
    uint32_t room = 0;
    int error = mdb_cursor_open(txn, local->segments, &cursor);
    if (error != 0)
        return status_of_errno(error);
    for (error = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
         error == 0 && k.mv_size == 12 && v.mv_size == 8 && load_be32(k.mv_data) == job->shard;
         error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
        if (head->segment_count == room) {
            room = room == 0 ? 16 : room * 2;
            head->segments = realloc(head->segments, room * sizeof *head->segments);
            if (head->segments == NULL)
                abort();
        }
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
    MDB_val k = val(key, sizeof key), v;
    int error = mdb_get(txn, local->heads, &k, &v);
    if (error != 0 && error != MDB_NOTFOUND)
        return status_of_errno(error);
    *job->head = (struct storage_head){.epoch = error == 0 && v.mv_size == 8 ? load_be64(v.mv_data) + 1 : 1};
    store_be64(epoch, job->head->epoch);
    v = val(epoch, sizeof epoch);
    error = mdb_put(txn, local->heads, &k, &v, 0);
    return error == 0 ? list_segments(local, txn, job) : status_of_errno(error);
}

static enum wax_status job_put(struct local *local, MDB_txn *txn, const struct job *job)
{
    MDB_val k = val(job->key, job->key_len), v = val(job->value, job->value_len);
    return status_of_errno(mdb_put(txn, local->values, &k, &v, 0));
}

static enum wax_status job_take(struct local *local, MDB_txn *txn, const struct job *job)
{
    MDB_val k = val(job->key, job->key_len), v;
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
    for (struct job *job = jobs; error != 0 && job != NULL; job = job->next) {
        if (job->kind == JOB_CREATE && job->status == WAX_OK)
            close((int)job->bytes);
        job->status = status_of_errno(error);
    }
}

static void *thread_main(void *arg)
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

static void job_ask(struct local *local, struct job *job)
{
    pthread_mutex_lock(&local->mutex);
    *local->asked_tail = job;
    local->asked_tail = &job->next;
    pthread_cond_signal(&local->wake);
    pthread_mutex_unlock(&local->mutex);
}

static struct job *job_new(enum job_kind kind, uint32_t shard, uint64_t segment, struct storage_op *op,
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

/* ---- the files ---- */

static uint32_t file_place(const struct shard_files *shard, uint64_t id)
{
    uint32_t low = 0, high = shard->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (shard->files[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct file *file_find(const struct shard_files *shard, uint64_t id)
{
    uint32_t place = file_place(shard, id);
    return place < shard->count && shard->files[place]->id == id ? shard->files[place] : NULL;
}

static struct file *file_add(struct shard_files *shard, uint64_t id, int fd)
{
    uint32_t place = file_place(shard, id);
    struct file *file = calloc(1, sizeof *file);
    if (file == NULL)
        abort();
    *file = (struct file){.id = id, .fd = fd};
    if (shard->count == shard->room) {
        shard->room = shard->room == 0 ? 16 : shard->room * 2;
        shard->files = realloc(shard->files, shard->room * sizeof(struct file *));
        if (shard->files == NULL)
            abort();
    }
    memmove(shard->files + place + 1, shard->files + place, (shard->count - place) * sizeof(struct file *));
    shard->files[place] = file;
    shard->count++;
    return file;
}

static void file_remove(struct shard_files *shard, uint64_t id)
{
    uint32_t place = file_place(shard, id);
    if (place == shard->count || shard->files[place]->id != id)
        return;
    if (shard->files[place]->fd >= 0)
        close(shard->files[place]->fd);
    free(shard->files[place]);
    memmove(shard->files + place, shard->files + place + 1,
            (shard->count - place - 1) * sizeof(struct file *));
    shard->count--;
}

/* ---- transfers ---- */

static void transfer_submit(struct transfer *t)
{
    uint32_t len = (uint32_t)(t->len - t->done);
    if (t->write)
        loop_write_durable(t->local->loop, t->file->fd, t->bytes + t->done, len, t->offset + t->done, &t->op);
    else
        loop_read(t->local->loop, t->file->fd, t->bytes + t->done, len, t->offset + t->done, &t->op);
}

static void transfer_end(struct transfer *t, enum wax_status status)
{
    struct storage_op *owner = t->owner;
    free(t);
    owner->done(owner, status);
}

static void transfer_done(struct loop_op *op, int32_t result, bool more)
{
    struct transfer *t = (struct transfer *)(void *)op;
    (void)more;
    if (result == -EINTR || result == -EAGAIN) {
        transfer_submit(t);
        return;
    }
    if (result < 0 || (result == 0 && t->write)) {
        transfer_end(t, result == 0 ? WAX_STORE_IO : status_of_errno(-result));
        return;
    }
    t->done += (size_t)result;
    if (result == 0) { /* behind the end of the file nothing was ever written */
        memset(t->bytes + t->done, 0, t->len - t->done);
        t->done = t->len;
    }
    if (t->done < t->len)
        transfer_submit(t);
    else
        transfer_end(t, WAX_OK);
}

static struct transfer *transfer_new(struct local *local, struct file *file, bool write, uint8_t *bytes,
                                     size_t len, uint64_t offset, struct storage_op *op)
{
    struct transfer *t = calloc(1, sizeof *t);
    if (t == NULL)
        abort();
    *t = (struct transfer){.op = {transfer_done},
                           .owner = op,
                           .local = local,
                           .file = file,
                           .write = write,
                           .bytes = bytes,
                           .len = len,
                           .offset = offset};
    return t;
}

/* ---- what came back from the thread ---- */

static void opened(struct local *local, const struct job *job)
{
    char name[64];
    struct stat info;
    struct shard_files *shard = &local->shard[job->shard];
    struct storage_head *head = job->head;
    shard->epoch = head->epoch;
    for (uint32_t i = 0; i < head->segment_count; i++) {
        file_name(name, job->shard, head->segments[i].id);
        int fd = openat(local->directory, name, O_RDWR | O_CLOEXEC);
        if (fd >= 0)
            file_add(shard, head->segments[i].id, fd);
        if (fd >= 0 && fstat(fd, &info) == 0)
            head->segments[i].bytes = (uint64_t)info.st_size;
        if (head->segments[i].sealed_bytes != STORAGE_NOT_SEALED &&
            head->segments[i].sealed_bytes > head->segments[i].bytes)
            head->segments[i].sealed_bytes = head->segments[i].bytes;
    }
}

static void created(struct local *local, const struct job *job)
{
    struct file *file = job->file;
    struct transfer *waiting = file->waiting;
    file->waiting = NULL;
    if (job->status == WAX_OK)
        file->fd = (int)job->bytes;
    else
        file_remove(&local->shard[job->shard], job->segment);
    while (waiting != NULL) {
        struct transfer *t = waiting;
        waiting = t->next;
        if (job->status == WAX_OK)
            transfer_submit(t);
        else
            transfer_end(t, job->status);
    }
}

static void jobs_finished(struct loop_op *op, int32_t result, bool more)
{
    struct local *local = (struct local *)(void *)((char *)op - offsetof(struct local, event_op));
    eventfd_t count;
    if (result == -ECANCELED)
        return;
    if (!more)
        loop_poll(local->loop, local->event, POLLIN, &local->event_op);
    eventfd_read(local->event, &count);
    pthread_mutex_lock(&local->mutex);
    struct job *jobs = local->finished;
    local->finished = NULL;
    pthread_mutex_unlock(&local->mutex);
    while (jobs != NULL) {
        struct job *job = jobs;
        jobs = job->next;
        if (job->kind == JOB_OPEN && job->status == WAX_OK)
            opened(local, job);
        if (job->kind == JOB_CREATE)
            created(local, job);
        if (job->kind == JOB_DELETE && (job->status == WAX_OK || job->status == WAX_NOT_FOUND))
            file_remove(&local->shard[job->shard], job->segment);
        if (job->op != NULL)
            job->op->done(job->op, job->status);
        free(job);
    }
}

/* ---- the calls ---- */

static void local_shard_open(struct storage *storage, uint32_t shard, struct storage_head *head,
                             struct storage_op *op)
{
    struct job *job = job_new(JOB_OPEN, shard, 0, op, 0);
    job->head = head;
    job_ask(local_of(storage), job);
}

static void local_seg_write(struct storage *storage, uint32_t shard, uint64_t epoch, uint64_t segment,
                            uint64_t offset, struct view bytes, struct storage_op *op)
{
    struct local *local = local_of(storage);
    struct shard_files *files = &local->shard[shard];
    if (epoch != files->epoch) {
        job_ask(local, job_new(JOB_FENCED, shard, segment, op, 0));
        return;
    }
    struct file *file = file_find(files, segment);
    bool fresh = file == NULL;
    if (fresh)
        file = file_add(files, segment, -1);
    struct transfer *t =
        transfer_new(local, file, true, (uint8_t *)(uintptr_t)bytes.data, bytes.len, offset, op);
    if (file->fd >= 0) {
        transfer_submit(t);
        return;
    }
    t->next = file->waiting;
    file->waiting = t;
    if (fresh) {
        struct job *job = job_new(JOB_CREATE, shard, segment, NULL, 0);
        job->file = file;
        job_ask(local, job);
    }
}

static void local_seg_read(struct storage *storage, uint32_t shard, uint64_t segment, uint64_t offset,
                           struct span out, struct storage_op *op)
{
    struct local *local = local_of(storage);
    struct file *file = file_find(&local->shard[shard], segment);
    assert(file != NULL && file->fd >= 0);
    transfer_submit(transfer_new(local, file, false, out.data, out.len, offset, op));
}

static void ask_segment(struct storage *storage, enum job_kind kind, uint32_t shard, uint64_t epoch,
                        uint64_t segment, uint64_t bytes, struct storage_op *op)
{
    struct local *local = local_of(storage);
    struct job *job = job_new(epoch == local->shard[shard].epoch ? kind : JOB_FENCED, shard, segment, op, 0);
    job->bytes = bytes;
    job_ask(local, job);
}

static void local_seg_seal(struct storage *storage, uint32_t shard, uint64_t epoch, uint64_t segment,
                           uint64_t bytes, struct storage_op *op)
{
    ask_segment(storage, JOB_SEAL, shard, epoch, segment, bytes, op);
}

static void local_seg_delete(struct storage *storage, uint32_t shard, uint64_t epoch, uint64_t segment,
                             struct storage_op *op)
{
    ask_segment(storage, JOB_DELETE, shard, epoch, segment, 0, op);
}

static size_t value_key(uint8_t *key, const uint8_t *user, struct view name)
{
    assert(name.len <= STORAGE_NAME_BYTES_MAX);
    memcpy(key, user, WAX_USER_BYTES);
    memcpy(key + WAX_USER_BYTES, name.data, name.len);
    return WAX_USER_BYTES + name.len;
}

static void local_dir_get(struct storage *storage, const uint8_t user[WAX_USER_BYTES], struct view name,
                          struct span out, size_t *len, struct storage_op *op)
{
    struct local *local = local_of(storage);
    uint8_t key[WAX_USER_BYTES + STORAGE_NAME_BYTES_MAX];
    MDB_val k = val(key, value_key(key, user, name)), v;
    MDB_txn *txn;
    int error = mdb_txn_begin(local->env, NULL, MDB_RDONLY, &txn);
    if (error == 0) {
        error = mdb_get(txn, local->values, &k, &v);
        if (error == 0) {
            *len = v.mv_size;
            memcpy(out.data, v.mv_data, v.mv_size < out.len ? v.mv_size : out.len);
        }
        mdb_txn_abort(txn);
    }
    op->done(op, error == MDB_NOTFOUND ? WAX_NOT_FOUND : status_of_errno(error));
}

static void local_dir_put(struct storage *storage, const uint8_t user[WAX_USER_BYTES], struct view name,
                          struct view value, struct storage_op *op)
{
    struct job *job = job_new(JOB_PUT, 0, 0, op, value.len);
    assert(value.len <= STORAGE_VALUE_BYTES_MAX);
    job->key_len = value_key(job->key, user, name);
    memcpy(job->value, value.data, value.len);
    job_ask(local_of(storage), job);
}

static void local_dir_take(struct storage *storage, const uint8_t user[WAX_USER_BYTES], struct view name,
                           struct span out, size_t *len, struct storage_op *op)
{
    struct job *job = job_new(JOB_TAKE, 0, 0, op, 0);
    job->key_len = value_key(job->key, user, name);
    job->out = out.data;
    job->room = out.len;
    job->out_len = len;
    job_ask(local_of(storage), job);
}

static void local_flush(struct storage *storage)
{
    loop_submit(local_of(storage)->loop);
}

/* ---- opening and closing ---- */

static int env_open(struct local *local, const struct storage_local_config *config)
{
    char path[512];
    MDB_txn *txn;
    snprintf(path, sizeof path, "%s/directory.mdb", config->directory);
    int error = mdb_env_create(&local->env);
    if (error == 0)
        error = mdb_env_set_maxdbs(local->env, 8);
    if (error == 0)
        error = mdb_env_set_mapsize(local->env, config->map_bytes);
    if (error == 0)
        error = mdb_env_open(local->env, path, MDB_NOSUBDIR | MDB_NOTLS, 0600);
    if (error == 0)
        error = mdb_txn_begin(local->env, NULL, 0, &txn);
    if (error != 0)
        return error;
    error = mdb_dbi_open(txn, "heads", MDB_CREATE, &local->heads);
    if (error == 0)
        error = mdb_dbi_open(txn, "segments", MDB_CREATE, &local->segments);
    if (error == 0)
        error = mdb_dbi_open(txn, "values", MDB_CREATE, &local->values);
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
    MDB_val k = val("format", 6), v;
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
    v = val(version, sizeof version);
    if (error == MDB_NOTFOUND)
        error = mdb_put(txn, local->heads, &k, &v, 0);
    if (error != 0) {
        mdb_txn_abort(txn);
        return status_of_errno(error);
    }
    return status_of_errno(mdb_txn_commit(txn));
}

static enum wax_status open_all(struct local *local, const struct storage_local_config *config)
{
    struct rlimit files;
    if (mkdir(config->directory, 0700) != 0 && errno != EEXIST)
        return status_of_errno(errno);
    local->directory = open(config->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (local->directory < 0)
        return status_of_errno(errno);
    local->lock = openat(local->directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (local->lock < 0)
        return status_of_errno(errno);
    if (flock(local->lock, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? WAX_STORE_LOCKED : status_of_errno(errno);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max; /* each segment keeps a descriptor */
        setrlimit(RLIMIT_NOFILE, &files);
    }
    int error = env_open(local, config);
    if (error != 0) {
        errno = error > 0 ? error : EIO;
        return status_of_errno(error);
    }
    enum wax_status status = check_version(local);
    if (status != WAX_OK)
        return status;
    local->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (local->event < 0)
        return status_of_errno(errno);
    if (pthread_create(&local->thread, NULL, thread_main, local) != 0)
        return WAX_STORE_IO;
    local->event_op.done = jobs_finished;
    loop_poll(local->loop, local->event, POLLIN, &local->event_op);
    return WAX_OK;
}

static void close_all(struct local *local)
{
    if (local->env != NULL)
        mdb_env_close(local->env);
    for (uint32_t i = 0; i < WAX_STORE_SHARDS; i++) {
        while (local->shard[i].count != 0)
            file_remove(&local->shard[i], local->shard[i].files[0]->id);
        free(local->shard[i].files);
    }
    if (local->event >= 0)
        close(local->event);
    if (local->lock >= 0)
        close(local->lock);
    if (local->directory >= 0)
        close(local->directory);
    free(local);
}

enum wax_status storage_local_open(struct loop *loop, const struct storage_local_config *config,
                                   struct storage **storage)
{
    static const struct storage_calls calls = {
        .shard_open = local_shard_open,
        .seg_write = local_seg_write,
        .seg_read = local_seg_read,
        .seg_seal = local_seg_seal,
        .seg_delete = local_seg_delete,
        .dir_get = local_dir_get,
        .dir_put = local_dir_put,
        .dir_take = local_dir_take,
        .flush = local_flush,
    };
    struct local *local = calloc(1, sizeof *local);
    if (local == NULL)
        return WAX_NO_MEMORY;
    local->storage.calls = &calls;
    local->loop = loop;
    local->segment_bytes = config->segment_bytes;
    local->directory = local->lock = local->event = -1;
    local->asked_tail = &local->asked;
    pthread_mutex_init(&local->mutex, NULL);
    pthread_cond_init(&local->wake, NULL);
    enum wax_status status = open_all(local, config);
    if (status != WAX_OK) {
        int saved = errno;
        close_all(local);
        errno = saved;
        return status;
    }
    *storage = &local->storage;
    return WAX_OK;
}

void storage_local_close(struct storage *storage)
{
    struct local *local = local_of(storage);
    pthread_mutex_lock(&local->mutex);
    local->stop = true;
    pthread_cond_signal(&local->wake);
    pthread_mutex_unlock(&local->mutex);
    pthread_join(local->thread, NULL);
    loop_cancel(local->loop, &local->event_op);
    loop_turn(local->loop, 10);
    close_all(local);
}
