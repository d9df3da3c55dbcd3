/* SPDX-License-Identifier: BSD-3-Clause */
/* What the users of the simulated connections do: write, read, close, abort, each in its own way. */
#include "world.h"

static uint8_t pattern(uint64_t key, uint64_t position)
{
    uint64_t x = (key + position / 8) * 0x9e3779b97f4a7c15u;
    x ^= x >> 29;
    return (uint8_t)(x >> position % 8 * 8);
}

static struct plan *plan_of(const struct end *end)
{
    return &sim.plans[(size_t)((const uint8_t *)end - (const uint8_t *)sim.plans) / sizeof(struct plan)];
}

/* The user checks what it reads against what the other end wrote. */
static void user_check(struct end *end, struct view bytes)
{
    struct plan *plan = plan_of(end);
    const struct end *peer = end == &plan->ends[0] ? &plan->ends[1] : &plan->ends[0];
    CHECK(!end->fin || bytes.len == 0 || end->read != READ_AT_ONCE, "bytes behind FIN");
    CHECK(end->received + bytes.len <= peer->written, "port %u: more bytes than were written", plan->port);
    for (size_t i = 0; i < bytes.len; i++) {
        CHECK(bytes.data[i] == pattern(peer->key, end->received + i), "port %u: byte %" PRIu64 " is wrong",
              plan->port, end->received + i);
    }
    end->received += bytes.len;
}

static void user_read(struct host *h, struct end *end, size_t n)
{
    const struct fifo *f = tcp_received(h->e, end->id);
    while (n > 0 && f->len > 0) {
        struct view v = fifo_peek(&h->blocks, f);
        v.len = v.len < n ? v.len : n;
        user_check(end, v);
        tcp_consume(h->e, end->id, v.len, sim.now_us);
        n -= v.len;
    }
}

static void user_abort(struct host *h, struct end *end)
{
    end->aborted = true;
    sums.aborted++;
    tcp_abort(h->e, end->id);
}

/* When the faults have ended the users, too, do their best: what is slow then is the engines' doing. */
static bool eager(void)
{
    return sim.calm_us != UINT64_MAX && sim.now_us >= sim.calm_us;
}

static bool stalled(const struct end *end)
{
    return end->stall_us > sim.now_us && !eager();
}

void user_data(struct host *h, struct end *end, struct view data)
{
    size_t now = data.len;
    if (end->read == READ_SLOWLY || stalled(end)) {
        now = 0;
    } else if (end->read == READ_A_PART) {
        now = (size_t)draw(0, data.len);
    }
    user_check(end, view_of(data.data, now));
    if (now < data.len && tcp_keep(h->e, end->id, view_of(data.data + now, data.len - now)) != WAX_OK) {
        CHECK(sim.tight, "no block to keep bytes in");
        user_abort(h, end);
        return;
    }
    if (end->read == READ_WITH_STALLS && !stalled(end) && !eager() && chance(5)) {
        end->stall_us = sim.now_us + draw(SECOND_US / 10, 6 * SECOND_US); /* until its window is shut */
        sums.stalled++;
    }
    if (end->read != READ_SLOWLY && !stalled(end)) {
        user_read(h, end, end->read == READ_AT_ONCE ? SIZE_MAX : (size_t)draw(0, 4000));
    }
}

static void user_release(struct host *h, struct end *end)
{
    user_read(h, end, SIZE_MAX);
    h->users[end->id] = NULL;
    end->live = false;
    end->done = true;
    tcp_release(h->e, end->id);
}

void user_events(struct host *h, struct end *end, uint32_t events)
{
    CHECK(!end->closed, "event %x after CLOSED", events);
    if ((events & TCP_EV_OPENED) != 0) {
        CHECK(!end->opened, "opened twice");
        end->opened = true;
    }
    if ((events & TCP_EV_FIN) != 0) {
        CHECK(!end->fin, "FIN twice");
        end->fin = true;
    }
    if ((events & TCP_EV_CLOSED) != 0) {
        end->closed = true;
        end->status = tcp_status(h->e, end->id);
        end->action_us = sim.now_us;
    }
}

/*
 * A passive open: which plan is it? `first` is the first sequence number of its stream: a delayed segment can
 * bring back what has ended, by a cookie that is still good, while the next plan opens the same port.
 */
struct end *user_accept(struct host *h, uint32_t id, uint32_t first)
{
    const struct tcp_tuple *t = tcp_peer(h->e, id);
    for (uint32_t i = 0; i < sim.plans_count; i++) {
        struct plan *plan = &sim.plans[i];
        struct end *end = &plan->ends[1];
        if (plan->port == t->peer_port && plan->first == first && plan->started && !plan->ends[0].done &&
            !end->live && !end->done) {
            end->live = true;
            end->id = id;
            end->action_us = sim.now_us;
            h->users[id] = end;
            return end;
        }
    }
    return NULL;
}

