/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "ws/frame.h"

static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};

/* A stream of frames under construction. */
struct stream {
    uint8_t *bytes;
    size_t len;
};

static void frame_add(struct stream *s, uint8_t first_byte, const void *payload, size_t len, bool masked)
{
    s->bytes = realloc(s->bytes, s->len + len + 14);
    size_t n = ws_encode_header(span_of(s->bytes + s->len, 14), first_byte, len, masked ? mask : NULL);
    if (len != 0)
        memcpy(s->bytes + s->len + n, payload, len);
    if (masked)
        ws_mask(span_of(s->bytes + s->len + n, len), mask, 0);
    s->len += n + len;
}

/* What a decoder made of a stream fed in steps: "B" and the payload's bytes, "|" at a message's end, … */
struct story {
    uint8_t text[4096];
    size_t len;
    unsigned messages, events;
    enum wax_status status;
    uint16_t close_code;
};

static void story_add(struct story *s, const void *bytes, size_t len)
{
    cr_assert_leq(s->len + len, sizeof s->text);
    if (len != 0)
        memcpy(s->text + s->len, bytes, len);
    s->len += len;
}

static void story_event(struct story *s, const struct ws_event *ev)
{
    s->events++;
    if (ev->opcode == WS_BINARY) {
        if (ev->first)
            story_add(s, "<", 1);
        story_add(s, ev->data.data, ev->data.len);
        if (ev->last) {
            story_add(s, ">", 1);
            s->messages++;
        }
        return;
    }
    story_add(s, ev->opcode == WS_PING ? "[ping " : ev->opcode == WS_PONG ? "[pong " : "[close ", 6);
    story_add(s, ev->data.data, ev->data.len);
    story_add(s, "]", 1);
    s->close_code = ev->close_code;
}

/* Feeds `bytes` (copied: decoding changes them) in steps of `step` bytes, as a connection would. */
static struct story feed(struct stream in, enum ws_role role, size_t step)
{
    struct story s = {.status = WAX_MORE};
    struct ws_decoder d;
    uint8_t held[WAX_WS_CONTROL_BYTES_MAX];
    uint8_t *copy = malloc(in.len + 1);
    memcpy(copy, in.bytes, in.len);
    ws_decoder_init(&d, role, WAX_FRAME_BYTES_MAX);
    for (size_t at = 0; at < in.len && s.status == WAX_MORE; at += step) {
        size_t n = in.len - at < step ? in.len - at : step;
        struct span left = span_of(copy + at, n);
        do {
            struct ws_event ev;
            s.status = ws_decode(&d, left, &ev);
            cr_assert_leq(ev.consumed, left.len);
            left = span_of(left.data + ev.consumed, left.len - ev.consumed);
            if (s.status == WAX_OK)
                story_event(&s, &ev);
            if (s.status == WAX_FULL) {
                cr_assert_null(d.control);
                d.control = held;
            } else if (!ws_holds_control(&d)) {
                d.control = NULL;
            }
        } while (s.status == WAX_OK || s.status == WAX_FULL);
        cr_assert_eq(left.len, 0);
    }
    free(copy);
    return s;
}

static void assert_story(const struct story *s, const char *text)
{
    cr_assert_eq(s->len, strlen(text), "%.*s", (int)s->len, (const char *)s->text);
    cr_assert_arr_eq(s->text, text, s->len);
}

static enum wax_status judge(const void *bytes, size_t len, enum ws_role role)
{
    struct stream s = {(uint8_t *)(uintptr_t)bytes, len};
    enum wax_status whole = feed(s, role, len).status;
    cr_assert_eq(feed(s, role, 1).status, whole, "the verdict depends on the split");
    return whole;
}

Test(ws_decode, whole_frame_is_one_event_in_place)
{
    struct stream s = {0};
    frame_add(&s, WS_FIN | WS_BINARY, "sealed", 6, true);
    struct ws_decoder d;
    struct ws_event ev;
    ws_decoder_init(&d, WS_SERVER, WAX_FRAME_BYTES_MAX);
    cr_assert_eq(ws_decode(&d, span_of(s.bytes, s.len), &ev), WAX_OK);
    cr_assert(ev.opcode == WS_BINARY && ev.first && ev.last);
    cr_assert_eq(ev.consumed, s.len);
    cr_assert_eq(ev.data.data, s.bytes + 6);
    cr_assert_eq(ev.data.len, 6);
    cr_assert_arr_eq(ev.data.data, "sealed", 6);
    cr_assert(ws_is_idle(&d));
    free(s.bytes);
}

