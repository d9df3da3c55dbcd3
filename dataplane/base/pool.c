/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/pool.h"

#include "waxwire/limits.h"

#define LINE ((size_t)WAX_CACHE_LINE_BYTES)

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

size_t pool_bytes(uint32_t count, uint32_t item_bytes)
{
    size_t stride = round_up(item_bytes, 8);
    return LINE - 1 + round_up((size_t)count * stride, LINE) + (size_t)count * sizeof(uint32_t);
}

enum wax_status pool_init(struct pool *pool, struct span memory, uint32_t count, uint32_t item_bytes)
{
    if (count == 0 || count == POOL_NONE || item_bytes == 0 || item_bytes > UINT32_MAX - 7) {
        return WAX_BAD_ARGUMENT;
    }
    if (memory.len < pool_bytes(count, item_bytes)) {
        return WAX_NO_MEMORY;
    }
    uint32_t stride = (uint32_t)round_up(item_bytes, 8);
    size_t pad = (LINE - (uintptr_t)memory.data % LINE) % LINE;
    size_t items_bytes = round_up((size_t)count * stride, LINE);
    *pool = (struct pool){
        .items = memory.data + pad,
        .free_list = (uint32_t *)(void *)(memory.data + pad + items_bytes),
        .count = count,
        .free_count = count,
        .low_water = count,
        .item_bytes = stride,
        .shift = (stride & (stride - 1)) == 0 ? (uint32_t)__builtin_ctz(stride) : 0,
    };
    for (uint32_t i = 0; i < count; i++) {
        pool->free_list[i] = count - 1 - i;
    }
    POOL_POISON(pool->items, (size_t)count * stride);
    return WAX_OK;
}
