/* SPDX-License-Identifier: BSD-3-Clause */
/* What is in a message: who sent it, its number, then words that follow from both. */
#include "waxgen/gen.h"

uint64_t payload_mixed(uint64_t value)
{
    value = (value ^ value >> 31) * UINT64_C(0x9e3779b97f4a7c15);
    return value ^ value >> 29;
}

void payload_write(uint8_t *payload, uint32_t len, uint32_t sender, uint32_t number)
{
    uint64_t word = payload_mixed((uint64_t)sender << 32 | number);
    store_be64(payload, sender);
    store_be64(payload + 8, number);
    for (uint32_t at = 16; at < len; at += 8, word = payload_mixed(word + at)) {
        uint32_t left = len - at < 8 ? len - at : 8;
        memcpy(payload + at, &word, left);
    }
}

bool payload_good(struct view payload, uint32_t sender, uint32_t number)
{
    uint64_t word = payload_mixed((uint64_t)sender << 32 | number);
    if (payload.len < GEN_PAYLOAD_LEAST || load_be64(payload.data) != sender ||
        load_be64(payload.data + 8) != number)
        return false;
    for (size_t at = 16; at < payload.len; at += 8, word = payload_mixed(word + at)) {
        size_t left = payload.len - at < 8 ? payload.len - at : 8;
        if (memcmp(payload.data + at, &word, left) != 0)
            return false;
    }
    return true;
}
