/* SPDX-License-Identifier: BSD-3-Clause */
/* A store that nobody serves, or a copy of one, read from its directory: to verify it and to show what is in
 * it. */
#ifndef CONTROL_STORE_FILES_H
#define CONTROL_STORE_FILES_H

#include "image.h"

struct store_files_port {
    void *ctx;
    /* Every record that opens; may be NULL. */
    void (*record)(void *ctx, uint32_t shard, const struct log_record *record);
    /* A segment has been scanned; its counts, and whether it has keys at all. May be NULL. */
    void (*segment)(void *ctx, uint32_t shard, uint64_t id, const struct image_counts *counts, bool keys);
};

/*
 * Read all of a store. OK (also when there is damage: counts tell), NOT_FOUND (no store there), STORE_LOCKED,
 * STORE_VERSION, STORE_KEY, or STORE_IO (errno tells why). Nothing is changed.
 */
enum wax_status store_files_read(const char *directory, uint64_t log_bytes, const uint8_t master[32],
                                 const struct store_files_port *port);

#endif
