/* SPDX-License-Identifier: BSD-3-Clause */
/* The key of keys of the store: where it comes from, and who else could read it there. */
#ifndef CONTROL_MASTER_KEY_H
#define CONTROL_MASTER_KEY_H

#include <stdint.h>

#include "waxwire/status.h"

#define MASTER_KEY_BYTES      32u
#define MASTER_KEY_CREDENTIAL "waxwire-store" /* its name among systemd's credentials */
#define MASTER_KEY_FILE       "store.key" /* in the store's directory, where it is made when the store is new */

/*
 * Read the key from `file`, or when that is empty from the credential, or from the store's directory. The
 * file must be a regular one of 32 bytes, owned by this user or root, and closed to group and others.
 * OK, or STORE_KEY and a `reason` for people (static text).
 */
enum wax_status master_key_load(const char *file, const char *directory, uint8_t key[MASTER_KEY_BYTES],
                                const char **reason);

#endif
