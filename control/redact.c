/* SPDX-License-Identifier: BSD-3-Clause */
#include "redact.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#define HEX_RUN    32u
#define BASE64_RUN 40u

static size_t run_of(const char *text, size_t len, bool (*is)(char c))
{
    size_t n = 0;
    while (n < len && is(text[n]))
        n++;
    return n;
}

static bool is_hex(char c)
{
    return isxdigit((unsigned char)c) != 0;
}

static bool is_base64(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '+' || c == '=';
}

static bool is_address_char(char c)
{
    return is_hex(c) || c == '.' || c == ':';
}

/* How much of the text is a block of PEM, to the end when it has none. */
static size_t pem(const char *text, size_t len)
{
    static const char begin[] = "-----BEGIN ", end[] = "-----END ";
    if (len < sizeof begin - 1 || memcmp(text, begin, sizeof begin - 1) != 0)
        return 0;
    const char *at = memmem(text, len, end, sizeof end - 1);
    if (at == NULL)
        return len;
    const char *dashes =
        memmem(at + sizeof end - 1, len - (size_t)(at - text) - (sizeof end - 1), "-----", 5);
    return dashes == NULL ? len : (size_t)(dashes - text) + 5;
}

/* How much of the text is an address, with a port of IPv4 left outside. */
static size_t address(const char *text, size_t len)
{
    char copy[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    size_t run = run_of(text, len, is_address_char);
    while (run > 1 && (text[run - 1] == '.' || (text[run - 1] == ':' && text[run - 2] != ':')))
        run--; /* the end of a sentence */
    if (run < 2 || run >= sizeof copy)
        return 0;
    memcpy(copy, text, run);
    copy[run] = '\0';
    if (inet_pton(AF_INET6, copy, bytes) == 1)
        return run;
    char *colon = strchr(copy, ':');
    if (colon != NULL)
        *colon = '\0';
    return inet_pton(AF_INET, copy, bytes) == 1 ? strlen(copy) : 0;
}

size_t redact(char *text, size_t len, bool addresses)
{
    size_t out = 0;
    char before = ' '; /* the character in front of `at`, as it was */
    for (size_t at = 0; at < len;) {
        const char *with = "<removed>";
        size_t take = pem(text + at, len - at), hex = run_of(text + at, len - at, is_hex);
        if (take == 0 && hex >= HEX_RUN)
            take = hex;
        if (take == 0 && !is_base64(before) && run_of(text + at, len - at, is_base64) >= BASE64_RUN)
            take = run_of(text + at, len - at, is_base64);
        if (take == 0 && addresses && !is_address_char(before)) {
            take = address(text + at, len - at);
            with = "<address>";
        }
        if (take == 0) {
            before = text[out++] = text[at++];
            continue;
        }
        size_t room = strlen(with) < take ? strlen(with) : take;
        before = text[at + take - 1];
        memcpy(text + out, with, room);
        out += room;
        at += take;
    }
    return out;
}
