/* SPDX-License-Identifier: BSD-3-Clause */
/* Whom an account blocks, and whom it allows. */
#ifndef CONTROL_DIRECTORY_POLICY_H
#define CONTROL_DIRECTORY_POLICY_H

#include "directory.h"

struct policy_users {
    uint32_t count;
    uint8_t user[WAX_POLICY_USERS_MAX][WAX_USER_BYTES]; /* rising */
};

struct policy {
    bool only; /* those allowed, and nobody else */
    struct policy_users blocked, allowed;
};

/* BLOCK; the caller's memory until `done`. */
struct policy_change {
    uint8_t user[WAX_USER_BYTES]; /* whose policy */
    uint8_t what;                 /* enum wire_block_what, a known one */
    uint8_t about[WAX_USER_BYTES];
    /* OK: it is durable. FULL: the list is. NOT_FOUND: there is no such account. */
    void (*done)(struct policy_change *change, enum wax_status status);
};

/* Change a policy. */
void directory_police(struct directory *directory, struct policy_change *wanted);

/* The policy of a user: OK, NOT_FOUND when everybody may write to it, or what is wrong with the storage. */
enum wax_status directory_policy(const struct directory *directory, const uint8_t user[WAX_USER_BYTES],
                                 struct policy *policy);

/* Whether it forbids this user to write. */
bool policy_forbids(const struct policy *policy, const uint8_t user[WAX_USER_BYTES]);

/* The users that decide, and whether they are those who may (else those who may not). Returns how many. */
uint32_t policy_deciding(const struct policy *policy, uint8_t user[WAX_POLICY_USERS_MAX][WAX_USER_BYTES],
                         bool *only);

#endif
