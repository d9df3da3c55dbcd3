/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One upload: pieces are gathered in buffers and written to a file in the folder of new ones; when the body
 * is whole the file is synced, renamed to what it is, and its folder synced. Until the rename it is nobody's,
 * and a new start removes it. The client is told when all that is durable.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "media_internal.h"

#define WRITEBACK_BYTES (1u << 20) /* after so many the kernel is asked to begin writing to the disk */

/* ---- the end ---- */

static void buffers_drop(struct upload *upload)
{
    struct media *media = upload->t.media;
    while (upload->first != NULL) {
        struct media_buffer *buffer = upload->first;
        upload->first = buffer->next;
        buffer_give(&media->writing, buffer);
    }
    upload->last = NULL;
    media->write_promised -= upload->buffers;
    upload->buffers = 0;
}

static void readers_tell(struct upload *upload, enum wax_status status)
{
    while (upload->readers != NULL) {
        struct download *reader = upload->readers;
        upload->readers = reader->next;
        if (status == WAX_OK)
            download_whole(reader);
        else
            download_broken(reader, status);
    }
}

static void upload_free(struct upload *upload)
{
    if (upload->fd >= 0)
        loop_close(upload->t.media->config.loop, upload->fd);
    buffers_drop(upload);
    media_drop(&upload->t);
}

/* What there is of it is removed, as soon as nothing is under way. */
static void upload_unlink(struct upload *upload)
{
    struct media *media = upload->t.media;
    upload->state = UPLOAD_DROP;
    if (upload->t.busy)
        return;
    if (upload->fd < 0) {
        upload_free(upload);
        return;
    }
    upload->state = UPLOAD_UNLINK;
    upload->t.busy = true;
    loop_unlink(media->config.loop, upload->renamed ? upload->folder : media->files.fresh,
                upload->renamed ? upload->name : upload->fresh, &upload->t.op);
}

static void upload_fail(struct upload *upload, enum wax_status status)
{
    struct media *media = upload->t.media;
    bool opening = upload->state == UPLOAD_OPENING;
    media->counts.broken++;
    readers_tell(upload, WAX_MEDIA_BROKEN);
    media_index_remove(media->index, upload->blob);
    upload->blob = NULL;
    if (opening && upload->t.attached) {
        media_refuse(media, upload->t.worker, upload->t.tag, CHANNEL_MEDIA_OPENED, status);
        media_leave(&upload->t);
    } else {
        media_answer_done(&upload->t, status, 0, 0);
    }
    upload_unlink(upload);
}

void upload_forget(struct upload *upload)
{
    upload->forgotten = true;
    upload_cancel(upload, WAX_MEDIA_BROKEN);
}

void upload_cancel(struct upload *upload, enum wax_status status)
{
    if (upload->state == UPLOAD_OPENING || upload->state == UPLOAD_OPEN)
        upload_fail(upload, status);
}

static void upload_whole(struct upload *upload)
{
    struct media *media = upload->t.media;
    media_index_commit(media->index, upload->blob, upload->blob->expires_s);
    media->counts.uploads++;
    readers_tell(upload, WAX_OK);
    media_answer_done(&upload->t, WAX_OK, upload->taken, upload->blob->expires_s);
    if (upload->forgotten)
        media_remove(media, upload->blob);
    upload_free(upload);
}

/* ---- the file ---- */

static void credit_give(struct upload *upload, uint32_t bytes)
{
    struct channel_media_credit credit = {
        .record = {.bytes = sizeof credit, .kind = CHANNEL_MEDIA_CREDIT},
        .tag = upload->t.tag,
        .bytes = bytes,
    };
    struct media *media = upload->t.media;
    if (upload->t.attached)
        media->port.answer(media->port.ctx, upload->t.worker, &credit, sizeof credit);
}

