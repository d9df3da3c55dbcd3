/* SPDX-License-Identifier: BSD-3-Clause */
#include "keytree.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum label { LABEL_CHILDREN, LABEL_KEY };

/* A block of 64 bytes that follows from a node's secret. */
static void expand(const struct keytree *tree, const uint8_t *secret, enum label label, uint8_t block[64])
{
    uint8_t key[crypto_stream_chacha20_KEYBYTES];
    const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES] = {(uint8_t)label};
    memcpy(key, secret, KEYTREE_NODE_BYTES);
    memcpy(key + KEYTREE_NODE_BYTES, tree->salt, KEYTREE_SALT_BYTES);
    crypto_stream_chacha20(block, 64, nonce, key);
    sodium_memzero(key, sizeof key);
}

static void children(const struct keytree *tree, const uint8_t *secret, uint8_t left[KEYTREE_NODE_BYTES],
                     uint8_t right[KEYTREE_NODE_BYTES])
{
    uint8_t block[64];
    expand(tree, secret, LABEL_CHILDREN, block);
    memcpy(left, block, KEYTREE_NODE_BYTES);
    memcpy(right, block + KEYTREE_NODE_BYTES, KEYTREE_NODE_BYTES);
    sodium_memzero(block, sizeof block);
}

static void leaf_key(const struct keytree *tree, const uint8_t *leaf, uint8_t key[KEYTREE_KEY_BYTES])
{
    uint8_t block[64];
    expand(tree, leaf, LABEL_KEY, block);
    memcpy(key, block, KEYTREE_KEY_BYTES);
    sodium_memzero(block, sizeof block);
}

static void push(struct keytree *tree, uint32_t first, uint32_t level, const uint8_t *secret)
{
    if (tree->count == tree->room) {
        uint32_t room = tree->room == 0 ? 4 : tree->room + tree->room / 2;
        struct keytree_node *nodes = malloc(room * sizeof *nodes);
        if (nodes == NULL)
            abort();
        if (tree->count != 0) { /* never realloc: it would leave secrets in what it gives back */
            memcpy(nodes, tree->nodes, tree->count * sizeof *nodes);
            sodium_memzero(tree->nodes, tree->count * sizeof *nodes);
        }
        free(tree->nodes);
        tree->nodes = nodes;
        tree->room = room;
    }
    struct keytree_node *node = &tree->nodes[tree->count++];
    node->first = first & 0xffffffu;
    node->level = level & 0xffu;
    memcpy(node->secret, secret, KEYTREE_NODE_BYTES);
}

void keytree_init(struct keytree *tree, const uint8_t root[KEYTREE_NODE_BYTES],
                  const uint8_t salt[KEYTREE_SALT_BYTES])
{
    memcpy(tree->salt, salt, KEYTREE_SALT_BYTES);
    push(tree, 0, KEYTREE_LEVELS, root);
}

bool keytree_add(struct keytree *tree, uint32_t first, uint32_t level,
                 const uint8_t secret[KEYTREE_NODE_BYTES])
{
    const struct keytree_node *last = tree->count != 0 ? &tree->nodes[tree->count - 1] : NULL;
    if (level > KEYTREE_LEVELS || first >= KEYTREE_SLOTS || (first & ((1u << level) - 1u)) != 0 ||
        (last != NULL && first < last->first + (1u << last->level)))
        return false;
    push(tree, first, level, secret);
    return true;
}

void keytree_free(struct keytree *tree)
{
    if (tree->nodes != NULL)
        sodium_memzero(tree->nodes, tree->count * sizeof *tree->nodes);
    free(tree->nodes);
    *tree = (struct keytree){.count = 0};
}

/* The node that covers a slot, or NULL. */
static const struct keytree_node *find(const struct keytree *tree, uint32_t slot)
{
    uint32_t low = 0, high = tree->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (tree->nodes[middle].first <= slot)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    const struct keytree_node *node = &tree->nodes[low - 1];
    return slot - node->first < 1u << node->level ? node : NULL;
}

