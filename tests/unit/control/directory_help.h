/* SPDX-License-Identifier: BSD-3-Clause */
/* A directory over the storage in memory that delays, forgets and crashes. */
#ifndef CONTROL_DIRECTORY_HELP_H
#define CONTROL_DIRECTORY_HELP_H

#include "directory.h"
#include "directory_device.h"
#include "storage_sim.h"

struct fixture {
    struct storage_sim *disk;
    struct directory *directory;
    enum directory_registration registration;
    bool ready;
};

struct reply {
    struct directory_login login;
    bool done;
    enum wax_status status;
    uint8_t error;
    bool fresh;
};

/* A directory on a new disk, ready, whose answers take up to `delay` steps; and what is left of it at the
 * end. */
struct fixture fixture_begin(uint64_t seed, uint32_t delay, enum directory_registration registration);
void fixture_end(struct fixture *f);

/* What was not durable is lost, and another directory opens. */
void fixture_crash(struct fixture *f);

/* Steps until the directory has nothing under way. */
void fixture_settle(struct fixture *f);

/* Begin a login of the account whose key is this byte all over, at `now_ms`; `reply` stays until it is done.
 */
void fixture_ask(struct fixture *f, struct reply *reply, uint8_t key, uint16_t device, struct view invite,
                 uint64_t now_ms);

/* The `done` of a login that a reply begins with: noted there, once. */
void reply_done(struct directory_login *login, enum wax_status status, uint8_t error, bool fresh);

#endif
