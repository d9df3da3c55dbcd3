/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

struct bench bench;
struct wax_client_message to_bob;

static void on_event(void *context, const struct wax_client_event *event)
{
    struct bench *b = context;

    switch (event->kind) {
    case WAX_CLIENT_OPENED:
        b->opened++;
        b->last_opened = event->opened;
        break;
    case WAX_CLIENT_MESSAGE:
        b->ids[b->messages++ % 256] = event->message.id;
        b->last_message = event->message;
        if (event->message.payload.len <= sizeof b->payload)
            memcpy(b->payload, event->message.payload.data, event->message.payload.len);
        if (b->close_on_message)
            wax_client_close(b->client, b->now_us);
        break;
    case WAX_CLIENT_STATUS:
        b->statuses++;
        b->last_status = event->status;
        break;
    case WAX_CLIENT_REPLY:
        b->replies++;
        b->last_reply = event->reply;
        break;
    case WAX_CLIENT_ERROR:
        b->errors++;
        b->last_error = event->error;
        break;
    case WAX_CLIENT_CLOSED:
        b->closes++;
        b->last_closed = event->closed;
        break;
    }
}

void client_to_relay(void)
{
    struct view out;

    while ((out = wax_client_output(bench.client)).len > 0) {
        size_t n = bench.relay.step != 0 && bench.relay.step < out.len ? bench.relay.step : out.len;
        relay_take(&bench.relay, view_of(out.data, n));
        wax_client_written(bench.client, n);
    }
}

enum wax_status exchange(void)
{
    enum wax_status status = WAX_OK;

    client_to_relay();
    while (buffer_view(&bench.relay.out).len > 0) {
        struct view out = buffer_view(&bench.relay.out);
        size_t n = bench.relay.step != 0 && bench.relay.step < out.len ? bench.relay.step : out.len;
        uint8_t *bytes = malloc(n);
        memcpy(bytes, out.data, n);
        buffer_consume(&bench.relay.out, n);
        status = wax_client_input(bench.client, span_of(bytes, n), bench.now_us);
        free(bytes);
        client_to_relay();
    }
    return status;
}

void bench_begin(void)
{
    uint8_t seed[32];

    memset(seed, 7, sizeof seed);
    bench.now_us = 1000000;
    wax_identity_from_seed(&bench.config.identity, seed);
    bench.config.device = 5;
    bench.config.host = "relay.example";
    bench.config.event = on_event;
    bench.config.context = &bench;
    memset(bench.config.seed, 9, sizeof bench.config.seed);
    cr_assert_eq(wax_client_create(&bench.client, &bench.config), WAX_OK);
    relay_reset(&bench.relay);
    memset(to_bob.recipient, 0xb0, sizeof to_bob.recipient);
    to_bob.recipient_device = 2;
    to_bob.payload = view_of("hello", 5);
}

void bench_end(void)
{
    wax_client_destroy(bench.client);
    relay_reset(&bench.relay);
    buffer_free(&bench.relay.in);
    buffer_free(&bench.relay.out);
}

void open_session(uint32_t window)
{
    relay_reset(&bench.relay);
    cr_assert_eq(wax_client_connected(bench.client, NULL, bench.now_us), WAX_OK);
    exchange();
    relay_say_challenge(&bench.relay);
    exchange();
    relay_say_welcome(&bench.relay, &bench.config.identity, 5, 0, window, view_of(NULL, 0));
    exchange();
    cr_assert(wax_client_is_open(bench.client));
    bench.relay.read = bench.relay.count;
}

uint64_t send_one(void)
{
    uint64_t id;

    cr_assert_eq(wax_client_send(bench.client, &to_bob, NOW_MS, &id), WAX_OK);
    exchange();
    return id;
}

struct frame_send next_send(void)
{
    struct frame_send send = {0};
    const struct relay_frame *frame = relay_next(&bench.relay);

    cr_assert_not_null(frame);
    cr_assert_eq(frame_parse_send(view_of(frame->data, frame->len), &send), WAX_OK);
    return send;
}

uint32_t next_ack(void)
{
    uint32_t seq = 0;
    const struct relay_frame *frame = relay_next(&bench.relay);

    cr_assert_not_null(frame);
    cr_assert_eq(frame_parse_ack(view_of(frame->data, frame->len), &seq), WAX_OK);
    return seq;
}
