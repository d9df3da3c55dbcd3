/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests of workers, and the life of blobs beside the streams. */
#include <errno.h>
#include <stdlib.h>

#include "media_internal.h"

#define REMOVALS_TURN 64u /* of blobs whose time is over */

static struct media *media_of_listing(struct loop_op *op)
{
    return (struct media *)(void *)((char *)op - offsetof(struct media, listing_op));
}

enum wax_status media_status(int32_t result)
{
    if (result >= 0)
        return WAX_OK;
    return result == -ENOSPC || result == -EDQUOT ? WAX_MEDIA_NO_SPACE : WAX_MEDIA_IO;
}

/* ---- transfers ---- */

static uint32_t place_of(uint64_t tag)
{
    return (uint32_t)tag;
}

static struct media_transfer **place_at(struct media *media, uint32_t worker, uint64_t tag)
{
    if (media->place[worker] == NULL) {
        media->place[worker] = calloc(WAX_MEDIA_TRANSFERS_MAX, sizeof media->place[worker][0]);
        if (media->place[worker] == NULL)
            abort();
    }
    return &media->place[worker][place_of(tag)];
}

/* The transfer that a worker means, NULL when it has ended. */
static struct media_transfer *find(struct media *media, uint32_t worker, uint64_t tag)
{
    if (place_of(tag) >= WAX_MEDIA_TRANSFERS_MAX)
        return NULL;
    struct media_transfer *t = *place_at(media, worker, tag);
    return t != NULL && t->tag == tag ? t : NULL;
}

void *media_new(struct media *media, enum media_kind kind, size_t bytes, uint32_t worker, uint64_t tag)
{
    struct media_transfer *t = calloc(1, bytes);
    if (t == NULL)
        abort();
    t->media = media;
    t->kind = kind;
    t->worker = worker;
    t->tag = tag;
    media->objects++;
    if (worker == WAX_WORKERS_MAX)
        return t; /* nobody asked */
    t->attached = true;
    *place_at(media, worker, tag) = t;
    return t;
}

void media_leave(struct media_transfer *t)
{
    if (t->attached)
        *place_at(t->media, t->worker, t->tag) = NULL;
    t->attached = false;
}

void media_drop(struct media_transfer *t)
{
    media_leave(t);
    t->media->objects--;
    free(t);
}

static void answer(struct media *media, uint32_t worker, const struct channel_media_answer *record)
{
    media->port.answer(media->port.ctx, worker, record, sizeof *record);
}

void media_answer_opened(struct media_transfer *t, uint64_t bytes, uint64_t expires_s, uint32_t credit)
{
    struct channel_media_answer record = {
        .record = {.bytes = sizeof record, .kind = CHANNEL_MEDIA_OPENED},
        .tag = t->tag,
        .bytes = bytes,
        .expires_s = expires_s,
        .status = WAX_OK,
        .credit = credit,
    };
    if (t->attached)
        answer(t->media, t->worker, &record);
}

void media_answer_done(struct media_transfer *t, enum wax_status status, uint64_t bytes, uint64_t expires_s)
{
    struct channel_media_answer record = {
        .record = {.bytes = sizeof record, .kind = CHANNEL_MEDIA_DONE},
        .tag = t->tag,
        .bytes = bytes,
        .expires_s = expires_s,
        .status = (uint32_t)status,
    };
    if (t->attached)
        answer(t->media, t->worker, &record);
    media_leave(t);
}

void media_refuse(struct media *media, uint32_t worker, uint64_t tag, enum channel_media_kind kind,
                  enum wax_status status)
{
    struct channel_media_answer record = {
        .record = {.bytes = sizeof record, .kind = (uint16_t)kind},
        .tag = tag,
        .status = (uint32_t)status,
    };
    answer(media, worker, &record);
}

/* ---- deletion, and expiry ---- */

static void removal_done(struct loop_op *op, int32_t result, bool more)
{
    struct removal *removal = (struct removal *)(void *)op;
    struct media *media = removal->t.media;
    (void)more;
    if (!removal->unlinked && result == 0 && removal->t.attached) {
        removal->unlinked = true;
        loop_sync(media->config.loop, media->files.folder[removal->folder], op);
        return;
    }
    media->counts.deletions += removal->t.attached && result == 0;
    if (removal->t.attached)
        media_answer_done(&removal->t, media_status(result), 0, 0);
    if (result < 0)
        journal_say(media->config.journal, CONFIG_LEVEL_ERROR, "media", "a blob can't be deleted",
                    J_T("name", removal->name), J_I("errno", -result));
    media_drop(&removal->t);
}

