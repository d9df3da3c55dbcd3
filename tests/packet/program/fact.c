/* SPDX-License-Identifier: BSD-3-Clause */
/* What a script may ask of the engine: `cwnd >= 14600`, `state ESTABLISHED`, `counter TCP_PAWS 1`. */
#include "play.h"
#include "text.h"

static const char *const state_names[] = {
    "FREE",       "CLOSED",     "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
    "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",  "LAST-ACK",     "TIME-WAIT",
};

/* Numbers of the current flow's connection. */
#define CONN_FACTS(X)                                                                                        \
    X("cwnd", c->cwnd)                                                                                       \
    X("ssthresh", c->ssthresh)                                                                               \
    X("mss", c->mss)                                                                                         \
    X("srtt_us", c->srtt_us)                                                                                 \
    X("rttvar_us", c->rttvar_us)                                                                             \
    X("rto_ms", conn_rto_ms(p->engine, c))                                                                   \
    X("snd_wnd", c->snd_wnd)                                                                                 \
    X("rcv_wnd", conn_rcv_wnd(c))                                                                            \
    X("flight", c->snd_max - c->snd_una)                                                                     \
    X("snd_scale", c->snd_scale)                                                                             \
    X("rcv_scale", c->rcv_scale)                                                                             \
    X("ts_recent", c->ts_recent)                                                                             \
    X("pieces", reassembly_count(p->engine, c))                                                              \
    X("unacked", tcp_unacked(p->engine, f->id))                                                              \
    X("acked", tcp_acked(p->engine, f->id))                                                                  \
    X("room", tcp_send_room(p->engine, f->id))                                                               \
    X("tag", tcp_tag(p->engine, f->id))                                                                      \
    X("unread", tcp_received(p->engine, f->id)->len)

/* Sums of the engine (`stat NAME`). */
#define STATS(X)                                                                                             \
    X(segments_in)                                                                                           \
    X(segments_out)                                                                                          \
    X(bytes_in)                                                                                              \
    X(bytes_out)                                                                                             \
    X(retransmits)                                                                                           \
    X(timeouts)                                                                                              \
    X(fast_recoveries)                                                                                       \
    X(probes)                                                                                                \
    X(out_of_order)                                                                                          \
    X(boards_taken)                                                                                          \
    X(boards_short)                                                                                          \
    X(sack_rounds)                                                                                           \
    X(sacks_bad)                                                                                             \
    X(sacks_forgotten)                                                                                       \
    X(sack_reneges)                                                                                          \
    X(rack_losses)                                                                                           \
    X(reorders)                                                                                              \
    X(tlp_probes)                                                                                            \
    X(tlp_losses)                                                                                            \
    X(dsacks)                                                                                                \
    X(undone)                                                                                                \
    X(sacks_sent)                                                                                            \
    X(boards_taken)                                                                                          \
    X(sack_rounds)                                                                                           \
    X(sacks_bad)                                                                                             \
    X(sack_reneges)                                                                                          \
    X(rack_losses)                                                                                           \
    X(tlp_probes)                                                                                            \
    X(tlp_losses)                                                                                            \
    X(dsacks)                                                                                                \
    X(undone)                                                                                                \
    X(ecn_marks)                                                                                             \
    X(ecn_reductions)                                                                                        \
    X(dsacks_sent)                                                                                           \
    X(challenge_acks)                                                                                        \
    X(fast_path_in)                                                                                          \
    X(opened_passive)                                                                                        \
    X(opened_active)                                                                                         \
    X(cookies_sent)                                                                                          \
    X(mtu_lowered)                                                                                           \
    X(black_holes)                                                                                           \
    X(cookies_accepted)                                                                                      \
    X(conns)                                                                                                 \
    X(half_open)                                                                                             \
    X(time_wait)

static bool conn_number(struct play *p, const char *word, int64_t *value)
{
    const struct flow *f = p->flow;
    const struct tcp_conn *c = conn_at(p->engine, f->id);
#define X(name, expression)                                                                                  \
    if (strcmp(word, name) == 0) {                                                                           \
        *value = (int64_t)(expression);                                                                      \
        return true;                                                                                         \
    }
    CONN_FACTS(X)
#undef X
    return false;
}

static bool stat_number(struct play *p, const char *word, int64_t *value)
{
    const struct tcp_stats *s = tcp_stats(p->engine);
#define X(name)                                                                                              \
    if (strcmp(word, #name) == 0) {                                                                          \
        *value = (int64_t)s->name;                                                                           \
        return true;                                                                                         \
    }
    STATS(X)
#undef X
    return false;
}

static bool is_conn_fact(const char *word)
{
#define X(name, expression)                                                                                  \
    if (strcmp(word, name) == 0) {                                                                           \
        return true;                                                                                         \
    }
    CONN_FACTS(X)
#undef X
    return false;
}

bool fact_known(const char *word)
{
    static const char *const others[] = {"state", "status", "stat", "counter", "event", "received", "accept"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(word, others[i]) == 0) {
            return true;
        }
    }
    return is_conn_fact(word);
}

