/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Views of bytes and big-endian loads and stores, shared by every program.
 * Nothing here owns memory. Unaligned access is allowed everywhere.
 */
#ifndef WAXWIRE_BYTES_H
#define WAXWIRE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes that are only read. `data` may be NULL when `len` is 0. */
struct view {
    const uint8_t *data;
    size_t len;
};

/* Bytes that may be written: `len` is the room. */
struct span {
    uint8_t *data;
    size_t len;
};

/* Bytes at `data`, to be read. */
static inline struct view view_of(const void *data, size_t len)
{
    return (struct view){(const uint8_t *)data, len};
}

/* Room at `data`, to be written. */
static inline struct span span_of(void *data, size_t len)
{
    return (struct span){(uint8_t *)data, len};
}

/* A big-endian integer of 16 bits at any alignment. */
static inline uint16_t load_be16(const uint8_t *p)
{
    return (uint16_t)((uint16_t)p[0] << 8 | p[1]);
}

/* As load_be16, 32 bits. */
static inline uint32_t load_be32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}

/* As load_be16, 64 bits. */
static inline uint64_t load_be64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

/* The inverse of load_be16. */
static inline void store_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* The inverse of load_be32. */
static inline void store_be32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
}

/* The inverse of load_be64. */
static inline void store_be64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "big-endian machines are not supported");

#endif
