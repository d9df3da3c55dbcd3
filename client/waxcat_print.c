/* SPDX-License-Identifier: BSD-3-Clause */
#include "waxcat_print.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <time.h>

#include "ws/close.h"

static const char *kind_name(uint8_t kind)
{
    static const char *const names[] = {"?", "accepted", "delivered", "read", "rejected"};

    return kind < 5 ? names[kind] : names[0];
}

static const char *reason_name(uint8_t reason)
{
    static const char *const names[] = {
        "none",      "unknown user", "unknown device", "blocked",   "rate limited",  "mailbox full",
        "too large", "expired",      "busy",           "malformed", "not connected",
    };

    return reason < sizeof names / sizeof names[0] ? names[reason] : "?";
}

static const char *truth(bool b)
{
    return b ? "true" : "false";
}

/* "12:34:56.789 " */
static void print_time(const struct waxcat_printer *p, uint64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char text[16];

    localtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%H:%M:%S", &tm);
    fprintf(p->out, "%s.%03u ", text, (unsigned)(ms % 1000));
}

static void json_begin(const struct waxcat_printer *p, const char *event)
{
    fprintf(p->out, "{\"event\":\"%s\",\"time_ms\":%" PRIu64, event, p->clock_ms());
}

static void json_end(const struct waxcat_printer *p)
{
    fputs("}\n", p->out);
}

/* RFC 8259 7: UTF-8 with quotes, backslashes and controls escaped. */
static void json_text(const struct waxcat_printer *p, const char *key, struct view text)
{
    fprintf(p->out, ",\"%s\":\"", key);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '"' || c == '\\')
            fprintf(p->out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(p->out, "\\u%04x", c);
        else
            fputc(c, p->out);
    }
    fputc('"', p->out);
}

