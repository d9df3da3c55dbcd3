/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The directory: who the relay is, which accounts there are, and their devices. Kept in
 * the storage's small values; what a reply rests on is durable before it is given.
 */
#ifndef CONTROL_DIRECTORY_H
#define CONTROL_DIRECTORY_H

#include "account.h"
#include "storage.h"
#include "waxwire/channel.h"
#include "waxwire/wire.h"

/* Made once, at random; the secrets never leave the process. */
struct directory_relay {
    uint8_t relay_id[WAX_RELAY_ID_BYTES];
    uint8_t hash_key[16];
    uint32_t log_seed;
    uint64_t epoch; /* the last that a data plane was given; 0: none yet */
};

struct directory;

/*
 * Makes a directory over `storage`, which must outlive it; NULL without memory. `ready` is called with how
 * opening it went. directory_free takes it back; NULL is allowed.
 */
struct directory *directory_new(struct storage *storage, void *ctx,
                                void (*ready)(void *ctx, enum wax_status status));
void directory_free(struct directory *directory);

/* Read, or make, the relay's identity; `ready` follows, maybe within the call. */
void directory_open(struct directory *directory);

/* After ready. */
const struct directory_relay *directory_relay(const struct directory *directory);

/*
 * The epoch of a data plane: the next one when `held` is 0, else `held` again. `done`
 * comes once it is durable. One at a time.
 */
void directory_epoch(struct directory *directory, uint64_t held, void *ctx,
                     void (*done)(void *ctx, enum wax_status status, uint64_t epoch));

/* Is an epoch being made durable? */
bool directory_busy_epoch(const struct directory *directory);

enum directory_registration { DIRECTORY_OPEN, DIRECTORY_CLOSED, DIRECTORY_INVITE };

/*
 * Whether accounts that there are not yet may be made: by anyone (so it is until it is called), by nobody, or
 * by who has an invite. An account that is being written counts as one that there is.
 */
void directory_registration(struct directory *directory, enum directory_registration registration);

/* A login under way; the caller's memory until `done` is called (maybe within the call). */
struct directory_login {
    uint8_t user[WAX_USER_BYTES];
    uint16_t device;
    uint8_t account_key[WAX_ACCOUNT_KEY_BYTES];
    struct view invite; /* as the client has sent it */
    uint64_t now_ms;
    /* error: enum wire_error, 0 = come in. status is not OK when the directory could not be written. */
    void (*done)(struct directory_login *login, enum wax_status status, uint8_t error, bool new_account);
};

/*
 * May this device come in? BAD_PROOF when the user is not the digest of the key, NOT_INVITED when there is no
 * such account and registration is closed, or its invite is good for nothing, SUSPENDED,
 * DEVICES when the account would have more than WAX_DEVICES_PER_USER_MAX. Who comes in for
 * the first time is made durable before the reply.
 */
void directory_login(struct directory *directory, struct directory_login *login);

/*
 * Why a message for this device can't be taken: 0 when it can, WIRE_REASON_UNKNOWN_USER or _UNKNOWN_DEVICE,
 * WIRE_REASON_BLOCKED by the recipient's policy, or WIRE_REASON_BUSY when the directory can't be read. Who is
 * just coming in for the first time counts as known. `account` is filled, unless user is unknown or it is
 * busy.
 */
uint8_t directory_refuses(const struct directory *directory, const struct device_name *name,
                          const uint8_t sender[WAX_USER_BYTES], struct account *account);

/* The account of a user, as it is durable: OK, NOT_FOUND, or what is wrong with the storage. */
enum wax_status directory_account(const struct directory *directory, const uint8_t user[WAX_USER_BYTES],
                                  struct account *account);

/* Is anything not durable yet? */
bool directory_busy(const struct directory *directory);

/* Of this process. */
struct directory_counts {
    uint64_t accounts, devices; /* made */
    uint64_t not_invited; /* logins that were refused, for registration is closed or the invite is no good */
    uint64_t invited;     /* of the accounts made, those by invites */
};
void directory_count(const struct directory *directory, struct directory_counts *counts);

#endif
