/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "ws/close.h"
#include "ws/frame.h"

static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};

Test(ws_encode, rfc6455_5_7_masked_hello)
{
    /* The example has a text frame; the opcode is all that differs. */
    uint8_t frame[16];
    size_t n = ws_encode_header(span_of(frame, sizeof frame), WS_FIN | WS_TEXT, 5, mask);
    cr_assert_eq(n, 6);
    memcpy(frame + n, "Hello", 5);
    ws_mask(span_of(frame + n, 5), mask, 0);
    const uint8_t expected[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
    cr_assert_arr_eq(frame, expected, sizeof expected);
}

Test(ws_encode, rfc6455_5_7_lengths_of_256_and_65536)
{
    uint8_t h[14];
    const uint8_t medium[] = {0x82, 0x7E, 0x01, 0x00};
    const uint8_t large[] = {0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0};
    cr_assert_eq(ws_encode_header(span_of(h, sizeof h), WS_FIN | WS_BINARY, 256, NULL), sizeof medium);
    cr_assert_arr_eq(h, medium, sizeof medium);
    cr_assert_eq(ws_encode_header(span_of(h, sizeof h), WS_FIN | WS_BINARY, 65536, NULL), sizeof large);
    cr_assert_arr_eq(h, large, sizeof large);
}

Test(ws_encode, length_takes_its_shortest_form)
{
    static const struct {
        uint64_t len;
        size_t bytes;
    } cases[] = {{0, 2}, {125, 2}, {126, 4}, {65535, 4}, {65536, 10}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t h[14];
        cr_assert_eq(ws_header_bytes(cases[i].len, false), cases[i].bytes);
        cr_assert_eq(ws_header_bytes(cases[i].len, true), cases[i].bytes + 4);
        cr_assert_eq(ws_encode_header(span_of(h, sizeof h), 0x82, cases[i].len, mask), cases[i].bytes + 4);
        cr_assert_arr_eq(h + cases[i].bytes, mask, 4);
    }
}

Test(ws_encode, refuses_a_span_that_is_too_small)
{
    uint8_t h[14];
    cr_assert_eq(ws_encode_header(span_of(h, 1), 0x82, 5, NULL), 0);
    cr_assert_eq(ws_encode_header(span_of(h, 5), 0x82, 5, mask), 0);
    cr_assert_eq(ws_encode_control(span_of(h, 6), WS_PING, view_of("hello", 5), NULL), 0);
    cr_assert_eq(ws_encode_control(span_of(h, 7), WS_PING, view_of("hello", 5), NULL), 7);
}

Test(ws_encode, control_payload_is_at_most_125_bytes)
{
    uint8_t out[200], payload[126] = {0};
    cr_assert_eq(ws_encode_control(span_of(out, sizeof out), WS_PONG, view_of(payload, 125), NULL), 127);
    cr_assert_eq(ws_encode_control(span_of(out, sizeof out), WS_PONG, view_of(payload, 126), NULL), 0);
}

Test(ws_encode, mask_agrees_with_the_byte_loop_at_every_phase)
{
    uint8_t got[67], want[67];
    for (size_t len = 0; len <= sizeof got; len++) {
        for (size_t phase = 0; phase < 8; phase++) {
            for (size_t i = 0; i < len; i++) {
                got[i] = (uint8_t)(i * 7 + len);
                want[i] = (uint8_t)(got[i] ^ mask[(i + phase) % 4]);
            }
            ws_mask(span_of(got, len), mask, phase);
            cr_assert_eq(memcmp(got, want, len), 0);
        }
    }
}

Test(ws_encode, close_has_code_and_reason)
{
    uint8_t out[16];
    const uint8_t expected[] = {0x88, 0x05, 0x03, 0xE9, 'b', 'y', 'e'};
    cr_assert_eq(ws_encode_close(span_of(out, sizeof out), 1001, view_of("bye", 3), NULL), sizeof expected);
    cr_assert_arr_eq(out, expected, sizeof expected);
    cr_assert_eq(ws_encode_close(span_of(out, sizeof out), 0, view_of("bye", 3), NULL), 2);
    cr_assert_eq(out[1], 0);
    cr_assert_eq(ws_encode_close(span_of(out, sizeof out), 1005, view_of(NULL, 0), NULL), 2);
}

Test(ws_encode, long_reason_is_cut_between_characters)
{
    uint8_t out[140], reason[126];
    for (size_t i = 0; i < sizeof reason; i += 2) {
        reason[i] = 0xC3;
        reason[i + 1] = 0xA9;
    }
    cr_assert_eq(ws_encode_close(span_of(out, sizeof out), 1000, view_of(reason, sizeof reason), NULL),
                 2 + 2 + 122);
    cr_assert(ws_is_utf8(view_of(out + 4, 122)));
}

Test(ws_encode, close_codes_of_statuses)
{
    cr_assert_eq(ws_close_code(WAX_OK), 1000);
    cr_assert_eq(ws_close_code(WAX_WS_RESERVED), 1002);
    cr_assert_eq(ws_close_code(WAX_WS_UNMASKED), 1002);
    cr_assert_eq(ws_close_code(WAX_WS_TEXT), 1003);
    cr_assert_eq(ws_close_code(WAX_WS_UTF8), 1007);
    cr_assert_eq(ws_close_code(WAX_WS_TOO_BIG), 1009);
    cr_assert_eq(ws_close_code(WAX_TCP_RESET), 1011);
}
