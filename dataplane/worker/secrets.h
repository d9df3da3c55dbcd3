/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a whole process does for its secrets. Whatever OpenSSL gives back is wiped, so that nothing of a
 * handshake stays behind in freed memory; private keys lie on a heap of their own that is locked, not dumped,
 * and between guard pages; and the process leaves no core dump unless it is told to.
 */
#ifndef WORKER_SECRETS_H
#define WORKER_SECRETS_H

#include <stdbool.h>
#include <stdint.h>

#include "waxwire/status.h"

/* How well the heap of private keys is kept. */
enum secrets_heap {
    SECRETS_LOCKED,
    SECRETS_UNLOCKED /* the limit of locked memory is too low */,
    SECRETS_NONE
};

/*
 * Makes OpenSSL wipe what it frees, and makes the heap of private keys, with room for so many handshakes
 * under way (each holds its key of the exchange there). Before anything else of OpenSSL's is called; once.
 */
enum secrets_heap secrets_start(uint64_t handshakes);

/*
 * No core dump of this process, and nobody but root may look into it (PR_SET_DUMPABLE), unless `allowed`.
 */
void secrets_dumps(bool allowed);

#endif
