/* SPDX-License-Identifier: BSD-3-Clause */
/* A line of a script, read word by word; numbers, durations and comparisons. */
#ifndef TESTS_PACKET_TEXT_H
#define TESTS_PACKET_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#define TEXT_WORD_BYTES 128u

struct text {
    const char *at;
    char word[TEXT_WORD_BYTES]; /* the last one taken */
};

/* A comparison: `5`, `>=5`, `<=5`, `>5`, `<5`, `!=5`, `*`; with `=` in front absolute: `=5`, `=!=5`. */
enum match_op { MATCH_ANY, MATCH_EQ, MATCH_NE, MATCH_GE, MATCH_LE, MATCH_GT, MATCH_LT };

struct match {
    enum match_op op;
    bool absolute; /* written with `=`: not relative to an initial sequence number */
    int64_t value;
};

/* The next word, or NULL at the end. Words end at white space, and at , < > [ ] when `signs` is set. */
const char *text_next(struct text *t);
const char *text_peek(struct text *t);
bool text_end(struct text *t);

/* Whether the next word is this one; then it is taken. */
bool text_is(struct text *t, const char *word);

/* Sums of products of numbers, in decimal or hex, with k or M behind: 1+3*1460, -1, 0xffff, 64k. */
bool text_number(const char *word, int64_t *value);

/* 10ms, 250us, 3s, 2m, 1h, 1d, 0. */
bool text_duration(const char *word, uint64_t *us);

/* A comparison. An operator that stands alone takes the next word. */
bool text_match(struct text *t, struct match *m);
bool match_holds(const struct match *m, int64_t got);

#endif
