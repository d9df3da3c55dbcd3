/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Invites: each lets so many accounts be made, until it expires or is revoked. Its code is told once, when it
 * is made; what is kept is a digest. An invite names those who have used it, so that one who was cut off
 * between the use and the account doesn't use it twice; who has deleted the account is named no more, and
 * still counted.
 */
#ifndef CONTROL_DIRECTORY_INVITE_H
#define CONTROL_DIRECTORY_INVITE_H

#include "directory.h"

#define INVITE_CODE_CHARS 32u /* base64url of id 4, secret 20 */

struct invite {
    uint32_t id; /* not 0 */
    uint32_t uses, used;
    uint64_t made_ms, expires_ms;                      /* since 1970; expires 0: never */
    uint8_t digest[32];                                /* of the code */
    uint8_t user[WAX_INVITE_USES_MAX][WAX_USER_BYTES]; /* `used` of them; zero: an account that is no more */
};

/* An invite to be made, or one to be revoked; the caller's memory until `done`. */
struct invite_order {
    uint32_t id;         /* which to revoke; of a new one filled before `done` */
    uint32_t uses;       /* of a new one, 1 to WAX_INVITE_USES_MAX */
    uint64_t now_ms;     /* likewise */
    uint64_t expires_ms; /* likewise; 0: never */
    char code[INVITE_CODE_CHARS + 1u];
    /* OK: it is durable. NOT_FOUND: there is no such invite. */
    void (*done)(struct invite_order *order, enum wax_status status);
};

/* Make one, or revoke one: accounts made by it stay. */
void directory_invite(struct directory *directory, struct invite_order *order);
void directory_revoke_invite(struct directory *directory, struct invite_order *order);

/* The invite behind *id, from 0 on: OK with both filled, NOT_FOUND when that was the last, or what is wrong.
 */
enum wax_status directory_next_invite(const struct directory *directory, uint32_t *id, struct invite *invite);

#endif
