/* SPDX-License-Identifier: BSD-3-Clause */
/* The bytes of one client, both ways. */
#include <stdlib.h>

#include "waxgen/gen.h"

void client_mark(struct gen *gen, struct client *client)
{
    if (client->dirty)
        return;
    client->dirty = true;
    gen->dirty[gen->dirty_count++] = client->index;
}

static void partial_add(struct gen *gen, struct client *client, struct view bytes)
{
    size_t need = client->partial_len + bytes.len;
    if (need > client->partial_room) {
        client->partial_room = need < 1024 ? 1024 : 2 * (uint32_t)need;
        client->partial = realloc(client->partial, client->partial_room);
    }
    if (client->partial == NULL) {
        gen_error(gen, client, "no memory for a message", "");
        client->partial_len = client->partial_room = 0;
        return;
    }
    memcpy(client->partial + client->partial_len, bytes.data, bytes.len);
    client->partial_len = (uint32_t)need;
}

static void partial_drop(struct client *client)
{
    free(client->partial);
    client->partial = NULL;
    client->partial_len = client->partial_room = 0;
}

static void message(struct gen *gen, struct client *client, struct view frame)
{
    if (client->state == CLIENT_OPEN || client->state == CLIENT_CLOSING)
        traffic_frame(gen, client, frame);
    else
        opening_frame(gen, client, frame);
}

/* The last ping is the one to answer (RFC 6455 5.5.3). */
static void pong_keep(struct client *client, struct view payload)
{
    free(client->pong);
    client->pong = payload.len == 0 ? NULL : malloc(payload.len);
    client->pong_len = client->pong == NULL ? 0 : (uint8_t)payload.len;
    if (client->pong != NULL)
        memcpy(client->pong, payload.data, payload.len);
    client->pong_due = true;
}

static void ws_event(struct gen *gen, struct client *client, const struct ws_event *event)
{
    switch (event->opcode) {
    case WS_BINARY:
        if (event->first && event->last) {
            message(gen, client, view_of(event->data.data, event->data.len));
            return;
        }
        partial_add(gen, client, view_of(event->data.data, event->data.len));
        if (event->last) {
            message(gen, client, view_of(client->partial, client->partial_len));
            partial_drop(client);
        }
        return;
    case WS_PING:
        pong_keep(client, view_of(event->data.data, event->data.len));
        client_mark(gen, client);
        return;
    case WS_CLOSE:
        if (client->state != CLIENT_CLOSING) {
            char detail[64];
            snprintf(detail, sizeof detail, "code %u", event->close_code);
            gen_error(gen, client, "the relay closed a session", detail);
        }
        return;
    }
}

static void control_drop(struct client *client)
{
    free(client->ws.control);
    client->ws.control = NULL;
}

static void ws_input(struct gen *gen, struct client *client, struct span in)
{
    while (in.len > 0 && client->conn != TCP_NONE) {
        struct ws_event event;
        enum wax_status status = ws_decode(&client->ws, in, &event);
        if (status == WAX_MORE || status == WAX_WS_CLOSED)
            return;
        if (status == WAX_OK) {
            ws_event(gen, client, &event);
            if (!ws_holds_control(&client->ws))
                control_drop(client);
        } else if (status == WAX_FULL) {
            client->ws.control = malloc(WAX_WS_CONTROL_BYTES_MAX);
        }
        if ((status != WAX_OK && status != WAX_FULL) || (status == WAX_FULL && client->ws.control == NULL)) {
            gen_error(gen, client, "a WebSocket frame is wrong", wax_status_text(status));
            tcp_abort(gen->tcp, client->conn);
            return;
        }
        in.data += event.consumed;
        in.len -= event.consumed;
    }
}

static void plain_input(struct gen *gen, struct client *client, struct span in)
{
    if (client->state == CLIENT_UPGRADE) {
        partial_add(gen, client, view_of(in.data, in.len));
        size_t used = opening_upgraded(gen, client, view_of(client->partial, client->partial_len));
        if (client->state == CLIENT_UPGRADE)
            return;
        uint8_t *rest = client->partial;
        size_t len = client->partial_len;
        client->partial = NULL;
        partial_drop(client);
        ws_input(gen, client, span_of(rest + used, len - used));
        free(rest);
        return;
    }
    ws_input(gen, client, in);
}

/* One whole record or, without TLS, any bytes. Returns how many are done with, 0: more are needed. */
static size_t record_input(struct gen *gen, struct client *client, struct span in)
{
    if (!gen->options.tls) {
        plain_input(gen, client, in);
        return in.len;
    }
    if (!client->sealed)
        return opening_shake(gen, client, view_of(in.data, in.len));
    uint8_t answer[TLS_OUT_BYTES];
    struct tls_event event;
    enum wax_status status = tls_input(&client->tls, in, span_of(answer, sizeof answer), gen->now_us, &event);
    if (event.out_len > 0)
        tcp_write(gen->tcp, client->conn, view_of(answer, event.out_len));
    if (status == WAX_MORE)
        return 0;
    if (status == WAX_TLS_CLOSE_NOTIFY && client->state == CLIENT_CLOSING)
        return event.consumed;
    if (status != WAX_OK) {
        gen_error(gen, client, "a TLS record is wrong", wax_status_text(status));
        tcp_abort(gen->tcp, client->conn);
        return in.len;
    }
    if (event.data.len > 0)
        plain_input(gen, client, event.data);
    return event.consumed;
}

