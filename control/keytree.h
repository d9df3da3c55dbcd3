/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keys of a segment's records: a tree from which keys can be taken out for good.
 *
 * Each record has a slot, and each slot a key of its own, derived down a binary tree from one
 * secret (Goldreich, Goldwasser, Micali 1986; a node's children are a block of ChaCha20 under the
 * node and a salt of the segment). Who holds a node has the keys of all slots below it, and no
 * other. Taking a slot out replaces the node above it by the few nodes that cover its
 * neighbours. So a segment of which nothing was taken out has one node, and one of which few
 * were has few: what must be rewritten when messages go is a small part of a key a message.
 */
#ifndef CONTROL_KEYTREE_H
#define CONTROL_KEYTREE_H

#include <stdbool.h>
#include <stdint.h>

#define KEYTREE_LEVELS     15u
#define KEYTREE_SLOTS      (1u << KEYTREE_LEVELS)
#define KEYTREE_NODE_BYTES 16u
#define KEYTREE_SALT_BYTES 16u
#define KEYTREE_KEY_BYTES  32u

/* Covers the slots `first` to `first` + 2^`level` - 1. */
struct keytree_node {
    uint32_t first : 24;
    uint32_t level : 8;
    uint8_t secret[KEYTREE_NODE_BYTES];
};

/* Nodes in rising order, none within another. Slots that no node covers have no key any more. */
struct keytree {
    uint8_t salt[KEYTREE_SALT_BYTES];
    struct keytree_node *nodes; /* by malloc */
    uint32_t count, room;
};

/* A tree of all slots. `tree` is empty (zero). */
void keytree_init(struct keytree *tree, const uint8_t root[KEYTREE_NODE_BYTES],
                  const uint8_t salt[KEYTREE_SALT_BYTES]);

/* One more node, behind all others, within the slots that there are. Returns false when it is not. */
bool keytree_add(struct keytree *tree, uint32_t first, uint32_t level,
                 const uint8_t secret[KEYTREE_NODE_BYTES]);

/* Wipe and free what it holds. */
void keytree_free(struct keytree *tree);

/* The key of a slot; false when it has been taken out. */
bool keytree_key(const struct keytree *tree, uint32_t slot, uint8_t key[KEYTREE_KEY_BYTES]);

/* Whether a slot still has its key. */
bool keytree_has(const struct keytree *tree, uint32_t slot);

/*
 * Make `to` (empty) what `from` is without `slots` (in rising order, each once) and without all
 * slots from `end` on.
 */
void keytree_puncture(const struct keytree *from, const uint32_t *slots, uint32_t count, uint32_t end,
                      struct keytree *to);

#define KEYWALK_LEVELS 7u
#define KEYWALK_SLOTS  (1u << KEYWALK_LEVELS)

/*
 * The keys of many slots in rising order, made many at a time: eight blocks of ChaCha20 together cost little
 * more than one. Zero it to begin, and whenever the tree has changed.
 */
struct keywalk {
    uint32_t first, count; /* the slots whose keys are here */
    uint8_t key[KEYWALK_SLOTS][KEYTREE_KEY_BYTES];
};

/* As keytree_key. */
bool keywalk_key(struct keywalk *walk, const struct keytree *tree, uint32_t slot,
                 uint8_t key[KEYTREE_KEY_BYTES]);

#endif
