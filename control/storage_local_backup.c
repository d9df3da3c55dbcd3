/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A copy of a store that is being served.
 *
 * Key rings, the list of segments and their making and removal all pass through the thread of jobs. So it
 * looks at one shard after the other, each at one moment: the ring, the segments that there are and how far
 * their logs were confirmed, and the tables of keys (a table that the ring names is not written before the
 * next ring is). What then lies in those logs never changes, for they are only appended to, and files whose
 * segments go are not used again before the copy is made: a thread of its own takes its time with them. The
 * directory is copied from a snapshot of LMDB, and comes last: a copy without it is none.
 *
 * The epoch of the data plane is raised in the copy, so that whoever goes on from it numbers nothing as what
 * has been numbered since.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "storage_local_internal.h"

#define COPY_BYTES   (1u << 20)
#define EPOCH_RAISE  64u   /* starts that the original may have had since, and more */
#define AT_EPOCH     40u   /* in the value of the relay (directory.c) */
#define VALUES_A_TXN 4096u /* so that no transaction grows large */

/* Copy a part of a file into another, as far as it goes. OK, or errno tells. */
static enum wax_status part_copy(int from, int to, uint64_t at, size_t len, uint8_t *room)
{
    while (len != 0) {
        ssize_t got = pread(from, room, len, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 ? WAX_OK : status_of_errno(errno);
        for (ssize_t done = 0; done < got;) {
            ssize_t written = pwrite(to, room + done, (size_t)(got - done), (off_t)at + done);
            if (written < 0 && errno == EINTR)
                continue;
            if (written <= 0)
                return status_of_errno(written == 0 ? EIO : errno);
            done += written;
        }
        at += (uint64_t)got;
        len -= (size_t)got;
    }
    return WAX_OK;
}

static int file_open(int directory, uint32_t number, int flags)
{
    char name[64];
    segment_file_name(name, number);
    return openat(directory, name, flags | O_CLOEXEC, 0600);
}

/* ---- on the thread of jobs ---- */

/* Take along what lies behind the log of a segment. */
static enum wax_status tables_copy(struct local *local, uint32_t number, uint8_t *room)
{
    struct stat info;
    int from = file_open(local->directory, number, O_RDONLY);
    int to = file_open(local->backup.directory, number, O_WRONLY | O_CREAT);
    enum wax_status status = WAX_OK;
    if (from < 0 || to < 0 || fstat(from, &info) != 0)
        status = status_of_errno(errno);
    for (uint64_t at = local->segment_bytes; status == WAX_OK && at < (uint64_t)info.st_size;
         at += COPY_BYTES)
        status = part_copy(from, to, at, COPY_BYTES, room);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return status;
}

static enum wax_status ring_copy(struct local *local, uint32_t shard)
{
    uint8_t *ring = malloc(STORAGE_RING_BYTES_MAX);
    size_t len = 0;
    if (ring == NULL)
        abort();
    enum wax_status status = ring_file_get(local, shard, span_of(ring, STORAGE_RING_BYTES_MAX), &len);
    if (status == WAX_OK)
        status = ring_file_copy(local->backup.directory, shard, view_of(ring, len));
    free(ring);
    return status == WAX_NOT_FOUND ? WAX_OK : status; /* a shard that was never used */
}

/* Note one segment, when something was confirmed in it. */
static void file_note(struct local *local, uint32_t shard, const struct storage_segment *segment,
                      uint32_t number)
{
    struct backup *backup = &local->backup;
    const struct shard_files *files = &local->shard[shard];
    struct backup_file file = {shard, number, segment->id, segment->sealed_bytes};
    if (segment->id == files->confirmed_segment && file.sealed == STORAGE_NOT_SEALED)
        file.sealed = files->confirmed_bytes;
    if (segment->id > files->confirmed_segment)
        return;
    if (backup->count == backup->room) {
        backup->room = backup->room == 0 ? 64 : backup->room * 2;
        backup->files = realloc(backup->files, backup->room * sizeof *backup->files);
        if (backup->files == NULL)
            abort();
    }
    backup->files[backup->count++] = file;
}

static enum wax_status shard_look(struct local *local, MDB_txn *txn, uint32_t shard)
{
    struct storage_head head = {0};
    uint32_t *numbers = NULL, first = local->backup.count;
    uint8_t *room = malloc(COPY_BYTES);
    if (room == NULL)
        abort();
    enum wax_status status = list_segments(local, txn, shard, &head, &numbers);
    pthread_mutex_lock(&local->mutex);
    for (uint32_t i = 0; i < head.segment_count; i++)
        file_note(local, shard, &head.segments[i], numbers[i]);
    pthread_mutex_unlock(&local->mutex);
    if (status == WAX_OK)
        status = ring_copy(local, shard);
    for (uint32_t i = first; status == WAX_OK && i < local->backup.count; i++)
        status = tables_copy(local, local->backup.files[i].number, room);
    free(room);
    free(head.segments);
    free(numbers);
    return status;
}

static void backup_failed(struct backup *backup, int error)
{
    pthread_mutex_lock(&backup->mutex);
    if (backup->told.error == 0)
        backup->told.error = error != 0 ? error : EIO;
    pthread_mutex_unlock(&backup->mutex);
}

enum wax_status backup_shard(struct local *local, MDB_txn *txn, uint32_t shard)
{
    struct backup *backup = &local->backup;
    if (backup->told.error == 0 && shard_look(local, txn, shard) != WAX_OK)
        backup_failed(backup, errno);
    pthread_mutex_lock(&backup->mutex);
    backup->shards_left--;
    pthread_cond_signal(&backup->wake);
    pthread_mutex_unlock(&backup->mutex);
    return WAX_OK;
}

/* ---- on the thread of the backup ---- */

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* One more piece is copied: wait until it was due. False when the backup is to end. */
static bool paced(struct backup *backup, uint64_t began_ns, size_t bytes)
{
    pthread_mutex_lock(&backup->mutex);
    backup->told.bytes += bytes;
    uint64_t due_ns = 0;
    if (backup->bytes_per_s != 0)
        due_ns = began_ns + (uint64_t)((double)backup->told.bytes * 1e9 / (double)backup->bytes_per_s);
    for (uint64_t now; !backup->stop && (now = now_ns()) < due_ns;) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        uint64_t ns = (uint64_t)until.tv_nsec + (due_ns - now);
        until.tv_sec += (time_t)(ns / 1000000000u);
        until.tv_nsec = (long)(ns % 1000000000u);
        pthread_cond_timedwait(&backup->wake, &backup->mutex, &until);
    }
    bool goes_on = !backup->stop;
    pthread_mutex_unlock(&backup->mutex);
    return goes_on;
}