/* A whole blob is no more; its file follows. A worker that waits is told when that is durable. */
static void blob_remove(struct media *media, struct blob *blob, uint32_t worker, uint64_t tag)
{
    struct removal *removal = media_new(media, MEDIA_REMOVAL, sizeof *removal, worker, tag);
    struct media_found found = {.expires_s = blob->expires_s, .bytes = blob->bytes};
    memcpy(found.id, blob->id, sizeof found.id);
    memcpy(found.user, blob->user, sizeof found.user);
    media_name_write(&found, removal->name);
    removal->folder = blob->id[0];
    removal->t.op.done = removal_done;
    media_index_remove(media->index, blob);
    loop_unlink(media->config.loop, media->files.folder[removal->folder], removal->name, &removal->t.op);
}

void media_remove(struct media *media, struct blob *blob)
{
    blob_remove(media, blob, WAX_WORKERS_MAX, 0);
}

static void take_delete(struct media *media, uint32_t worker, const struct channel_media_delete *request)
{
    struct blob *blob = media_index_find(media->index, request->id);
    enum wax_status status = WAX_OK;
    if (blob == NULL)
        status = WAX_MEDIA_NOT_FOUND;
    else if (memcmp(blob->user, request->name.user, sizeof blob->user) != 0)
        status = WAX_MEDIA_NOT_OWNER;
    else if (blob->upload != NULL)
        status = WAX_MEDIA_EXISTS;
    if (status == WAX_OK)
        blob_remove(media, blob, worker, request->tag);
    else
        media_refuse(media, worker, request->tag, CHANNEL_MEDIA_DONE, status);
}

void media_forget(struct media *media, const uint8_t user[WAX_USER_BYTES])
{
    if (media->listing != NULL && !media->listed) { /* what it finds yet is his, too */
        media->forgotten = realloc(media->forgotten, (media->forgotten_count + 1u) * WAX_USER_BYTES);
        if (media->forgotten == NULL)
            abort();
        memcpy(media->forgotten + media->forgotten_count++ * (size_t)WAX_USER_BYTES, user, WAX_USER_BYTES);
    }
    const struct media_account *account = media_index_account(media->index, user);
    for (struct blob *blob = account == NULL ? NULL : account->first, *next; blob != NULL; blob = next) {
        next = blob->user_next;
        if (blob->upload != NULL)
            upload_forget(blob->upload);
        else
            media_remove(media, blob);
    }
}

/* ---- records ---- */

static void transfer_cancel(struct media_transfer *t)
{
    media_leave(t);
    if (t->kind == MEDIA_UPLOAD)
        upload_cancel((struct upload *)(void *)t, WAX_MEDIA_BROKEN);
    else if (t->kind == MEDIA_DOWNLOAD)
        download_cancel((struct download *)(void *)t);
}

/* The worker has begun a new transfer at a place whose former one it has forgotten. */
static void place_clear(struct media *media, uint32_t worker, uint64_t tag)
{
    struct media_transfer *t = *place_at(media, worker, tag);
    if (t != NULL)
        transfer_cancel(t);
}

static void take_beginning(struct media *media, uint32_t worker, const struct channel_record *record,
                           uint64_t tag)
{
    enum wax_status status = WAX_OK;
    if (!media->on)
        status = WAX_MEDIA_OFF;
    else if (media->failed)
        status = WAX_MEDIA_IO;
    else if (!media->ready)
        status = WAX_MEDIA_BUSY;
    if (status != WAX_OK) {
        enum channel_media_kind kind =
            record->kind == CHANNEL_MEDIA_DELETE ? CHANNEL_MEDIA_DONE : CHANNEL_MEDIA_OPENED;
        media_refuse(media, worker, tag, kind, status);
        return;
    }
    place_clear(media, worker, tag);
    const void *p = record;
    if (record->kind == CHANNEL_MEDIA_PUT)
        upload_begin(media, worker, p);
    else if (record->kind == CHANNEL_MEDIA_GET)
        download_begin(media, worker, p);
    else
        take_delete(media, worker, p);
}

static void take_for_upload(struct upload *upload, const struct channel_record *record)
{
    const struct channel_media_piece *piece = (const void *)record;
    if (record->kind == CHANNEL_MEDIA_PIECE)
        upload_piece(upload, view_of(piece->bytes, record->bytes - sizeof *piece));
    else if (record->kind == CHANNEL_MEDIA_END)
        upload_end(upload);
}

static void take_for_download(struct download *download, const struct channel_record *record)
{
    const void *p = record;
    if (record->kind == CHANNEL_MEDIA_READ)
        download_read(download, p);
    else if (record->kind == CHANNEL_MEDIA_CREDIT)
        download_credit(download, ((const struct channel_media_credit *)p)->bytes);
}

void media_take(struct media *media, uint32_t worker, const struct channel_record *record)
{
    uint64_t tag = ((const struct channel_media_mark *)(const void *)record)->tag;
    if (place_of(tag) >= WAX_MEDIA_TRANSFERS_MAX)
        return;
    if (record->kind <= CHANNEL_MEDIA_DELETE) {
        take_beginning(media, worker, record, tag);
        return;
    }
    struct media_transfer *t = find(media, worker, tag);
    if (t == NULL)
        return;
    if (record->kind == CHANNEL_MEDIA_CLOSE)
        transfer_cancel(t);
    else if (t->kind == MEDIA_UPLOAD)
        take_for_upload((struct upload *)(void *)t, record);
    else if (t->kind == MEDIA_DOWNLOAD)
        take_for_download((struct download *)(void *)t, record);
}

