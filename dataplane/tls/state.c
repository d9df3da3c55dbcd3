/* SPDX-License-Identifier: BSD-3-Clause */
/* Both directions of a connection after its handshake: what each record asks for. */
#include "tls/record_private.h"

#define MESSAGE_NEW_SESSION_TICKET 4u
#define MESSAGE_KEY_UPDATE         24u
#define MESSAGE_HEADER_BYTES       4u
#define TICKET_BYTES_MAX           (128u << 10)
#define KEY_UPDATE_MS              (WAX_TLS_KEY_UPDATE_US / 1000u)

#define ALERT_LEVEL_WARNING 1u
#define ALERT_LEVEL_FATAL   2u
#define ALERT_CLOSE_NOTIFY  0u
#define ALERT_USER_CANCELED 90u

enum wax_status tls_state_init(struct tls_state *s, const struct tls_shake_result *shake)
{
    const struct aead *aead = aead_for_suite(shake->suite);
    *s = (struct tls_state){0};
    if (aead == NULL)
        return WAX_TLS_SUITE;
    s->rx.aead = aead;
    s->tx.aead = aead;
    memcpy(s->rx_secret, shake->rx_secret, aead->secret_bytes);
    memcpy(s->tx_secret, shake->tx_secret, aead->secret_bytes);
    dir_rekey(&s->rx, s->rx_secret);
    dir_rekey(&s->tx, s->tx_secret);
    s->rx.seq = shake->rx_seq;
    s->tx.seq = shake->tx_seq;
    s->updates = WAX_TLS_KEY_UPDATES_MAX;
    s->client = shake->client != 0;
    return WAX_OK;
}

enum wax_status tls_update(struct tls_state *s, bool request, struct span out, size_t *len)
{
    const uint8_t message[] = {MESSAGE_KEY_UPDATE, 0, 0, 1, request ? 1 : 0};
    *len = 0;
    if (s->tx_closed)
        return WAX_TLS_KEYS_EXHAUSTED;
    enum wax_status status = dir_seal(&s->tx, TLS_HANDSHAKE, view_of(message, sizeof message), out, len);
    if (status != WAX_OK)
        return status;
    tls_next_secret(s->tx.aead, s->tx_secret);
    dir_rekey(&s->tx, s->tx_secret);
    s->answer = false;
    return WAX_OK;
}

bool tls_answer_due(const struct tls_state *s)
{
    if (s->tx_closed)
        return false;
    /* A sixteenth of a key's use is left for what is sealed before the answer finds room. */
    return s->answer || s->tx.seq >= s->tx.aead->records_max / 16 * 15;
}

enum wax_status tls_answer(struct tls_state *s, struct span out, size_t *len)
{
    *len = 0;
    return tls_answer_due(s) ? tls_update(s, false, out, len) : WAX_OK;
}

enum wax_status tls_close(struct tls_state *s, enum wax_status why, struct span out, size_t *len)
{
    uint8_t number = tls_alert_number(why);
    const uint8_t alert[] = {number == ALERT_CLOSE_NOTIFY ? ALERT_LEVEL_WARNING : ALERT_LEVEL_FATAL, number};
    *len = 0;
    if (s->tx_closed)
        return WAX_OK;
    enum wax_status status = dir_seal(&s->tx, TLS_ALERT, view_of(alert, sizeof alert), out, len);
    if (status != WAX_OK)
        return status;
    s->tx_closed = true;
    s->tx.seq = UINT64_MAX;
    return WAX_OK;
}

/* Takes one key update from the peer's allowance, which grows by one in each interval. */
static bool update_allowed(struct tls_state *s, uint64_t now_us)
{
    uint32_t now_ms = (uint32_t)(now_us / 1000u);
    uint32_t grown = (now_ms - s->rx.refill_ms) / KEY_UPDATE_MS;
    if (s->updates + grown >= WAX_TLS_KEY_UPDATES_MAX) {
        s->updates = WAX_TLS_KEY_UPDATES_MAX;
        s->rx.refill_ms = now_ms;
    } else {
        s->updates = (s->updates + grown) & 63u;
        s->rx.refill_ms += grown * KEY_UPDATE_MS;
    }
    if (s->updates == 0)
        return false;
    s->updates--;
    return true;
}

/* A whole KeyUpdate has come, with `left` bytes behind it in its record (RFC 8446 4.6.3, 5.1). */
static enum wax_status key_update_take(struct tls_state *s, uint8_t request, size_t left, uint64_t now_us)
{
    s->message_len = 0;
    s->skip_bytes = 0;
    if (request > 1)
        return WAX_TLS_KEY_UPDATE_VALUE;
    if (left != 0)
        return WAX_TLS_POST_HANDSHAKE;
    if (!update_allowed(s, now_us))
        return WAX_TLS_KEY_UPDATE_RATE;
    tls_next_secret(s->rx.aead, s->rx_secret);
    dir_rekey(&s->rx, s->rx_secret);
    if (request == 1)
        s->answer = true;
    return WAX_OK;
}

