/* SPDX-License-Identifier: BSD-3-Clause */
#include "ws/frame.h"

void ws_mask(struct span data, const uint8_t *mask, size_t phase)
{
    uint8_t turned[4];
    for (size_t i = 0; i < 4; i++)
        turned[i] = mask[(phase + i) & 3];
    uint32_t key;
    memcpy(&key, turned, sizeof key);

    /* 32-bit steps: the compiler makes wide vectors of them, which it does not of bytes. */
    size_t whole = data.len & ~(size_t)3;
    for (size_t i = 0; i < whole; i += 4) {
        uint32_t word;
        memcpy(&word, data.data + i, sizeof word);
        word ^= key;
        memcpy(data.data + i, &word, sizeof word);
    }
    for (size_t i = whole; i < data.len; i++)
        data.data[i] = (uint8_t)(data.data[i] ^ turned[i & 3]);
}

size_t ws_header_bytes(uint64_t len, bool masked)
{
    size_t bytes = len < 126 ? 2 : len <= UINT16_MAX ? 4 : 10;
    return bytes + (masked ? 4 : 0);
}

size_t ws_encode_header(struct span out, uint8_t first_byte, uint64_t len, const uint8_t *mask)
{
    size_t bytes = ws_header_bytes(len, mask != NULL);
    if (out.len < bytes)
        return 0;
    uint8_t *p = out.data;
    uint8_t masked = mask != NULL ? 0x80 : 0;
    *p++ = first_byte;
    if (len < 126) {
        *p++ = (uint8_t)(masked | len);
    } else if (len <= UINT16_MAX) {
        *p++ = (uint8_t)(masked | 126);
        store_be16(p, (uint16_t)len);
        p += 2;
    } else {
        *p++ = (uint8_t)(masked | 127);
        store_be64(p, len);
        p += 8;
    }
    if (mask != NULL)
        memcpy(p, mask, 4);
    return bytes;
}

size_t ws_encode_control(struct span out, uint8_t opcode, struct view payload, const uint8_t *mask)
{
    if (payload.len > WAX_WS_CONTROL_BYTES_MAX)
        return 0;
    size_t header = ws_encode_header(out, WS_FIN | opcode, payload.len, mask);
    if (header == 0 || out.len - header < payload.len)
        return 0;
    if (payload.len != 0)
        memmove(out.data + header, payload.data, payload.len);
    if (mask != NULL)
        ws_mask(span_of(out.data + header, payload.len), mask, 0);
    return header + payload.len;
}

size_t ws_encode_close(struct span out, uint16_t code, struct view reason, const uint8_t *mask)
{
    uint8_t payload[WAX_WS_CONTROL_BYTES_MAX];
    if (code == 0 || code == 1005)
        return ws_encode_control(out, WS_CLOSE, view_of(NULL, 0), mask);
    size_t len = reason.len;
    if (len > sizeof payload - 2) {
        /* Cut before a character, not within one. */
        len = sizeof payload - 2;
        while (len > 0 && (reason.data[len] & 0xC0) == 0x80)
            len--;
    }
    store_be16(payload, code);
    if (len != 0)
        memcpy(payload + 2, reason.data, len);
    return ws_encode_control(out, WS_CLOSE, view_of(payload, len + 2), mask);
}