Test(ws_decode, rfc6455_5_4_fragments_with_a_ping_between)
{
    struct stream s = {0};
    frame_add(&s, WS_BINARY, "Hel", 3, true);
    frame_add(&s, WS_FIN | WS_PING, "are you", 7, true);
    frame_add(&s, WS_CONTINUATION, "", 0, true);
    frame_add(&s, WS_CONTINUATION, "l", 1, true);
    frame_add(&s, WS_FIN | WS_PONG, "", 0, true);
    frame_add(&s, WS_FIN | WS_CONTINUATION, "o", 1, true);
    for (size_t step = 1; step <= s.len; step++) {
        struct story story = feed(s, WS_SERVER, step);
        cr_assert_eq(story.status, WAX_MORE);
        cr_assert_eq(story.messages, 1);
        assert_story(&story, "<Hel[ping are you]l[pong ]o>");
    }
    free(s.bytes);
}

Test(ws_decode, client_reads_unmasked_frames_at_every_split)
{
    struct stream s = {0};
    char text[300];
    memset(text, 'x', sizeof text);
    frame_add(&s, WS_FIN | WS_BINARY, text, sizeof text, false);
    frame_add(&s, WS_FIN | WS_BINARY, "", 0, false);
    frame_add(&s, WS_FIN | WS_CLOSE, "\x03\xE8", 2, false);
    for (size_t step = 1; step <= s.len; step++) {
        struct story story = feed(s, WS_CLIENT, step);
        cr_assert_eq(story.messages, 2);
        cr_assert_eq(story.close_code, 1000);
        cr_assert_eq(story.len, 1 + 300 + 1 + 2 + 7);
    }
    free(s.bytes);
}

Test(ws_decode, empty_fragments_carry_first_and_last)
{
    struct stream s = {0};
    frame_add(&s, WS_BINARY, "", 0, true);
    frame_add(&s, WS_CONTINUATION, "ab", 2, true);
    frame_add(&s, WS_FIN | WS_CONTINUATION, "", 0, true);
    frame_add(&s, WS_BINARY, "", 0, true);
    frame_add(&s, WS_FIN | WS_CONTINUATION, "", 0, true);
    for (size_t step = 1; step <= s.len; step++) {
        struct story story = feed(s, WS_SERVER, step);
        assert_story(&story, "<ab><>");
    }
    free(s.bytes);
}

Test(ws_decode, pieces_tell_offset_and_what_is_left)
{
    struct stream s = {0};
    frame_add(&s, WS_FIN | WS_BINARY, "0123456789", 10, true);
    struct ws_decoder d;
    struct ws_event ev;
    ws_decoder_init(&d, WS_SERVER, WAX_FRAME_BYTES_MAX);
    cr_assert_eq(ws_decode(&d, span_of(s.bytes, 9), &ev), WAX_OK);
    cr_assert(ev.first && !ev.last && ev.offset == 0 && ev.data.len == 3 && ev.frame_left == 7);
    cr_assert(!ws_is_idle(&d));
    cr_assert_eq(ws_decode(&d, span_of(s.bytes + 9, s.len - 9), &ev), WAX_OK);
    cr_assert(!ev.first && ev.last && ev.offset == 3 && ev.data.len == 7 && ev.frame_left == 0);
    cr_assert_arr_eq(ev.data.data, "3456789", 7);
    free(s.bytes);
}

Test(ws_decode, largest_message_passes_and_one_byte_more_is_1009)
{
    struct stream s = {0};
    uint8_t *big = calloc(1, WAX_FRAME_BYTES_MAX + 1);
    frame_add(&s, WS_FIN | WS_BINARY, big, WAX_FRAME_BYTES_MAX, true);
    struct ws_decoder d;
    struct ws_event ev;
    ws_decoder_init(&d, WS_SERVER, WAX_FRAME_BYTES_MAX);
    cr_assert_eq(ws_decode(&d, span_of(s.bytes, s.len), &ev), WAX_OK);
    cr_assert_eq(ev.data.len, WAX_FRAME_BYTES_MAX);

    s.len = 0;
    frame_add(&s, WS_FIN | WS_BINARY, big, WAX_FRAME_BYTES_MAX + 1, true);
    cr_assert_eq(judge(s.bytes, 14, WS_SERVER), WAX_WS_TOO_BIG);

    s.len = 0;
    frame_add(&s, WS_BINARY, big, WAX_FRAME_BYTES_MAX, true);
    frame_add(&s, WS_FIN | WS_CONTINUATION, big, 1, true);
    ws_decoder_init(&d, WS_SERVER, WAX_FRAME_BYTES_MAX);
    cr_assert_eq(ws_decode(&d, span_of(s.bytes, s.len), &ev), WAX_OK);
    cr_assert_eq(ws_decode(&d, span_of(s.bytes + ev.consumed, s.len - ev.consumed), &ev), WAX_WS_TOO_BIG);
    free(big);
    free(s.bytes);
}