/* Returns whether the disk has room for more. */
static bool write_done(struct upload *upload, uint32_t bytes)
{
    struct media *media = upload->t.media;
    struct media_buffer *buffer = upload->first;
    bool fits = true;
    buffer->done += bytes;
    upload->written += bytes;
    if (upload->written - upload->flushing >= WRITEBACK_BYTES) {
        loop_writeback(media->config.loop, upload->fd, (uint32_t)(upload->written - upload->flushing),
                       upload->flushing);
        upload->flushing = upload->written;
        fits = media_files_fit(&media->files, 0); /* others write too, and a length may be unknown */
    }
    if (buffer->done == buffer->fill) {
        uint32_t fill = buffer->fill;
        upload->first = buffer->next;
        if (upload->first == NULL)
            upload->last = NULL;
        buffer_give(&media->writing, buffer);
        upload->held--;
        if (!upload->ended)
            credit_give(upload, fill);
    }
    for (struct download *reader = upload->readers, *next; reader != NULL; reader = next) {
        next = reader->next;
        download_more(reader);
    }
    return fits;
}

static void sync_begin(struct upload *upload)
{
    struct media *media = upload->t.media;
    struct media_found found = {.bytes = upload->taken, .expires_s = media->now_ms / 1000u + upload->ttl_s};
    memcpy(found.id, upload->blob->id, sizeof found.id);
    memcpy(found.user, upload->blob->user, sizeof found.user);
    media_name_write(&found, upload->name);
    upload->blob->expires_s = found.expires_s;
    upload->folder = media->files.folder[found.id[0]];
    upload->state = UPLOAD_SYNC;
    upload->t.busy = true;
    loop_sync(media->config.loop, upload->fd, &upload->t.op);
}

/* Whatever is next for a file that is open: to write, or to make it durable. */
static void upload_go(struct upload *upload)
{
    struct media *media = upload->t.media;
    struct media_buffer *buffer = upload->first;
    if (upload->t.busy || upload->state != UPLOAD_OPEN)
        return;
    if (buffer == NULL) {
        if (upload->ended)
            sync_begin(upload);
        return;
    }
    if (buffer->fill < sizeof buffer->bytes && !upload->ended && upload->readers == NULL)
        return;
    upload->t.busy = true;
    loop_write(media->config.loop, upload->fd, buffer->bytes + buffer->done, buffer->fill - buffer->done,
               upload->written, &upload->t.op);
}

static void opened(struct upload *upload, int32_t result)
{
    struct media *media = upload->t.media;
    upload->fd = result;
    upload->state = UPLOAD_OPEN;
    media_answer_opened(&upload->t, upload->announced, media->now_ms / 1000u + upload->ttl_s,
                        upload->buffers * WAX_MEDIA_BUFFER_BYTES);
}

static void upload_step(struct upload *upload, int32_t result)
{
    struct media *media = upload->t.media;
    switch (upload->state) {
    case UPLOAD_OPENING:
        opened(upload, result);
        break;
    case UPLOAD_OPEN:
        if (write_done(upload, (uint32_t)result))
            upload_go(upload);
        else
            upload_fail(upload, WAX_MEDIA_NO_SPACE);
        break;
    case UPLOAD_SYNC:
        upload->state = UPLOAD_RENAME;
        upload->t.busy = true;
        loop_rename(media->config.loop, media->files.fresh, upload->fresh, upload->folder, upload->name,
                    &upload->t.op);
        break;
    case UPLOAD_RENAME:
        upload->state = UPLOAD_SYNC_FOLDER;
        upload->renamed = true;
        upload->t.busy = true;
        loop_sync(media->config.loop, upload->folder, &upload->t.op);
        break;
    case UPLOAD_SYNC_FOLDER:
        upload_whole(upload);
        break;
    case UPLOAD_DROP:
    case UPLOAD_UNLINK:
        break;
    }
}

static void upload_done(struct loop_op *op, int32_t result, bool more)
{
    struct upload *upload = (struct upload *)(void *)op;
    (void)more;
    upload->t.busy = false;
    if (upload->state == UPLOAD_UNLINK) {
        upload_free(upload);
        return;
    }
    if (upload->state == UPLOAD_DROP) {
        if (upload->fd < 0 && result >= 0)
            upload->fd = result; /* it was being opened */
        upload_unlink(upload);
        return;
    }
    if (result >= 0 && !(upload->state == UPLOAD_OPEN && result == 0)) {
        upload_step(upload, result);
        return;
    }
    journal_say(upload->t.media->config.journal, CONFIG_LEVEL_ERROR, "media", "an upload can't be written",
                J_I("errno", -result));
    upload_fail(upload, result == 0 ? WAX_MEDIA_IO : media_status(result));
}

/* ---- requests ---- */

