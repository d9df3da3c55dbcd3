/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/msg.h"

size_t msg_pool_bytes(uint32_t count)
{
    return pool_bytes(count, MSG_SLOT_BYTES);
}

enum wax_status msg_pool_init(struct msg_pool *pool, struct span memory, uint32_t count, struct pool *blocks,
                              uint32_t blocks_kept, uint8_t owner)
{
    if (blocks == NULL || blocks->item_bytes != WAX_BLOCK_BYTES)
        return WAX_BAD_ARGUMENT;
    *pool = (struct msg_pool){.blocks = blocks, .blocks_kept = blocks_kept, .owner = owner};
    return pool_init(&pool->slots, memory, count, MSG_SLOT_BYTES);
}

static uint32_t blocks_for(size_t payload_bytes)
{
    return (uint32_t)((payload_bytes + MSG_BLOCK_DATA_BYTES - 1) / MSG_BLOCK_DATA_BYTES);
}

struct msg *msg_make(struct msg_pool *pool, struct view payload)
{
    assert(payload.len <= WAX_FRAME_BYTES_MAX);
    uint32_t need = payload.len <= MSG_INLINE_BYTES ? 0 : blocks_for(payload.len);
    if (need != 0 && pool->blocks->free_count < (uint64_t)need + pool->blocks_kept)
        return NULL;
    struct msg *msg = pool_take(&pool->slots);
    if (msg == NULL)
        return NULL;
    memset(msg, 0, sizeof *msg);
    msg->owner = pool->owner;
    msg->payload_bytes = (uint32_t)payload.len;
    if (need == 0) {
        if (payload.len != 0)
            memcpy(msg->payload, payload.data, payload.len);
        return msg;
    }
    struct msg_block **link = &msg->blocks;
    for (size_t at = 0; at < payload.len;) {
        struct msg_block *block = pool_take(pool->blocks);
        assert(block != NULL);
        size_t len = payload.len - at < MSG_BLOCK_DATA_BYTES ? payload.len - at : MSG_BLOCK_DATA_BYTES;
        memcpy(block->data, payload.data + at, len);
        block->next = NULL;
        *link = block;
        link = &block->next;
        at += len;
    }
    pool->blocks_held += need;
    return msg;
}

void msg_free(struct msg_pool *pool, struct msg *msg)
{
    assert(msg->owner == pool->owner);
    for (struct msg_block *block = msg->blocks; block != NULL;) {
        struct msg_block *next = block->next;
        pool_give(pool->blocks, block);
        pool->blocks_held--;
        block = next;
    }
    pool_give(&pool->slots, msg);
}

uint32_t msg_pieces(const struct msg *msg, struct view *pieces)
{
    if (msg->payload_bytes == 0)
        return 0;
    if (msg->blocks == NULL) {
        pieces[0] = view_of(msg->payload, msg->payload_bytes);
        return 1;
    }
    uint32_t count = 0;
    size_t left = msg->payload_bytes;
    for (const struct msg_block *block = msg->blocks; block != NULL; block = block->next) {
        size_t len = left < MSG_BLOCK_DATA_BYTES ? left : MSG_BLOCK_DATA_BYTES;
        pieces[count++] = view_of(block->data, len);
        left -= len;
    }
    assert(left == 0);
    return count;
}

void msg_copy(const struct msg *msg, uint8_t *out)
{
    if (msg->blocks == NULL) {
        memcpy(out, msg->payload, msg->payload_bytes);
        return;
    }
    size_t left = msg->payload_bytes;
    for (const struct msg_block *block = msg->blocks; block != NULL; block = block->next) {
        size_t len = left < MSG_BLOCK_DATA_BYTES ? left : MSG_BLOCK_DATA_BYTES;
        memcpy(out, block->data, len);
        out += len;
        left -= len;
    }
}
