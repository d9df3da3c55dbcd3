/* SPDX-License-Identifier: BSD-3-Clause */
#include "image.h"

#include <sodium.h>
#include <stdlib.h>

static struct keytree keys_of(const struct image_segment *image, struct image_counts *counts)
{
    const struct keyring_entry *entry = image->entry;
    struct keytree keys = {0};
    if (entry->nodes == 0) {
        keytree_init(&keys, entry->secret, entry->salt);
        return keys;
    }
    uint64_t at = image->log_bytes + (uint64_t)entry->area * KEYTABLE_BYTES_MAX;
    struct view table = {0};
    if (at < image->bytes.len)
        table = view_of(image->bytes.data + at, image->bytes.len - at);
    memcpy(keys.salt, entry->salt, sizeof keys.salt);
    counts->damaged += keytable_open(table, entry->nodes, entry->secret, &keys);
    return keys;
}

void image_scan(const struct image_segment *image, struct image_counts *counts, void *ctx,
                void (*each)(void *ctx, const struct log_record *record))
{
    struct keytree keys = keys_of(image, counts);
    struct keywalk walk = {.count = 0};
    struct log_scan scan;
    struct log_record record;
    enum wax_status status;
    uint8_t key[LOG_KEY_BYTES], *plain = malloc(LOG_RECORD_BYTES_MAX);
    size_t offset, len = image->bytes.len < image->log_bytes ? image->bytes.len : image->log_bytes;
    if (plain == NULL)
        abort();
    len = image->valid < len ? image->valid : len;
    log_scan_init(&scan, view_of(image->bytes.data, len), log_seed(image->seed, image->entry->salt), 0,
                  image->valid != STORAGE_NOT_SEALED ? LOG_TAIL_SEALED : LOG_TAIL_OPEN);
    while ((status = log_scan_next(&scan, &record, &offset)) == WAX_OK || status == WAX_STORE_CORRUPT) {
        if (status == WAX_STORE_CORRUPT) {
            counts->damaged++;
            continue;
        }
        counts->records++;
        if (record.type == LOG_SEGMENT)
            continue;
        if (!keywalk_key(&walk, &keys, record.place.slot, key)) {
            counts->without_key++;
        } else if (!log_open(image->bytes.data + offset, key, true, plain, &record)) {
            counts->forged++;
        } else {
            counts->opened++;
            if (each != NULL)
                each(ctx, &record);
        }
    }
    counts->torn |= status == WAX_STORE_TORN;
    counts->lost_bytes += scan.lost_bytes;
    counts->bytes += scan.at;
    sodium_memzero(plain, LOG_RECORD_BYTES_MAX);
    sodium_memzero(key, sizeof key);
    sodium_memzero(&walk, sizeof walk);
    free(plain);
    keytree_free(&keys);
}
