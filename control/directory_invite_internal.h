/* SPDX-License-Identifier: BSD-3-Clause */
/* What logins and deletions do with invites. */
#ifndef CONTROL_DIRECTORY_INVITE_INTERNAL_H
#define CONTROL_DIRECTORY_INVITE_INTERNAL_H

#include "directory_internal.h"
#include "directory_invite.h"

/* A use under way; the caller's memory until `done`. */
struct invite_use {
    uint8_t user[WAX_USER_BYTES];
    struct view code; /* as the client has it */
    uint64_t now_ms;
    /* OK: it is used up for this user, durably, by the invite `id`. NOT_FOUND: it is good for nothing (more).
     */
    void (*done)(struct invite_use *use, enum wax_status status, uint32_t id);
};

/* Whether a code may be one at all. */
bool invite_code_sound(struct view code);

/* Use an invite for a new account; a second use by the same user is the first once more. */
void invite_use(struct directory *directory, struct invite_use *use);

/* An account made by the invite `id` is no more: its user is named no longer. `code` and `now_ms` don't
 * matter. */
void invite_unname(struct directory *directory, uint32_t id, struct invite_use *use);

#endif
