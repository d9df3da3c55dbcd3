/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/relay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/upgrade.h"

void model_fail(const char *what, uint64_t a, uint64_t b)
{
    fprintf(stderr, "FAILED: %s (%" PRIu64 ", %" PRIu64 ")\n", what, a, b);
    abort();
}

static void check(bool good, const char *what, uint64_t a, uint64_t b)
{
    if (!good)
        model_fail(what, a, b);
}

static void append(struct buffer *buffer, struct view bytes)
{
    struct span room = buffer_reserve(buffer, bytes.len + 1);

    check(room.data != NULL, "out of memory", bytes.len, 0);
    if (bytes.len > 0)
        memcpy(room.data, bytes.data, bytes.len);
    buffer_commit(buffer, bytes.len);
}

static void say_raw(struct model_device *d, uint8_t first_byte, struct view payload)
{
    uint8_t header[WAX_WS_HEADER_BYTES_MAX];

    append(&d->out,
           view_of(header, ws_encode_header(span_of(header, sizeof header), first_byte, payload.len, NULL)));
    append(&d->out, payload);
}

/* A frame, sometimes in two fragments around a ping. */
static void say(struct model_relay *relay, struct model_device *d, struct view frame)
{
    if (!rng_chance(relay->rng, 100000) || frame.len == 0) {
        say_raw(d, WS_FIN | WS_BINARY, frame);
        return;
    }
    size_t first = (size_t)rng_below(relay->rng, frame.len);
    say_raw(d, WS_BINARY, view_of(frame.data, first));
    say_raw(d, WS_FIN | WS_PING, view_of("ping", 4));
    say_raw(d, WS_FIN | WS_CONTINUATION, view_of(frame.data + first, frame.len - first));
}

/* ---- sessions ---- */

void model_connect(struct model_relay *relay, uint32_t device)
{
    struct model_device *d = &relay->devices[device];

    d->upgraded = d->open = d->closing = false;
    buffer_clear(&d->head);
    buffer_clear(&d->out);
    buffer_clear(&d->gathered);
    ws_decoder_init(&d->decoder, WS_SERVER, WAX_FRAME_BYTES_MAX);
    d->sequence = d->unacknowledged = d->outstanding_count = d->answer_count = d->refused = d->crossed = 0;
}

void model_cut(struct model_relay *relay, uint32_t device)
{
    struct model_device *d = &relay->devices[device];

    for (uint32_t i = d->first_open; i < d->item_count; i++) {
        struct model_item *item = &d->items[i];
        item->sent_before |= item->sent;
        item->acknowledged |= item->ephemeral;
        item->sent = false;
    }
    model_connect(relay, device);
}

void model_drain(struct model_relay *relay, uint32_t device)
{
    struct model_device *d = &relay->devices[device];
    uint8_t code[2];

    if (!d->open || d->closing)
        return;
    store_be16(code, WIRE_CLOSE_RESTART);
    say_raw(d, WS_FIN | WS_CLOSE, view_of(code, 2));
    d->closing = true;
}

static void welcome(struct model_relay *relay, struct model_device *d, bool resumed)
{
    uint8_t out[256];
    struct frame_welcome w = {
        .flags = resumed ? WIRE_WELCOME_RESUMED : 0,
        .device = 1,
        .payload_bytes_max = 1024,
        .user = d->user,
        .window = (uint32_t)rng_between(relay->rng, 1, MODEL_SENDS_MAX),
        .waiting = WIRE_WAITING_UNKNOWN,
        .heartbeat_s = 240,
    };

    d->token = (uint32_t)rng_next(relay->rng);
    w.token = view_of(&d->token, rng_chance(relay->rng, 300000) ? 0 : sizeof d->token);
    d->window = w.window;
    d->open = true;
    say(relay, d, view_of(out, frame_write_welcome(span_of(out, sizeof out), &w)));
}

static void take_hello(struct model_relay *relay, struct model_device *d, struct view frame)
{
    struct frame_hello hello;
    uint8_t out[WIRE_CHALLENGE_BYTES], random[48];
    struct frame_challenge challenge = {.relay_nonce = random, .relay_id = random + 32};

    check(frame_parse_hello(frame, &hello) == WAX_OK, "a malformed HELLO", frame.len, 0);
    memcpy(d->key, hello.account_key, sizeof d->key);
    if (hello.token.len == sizeof d->token && memcmp(hello.token.data, &d->token, sizeof d->token) == 0 &&
        rng_chance(relay->rng, 700000)) {
        welcome(relay, d, true);
        return;
    }
    rng_fill(relay->rng, span_of(random, sizeof random));
    say(relay, d, view_of(out, frame_write_challenge(span_of(out, sizeof out), &challenge)));
}