static uint64_t log_bytes_of(const struct local *local, const struct backup_file *file)
{
    return file->sealed < local->segment_bytes ? file->sealed : local->segment_bytes;
}

static enum wax_status log_copy(struct local *local, const struct backup_file *file, uint64_t began_ns,
                                uint8_t *room)
{
    int from = file_open(local->directory, file->number, O_RDONLY);
    int to = file_open(local->backup.directory, file->number, O_WRONLY);
    enum wax_status status = from < 0 || to < 0 ? status_of_errno(errno) : WAX_OK;
    uint64_t end = log_bytes_of(local, file);
    for (uint64_t at = 0; status == WAX_OK && at < end;) {
        size_t len = end - at < COPY_BYTES ? (size_t)(end - at) : COPY_BYTES;
        status = part_copy(from, to, at, len, room);
        at += len;
        if (status == WAX_OK && !paced(&local->backup, began_ns, len)) {
            errno = ECANCELED;
            status = WAX_STORE_IO;
        }
    }
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return status;
}

/* The directory as it is now, in parts: each key of `from` into `to`. */
static int values_copy(MDB_txn *from, MDB_dbi from_dbi, MDB_env *to, MDB_dbi to_dbi)
{
    static const uint8_t relay[WAX_USER_BYTES + 5] = {[WAX_USER_BYTES] = 'r', 'e', 'l', 'a', 'y'};
    MDB_cursor *cursor;
    MDB_txn *txn = NULL;
    MDB_val k, v;
    uint8_t raised[STORAGE_VALUE_BYTES_MAX];
    uint32_t count = 0;
    int error = mdb_cursor_open(from, from_dbi, &cursor);
    if (error != 0)
        return error;
    error = mdb_txn_begin(to, NULL, 0, &txn);
    for (MDB_cursor_op op = MDB_FIRST; error == 0 && (error = mdb_cursor_get(cursor, &k, &v, op)) == 0;
         op = MDB_NEXT) {
        if (k.mv_size == sizeof relay && memcmp(k.mv_data, relay, sizeof relay) == 0 &&
            v.mv_size >= AT_EPOCH + 8u && v.mv_size <= sizeof raised) {
            memcpy(raised, v.mv_data, v.mv_size);
            store_be64(raised + AT_EPOCH, load_be64(raised + AT_EPOCH) + EPOCH_RAISE);
            v.mv_data = raised;
        }
        error = mdb_put(txn, to_dbi, &k, &v, MDB_APPEND);
        if (error == 0 && ++count % VALUES_A_TXN == 0) {
            error = mdb_txn_commit(txn);
            txn = NULL;
            if (error == 0)
                error = mdb_txn_begin(to, NULL, 0, &txn);
        }
    }
    mdb_cursor_close(cursor);
    if (txn != NULL && error == MDB_NOTFOUND)
        return mdb_txn_commit(txn);
    if (txn != NULL)
        mdb_txn_abort(txn);
    return error;
}

