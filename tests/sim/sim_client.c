/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client library against a model of the relay, over transports that move bytes by ones and thousands and
 * end at any byte. Checks what a client owes: every message not refused arrives at the application exactly
 * once and in order, each has exactly one first answer, windows hold, ACKs come within 16 deliveries and a
 * second.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/relay.h"
#include "core.h"

#define STEPS        6000u
#define CALM_STEPS   200000u
#define MESSAGES_MAX 8192u
#define WALL_MS      1700000000000ull

enum fate { FATE_OPEN, FATE_TAKEN, FATE_REFUSED };

/* A message of an application: to whom, under which id, and what has become of it. */
struct sent {
    uint64_t id;
    uint8_t to, fate;
    bool ephemeral, arrived;
};

struct device {
    struct wax_client *client;
    struct wax_identity identity;
    bool connected;
    struct buffer to_relay; /* on the wire */
    struct sent sent[MESSAGES_MAX];
    uint32_t sent_count;
    uint32_t last_number[MODEL_DEVICES]; /* received of each sender, plus one */
};

struct world {
    struct rng rng;
    uint64_t now_us, hash;
    struct model_relay relay;
    struct device devices[MODEL_DEVICES];
    uint64_t received, duplicates_hidden, cuts;
};

static struct world world;

static void note(uint64_t a, uint64_t b)
{
    world.hash = (world.hash ^ (a * 0x9E3779B97F4A7C15u + b)) * 0x100000001B3u;
}

static uint32_t device_of_user(const uint8_t user[WAX_USER_BYTES])
{
    uint32_t i = 0;

    while (memcmp(world.devices[i].identity.user, user, WAX_USER_BYTES) != 0)
        i++;
    return i;
}

static void on_message(struct device *d, const struct wax_client_incoming *m)
{
    uint32_t from = device_of_user(m->sender), number = load_be32(m->payload.data);
    struct sent *sent = &world.devices[from].sent[number];

    if (sent->id != m->id || sent->to != (uint32_t)(d - world.devices))
        model_fail("a message arrived somewhere else", m->id, number);
    if (sent->arrived)
        model_fail("a message arrived twice", from, number);
    sent->arrived = true;
    world.received++;
    note(m->id, from);
    if (sent->ephemeral)
        return;
    if (number < d->last_number[from])
        model_fail("a message arrived out of order", from, number);
    d->last_number[from] = number + 1;
}

static void on_status(struct device *d, const struct wax_client_answer *s)
{
    uint32_t i = d->sent_count;

    while (i > 0 && d->sent[i - 1].id != s->id)
        i--;
    if (i == 0)
        model_fail("an answer for nothing", s->id, s->kind);
    struct sent *sent = &d->sent[i - 1];
    note(s->id, s->kind);
    if (!s->first)
        return;
    if (sent->fate != FATE_OPEN)
        model_fail("a second first answer", s->id, s->kind);
    sent->fate = s->kind == WIRE_REJECTED ? FATE_REFUSED : FATE_TAKEN;
}

static void on_event(void *context, const struct wax_client_event *event)
{
    struct device *d = context;

    if (event->kind == WAX_CLIENT_MESSAGE)
        on_message(d, &event->message);
    else if (event->kind == WAX_CLIENT_STATUS)
        on_status(d, &event->status);
    else if (event->kind == WAX_CLIENT_CLOSED && event->closed.status != WAX_TCP_RESET &&
             event->closed.close_code != WIRE_CLOSE_RESTART)
        model_fail(wax_status_text(event->closed.status), event->closed.close_code, 0);
}

/* ---- what can happen ---- */

static void connect_device(uint32_t i)
{
    struct device *d = &world.devices[i];

    buffer_clear(&d->to_relay);
    model_connect(&world.relay, i);
    if (wax_client_connected(d->client, NULL, world.now_us) != WAX_OK)
        model_fail("cannot connect", i, 0);
    d->connected = true;
}

