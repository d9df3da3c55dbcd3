/* SPDX-License-Identifier: BSD-3-Clause */
#include "loop.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>

#define ENTRIES 512u

struct loop {
    struct io_uring ring;
};

struct loop *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return NULL;
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = ENTRIES * 8,
    };
    int error = io_uring_queue_init_params(ENTRIES, &loop->ring, &params);
    if (error == -EINVAL) { /* an older kernel */
        params = (struct io_uring_params){.flags = IORING_SETUP_CQSIZE, .cq_entries = ENTRIES * 8};
        error = io_uring_queue_init_params(ENTRIES, &loop->ring, &params);
    }
    if (error < 0) {
        free(loop);
        errno = -error;
        return NULL;
    }
    return loop;
}

void loop_free(struct loop *loop)
{
    io_uring_queue_exit(&loop->ring);
    free(loop);
}

static struct io_uring_sqe *take_sqe(struct loop *loop)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);
    if (sqe == NULL) {
        loop_submit(loop);
        sqe = io_uring_get_sqe(&loop->ring);
        assert(sqe != NULL);
    }
    return sqe;
}

void loop_poll(struct loop *loop, int fd, uint32_t events, struct loop_op *op)
{
    struct io_uring_sqe *sqe = take_sqe(loop);
    io_uring_prep_poll_multishot(sqe, fd, events);
    io_uring_sqe_set_data(sqe, op);
}

void loop_cancel(struct loop *loop, struct loop_op *op)
{
    struct io_uring_sqe *sqe = take_sqe(loop);
    io_uring_prep_cancel(sqe, op, 0);
    io_uring_sqe_set_data(sqe, NULL);
}

void loop_read(struct loop *loop, int fd, void *out, uint32_t len, uint64_t offset, struct loop_op *op)
{
    struct io_uring_sqe *sqe = take_sqe(loop);
    io_uring_prep_read(sqe, fd, out, len, offset);
    io_uring_sqe_set_data(sqe, op);
}

void loop_write_durable(struct loop *loop, int fd, const void *in, uint32_t len, uint64_t offset,
                        struct loop_op *op)
{
    struct io_uring_sqe *sqe = take_sqe(loop);
    io_uring_prep_write(sqe, fd, in, len, offset);
    sqe->rw_flags = RWF_DSYNC;
    io_uring_sqe_set_data(sqe, op);
}

void loop_open(struct loop *loop, int directory, const char *name, int flags, struct loop_op *op)
{
    struct io_uring_sqe *sqe = take_sqe(loop);
    io_uring_prep_openat(sqe, directory, name, flags | O_CLOEXEC, 0600);
    io_uring_sqe_set_data(sqe, op);
}

void loop_write(struct loop *loop, int fd, const void *in, uint32_t len, uint64_t offset, struct loop_op *op)
{
    struct io_uring_sqe *sqe = take_sqe(loop);
    io_uring_prep_write(sqe, fd, in, len, offset);
    io_uring_sqe_set_data(sqe, op);
}

void loop_writeback(struct loop *loop, int fd, uint32_t len, uint64_t offset)
{
    struct io_uring_sqe *sqe = take_sqe(loop);
    io_uring_prep_sync_file_range(sqe, fd, len, offset, SYNC_FILE_RANGE_WRITE);
    io_uring_sqe_set_data(sqe, NULL);
}

void loop_sync(struct loop *loop, int fd, struct loop_op *op)
{
    struct io_uring_sqe *sqe = take_sqe(loop);
    io_uring_prep_fsync(sqe, fd, 0);
    io_uring_sqe_set_data(sqe, op);
}

void loop_rename(struct loop *loop, int from, const char *old, int to, const char *new, struct loop_op *op)
{
    struct io_uring_sqe *sqe = take_sqe(loop);
    io_uring_prep_renameat(sqe, from, old, to, new, 0);
    io_uring_sqe_set_data(sqe, op);
}

void loop_unlink(struct loop *loop, int directory, const char *name, struct loop_op *op)
{
    struct io_uring_sqe *sqe = take_sqe(loop);
    io_uring_prep_unlinkat(sqe, directory, name, 0);
    io_uring_sqe_set_data(sqe, op);
}

void loop_close(struct loop *loop, int fd)
{
    struct io_uring_sqe *sqe = take_sqe(loop);
    io_uring_prep_close(sqe, fd);
    io_uring_sqe_set_data(sqe, NULL);
}

void loop_submit(struct loop *loop)
{
    int submitted;
    do {
        submitted = io_uring_submit(&loop->ring);
    } while (submitted == -EINTR);
    assert(submitted >= 0 || submitted == -EBUSY || submitted == -EAGAIN);
}

static enum wax_status turn(struct loop *loop, struct __kernel_timespec ts)
{
    struct io_uring_cqe *cqe;
    int result = io_uring_submit_and_wait_timeout(&loop->ring, &cqe, 1, &ts, NULL);
    if (result < 0 && result != -ETIME && result != -EINTR && result != -EBUSY && result != -EAGAIN)
        abort();
    enum wax_status status = WAX_NOT_FOUND;
    /* owners may submit more meanwhile: take what is there now, one by one */
    for (uint32_t i = 0; i < ENTRIES * 8 && io_uring_peek_cqe(&loop->ring, &cqe) == 0; i++) {
        struct loop_op *op = io_uring_cqe_get_data(cqe);
        int32_t res = cqe->res;
        bool more = (cqe->flags & IORING_CQE_F_MORE) != 0;
        io_uring_cqe_seen(&loop->ring, cqe);
        status = WAX_OK;
        if (op != NULL)
            op->done(op, res, more);
    }
    return status;
}

enum wax_status loop_turn(struct loop *loop, uint32_t timeout_ms)
{
    return turn(loop, (struct __kernel_timespec){.tv_sec = timeout_ms / 1000,
                                                 .tv_nsec = (long long)(timeout_ms % 1000) * 1000000});
}

enum wax_status loop_nap(struct loop *loop, uint32_t timeout_us)
{
    return turn(loop, (struct __kernel_timespec){.tv_sec = timeout_us / 1000000,
                                                 .tv_nsec = (long long)(timeout_us % 1000000) * 1000});
}
