/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections of the host: TLS's client side, and the client library on top. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>

#include "rig.h"

static void received(struct peer *peer, struct span plain)
{
    if (peer->client != NULL) {
        if (!wax_client_is_closed(peer->client))
            (void)wax_client_input(peer->client, plain, peer->rig->now_us);
        return;
    }
    cr_assert(peer->len + plain.len <= RIG_BYTES);
    memcpy(peer->bytes + peer->len, plain.data, plain.len);
    peer->len += plain.len;
}

/* Give the handshake what has come; afterwards the rest of it are records. */
static size_t shake(struct peer *peer, struct view in)
{
    struct tls_shake_result result;
    uint8_t out[TLS_SHAKE_OUT_BYTES];
    size_t consumed = 0, out_len = 0;
    enum wax_status status =
        tls_shake_input(peer->shake, in, span_of(out, sizeof out), &consumed, &out_len, &result);
    if (out_len > 0)
        cr_assert_eq(tcp_write(peer->rig->host, peer->id, view_of(out, out_len)), WAX_OK);
    if (status == WAX_MORE)
        return consumed;
    tls_shake_free(peer->shake);
    peer->shake = NULL;
    peer->tls_status = status;
    if (status == WAX_OK) {
        cr_assert_eq(tls_state_init(&peer->state, &result), WAX_OK);
        memcpy(peer->binding, result.binding, sizeof peer->binding);
        peer->sealed = true;
    }
    return consumed;
}

static size_t records(struct peer *peer, struct span in)
{
    struct tls_event event = {0};
    uint8_t out[TLS_OUT_BYTES];
    enum wax_status status = tls_input(&peer->state, in, span_of(out, sizeof out), peer->rig->now_us, &event);
    if (event.out_len > 0)
        (void)tcp_write(peer->rig->host, peer->id, view_of(out, event.out_len));
    if (status == WAX_MORE)
        return 0;
    if (status != WAX_OK)
        peer->tls_status = status;
    if (event.data.len > 0) {
        if (peer->records < RIG_RECORDS)
            peer->record[peer->records] = (uint32_t)event.consumed;
        peer->records++;
        received(peer, event.data);
    }
    return event.consumed;
}

/* Work off the receive queue, which has everything that came. */
static void take(struct peer *peer)
{
    static uint8_t bytes[1u << 20];
    struct rig *rig = peer->rig;
    const struct fifo *fifo = tcp_received(rig->host, peer->id);
    while (fifo->len > 0 && !peer->stalled) {
        size_t len = fifo_copy(&rig->host_blocks, fifo, 0, span_of(bytes, sizeof bytes)), used = len;
        if (peer->shake != NULL)
            used = shake(peer, view_of(bytes, len));
        else if (peer->sealed)
            used = records(peer, span_of(bytes, len));
        else
            received(peer, span_of(bytes, len));
        if (used == 0)
            return;
        tcp_consume(rig->host, peer->id, used, rig->now_us);
    }
}

static void write_sealed(struct peer *peer, struct view plain)
{
    uint8_t record[WAX_TLS_RECORD_BYTES_MAX];
    size_t len;
    while (plain.len > 0) {
        struct view part = view_of(plain.data, plain.len < 16000 ? plain.len : 16000);
        if (peer->tls) {
            if (tls_answer_due(&peer->state)) {
                cr_assert_eq(tls_answer(&peer->state, span_of(record, sizeof record), &len), WAX_OK);
                cr_assert_eq(tcp_write(peer->rig->host, peer->id, view_of(record, len)), WAX_OK);
            }
            cr_assert_eq(
                tls_seal(&peer->state.tx, TLS_APPLICATION_DATA, part, span_of(record, sizeof record), &len),
                WAX_OK);
            cr_assert_eq(tcp_write(peer->rig->host, peer->id, view_of(record, len)), WAX_OK);
        } else {
            cr_assert_eq(tcp_write(peer->rig->host, peer->id, part), WAX_OK);
        }
        plain = view_of(plain.data + part.len, plain.len - part.len);
    }
}

void peer_write(struct peer *peer, const void *bytes, size_t len)
{
    write_sealed(peer, view_of(bytes, len));
}

void peer_print(struct peer *peer, const char *text)
{
    peer_write(peer, text, strlen(text));
}

