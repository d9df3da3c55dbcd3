/* SPDX-License-Identifier: BSD-3-Clause */
/* People with accounts at a control plane of its own process, their sessions, and what they ask. */
#ifndef WAXWIRE_TESTS_CONTROL_REQUEST_HELP_H
#define WAXWIRE_TESTS_CONTROL_REQUEST_HELP_H

#include "channel_help.h"
#include "waxwire/channel_request.h"
#include "waxwire/request.h"

#define HOME_GENERATION 1000u /* of the first session of a person; its devices follow */

struct person {
    uint8_t secret[64];
    uint8_t key[32];
    uint8_t user[WAX_USER_BYTES];
};

/* A person made of a number. */
struct person person_of(uint8_t number);

/* Log a device in; the reply's error. */
uint8_t come_in(struct plane *plane, const struct person *person, uint16_t device);

/* Announce the session of a device, at home at worker 0, its connection at worker 1. */
void session_is(struct plane *plane, const struct person *person, uint16_t device, uint64_t generation);

/* Ask with a frame of the session of a device; the request's serial. */
uint32_t ask(struct plane *plane, const struct person *person, uint16_t device, struct view frame);

/* The answer to `serial`, which must be the next record for worker 1. Valid until the next call. */
struct view answer_to(struct plane *plane, uint32_t serial);

/* Ask, and take the answer. */
struct view asked(struct plane *plane, const struct person *person, uint16_t device, struct view frame);

/* A message of 5 bytes for device 1 of somebody; the reason with which it is refused, 0: none. */
uint8_t store(struct plane *plane, const struct person *from, const struct person *to, uint64_t position,
              bool exempt);

/* The same for a device and of a size, its answer not waited for; and the next STORED, which must be of a
 * tag. */
void send_store(struct plane *plane, const struct person *from, const struct person *to, uint16_t device,
                uint64_t position, uint32_t bytes, bool exempt);
uint8_t stored(struct plane *plane, uint64_t tag);

/* A receipt for device 1 of `to`, about device 1 of `about`; the reason with which it is refused. */
uint8_t store_receipt(struct plane *plane, const struct person *about, const struct person *to,
                      uint64_t position, uint8_t kind, uint64_t retire);

/* Nothing comes for a worker. */
void expect_nothing(struct plane *plane, uint32_t worker);

/* The answer is ERROR with this code and request. */
void expect_error(struct view frame, uint8_t code, uint32_t request);

/* The next record for worker 1 closes that session with this status. */
void expect_close(struct plane *plane, const struct person *person, uint16_t device, enum wax_status status);

#endif
