/* SPDX-License-Identifier: BSD-3-Clause */
#include "text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *skip(const char *at)
{
    while (*at == ' ' || *at == '\t') {
        at++;
    }
    return *at == '#' ? at + strlen(at) : at;
}

const char *text_next(struct text *t)
{
    const char *at = skip(t->at);
    size_t len = strcspn(at, " \t");
    if (len == 0) {
        t->at = at;
        return NULL;
    }
    size_t kept = len < TEXT_WORD_BYTES ? len : TEXT_WORD_BYTES - 1;
    memcpy(t->word, at, kept);
    t->word[kept] = '\0';
    t->at = at + len;
    return t->word;
}

const char *text_peek(struct text *t)
{
    const char *at = t->at;
    const char *word = text_next(t);
    t->at = at;
    return word;
}

bool text_end(struct text *t)
{
    return *skip(t->at) == '\0';
}

bool text_is(struct text *t, const char *word)
{
    const char *next = text_peek(t);
    if (next == NULL || strcmp(next, word) != 0) {
        return false;
    }
    text_next(t);
    return true;
}

static bool one_number(const char **at, int64_t *value)
{
    if (!isdigit((unsigned char)**at)) {
        return false;
    }
    char *end;
    bool hex = (*at)[0] == '0' && (*at)[1] == 'x';
    *value = (int64_t)strtoull(*at, &end, hex ? 16 : 10);
    if (*end == 'k') {
        *value *= 1024;
        end++;
    } else if (*end == 'M') {
        *value *= 1024 * 1024;
        end++;
    }
    *at = end;
    return true;
}

static bool one_product(const char **at, int64_t *value)
{
    if (!one_number(at, value)) {
        return false;
    }
    while (**at == '*' || **at == '/') {
        char op = *(*at)++;
        int64_t factor;
        if (!one_number(at, &factor) || (op == '/' && factor == 0)) {
            return false;
        }
        *value = op == '*' ? *value * factor : *value / factor;
    }
    return true;
}

bool text_number(const char *word, int64_t *value)
{
    const char *at = word;
    *value = 0;
    bool minus = *at == '-';
    at += minus;
    do {
        int64_t term;
        if (!one_product(&at, &term)) {
            return false;
        }
        *value += minus ? -term : term;
        minus = *at == '-';
    } while ((*at == '+' || *at == '-') && *++at != '\0');
    return *at == '\0';
}

bool text_duration(const char *word, uint64_t *us)
{
    static const struct {
        const char *unit;
        uint64_t us;
    } units[] = {{"us", 1},       {"ms", 1000},       {"s", 1000000},
                 {"m", 60000000}, {"h", 3600000000u}, {"d", 86400000000u}};
    if (!isdigit((unsigned char)*word)) {
        return false;
    }
    char *end;
    double value = strtod(word, &end);
    if (*end == '\0' && value == 0) {
        *us = 0;
        return true;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].unit) == 0) {
            *us = (uint64_t)(value * (double)units[i].us + 0.5);
            return true;
        }
    }
    return false;
}

bool text_match(struct text *t, struct match *m)
{
    static const struct {
        const char *sign;
        enum match_op op;
    } ops[] = {{">=", MATCH_GE}, {"<=", MATCH_LE}, {"!=", MATCH_NE},
               {">", MATCH_GT},  {"<", MATCH_LT},  {"=", MATCH_EQ}};
    *m = (struct match){.op = MATCH_EQ};
    const char *word = text_next(t);
    if (word == NULL) {
        return false;
    }
    if (strcmp(word, "*") == 0) {
        m->op = MATCH_ANY;
        return true;
    }
    if (word[0] == '=' && word[1] != '\0') {
        m->absolute = true;
        word++;
    }
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        size_t len = strlen(ops[i].sign);
        if (strncmp(word, ops[i].sign, len) == 0) {
            m->op = ops[i].op;
            word = word[len] != '\0' ? word + len : text_next(t);
            break;
        }
    }
    return word != NULL && text_number(word, &m->value);
}

bool match_holds(const struct match *m, int64_t got)
{
    switch (m->op) {
    case MATCH_EQ:
        return got == m->value;
    case MATCH_NE:
        return got != m->value;
    case MATCH_GE:
        return got >= m->value;
    case MATCH_LE:
        return got <= m->value;
    case MATCH_GT:
        return got > m->value;
    case MATCH_LT:
        return got < m->value;
    default:
        return true;
    }
}
