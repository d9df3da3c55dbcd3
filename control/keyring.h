/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The key ring of a shard: what opens its segments, and all that does. Pure functions over bytes.
 *
 * The ring has an entry for each segment: the root of its key tree (keytree.h), or, once keys have
 * been taken out of the tree, the key of a table that holds the nodes that are left. Tables lie beside their
 * segments, sealed; a table is made anew, under a new key, whenever keys are taken out. The ring is
 * sealed under the store's master key and is replaced as a whole (storage.h: ring_put): then
 * the old tables, wherever copies of them may lie, open no more, and neither do the records
 * whose keys were only in them.
 */
#ifndef CONTROL_KEYRING_H
#define CONTROL_KEYRING_H

#include "keytree.h"
#include "storage.h"

#define KEYRING_MASTER_BYTES 32u
#define KEYRING_SECRET_BYTES 32u

/* A table is a row of chunks, each sealed by itself: damage costs the keys of one chunk. */
#define KEYTABLE_CHUNK_BYTES 4096u
#define KEYTABLE_CHUNK_NODES 204u /* of 20 bytes, and a tag */
/* No tree has more nodes than half its slots. */
#define KEYTABLE_BYTES_MAX                                                                                   \
    ((KEYTREE_SLOTS / 2u + KEYTABLE_CHUNK_NODES - 1u) / KEYTABLE_CHUNK_NODES * KEYTABLE_CHUNK_BYTES)

struct keyring_entry {
    uint64_t segment;
    uint32_t nodes; /* of the table; 0: the secret is the tree's root (its first 16 bytes) */
    uint8_t area;   /* where the table lies: 0 or 1 */
    uint8_t secret[KEYRING_SECRET_BYTES];
    uint8_t salt[KEYTREE_SALT_BYTES];
};

#define KEYRING_HEAD_BYTES  16u
#define KEYRING_ENTRY_BYTES 64u
#define KEYRING_EXTRA_BYTES (24u + 16u) /* nonce and tag */
#define KEYRING_ENTRIES_MAX                                                                                  \
    ((STORAGE_RING_BYTES_MAX - KEYRING_HEAD_BYTES - KEYRING_EXTRA_BYTES) / KEYRING_ENTRY_BYTES)

static inline size_t keyring_bytes(uint32_t count)
{
    return KEYRING_HEAD_BYTES + KEYRING_EXTRA_BYTES + (size_t)count * KEYRING_ENTRY_BYTES;
}

/* Seal entries; `out` has room for keyring_bytes(count). The nonce is drawn at random. */
void keyring_seal(uint8_t *out, const struct keyring_entry *entries, uint32_t count, uint32_t shard,
                  const uint8_t master[KEYRING_MASTER_BYTES]);

/* The number of entries that a sealed ring says it has, or KEYRING_ENTRIES_MAX + 1 when it is none. */
uint32_t keyring_count(struct view bytes);

/* Open a ring of keyring_count entries. OK, STORE_VERSION, STORE_CORRUPT, or STORE_KEY: not sealed by this
 * key. */
enum wax_status keyring_open(struct view bytes, uint32_t shard, const uint8_t master[KEYRING_MASTER_BYTES],
                             struct keyring_entry *entries);

/* The bytes of a table with so many nodes. */
size_t keytable_bytes(uint32_t nodes);

/* Seal a tree's nodes under a key that seals nothing else; `out` has room for keytable_bytes. */
void keytable_seal(uint8_t *out, const struct keytree *tree, const uint8_t key[KEYRING_SECRET_BYTES]);

/* Open a table into `tree`, which is empty but for its salt. Returns how many chunks were damaged. */
uint32_t keytable_open(struct view bytes, uint32_t nodes, const uint8_t key[KEYRING_SECRET_BYTES],
                       struct keytree *tree);

#endif
