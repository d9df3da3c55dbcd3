/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keys of TLS session tickets. The control plane makes them, keeps them in locked memory only, and hands them
 * to each data plane that attaches: so clients can resume after a restart of either one. They never lie on a
 * disk: when both have ended, tickets are worth nothing.
 */
#ifndef WAXWIRE_TICKET_H
#define WAXWIRE_TICKET_H

#include <stdint.h>

#include "waxwire/limits.h"

struct wax_ticket_key {
    uint8_t name[16];       /* stands in the ticket, in clear */
    uint8_t cipher_key[32]; /* AES-256-CBC */
    uint8_t mac_key[32];    /* HMAC-SHA-256 over the ciphertext */
    uint64_t made_ms;       /* since 1970 */
    uint64_t replaced_ms;   /* since 1970, 0: it is the current one */
};

#endif