static int segments_write(const struct backup *backup, MDB_env *env, MDB_dbi segments)
{
    MDB_txn *txn;
    int error = mdb_txn_begin(env, NULL, 0, &txn);
    if (error != 0)
        return error;
    for (uint32_t i = 0; error == 0 && i < backup->count; i++) {
        const struct backup_file *file = &backup->files[i];
        error = listed_write(txn, segments, file->shard, file->id, file->sealed, file->number);
    }
    if (error == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return error;
}

/* Write LMDB's file under another name, and give it its own when all is on stable storage. */
static enum wax_status directory_copy(struct local *local, const char *path)
{
    MDB_env *env = NULL;
    MDB_dbi dbi[3];
    MDB_txn *txn = NULL;
    int error = env_open(path, local->map_bytes, &env, dbi);
    if (error == 0)
        error = mdb_env_set_flags(env, MDB_NOSYNC, 1);
    if (error == 0)
        error = mdb_txn_begin(local->env, NULL, MDB_RDONLY, &txn);
    if (error == 0)
        error = values_copy(txn, local->heads, env, dbi[0]);
    if (error == 0)
        error = values_copy(txn, local->values, env, dbi[2]);
    if (txn != NULL)
        mdb_txn_abort(txn);
    if (error == 0)
        error = segments_write(&local->backup, env, dbi[1]);
    if (error == 0)
        error = mdb_env_sync(env, 1);
    if (env != NULL)
        mdb_env_close(env);
    if (error != 0)
        errno = error > 0 ? error : EIO;
    return error == 0 ? WAX_OK : status_of_errno(error);
}

/* Bring all files to stable storage. */
static enum wax_status sync_all(int directory)
{
    int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = again >= 0 ? fdopendir(again) : NULL;
    enum wax_status status = list != NULL ? WAX_OK : status_of_errno(errno);
    for (struct dirent *entry; status == WAX_OK && (entry = readdir(list)) != NULL;) {
        int fd = entry->d_name[0] != '.' ? openat(directory, entry->d_name, O_RDONLY | O_CLOEXEC) : -1;
        if (fd >= 0 && fsync(fd) != 0)
            status = status_of_errno(errno);
        if (fd >= 0)
            close(fd);
    }
    if (list != NULL)
        closedir(list);
    if (status == WAX_OK && fsync(directory) != 0)
        status = status_of_errno(errno);
    return status;
}

static enum wax_status copy_all(struct local *local)
{
    struct backup *backup = &local->backup;
    uint64_t began_ns = now_ns(), all = 0;
    uint8_t *room = malloc(COPY_BYTES);
    char path[64];
    enum wax_status status = WAX_OK;
    if (room == NULL)
        abort();
    for (uint32_t i = 0; i < backup->count; i++)
        all += log_bytes_of(local, &backup->files[i]);
    pthread_mutex_lock(&backup->mutex);
    backup->told.bytes_all = all;
    pthread_mutex_unlock(&backup->mutex);
    for (uint32_t i = 0; status == WAX_OK && i < backup->count; i++)
        status = log_copy(local, &backup->files[i], began_ns, room);
    free(room);
    snprintf(path, sizeof path, "/proc/self/fd/%d/directory.new", backup->directory);
    if (status == WAX_OK)
        status = directory_copy(local, path);
    if (status == WAX_OK && unlinkat(backup->directory, "directory.new-lock", 0) != 0)
        status = status_of_errno(errno);
    if (status == WAX_OK)
        status = sync_all(backup->directory);
    if (status == WAX_OK &&
        (renameat(backup->directory, "directory.new", backup->directory, "directory.mdb") != 0 ||
         fsync(backup->directory) != 0))
        status = status_of_errno(errno);
    return status;
}

static void *backup_thread(void *arg)
{
    struct local *local = arg;
    struct backup *backup = &local->backup;
    pthread_mutex_lock(&backup->mutex);
    while (backup->shards_left != 0)
        pthread_cond_wait(&backup->wake, &backup->mutex);
    bool looked = backup->told.error == 0;
    pthread_mutex_unlock(&backup->mutex);
    if (looked && copy_all(local) != WAX_OK)
        backup_failed(backup, errno);
    close(backup->directory);
    free(backup->files);
    backup->files = NULL;
    backup->count = backup->room = 0;
    spares_let_go(local);
    pthread_mutex_lock(&backup->mutex);
    backup->told.state = backup->told.error == 0 ? STORAGE_BACKUP_WHOLE : STORAGE_BACKUP_FAILED;
    pthread_mutex_unlock(&backup->mutex);
    return NULL;
}

/* ---- on the loop's thread ---- */

/* The directory for a copy: made, or there and empty. */
static enum wax_status place_open(const char *path, int *directory)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return status_of_errno(errno);
    *directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*directory < 0)
        return status_of_errno(errno);
    int again = openat(*directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = again >= 0 ? fdopendir(again) : NULL;
    uint32_t count = 0;
    while (list != NULL && readdir(list) != NULL)
        count++;
    if (list != NULL)
        closedir(list);
    return list == NULL ? status_of_errno(errno) : count > 2 ? WAX_BAD_ARGUMENT : WAX_OK;
}

