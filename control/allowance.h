/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Allowances of many users in bounded memory: so many events at once after a rest, and then so many a second.
 * Where there are more users than places, the one that has used least of its allowance is forgotten: so
 * nobody frees the allowance of another that is used up by asking in the name of many.
 */
#ifndef CONTROL_ALLOWANCE_H
#define CONTROL_ALLOWANCE_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/limits.h"

struct allowance {
    uint32_t burst;   /* events after a rest */
    uint32_t cost_ms; /* until one more is allowed */
};

struct allowances;

/* Places for at least `users` (a power of two); NULL without memory. */
struct allowances *allowances_new(uint32_t users);
void allowances_free(struct allowances *allowances);

/* Take `count` events of a user, for one purpose (any small number); false, and nothing taken, when not all
 * of them are allowed. */
bool allowance_take(struct allowances *allowances, const struct allowance *allowance,
                    const uint8_t user[WAX_USER_BYTES], uint32_t purpose, uint32_t count, uint64_t now_ms);

#endif
