/* SPDX-License-Identifier: BSD-3-Clause */
/* Signatures checked on a thread of their own, so that the loop does not stand still for them. */
#ifndef CONTROL_CHECKER_H
#define CONTROL_CHECKER_H

#include "loop.h"
#include "waxwire/bytes.h"
#include "waxwire/limits.h"

struct checker;

/* A check under way; the caller's memory, and what it points to, until `done` is called. */
struct check {
    uint8_t account_key[WAX_ACCOUNT_KEY_BYTES];
    uint8_t user[WAX_USER_BYTES]; /* filled: the digest of the key */
    const uint8_t *signature;     /* WAX_SIGNATURE_BYTES */
    struct view text;
    bool good;
    void (*done)(struct check *check);
    struct check *next; /* the checker's */
};

/* Start the thread; NULL when there is none to be had. checker_free ends it: what waits is not answered. */
struct checker *checker_new(struct loop *loop);
void checker_free(struct checker *checker);

/* Ask for a check: `done` follows, never within the call. */
void checker_ask(struct checker *checker, struct check *check);

#endif