/* Judges the header of a handshake message (4 bytes in s->message). */
static enum wax_status message_begin(struct tls_state *s)
{
    uint32_t len = load_be32(s->message) & 0xFFFFFF;
    if (s->message[0] == MESSAGE_NEW_SESSION_TICKET && s->client) {
        if (len == 0 || len > TICKET_BYTES_MAX)
            return WAX_TLS_MESSAGE_LENGTH;
        s->message_len = 0;
        s->skip_bytes = len;
        return WAX_OK;
    }
    if (s->message[0] != MESSAGE_KEY_UPDATE)
        return WAX_TLS_POST_HANDSHAKE;
    return len == 1 ? WAX_OK : WAX_TLS_MESSAGE_LENGTH;
}

static enum wax_status handshake_take(struct tls_state *s, struct view plain, uint64_t now_us)
{
    enum wax_status status = plain.len == 0 ? WAX_TLS_RECORD_EMPTY : WAX_OK;
    size_t at = 0;
    while (status == WAX_OK && at < plain.len) {
        if (s->message_len == 0 && s->skip_bytes > 0) {
            size_t n = plain.len - at < s->skip_bytes ? plain.len - at : s->skip_bytes;
            s->skip_bytes -= (uint32_t)n;
            at += n;
            continue;
        }
        uint8_t byte = plain.data[at++];
        if (s->message_len == MESSAGE_HEADER_BYTES) {
            status = key_update_take(s, byte, plain.len - at, now_us);
            continue;
        }
        s->message[s->message_len++] = byte;
        if (s->message_len == MESSAGE_HEADER_BYTES)
            status = message_begin(s);
    }
    return status;
}

/* Empty application data may hide when something is said (RFC 8446 5.4); for ever it only costs. */
static enum wax_status nothing_came(struct tls_state *s)
{
    if (s->empties == WAX_TLS_EMPTY_RECORDS_MAX)
        return WAX_TLS_RECORDS_EMPTY;
    s->empties++;
    return WAX_OK;
}

/* RFC 8446 5.1: until it is whole nothing but the rest of a message may come. */
static bool within_message(const struct tls_state *s)
{
    return s->message_len > 0 || s->skip_bytes > 0;
}

/* RFC 8446 6: whatever its level says, an alert is fatal unless it is one of the two that close. */
static enum wax_status alert_take(struct tls_state *s, struct view plain)
{
    if (plain.len == 0)
        return WAX_TLS_RECORD_EMPTY;
    if (plain.len != 2)
        return WAX_TLS_MESSAGE_LENGTH;
    bool closing = plain.data[1] == ALERT_CLOSE_NOTIFY || plain.data[1] == ALERT_USER_CANCELED;
    if (closing && within_message(s))
        return WAX_TLS_INTERLEAVED;
    if (plain.data[1] == ALERT_CLOSE_NOTIFY)
        return WAX_TLS_CLOSE_NOTIFY;
    if (plain.data[1] == ALERT_USER_CANCELED)
        return nothing_came(s);
    s->tx_closed = true;
    s->tx.seq = UINT64_MAX;
    return WAX_TLS_ALERT;
}

static enum wax_status record_take(struct tls_state *s, struct span record, uint64_t now_us,
                                   struct tls_event *ev)
{
    uint8_t type = 0;
    struct span plain = {0};
    enum wax_status status = tls_open(&s->rx, record, &type, &plain);
    if (status != WAX_OK)
        return status;
    struct view content = view_of(plain.data, plain.len);
    if (type == TLS_ALERT)
        return alert_take(s, content);
    if (type == TLS_HANDSHAKE)
        return handshake_take(s, content, now_us);
    if (type != TLS_APPLICATION_DATA)
        return WAX_TLS_RECORD_TYPE;
    if (within_message(s))
        return WAX_TLS_INTERLEAVED;
    if (plain.len == 0)
        return nothing_came(s);
    s->empties = 0;
    ev->data = plain;
    return WAX_OK;
}

enum wax_status tls_input(struct tls_state *s, struct span in, struct span out, uint64_t now_us,
                          struct tls_event *ev)
{
    *ev = (struct tls_event){0};
    if (s->status != WAX_OK) {
        ev->consumed = in.len;
        return (enum wax_status)s->status;
    }
    size_t len = 0;
    enum wax_status status = tls_record_length(view_of(in.data, in.len), &len);
    if (status == WAX_MORE || (status == WAX_OK && in.len < len)) {
        ev->need = len;
        return WAX_MORE;
    }
    if (status == WAX_OK) {
        status = record_take(s, span_of(in.data, len), now_us, ev);
        ev->consumed = len;
    }
    if (status == WAX_OK) {
        if (s->answer && out.len >= 5 + TLS_OVERHEAD_BYTES)
            return tls_answer(s, out, &ev->out_len);
        return WAX_OK;
    }
    s->status = (uint16_t)status;
    ev->data = span_of(NULL, 0);
    ev->consumed = in.len;
    if (status != WAX_TLS_CLOSE_NOTIFY)
        (void)tls_close(s, status, out, &ev->out_len);
    return status;
}
