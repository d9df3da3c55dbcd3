/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SHA-1 (FIPS 180-4), which RFC 6455 asks for to answer an upgrade. Good for nothing else.
 */
#ifndef WAXWIRE_HTTP_SHA1_H
#define WAXWIRE_HTTP_SHA1_H

#include "waxwire/bytes.h"

#define SHA1_BYTES 20u

/*
 * The digest of a message of at most 2^32 bytes.
 */
void sha1(struct view message, uint8_t digest[SHA1_BYTES]);

#endif
