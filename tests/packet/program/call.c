/* SPDX-License-Identifier: BSD-3-Clause */
/* What the user of the engine does, and what the script changes around it. */
#include "play.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>

#define WRITE_MAX (1u << 20)

/* Ends a call: `= STATUS` says what it must have returned, else WAX_OK. */
static bool returned(struct play *p, struct text *t, const char *what, enum wax_status got)
{
    const char *wanted = "OK";
    if (text_is(t, "=")) {
        p->expectations++;
        wanted = text_next(t);
    }
    if (wanted == NULL || strcmp(wanted, wax_status_name(got)) != 0) {
        return play_fail(p, "expected  %s = %s\n    got       %s", what, wanted != NULL ? wanted : "?",
                         wax_status_name(got));
    }
    return play_pump(p);
}

static bool number(struct play *p, struct text *t, int64_t least, int64_t most, int64_t *value)
{
    const char *word = text_next(t);
    if (word == NULL || !text_number(word, value) || *value < least || *value > most) {
        return play_fail(p, "needs a number from %lld to %lld", (long long)least, (long long)most);
    }
    return true;
}

static bool has_conn(struct play *p)
{
    return p->flow->id != TCP_NONE || play_fail(p, "the flow has no connection");
}

static bool check_bytes(struct play *p, struct flow *f, struct view v)
{
    for (size_t i = 0; i < v.len; i++) {
        if (v.data[i] != pattern_byte(f->received + i, f->other)) {
            return play_fail(p, "byte %llu of the stream is wrong", (unsigned long long)(f->received + i));
        }
    }
    f->received += v.len;
    return true;
}

/* Takes up to `n` bytes from the receive queue; returns how many, or -1. */
static int64_t take_queued(struct play *p, struct flow *f, uint64_t n)
{
    const struct fifo *queue = tcp_received(p->engine, f->id);
    uint64_t taken = 0;
    while (taken < n && queue->len > 0) {
        struct view v = fifo_peek(&p->blocks, queue);
        v.len = v.len < n - taken ? v.len : (size_t)(n - taken);
        if (!check_bytes(p, f, v)) {
            return -1;
        }
        taken += v.len;
        tcp_consume(p->engine, f->id, v.len, p->now_us);
    }
    return (int64_t)taken;
}

bool call_data(struct play *p, struct flow *f, struct view data)
{
    if (f->hold) {
        enum wax_status status = tcp_keep(p->engine, f->id, data);
        return status == WAX_OK || play_fail(p, "tcp_keep: %s", wax_status_text(status));
    }
    return check_bytes(p, f, data) && take_queued(p, f, UINT64_MAX) >= 0;
}

static bool call_listen(struct play *p, struct text *t, bool on)
{
    int64_t port = p->flow->tuple.local_port;
    const char *word = text_peek(t);
    if (word != NULL && strcmp(word, "=") != 0 && !number(p, t, 0, UINT16_MAX, &port)) {
        return false;
    }
    return returned(p, t, on ? "listen" : "unlisten",
                    on ? tcp_listen(p->engine, NULL, (uint16_t)port, 7)
                       : tcp_unlisten(p->engine, NULL, (uint16_t)port));
}

static bool call_connect(struct play *p, struct text *t)
{
    struct flow *f = p->flow;
    uint32_t id = f->id;
    enum wax_status status = tcp_connect(p->engine, &f->tuple, 9, p->now_us, &id);
    if (status == WAX_OK) {
        f->id = id;
        f->generation = tcp_generation(p->engine, id);
    }
    return returned(p, t, "connect", status);
}

static bool call_write(struct play *p, struct text *t)
{
    int64_t n;
    if (!has_conn(p) || !number(p, t, 0, WRITE_MAX, &n)) {
        return false;
    }
    uint8_t *bytes = (uint8_t *)malloc((size_t)n + 1);
    uint64_t at = tcp_written(p->engine, p->flow->id);
    for (int64_t i = 0; i < n; i++) {
        bytes[i] = pattern_byte(at + (uint64_t)i, false);
    }
    enum wax_status status = tcp_write(p->engine, p->flow->id, view_of(bytes, (size_t)n));
    free(bytes);
    return returned(p, t, "write", status);
}

static bool call_read(struct play *p, struct text *t)
{
    int64_t n;
    if (!has_conn(p) || !number(p, t, 1, INT32_MAX, &n)) {
        return false;
    }
    p->expectations++;
    int64_t got = take_queued(p, p->flow, (uint64_t)n);
    if (got >= 0 && got != n) {
        return play_fail(p, "expected  to read %lld bytes\n    got       %lld", (long long)n, (long long)got);
    }
    return got == n && play_pump(p);
}