/* ---- messages ---- */

static void answer(struct model_relay *relay, struct model_device *d, struct model_answer a)
{
    uint8_t out[WIRE_STATUS_BYTES + WIRE_STATUS_ENTRY_BYTES];
    struct frame_status_entry entry = {
        .kind = a.kind, .reason = a.reason, .about = {.device = 1}, .id = a.id};

    memcpy(entry.about.user, relay->devices[a.recipient].user, WAX_USER_BYTES);
    frame_open_status(span_of(out, sizeof out));
    say(relay, d, view_of(out, frame_append_status(span_of(out, sizeof out), &entry)));
    for (uint32_t i = 0; i < d->outstanding_count; i++) {
        if (d->outstanding[i] == a.id) {
            d->outstanding[i] = d->outstanding[--d->outstanding_count];
            return;
        }
    }
    d->crossed++;
}

static void answer_later(struct model_relay *relay, struct model_device *d, struct model_answer a,
                         uint64_t in_us)
{
    check(d->answer_count < MODEL_ANSWERS_MAX, "too many answers", d->answer_count, 0);
    a.due_us = relay->now_us + in_us;
    d->answers[d->answer_count++] = a;
}

static void store(struct model_device *to, struct model_item item)
{
    check(to->item_count < MODEL_ITEMS_MAX, "the mailbox is full", to->item_count, 0);
    to->items[to->item_count++] = item;
}

static void take_send(struct model_relay *relay, uint32_t device, struct view frame)
{
    struct model_device *d = &relay->devices[device];
    struct frame_send send;
    uint32_t to = 0;

    check(frame_parse_send(frame, &send) == WAX_OK && send.payload.len == 4, "a malformed SEND", frame.len,
          0);
    check(d->outstanding_count < d->window + d->crossed, "more SENDs than the window", d->outstanding_count,
          d->window);
    while (memcmp(relay->devices[to].user, send.to.user, WAX_USER_BYTES) != 0)
        check(++to < MODEL_DEVICES, "a SEND to nobody", send.id, 0);
    struct model_answer a = {.kind = WIRE_ACCEPTED, .id = send.id, .recipient = (uint8_t)to};
    struct model_item item = {
        .id = send.id,
        .number = load_be32(send.payload.data),
        .sender = (uint8_t)device,
        .ephemeral = send.flags & WIRE_SEND_EPHEMERAL,
    };
    d->outstanding[d->outstanding_count++] = send.id;
    if (item.ephemeral) {
        bool reaches = relay->devices[to].open && !relay->devices[to].closing;
        a.kind = reaches ? WIRE_DELIVERED : WIRE_REJECTED;
        a.reason = reaches ? 0 : WIRE_REASON_NOT_CONNECTED;
        if (reaches)
            store(&relay->devices[to], item);
    } else if ((d->refused & 1u << to) || (!relay->calm && rng_chance(relay->rng, 5000))) {
        /* What comes behind a refused one is refused, too, until the session ends: if the refusal is lost
           with the session, the client sends again all of it, in order. Were a later one taken, the earlier
           one sent again would come behind it, and the receiver would drop it by the rule of rising ids. */
        d->refused |= 1u << to;
        a.kind = WIRE_REJECTED;
        a.reason = WIRE_REASON_BUSY;
    } else {
        store(&relay->devices[to], item);
    }
    answer_later(relay, d, a, rng_below(relay->rng, 200000));
}

static void take_ack(struct model_relay *relay, uint32_t device, struct view frame)
{
    struct model_device *d = &relay->devices[device];
    uint32_t sequence;

    check(frame_parse_ack(frame, &sequence) == WAX_OK, "a malformed ACK", frame.len, 0);
    check(sequence <= d->sequence, "an ACK of what was never sent", sequence, d->sequence);
    for (uint32_t i = d->first_open; i < d->item_count; i++) {
        struct model_item *item = &d->items[i];
        if (!item->sent || item->acknowledged || item->sequence > sequence)
            continue;
        item->acknowledged = true;
        d->unacknowledged--;
        struct model_device *sender = &relay->devices[item->sender];
        if (!item->ephemeral && sender->open && !sender->closing)
            answer_later(
                relay, sender,
                (struct model_answer){.kind = WIRE_DELIVERED, .id = item->id, .recipient = (uint8_t)device},
                rng_below(relay->rng, 50000));
    }
    while (d->first_open < d->item_count && d->items[d->first_open].acknowledged)
        d->first_open++;
}