/* Payload bytes: as text where they are UTF-8, else as base64. */
static void json_bytes(const struct waxcat_printer *p, const char *name, struct view bytes)
{
    char key[32];

    if (ws_is_utf8(bytes)) {
        json_text(p, name, bytes);
        return;
    }
    size_t room = sodium_base64_encoded_len(bytes.len, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(room);
    if (text == NULL)
        return;
    sodium_bin2base64(text, room, bytes.data, bytes.len, sodium_base64_VARIANT_ORIGINAL);
    snprintf(key, sizeof key, "%s_base64", name);
    fprintf(p->out, ",\"%s\":\"%s\"", key, text);
    free(text);
}

/* For people: controls become dots, what isn't text is only described. */
static void plain_bytes(const struct waxcat_printer *p, struct view bytes)
{
    if (!ws_is_utf8(bytes)) {
        fprintf(p->out, "(%zu bytes that are not text)", bytes.len);
        return;
    }
    for (size_t i = 0; i < bytes.len; i++)
        fputc(bytes.data[i] < 0x20 || bytes.data[i] == 0x7f ? '.' : bytes.data[i], p->out);
}

void print_opened(const struct waxcat_printer *p, const struct wax_client_opened *opened, const char *user,
                  uint16_t device)
{
    bool fresh = opened->flags & WIRE_WELCOME_NEW_ACCOUNT, resumed = opened->flags & WIRE_WELCOME_RESUMED;

    if (p->json) {
        json_begin(p, "open");
        fprintf(p->out, ",\"user\":\"%s\",\"device\":%u,\"new_account\":%s,\"resumed\":%s", user, device,
                truth(fresh), truth(resumed));
        if (opened->waiting != WIRE_WAITING_UNKNOWN)
            fprintf(p->out, ",\"waiting\":%u", opened->waiting);
        fprintf(p->out, ",\"window\":%u,\"payload_max\":%u,\"heartbeat_s\":%u,\"relay_ms\":%" PRIu64,
                opened->window, opened->payload_max, opened->heartbeat_s, opened->relay_ms);
        json_end(p);
        return;
    }
    print_time(p, p->clock_ms());
    fprintf(p->out, "open as %s/%u%s%s", user, device, fresh ? ", a new account" : "",
            resumed ? ", resumed" : "");
    if (opened->waiting != WIRE_WAITING_UNKNOWN)
        fprintf(p->out, ", %u waiting", opened->waiting);
    fputc('\n', p->out);
}

void print_message(const struct waxcat_printer *p, const struct wax_client_incoming *message)
{
    char sender[WAX_USER_TEXT_BYTES];
    uint8_t flags = message->flags;

    wax_user_text(sender, message->sender);
    if (p->json) {
        json_begin(p, "message");
        fprintf(p->out,
                ",\"from\":\"%s\",\"device\":%u,\"id\":\"%" PRIu64 "\",\"sequence\":%u,\"taken_ms\":%" PRIu64
                ",\"again\":%s,\"urgent\":%s,\"ephemeral\":%s,\"stored\":%s,\"bytes\":%zu",
                sender, message->sender_device, message->id, message->sequence, message->taken_ms,
                truth(flags & WIRE_DELIVER_AGAIN), truth(flags & WIRE_DELIVER_URGENT),
                truth(flags & WIRE_DELIVER_EPHEMERAL), truth(flags & WIRE_DELIVER_STORED),
                message->payload.len);
        if (message->head.len > 0)
            json_bytes(p, "head", message->head);
        json_bytes(p, "text", message->payload);
        json_end(p);
        return;
    }
    print_time(p, p->clock_ms());
    fprintf(p->out, "%s/%u%s%s%s%s: ", sender, message->sender_device,
            flags & WIRE_DELIVER_STORED ? ", stored" : "", flags & WIRE_DELIVER_AGAIN ? ", again" : "",
            flags & WIRE_DELIVER_URGENT ? ", urgent" : "",
            flags & WIRE_DELIVER_EPHEMERAL ? ", ephemeral" : "");
    plain_bytes(p, message->head);
    plain_bytes(p, message->payload);
    fputc('\n', p->out);
}

void print_sent(const struct waxcat_printer *p, const struct wax_client_message *message, uint64_t id)
{
    char recipient[WAX_USER_TEXT_BYTES];

    if (!p->json)
        return;
    wax_user_text(recipient, message->recipient);
    json_begin(p, "sent");
    fprintf(p->out, ",\"to\":\"%s\",\"device\":%u,\"id\":\"%" PRIu64 "\",\"bytes\":%zu", recipient,
            message->recipient_device, id, message->payload.len);
    json_end(p);
}

void print_status(const struct waxcat_printer *p, const struct wax_client_answer *status, uint64_t after_us)
{
    static const char *const marks[] = {"?", "✓", "✓✓", "✓✓ read", "✗"};
    char recipient[WAX_USER_TEXT_BYTES];

    wax_user_text(recipient, status->recipient);
    if (p->json) {
        json_begin(p, "status");
        fprintf(p->out,
                ",\"kind\":\"%s\",\"reason\":\"%s\",\"to\":\"%s\",\"device\":%u,\"id\":\"%" PRIu64
                "\",\"first\":%s,\"local\":%s",
                kind_name(status->kind), reason_name(status->reason), recipient, status->recipient_device,
                status->id, truth(status->first), truth(status->local));
        if (after_us != UINT64_MAX)
            fprintf(p->out, ",\"after_us\":%" PRIu64, after_us);
        json_end(p);
        return;
    }
    print_time(p, p->clock_ms());
    fprintf(p->out, "%s %s", status->kind < 5 ? marks[status->kind] : "?", kind_name(status->kind));
    if (status->reason != WIRE_REASON_NONE)
        fprintf(p->out, " (%s)", reason_name(status->reason));
    fprintf(p->out, " %s/%u id %" PRIu64, recipient, status->recipient_device, status->id);
    if (after_us != UINT64_MAX)
        fprintf(p->out, " after %.1f ms", (double)after_us / 1000);
    fputc('\n', p->out);
}

/* DEVICES: a line each. */
static void print_devices(const struct waxcat_printer *p, struct view frame)
{
    for (size_t at = WIRE_DEVICES_BYTES; at + WIRE_DEVICES_ENTRY <= frame.len; at += WIRE_DEVICES_ENTRY) {
        const uint8_t *entry = frame.data + at;
        bool connected = (load_be16(entry + 2) & 1) != 0;
        if (p->json) {
            json_begin(p, "device");
            fprintf(p->out, ",\"device\":%u,\"connected\":%s,\"last_seen_ms\":%" PRIu64, load_be16(entry),
                    connected ? "true" : "false", load_be64(entry + 4));
            json_end(p);
            continue;
        }
        fprintf(p->out, "device %u, %s ", load_be16(entry), connected ? "connected at" : "last seen at");
        print_time(p, load_be64(entry + 4));
        fputc('\n', p->out);
    }
}

void print_reply(const struct waxcat_printer *p, const struct wax_client_reply *reply)
{
    if (reply->type == WIRE_DEVICES) {
        print_devices(p, reply->frame);
    } else if (reply->type == WIRE_OK && p->json) {
        json_begin(p, "ok");
        json_end(p);
    } else if (reply->type == WIRE_OK) {
        fputs("ok\n", p->out);
    }
}

void print_error(const struct waxcat_printer *p, const struct wax_client_error *error)
{
    if (p->json) {
        json_begin(p, "error");
        fprintf(p->out, ",\"code\":%u,\"request\":%u", error->code, error->request);
        json_bytes(p, "text", error->text);
        json_end(p);
        return;
    }
    print_time(p, p->clock_ms());
    fprintf(p->out, "error %u: ", error->code);
    plain_bytes(p, error->text);
    fputc('\n', p->out);
}

void print_closed(const struct waxcat_printer *p, const struct wax_client_closed *closed)
{
    if (p->json) {
        json_begin(p, "closed");
        fprintf(p->out, ",\"status\":\"%s\",\"close_code\":%u,\"http_status\":%u,\"error\":%u",
                wax_status_name(closed->status), closed->close_code, closed->http_status, closed->error);
        json_end(p);
        return;
    }
    if (closed->status == WAX_OK)
        return;
    print_time(p, p->clock_ms());
    fprintf(p->out, "closed: %s", wax_status_text(closed->status));
    if (closed->close_code != 0)
        fprintf(p->out, " (close code %u)", closed->close_code);
    if (closed->http_status != 0)
        fprintf(p->out, " (HTTP %u)", closed->http_status);
    fputc('\n', p->out);
}

void print_done(const struct waxcat_printer *p, const struct waxcat_counts *counts, int exit_status,
                const char *reason)
{
    if (p->json) {
        json_begin(p, "done");
        fprintf(p->out,
                ",\"exit\":%d,\"sent\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"delivered\":%" PRIu64
                ",\"rejected\":%" PRIu64 ",\"received\":%" PRIu64,
                exit_status, counts->sent, counts->accepted, counts->delivered, counts->rejected,
                counts->received);
        json_text(p, "reason", view_of(reason, strlen(reason)));
        json_end(p);
    }
    if (exit_status != WAXCAT_DONE)
        fprintf(stderr, "waxcat: %s\n", reason);
}