static void cut_device(uint32_t i)
{
    struct device *d = &world.devices[i];

    if (!d->connected)
        return;
    wax_client_disconnected(d->client, WAX_TCP_RESET);
    model_cut(&world.relay, i);
    buffer_clear(&d->to_relay);
    d->connected = false;
    world.cuts++;
}

static size_t some(size_t available)
{
    size_t n = rng_chance(&world.rng, 200000) ? (size_t)rng_between(&world.rng, 1, 20)
                                              : (size_t)rng_below(&world.rng, 3000);

    return n < available ? n : available;
}

static void move_to_relay(uint32_t i)
{
    struct device *d = &world.devices[i];
    struct view out = wax_client_output(d->client);

    if (out.len > 0) {
        size_t n = some(out.len);
        struct span room = buffer_reserve(&d->to_relay, n + 1);
        memcpy(room.data, out.data, n);
        buffer_commit(&d->to_relay, n);
        wax_client_written(d->client, n);
    }
    size_t n = some(buffer_view(&d->to_relay).len);
    if (n == 0)
        return;
    model_take(&world.relay, i, span_of(d->to_relay.data + d->to_relay.start, n));
    buffer_consume(&d->to_relay, n);
}

static void move_to_client(uint32_t i)
{
    struct device *d = &world.devices[i];
    struct buffer *out = &world.relay.devices[i].out;
    size_t n = some(buffer_view(out).len);

    if (n == 0)
        return;
    uint8_t *copy = malloc(n);
    memcpy(copy, out->data + out->start, n);
    buffer_consume(out, n);
    wax_client_input(d->client, span_of(copy, n), world.now_us);
    free(copy);
    if (wax_client_is_open(d->client) && d->client->unacknowledged >= CORE_ACK_EVERY)
        model_fail("an ACK is overdue in number", d->client->unacknowledged, i);
}

static void send_one(uint32_t i)
{
    struct device *d = &world.devices[i];
    uint8_t payload[4] = {0};
    struct sent *sent = &d->sent[d->sent_count];
    struct wax_client_message message = {.recipient_device = 1, .payload = view_of(payload, sizeof payload)};

    if (d->sent_count == MESSAGES_MAX)
        return;
    *sent = (struct sent){.to = (uint8_t)rng_below(&world.rng, MODEL_DEVICES),
                          .ephemeral = rng_chance(&world.rng, 100000)};
    message.flags = sent->ephemeral ? WIRE_SEND_EPHEMERAL : 0;
    memcpy(message.recipient, world.devices[sent->to].identity.user, WAX_USER_BYTES);
    store_be32(payload, d->sent_count++);
    if (wax_client_send(d->client, &message, WALL_MS + world.now_us / 1000, &sent->id) != WAX_OK)
        model_fail("cannot send", i, sent->id);
}

static void tick_all(void)
{
    for (uint32_t i = 0; i < MODEL_DEVICES; i++) {
        struct device *d = &world.devices[i];
        if (!d->connected)
            continue;
        if (wax_client_next_us(d->client) <= world.now_us)
            wax_client_tick(d->client, world.now_us);
        if (wax_client_is_open(d->client) && d->client->unacknowledged > 0 &&
            d->client->ack_us > world.now_us + 900000)
            model_fail("an ACK is overdue in time", d->client->ack_us, world.now_us);
        model_turn(&world.relay, i);
        if (wax_client_is_closed(d->client) && wax_client_output(d->client).len == 0)
            cut_device(i);
    }
}