/* What speaks against it, before anything is made. */
static enum wax_status refusal(struct media *media, const struct channel_media_put *put, uint32_t buffers)
{
    uint64_t bytes = put->bytes == CHANNEL_MEDIA_UNKNOWN ? 0 : put->bytes;
    if (bytes > media->config.bytes_max)
        return WAX_HTTP_TOO_LARGE;
    if (media->write_promised + buffers > media->writing.max)
        return WAX_MEDIA_BUSY;
    return media_files_fit(&media->files, bytes) ? WAX_OK : WAX_MEDIA_NO_SPACE;
}

void upload_begin(struct media *media, uint32_t worker, const struct channel_media_put *put)
{
    uint32_t buffers = media->write_promised < media->writing.max / 2u ? WAX_MEDIA_UPLOAD_BUFFERS : 1u;
    uint32_t ttl_s = media->config.ttl_s;
    struct blob *blob = NULL;
    enum wax_status status = refusal(media, put, buffers);
    if (status == WAX_OK)
        status = media_index_begin(media->index, put->id, put->name.user,
                                   put->bytes == CHANNEL_MEDIA_UNKNOWN ? 0 : put->bytes,
                                   media->config.quota_bytes, NULL, &blob);
    if (status != WAX_OK) {
        media_refuse(media, worker, put->tag, CHANNEL_MEDIA_OPENED, status);
        return;
    }
    struct upload *upload = media_new(media, MEDIA_UPLOAD, sizeof *upload, worker, put->tag);
    upload->t.op.done = upload_done;
    upload->blob = blob;
    upload->fd = -1;
    upload->announced = put->bytes;
    upload->ttl_s = put->ttl_s != 0 && put->ttl_s < ttl_s ? put->ttl_s : ttl_s;
    upload->buffers = buffers;
    media->write_promised += buffers;
    blob->upload = upload;
    snprintf(upload->fresh, sizeof upload->fresh, "%llu", (unsigned long long)++media->serial);
    upload->t.busy = true;
    loop_open(media->config.loop, media->files.fresh, upload->fresh, O_RDWR | O_CREAT | O_EXCL,
              &upload->t.op);
}

/* Into the last buffer, and new ones as far as they were promised. Returns whether it had room. */
static bool gather(struct upload *upload, struct view bytes)
{
    struct media *media = upload->t.media;
    while (bytes.len != 0) {
        struct media_buffer *last = upload->last;
        if (last == NULL || last->fill == sizeof last->bytes) {
            if (upload->held == upload->buffers)
                return false;
            last = buffer_take(&media->writing);
            upload->held++;
            if (upload->last != NULL)
                upload->last->next = last;
            else
                upload->first = last;
            upload->last = last;
        }
        size_t room = sizeof last->bytes - last->fill, len = bytes.len < room ? bytes.len : room;
        memcpy(last->bytes + last->fill, bytes.data, len);
        last->fill += (uint32_t)len;
        bytes = view_of(bytes.data + len, bytes.len - len);
    }
    return true;
}

void upload_piece(struct upload *upload, struct view bytes)
{
    struct media *media = upload->t.media;
    bool known = upload->announced != CHANNEL_MEDIA_UNKNOWN;
    uint64_t most = known ? upload->announced : media->config.bytes_max;
    enum wax_status status = WAX_OK;
    if (upload->state != UPLOAD_OPEN || upload->ended)
        return;
    if (bytes.len > most - upload->taken)
        status = WAX_HTTP_TOO_LARGE;
    else if (!known)
        status = media_index_grow(media->index, upload->blob, bytes.len, media->config.quota_bytes);
    upload->taken += bytes.len;
    media->counts.bytes_in += bytes.len;
    if (status == WAX_OK && !gather(upload, bytes))
        status = WAX_CHANNEL_CORRUPT;
    if (status == WAX_OK)
        upload_go(upload);
    else
        upload_fail(upload, status);
}

void upload_end(struct upload *upload)
{
    if (upload->state != UPLOAD_OPEN || upload->ended)
        return;
    if (upload->announced != CHANNEL_MEDIA_UNKNOWN && upload->taken != upload->announced) {
        upload_fail(upload, WAX_MEDIA_BROKEN);
        return;
    }
    upload->ended = true;
    upload_go(upload);
}

void upload_push(struct upload *upload)
{
    upload_go(upload);
}