Test(ws_decode, rfc6455_5_2_length_in_its_shortest_form)
{
    cr_assert_eq(judge("\x82\xFE\x00\x7D\0\0\0\0", 8, WS_SERVER), WAX_WS_LENGTH);
    cr_assert_eq(judge("\x82\xFF\0\0\0\0\0\0\xFF\xFF\0\0\0\0", 14, WS_SERVER), WAX_WS_LENGTH);
    cr_assert_eq(judge("\x82\xFF\x80\0\0\0\0\0\xFF\xFF\0\0\0\0", 14, WS_SERVER), WAX_WS_LENGTH);
    cr_assert_eq(judge("\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0", 14, WS_SERVER), WAX_WS_TOO_BIG);
}

Test(ws_decode, rfc6455_5_2_reserved_bits_and_opcodes)
{
    for (unsigned bit = 0x10; bit <= 0x40; bit <<= 1) {
        const uint8_t frame[] = {(uint8_t)(0x82 | bit), 0x80, 0, 0, 0, 0};
        cr_assert_eq(judge(frame, sizeof frame, WS_SERVER), WAX_WS_RESERVED);
    }
    static const uint8_t reserved[] = {3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF};
    for (size_t i = 0; i < sizeof reserved; i++) {
        const uint8_t frame[] = {(uint8_t)(0x80 | reserved[i]), 0x80, 0, 0, 0, 0};
        cr_assert_eq(judge(frame, sizeof frame, WS_SERVER), WAX_WS_RESERVED);
    }
}

Test(ws_decode, rfc6455_5_1_masks_by_role)
{
    cr_assert_eq(judge("\x82\x01x", 3, WS_SERVER), WAX_WS_UNMASKED);
    cr_assert_eq(judge("\x82\x81\0\0\0\0x", 7, WS_CLIENT), WAX_WS_MASKED);
}

Test(ws_decode, rfc6455_5_4_fragments_in_sequence)
{
    cr_assert_eq(judge("\x80\x80\0\0\0\0", 6, WS_SERVER), WAX_WS_SEQUENCE);
    cr_assert_eq(judge("\x02\x80\0\0\0\0\x82\x80\0\0\0\0", 12, WS_SERVER), WAX_WS_SEQUENCE);
    cr_assert_eq(judge("\x02\x80\0\0\0\0\x81\x80\0\0\0\0", 12, WS_SERVER), WAX_WS_SEQUENCE);
}

Test(ws_decode, rfc6455_5_5_control_frames_are_whole_and_short)
{
    cr_assert_eq(judge("\x09\x80\0\0\0\0", 6, WS_SERVER), WAX_WS_CONTROL);
    cr_assert_eq(judge("\x89\xFE\x00\x7E\0\0\0\0", 8, WS_SERVER), WAX_WS_CONTROL);
    cr_assert_eq(judge("\x08\x80\0\0\0\0", 6, WS_SERVER), WAX_WS_CONTROL);
}

Test(ws_decode, text_is_refused_with_1003)
{
    cr_assert_eq(judge("\x81\x81\0\0\0\0x", 7, WS_SERVER), WAX_WS_TEXT);
    cr_assert_eq(ws_close_code(WAX_WS_TEXT), 1003);
}

static enum wax_status judge_close(const char *payload, size_t len)
{
    struct stream s = {0};
    frame_add(&s, WS_FIN | WS_CLOSE, payload, len, true);
    enum wax_status status = judge(s.bytes, s.len, WS_SERVER);
    free(s.bytes);
    return status;
}

