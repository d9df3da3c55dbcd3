/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <sodium.h>

#include "keytree.h"

static const uint8_t root[KEYTREE_NODE_BYTES] = "root of the tree",
                     salt[KEYTREE_SALT_BYTES] = "salt of the tre";

static struct keytree tree_of(void)
{
    struct keytree tree = {0};
    cr_assert_geq(sodium_init(), 0);
    keytree_init(&tree, root, salt);
    return tree;
}

static uint32_t draw(uint64_t *state, uint32_t below)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % below;
}

Test(keytree, keys_are_those_of_the_definition)
{
    /* by hand: children are the halves of the first 32 bytes of ChaCha20 under node and salt, label 0; a key
     * those of label 1 */
    struct keytree tree = tree_of();
    uint8_t key[KEYTREE_KEY_BYTES], expect[64], node[32], nonce[8] = {0};
    memcpy(node, root, 16);
    memcpy(node + 16, salt, 16);
    uint32_t slot = 0x2a5b;
    for (uint32_t level = KEYTREE_LEVELS; level-- != 0;) {
        crypto_stream_chacha20(expect, 64, nonce, node);
        memcpy(node, expect + 16 * (slot >> level & 1), 16);
    }
    nonce[0] = 1;
    crypto_stream_chacha20(expect, 64, nonce, node);
    cr_assert(keytree_key(&tree, slot, key));
    cr_assert_arr_eq(key, expect, KEYTREE_KEY_BYTES);
    keytree_free(&tree);
}

Test(keytree, a_walk_gives_the_same_keys_and_no_two_are_the_same)
{
    struct keytree tree = tree_of();
    struct keywalk walk = {0};
    uint8_t key[KEYTREE_KEY_BYTES], before[KEYTREE_KEY_BYTES] = {0}, single[KEYTREE_KEY_BYTES];
    for (uint32_t slot = 0; slot < 5000; slot += slot % 97 == 5 ? 3 : 1) {
        cr_assert(keywalk_key(&walk, &tree, slot, key));
        cr_assert(keytree_key(&tree, slot, single));
        cr_assert_arr_eq(key, single, sizeof key, "slot %u", slot);
        cr_assert_neq(memcmp(key, before, sizeof key), 0);
        memcpy(before, key, sizeof key);
    }
    keytree_free(&tree);
}

Test(keytree, slots_taken_out_have_no_key_and_all_others_keep_theirs)
{
    struct keytree whole = tree_of(), tree = tree_of();
    bool gone[KEYTREE_SLOTS] = {false};
    uint8_t key[KEYTREE_KEY_BYTES], expect[KEYTREE_KEY_BYTES];
    uint64_t random = 7;
    for (uint32_t round = 0; round < 8; round++) { /* each takes out of what the last has left */
        uint32_t slots[400], count = 0;
        for (uint32_t i = 0; i < 400; i++) {
            uint32_t slot = (i == 0 ? 0 : slots[count - 1] + 1) + draw(&random, round < 4 ? 60 : 2);
            if (slot < KEYTREE_SLOTS)
                slots[count++] = slot;
        }
        struct keytree left = {0};
        keytree_puncture(&tree, slots, count, KEYTREE_SLOTS, &left);
        keytree_free(&tree);
        tree = left;
        for (uint32_t i = 0; i < count; i++)
            gone[slots[i]] = true;
    }
    struct keywalk walk = {0}, walk_whole = {0};
    for (uint32_t slot = 0; slot < KEYTREE_SLOTS; slot++) {
        bool has = keywalk_key(&walk, &tree, slot, key);
        cr_assert_eq(has, !gone[slot], "slot %u", slot);
        cr_assert_eq(has, keytree_has(&tree, slot));
        cr_assert(keywalk_key(&walk_whole, &whole, slot, expect));
        if (has)
            cr_assert_arr_eq(key, expect, sizeof key, "slot %u", slot);
    }
    keytree_free(&tree);
    keytree_free(&whole);
}

Test(keytree, slots_that_were_never_used_can_all_go)
{
    struct keytree tree = tree_of(), left = {0}, none = {0};
    uint32_t slot = 70;
    keytree_puncture(&tree, &slot, 1, 100, &left);
    for (uint32_t i = 0; i < KEYTREE_SLOTS; i++)
        cr_assert_eq(keytree_has(&left, i), i < 100 && i != 70, "slot %u", i);
    keytree_puncture(&left, NULL, 0, 0, &none);
    cr_assert_eq(none.count, 0);
    keytree_free(&tree);
    keytree_free(&left);
    keytree_free(&none);
}

Test(keytree, the_worst_case_is_half_the_slots_and_few_out_leave_few_nodes)
{
    struct keytree tree = tree_of(), left = {0};
    static uint32_t slots[KEYTREE_SLOTS / 2];
    for (uint32_t i = 0; i < KEYTREE_SLOTS / 2; i++)
        slots[i] = 2 * i;
    keytree_puncture(&tree, slots, KEYTREE_SLOTS / 2, KEYTREE_SLOTS, &left);
    cr_assert_eq(left.count, KEYTREE_SLOTS / 2);
    keytree_free(&left);
    keytree_puncture(&tree, slots + 1000, 1, KEYTREE_SLOTS, &left);
    cr_assert_eq(left.count, KEYTREE_LEVELS);
    keytree_free(&left);
    keytree_free(&tree);
}

Test(keytree, nodes_that_overlap_or_lie_askew_are_refused)
{
    struct keytree tree = {0};
    cr_assert(keytree_add(&tree, 8, 3, root));
    cr_assert_not(keytree_add(&tree, 8, 0, root));
    cr_assert_not(keytree_add(&tree, 15, 0, root));
    cr_assert_not(keytree_add(&tree, 18, 2, root));
    cr_assert_not(keytree_add(&tree, KEYTREE_SLOTS, 0, root));
    cr_assert_not(keytree_add(&tree, 0, KEYTREE_LEVELS + 1, root));
    cr_assert(keytree_add(&tree, 16, 4, root));
    keytree_free(&tree);
}
