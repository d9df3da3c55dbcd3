/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads and writes of segments in the loop's ring. */
#include <errno.h>
#include <stdlib.h>

#include "log.h"
#include "storage_local_internal.h"

void transfer_submit(struct transfer *t)
{
    uint32_t len = (uint32_t)(t->len - t->done);
    bool aligned = ((uintptr_t)(t->bytes + t->done) | len | (t->offset + t->done)) % LOG_BLOCK_BYTES == 0;
    int fd = t->file->direct >= 0 && aligned ? t->file->direct : t->file->fd;
    if (t->write)
        loop_write_durable(t->local->loop, fd, t->bytes + t->done, len, t->offset + t->done, &t->op);
    else
        loop_read(t->local->loop, t->file->fd, t->bytes + t->done, len, t->offset + t->done, &t->op);
}

/* The log of a segment reaches as far as this now. */
static void confirmed(const struct transfer *t)
{
    struct local *local = t->local;
    struct shard_files *shard = &local->shard[t->shard];
    uint64_t end = t->offset + t->len;
    if (end > local->segment_bytes)
        return; /* a table of keys */
    pthread_mutex_lock(&local->mutex);
    if (t->file->id > shard->confirmed_segment) {
        shard->confirmed_segment = t->file->id;
        shard->confirmed_bytes = end;
    } else if (t->file->id == shard->confirmed_segment && end > shard->confirmed_bytes) {
        shard->confirmed_bytes = end;
    }
    pthread_mutex_unlock(&local->mutex);
}

void transfer_end(struct transfer *t, enum wax_status status)
{
    struct storage_op *owner = t->owner;
    if (t->write && status == WAX_OK)
        confirmed(t);
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

struct transfer *transfer_new(struct local *local, uint32_t shard, struct file *file, bool write,
                              uint8_t *bytes, size_t len, uint64_t offset, struct storage_op *op)
{
    struct transfer *t = calloc(1, sizeof *t);
    if (t == NULL)
        abort();
    *t = (struct transfer){.op = {transfer_done},
                           .owner = op,
                           .local = local,
                           .shard = shard,
                           .file = file,
                           .write = write,
                           .bytes = bytes,
                           .len = len,
                           .offset = offset};
    return t;
}
