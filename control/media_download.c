/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One download: read a buffer of the file against the worker's credit, hand it over piece by piece as the
 * ring has room, read the next. Buffers are few and go round among all of them, first come, first served. One
 * that follows an upload reads its file as far as it is written.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "media_internal.h"

#define RECORD_BYTES (sizeof(struct channel_media_piece) + 8u) /* of a piece's record, without the piece */

/* ---- queues ---- */

static void queue_put(struct download_queue *queue, struct download *download)
{
    download->wait_next = NULL;
    download->waits = true;
    if (queue->first == NULL)
        queue->first = download;
    else
        queue->last->wait_next = download;
    queue->last = download;
}

static struct download *queue_take(struct download_queue *queue)
{
    struct download *download = queue->first;
    queue->first = download->wait_next;
    download->waits = false;
    return download;
}

static void queue_remove(struct download_queue *queue, const struct download *download)
{
    struct download *before = NULL;
    for (struct download *at = queue->first; at != NULL; before = at, at = at->wait_next) {
        if (at != download)
            continue;
        if (before == NULL)
            queue->first = at->wait_next;
        else
            before->wait_next = at->wait_next;
        if (queue->last == at)
            queue->last = before;
        return;
    }
}

/* ---- the end ---- */

static void reader_leave(struct download *download)
{
    if (download->upload == NULL)
        return;
    struct download **at = &download->upload->readers;
    while (*at != NULL && *at != download)
        at = &(*at)->next;
    if (*at != NULL)
        *at = download->next;
    download->upload = NULL;
}

/* Its worker knows it no more; what is under way ends first. */
void download_cancel(struct download *download)
{
    struct media *media = download->t.media;
    media_leave(&download->t);
    reader_leave(download);
    if (download->waits) {
        queue_remove(&media->hungry, download);
        queue_remove(&media->full, download);
        download->waits = false;
    }
    if (download->t.busy)
        return;
    if (download->buffer != NULL)
        buffer_give(&media->reading, download->buffer);
    if (download->fd >= 0)
        loop_close(media->config.loop, download->fd);
    media->counts.downloads_now--;
    media_drop(&download->t);
}

static void download_fail(struct download *download, enum wax_status status)
{
    media_answer_done(&download->t, status, 0, 0);
    download_cancel(download);
}

/* ---- reading ---- */

/* Hand over what was read. Returns false when the ring has no room for all of it now. */
static bool hand_over(struct download *download)
{
    struct media *media = download->t.media;
    const struct media_port *port = &media->port;
    struct media_buffer *buffer = download->buffer;
    while (buffer->done < buffer->fill) {
        uint32_t len = buffer->fill - buffer->done;
        len = len < WAX_MEDIA_PIECE_BYTES ? len : WAX_MEDIA_PIECE_BYTES;
        struct channel_media_piece *piece = NULL;
        if (port->room(port->ctx, download->t.worker) >= len + RECORD_BYTES)
            piece = (void *)port->reserve(port->ctx, download->t.worker, (uint32_t)sizeof *piece + len);
        if (piece == NULL)
            return false;
        piece->record.kind = CHANNEL_MEDIA_PIECE;
        piece->tag = download->t.tag;
        memcpy(piece->bytes, buffer->bytes + buffer->done, len);
        port->publish(port->ctx, download->t.worker);
        buffer->done += len;
        media->counts.bytes_out += len;
    }
    return true;
}

/* How far the file can be read now. */
static uint64_t readable(const struct download *download)
{
    uint64_t end = download->upload != NULL ? download->upload->written : download->size;
    return end - download->offset;
}

static void read_begin(struct download *download)
{
    struct media *media = download->t.media;
    uint64_t len = readable(download);
    len = len < download->left ? len : download->left;
    len = len < download->credit ? len : download->credit;
    len = len < WAX_MEDIA_BUFFER_BYTES ? len : WAX_MEDIA_BUFFER_BYTES;
    download->buffer = buffer_take(&media->reading);
    download->t.busy = true;
    loop_read(media->config.loop, download->upload != NULL ? download->upload->fd : download->fd,
              download->buffer->bytes, (uint32_t)len, download->offset, &download->t.op);
}

static bool may_read(const struct download *download)
{
    return !download->t.busy && download->buffer == NULL && !download->waits && download->reading &&
           download->left != 0 && download->credit != 0 && readable(download) != 0;
}

/* Whatever is next: the end, to wait for credit or for the upload, or to read when it is its turn. */
static void download_go(struct download *download)
{
    struct media *media = download->t.media;
    if (download->t.busy || download->buffer != NULL || download->waits || !download->reading)
        return;
    if (download->left == 0) {
        media->counts.downloads++;
        media_answer_done(&download->t, WAX_OK, download->size, download->expires_s);
        download_cancel(download);
    } else if (may_read(download)) {
        if (media->hungry.first == NULL && buffers_left(&media->reading))
            read_begin(download);
        else
            queue_put(&media->hungry, download);
    } else if (download->credit != 0 && download->upload != NULL) {
        upload_push(download->upload);
    } else if (download->credit != 0) {
        download_fail(download, WAX_MEDIA_IO); /* shorter than its name says */
    }
}

