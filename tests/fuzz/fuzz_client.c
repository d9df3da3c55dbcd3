/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client library against a relay that may say anything. Byte 0 of the input chooses where the rest begins
 * (see `enum stage`), byte 1 how many bytes come at a time (0: all).
 */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "http/upgrade.h"
#include "relay/envelope.h"
#include "waxwire/client.h"
#include "ws/frame.h"

enum stage {
    STAGE_HTTP,        /* the reply to the upgrade */
    STAGE_STREAM,      /* the WebSocket, from its first byte */
    STAGE_FRAMES,      /* whole frames, each with two bytes of length before it, from the first */
    STAGE_OPEN_STREAM, /* the WebSocket of an open session */
    STAGE_OPEN_FRAMES,
    STAGE_COUNT,
};

struct run {
    struct wax_client *client;
    struct wax_identity identity;
    size_t step;
    unsigned closes;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_event(void *context, const struct wax_client_event *event)
{
    struct run *run = context;
    volatile uint8_t sink = 0;

    assert(run->closes == 0); /* nothing comes after the end */
    run->closes += event->kind == WAX_CLIENT_CLOSED;
    if (event->kind == WAX_CLIENT_MESSAGE) {
        for (size_t i = 0; i < event->message.payload.len; i++)
            sink = (uint8_t)(sink + event->message.payload.data[i]);
        for (size_t i = 0; i < event->message.head.len; i++)
            sink = (uint8_t)(sink + event->message.head.data[i]);
    }
}

static void drain(struct run *run)
{
    struct view out;

    while ((out = wax_client_output(run->client)).len > 0)
        wax_client_written(run->client, out.len);
}

/* Hands bytes to the client in steps, each in memory of its own size. */
static void feed(struct run *run, struct view bytes)
{
    while (bytes.len > 0) {
        size_t n = run->step != 0 && run->step < bytes.len ? run->step : bytes.len;
        uint8_t *copy = malloc(n);
        memcpy(copy, bytes.data, n);
        wax_client_input(run->client, span_of(copy, n), 1000);
        free(copy);
        drain(run);
        bytes = view_of(bytes.data + n, bytes.len - n);
    }
}

static void feed_frame(struct run *run, struct view frame)
{
    uint8_t header[WAX_WS_HEADER_BYTES_MAX];

    feed(run, view_of(header,
                      ws_encode_header(span_of(header, sizeof header), WS_FIN | WS_BINARY, frame.len, NULL)));
    feed(run, frame);
}

static void feed_frames(struct run *run, struct view bytes)
{
    while (bytes.len >= 2) {
        size_t len = load_be16(bytes.data);
        len = len < bytes.len - 2 ? len : bytes.len - 2;
        feed_frame(run, view_of(bytes.data + 2, len));
        bytes = view_of(bytes.data + 2 + len, bytes.len - 2 - len);
    }
}

static void upgrade(struct run *run)
{
    struct http_request request = {0};
    uint8_t reply[HTTP_UPGRADE_BYTES_MAX];
    size_t len = 0;
    struct view out = wax_client_output(run->client);

    if (http_request_parse(out, &request) != WAX_OK ||
        http_upgrade_reply(span_of(reply, sizeof reply), &request, &len) != WAX_OK)
        abort();
    wax_client_written(run->client, out.len);
    feed(run, view_of(reply, len));
}

static void open_session(struct run *run)
{
    uint8_t out[256], zeros[32] = {0};
    struct frame_challenge challenge = {.relay_nonce = zeros, .relay_id = zeros};
    struct frame_welcome welcome = {.device = 1, .window = 2, .heartbeat_s = 60, .user = run->identity.user};
    struct wax_client_message message = {.recipient = {1}, .recipient_device = 1, .payload = view_of("x", 1)};
    uint64_t id;

    feed_frame(run, view_of(out, frame_write_challenge(span_of(out, sizeof out), &challenge)));
    feed_frame(run, view_of(out, frame_write_welcome(span_of(out, sizeof out), &welcome)));
    assert(wax_client_is_open(run->client));
    for (int i = 0; i < 3; i++)
        wax_client_send(run->client, &message, 1, &id);
    drain(run);
}

static void talk(struct run *run, enum stage stage, struct view bytes)
{
    if (stage != STAGE_HTTP)
        upgrade(run);
    if (stage == STAGE_OPEN_STREAM || stage == STAGE_OPEN_FRAMES)
        open_session(run);
    if (stage == STAGE_FRAMES || stage == STAGE_OPEN_FRAMES)
        feed_frames(run, bytes);
    else
        feed(run, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wax_identity identity; /* the same in every run, and dear to make */
    const uint8_t seed[32] = {1};
    struct run run = {0};

    if (size < 2)
        return 0;
    if (identity.account_key[0] == 0)
        wax_identity_from_seed(&identity, seed);
    run.identity = identity;
    run.step = data[1];
    struct wax_client_config config = {
        .identity = identity, .device = 1, .host = "relay", .seed = {1}, .event = on_event, .context = &run};
    if (wax_client_create(&run.client, &config) != WAX_OK ||
        wax_client_connected(run.client, NULL, 0) != WAX_OK)
        abort();
    talk(&run, data[0] % STAGE_COUNT, view_of(data + 2, size - 2));
    while (run.closes == 0 && wax_client_next_us(run.client) != UINT64_MAX)
        wax_client_tick(run.client, wax_client_next_us(run.client));
    wax_client_disconnected(run.client, WAX_OK);
    assert(run.closes == 1);
    wax_client_destroy(run.client);
    return 0;
}