enum wax_status storage_local_backup(struct storage *storage, const char *directory, uint64_t bytes_per_s)
{
    struct local *local = (struct local *)(void *)storage;
    struct backup *backup = &local->backup;
    struct storage_backup told;
    int place = -1;
    storage_local_backup_look(storage, &told);
    if (told.state == STORAGE_BACKUP_RUNS)
        return WAX_FULL;
    if (backup->started)
        pthread_join(backup->thread, NULL);
    backup->started = false;
    enum wax_status status = place_open(directory, &place);
    if (status == WAX_OK) {
        backup->directory = place;
        backup->bytes_per_s = bytes_per_s;
        backup->shards_left = WAX_STORE_SHARDS;
        backup->told = (struct storage_backup){.state = STORAGE_BACKUP_RUNS};
        spares_hold(local);
        backup->started = pthread_create(&backup->thread, NULL, backup_thread, local) == 0;
        if (backup->started) {
            for (uint32_t i = 0; i < WAX_STORE_SHARDS; i++)
                job_ask(local, job_new(JOB_BACKUP, i, 0, NULL, 0));
            return WAX_OK;
        }
        spares_let_go(local);
        backup->told = (struct storage_backup){.state = STORAGE_BACKUP_FAILED, .error = EAGAIN};
        errno = EAGAIN;
        status = WAX_STORE_IO;
    }
    if (place >= 0)
        close(place);
    return status;
}

void storage_local_backup_look(struct storage *storage, struct storage_backup *backup)
{
    struct local *local = (struct local *)(void *)storage;
    pthread_mutex_lock(&local->backup.mutex);
    *backup = local->backup.told;
    pthread_mutex_unlock(&local->backup.mutex);
}

void backup_close(struct local *local)
{
    struct backup *backup = &local->backup;
    if (!backup->started)
        return;
    pthread_mutex_lock(&backup->mutex);
    backup->stop = true;
    pthread_cond_signal(&backup->wake);
    pthread_mutex_unlock(&backup->mutex);
    pthread_join(backup->thread, NULL);
    backup->started = backup->stop = false;
}
