/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A segment as it lies on a disk, read by who has the key ring: for tools that look at a store
 * which is not running, and for tests that try to read what must not be readable. Pure.
 */
#ifndef CONTROL_IMAGE_H
#define CONTROL_IMAGE_H

#include "keyring.h"
#include "log.h"

struct image_segment {
    struct view bytes;  /* all that lies there: the log, and behind log_bytes the tables of keys */
    uint64_t log_bytes; /* where the tables begin */
    uint64_t valid;     /* of the log: sealed there, or STORAGE_NOT_SEALED */
    uint32_t seed;      /* of the store's checksums */
    const struct keyring_entry *entry;
};

struct image_counts {
    uint64_t records;     /* sound by their checksums */
    uint64_t opened;      /* of them, also by their seals */
    uint64_t without_key; /* of them, not to be opened any more */
    uint64_t forged;      /* of them, with a key that does not open them */
    uint64_t damaged;     /* places of damage, and damaged chunks of the table */
    uint64_t lost_bytes;
    uint64_t bytes; /* of the log, to its end */
    bool torn;
};

/*
 * Scan a segment: count, and give each record that opens to `each` (which may be NULL), whose views hold
 * during the call. `counts` is added to.
 */
void image_scan(const struct image_segment *image, struct image_counts *counts, void *ctx,
                void (*each)(void *ctx, const struct log_record *record));

#endif
