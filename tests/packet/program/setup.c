/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands before the first event: the configuration; and the handshake as one line. */
#include "play.h"
#include "text.h"

#include <stdio.h>

#define CONFIG_NUMBERS(X)                                                                                    \
    X(conns_max)                                                                                             \
    X(half_open_max)                                                                                         \
    X(receive_bytes_max)                                                                                     \
    X(send_bytes_max)                                                                                        \
    X(blocks_reserve)                                                                                        \
    X(rto_initial_ms)                                                                                        \
    X(rto_min_ms)                                                                                            \
    X(rto_max_ms)                                                                                            \
    X(delayed_ack_ms)                                                                                        \
    X(time_wait_ms)                                                                                          \
    X(fin_wait_2_ms)                                                                                         \
    X(user_timeout_ms)                                                                                       \
    X(connect_timeout_ms)                                                                                    \
    X(half_open_ms)                                                                                          \
    X(keepalive_ms)                                                                                          \
    X(keepalive_probe_ms)                                                                                    \
    X(keepalive_probes)                                                                                      \
    X(per_address_max)                                                                                       \
    X(per_prefix_max)                                                                                        \
    X(opens_per_s)                                                                                           \
    X(opens_burst)                                                                                           \
    X(no_cookies)                                                                                            \
    X(cookies_always)                                                                                        \
    X(challenge_ms)                                                                                          \
    X(mss)                                                                                                   \
    X(cookies_always)                                                                                        \
    X(no_cookies)                                                                                            \
    X(newreno)                                                                                               \
    X(no_pacing)                                                                                             \
    X(no_ecn)                                                                                                \
    X(no_sack)                                                                                               \
    X(no_timestamps)                                                                                         \
    X(no_window_scale)

static bool set_number(struct tcp_config *c, const char *name, uint32_t value)
{
#define X(field)                                                                                             \
    if (strcmp(name, #field) == 0) {                                                                         \
        c->field = (__typeof__(c->field))value;                                                              \
        return true;                                                                                         \
    }
    CONFIG_NUMBERS(X)
#undef X
    return false;
}

/* `config NAME VALUE`; beside tcp_config's fields: pool (blocks), clock (where it begins), isn, ip6. */
bool call_config(struct play *p, struct text *t)
{
    char name[TEXT_WORD_BYTES];
    const char *word = text_next(t);
    if (p->started || word == NULL) {
        return play_fail(p, "config stands before the first event, with a name and a value");
    }
    strcpy(name, word);
    if (strcmp(name, "ip6") == 0) {
        p->ip6 = true;
        return true;
    }
    word = text_next(t);
    int64_t value;
    uint64_t us;
    if (word == NULL) {
        return play_fail(p, "config %s needs a value", name);
    }
    if (strcmp(name, "clock") == 0 && text_duration(word, &us) && us > 0) {
        p->start_us = p->now_us = us;
        return true;
    }
    if (!text_number(word, &value) || value < 0 || value > UINT32_MAX) {
        return play_fail(p, "config %s: '%s' is not a number of it", name, word);
    }
    if (strcmp(name, "isn") == 0) {
        p->isn_set = true;
        p->isn = (uint32_t)value;
        return true;
    }
    if (strcmp(name, "pool") == 0) {
        p->pool_blocks = (uint32_t)value;
        return true;
    }
    return set_number(&p->config, name, (uint32_t)value) || play_fail(p, "no such configuration: '%s'", name);
}

/* Lines of a script, with numbers filled in. */
static bool play(struct play *p, const char *line)
{
    return play_line(p, line);
}

/*
 * `established [active] [ts] [sack] [wscale N] [mss N] [win N] [rtt T]`: the three-way handshake, as lines of
 * the script would play it; nothing of it counts as an expectation.
 */
bool call_established(struct play *p, struct text *t)
{
    bool active = false, ts = false, sack = false;
    int64_t mss = p->ip6 ? 1440 : 1460, win = UINT16_MAX, wscale = -1;
    uint64_t rtt_us = 0;
    const char *word;
    while ((word = text_next(t)) != NULL) {
        int64_t *number = strcmp(word, "mss") == 0      ? &mss
                          : strcmp(word, "win") == 0    ? &win
                          : strcmp(word, "wscale") == 0 ? &wscale
                                                        : NULL;
        bool *flag = strcmp(word, "active") == 0 ? &active
                     : strcmp(word, "ts") == 0   ? &ts
                     : strcmp(word, "sack") == 0 ? &sack
                                                 : NULL;
        bool rtt = strcmp(word, "rtt") == 0;
        if (flag != NULL) {
            *flag = true;
        } else if (number != NULL ? (word = text_next(t)) == NULL || !text_number(word, number)
                                  : !rtt || (word = text_next(t)) == NULL || !text_duration(word, &rtt_us)) {
            return play_fail(p, "established: can't read '%s'", word != NULL ? word : "");
        }
    }
    char options[128], scale[32] = "", line[256];
    if (wscale >= 0) {
        snprintf(scale, sizeof scale, ", wscale %d", (int)wscale);
    }
    snprintf(options, sizeof options, "<mss %d%s%s%s>", (int)mss, sack ? ", sackOK" : "",
             ts ? ", TS * *" : "", scale);
    p->flow->ts_on = ts;
    unsigned expectations = p->expectations;
    bool good;
    if (active) {
        snprintf(line, sizeof line, "+%lluus < SYN ACK seq 0 ack 1 win %d %s", (unsigned long long)rtt_us,
                 (int)win, options);
        good = play(p, "connect") && play(p, "> SYN seq 0") && play(p, line) && play(p, "> ACK seq 1 ack 1");
    } else {
        snprintf(line, sizeof line, "< SYN seq 0 win %d %s", (int)win, options);
        good = play(p, "listen") && play(p, line) && play(p, "> SYN ACK seq 0 ack 1");
        snprintf(line, sizeof line, "+%lluus < ACK seq 1 ack 1", (unsigned long long)rtt_us);
        good = good && play(p, line);
    }
    good = good && play(p, "accept");
    p->expectations = expectations;
    return good;
}
