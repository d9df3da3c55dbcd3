/* SPDX-License-Identifier: BSD-3-Clause */
#include "allowance.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#define WAYS 8u

/* What is kept of a user: the time up to which its allowance has been spent. */
struct place {
    uint64_t user; /* a keyed hash of user and purpose, 0: free */
    uint64_t spent_ms;
};

struct allowances {
    uint8_t key[crypto_shorthash_KEYBYTES];
    uint32_t sets;
    struct place place[];
};

struct allowances *allowances_new(uint32_t users)
{
    assert(users >= WAYS && (users & (users - 1)) == 0);
    struct allowances *a = calloc(1, sizeof *a + users * sizeof a->place[0]);
    if (a == NULL)
        abort();
    a->sets = users / WAYS;
    randombytes_buf(a->key, sizeof a->key);
    return a;
}

void allowances_free(struct allowances *a)
{
    free(a);
}

bool allowance_take(struct allowances *a, const struct allowance *allowance,
                    const uint8_t user[WAX_USER_BYTES], uint32_t purpose, uint32_t count, uint64_t now_ms)
{
    uint8_t text[WAX_USER_BYTES + 4], hash[crypto_shorthash_BYTES];
    memcpy(text, user, WAX_USER_BYTES);
    store_be32(text + WAX_USER_BYTES, purpose);
    crypto_shorthash(hash, text, sizeof text, a->key);
    uint64_t name = load_be64(hash) | 1u;
    struct place *set = &a->place[(size_t)(name >> 32) % a->sets * WAYS], *found = set;
    for (uint32_t i = 0; i < WAYS; i++) {
        if (set[i].user == name) {
            found = &set[i];
            break;
        }
        if (set[i].spent_ms < found->spent_ms)
            found = &set[i];
    }
    uint64_t spent_ms = found->user == name && found->spent_ms > now_ms ? found->spent_ms : now_ms;
    spent_ms += (uint64_t)count * allowance->cost_ms;
    if (spent_ms > now_ms + (uint64_t)allowance->burst * allowance->cost_ms)
        return false;
    *found = (struct place){name, spent_ms};
    return true;
}
