/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of media share: media.c has requests, media_upload.c and media_download.c the streams. */
#ifndef CONTROL_MEDIA_INTERNAL_H
#define CONTROL_MEDIA_INTERNAL_H

#include "media.h"
#include "media_files.h"
#include "media_index.h"

/* One write or read of a file, or what is gathered for it. */
struct media_buffer {
    struct media_buffer *next;
    uint32_t fill; /* bytes in it */
    uint32_t done; /* of them written, or handed to the worker */
    uint8_t bytes[WAX_MEDIA_BUFFER_BYTES];
};

struct media_buffers {
    struct media_buffer *free;
    uint32_t made, used, max;
};

/* Whether a buffer can be had; and taking one, which then must be so. */
bool buffers_left(const struct media_buffers *buffers);
struct media_buffer *buffer_take(struct media_buffers *buffers);
void buffer_give(struct media_buffers *buffers, struct media_buffer *buffer);
void buffers_free(struct media_buffers *buffers);

enum media_kind { MEDIA_UPLOAD, MEDIA_DOWNLOAD, MEDIA_REMOVAL };

/* What every transfer begins with. At most one operation of the loop is under way for it. */
struct media_transfer {
    struct loop_op op;
    struct media *media;
    enum media_kind kind;
    bool busy;     /* the operation is under way */
    bool attached; /* its worker knows it */
    uint32_t worker;
    uint64_t tag;
};

enum upload_state {
    UPLOAD_OPENING,
    UPLOAD_OPEN,
    UPLOAD_SYNC, /* from here on it is whole, and will be a blob whoever goes away */
    UPLOAD_RENAME,
    UPLOAD_SYNC_FOLDER,
    UPLOAD_DROP,   /* it leaves nothing, once nothing is under way */
    UPLOAD_UNLINK, /* and its file is being removed */
};

struct upload {
    struct media_transfer t;
    enum upload_state state;
    struct blob *blob;
    int fd;
    int folder;     /* where it will be */
    char fresh[24]; /* its name in the folder of new ones */
    char name[MEDIA_NAME_BYTES_MAX];
    uint32_t ttl_s;
    uint32_t buffers; /* that are promised to it */
    struct media_buffer *first, *last;
    uint32_t held;  /* of them, in use */
    bool ended;     /* the body was whole */
    bool forgotten; /* its account is deleted: so will it be */
    bool renamed;
    uint64_t announced;       /* or CHANNEL_MEDIA_UNKNOWN */
    uint64_t taken;           /* bytes that have come */
    uint64_t written;         /* of them, in the file */
    uint64_t flushing;        /* of them, the kernel has been asked to write back */
    struct download *readers; /* that follow it */
};

struct download {
    struct media_transfer t;
    struct upload *upload;      /* that is followed, or NULL */
    struct download *next;      /* of its readers */
    struct download *wait_next; /* in the queue for a buffer, or for room */
    bool waits;
    bool reading;  /* READ has come */
    int fd;        /* -1 while an upload is followed */
    uint64_t size; /* or CHANNEL_MEDIA_UNKNOWN */
    uint64_t expires_s;
    uint64_t offset; /* of the next read */
    uint64_t left;   /* of the part, or CHANNEL_MEDIA_UNKNOWN */
    uint64_t credit;
    struct media_buffer *buffer;
    char name[MEDIA_NAME_BYTES_MAX];
};

/* A blob is being deleted. */
struct removal {
    struct media_transfer t;
    uint8_t folder;
    bool unlinked;
    char name[MEDIA_NAME_BYTES_MAX];
};

struct download_queue {
    struct download *first, *last;
};

struct media {
    struct media_config config;
    struct media_port port;
    struct media_files files;
    struct media_index *index;
    struct media_listing *listing; /* until it is done */
    struct loop_op listing_op;
    bool on, ready, failed, listed, closed;
    uint8_t *forgotten; /* users, while the listing runs */
    uint32_t forgotten_count;
    uint64_t now_ms;
    uint64_t serial;         /* of the last upload */
    uint32_t objects;        /* transfers that are not freed */
    uint32_t write_promised; /* buffers of writing that uploads may fill */
    struct media_buffers writing, reading;
    struct download_queue hungry;                   /* for a buffer to read into */
    struct download_queue full;                     /* with a buffer that found no room in the ring */
    struct media_transfer **place[WAX_WORKERS_MAX]; /* by worker and place, made when first used */
    struct media_counts counts;
};

/* A transfer of `bytes`, which its worker knows by the tag (WAX_WORKERS_MAX: nobody asked for it). */
void *media_new(struct media *media, enum media_kind kind, size_t bytes, uint32_t worker, uint64_t tag);
/* The worker does not know it any more. */
void media_leave(struct media_transfer *t);
void media_drop(struct media_transfer *t); /* frees it */

/* OPENED, or DONE, after which the worker does not know the transfer any more. */
void media_answer_opened(struct media_transfer *t, uint64_t bytes, uint64_t expires_s, uint32_t credit);
void media_answer_done(struct media_transfer *t, enum wax_status status, uint64_t bytes, uint64_t expires_s);
/* A refusal to a worker of a transfer that does not begin. */
void media_refuse(struct media *media, uint32_t worker, uint64_t tag, enum channel_media_kind kind,
                  enum wax_status status);

/* A whole blob is no more, and nobody waits for that. */
void media_remove(struct media *media, struct blob *blob);

/* What an errno of a file means. */
enum wax_status media_status(int32_t result);

/* ---- media_upload.c ---- */
void upload_begin(struct media *media, uint32_t worker, const struct channel_media_put *put);
void upload_piece(struct upload *upload, struct view bytes);
void upload_end(struct upload *upload);
/* It is given up, if it is not whole. */
void upload_cancel(struct upload *upload, enum wax_status status);
/* Its account is deleted. */
void upload_forget(struct upload *upload);
/* Somebody follows it: write what there is, though it be little. */
void upload_push(struct upload *upload);

/* ---- media_download.c ---- */
void download_begin(struct media *media, uint32_t worker, const struct channel_media_get *get);
void download_read(struct download *download, const struct channel_media_read *read);
void download_credit(struct download *download, uint32_t bytes);
void download_cancel(struct download *download);
/* The upload it follows has more, is whole (status OK, `upload` still there), or is no more. */
void download_more(struct download *download);
void download_whole(struct download *download);
void download_broken(struct download *download, enum wax_status status);
/* Those that wait for a buffer, or for room. */
bool downloads_turn(struct media *media);

#endif
