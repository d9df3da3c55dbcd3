/* SPDX-License-Identifier: BSD-3-Clause */
#include "ws/close.h"

#include "ws/frame.h"

bool ws_is_utf8(struct view text)
{
    size_t i = 0;
    while (i < text.len) {
        uint8_t lead = text.data[i++];
        if (lead < 0x80)
            continue;
        if (lead < 0xC2 || lead > 0xF4)
            return false;
        size_t more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
        if (text.len - i < more)
            return false;
        /* The second byte excludes overlong forms, surrogates and what lies above U+10FFFF. */
        uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
        uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
        if (text.data[i] < low || text.data[i] > high)
            return false;
        for (size_t k = 1; k < more; k++)
            if ((text.data[i + k] & 0xC0) != 0x80)
                return false;
        i += more;
    }
    return true;
}

static bool code_may_be_sent(uint16_t code)
{
    if (code >= 3000 && code <= 4999)
        return true;
    return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

enum wax_status ws_close_parse(struct view payload, uint16_t *code, struct view *reason)
{
    *code = 1005;
    *reason = view_of(NULL, 0);
    if (payload.len == 0)
        return WAX_OK;
    if (payload.len == 1)
        return WAX_WS_CLOSE_CODE;
    *code = load_be16(payload.data);
    if (!code_may_be_sent(*code))
        return WAX_WS_CLOSE_CODE;
    *reason = view_of(payload.data + 2, payload.len - 2);
    return ws_is_utf8(*reason) ? WAX_OK : WAX_WS_UTF8;
}

uint16_t ws_close_code(enum wax_status status)
{
    switch (status) {
    case WAX_OK:
        return 1000;
    case WAX_WS_RESERVED:
    case WAX_WS_UNMASKED:
    case WAX_WS_MASKED:
    case WAX_WS_LENGTH:
    case WAX_WS_CONTROL:
    case WAX_WS_SEQUENCE:
    case WAX_WS_CLOSE_CODE:
        return 1002;
    case WAX_WS_TEXT:
        return 1003;
    case WAX_WS_UTF8:
        return 1007;
    case WAX_WS_TOO_BIG:
        return 1009;
    default:
        return 1011;
    }
}