static void take_frame(struct model_relay *relay, uint32_t device, struct view frame)
{
    struct model_device *d = &relay->devices[device];
    int type = frame_type(frame);

    if (type == WIRE_HELLO && !d->open)
        take_hello(relay, d, frame);
    else if (type == WIRE_PROOF && !d->open)
        welcome(relay, d, false);
    else if (type == WIRE_SEND && d->open)
        take_send(relay, device, frame);
    else if (type == WIRE_ACK && d->open)
        take_ack(relay, device, frame);
    else
        model_fail("a frame out of place", (uint64_t)type, d->open);
}

/* ---- bytes ---- */

static void take_event(struct model_relay *relay, uint32_t device, const struct ws_event *ev)
{
    struct model_device *d = &relay->devices[device];

    if (ev->opcode == WS_CLOSE) {
        d->closing = true;
        return;
    }
    if (ev->opcode != WS_BINARY || d->closing)
        return;
    append(&d->gathered, view_of(ev->data.data, ev->data.len));
    if (!ev->last)
        return;
    take_frame(relay, device, buffer_view(&d->gathered));
    buffer_clear(&d->gathered);
}

static void take_websocket(struct model_relay *relay, uint32_t device, struct span bytes)
{
    struct model_device *d = &relay->devices[device];

    while (bytes.len > 0) {
        struct ws_event ev;
        enum wax_status status = ws_decode(&d->decoder, bytes, &ev);
        if (status == WAX_MORE || status == WAX_WS_CLOSED)
            return;
        if (status == WAX_FULL)
            d->decoder.control = d->control;
        else if (status == WAX_OK)
            take_event(relay, device, &ev);
        else
            model_fail(wax_status_text(status), 0, 0);
        bytes = span_of(bytes.data + ev.consumed, bytes.len - ev.consumed);
    }
}

void model_take(struct model_relay *relay, uint32_t device, struct span bytes)
{
    struct model_device *d = &relay->devices[device];
    struct http_request request = {0};
    uint8_t reply[HTTP_UPGRADE_BYTES_MAX];
    size_t len;

    if (d->upgraded) {
        take_websocket(relay, device, bytes);
        return;
    }
    append(&d->head, view_of(bytes.data, bytes.len));
    struct view head = buffer_view(&d->head);
    enum wax_status status = http_request_parse(head, &request);
    if (status == WAX_MORE)
        return;
    check(status == WAX_OK && http_request_check(&request) == WAX_OK, "a bad upgrade", status, 0);
    check(http_upgrade_reply(span_of(reply, sizeof reply), &request, &len) == WAX_OK, "no reply", 0, 0);
    append(&d->out, view_of(reply, len));
    d->upgraded = true;
    take_websocket(relay, device,
                   span_of(d->head.data + d->head.start + request.consumed, head.len - request.consumed));
}

static void deliver(struct model_relay *relay, struct model_device *d, struct model_item *item)
{
    uint8_t out[WIRE_DELIVER_BYTES + 4];
    struct frame_deliver frame = {
        .flags = (uint8_t)((item->sent_before ? WIRE_DELIVER_AGAIN : 0) |
                           (item->ephemeral ? WIRE_DELIVER_EPHEMERAL : 0)),
        .from = {.device = 1},
        .seq = ++d->sequence,
        .id = item->id,
        .taken_ms = 1,
    };

    memcpy(frame.from.user, relay->devices[item->sender].user, WAX_USER_BYTES);
    size_t head = frame_write_deliver_head(span_of(out, sizeof out), &frame);
    store_be32(out + head, item->number);
    item->sent = true;
    item->sequence = frame.seq;
    d->unacknowledged++;
    say(relay, d, view_of(out, head + 4));
}

void model_turn(struct model_relay *relay, uint32_t device)
{
    struct model_device *d = &relay->devices[device];

    if (!d->open || d->closing)
        return;
    for (uint32_t i = 0; i < d->answer_count;) {
        struct model_answer due = d->answers[i];
        if (due.due_us > relay->now_us) {
            i++;
            continue;
        }
        d->answers[i] = d->answers[--d->answer_count];
        answer(relay, d, due);
    }
    for (uint32_t i = d->first_open; i < d->item_count && d->unacknowledged < MODEL_WINDOW_MAX; i++) {
        if (!d->items[i].sent && !d->items[i].acknowledged)
            deliver(relay, d, &d->items[i]);
    }
}

bool model_is_done(const struct model_relay *relay)
{
    for (uint32_t i = 0; i < MODEL_DEVICES; i++) {
        const struct model_device *d = &relay->devices[i];
        if (d->first_open < d->item_count || d->answer_count > 0)
            return false;
    }
    return true;
}
