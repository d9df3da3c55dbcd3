/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The record layer of TLS 1.3 after the handshake (RFC 8446 5, 4.6.3, 6): opens and seals
 * records, answers KeyUpdate, and turns alerts into statuses. One record at a time, in place.
 *
 * How a connection uses it: `tls_record_length` says how many bytes the record at the head of the received
 * stream takes; when they are together, `tls_input` opens it and leaves application data in place.
 * Before sealing, `if (tls_answer_due(s)) tls_answer(...)`, then `tls_seal(&s->tx, ...)`; what these
 * write must go onto the stream in the order written.
 */
#ifndef WAXWIRE_TLS_RECORD_H
#define WAXWIRE_TLS_RECORD_H

#include "tls/keys.h"

enum tls_type { TLS_CHANGE_CIPHER_SPEC = 20, TLS_ALERT = 21, TLS_HANDSHAKE = 22, TLS_APPLICATION_DATA = 23 };

/* What a record adds to its plaintext: header, inner type, tag. */
#define TLS_OVERHEAD_BYTES (WAX_TLS_HEADER_BYTES + 1u + WAX_TLS_TAG_BYTES)
/* An alert of ours as a record. */
#define TLS_ALERT_BYTES (2u + TLS_OVERHEAD_BYTES)
/* Room that tls_input needs in `out`: an answer to KeyUpdate and an alert. */
#define TLS_OUT_BYTES 64u

/* One direction: what every record needs, in one cache line. */
struct tls_dir {
    const struct aead *aead;
    uint64_t seq; /* of the next record under this key; counts the records under it */
    uint8_t key[TLS_KEY_BYTES_MAX];
    uint8_t iv[TLS_IV_BYTES];
    uint32_t refill_ms; /* receiving: when the allowance of key updates was last refilled, modulo 2^32 */
};

struct tls_state {
    struct tls_dir rx, tx;
    uint8_t rx_secret[TLS_SECRET_BYTES_MAX]; /* kept for KeyUpdate */
    uint8_t tx_secret[TLS_SECRET_BYTES_MAX];
    union {
        uint8_t message[4];  /* message_len > 0: the head of a handshake message that is not whole */
        uint32_t skip_bytes; /* else what is left of one that is ignored (a ticket at a client) */
    };
    uint16_t status;     /* the error that ended the receiving side, or WAX_OK */
    uint8_t updates : 6; /* key updates that the peer may still make now */
    bool client : 1;
    bool answer : 1;         /* the peer has asked for a KeyUpdate of ours */
    uint8_t empties : 4;     /* records in a row that brought nothing */
    uint8_t message_len : 3; /* 0 to 4 */
    bool tx_closed : 1;      /* our close_notify or alert is out */
};

_Static_assert(WAX_TLS_KEY_UPDATES_MAX < 64u && WAX_TLS_EMPTY_RECORDS_MAX < 16u, "they fit their bits");
_Static_assert(TLS_ALERT_BYTES < 5u + TLS_OVERHEAD_BYTES && TLS_OUT_BYTES >= 7u + 2u * TLS_OVERHEAD_BYTES,
               "an alert fits where a KeyUpdate doesn't, and both fit together");
_Static_assert(sizeof(struct tls_dir) == WAX_CACHE_LINE_BYTES, "a direction is one cache line");
_Static_assert(sizeof(struct tls_state) <= 232, "what TLS keeps for an idle connection");

/* What a record brought. */
struct tls_event {
    size_t consumed;  /* bytes of the input that are done with */
    size_t need;      /* with WAX_MORE: how many bytes the input must hold for progress */
    struct span data; /* application data (often the whole point; len 0 when none), inside the input */
    size_t out_len;   /* bytes written to `out`: send them, also when an error is returned */
};

/*
 * Takes over from a handshake. WAX_OK, or WAX_TLS_SUITE when no backend serves the suite.
 */
enum wax_status tls_state_init(struct tls_state *s, const struct tls_shake_result *shake);

/*
 * The length, header included, of the record whose first bytes are `head`: WAX_OK and *len; WAX_MORE (and
 * *len = 5) with fewer than 5 sound bytes; WAX_TLS_RECORD_TYPE or WAX_TLS_RECORD_LENGTH for what cannot be a
 * protected record (RFC 8446 5.2). Feed such a head to tls_input all the same: it writes the alert.
 */
enum wax_status tls_record_length(struct view head, size_t *len);

/*
 * Opens the first record of `in` in place and does what it asks. `out` needs TLS_OUT_BYTES of room; with
 * TLS_ALERT_BYTES a KeyUpdate that is asked for waits (tls_answer_due).
 *
 * WAX_OK: one record is done with (ev->consumed bytes), ev->data is its application data. Call again with the
 * rest.
 *
 * WAX_MORE: the record is not whole; nothing is consumed, ev->need says its length.
 *
 * Anything else ends the receiving side: WAX_TLS_CLOSE_NOTIFY (the peer has finished sending; we may still
 * send), WAX_TLS_ALERT, or an error of ours, whose alert is in `out`. Further calls return the same status
 * and consume everything.
 */
enum wax_status tls_input(struct tls_state *s, struct span in, struct span out, uint64_t now_us,
                          struct tls_event *ev);

/*
 * Seals `plain` (at most 16384 bytes) as one record of `type`: writes plain.len + TLS_OVERHEAD_BYTES bytes to
 * `out`, *len says how many. `plain` may lie at out.data + 5. WAX_OK; WAX_FULL when `out` is too small;
 * WAX_BAD_ARGUMENT when `plain` is too long; WAX_TLS_KEYS_EXHAUSTED when the key may not be used any more.
 */
enum wax_status tls_seal(struct tls_dir *dir, uint8_t type, struct view plain, struct span out, size_t *len);

/*
 * Opens one whole record (header and body) in place: *type and *plain (inside `record`), padding removed
 * (RFC 8446 5.2, 5.4). WAX_OK or WAX_TLS_RECORD_TYPE, _LENGTH, _SHORT, _BAD_TAG, _BAD_PADDING,
 * _KEYS_EXHAUSTED.
 */
enum wax_status tls_open(struct tls_dir *dir, struct span record, uint8_t *type, struct span *plain);

/*
 * True when a KeyUpdate of ours must go out before more data is sealed: the peer asked for it, or our key has
 * protected enough. `tls_answer` writes it to `out` (27 bytes or more of room, else WAX_FULL) and changes the
 * sending key. tls_input calls it by itself for the peer's wish when there's room.
 */
bool tls_answer_due(const struct tls_state *s);
enum wax_status tls_answer(struct tls_state *s, struct span out, size_t *len);

/*
 * Writes a KeyUpdate of our own wish; `request` asks the peer to change its key too. For tests and
 * generators.
 */
enum wax_status tls_update(struct tls_state *s, bool request, struct span out, size_t *len);

/*
 * Writes an alert, then refuses to seal more: close_notify for WAX_OK, else the alert that tells the peer of
 * `why`. 24 bytes of room. *len is 0 when the sending side has been closed before.
 */
enum wax_status tls_close(struct tls_state *s, enum wax_status why, struct span out, size_t *len);

/*
 * The number of the alert (RFC 8446 6) for a status: 0 (close_notify) for WAX_OK.
 */
uint8_t tls_alert_number(enum wax_status why);

/*
 * Makes the compiler fetch the state of a connection whose records come soon.
 */
__attribute__((always_inline)) static inline void tls_prefetch(const struct tls_state *s)
{
    __builtin_prefetch(&s->rx);
    __builtin_prefetch(&s->tx);
    __builtin_prefetch(&s->status);
}

#endif
