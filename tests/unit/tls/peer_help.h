/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An OpenSSL peer in memory, joined to our handshake and record layer by byte queues that split and coalesce.
 */
#ifndef WAXWIRE_TESTS_TLS_PEER_HELP_H
#define WAXWIRE_TESTS_TLS_PEER_HELP_H

#include <openssl/ssl.h>
#include <stdlib.h>

#include "certificate.h"
#include "tls/handshake.h"
#include "tls_help.h"

#define QUEUE_BYTES (1u << 20)

struct queue {
    uint8_t bytes[QUEUE_BYTES];
    size_t len;
};

static inline void queue_add(struct queue *q, const void *bytes, size_t len)
{
    cr_assert_leq(q->len + len, sizeof q->bytes);
    memcpy(q->bytes + q->len, bytes, len);
    q->len += len;
}

static inline void queue_drop(struct queue *q, size_t len)
{
    cr_assert_leq(len, q->len);
    memmove(q->bytes, q->bytes + len, q->len - len);
    q->len -= len;
}

/* One connection: the peer on one side, our handshake and then our records on the other. */
struct link {
    SSL *peer;
    BIO *peer_in, *peer_out;
    bool peer_is_client;
    struct tls_shake *shake;
    struct tls_shake_result result;
    struct tls_state state;
    struct queue to_us;
    enum wax_status status; /* of our handshake */
    size_t step;            /* our input comes in steps of so many bytes; 0: all there is */
    size_t out_room;        /* what our handshake may write at once */
    uint8_t got[1 << 16];   /* application data that came to us */
    size_t got_len;
    enum wax_status records; /* of our records: WAX_MORE while they flow */
};

/* Options of the peer are set on its context before this. */
struct link *link_new(SSL_CTX *peer_ctx, bool peer_is_client, struct tls_context *ours, const char *name);
void link_free(struct link *l);

/* Lets both sides shake hands until nothing moves. */
void link_shake(struct link *l);

/* Moves what the peer has sent to our records; their answers go back. */
void link_receive(struct link *l, uint64_t now_us);

/* Seals and delivers one record to the peer. */
void link_send(struct link *l, const void *bytes, size_t len);

/* What the peer reads: number of bytes, or -1. */
int link_peer_read(struct link *l, void *buffer, size_t len);

#endif
