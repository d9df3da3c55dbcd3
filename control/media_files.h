/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The folder of blobs. A whole blob is a file whose name says all there is to know of it (id, account,
 * expiry, length), in one of 256 folders by its id; so the rename that puts it there is all of a commit, and
 * a listing is an index. What is being uploaded lies in "new", which is emptied at every start.
 *
 *   LOCK   new/NUMBER   00/ID.USER.EXPIRES.BYTES … ff/…
 */
#ifndef CONTROL_MEDIA_FILES_H
#define CONTROL_MEDIA_FILES_H

#include "loop.h"
#include "waxwire/bytes.h"
#include "waxwire/limits.h"

#define MEDIA_FOLDERS        256u
#define MEDIA_NAME_BYTES_MAX 128u

/* What a file's name says. */
struct media_found {
    uint8_t id[WAX_MEDIA_ID_BYTES];
    uint8_t user[WAX_USER_BYTES];
    uint64_t expires_s;
    uint64_t bytes;
};

/* The name of a blob's file; and what a name says, false when it is none. */
void media_name_write(const struct media_found *blob, char name[MEDIA_NAME_BYTES_MAX]);
bool media_name_read(const char *name, struct media_found *blob);

struct media_files {
    int root, lock, fresh;     /* descriptors */
    int folder[MEDIA_FOLDERS]; /* by an id's first byte */
};

/*
 * Open the folder, and make what is missing of it; to be done at the start, for it blocks. WAX_OK,
 * STORE_LOCKED (another process has it), MEDIA_NO_SPACE, MEDIA_IO with errno.
 */
enum wax_status media_files_open(struct media_files *files, const char *path);
void media_files_close(struct media_files *files);

/* Whether the disk has room for so many bytes and WAX_MEDIA_FREE_BYTES_MIN beside. */
bool media_files_fit(const struct media_files *files, uint64_t bytes);

/* A listing under way, on a thread of its own. */
struct media_listing;

/* `op` is called once, on the loop, when it is done. NULL when there is no thread to be had. */
struct media_listing *media_list(struct media_files *files, struct loop *loop, struct loop_op *op);

/*
 * What it found, when it is done: blobs (their number is the result), how many files had no sound name, and
 * whether some folder could not be read.
 */
size_t media_listed(const struct media_listing *listing, const struct media_found **blobs, uint64_t *damaged,
                    bool *failed);
/* Let it be done soon, with whatever it has found. */
void media_listing_stop(struct media_listing *listing);

/* End it, when `op` was called for the last time. */
void media_listing_free(struct media_listing *listing);

#endif
