/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The internet checksum (RFC 1071). Sums are kept as 64-bit values that are folded at the end; checksums are
 * numbers in host order, to be written with store_be16. Since IPv4 addresses are held as ::ffff:a.b.c.d and
 * 0xffff counts as nothing in this arithmetic, one pseudo-header serves both families.
 */
#ifndef NET_CHECKSUM_H
#define NET_CHECKSUM_H

#include "net/addr.h"

/*
 * Adds `bytes` to a sum (begin with 0). All pieces but the last must have an even length.
 */
uint64_t checksum_add(uint64_t sum, struct view bytes);

/*
 * The one's complement of the folded sum: the value for a header's checksum field, or 0 when the bytes that
 * were added contained a right one.
 */
uint16_t checksum_finish(uint64_t sum);

/*
 * The sum of the pseudo-header (RFC 9293 3.1, RFC 8200 8.1) for `len` bytes of `protocol`.
 */
uint64_t checksum_pseudo(const struct addr *src, const struct addr *dst, uint8_t protocol, uint32_t len);

/*
 * The checksum of a TCP segment, header and payload: what belongs into its field when that is 0, and 0 when
 * the field is already filled and right.
 */
uint16_t checksum_tcp(const struct addr *src, const struct addr *dst, struct view segment);

/*
 * The new checksum after a 16-bit (32-bit) field at an even offset changed from `before` to `after` (RFC
 * 1624).
 */
uint16_t checksum_update16(uint16_t checksum, uint16_t before, uint16_t after);
uint16_t checksum_update32(uint16_t checksum, uint32_t before, uint32_t after);

#endif
