/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <sodium.h>

#include "keyring.h"

static const uint8_t master[KEYRING_MASTER_BYTES] = "the key of keys, of 32 bytes ...";

static struct keyring_entry entry_of(uint64_t segment, uint32_t nodes)
{
    struct keyring_entry entry = {.segment = segment, .nodes = nodes, .area = segment & 1};
    memset(entry.secret, (int)segment, sizeof entry.secret);
    memset(entry.salt, (int)~segment, sizeof entry.salt);
    return entry;
}

Test(keyring, a_ring_comes_back_under_its_key_and_shard_alone)
{
    struct keyring_entry entries[3] = {entry_of(7, 0), entry_of(8, KEYTREE_SLOTS / 2),
                                       entry_of(UINT64_MAX, 1)};
    struct keyring_entry out[3];
    uint8_t bytes[4096], other[KEYRING_MASTER_BYTES];
    size_t len = keyring_bytes(3);
    cr_assert_geq(sodium_init(), 0);
    keyring_seal(bytes, entries, 3, 5, master);
    cr_assert_eq(keyring_count(view_of(bytes, len)), 3);
    cr_assert_eq(keyring_open(view_of(bytes, len), 5, master, out), WAX_OK);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(out[i].segment, entries[i].segment);
        cr_assert_eq(out[i].nodes, entries[i].nodes);
        cr_assert_eq(out[i].area, entries[i].area);
        cr_assert_arr_eq(out[i].secret, entries[i].secret, KEYRING_SECRET_BYTES);
        cr_assert_arr_eq(out[i].salt, entries[i].salt, KEYTREE_SALT_BYTES);
    }
    cr_assert_null(memmem(bytes, len, entries[0].secret, 8));
    cr_assert_eq(keyring_open(view_of(bytes, len), 6, master, out), WAX_STORE_CORRUPT);
    memcpy(other, master, sizeof other);
    other[31] ^= 1;
    cr_assert_eq(keyring_open(view_of(bytes, len), 5, other, out), WAX_STORE_KEY);
    bytes[7] ^= 1;
    cr_assert_eq(keyring_open(view_of(bytes, len), 5, master, out), WAX_STORE_VERSION);
}

Test(keyring, a_ring_with_any_bit_flipped_or_cut_does_not_open)
{
    struct keyring_entry entries[2] = {entry_of(7, 0), entry_of(8, 3)}, out[2];
    uint8_t bytes[512];
    size_t len = keyring_bytes(2);
    cr_assert_geq(sodium_init(), 0);
    keyring_seal(bytes, entries, 2, 5, master);
    for (size_t bit = 0; bit < len * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_neq(keyring_open(view_of(bytes, len), 5, master, out), WAX_OK, "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t cut = 0; cut < len; cut++)
        cr_assert_neq(keyring_open(view_of(bytes, cut), 5, master, out), WAX_OK);
}

/* A tree in which every second slot up to `end` is gone. */
static struct keytree punctured(uint32_t end)
{
    struct keytree whole = {0}, tree = {0};
    static uint32_t slots[KEYTREE_SLOTS];
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < end; slot += 2)
        slots[count++] = slot;
    cr_assert_geq(sodium_init(), 0);
    keytree_init(&whole, (const uint8_t *)"sixteen bytes --", (const uint8_t *)"and sixteen more");
    keytree_puncture(&whole, slots, count, end, &tree);
    keytree_free(&whole);
    return tree;
}

Test(keyring, a_table_comes_back_whole_whatever_its_size)
{
    static uint8_t bytes[KEYTABLE_BYTES_MAX];
    const uint32_t ends[] = {
        2, 4, 2 * KEYTABLE_CHUNK_NODES, 2 * KEYTABLE_CHUNK_NODES + 2, 3000, KEYTREE_SLOTS};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct keytree tree = punctured(ends[i]), out = {0};
        size_t len = keytable_bytes(tree.count);
        cr_assert_leq(len, sizeof bytes);
        keytable_seal(bytes, &tree, master);
        memcpy(out.salt, tree.salt, sizeof out.salt);
        cr_assert_eq(keytable_open(view_of(bytes, len), tree.count, master, &out), 0);
        cr_assert_eq(out.count, tree.count);
        cr_assert_arr_eq(out.nodes, tree.nodes, tree.count * sizeof *tree.nodes);
        keytree_free(&tree);
        keytree_free(&out);
    }
}

Test(keyring, damage_to_a_table_costs_the_keys_of_its_chunk)
{
    static uint8_t bytes[KEYTABLE_BYTES_MAX];
    struct keytree tree = punctured(2000), out = {0};
    uint8_t key[KEYTREE_KEY_BYTES], expect[KEYTREE_KEY_BYTES];
    uint32_t lost = 0;
    size_t len = keytable_bytes(tree.count);
    keytable_seal(bytes, &tree, master);
    bytes[KEYTABLE_CHUNK_BYTES + 77] ^= 1;
    memcpy(out.salt, tree.salt, sizeof out.salt);
    cr_assert_eq(keytable_open(view_of(bytes, len), tree.count, master, &out), 1);
    for (uint32_t slot = 1; slot < 2000; slot += 2) {
        if (!keytree_key(&out, slot, key)) {
            lost++;
            continue;
        }
        cr_assert(keytree_key(&tree, slot, expect));
        cr_assert_arr_eq(key, expect, sizeof key);
    }
    cr_assert_eq(lost, KEYTABLE_CHUNK_NODES);
    keytree_free(&out);
    cr_assert_eq(keytable_open(view_of(bytes, KEYTABLE_CHUNK_BYTES), tree.count, master, &out), 4, "cut");
    keytree_free(&out);
    keytree_free(&tree);
}
