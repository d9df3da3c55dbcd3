/* SPDX-License-Identifier: BSD-3-Clause */
/* One line of a script: `[+TIME[~SLACK]] EVENT`. */
#include "play.h"
#include "text.h"

#include <stdio.h>

#define SLACK_US 2000u /* the engine's clock and wheel count milliseconds */

struct when {
    uint64_t after_us, slack_us;
    bool given, any;
};

/* +10ms, +200ms~20ms, +*, +0 */
static bool read_when(struct play *p, struct text *t, struct when *w)
{
    *w = (struct when){.slack_us = SLACK_US};
    const char *word = text_peek(t);
    if (word == NULL || word[0] != '+') {
        return true;
    }
    w->given = true;
    char *tilde = strchr(text_next(t), '~');
    if (tilde != NULL) {
        *tilde = '\0';
        if (!text_duration(tilde + 1, &w->slack_us)) {
            return play_fail(p, "not a duration: '%s'", tilde + 1);
        }
    }
    w->any = strcmp(t->word, "+*") == 0;
    return w->any || text_duration(t->word + 1, &w->after_us) ||
           play_fail(p, "not a duration: '%s'", t->word + 1);
}

/* `nothing for 200ms`, and `any for 200ms`, which forgets what is sent. */
static bool run_for(struct play *p, struct text *t, bool nothing)
{
    uint64_t us;
    const char *word = text_is(t, "for") ? text_next(t) : NULL;
    if (word == NULL || !text_duration(word, &us) || us == 0) {
        return play_fail(p, "for how long?");
    }
    if (!nothing) {
        return play_discard(p, us);
    }
    p->expectations++;
    return play_silent(p) && play_sleep(p, us) && play_silent(p);
}

static bool run_event(struct play *p, struct text *t, const struct when *w)
{
    char word[TEXT_WORD_BYTES];
    const char *next = text_next(t);
    if (next == NULL) {
        return play_fail(p, "an event is missing");
    }
    strcpy(word, next);
    if (strcmp(word, ">") == 0) {
        return play_expect(p, t, w->after_us, w->slack_us, w->any);
    }
    if (w->any) {
        return play_fail(p, "'+*' is for segments expected");
    }
    if (!play_sleep(p, w->after_us)) {
        return false;
    }
    if (strcmp(word, "<") == 0) {
        return play_inject(p, t);
    }
    if (strcmp(word, "nothing") == 0 || strcmp(word, "any") == 0) {
        return run_for(p, t, word[0] == 'n');
    }
    if (strcmp(word, "established") == 0) {
        return call_established(p, t);
    }
    if (call_known(word)) {
        return call_run(p, word, t);
    }
    if (fact_known(word)) {
        return fact_check(p, word, t);
    }
    return play_fail(p, "no such event: '%s'", word);
}

bool play_line(struct play *p, const char *line)
{
    struct text t = {.at = line};
    if (text_end(&t)) {
        return true;
    }
    if (text_is(&t, "config")) {
        return call_config(p, &t) && (text_end(&t) || play_fail(p, "too much: '%s'", t.at));
    }
    struct when w;
    if (!play_start(p) || !read_when(p, &t, &w) || !run_event(p, &t, &w)) {
        return false;
    }
    return text_end(&t) || play_fail(p, "too much: '%s'", t.at);
}
