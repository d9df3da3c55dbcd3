/* SPDX-License-Identifier: BSD-3-Clause */
#include "segment_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    uint8_t bit;
} flag_names[] = {{"SYN", TCP_SYN}, {"FIN", TCP_FIN}, {"RST", TCP_RST}, {"ACK", TCP_ACK},
                  {"PSH", TCP_PSH}, {"URG", TCP_URG}, {"ECE", TCP_ECE}, {"CWR", TCP_CWR}};

static uint8_t flag_of(const char *word)
{
    for (size_t i = 0; i < sizeof flag_names / sizeof flag_names[0]; i++) {
        if (strcmp(word, flag_names[i].name) == 0) {
            return flag_names[i].bit;
        }
    }
    return 0;
}

static bool read_raw(struct text *t, struct option_text *o)
{
    const char *word = text_next(t);
    if (word == NULL || strlen(word) % 2 != 0 || strlen(word) > 2 * RAW_BYTES_MAX) {
        return false;
    }
    for (; word[0] != '\0'; word += 2) {
        char two[3] = {word[0], word[1]}, *end;
        o->raw[o->raw_len++] = (uint8_t)strtoul(two, &end, 16);
        if (*end != '\0') {
            return false;
        }
    }
    return o->raw_len > 0;
}

static bool read_blocks(struct text *t, struct option_text *o)
{
    if (text_is(t, "*")) {
        o->any_blocks = true;
        return true;
    }
    const char *word;
    while ((word = text_next(t)) != NULL) {
        char left[TEXT_WORD_BYTES];
        const char *colon = strchr(word, ':');
        if (colon == NULL || o->blocks == SACK_BLOCKS_MAX) {
            return false;
        }
        snprintf(left, sizeof left, "%.*s", (int)(colon - word), word);
        if (!text_number(left, &o->left[o->blocks]) || !text_number(colon + 1, &o->right[o->blocks])) {
            return false;
        }
        o->blocks++;
    }
    return o->blocks > 0;
}

/* One option: the text between two commas. */
static bool read_option(struct text *t, struct option_text *o)
{
    *o = (struct option_text){.a = {MATCH_ANY}, .b = {MATCH_ANY}};
    o->absent = text_is(t, "no");
    const char *word = text_next(t);
    if (word == NULL) {
        return false;
    }
    static const char *const names[] = {"mss", "wscale", "sackOK", "TS", "sack", "nop", "eol", "raw"};
    size_t i = 0;
    while (i < sizeof names / sizeof names[0] && strcmp(word, names[i]) != 0) {
        i++;
    }
    o->kind = (enum option_kind)i;
    if (i == sizeof names / sizeof names[0]) {
        return false;
    }
    if (o->absent) {
        return text_end(t);
    }
    switch (o->kind) {
    case OPT_MSS:
    case OPT_WSCALE:
        return text_match(t, &o->a) && text_end(t);
    case OPT_TS:
        return text_match(t, &o->a) && text_match(t, &o->b) && text_end(t);
    case OPT_SACK:
        return read_blocks(t, o) && text_end(t);
    case OPT_RAW:
        return read_raw(t, o) && text_end(t);
    default:
        return text_end(t);
    }
}

static bool read_options(struct play *p, struct text *t, struct segment_text *out)
{
    const char *begin = t->at + strspn(t->at, " \t") + 1;
    const char *end = strchr(begin, '>');
    while (end != NULL && strchr(" \t[", end[1]) == NULL) {
        end = strchr(end + 1, '>'); /* it was a comparison */
    }
    if (end == NULL) {
        return play_fail(p, "options lack their '>'");
    }
    out->has_options = true;
    t->at = end + 1;
    while (begin < end) {
        size_t len = strcspn(begin, ",");
        len = begin + len < end ? len : (size_t)(end - begin);
        char one[TEXT_WORD_BYTES];
        snprintf(one, sizeof one, "%.*s", (int)len, begin);
        begin += len + 1;
        struct text inner = {.at = one};
        if (text_is(&inner, "only")) {
            out->only = true;
        }
        if (text_end(&inner)) {
            continue;
        }
        if (out->option_count == OPTIONS_MAX || !read_option(&inner, &out->options[out->option_count++])) {
            return play_fail(p, "not an option: '%s'", one + strspn(one, " "));
        }
    }
    return true;
}

static bool read_ecn(struct segment_text *out, const char *word)
{
    static const char *const names[] = {"[not-ect]", "[ect1]", "[ect0]", "[ce]"};
    for (uint8_t i = 0; i < 4; i++) {
        if (strcmp(word, names[i]) == 0) {
            out->has_ecn = true;
            out->ecn = i;
            return true;
        }
    }
    return false;
}

static bool read_field(struct text *t, struct segment_text *out, const char *word)
{
    const struct {
        const char *name;
        bool *has;
        struct match *match;
    } fields[] = {{"seq", &out->has_seq, &out->seq},
                  {"ack", &out->has_ack, &out->ack},
                  {"len", &out->has_len, &out->len},
                  {"win", &out->has_win, &out->win},
                  {"urg", &out->has_urg, &out->urg}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(word, fields[i].name) == 0) {
            *fields[i].has = true;
            return text_match(t, fields[i].match);
        }
    }
    return false;
}

