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

static struct msg *msg_take(struct msg_pool *pool, enum msg_kind kind, uint32_t payload_bytes)
{
    struct msg *msg = pool_take(&pool->slots);
    if (msg == NULL)
        return NULL;
    memset(msg, 0, sizeof *msg);
    msg->owner = pool->owner;
    msg->kind = (uint8_t)kind;
    msg->payload_bytes = payload_bytes;
    return msg;
}

bool msg_has_blocks(const struct msg_pool *pool, size_t bytes, uint32_t left)
{
    return pool->blocks->free_count >= blocks_for(bytes) + (uint64_t)pool->blocks_kept + left;
}

static void fill_blocks(struct msg_pool *pool, struct msg *msg, struct view payload)
{
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
        pool->blocks_held++;
    }
}

struct msg *msg_make(struct msg_pool *pool, struct view payload)
{
    assert(payload.len <= WAX_FRAME_BYTES_MAX);
    bool small = payload.len <= MSG_INLINE_BYTES;
    if (!small && !msg_has_blocks(pool, payload.len, 0))
        return NULL;
    struct msg *msg = msg_take(pool, MSG_WHOLE, (uint32_t)payload.len);
    if (msg == NULL)
        return NULL;
    if (!small)
        fill_blocks(pool, msg, payload);
    else if (payload.len != 0)
        memcpy(msg->payload, payload.data, payload.len);
    return msg;
}

bool msg_fits(const struct msg_pool *pool, size_t bytes, uint32_t left)
{
    return blocks_for(bytes) + (uint64_t)pool->blocks_kept + left <= pool->blocks->count;
}

struct msg *msg_make_frame(struct msg_pool *pool, struct view frame)
{
    assert(frame.len != 0 && frame.len <= WAX_FRAME_BYTES_MAX);
    if (!msg_has_blocks(pool, frame.len, 0))
        return NULL;
    struct msg *msg = msg_take(pool, MSG_FRAME, (uint32_t)frame.len);
    if (msg == NULL)
        return NULL;
    fill_blocks(pool, msg, frame);
    *msg_frame(msg) = (struct msg_frame){.holders = 1};
    return msg;
}

struct msg *msg_make_part(struct msg_pool *pool, struct msg *frame, struct msg_place head,
                          uint16_t head_bytes)
{
    struct msg *msg = msg_take(pool, MSG_PART, head_bytes + msg_frame(frame)->shared_bytes);
    if (msg == NULL)
        return NULL;
    msg->head_bytes = head_bytes;
    *msg_part(msg) = (struct msg_part){frame, head};
    msg_frame(frame)->holders++;
    return msg;
}

void msg_free(struct msg_pool *pool, struct msg *msg)
{
    assert(msg->owner == pool->owner);
    if (msg->kind == MSG_PART) {
        struct msg *frame = msg_part(msg)->frame;
        pool_give(&pool->slots, msg);
        msg = frame;
    }
    if (msg->kind == MSG_FRAME && --msg_frame(msg)->holders != 0)
        return;
    for (struct msg_block *block = msg->blocks; block != NULL;) {
        struct msg_block *next = block->next;
        pool_give(pool->blocks, block);
        pool->blocks_held--;
        block = next;
    }
    pool_give(&pool->slots, msg);
}

struct msg_place msg_begin(const struct msg *msg)
{
    return (struct msg_place){msg->blocks, 0};
}

/* The bytes at a place that lie together, at most `len`; the place is behind them then. */
static struct view piece_at(const struct msg *msg, struct msg_place *place, size_t len)
{
    if (place->block != NULL && place->offset == MSG_BLOCK_DATA_BYTES)
        *place = (struct msg_place){place->block->next, 0};
    const uint8_t *from = place->block != NULL ? place->block->data : msg->payload;
    size_t part = MSG_BLOCK_DATA_BYTES - place->offset;
    struct view piece = view_of(from + place->offset, part < len ? part : len);
    place->offset += (uint32_t)piece.len;
    return piece;
}

void msg_read(const struct msg *msg, struct msg_place *place, uint8_t *out, size_t len)
{
    while (len > 0) {
        struct view piece = piece_at(msg, place, len);
        if (out != NULL) {
            memcpy(out, piece.data, piece.len);
            out += piece.len;
        }
        len -= piece.len;
    }
}

void msg_write(struct msg *msg, struct msg_place *place, struct view bytes)
{
    while (bytes.len > 0) {
        struct view piece = piece_at(msg, place, bytes.len);
        uint8_t *base = place->block != NULL ? place->block->data : msg->payload;
        memcpy(base + place->offset - piece.len, bytes.data, piece.len);
        bytes = view_of(bytes.data + piece.len, bytes.len - piece.len);
    }
}

static uint32_t pieces_from(const struct msg *msg, struct msg_place place, size_t len, struct view *pieces)
{
    uint32_t count = 0;
    while (len > 0) {
        pieces[count] = piece_at(msg, &place, len);
        len -= pieces[count++].len;
    }
    return count;
}

uint32_t msg_pieces(const struct msg *msg, struct view *pieces)
{
    if (msg->kind != MSG_PART)
        return pieces_from(msg, msg_begin(msg), msg->payload_bytes, pieces);
    const struct msg_part *part = msg_part(msg);
    const struct msg_frame *frame = msg_frame(part->frame);
    uint32_t count = pieces_from(part->frame, part->head, msg->head_bytes, pieces);
    return count + pieces_from(part->frame, frame->shared, frame->shared_bytes, pieces + count);
}

void msg_copy(const struct msg *msg, uint8_t *out)
{
    struct msg_place place = msg_begin(msg);
    if (msg->kind != MSG_PART) {
        msg_read(msg, &place, out, msg->payload_bytes);
        return;
    }
    const struct msg_part *part = msg_part(msg);
    const struct msg_frame *frame = msg_frame(part->frame);
    place = part->head;
    msg_read(part->frame, &place, out, msg->head_bytes);
    place = frame->shared;
    msg_read(part->frame, &place, out + msg->head_bytes, frame->shared_bytes);
}