Test(ws_decode, rfc6455_7_4_close_codes)
{
    static const uint16_t good[] = {1000, 1001, 1003, 1007, 1011, 1014, 3000, 4000, 4009, 4999};
    static const uint16_t bad[] = {0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint8_t payload[2];
        store_be16(payload, good[i]);
        cr_assert_neq(judge_close((char *)payload, 2), WAX_WS_CLOSE_CODE, "%u", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t payload[2];
        store_be16(payload, bad[i]);
        cr_assert_eq(judge_close((char *)payload, 2), WAX_WS_CLOSE_CODE, "%u", bad[i]);
    }
    cr_assert_eq(judge_close("\x03", 1), WAX_WS_CLOSE_CODE);
}

Test(ws_decode, close_without_a_code_is_1005)
{
    struct stream s = {0};
    frame_add(&s, WS_FIN | WS_CLOSE, "", 0, true);
    struct story story = feed(s, WS_SERVER, s.len);
    cr_assert_eq(story.close_code, 1005);
    free(s.bytes);
}

Test(ws_decode, rfc6455_8_1_close_reason_is_utf8)
{
    cr_assert_neq(judge_close("\x03\xE8gr\xC3\xBC\xC3\x9F", 8), WAX_WS_UTF8);
    cr_assert_neq(judge_close("\x03\xE8\xF0\x9F\x98\x80", 6), WAX_WS_UTF8);
    static const char *const bad[] = {"\xC0\xAF",         "\xED\xA0\x80",         "\xF4\x90\x80\x80", "\x80",
                                      "\xE2\x82",         "\xF8\x88\x80\x80\x80", "\xE0\x80\xAF",     "\xC3(",
                                      "\xF0\x8F\xBF\xBF", "\xE2\x28\xA1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char payload[16] = "\x03\xE8";
        memcpy(payload + 2, bad[i], strlen(bad[i]));
        cr_assert_eq(judge_close(payload, 2 + strlen(bad[i])), WAX_WS_UTF8, "case %zu", i);
    }
}

Test(ws_decode, rfc6455_5_5_1_bytes_behind_a_close_are_ignored)
{
    struct stream s = {0};
    frame_add(&s, WS_FIN | WS_CLOSE, "\x03\xE9", 2, true);
    frame_add(&s, WS_FIN | WS_BINARY, "late", 4, true);
    struct story story = feed(s, WS_SERVER, s.len);
    cr_assert_eq(story.status, WAX_WS_CLOSED);
    cr_assert_eq(story.close_code, 1001);
    cr_assert_eq(story.messages, 0);
    free(s.bytes);
}

Test(ws_decode, split_control_frame_needs_lent_bytes)
{
    struct stream s = {0};
    frame_add(&s, WS_FIN | WS_PING, "0123456789", 10, true);
    struct ws_decoder d;
    struct ws_event ev;
    uint8_t held[WAX_WS_CONTROL_BYTES_MAX];
    ws_decoder_init(&d, WS_SERVER, WAX_FRAME_BYTES_MAX);
    cr_assert_eq(ws_decode(&d, span_of(s.bytes, 8), &ev), WAX_FULL);
    cr_assert_eq(ev.consumed, 6);
    cr_assert(!ws_holds_control(&d));
    d.control = held;
    cr_assert_eq(ws_decode(&d, span_of(s.bytes + 6, 2), &ev), WAX_MORE);
    cr_assert(ws_holds_control(&d));
    cr_assert_eq(ws_decode(&d, span_of(s.bytes + 8, s.len - 8), &ev), WAX_OK);
    cr_assert_eq(ev.data.data, held);
    cr_assert_arr_eq(ev.data.data, "0123456789", 10);
    cr_assert(!ws_holds_control(&d), "ours again when the event has been dealt with");
    free(s.bytes);
}

Test(ws_decode, error_sticks)
{
    struct ws_decoder d;
    struct ws_event ev;
    uint8_t bad[] = {0x82, 0x01, 'x'}, good[] = {0x82, 0x81, 0, 0, 0, 0, 'x'};
    ws_decoder_init(&d, WS_SERVER, WAX_FRAME_BYTES_MAX);
    cr_assert_eq(ws_decode(&d, span_of(bad, sizeof bad), &ev), WAX_WS_UNMASKED);
    cr_assert_eq(ws_decode(&d, span_of(good, sizeof good), &ev), WAX_WS_UNMASKED);
    cr_assert_eq(ev.consumed, sizeof good);
}
