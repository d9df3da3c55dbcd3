/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"
#include "storage_local_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct local *local_of(struct storage *storage)
{
    return (struct local *)(void *)storage;
}

/* ---- what came back from the thread ---- */

static void opened(struct local *local, const struct job *job)
{
    char name[64];
    struct stat info;
    struct shard_files *shard = &local->shard[job->shard];
    struct storage_head *head = job->head;
    shard->epoch = head->epoch;
    pthread_mutex_lock(&local->mutex);
    shard->confirmed_segment = head->segment_count != 0 ? head->segments[head->segment_count - 1].id : 0;
    shard->confirmed_bytes = STORAGE_NOT_SEALED; /* whatever lies there: nothing more is appended */
    pthread_mutex_unlock(&local->mutex);
    for (uint32_t i = 0; i < head->segment_count; i++) {
        segment_file_name(name, job->numbers[i]);
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
    if (job->status == WAX_OK) {
        file->fd = (int)job->bytes;
        file->direct = file_open_direct(local->directory, job->number);
    } else {
        file_remove(&local->shard[job->shard], job->segment);
    }
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
        free(job->numbers);
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
        transfer_new(local, shard, file, true, (uint8_t *)(uintptr_t)bytes.data, bytes.len, offset, op);
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
    transfer_submit(transfer_new(local, shard, file, false, out.data, out.len, offset, op));
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
    struct file *file = file_find(&local_of(storage)->shard[shard], segment);
    if (file != NULL && file->direct >= 0) { /* nothing more is appended */
        close(file->direct);
        file->direct = -1;
    }
    ask_segment(storage, JOB_SEAL, shard, epoch, segment, bytes, op);
}

static void local_seg_delete(struct storage *storage, uint32_t shard, uint64_t epoch, uint64_t segment,
                             struct storage_op *op)
{
    ask_segment(storage, JOB_DELETE, shard, epoch, segment, 0, op);
}

static void local_ring_put(struct storage *storage, uint32_t shard, uint64_t epoch, struct view bytes,
                           struct storage_op *op)
{
    struct local *local = local_of(storage);
    struct job *job =
        job_new(epoch == local->shard[shard].epoch ? JOB_RING_PUT : JOB_FENCED, shard, 0, op, 0);
    job->in = bytes.data;
    job->room = bytes.len;
    job_ask(local, job);
}

static void local_ring_get(struct storage *storage, uint32_t shard, struct span out, size_t *len,
                           struct storage_op *op)
{
    struct job *job = job_new(JOB_RING_GET, shard, 0, op, 0);
    job->out = out.data;
    job->room = out.len;
    job->out_len = len;
    job_ask(local_of(storage), job);
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
    MDB_val k = mdb_view(key, value_key(key, user, name)), v;
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

static void local_dir_next(struct storage *storage, const uint8_t user[WAX_USER_BYTES], struct view name,
                           uint8_t next_user[WAX_USER_BYTES], uint8_t *next_name, size_t *name_len,
                           struct storage_op *op)
{
    struct local *local = local_of(storage);
    uint8_t key[WAX_USER_BYTES + STORAGE_NAME_BYTES_MAX];
    MDB_val k = mdb_view(key, value_key(key, user, name)), v;
    MDB_cursor *cursor = NULL;
    MDB_txn *txn;
    int error = mdb_txn_begin(local->env, NULL, MDB_RDONLY, &txn);
    if (error == 0) {
        size_t len = k.mv_size;
        error = mdb_cursor_open(txn, local->values, &cursor);
        if (error == 0)
            error = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
        if (error == 0 && k.mv_size == len && memcmp(k.mv_data, key, len) == 0)
            error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
        if (error == 0) {
            *name_len = k.mv_size - WAX_USER_BYTES;
            memcpy(next_user, k.mv_data, WAX_USER_BYTES);
            memcpy(next_name, (const uint8_t *)k.mv_data + WAX_USER_BYTES, *name_len);
        }
        mdb_cursor_close(cursor);
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
    enum wax_status status = local_env_open(local, config);
    if (status == WAX_OK)
        status = spares_open(local);
    if (status != WAX_OK)
        return status;
    local->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (local->event < 0)
        return status_of_errno(errno);
    if (pthread_create(&local->thread, NULL, job_thread, local) != 0)
        return WAX_STORE_IO;
    local->event_op.done = jobs_finished;
    loop_poll(local->loop, local->event, POLLIN, &local->event_op);
    return WAX_OK;
}

static void close_all(struct local *local)
{
    backup_close(local);
    spares_close(local);
    if (local->env != NULL)
        mdb_env_close(local->env);
    for (uint32_t i = 0; i < WAX_STORE_SHARDS; i++) {
        while (local->shard[i].count != 0)
            file_remove(&local->shard[i], local->shard[i].files[0]->id);
        free(local->shard[i].files);
        if (local->ring[i].fd >= 0)
            close(local->ring[i].fd);
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
        .ring_put = local_ring_put,
        .ring_get = local_ring_get,
        .dir_get = local_dir_get,
        .dir_put = local_dir_put,
        .dir_take = local_dir_take,
        .dir_next = local_dir_next,
        .flush = local_flush,
    };
    struct local *local = calloc(1, sizeof *local);
    if (local == NULL)
        return WAX_NO_MEMORY;
    local->storage.calls = &calls;
    local->loop = loop;
    local->segment_bytes = config->segment_bytes;
    local->directory = local->lock = local->event = -1;
    pthread_mutex_init(&local->backup.mutex, NULL);
    pthread_cond_init(&local->backup.wake, NULL);
    for (uint32_t i = 0; i < WAX_STORE_SHARDS; i++)
        local->ring[i].fd = -1;
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
    pthread_join(local->thread, NULL); /* what was asked has been done: a backup has all its shards */
    loop_cancel(local->loop, &local->event_op);
    loop_turn(local->loop, 10);
    close_all(local);
}
