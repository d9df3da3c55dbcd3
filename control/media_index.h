/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What blobs there are: by id, by account (for quotas) and by time (for expiry). In memory alone: each blob's
 * file says all of it by its name, so the index is made anew at every start.
 */
#ifndef CONTROL_MEDIA_INDEX_H
#define CONTROL_MEDIA_INDEX_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/limits.h"
#include "waxwire/status.h"

struct upload;
struct media_account;

struct blob {
    uint8_t id[WAX_MEDIA_ID_BYTES];
    uint8_t user[WAX_USER_BYTES];
    uint64_t bytes;     /* that count for the quota: of a running upload what it has announced or brought */
    uint64_t expires_s; /* since 1970 */
    struct upload *upload; /* while it is being uploaded, else NULL */
    /* the index's own */
    struct blob *hash_next, *user_next, *user_prev;
    struct media_account *account;
    size_t place; /* in the heap of expiries, 0: in none */
};

/* What an account has. */
struct media_account {
    uint8_t user[WAX_USER_BYTES];
    uint64_t bytes;
    uint32_t blobs;   /* running uploads included */
    uint32_t uploads; /* running ones */
    struct blob *first;
    struct media_account *hash_next;
};

struct media_index;

/* An empty index. */
struct media_index *media_index_new(void);
/* Forget all of it; NULL is not allowed. */
void media_index_free(struct media_index *index);

/* The blob with this id, running or whole; NULL. */
struct blob *media_index_find(const struct media_index *index, const uint8_t id[WAX_MEDIA_ID_BYTES]);

/* The account, NULL when it has no blob. */
const struct media_account *media_index_account(const struct media_index *index,
                                                const uint8_t user[WAX_USER_BYTES]);

/*
 * An upload begins, of so many bytes as far as is known. WAX_OK and *blob; MEDIA_EXISTS, MEDIA_QUOTA (`quota`
 * bytes, 0: any number), MEDIA_BUSY (WAX_MEDIA_USER_UPLOADS_MAX run).
 */
enum wax_status media_index_begin(struct media_index *index, const uint8_t id[WAX_MEDIA_ID_BYTES],
                                  const uint8_t user[WAX_USER_BYTES], uint64_t bytes, uint64_t quota,
                                  struct upload *upload, struct blob **blob);

/* A running upload brings so many bytes more than it was begun with. WAX_OK or MEDIA_QUOTA. */
enum wax_status media_index_grow(struct media_index *index, struct blob *blob, uint64_t more, uint64_t quota);

/* The upload is whole. */
void media_index_commit(struct media_index *index, struct blob *blob, uint64_t expires_s);

/* A blob that was found at the start. WAX_OK, or MEDIA_EXISTS. */
enum wax_status media_index_add(struct media_index *index, const uint8_t id[WAX_MEDIA_ID_BYTES],
                                const uint8_t user[WAX_USER_BYTES], uint64_t bytes, uint64_t expires_s);

/* Forget a blob, whole or running; it is freed. */
void media_index_remove(struct media_index *index, struct blob *blob);

/* A whole blob whose time is over, NULL: none. */
struct blob *media_index_due(const struct media_index *index, uint64_t now_s);

/* Of all. */
struct media_index_counts {
    uint64_t blobs, bytes, accounts, uploads;
};
/* How many there are. */
struct media_index_counts media_index_count(const struct media_index *index);

#endif
