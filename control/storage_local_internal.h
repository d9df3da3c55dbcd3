/* SPDX-License-Identifier: BSD-3-Clause */
/* What the local storage's files share: storage_local.c on the loop's thread, storage_local_jobs.c on its
 * own. */
#ifndef CONTROL_STORAGE_LOCAL_INTERNAL_H
#define CONTROL_STORAGE_LOCAL_INTERNAL_H

#include <lmdb.h>
#include <pthread.h>

#include "storage_local.h"

enum job_kind {
    JOB_OPEN,
    JOB_CREATE,
    JOB_SEAL,
    JOB_DELETE,
    JOB_PUT,
    JOB_TAKE,
    JOB_RING_PUT,
    JOB_RING_GET,
    JOB_BACKUP,
    JOB_FENCED
};

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
    uint32_t number;   /* of the segment's file */
    uint32_t *numbers; /* of the files of an opened shard's segments; the job's */
    const uint8_t *in; /* of ring_put, value_len bytes; the caller's */
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
    uint32_t shard;
    struct file *file;
    bool write;
    uint8_t *bytes;
    uint64_t offset;
    size_t len, done;
    struct transfer *next; /* waits for its file */
};

struct file {
    uint64_t id;
    int fd;     /* -1 while it is being made */
    int direct; /* past the page cache, for what is aligned; -1: not, or not any more */
    struct transfer *waiting;
};

struct shard_files {
    uint64_t epoch;
    uint64_t confirmed_segment, confirmed_bytes; /* the newest log that was written, and how far; by mutex */
    struct file **files;                         /* by id */
    uint32_t count, room;
};

#define SPARES_LEAST 2u
#define SPARES_MOST  64u

/*
 * Files that are whole and in no use: of segments that are gone, or filled with zeros by a thread. A segment
 * lies in whichever file it was given; LMDB knows which.
 */
struct spares {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    uint32_t number[SPARES_MOST];
    uint32_t count, wanted;
    uint32_t next_number;
    bool stop, running;
    bool held; /* by a backup: files that are given back wait in `kept` */
    uint32_t *kept;
    uint32_t kept_count, kept_room;
};

/* The file of a shard's key ring (storage_local_ring.c); of the thread alone. */
struct ring_file {
    int fd; /* -1: not open yet */
    uint64_t generation;
    size_t used[2]; /* bytes of each slot that may be other than zero */
};

/* A segment as a backup has found it. */
struct backup_file {
    uint32_t shard, number;
    uint64_t id;
    uint64_t sealed; /* as listed, or what was confirmed of it */
};

/* A backup under way, or the last one. The thread of jobs looks at the shards, then a thread of its own
 * copies. */
struct backup {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool started; /* and to be joined */
    bool stop;
    int directory;
    uint64_t bytes_per_s;
    uint32_t shards_left; /* to be looked at */
    struct backup_file *files;
    uint32_t count, room;
    struct storage_backup told; /* by mutex, as all above */
};

struct local {
    struct storage storage;
    struct loop *loop;
    struct spares spares;
    uint32_t segment_bytes;
    int directory;
    int lock;
    MDB_env *env;
    MDB_dbi heads, segments, values;
    struct shard_files shard[WAX_STORE_SHARDS];
    struct ring_file ring[WAX_STORE_SHARDS];
    struct backup backup;
    uint64_t map_bytes;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct job *asked, **asked_tail;
    struct job *finished;
    bool stop;
    int event;
    struct loop_op event_op;
};

/* NO_SPACE for a full disk or map, IO for any other error, OK for 0. */
enum wax_status status_of_errno(int error);
void segment_file_name(char name[64], uint32_t number);
MDB_val mdb_view(const void *data, size_t len);

/* Open LMDB, and check the format's version. errno tells why not. */
enum wax_status local_env_open(struct local *local, const struct storage_local_config *config);

/*
 * A job for the storage's thread: made with room for a value (NULL without memory), handed over by job_ask,
 * done in job_thread, the thread's main function.
 */
struct job *job_new(enum job_kind kind, uint32_t shard, uint64_t segment, struct storage_op *op,
                    size_t value_len);
void job_ask(struct local *local, struct job *job);
void *job_thread(void *arg);

/* A read or write (storage_local_transfer.c): made, begun or gone on with, and ended, which tells its owner.
 */
struct transfer *transfer_new(struct local *local, uint32_t shard, struct file *file, bool write,
                              uint8_t *bytes, size_t len, uint64_t offset, struct storage_op *op);
void transfer_submit(struct transfer *t);
void transfer_end(struct transfer *t, enum wax_status status);

/* A segment's file by its id, or NULL; a new one; away with it, and close it. */
struct file *file_find(const struct shard_files *shard, uint64_t id);
struct file *file_add(struct shard_files *shard, uint64_t id, int fd);
void file_remove(struct shard_files *shard, uint64_t id);
/* Open a file past the page cache, when it takes blocks as small as the log's there; else -1. */
int file_open_direct(int directory, uint32_t number);

/* The segments that LMDB lists. */
enum wax_status listed_segments(struct local *local, void *ctx,
                                void (*each)(void *ctx, uint32_t shard, uint64_t id, uint64_t sealed,
                                             uint32_t number));
/* The seed of the log's checksums, from the relay's identity (directory.c). NOT_FOUND in a store that is new.
 */
enum wax_status stored_seed(struct local *local, uint32_t *seed);

/*
 * Take note of the files that there are: those that LMDB does not list are spares, or go. Then have them made
 * ahead.
 */
enum wax_status spares_open(struct local *local);
void spares_close(struct local *local);
/* A file to use, made now when there is none. */
enum wax_status spares_take(struct local *local, uint32_t *number);
/* A file whose segment is gone for good. */
void spares_give(struct local *local, uint32_t number);

/* Files given back from now on are not used again, until they are let go. */
void spares_hold(struct local *local);
void spares_let_go(struct local *local);

/* Take note of a shard: its ring, its tables, its segments; on the thread. OK, or what went wrong. */
enum wax_status backup_shard(struct local *local, MDB_txn *txn, uint32_t shard);
/* End one that is under way. */
void backup_close(struct local *local);

/* Open an environment of LMDB at a path; 0 or an error of LMDB. */
int env_open(const char *path, uint64_t map_bytes, MDB_env **env, MDB_dbi dbi[3]);
/* The segments of a shard that a transaction lists, with their files; both arrays are the caller's to free.
 */
enum wax_status list_segments(struct local *local, MDB_txn *txn, uint32_t shard, struct storage_head *head,
                              uint32_t **numbers);

/* List a segment in a transaction; 0 or an error of LMDB. */
int listed_write(MDB_txn *txn, MDB_dbi segments, uint32_t shard, uint64_t id, uint64_t sealed,
                 uint32_t number);

/* ring_put and ring_get, on the thread. */
enum wax_status ring_file_put(struct local *local, uint32_t shard, struct view bytes);
enum wax_status ring_file_get(struct local *local, uint32_t shard, struct span out, size_t *len);
/* Make the file of a ring in another directory. */
enum wax_status ring_file_copy(int directory, uint32_t shard, struct view bytes);

#endif
