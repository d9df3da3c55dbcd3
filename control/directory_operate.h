/* SPDX-License-Identifier: BSD-3-Clause */
/* What an operator does with accounts: who there is, and who may not come in for now. */
#ifndef CONTROL_DIRECTORY_OPERATE_H
#define CONTROL_DIRECTORY_OPERATE_H

#include "directory.h"

/* The caller's memory until `done`. */
struct suspension {
    uint8_t user[WAX_USER_BYTES];
    bool suspended; /* from now on */
    /* OK: it is durable, or was so before. NOT_FOUND: there is no such account. */
    void (*done)(struct suspension *suspension, enum wax_status status);
};

/* Let nobody of an account come in, or again. What is stored for it is not touched. */
void directory_suspend(struct directory *directory, struct suspension *suspension);

/*
 * The account behind `user`, in an order that doesn't change: OK with `user` and `account` filled, NOT_FOUND
 * when that was the last, or what is wrong. From zeros on these are all, but for those that come meanwhile.
 */
enum wax_status directory_next_account(const struct directory *directory, uint8_t user[WAX_USER_BYTES],
                                       struct account *account);

#endif
