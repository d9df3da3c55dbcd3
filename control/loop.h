/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event loop: one io_uring, whose completions are handed to their owners. One thread.
 */
#ifndef CONTROL_LOOP_H
#define CONTROL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "waxwire/status.h"

struct loop;

/*
 * Something under way in the ring. The owner embeds it, and must keep it until `done` was
 * called for the last time (`more` is false).
 */
struct loop_op {
    void (*done)(struct loop_op *op, int32_t result, bool more);
};

/* Returns NULL when the kernel has no io_uring for us (errno tells why). */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* Tell of events (POLLIN …) on a descriptor, again and again until loop_cancel; `result` is the mask or
 * -errno. */
void loop_poll(struct loop *loop, int fd, uint32_t events, struct loop_op *op);
/* End a poll: `done` comes once more, with -ECANCELED. */
void loop_cancel(struct loop *loop, struct loop_op *op);

/* Read or write a file at an offset; a write is durable when it is done (RWF_DSYNC). */
void loop_read(struct loop *loop, int fd, void *out, uint32_t len, uint64_t offset, struct loop_op *op);
void loop_write_durable(struct loop *loop, int fd, const void *in, uint32_t len, uint64_t offset,
                        struct loop_op *op);

/*
 * Files, of which nothing blocks the loop; `result` is 0, a descriptor or a number of bytes, or -errno. A
 * write here is durable only after loop_sync (of a directory too: what was made, renamed or removed in it);
 * loop_writeback has the kernel begin with that, and loop_close tells nobody (a descriptor may be closed
 * while its reads and writes are under way). Names must stay until `done`.
 */
void loop_open(struct loop *loop, int directory, const char *name, int flags, struct loop_op *op);
void loop_write(struct loop *loop, int fd, const void *in, uint32_t len, uint64_t offset, struct loop_op *op);
void loop_writeback(struct loop *loop, int fd, uint32_t len, uint64_t offset);
void loop_sync(struct loop *loop, int fd, struct loop_op *op);
void loop_rename(struct loop *loop, int from, const char *old, int to, const char *new, struct loop_op *op);
void loop_unlink(struct loop *loop, int directory, const char *name, struct loop_op *op);
void loop_close(struct loop *loop, int fd);

/* Hand what was asked for to the kernel now. */
void loop_submit(struct loop *loop);

/* Wait for completions, at most this long (0: only look), and call their owners. OK, or NOT_FOUND when none
 * came. */
enum wax_status loop_turn(struct loop *loop, uint32_t timeout_ms);
/* The same, for so short a time that microseconds matter. */
enum wax_status loop_nap(struct loop *loop, uint32_t timeout_us);

#endif
