/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of keys share: names of their values, and the range of one-time keys. */
#ifndef CONTROL_DIRECTORY_KEYS_INTERNAL_H
#define CONTROL_DIRECTORY_KEYS_INTERNAL_H

#include "directory_internal.h"
#include "directory_keys.h"

#define KEY_RANGE_BYTES 16u /* first 8, next 8 */

struct key_name {
    uint8_t bytes[11];
};

/* The numbers of the one-time keys that a device has. */
struct key_range {
    uint64_t first, next;
};

/* The name of a value: 'b', 'n' or, with its number, 'k'. It lies in `name`. */
struct view key_name(struct key_name *name, char kind, uint16_t device, uint64_t number);

/* The range of a device: OK, NOT_FOUND (it has never put keys), or what is wrong. */
enum wax_status key_range_read(const struct directory *directory, const uint8_t user[WAX_USER_BYTES],
                               uint16_t device, struct key_range *range);

/* Move the range on to the first key that there is. */
void key_range_skip(const struct directory *directory, const uint8_t user[WAX_USER_BYTES], uint16_t device,
                    struct key_range *range);

#endif
