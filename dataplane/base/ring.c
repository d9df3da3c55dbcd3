/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/ring.h"

#define RING_SLOTS_MAX      (1u << 30)
#define RING_ITEM_BYTES_MAX 4096u

size_t ring_bytes(uint32_t slots, uint32_t item_bytes)
{
    return RING_APART - 1 + sizeof(struct ring) + (size_t)slots * item_bytes;
}

enum wax_status ring_init(struct ring **ring, struct span memory, uint32_t slots, uint32_t item_bytes)
{
    if (slots < 2 || slots > RING_SLOTS_MAX || (slots & (slots - 1)) != 0 || item_bytes == 0 ||
        item_bytes > RING_ITEM_BYTES_MAX) {
        return WAX_BAD_ARGUMENT;
    }
    if (memory.len < ring_bytes(slots, item_bytes)) {
        return WAX_NO_MEMORY;
    }
    size_t pad = (RING_APART - (uintptr_t)memory.data % RING_APART) % RING_APART;
    struct ring *r = (struct ring *)(void *)(memory.data + pad);
    r->mask = slots - 1;
    r->item_bytes = item_bytes;
    atomic_init(&r->tail, 0);
    atomic_init(&r->head, 0);
    r->head_seen = 0;
    r->tail_seen = 0;
    *ring = r;
    return WAX_OK;
}