bool keytree_has(const struct keytree *tree, uint32_t slot)
{
    return find(tree, slot) != NULL;
}

bool keytree_key(const struct keytree *tree, uint32_t slot, uint8_t key[KEYTREE_KEY_BYTES])
{
    struct keywalk walk = {.valid = false};
    bool has = keywalk_key(&walk, tree, slot, key);
    sodium_memzero(&walk, sizeof walk);
    return has;
}

/* Down from `secret`, a node of `level`, to the leaf of the slot, keeping what lies to the right. */
static void walk_down(struct keywalk *walk, const struct keytree *tree, const uint8_t *secret, uint32_t level,
                      uint32_t slot)
{
    uint8_t at[KEYTREE_NODE_BYTES], left[KEYTREE_NODE_BYTES];
    memcpy(at, secret, sizeof at);
    while (level-- != 0) {
        children(tree, at, left, walk->right[level]);
        memcpy(at, (slot >> level & 1u) != 0 ? walk->right[level] : left, sizeof at);
    }
    memcpy(walk->leaf, at, sizeof at);
    sodium_memzero(at, sizeof at);
    sodium_memzero(left, sizeof left);
}

bool keywalk_key(struct keywalk *walk, const struct keytree *tree, uint32_t slot,
                 uint8_t key[KEYTREE_KEY_BYTES])
{
    uint32_t turn = slot == 0 ? 32u : (uint32_t)__builtin_ctz(slot); /* where the path to it goes right */
    if (!walk->valid || slot != walk->slot + 1u || turn >= walk->level) {
        const struct keytree_node *node = find(tree, slot);
        walk->valid = node != NULL;
        if (node == NULL)
            return false;
        walk->level = (uint8_t)node->level;
        walk_down(walk, tree, node->secret, node->level, slot);
    } else {
        uint8_t secret[KEYTREE_NODE_BYTES];
        memcpy(secret, walk->right[turn], sizeof secret);
        walk_down(walk, tree, secret, turn, slot);
        sodium_memzero(secret, sizeof secret);
    }
    walk->slot = slot;
    leaf_key(tree, walk->leaf, key);
    return true;
}

/* What is left to do of a node that is being taken apart. */
struct part {
    uint32_t first, level;
    uint8_t secret[KEYTREE_NODE_BYTES];
};

/* Add what is left of one node; *at is the first slot of the list that may lie within it. */
static void puncture_node(const struct keytree *from, const struct keytree_node *node, const uint32_t *slots,
                          uint32_t count, uint32_t *at, uint32_t end, struct keytree *to)
{
    struct part stack[KEYTREE_LEVELS + 2];
    uint32_t depth = 1;
    stack[0] = (struct part){.first = node->first, .level = node->level};
    memcpy(stack[0].secret, node->secret, sizeof node->secret);
    while (depth != 0) {
        struct part part = stack[--depth];
        uint32_t behind = part.first + (1u << part.level);
        while (*at < count && slots[*at] < part.first)
            (*at)++;
        bool whole = (*at == count || slots[*at] >= behind) && behind <= end;
        if (whole) {
            push(to, part.first, part.level, part.secret);
        } else if (part.level != 0 && part.first < end) {
            struct part *right = &stack[depth], *left = &stack[depth + 1];
            uint32_t level = part.level - 1u;
            *right = (struct part){.first = part.first + (1u << level), .level = level};
            *left = (struct part){.first = part.first, .level = level};
            children(from, part.secret, left->secret, right->secret);
            depth += 2;
        }
    }
    sodium_memzero(stack, sizeof stack);
}

void keytree_puncture(const struct keytree *from, const uint32_t *slots, uint32_t count, uint32_t end,
                      struct keytree *to)
{
    uint32_t at = 0;
    memcpy(to->salt, from->salt, sizeof to->salt);
    for (uint32_t i = 0; i < from->count; i++)
        puncture_node(from, &from->nodes[i], slots, count, &at, end, to);
}