static void step(bool calm)
{
    uint32_t i = (uint32_t)rng_below(&world.rng, MODEL_DEVICES);
    uint64_t dice = rng_below(&world.rng, 1000);

    world.now_us += rng_below(&world.rng, 20000);
    world.relay.now_us = world.now_us;
    tick_all();
    if (!world.devices[i].connected) {
        if (calm || dice < 300)
            connect_device(i);
    } else if (!calm && dice < 4) {
        cut_device(i);
    } else if (!calm && dice < 6) {
        model_drain(&world.relay, i);
    } else if (!calm && dice < 300) {
        send_one(i);
    } else if (dice < 650) {
        move_to_relay(i);
    } else {
        move_to_client(i);
    }
}

/* ---- a run ---- */

static void begin(uint64_t seed)
{
    memset(&world, 0, sizeof world);
    rng_init(&world.rng, seed);
    world.relay.rng = &world.rng;
    for (uint32_t i = 0; i < MODEL_DEVICES; i++) {
        struct device *d = &world.devices[i];
        struct wax_client_config config = {.device = 1, .host = "relay", .event = on_event, .context = d};
        uint8_t key_seed[32] = {(uint8_t)(i + 1)};
        wax_identity_from_seed(&config.identity, key_seed);
        d->identity = config.identity;
        memcpy(world.relay.devices[i].user, d->identity.user, WAX_USER_BYTES);
        rng_fill(&world.rng, span_of(config.seed, sizeof config.seed));
        config.ack_delay_ms = (uint32_t)rng_below(&world.rng, 901);
        if (wax_client_create(&d->client, &config) != WAX_OK)
            model_fail("cannot create", i, 0);
    }
}

static void end(void)
{
    for (uint32_t i = 0; i < MODEL_DEVICES; i++) {
        struct model_device *m = &world.relay.devices[i];
        wax_client_destroy(world.devices[i].client);
        buffer_free(&world.devices[i].to_relay);
        buffer_free(&m->head);
        buffer_free(&m->out);
        buffer_free(&m->gathered);
    }
}

static bool all_is_done(void)
{
    for (uint32_t i = 0; i < MODEL_DEVICES; i++) {
        if (wax_client_unanswered(world.devices[i].client) > 0 || !world.devices[i].connected)
            return false;
    }
    return model_is_done(&world.relay);
}

static void check_fates(void)
{
    for (uint32_t i = 0; i < MODEL_DEVICES; i++) {
        for (uint32_t n = 0; n < world.devices[i].sent_count; n++) {
            const struct sent *sent = &world.devices[i].sent[n];
            if (sent->fate == FATE_OPEN)
                model_fail("a message without an answer", i, n);
            if (sent->fate == FATE_TAKEN && !sent->ephemeral && !sent->arrived)
                model_fail("a message was lost", i, n);
        }
    }
}

static uint64_t run(uint64_t seed, bool verbose)
{
    uint32_t calm_steps = 0;

    begin(seed);
    for (uint32_t i = 0; i < STEPS; i++)
        step(false);
    world.relay.calm = true;
    while (!all_is_done()) {
        if (++calm_steps > CALM_STEPS)
            model_fail("it does not come to rest", world.now_us, 0);
        step(true);
    }
    check_fates();
    if (verbose)
        printf("seed %" PRIu64 ": %" PRIu64 " received, %" PRIu64 " cuts, %u calm steps, hash %016" PRIx64
               "\n",
               seed, world.received, world.cuts, calm_steps, world.hash);
    end();
    return world.hash;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, runs = 10;
    bool verbose = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0)
            verbose = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc)
            runs = strtoull(argv[++i], NULL, 0);
        else
            return fprintf(stderr, "usage: sim-client [--seed N] [--runs N] [--verbose]\n"), 2;
    }
    for (uint64_t i = 0; i < runs; i++) {
        fprintf(stderr, i == 0 ? "replay the last: sim-client --runs 1 --seed %" PRIu64 : " %" PRIu64,
                seed + i);
        uint64_t hash = run(seed + i, verbose);
        if (i == 0 && run(seed, false) != hash)
            model_fail("two runs of one seed differ", seed, hash);
    }
    fprintf(stderr, "\n");
    return 0;
}