static void read_done(struct download *download, int32_t result)
{
    struct media *media = download->t.media;
    if (result <= 0) {
        journal_say(media->config.journal, CONFIG_LEVEL_ERROR, "media", "a blob can't be read",
                    J_I("errno", -result));
        download_fail(download, WAX_MEDIA_IO);
        return;
    }
    download->buffer->fill = (uint32_t)result;
    download->offset += (uint32_t)result;
    download->credit -= (uint32_t)result;
    if (download->left != CHANNEL_MEDIA_UNKNOWN)
        download->left -= (uint32_t)result;
    if (!hand_over(download)) {
        queue_put(&media->full, download);
        return;
    }
    buffer_give(&media->reading, download->buffer);
    download->buffer = NULL;
    download_go(download);
}

bool downloads_turn(struct media *media)
{
    struct download *last = media->full.last;
    while (media->full.first != NULL) {
        struct download *download = queue_take(&media->full);
        bool was_last = download == last;
        if (!hand_over(download)) {
            queue_put(&media->full, download);
        } else {
            buffer_give(&media->reading, download->buffer);
            download->buffer = NULL;
            download_go(download);
        }
        if (was_last)
            break;
    }
    while (media->hungry.first != NULL && buffers_left(&media->reading)) {
        struct download *download = queue_take(&media->hungry);
        if (may_read(download))
            read_begin(download);
        else
            download_go(download);
    }
    return media->full.first != NULL;
}

/* ---- requests ---- */

/* The file of a whole blob is open: is it what its name says? */
static void opened(struct download *download, int32_t result)
{
    struct media *media = download->t.media;
    struct stat info;
    download->fd = result;
    if (result < 0 || fstat(result, &info) != 0 || (uint64_t)info.st_size != download->size) {
        media->counts.damaged++;
        journal_say(media->config.journal, CONFIG_LEVEL_ERROR, "media", "a blob is not what its name says",
                    J_T("name", download->name), J_I("errno", result < 0 ? -result : 0));
        if (download->t.attached)
            media_refuse(media, download->t.worker, download->t.tag, CHANNEL_MEDIA_OPENED, WAX_MEDIA_DAMAGED);
        download_cancel(download);
        return;
    }
    media_answer_opened(&download->t, download->size, download->expires_s, 0);
}

static void download_done(struct loop_op *op, int32_t result, bool more)
{
    struct download *download = (struct download *)(void *)op;
    (void)more;
    download->t.busy = false;
    if (!download->t.attached) {
        if (!download->reading && result >= 0)
            download->fd = result; /* it was being opened */
        download_cancel(download);
    } else if (!download->reading) {
        opened(download, result);
    } else {
        read_done(download, result);
    }
}

void download_begin(struct media *media, uint32_t worker, const struct channel_media_get *get)
{
    const struct blob *blob = media_index_find(media->index, get->id);
    if (blob == NULL || (blob->upload == NULL && blob->expires_s <= media->now_ms / 1000u)) {
        media_refuse(media, worker, get->tag, CHANNEL_MEDIA_OPENED, WAX_MEDIA_NOT_FOUND);
        return;
    }
    struct download *download = media_new(media, MEDIA_DOWNLOAD, sizeof *download, worker, get->tag);
    media->counts.downloads_now++;
    download->t.op.done = download_done;
    download->fd = -1;
    download->upload = blob->upload;
    download->size = blob->upload != NULL ? blob->upload->announced : blob->bytes;
    download->expires_s = blob->expires_s;
    if (get->head || blob->upload != NULL)
        media_answer_opened(&download->t, download->size, download->expires_s, 0);
    if (get->head) {
        download->upload = NULL;
        download_cancel(download);
        return;
    }
    if (download->upload != NULL) {
        download->next = download->upload->readers;
        download->upload->readers = download;
        return;
    }
    struct media_found found = {.expires_s = blob->expires_s, .bytes = blob->bytes};
    memcpy(found.id, blob->id, sizeof found.id);
    memcpy(found.user, blob->user, sizeof found.user);
    media_name_write(&found, download->name);
    download->t.busy = true;
    loop_open(media->config.loop, media->files.folder[blob->id[0]], download->name, O_RDONLY,
              &download->t.op);
}

void download_read(struct download *download, const struct channel_media_read *read)
{
    uint64_t size = download->size;
    if (download->reading || download->t.busy || (download->fd < 0 && download->upload == NULL))
        return;
    if (size != CHANNEL_MEDIA_UNKNOWN && (read->offset > size || read->bytes > size - read->offset)) {
        download_fail(download, WAX_CHANNEL_CORRUPT);
        return;
    }
    download->reading = true;
    download->offset = read->offset;
    download->left = read->bytes;
    download_go(download);
}

void download_credit(struct download *download, uint32_t bytes)
{
    download->credit += bytes;
    download_go(download);
}

/* ---- from the upload that is followed ---- */

void download_more(struct download *download)
{
    download_go(download);
}

void download_whole(struct download *download)
{
    struct upload *upload = download->upload;
    download->fd = fcntl(upload->fd, F_DUPFD_CLOEXEC, 0);
    download->upload = NULL;
    download->size = upload->taken;
    download->expires_s = upload->blob->expires_s;
    if (download->fd < 0) {
        download_fail(download, WAX_MEDIA_IO);
        return;
    }
    if (download->reading && download->left == CHANNEL_MEDIA_UNKNOWN)
        download->left = download->size - download->offset;
    download_go(download);
}

void download_broken(struct download *download, enum wax_status status)
{
    download->upload = NULL;
    download_fail(download, status);
}
