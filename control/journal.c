/* SPDX-License-Identifier: BSD-3-Clause */
#include "waxwire/journal.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};

/* A line under way: what doesn't fit whole is taken back. */
struct out {
    char *text;
    size_t room; /* less what the end of the line needs */
    size_t len;
    bool cut;
};

static void put_char(struct out *out, char c)
{
    if (out->len < out->room)
        out->text[out->len++] = c;
    else
        out->cut = true;
}

static void put_plain(struct out *out, const char *text)
{
    for (; *text != '\0'; text++)
        put_char(out, *text);
}

/* Text in double quotes; the escapes are JSON's, and serve logfmt as well. */
static void put_quoted(struct out *out, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    put_char(out, '"');
    for (; text != NULL && *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            put_char(out, '\\');
            put_char(out, (char)c);
        } else if (c < 0x20 || c >= 0x7f) {
            /* other bytes might not be UTF-8: each is shown as the code point of its value */
            put_plain(out, "\\u00");
            put_char(out, hex[c >> 4]);
            put_char(out, hex[c & 15]);
        } else {
            put_char(out, (char)c);
        }
    }
    put_char(out, '"');
}

static void put_key(struct out *out, const char *key, bool json)
{
    if (json) {
        put_plain(out, ",\"");
        put_plain(out, key);
        put_plain(out, "\":");
    } else {
        put_char(out, ' ');
        put_plain(out, key);
        put_char(out, '=');
    }
}

static void put_field(struct out *out, const struct journal_field *field, bool json)
{
    char number[32];
    size_t before = out->len;
    put_key(out, field->key, json);
    switch (field->kind) {
    case JOURNAL_UNSIGNED:
        snprintf(number, sizeof number, "%llu", (unsigned long long)field->u);
        put_plain(out, number);
        break;
    case JOURNAL_SIGNED:
        snprintf(number, sizeof number, "%lld", (long long)field->i);
        put_plain(out, number);
        break;
    case JOURNAL_TEXT:
        put_quoted(out, field->text);
        break;
    case JOURNAL_HEX:
        put_char(out, '"');
        for (size_t i = 0; i < field->len; i++) {
            snprintf(number, sizeof number, "%02x", field->bytes[i]);
            put_plain(out, number);
        }
        put_char(out, '"');
        break;
    case JOURNAL_NONE:
        break;
    }
    if (out->cut) {
        out->len = before;
        out->cut = false;
    }
}

static void put_time(struct out *out, uint64_t now_ms)
{
    char text[64];
    struct tm tm;
    time_t seconds = (time_t)(now_ms / 1000);
    gmtime_r(&seconds, &tm);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof text - n, ".%03uZ", (unsigned)(now_ms % 1000));
    put_plain(out, text);
}

size_t journal_format(const struct journal_line *line, const struct journal_field *fields, size_t count,
                      char *text, size_t room)
{
    if (room < 256)
        return 0;
    struct out out = {text, room - 3, 0, false};
    bool json = line->json;
    put_plain(&out, json ? "{\"time\":\"" : "time=");
    put_time(&out, line->now_ms);
    put_plain(&out, json ? "\",\"level\":\"" : " level=");
    put_plain(&out, level_names[line->level & 3]);
    put_plain(&out, json ? "\",\"program\":\"" : " program=");
    put_plain(&out, line->program);
    put_plain(&out, json ? "\",\"area\":\"" : " area=");
    put_plain(&out, line->area);
    put_plain(&out, json ? "\",\"msg\":" : " msg=");
    put_quoted(&out, line->message);
    if (out.cut) { /* names and messages are short literals: this one was not */
        out.cut = false;
        out.len = room / 2;
        text[out.len++] = '"';
    }
    if (line->left_out != 0)
        put_field(&out, &J_U("left_out", line->left_out), json);
    for (size_t i = 0; i < count; i++) {
        if (fields[i].kind != JOURNAL_NONE)
            put_field(&out, &fields[i], json);
    }
    if (json)
        text[out.len++] = '}';
    text[out.len++] = '\n';
    text[out.len] = '\0';
    return out.len;
}

void journal_init(struct journal *journal, int fd, const char *program, enum config_level level, bool json)
{
    memset(journal, 0, sizeof *journal);
    journal->fd = fd;
    journal->program = program;
    journal->level = level;
    journal->json = json;
}

bool journal_allow(struct journal *journal, const char *message, uint64_t now_ms, uint32_t *left_out)
{
    uint32_t hash = 2166136261u;
    for (const char *c = message; *c != '\0'; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    uint32_t slot = hash % JOURNAL_EVENTS;
    uint64_t second = now_ms / 1000;
    uint64_t before = atomic_load(&journal->event[slot].second);
    if (before != second && atomic_compare_exchange_strong(&journal->event[slot].second, &before, second))
        atomic_store(&journal->event[slot].lines, 0);
    *left_out = 0;
    if (atomic_fetch_add(&journal->event[slot].lines, 1) >= JOURNAL_LINES_PER_S) {
        atomic_fetch_add(&journal->event[slot].left_out, 1);
        return false;
    }
    *left_out = atomic_exchange(&journal->event[slot].left_out, 0);
    return true;
}

void journal_write(struct journal *journal, enum config_level level, const char *area, const char *message,
                   const struct journal_field *fields, size_t count)
{
    char text[JOURNAL_LINE_BYTES];
    struct timespec now;
    if (level < journal->level)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    struct journal_line line = {
        .now_ms = (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u,
        .level = level,
        .json = journal->json,
        .program = journal->program,
        .area = area,
        .message = message,
    };
    if (!journal_allow(journal, message, line.now_ms, &line.left_out))
        return;
    size_t len = journal_format(&line, fields, count, text, sizeof text);
    ssize_t written = write(journal->fd, text, len);
    (void)written;
}
