/* SPDX-License-Identifier: BSD-3-Clause */
/* How a connection ends on an error of its records, whatever else it has to send. */
#include <criterion/criterion.h>

#include "rig.h"

#define ASK "GET /healthz HTTP/1.1\r\nHost: r\r\n\r\n"

/* A record of the peer's own making; `turned`: nobody can open it. */
static void record(struct peer *peer, uint8_t type, struct view plain, bool turned)
{
    uint8_t bytes[256];
    size_t len;
    cr_assert_eq(tls_seal(&peer->state.tx, type, plain, span_of(bytes, sizeof bytes), &len), WAX_OK);
    bytes[len - 1] ^= turned ? 1 : 0;
    cr_assert_eq(tcp_write(peer->rig->host, peer->id, view_of(bytes, len)), WAX_OK);
}

Test(conn_alerts, an_error_is_told_when_it_is_all_there_is_to_say)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    record(peer, TLS_APPLICATION_DATA, view_of("x", 1), true);
    rig_run(rig, 100);
    cr_expect_eq(peer->tls_status, WAX_TLS_ALERT);
    cr_expect_not(peer->reset);
    cr_expect_eq(rig->metrics.status[WAX_TLS_BAD_TAG], 1);
    rig_free(rig);
}

/* The answer to the request waits for the turn's end, and after the alert it may not be sent any more. */
Test(conn_alerts, an_error_is_told_though_an_answer_waits)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    peer_print(peer, ASK);
    record(peer, TLS_APPLICATION_DATA, view_of("x", 1), true);
    rig_run(rig, 100);
    cr_expect_eq(peer->tls_status, WAX_TLS_ALERT, "it got the alert: %s", wax_status_name(peer->tls_status));
    cr_expect_not(peer->reset, "a reset takes the alert with it");
    cr_expect_eq(rig->metrics.status[WAX_TLS_BAD_TAG], 1);
    cr_expect_eq(rig->metrics.status[WAX_TLS_KEYS_EXHAUSTED], 0, "nothing is sealed after the alert");
    rig_free(rig);
}

Test(conn_alerts, nothing_is_sent_to_who_has_sent_an_alert)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    peer_print(peer, ASK);
    record(peer, TLS_ALERT, view_of("\x02\x50", 2), false);
    rig_run(rig, 100);
    cr_expect_eq(peer->len, 0);
    cr_expect(peer->fin && !peer->reset);
    cr_expect_eq(rig->metrics.status[WAX_TLS_ALERT], 1);
    cr_expect_eq(rig->metrics.status[WAX_TLS_KEYS_EXHAUSTED], 0);
    rig_free(rig);
}

/* RFC 8446 6.1: the peer's close ends what it sends, not what it gets. */
Test(conn_alerts, an_answer_still_goes_to_who_has_closed)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    peer_print(peer, ASK);
    record(peer, TLS_ALERT, view_of("\x01\x00", 2), false);
    rig_run(rig, 100);
    cr_expect_gt(peer->len, 0);
    cr_expect_eq(peer->tls_status, WAX_TLS_CLOSE_NOTIFY);
    cr_expect(peer->fin && !peer->reset);
    rig_free(rig);
}
