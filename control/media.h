/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Media: blobs that workers stream in and out (the records CHANNEL_MEDIA_… of waxwire/channel.h), their
 * files, quotas and expiry. Everything by the loop, nothing blocks it. Memory is bounded: an upload has one
 * to WAX_MEDIA_UPLOAD_BUFFERS buffers, of all of which there are WAX_MEDIA_WRITE_BUFFERS; downloads, however
 * many, share WAX_MEDIA_READ_BUFFERS.
 */
#ifndef CONTROL_MEDIA_H
#define CONTROL_MEDIA_H

#include "loop.h"
#include "waxwire/channel_media.h"
#include "waxwire/journal.h"

struct media;

struct media_config {
    struct loop *loop;
    struct journal *journal;
    const char *path;     /* of the folder; NULL: media are off, all is refused */
    uint64_t bytes_max;   /* of a blob */
    uint32_t ttl_s;       /* the default, and the most */
    uint64_t quota_bytes; /* of an account, 0: any number */
};

/* The way to the workers. */
struct media_port {
    void *ctx;
    /* Send a small record (copied), after all before it. */
    void (*answer)(void *ctx, uint32_t worker, const void *record, uint32_t bytes);
    /* Bytes of pieces that may be sent now; a record for them, and showing it. */
    uint64_t (*room)(void *ctx, uint32_t worker);
    struct channel_record *(*reserve)(void *ctx, uint32_t worker, uint32_t bytes);
    void (*publish)(void *ctx, uint32_t worker);
};

/*
 * Make it, and begin to list what there is; until that is done everything is answered MEDIA_BUSY. WAX_OK and
 * *out, or as media_files_open with errno.
 */
enum wax_status media_open(const struct media_config *config, const struct media_port *port,
                           struct media **out);

/*
 * The end: media_close, turns of the loop until nothing is under way any more (media_busy), media_free. NULL
 * is allowed in all three.
 */
void media_close(struct media *media);
bool media_busy(const struct media *media);
void media_free(struct media *media);

/* A record of a worker's, of a sound length. */
void media_take(struct media *media, uint32_t worker, const struct channel_record *record);

/* The data plane has gone: uploads that are not whole leave nothing, downloads end. */
void media_detach(struct media *media);

/* Once in a turn: blobs expire, pieces go on. Returns whether some wait for room in a ring. */
bool media_turn(struct media *media, uint64_t now_ms);

/* An account is deleted: so are its blobs; its running uploads leave nothing. */
void media_forget(struct media *media, const uint8_t user[WAX_USER_BYTES]);

struct media_counts {
    bool on, ready;
    uint64_t blobs, bytes, accounts;        /* now, running uploads included */
    uint64_t uploads_now, downloads_now;    /* running */
    uint64_t uploads, downloads, deletions; /* done */
    uint64_t expired, broken, damaged;
    uint64_t bytes_in, bytes_out;
    uint64_t buffers_now; /* of WAX_MEDIA_BUFFER_BYTES, in use */
    uint64_t quota_bytes;
};
/* What there is to tell an operator. */
void media_count(const struct media *media, struct media_counts *counts);

/* What an account has; false when that is nothing. */
bool media_of_account(const struct media *media, const uint8_t user[WAX_USER_BYTES], uint64_t *blobs,
                      uint64_t *bytes);

#endif