static bool on_off(struct play *p, struct text *t, bool *value)
{
    if (text_end(t) || text_is(t, "on")) {
        *value = true;
    } else if (text_is(t, "off")) {
        *value = false;
    } else {
        return play_fail(p, "on or off?");
    }
    return play_pump(p);
}

/* Holds blocks of the pool back, as other connections would: `blocks 3` leaves three free. */
static bool call_blocks(struct play *p, struct text *t)
{
    int64_t left;
    if (!number(p, t, 0, INT32_MAX, &left)) {
        return false;
    }
    while (p->blocks.free_count > left) {
        void *block = pool_take(&p->blocks);
        memcpy(block, &p->taken, sizeof p->taken);
        p->taken = block;
    }
    while (p->taken != NULL && p->blocks.free_count < left) {
        void *block = p->taken;
        memcpy(&p->taken, block, sizeof p->taken);
        pool_give(&p->blocks, block);
    }
    return p->blocks.free_count == left || play_fail(p, "only %u blocks could be free", p->blocks.free_count);
}

/* `flow NAME [port N] [local-port N] [host N] [iss N]`: makes it the current one. */
static bool call_flow(struct play *p, struct text *t)
{
    const char *name = text_next(t);
    struct flow *f = name != NULL ? play_flow(p, name) : NULL;
    if (f == NULL) {
        return play_fail(p, "flow needs a name");
    }
    p->flow = f;
    while (!text_end(t)) {
        char what[TEXT_WORD_BYTES];
        int64_t value;
        strcpy(what, text_next(t));
        if (!number(p, t, INT32_MIN, UINT32_MAX, &value)) {
            return false;
        }
        if (strcmp(what, "port") == 0) {
            f->tuple.peer_port = (uint16_t)value;
        } else if (strcmp(what, "local-port") == 0) {
            f->tuple.local_port = (uint16_t)value;
        } else if (strcmp(what, "host") == 0) {
            f->tuple.peer.b[15] = (uint8_t)value;
            f->tuple.peer.b[14] = (uint8_t)(value >> 8);
        } else if (strcmp(what, "iss") == 0) {
            f->iss = f->peer_next = (uint32_t)value;
        } else {
            return play_fail(p, "a flow has no '%s'", what);
        }
    }
    return true;
}

/* `fresh [N]`: numbers count from a new connection, whose SYN of the peer is N beyond the old one's. */
static bool call_fresh(struct play *p, struct text *t)
{
    struct flow *f = p->flow;
    int64_t step = 100000;
    if (!text_end(t) && !number(p, t, INT32_MIN, INT32_MAX, &step)) {
        return false;
    }
    f->iss += (uint32_t)step;
    f->peer_next = f->iss;
    f->irs = f->engine_next = 0;
    f->irs_known = false;
    f->peer_window = UINT16_MAX;
    f->received = 0;
    sound_fresh(f);
    return true;
}

static const char *const words[] = {"listen", "unlisten", "connect", "write", "read",
                                    "close",  "abort",    "release", "hold",  "stuck",
                                    "blocks", "flow",     "peer",    "fresh", "other"};

bool call_known(const char *word)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(word, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool call_end(struct play *p, const char *word)
{
    if (!has_conn(p)) {
        return false;
    }
    uint32_t id = p->flow->id;
    if (word[0] == 'c') {
        tcp_close(p->engine, id, p->now_us);
    } else if (word[0] == 'a') {
        tcp_abort(p->engine, id);
    } else {
        tcp_release(p->engine, id);
    }
    return play_pump(p);
}

bool call_run(struct play *p, const char *word, struct text *t)
{
    switch (word[0]) {
    case 'l':
    case 'u':
        return call_listen(p, t, word[0] == 'l');
    case 'w':
        return call_write(p, t);
    case 'h':
        return on_off(p, t, &p->flow->hold);
    case 's':
        return on_off(p, t, &p->stuck);
    case 'o':
        return on_off(p, t, &p->flow->other);
    case 'b':
        return call_blocks(p, t);
    case 'p':
        return text_is(t, "ts") ? on_off(p, t, &p->flow->ts_on) : play_fail(p, "peer ts on, or off");
    case 'f':
        return word[1] == 'l' ? call_flow(p, t) : call_fresh(p, t);
    case 'c':
        return word[1] == 'o' ? call_connect(p, t) : call_end(p, word);
    case 'r':
        return strcmp(word, "read") == 0 ? call_read(p, t) : call_end(p, word);
    default:
        return call_end(p, word);
    }
}
