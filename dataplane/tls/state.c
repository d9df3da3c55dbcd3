/* SPDX-License-Identifier: BSD-3-Clause */
/* Both directions of a connection after its handshake: what each record asks for. */
#include <assert.h>

#include "tls/record_private.h"

/* Flags of a state. */
#define TLS_F_CLIENT    0x01u
#define TLS_F_ANSWER    0x02u /* the peer has asked for a KeyUpdate of ours */
#define TLS_F_TX_CLOSED 0x04u /* our close_notify or alert is out */

#define MESSAGE_NEW_SESSION_TICKET 4u
#define MESSAGE_KEY_UPDATE         24u
#define MESSAGE_HEADER_BYTES       4u
#define TICKET_BYTES_MAX           (128u << 10)

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
    s->flags = shake->client ? TLS_F_CLIENT : 0;
    return WAX_OK;
}

enum wax_status tls_update(struct tls_state *s, bool request, struct span out, size_t *len)
{
    const uint8_t message[] = {MESSAGE_KEY_UPDATE, 0, 0, 1, request ? 1 : 0};
    *len = 0;
    if ((s->flags & TLS_F_TX_CLOSED) != 0)
        return WAX_TLS_KEYS_EXHAUSTED;
    enum wax_status status = dir_seal(&s->tx, TLS_HANDSHAKE, view_of(message, sizeof message), out, len);
    if (status != WAX_OK)
        return status;
    tls_next_secret(s->tx.aead, s->tx_secret);
    dir_rekey(&s->tx, s->tx_secret);
    s->flags &= (uint8_t)~TLS_F_ANSWER;
    return WAX_OK;
}

bool tls_answer_due(const struct tls_state *s)
{
    if ((s->flags & TLS_F_TX_CLOSED) != 0)
        return false;
    /* A sixteenth of a key's use is left for what is sealed before the answer finds room. */
    return (s->flags & TLS_F_ANSWER) != 0 || s->tx.seq >= s->tx.aead->records_max / 16 * 15;
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
    if ((s->flags & TLS_F_TX_CLOSED) != 0)
        return WAX_OK;
    enum wax_status status = dir_seal(&s->tx, TLS_ALERT, view_of(alert, sizeof alert), out, len);
    if (status != WAX_OK)
        return status;
    s->flags |= TLS_F_TX_CLOSED;
    s->tx.seq = UINT64_MAX;
    return WAX_OK;
}

/* Takes one key update from the peer's allowance, which grows by one in each interval. */
static bool update_allowed(struct tls_state *s, uint64_t now_us)
{
    uint64_t grown = (now_us - s->refill_us) / WAX_TLS_KEY_UPDATE_US;
    if (s->refill_us == 0 || grown >= WAX_TLS_KEY_UPDATES_MAX) {
        s->updates = WAX_TLS_KEY_UPDATES_MAX;
        s->refill_us = now_us;
    } else if (grown > 0) {
        uint64_t updates = s->updates + grown;
        s->updates = (uint8_t)(updates < WAX_TLS_KEY_UPDATES_MAX ? updates : WAX_TLS_KEY_UPDATES_MAX);
        s->refill_us += grown * WAX_TLS_KEY_UPDATE_US;
    }
    if (s->updates == 0)
        return false;
    s->updates--;
    return true;
}

/* A whole KeyUpdate has come, with `left` bytes behind it in its record (RFC 8446 4.6.3, 5.1). */
static enum wax_status key_update_take(struct tls_state *s, size_t left, uint64_t now_us)
{
    uint8_t request = s->message[4];
    s->message_len = 0;
    if (request > 1)
        return WAX_TLS_KEY_UPDATE_VALUE;
    if (left != 0)
        return WAX_TLS_POST_HANDSHAKE;
    if (!update_allowed(s, now_us))
        return WAX_TLS_KEY_UPDATE_RATE;
    tls_next_secret(s->rx.aead, s->rx_secret);
    dir_rekey(&s->rx, s->rx_secret);
    if (request == 1)
        s->flags |= TLS_F_ANSWER;
    return WAX_OK;
}

/* Judges the header of a handshake message (4 bytes in s->message). */
static enum wax_status message_begin(struct tls_state *s)
{
    uint32_t len = load_be32(s->message) & 0xFFFFFF;
    if (s->message[0] == MESSAGE_NEW_SESSION_TICKET && (s->flags & TLS_F_CLIENT) != 0) {
        if (len == 0 || len > TICKET_BYTES_MAX)
            return WAX_TLS_MESSAGE_LENGTH;
        s->skip_bytes = len;
        s->message_len = 0;
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
        if (s->skip_bytes > 0) {
            size_t n = plain.len - at < s->skip_bytes ? plain.len - at : s->skip_bytes;
            s->skip_bytes -= (uint32_t)n;
            at += n;
            continue;
        }
        assert(s->message_len < sizeof s->message);
        s->message[s->message_len++] = plain.data[at++];
        if (s->message_len == MESSAGE_HEADER_BYTES)
            status = message_begin(s);
        else if (s->message_len == sizeof s->message)
            status = key_update_take(s, plain.len - at, now_us);
    }
    return status;
}

/* RFC 8446 6: whatever its level says, an alert is fatal unless it is one of the two that close. */
static enum wax_status alert_take(struct tls_state *s, struct view plain)
{
    if (plain.len == 0)
        return WAX_TLS_RECORD_EMPTY;
    if (plain.len != 2)
        return WAX_TLS_MESSAGE_LENGTH;
    if (plain.data[1] == ALERT_CLOSE_NOTIFY)
        return WAX_TLS_CLOSE_NOTIFY;
    if (plain.data[1] == ALERT_USER_CANCELED)
        return WAX_OK;
    s->flags |= TLS_F_TX_CLOSED;
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
    if (s->message_len > 0 || s->skip_bytes > 0)
        return WAX_TLS_INTERLEAVED;
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
        if ((s->flags & TLS_F_ANSWER) != 0 && out.len >= 5 + TLS_OVERHEAD_BYTES)
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