static bool compare(struct play *p, const char *what, struct text *t, int64_t got)
{
    const char *wanted = t->at;
    struct match m;
    if (!text_match(t, &m) || m.op == MATCH_ANY) {
        return play_fail(p, "'%s' needs a number", what);
    }
    if (!match_holds(&m, got)) {
        return play_fail(p, "expected  %s%s\n    got       %s %lld (at %.3f ms)", what, wanted, what,
                         (long long)got, play_ms(p, p->now_us));
    }
    return true;
}

static bool check_state(struct play *p, struct text *t)
{
    const char *wanted = text_next(t);
    const struct flow *f = p->flow;
    bool gone = f->id == TCP_NONE || tcp_generation(p->engine, f->id) != f->generation;
    const char *got = gone ? "FREE" : state_names[tcp_state(p->engine, f->id)];
    bool known = false;
    for (size_t i = 0; i < sizeof state_names / sizeof state_names[0]; i++) {
        known = known || (wanted != NULL && strcmp(wanted, state_names[i]) == 0);
    }
    if (!known) {
        return play_fail(p, "no such state: '%s'", wanted != NULL ? wanted : "");
    }
    return strcmp(wanted, got) == 0 || play_fail(p, "expected  state %s\n    got       state %s (at %.3f ms)",
                                                 wanted, got, play_ms(p, p->now_us));
}

static int status_of(const char *word)
{
    for (int i = 0; word != NULL && i < WAX_STATUS_COUNT; i++) {
        if (strcmp(word, wax_status_name((enum wax_status)i)) == 0) {
            return i;
        }
    }
    return -1;
}

static bool check_status(struct play *p, struct text *t)
{
    const char *wanted = text_next(t);
    if (status_of(wanted) < 0) {
        return play_fail(p, "no such status: '%s'", wanted != NULL ? wanted : "");
    }
    if (p->flow->id == TCP_NONE) {
        return play_fail(p, "the flow has no connection");
    }
    const char *got = wax_status_name(tcp_status(p->engine, p->flow->id));
    return strcmp(wanted, got) == 0 ||
           play_fail(p, "expected  status %s\n    got       status %s", wanted, got);
}

/* Exactly these events since the script last looked. */
static bool check_events(struct play *p, struct text *t, bool accept)
{
    static const char *const names[] = {"OPENED", "DATA", "ACKED", "FIN", "RESET", "CLOSED"};
    uint32_t wanted = accept ? TCP_EV_OPENED : 0, seen = p->flow->events;
    const char *word;
    while (!accept && (word = text_next(t)) != NULL) {
        size_t i = 0;
        while (i < 6 && strcmp(word, names[i]) != 0) {
            i++;
        }
        if (i == 6 && strcmp(word, "none") != 0) {
            return play_fail(p, "no such event: '%s'", word);
        }
        wanted |= i < 6 ? 1u << i : 0;
    }
    p->flow->events = 0;
    char told[2][128] = {"", ""};
    for (size_t i = 0; i < 12; i++) {
        if (((i < 6 ? wanted : seen) & 1u << i % 6) != 0) {
            strcat(strcat(told[i / 6], " "), names[i % 6]);
        }
    }
    if (wanted == seen) {
        return true;
    }
    return play_fail(p, "expected  event%s\n    got       event%s", wanted != 0 ? told[0] : " none",
                     seen != 0 ? told[1] : " none");
}

bool fact_check(struct play *p, const char *word, struct text *t)
{
    char name[TEXT_WORD_BYTES];
    int64_t value = 0;
    strcpy(name, word);
    p->expectations++;
    if (strcmp(name, "state") == 0) {
        return check_state(p, t);
    }
    if (strcmp(name, "status") == 0) {
        return check_status(p, t);
    }
    if (strcmp(name, "event") == 0 || strcmp(name, "accept") == 0) {
        return check_events(p, t, name[0] == 'a');
    }
    if (strcmp(name, "received") == 0) {
        return compare(p, name, t, (int64_t)p->flow->received);
    }
    if (strcmp(name, "counter") == 0) {
        int status = status_of(text_next(t));
        strcpy(name, t->word);
        return status < 0 ? play_fail(p, "no such counter: '%s'", name)
                          : compare(p, name, t, (int64_t)p->counters[status]);
    }
    if (strcmp(name, "stat") == 0) {
        const char *stat = text_next(t);
        if (stat == NULL || !stat_number(p, stat, &value)) {
            return play_fail(p, "no such stat: '%s'", stat != NULL ? stat : "");
        }
        strcpy(name, stat);
        return compare(p, name, t, value);
    }
    if (p->flow->id == TCP_NONE || !conn_number(p, name, &value)) {
        return play_fail(p, "the flow has no connection to ask for '%s'", name);
    }
    return compare(p, name, t, value);
}
