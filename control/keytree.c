/* SPDX-License-Identifier: BSD-3-Clause */
#include "keytree.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum label { LABEL_CHILDREN, LABEL_KEY };

#define LANES 8u
/* A word of the state in each of eight blocks. */
typedef uint32_t lanes __attribute__((vector_size(4 * LANES)));

#define ROTATED(x, n) ((x) << (n) | (x) >> (32 - (n)))

static inline void quarter_round(lanes *s, unsigned a, unsigned b, unsigned c, unsigned d)
{
    s[a] += s[b];
    s[d] = ROTATED(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = ROTATED(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = ROTATED(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = ROTATED(s[b] ^ s[c], 7);
}

/*
 * The first half of the block of ChaCha20 (with 64 bits of nonce) that follows from each of up to eight
 * secrets: key = secret and salt, counter 0, nonce = label.
 */
static void expand(const struct keytree *tree, const uint8_t (*secrets)[KEYTREE_NODE_BYTES], uint32_t count,
                   enum label label, uint8_t (*halves)[32])
{
    static const uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    lanes state[16] = {0}, start[8];
    for (unsigned i = 0; i < 4; i++) {
        uint32_t word;
        state[i] = constants[i] - (lanes){0};
        for (uint32_t j = 0; j < count; j++) {
            memcpy(&word, secrets[j] + (size_t)i * 4u, sizeof word);
            state[4 + i][j] = word;
        }
        memcpy(&word, tree->salt + (size_t)i * 4u, sizeof word);
        state[8 + i] = word - (lanes){0};
    }
    state[14] = (uint32_t)label - (lanes){0};
    memcpy(start, state, sizeof start);
    for (unsigned i = 0; i < 10; i++) {
        for (unsigned j = 0; j < 4; j++)
            quarter_round(state, j, 4 + j, 8 + j, 12 + j);
        for (unsigned j = 0; j < 4; j++)
            quarter_round(state, j, 4 + (j + 1) % 4, 8 + (j + 2) % 4, 12 + (j + 3) % 4);
    }
    for (unsigned i = 0; i < 8; i++) {
        state[i] += start[i];
        for (uint32_t j = 0; j < count; j++) {
            uint32_t word = state[i][j];
            memcpy(halves[j] + (size_t)i * 4u, &word, sizeof word);
        }
    }
    sodium_memzero(state, sizeof state);
    sodium_memzero(start, sizeof start);
}

static void children(const struct keytree *tree, const uint8_t *secret, uint8_t left[KEYTREE_NODE_BYTES],
                     uint8_t right[KEYTREE_NODE_BYTES])
{
    uint8_t half[1][32], node[1][KEYTREE_NODE_BYTES];
    memcpy(node[0], secret, KEYTREE_NODE_BYTES);
    expand(tree, node, 1, LABEL_CHILDREN, half);
    memcpy(left, half[0], KEYTREE_NODE_BYTES);
    memcpy(right, half[0] + KEYTREE_NODE_BYTES, KEYTREE_NODE_BYTES);
    sodium_memzero(half, sizeof half);
    sodium_memzero(node, sizeof node);
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

/* The secret of the node of `level` above a slot, from one that is higher or the same. */
static void descend(const struct keytree *tree, const struct keytree_node *from, uint32_t level,
                    uint32_t slot, uint8_t secret[KEYTREE_NODE_BYTES])
{
    uint8_t left[KEYTREE_NODE_BYTES], right[KEYTREE_NODE_BYTES];
    memcpy(secret, from->secret, KEYTREE_NODE_BYTES);
    for (uint32_t at = from->level; at-- > level;) {
        children(tree, secret, left, right);
        memcpy(secret, (slot >> at & 1u) != 0 ? right : left, KEYTREE_NODE_BYTES);
    }
    sodium_memzero(left, sizeof left);
    sodium_memzero(right, sizeof right);
}

bool keytree_key(const struct keytree *tree, uint32_t slot, uint8_t key[KEYTREE_KEY_BYTES])
{
    const struct keytree_node *node = find(tree, slot);
    uint8_t leaf[1][KEYTREE_NODE_BYTES], half[1][32];
    if (node == NULL)
        return false;
    descend(tree, node, 0, slot, leaf[0]);
    expand(tree, leaf, 1, LABEL_KEY, half);
    memcpy(key, half[0], KEYTREE_KEY_BYTES);
    sodium_memzero(leaf, sizeof leaf);
    sodium_memzero(half, sizeof half);
    return true;
}

/* Blocks of `count` secrets, eight at a time. */
static void expand_all(const struct keytree *tree, const uint8_t (*secrets)[KEYTREE_NODE_BYTES],
                       uint32_t count, enum label label, uint8_t (*halves)[32])
{
    for (uint32_t at = 0; at < count; at += LANES)
        expand(tree, secrets + at, count - at < LANES ? count - at : LANES, label, halves + at);
}

/* Make the keys of all slots below the part of a node that is near a slot. */
static void walk_fill(struct keywalk *walk, const struct keytree *tree, const struct keytree_node *node,
                      uint32_t slot)
{
    uint8_t nodes[KEYWALK_SLOTS][KEYTREE_NODE_BYTES];
    uint32_t level = node->level < KEYWALK_LEVELS ? node->level : KEYWALK_LEVELS;
    walk->first = slot & ~((1u << level) - 1u);
    walk->count = 1;
    descend(tree, node, level, slot, nodes[0]);
    for (; level != 0; level--) {
        expand_all(tree, nodes, walk->count, LABEL_CHILDREN, walk->key);
        walk->count *= 2;
        memcpy(nodes, walk->key, (size_t)walk->count * KEYTREE_NODE_BYTES); /* two children in a row each */
    }
    expand_all(tree, nodes, walk->count, LABEL_KEY, walk->key);
    sodium_memzero(nodes, sizeof nodes);
}

bool keywalk_key(struct keywalk *walk, const struct keytree *tree, uint32_t slot,
                 uint8_t key[KEYTREE_KEY_BYTES])
{
    if (slot - walk->first >= walk->count) {
        const struct keytree_node *node = find(tree, slot);
        if (node == NULL)
            return false;
        walk_fill(walk, tree, node, slot);
    }
    memcpy(key, walk->key[slot - walk->first], KEYTREE_KEY_BYTES);
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