static void user_write(struct host *h, struct end *end)
{
    uint64_t want = end->total - end->written;
    uint8_t bytes[65536];
    want = want < end->chunk ? want : end->chunk;
    uint32_t room = tcp_send_room(h->e, end->id);
    want = want < room ? want : room;
    if (want == 0) {
        return;
    }
    if (chance(50)) {
        struct span span = tcp_reserve(h->e, end->id, want < FIFO_BLOCK_DATA_BYTES ? (size_t)want : 1);
        size_t n = span.len < want ? span.len : (size_t)want;
        for (size_t i = 0; i < n; i++) {
            span.data[i] = pattern(end->key, end->written + i);
        }
        if (span.len > 0) {
            tcp_commit(h->e, end->id, n);
        }
        CHECK(span.len > 0 || sim.tight, "no block to write to");
        end->written += n;
        return;
    }
    for (size_t i = 0; i < want; i++) {
        bytes[i] = pattern(end->key, end->written + i);
    }
    enum wax_status status = tcp_write(h->e, end->id, view_of(bytes, (size_t)want));
    CHECK(status == WAX_OK || (sim.tight && status == WAX_NO_MEMORY), "write: %s", wax_status_text(status));
    end->written += status == WAX_OK ? want : 0;
}

/* What a user does from time to time. */
static void user_act(struct host *h, struct end *end)
{
    end->action_us = sim.now_us + draw(100, eager() ? 1000 : 30000);
    if (end->closed) {
        user_release(h, end);
        return;
    }
    if (end->read != READ_AT_ONCE && !stalled(end)) {
        user_read(h, end, eager() ? SIZE_MAX : (size_t)draw(0, 16000));
    }
    if (!end->opened && chance(80)) {
        return;
    }
    const struct plan *plan = plan_of(end);
    const struct end *peer = end == &plan->ends[0] ? &plan->ends[1] : &plan->ends[0];
    /* The peer aborted and its RST was lost: an end that only listens can't know. Users have clocks for that.
     */
    bool deserted =
        peer->done && peer->aborted && sim.calm_us != UINT64_MAX && sim.now_us > sim.calm_us + 30 * SECOND_US;
    if (end->aborted) {
        return;
    }
    if (end->written >= end->abort_at || deserted) {
        user_abort(h, end);
        return;
    }
    if (end->written < end->total) {
        user_write(h, end);
        return;
    }
    if (!end->opened) {
        return;
    }
    if (end->close == CLOSE_AFTER_PEER && !end->fin) {
        return;
    }
    tcp_close(h->e, end->id, sim.now_us);
    if (end->close == CLOSE_AND_RELEASE && end->fin && tcp_received(h->e, end->id)->len == 0) {
        end->status = WAX_OK; /* the rest goes on without us */
        user_release(h, end);
    }
}

/* Most transfers are too short to reach the end of sequence space by themselves. */
void near_wrap(struct host *h, uint32_t id)
{
    struct tcp_conn *c = &h->e->conns[id];
    if (sim.wraps && (c->state == TCP_STATE_SYN_SENT || c->state == TCP_STATE_SYN_RECEIVED) &&
        c->snd_max == c->snd_una) {
        c->snd_una = c->snd_nxt = c->snd_max = c->recover = 0u - (uint32_t)draw(1, 3000);
    }
}

static void plan_start(struct plan *plan)
{
    struct host *h = &sim.hosts[0];
    struct tcp_tuple t = {sim.addrs[1], sim.addrs[0], PORT, plan->port};
    struct end *end = &plan->ends[0];
    enum wax_status status = tcp_connect(h->e, &t, 0, sim.now_us, &end->id);
    if (status != WAX_OK) {
        CHECK(status == WAX_EXISTS || (status == WAX_TCP_CONNS_FULL), "connect: %s", wax_status_text(status));
        plan->start_us = sim.now_us + draw(1, 2 * SECOND_US);
        return;
    }
    plan->started = end->live = true;
    near_wrap(h, end->id);
    plan->first = h->e->conns[end->id].snd_una + 1;
    end->action_us = sim.now_us;
    h->users[end->id] = end;
}

/* Both ends are done, or the first one was and the second never heard of it. */
bool plan_over(const struct plan *plan)
{
    const struct end *first = &plan->ends[0], *second = &plan->ends[1];
    return first->done && (second->done || (!second->live && first->status != WAX_OK));
}

/* The users' turn; returns when one of them wants to act next. */
uint64_t users_act(void)
{
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < sim.plans_count; i++) {
        struct plan *plan = &sim.plans[i];
        /* A plan on the same port waits for the one before it. */
        bool waits = i > 0 && sim.plans[i - 1].port == plan->port && !plan_over(&sim.plans[i - 1]);
        if (!plan->started && !waits && plan->start_us <= sim.now_us) {
            if (i > 0 && sim.plans[i - 1].port == plan->port && !sim.plans[i - 1].ends[1].done) {
                plan->port = (uint16_t)(plan->port + 1000); /* remains of that one may still come to life */
            }
            plan_start(plan);
        }
        if (!plan->started && !waits) {
            next = plan->start_us < next ? plan->start_us : next;
        }
        for (uint32_t j = 0; j < 2; j++) {
            struct end *end = &plan->ends[j];
            if (end->live && end->action_us <= sim.now_us) {
                user_act(&sim.hosts[j], end);
            }
            if (end->live && end->action_us < next) {
                next = end->action_us;
            }
        }
    }
    return next;
}