void peer_turn(struct peer *peer, uint32_t events, struct view data)
{
    struct rig *rig = peer->rig;
    if (events & TCP_EV_OPENED) {
        peer->opened = true;
        if (peer->shake != NULL)
            (void)shake(peer, view_of(NULL, 0));
    }
    if (data.len > 0)
        cr_assert_eq(tcp_keep(rig->host, peer->id, data), WAX_OK);
    if (!peer->closed)
        take(peer);
    if (events & TCP_EV_FIN)
        peer->fin = true;
    if (events & TCP_EV_RESET)
        peer->reset = true;
    if (peer->client != NULL && !peer->closed && !peer->mute) {
        (void)wax_client_tick(peer->client, rig->now_us);
        struct view out = wax_client_output(peer->client);
        size_t room = tcp_send_room(rig->host, peer->id);
        if (out.len > 0 && room > 2 * out.len + 1024) {
            write_sealed(peer, out);
            wax_client_written(peer->client, out.len);
        }
    }
    if (events & TCP_EV_CLOSED) {
        peer->closed = true;
        if (peer->client != NULL)
            wax_client_disconnected(peer->client, peer->reset ? WAX_TCP_RESET : WAX_OK);
        tcp_release(rig->host, peer->id);
    } else if (peer->fin && !peer->stalled && !peer->closed) {
        tcp_close(rig->host, peer->id, rig->now_us);
    }
}

struct peer *peer_connect_raw(struct rig *rig, uint16_t port)
{
    cr_assert(rig->peer_count < sizeof rig->peer / sizeof rig->peer[0]);
    struct peer *peer = calloc(1, sizeof *peer);
    peer->rig = rig;
    peer->tls = port == RIG_PORT_TLS;
    peer->in_order = true;
    peer->bytes = malloc(RIG_BYTES);
    struct tcp_tuple tuple = {.peer = addr_ip4(0xc6120001u),
                              .local = addr_ip4(0xc6120002u),
                              .peer_port = port,
                              .local_port = (uint16_t)(20000 + rig->peer_count)};
    if (peer->tls)
        peer->shake = tls_shake_new_client(rig->client, "relay.example");
    cr_assert_eq(tcp_connect(rig->host, &tuple, 0, rig->now_us, &peer->id), WAX_OK);
    rig->peer[rig->peer_count++] = peer;
    return peer;
}

struct peer *peer_connect(struct rig *rig, uint16_t port)
{
    struct peer *peer = peer_connect_raw(rig, port);
    for (uint32_t i = 0; i < 5000 && !(peer->opened && (!peer->tls || peer->sealed)); i++)
        rig_turn(rig, 1000);
    cr_assert(peer->opened && (!peer->tls || peer->sealed), "the connection does not open");
    return peer;
}

static void client_event(void *context, const struct wax_client_event *event)
{
    struct peer *peer = context;
    switch (event->kind) {
    case WAX_CLIENT_OPENED:
        peer->opens++;
        break;
    case WAX_CLIENT_MESSAGE: {
        struct view payload = event->message.payload;
        peer->messages++;
        peer->last_flags = event->message.flags;
        peer->last_payload_len =
            payload.len < sizeof peer->last_payload ? payload.len : sizeof peer->last_payload;
        memcpy(peer->last_payload, payload.data, peer->last_payload_len);
        if (payload.len >= 4)
            peer->in_order = peer->in_order && load_be32(payload.data) == peer->next_number++;
        break;
    }
    case WAX_CLIENT_STATUS:
        peer->accepted += event->status.kind == WIRE_ACCEPTED;
        peer->delivered += event->status.kind == WIRE_DELIVERED;
        peer->rejected += event->status.kind == WIRE_REJECTED;
        peer->last_reason = event->status.reason;
        break;
    case WAX_CLIENT_REPLY:
    case WAX_CLIENT_ERROR:
        break;
    case WAX_CLIENT_CLOSED:
        peer->end = event->closed;
        peer->ended = true;
        break;
    }
}

static void seed_of(uint8_t seed[32], uint8_t person)
{
    memset(seed, 0, 32);
    seed[0] = person;
}

void peer_open(struct peer *peer, uint8_t person, uint16_t device)
{
    struct wax_client_config config = {.device = device,
                                       .host = "relay.example",
                                       .event = client_event,
                                       .context = peer,
                                       .seed = {person, 1}};
    uint8_t seed[32];
    seed_of(seed, person);
    wax_identity_from_seed(&config.identity, seed);
    cr_assert_eq(wax_client_create(&peer->client, &config), WAX_OK);
    cr_assert_eq(wax_client_connected(peer->client, peer->tls ? peer->binding : NULL, peer->rig->now_us),
                 WAX_OK);
}

uint64_t peer_send(struct peer *peer, uint8_t person, const void *payload, size_t len)
{
    struct wax_client_message message = {.recipient_device = 1, .payload = view_of(payload, len)};
    struct wax_identity identity;
    uint8_t seed[32];
    uint64_t id = 0;
    seed_of(seed, person);
    wax_identity_from_seed(&identity, seed);
    memcpy(message.recipient, identity.user, sizeof identity.user);
    cr_assert_eq(wax_client_send(peer->client, &message, peer->rig->wall_ms, &id), WAX_OK);
    return id;
}

void peer_free(struct peer *peer)
{
    if (peer->shake != NULL)
        tls_shake_free(peer->shake);
    wax_client_destroy(peer->client);
    free(peer->bytes);
    free(peer);
}