/* As many whole records as there are; returns how many bytes are done with. */
static size_t records_input(struct gen *gen, struct client *client, struct span in)
{
    size_t used = 0;
    while (used < in.len && client->conn != TCP_NONE) {
        size_t step = record_input(gen, client, span_of(in.data + used, in.len - used));
        if (step == 0)
            break;
        used += step;
    }
    return used;
}

void client_go_on(struct gen *gen, struct client *client)
{
    while (client->conn != TCP_NONE) {
        const struct fifo *queue = tcp_received(gen->tcp, client->conn);
        size_t len = queue->len < sizeof gen->record ? queue->len : sizeof gen->record;
        fifo_copy(&gen->blocks, queue, 0, span_of(gen->record, len));
        size_t used = records_input(gen, client, span_of(gen->record, len));
        if (used == 0 || client->conn == TCP_NONE)
            return;
        tcp_consume(gen->tcp, client->conn, used, gen->now_us);
    }
}

void client_receive(struct gen *gen, struct client *client, struct view in_packet)
{
    uint8_t *at = (uint8_t *)(uintptr_t)in_packet.data; /* the packet is ours to overwrite */
    bool later = storm_defers(gen, client);
    if (later)
        storm_later(gen, client);
    size_t used = in_packet.len == 0 || later ? 0 : records_input(gen, client, span_of(at, in_packet.len));
    if (client->conn == TCP_NONE)
        return;
    if (used == in_packet.len) {
        if (!later)
            client_go_on(gen, client);
    } else if (tcp_keep(gen->tcp, client->conn, view_of(at + used, in_packet.len - used)) != WAX_OK) {
        gen_error(gen, client, "no block for received bytes", "");
        tcp_abort(gen->tcp, client->conn);
    }
}

bool client_message(struct gen *gen, size_t *at, struct view head, struct view payload)
{
    size_t len = head.len + payload.len, most = *at == 0 ? sizeof gen->gather : WAX_TLS_PLAINTEXT_BYTES_MAX;
    if (*at + WAX_WS_HEADER_BYTES_MAX + len > most)
        return false;
    uint8_t mask[4];
    uint32_t random = (uint32_t)rng_next(&gen->rng);
    memcpy(mask, &random, sizeof mask);
    uint8_t *out = gen->gather + *at;
    size_t header = ws_encode_header(span_of(out, sizeof gen->gather - *at), WS_FIN | WS_BINARY, len, mask);
    memcpy(out + header, head.data, head.len);
    if (payload.len > 0)
        memcpy(out + header + head.len, payload.data, payload.len);
    ws_mask(span_of(out + header, len), mask, 0);
    *at += header + len;
    return true;
}

static bool write_record(struct gen *gen, struct client *client, struct view bytes)
{
    if (gen->options.tls) {
        size_t sealed = 0;
        enum wax_status status = tls_seal(&client->tls.tx, TLS_APPLICATION_DATA, bytes,
                                          span_of(gen->sealed, sizeof gen->sealed), &sealed);
        if (status != WAX_OK) {
            gen_error(gen, client, "a record cannot be sealed", wax_status_text(status));
            return false;
        }
        bytes = view_of(gen->sealed, sealed);
    }
    enum wax_status status = tcp_write(gen->tcp, client->conn, bytes);
    if (status != WAX_OK)
        gen_error(gen, client, "TCP does not take a record", wax_status_text(status));
    return status == WAX_OK;
}

bool client_write(struct gen *gen, struct client *client, size_t len)
{
    size_t most = WAX_TLS_PLAINTEXT_BYTES_MAX;
    for (size_t at = 0; at < len; at += most)
        if (!write_record(gen, client, view_of(gen->gather + at, len - at < most ? len - at : most)))
            return false;
    return true;
}

void client_close(struct gen *gen, struct client *client)
{
    if (client->conn == TCP_NONE)
        return;
    if (client->state == CLIENT_OPEN) {
        uint8_t mask[4] = {1, 2, 3, 4};
        size_t len = ws_encode_close(span_of(gen->gather, sizeof gen->gather), WIRE_CLOSE_NORMAL,
                                     view_of(NULL, 0), mask);
        client_write(gen, client, len);
        if (gen->options.tls) {
            size_t alert = 0;
            tls_close(&client->tls, WAX_OK, span_of(gen->sealed, sizeof gen->sealed), &alert);
            tcp_write(gen->tcp, client->conn, view_of(gen->sealed, alert));
        }
    }
    client->state = CLIENT_CLOSING;
    tcp_close(gen->tcp, client->conn, gen->now_us);
}

void client_reset(struct client *client)
{
    free(client->messages);
    free(client->members);
    *client = (struct client){.index = client->index,
                              .conn = TCP_NONE,
                              .name = client->name,
                              .dirty = client->dirty,
                              .waits = client->waits,
                              .keepsake = client->keepsake};
}

void client_gone(struct gen *gen, struct client *client, enum wax_status why)
{
    if (client->conn == TCP_NONE)
        return;
    if (client->state != CLIENT_CLOSING) {
        gen->counts.closed++;
        gen_error(gen, client, "a connection has ended", wax_status_text(why));
    }
    opening_end(client);
    partial_drop(client);
    control_drop(client);
    free(client->pong);
    client->pong = NULL;
    gen->by_conn[client->conn] = GEN_NOBODY;
    tcp_release(gen->tcp, client->conn);
    client->conn = TCP_NONE;
    client->state = CLIENT_GONE;
    gen->closing += !storm_has(gen, client);
}
