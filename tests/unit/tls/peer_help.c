/* SPDX-License-Identifier: BSD-3-Clause */
#include "peer_help.h"

struct link *link_new(SSL_CTX *peer_ctx, bool peer_is_client, struct tls_context *ours, const char *name)
{
    struct link *l = calloc(1, sizeof *l);
    l->peer = SSL_new(peer_ctx);
    l->peer_in = BIO_new(BIO_s_mem());
    l->peer_out = BIO_new(BIO_s_mem());
    l->peer_is_client = peer_is_client;
    BIO_set_mem_eof_return(l->peer_in, -1);
    SSL_set_bio(l->peer, l->peer_in, l->peer_out);
    if (peer_is_client)
        SSL_set_connect_state(l->peer);
    else
        SSL_set_accept_state(l->peer);
    l->shake = peer_is_client ? tls_shake_new(ours) : tls_shake_new_client(ours, name);
    cr_assert_not_null(l->shake);
    l->status = WAX_MORE;
    l->records = WAX_MORE;
    l->out_room = TLS_SHAKE_OUT_BYTES;
    return l;
}

void link_free(struct link *l)
{
    tls_shake_free(l->shake);
    /* Or OpenSSL would hold the session, and its tickets, for bad. */
    SSL_set_quiet_shutdown(l->peer, 1);
    SSL_shutdown(l->peer);
    SSL_free(l->peer);
    free(l);
}

/* Takes what the peer has written. True when there was something. */
static bool peer_collect(struct link *l)
{
    uint8_t bytes[4096];
    int n;
    bool any = false;
    while ((n = BIO_read(l->peer_out, bytes, sizeof bytes)) > 0) {
        queue_add(&l->to_us, bytes, (size_t)n);
        any = true;
    }
    return any;
}

/* One call of our handshake with the first `have` bytes that wait. True when anything moved. */
static bool shake_once(struct link *l, size_t have)
{
    uint8_t out[TLS_SHAKE_OUT_BYTES];
    size_t consumed, out_len;
    l->status = tls_shake_input(l->shake, view_of(l->to_us.bytes, have), span_of(out, l->out_room), &consumed,
                                &out_len, &l->result);
    cr_assert_leq(consumed, have);
    cr_assert_leq(out_len, l->out_room);
    queue_drop(&l->to_us, consumed);
    BIO_write(l->peer_in, out, (int)out_len);
    return consumed > 0 || out_len > 0 || l->status == WAX_FULL;
}

static void shake_all(struct link *l)
{
    size_t have = l->step == 0 ? l->to_us.len : l->step;
    for (;;) {
        if (have > l->to_us.len)
            have = l->to_us.len;
        bool moved = shake_once(l, have);
        if (l->status == WAX_FULL)
            continue;
        if (l->status != WAX_MORE)
            return;
        if (moved)
            have = l->step == 0 ? l->to_us.len : l->step;
        else if (have < l->to_us.len)
            have += l->step;
        else
            return;
    }
}

void link_shake(struct link *l)
{
    bool moved = true;
    while (moved && (l->status == WAX_MORE || l->status == WAX_FULL)) {
        SSL_do_handshake(l->peer);
        moved = peer_collect(l);
        size_t waiting = BIO_ctrl_pending(l->peer_in);
        shake_all(l);
        moved = moved || BIO_ctrl_pending(l->peer_in) != waiting;
    }
    SSL_do_handshake(l->peer);
    peer_collect(l);
    if (l->status == WAX_OK)
        cr_assert_eq(tls_state_init(&l->state, &l->result), WAX_OK);
}

void link_receive(struct link *l, uint64_t now_us)
{
    peer_collect(l);
    while (l->records == WAX_MORE && l->to_us.len > 0) {
        uint8_t out[TLS_OUT_BYTES];
        struct tls_event ev;
        enum wax_status status = tls_input(&l->state, span_of(l->to_us.bytes, l->to_us.len),
                                           span_of(out, sizeof out), now_us, &ev);
        if (status == WAX_MORE)
            return;
        if (ev.data.len > 0) {
            cr_assert_leq(l->got_len + ev.data.len, sizeof l->got);
            memcpy(l->got + l->got_len, ev.data.data, ev.data.len);
            l->got_len += ev.data.len;
        }
        BIO_write(l->peer_in, out, (int)ev.out_len);
        queue_drop(&l->to_us, ev.consumed);
        if (status != WAX_OK)
            l->records = status;
    }
}

void link_send(struct link *l, const void *bytes, size_t len)
{
    static uint8_t out[WAX_TLS_RECORD_BYTES_MAX];
    size_t n;
    cr_assert_eq(
        tls_seal(&l->state.tx, TLS_APPLICATION_DATA, view_of(bytes, len), span_of(out, sizeof out), &n),
        WAX_OK);
    BIO_write(l->peer_in, out, (int)n);
}

int link_peer_read(struct link *l, void *buffer, size_t len)
{
    int n = SSL_read(l->peer, buffer, (int)len);
    peer_collect(l);
    return n;
}
