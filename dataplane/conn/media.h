/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blobs on their way through a worker: requests of /v1/media, between a connection and the control plane,
 * which has the files. Nothing of a blob is kept here but what is under way: an upload takes from its client
 * what control has given credit for, a download gives credit to control as its client's TCP acknowledges. A
 * connection holds a transfer only while one runs, until the client has acknowledged its last byte.
 *
 * Internal to dataplane/conn.
 */
#ifndef WAX_CONN_MEDIA_H
#define WAX_CONN_MEDIA_H

#include "base/list.h"
#include "http/body.h"
#include "http/media.h"
#include "relay/name.h"
#include "waxwire/channel_media.h"
#include "waxwire/config.h"

struct conn;
struct stack;

#define MEDIA_RANGE_BYTES_MAX 64u /* of a Range field: one of a single range is never longer */

enum transfer_kind { TRANSFER_PUT, TRANSFER_GET, TRANSFER_HEAD, TRANSFER_DELETE };

enum transfer_state {
    TRANSFER_ASK,     /* the request has still to be handed to control */
    TRANSFER_ASKED,   /* control is to answer */
    TRANSFER_BODY,    /* upload: the body is read */
    TRANSFER_END,     /* upload: the body is over, control has still to be told */
    TRANSFER_ENDED,   /* upload: control is to confirm */
    TRANSFER_READ,    /* download: control has still to be told what part */
    TRANSFER_STREAM,  /* download: pieces come */
    TRANSFER_REST,    /* everything is written, the client has not acknowledged all of it */
    TRANSFER_FORLORN, /* it has no connection any more, control has still to be told */
};

struct transfer {
    struct link waiting; /* on the stack's list of transfers that wait for room in the channel */
    uint32_t conn;       /* whose, CONN_NONE: nobody's any more */
    uint32_t serial;
    uint8_t kind;  /* enum transfer_kind */
    uint8_t state; /* enum transfer_state */
    uint8_t minor; /* of the client's HTTP/1 */
    bool keep_alive;
    bool expects_continue;
    bool chunked; /* the reply is */
    bool known;   /* download: If-None-Match names what would be sent */
    uint8_t range_len;
    char range[MEDIA_RANGE_BYTES_MAX];
    uint8_t id[WAX_MEDIA_ID_BYTES];
    struct name owner;
    uint32_t ttl_s;
    uint32_t credit; /* upload: bytes that control takes; download: bytes asked for and not yet here */
    uint32_t window; /* download: bytes that may be under way */
    uint32_t held;   /* download: of them, those that are, as far as is known */
    uint64_t bytes;  /* upload: announced; download: of the part */
    uint64_t offset; /* download: of the part */
    uint64_t left;   /* download: of the part, still to come from control */
    uint64_t moved;  /* upload: bytes of the body's framing and data; download: acknowledged by the client */
    uint64_t mark;   /* `moved` when it was noted last that the transfer moves on */
    uint64_t alive_us; /* when that was */
    struct http_body body;
};

/* How many transfers a worker has room for; all downloads together have a part of its blocks. */
uint32_t media_transfers_max(const struct wax_config *config);

/* A request of /v1/media, its head parsed and checked. */
void media_request(struct stack *stack, uint32_t id, const struct http_request *request);

/* The connection of a transfer ends, or needs it no more: whatever it has under way at control is given up.
 */
void media_cancel(struct stack *stack, struct conn *conn);

/* The client has closed its half, or acknowledged bytes, or its timer has expired. */
void media_fin(struct stack *stack, uint32_t id);
void media_acked(struct stack *stack, uint32_t id);
void media_tick(struct stack *stack, uint32_t id);

/* Once in a turn: transfers that wait for room in the channel go on. */
void media_turn(struct stack *stack);

/* A record of control's. */
void media_record(struct stack *stack, const struct channel_record *record);

/* Control has gone: all transfers end. */
void media_control_down(struct stack *stack);

/* ---- what its files share ---- */

/* The transfer of a connection that is CONN_MEDIA. */
struct transfer *media_of(const struct stack *stack, uint32_t id);

/* A record to control, its tag filled in; NULL: no room now, media_turn goes on with this transfer. */
void *media_reserve(struct stack *stack, struct transfer *transfer, enum channel_media_kind kind,
                    size_t bytes);

/* Whatever a transfer's state asks for next, as far as there is room. */
void media_go(struct stack *stack, struct transfer *transfer);

/* So many bytes have moved: noted as progress when they are enough. */
void media_moved(const struct stack *stack, struct transfer *transfer, uint64_t moved);

/* Go on in media_turn. */
void media_wait(struct stack *stack, struct transfer *transfer);

/*
 * The transfer is over, its connection goes on without. `tell`: control does not know and has to be told, if
 * it was asked at all.
 */
void media_end(struct stack *stack, struct transfer *transfer, bool tell);

/* Answer with a refusal and close; the transfer is over, `tell` as above. */
void media_refuse(struct stack *stack, uint32_t id, enum wax_status status, bool tell);

/* Queue a reply's head, and what of its body it has. False: the connection was aborted for want of memory. */
struct http_reply;
bool media_reply(struct stack *stack, uint32_t id, const struct http_reply *reply);

/* All of the reply is queued: the transfer is over when the client has acknowledged it. */
void media_written(struct stack *stack, uint32_t id);

/* media_upload.c: the body, of which the bytes used are returned; what waited for room; control's answers. */
size_t media_body(struct stack *stack, uint32_t id, struct view bytes);
void media_upload_go(struct stack *stack, uint32_t id);
void media_upload_opened(struct stack *stack, uint32_t id, const struct channel_media_answer *answer);
void media_upload_done(struct stack *stack, uint32_t id, const struct channel_media_answer *answer);

/* media_download.c: what waited for room, or may ask for more; control's answers. */
void media_download_go(struct stack *stack, uint32_t id);
void media_download_opened(struct stack *stack, uint32_t id, const struct channel_media_answer *answer);
void media_download_piece(struct stack *stack, uint32_t id, struct view bytes);
void media_download_done(struct stack *stack, uint32_t id, enum wax_status status);

#endif
