/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PROXY protocol, version 2 (binary), as a terminator in front of a plain listener speaks it
 * (haproxy.org, proxy-protocol.txt 2.2): one header before the first byte, which says who the client is.
 */
#ifndef WAX_CONN_PROXY_H
#define WAX_CONN_PROXY_H

#include <stdbool.h>

#include "net/addr.h"
#include "waxwire/status.h"

#define PROXY_FIXED_BYTES 16u
#define PROXY_BYTES_MAX                                                                                      \
    1024u /* of the whole header: addresses take 36, the rest are a terminator's notes                       \
           */

struct proxy_header {
    size_t bytes;       /* of the header: what follows is the client's */
    bool known;         /* false: the terminator speaks for itself (LOCAL), or doesn't know (UNSPEC) */
    struct addr client; /* when known: a host's address */
    uint16_t port;
};

/*
 * Read the header at the head of `in`. OK, MORE (it is not whole; nothing in what there is is wrong),
 * PROXY_SIGNATURE (it is no such header), PROXY_LENGTH (longer than PROXY_BYTES_MAX, or too short for its
 * addresses), PROXY_HEADER (version, command, family, an address that no client can have, or notes that don't
 * add up), PROXY_CHECKSUM (its CRC32c is there and wrong).
 */
enum wax_status proxy_parse(struct view in, struct proxy_header *out);

#endif