/* What only injected segments have. */
static bool read_fault(struct text *t, struct segment_text *out, const char *word)
{
    int64_t value;
    if (strcmp(word, "bad-checksum") == 0) {
        return out->bad_checksum = true;
    }
    bool words = strcmp(word, "header-words") == 0, cut = strcmp(word, "cut") == 0;
    if (!words && !cut && strcmp(word, "reserved") != 0) {
        return false;
    }
    const char *number = text_next(t);
    if (number == NULL || !text_number(number, &value)) {
        return false;
    }
    if (words) {
        out->header_words = (int32_t)value;
    } else if (cut) {
        out->cut = (int32_t)value;
    } else {
        out->reserved = (uint8_t)value;
    }
    return true;
}

bool segment_text_read(struct play *p, struct text *t, struct segment_text *out)
{
    *out = (struct segment_text){.times = 1, .header_words = -1, .cut = -1};
    const char *word;
    bool any = false;
    while ((word = text_peek(t)) != NULL) {
        if (word[0] == '<') {
            if (!read_options(p, t, out)) {
                return false;
            }
            continue;
        }
        char token[TEXT_WORD_BYTES];
        snprintf(token, sizeof token, "%s", text_next(t));
        int64_t times;
        if (flag_of(token) != 0) {
            out->flags |= flag_of(token);
            any = true;
        } else if (token[0] == '!' && (flag_of(token + 1) & (TCP_PSH | TCP_ECE | TCP_CWR)) != 0) {
            out->absent |= flag_of(token + 1);
        } else if (strcmp(token, "none") == 0) {
            any = true;
        } else if (strcmp(token, "other") == 0) {
            out->other = true;
        } else if (token[0] == 'x' && text_number(token + 1, &times) && times > 0) {
            out->times = (uint32_t)times;
        } else if (!read_ecn(out, token) && !read_field(t, out, token) && !read_fault(t, out, token)) {
            return play_fail(p, "can't read '%s' in a segment", token);
        }
    }
    return any || play_fail(p, "a segment needs its flags ('none' for no flag)");
}

struct view options_of(const uint8_t *header, size_t len)
{
    size_t header_len = (size_t)(header[12] >> 4) * 4;
    if (header_len < TCP_HEADER_BYTES || header_len > len) {
        return view_of(header, 0);
    }
    return view_of(header + TCP_HEADER_BYTES, header_len - TCP_HEADER_BYTES);
}

static void add(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void add(char *out, size_t size, const char *format, ...)
{
    size_t used = strlen(out);
    va_list list;
    va_start(list, format);
    vsnprintf(out + used, size - used, format, list);
    va_end(list);
}

static void write_options(const struct flow *f, const struct tcp_segment *s, bool engine, char *out,
                          size_t size)
{
    const char *gap = "";
    add(out, size, " <");
    if (s->mss != 0) {
        add(out, size, "mss %u", s->mss);
        gap = ", ";
    }
    if (s->sack_permitted) {
        add(out, size, "%ssackOK", gap);
        gap = ", ";
    }
    if (s->has_timestamps) {
        uint32_t val = engine ? s->tsval - f->ts_base : s->tsval;
        bool echo = !engine && (s->flags & TCP_ACK) != 0;
        add(out, size, "%sTS %u %u", gap, val, echo ? s->tsecr - f->ts_base : s->tsecr);
        gap = ", ";
    }
    if (s->wscale != 0xff) {
        add(out, size, "%swscale %u", gap, s->wscale);
        gap = ", ";
    }
    if (s->sack.len > 0) {
        uint32_t base = engine ? f->iss : f->irs;
        add(out, size, "%ssack", gap);
        for (size_t i = 0; i + 8 <= s->sack.len; i += 8) {
            add(out, size, " %u:%u", load_be32(s->sack.data + i) - base,
                load_be32(s->sack.data + i + 4) - base);
        }
    }
    add(out, size, ">");
}

void segment_text_write(const struct play *p, const struct flow *f, const struct tcp_segment *s, bool engine,
                        char *out, size_t size)
{
    (void)p;
    out[0] = '\0';
    add(out, size, "%c", engine ? '>' : '<');
    for (size_t i = 0; i < sizeof flag_names / sizeof flag_names[0]; i++) {
        if ((s->flags & flag_names[i].bit) != 0) {
            add(out, size, " %s", flag_names[i].name);
        }
    }
    if (s->flags == 0) {
        add(out, size, " none");
    }
    add(out, size, " seq %d", (int32_t)(s->seq - (engine ? f->irs : f->iss)));
    if ((s->flags & TCP_ACK) != 0) {
        add(out, size, " ack %d", (int32_t)(s->ack - (engine ? f->iss : f->irs)));
    }
    add(out, size, " len %zu win %u", s->payload.len, s->window);
    write_options(f, s, engine, out, size);
}