void media_detach(struct media *media)
{
    for (uint32_t worker = 0; worker < WAX_WORKERS_MAX; worker++) {
        for (uint32_t i = 0; media->place[worker] != NULL && i < WAX_MEDIA_TRANSFERS_MAX; i++) {
            if (media->place[worker][i] != NULL)
                transfer_cancel(media->place[worker][i]);
        }
    }
}

/* ---- the turn, begin and end ---- */

bool media_turn(struct media *media, uint64_t now_ms)
{
    struct blob *blob;
    media->now_ms = now_ms;
    if (!media->ready)
        return false;
    for (uint32_t i = 0; i < REMOVALS_TURN; i++) {
        blob = media_index_due(media->index, now_ms / 1000u);
        if (blob == NULL)
            break;
        media->counts.expired++;
        media_remove(media, blob);
    }
    return downloads_turn(media);
}

/* What was found is known from now on. */
static void listing_take(struct media *media)
{
    const struct media_found *blobs;
    size_t count = media_listed(media->listing, &blobs, &media->counts.damaged, &media->failed);
    for (size_t i = 0; i < count; i++) {
        if (media_index_add(media->index, blobs[i].id, blobs[i].user, blobs[i].bytes, blobs[i].expires_s) !=
            WAX_OK)
            media->counts.damaged++;
    }
    for (uint32_t i = 0; i < media->forgotten_count; i++)
        media_forget(media, media->forgotten + i * (size_t)WAX_USER_BYTES);
    media->ready = !media->failed;
    journal_say(media->config.journal, media->ready ? CONFIG_LEVEL_INFO : CONFIG_LEVEL_ERROR, "media",
                media->ready ? "ready" : "the blobs can't be listed", J_U("blobs", count),
                J_U("damaged", media->counts.damaged));
}

static void listing_done(struct loop_op *op, int32_t result, bool more)
{
    struct media *media = media_of_listing(op);
    if (result > 0 && !media->listed) {
        media->listed = true;
        if (!media->closed)
            listing_take(media);
        loop_cancel(media->config.loop, op);
    }
    if (more)
        return;
    media_listing_free(media->listing);
    media->listing = NULL;
}

enum wax_status media_open(const struct media_config *config, const struct media_port *port,
                           struct media **out)
{
    struct media *media = calloc(1, sizeof *media);
    if (media == NULL)
        abort();
    media->config = *config;
    media->port = *port;
    media->on = config->path != NULL;
    media->writing.max = WAX_MEDIA_WRITE_BUFFERS;
    media->reading.max = WAX_MEDIA_READ_BUFFERS;
    media->index = media_index_new();
    if (config->path != NULL) {
        enum wax_status status = media_files_open(&media->files, config->path);
        media->listing_op.done = listing_done;
        if (status == WAX_OK) {
            media->listing = media_list(&media->files, config->loop, &media->listing_op);
            status = media->listing != NULL ? WAX_OK : WAX_MEDIA_IO;
        }
        if (status != WAX_OK) {
            media_index_free(media->index);
            free(media);
            return status;
        }
    }
    *out = media;
    return WAX_OK;
}

bool media_busy(const struct media *media)
{
    return media != NULL && (media->objects != 0 || media->listing != NULL);
}

void media_close(struct media *media)
{
    if (media == NULL)
        return;
    media->closed = true;
    media_detach(media);
    if (media->listing != NULL)
        media_listing_stop(media->listing);
}

void media_free(struct media *media)
{
    if (media == NULL)
        return;
    assert(!media_busy(media));
    if (media->on)
        media_files_close(&media->files);
    for (uint32_t i = 0; i < WAX_WORKERS_MAX; i++)
        free(media->place[i]);
    buffers_free(&media->writing);
    buffers_free(&media->reading);
    media_index_free(media->index);
    free(media->forgotten);
    free(media);
}

void media_count(const struct media *media, struct media_counts *counts)
{
    struct media_index_counts index = media_index_count(media->index);
    *counts = media->counts;
    counts->on = media->on;
    counts->ready = media->ready;
    counts->blobs = index.blobs;
    counts->bytes = index.bytes;
    counts->accounts = index.accounts;
    counts->uploads_now = index.uploads;
    counts->buffers_now = media->writing.used + media->reading.used;
    counts->quota_bytes = media->config.quota_bytes;
}

bool media_of_account(const struct media *media, const uint8_t user[WAX_USER_BYTES], uint64_t *blobs,
                      uint64_t *bytes)
{
    const struct media_account *account = media_index_account(media->index, user);
    if (account == NULL)
        return false;
    *blobs = account->blobs;
    *bytes = account->bytes;
    return true;
}
