/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/base64url.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_encode(struct view raw, uint8_t *text)
{
    uint32_t bits = 0, held = 0;
    for (size_t i = 0; i < raw.len; i++) {
        bits = bits << 8 | raw.data[i];
        for (held += 8; held >= 6; held -= 6)
            *text++ = (uint8_t)digits[bits >> (held - 6) & 63u];
    }
    if (held > 0)
        *text = (uint8_t)digits[bits << (6 - held) & 63u];
}

int base64url_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool base64url_decode(struct view text, struct span raw)
{
    uint32_t bits = 0, held = 0;
    size_t at = 0;
    if (text.len != BASE64URL_CHARACTERS(raw.len))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64url_digit(text.data[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            raw.data[at++] = (uint8_t)(bits >> held);
        }
    }
    return (bits & ((1u << held) - 1u)) == 0;
}
