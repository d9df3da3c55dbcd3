/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of an attached data plane: mapped and checked, its rings, and the answers that
 * wait for room in them.
 */
#ifndef CONTROL_ATTACHMENT_H
#define CONTROL_ATTACHMENT_H

#include "waxwire/channel_media.h"
#include "waxwire/channel_request.h"

struct attachment;

/*
 * Map the memory that an offer came with. `*reason` says why it is refused
 * (CHANNEL_VERSION). The descriptor stays the caller's.
 */
enum wax_status attachment_map(const struct channel_offer *offer, int memory, struct attachment **attachment,
                               const char **reason);
void attachment_unmap(struct attachment *attachment);

/* How many workers it has, and the metrics page of one of them (below that number). */
uint32_t attachment_workers(const struct attachment *attachment);
const struct wax_metrics *attachment_metrics(const struct attachment *attachment, uint32_t worker);

/* Say that control is about to sleep (the data plane kicks only then), or that it is awake. */
void attachment_sleeping(struct attachment *attachment, bool sleeping);

/*
 * The oldest record of a worker, whole and of sane lengths for its kind; NULL when there is
 * none, or when what is there makes no sense (`*status` is CHANNEL_CORRUPT then).
 */
const struct channel_record *attachment_peek(struct attachment *attachment, uint32_t worker,
                                             enum wax_status *status);
void attachment_release(struct attachment *attachment, uint32_t worker, const struct channel_record *record);

/*
 * Send a record (copied) to a worker, after all before it; it waits when there is no room. And how many bytes
 * of records that are not small wait: who makes many of them makes no more for a while.
 */
void attachment_answer(struct attachment *attachment, uint32_t worker, const void *record, uint32_t bytes);
uint64_t attachment_waiting_bytes(const struct attachment *attachment, uint32_t worker);

/* Bytes that may be sent so that at most `most` are unread; 0 also when answers wait. */
uint64_t attachment_room(struct attachment *attachment, uint32_t worker, uint64_t most);

/* Room for a record, or NULL: when there is none, or answers wait. */
struct channel_record *attachment_reserve(struct attachment *attachment, uint32_t worker, uint32_t bytes);
void attachment_publish(struct attachment *attachment, uint32_t worker);

/*
 * Once in each turn, before records are taken: move on answers that wait, and see whether
 * the worker has settled. Returns whether answers still wait.
 */
bool attachment_turn(struct attachment *attachment, uint32_t worker);

/* Whether the worker has read all that was sent to it. */
bool attachment_all_read(const struct attachment *attachment, uint32_t worker);

/* How often the worker has read all its answers, and all it had sent until then was taken. */
uint64_t attachment_settled(const struct attachment *attachment, uint32_t worker);

#endif
