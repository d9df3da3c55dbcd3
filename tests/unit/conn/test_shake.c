/* SPDX-License-Identifier: BSD-3-Clause */
/* Handshakes under way: how many there may be, who waits, and who has had his time. */
#include <criterion/criterion.h>

#include "rig.h"

/* A client that sends its ClientHello, and nothing ever after. */
static struct peer *peer_stops(struct rig *rig)
{
    struct peer *peer = peer_connect_raw(rig, RIG_PORT_TLS);
    rig->jobs_held = true;
    rig_run(rig, 20);
    tls_shake_free(peer->shake);
    peer->shake = NULL;
    rig->jobs_held = false;
    rig_run(rig, 20);
    return peer;
}

Test(conn_shake, who_stops_in_the_middle_has_10_s_while_nobody_waits)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_stops(rig);
    cr_assert_eq(rig->metrics.handshakes_now, 1);
    rig_run(rig, 9900);
    cr_expect_not(peer->reset);
    rig_run(rig, 200);
    cr_expect(peer->reset);
    cr_expect_eq(rig->metrics.status[WAX_TLS_HANDSHAKE_TIMEOUT], 1);
    rig_run(rig, 20);
    cr_expect_eq(rig->metrics.handshakes_now, 0);
    rig_free(rig);
}

Test(conn_shake, who_stops_in_the_middle_has_3_s_while_others_wait)
{
    struct rig *rig = rig_new(&(struct rig_options){.handshakes_max = 2});
    struct peer *slow[2] = {peer_stops(rig), peer_stops(rig)};
    struct peer *good = peer_connect_raw(rig, RIG_PORT_TLS);
    rig_run(rig, 2700);
    cr_expect(!slow[0]->reset && !slow[1]->reset && !good->sealed);
    cr_expect_eq(rig->metrics.handshakes_waiting_now, 1);
    rig_run(rig, 300);
    cr_expect(slow[0]->reset || slow[1]->reset);
    cr_expect(good->sealed, "who waited has come through");
    cr_expect_eq(rig->metrics.handshakes_waiting_now, 0);
    rig_run(rig, 8000);
    rig_free(rig);
}

Test(conn_shake, a_slow_handshake_thread_is_nobodys_fault)
{
    struct rig *rig = rig_new(&(struct rig_options){.handshakes_max = 1});
    struct peer *one = peer_connect_raw(rig, RIG_PORT_TLS), *two = peer_connect_raw(rig, RIG_PORT_TLS);
    rig->jobs_held = true;
    rig_run(rig, 5000);
    cr_expect(!one->reset && !two->reset);
    rig->jobs_held = false;
    rig_run(rig, 100);
    cr_expect(one->sealed && two->sealed);
    rig_free(rig);
}

Test(conn_shake, beyond_the_queue_newcomers_are_reset)
{
    struct rig *rig = rig_new(&(struct rig_options){.handshakes_max = 1, .waiting_max = 4});
    struct peer *peer[5];
    rig->jobs_held = true;
    for (unsigned i = 0; i < 5; i++) {
        peer[i] = peer_connect_raw(rig, RIG_PORT_TLS);
        rig_run(rig, 20);
    }
    /* one is under way, two wait (half of the queue is one address's), the others are refused */
    for (unsigned i = 0; i < 5; i++)
        cr_expect_eq(peer[i]->reset, i >= 3, "%u", i);
    cr_expect_eq(rig->metrics.status[WAX_TLS_WAITING_FULL], 2);
    cr_expect_eq(rig->metrics.handshakes_waiting_now, 2);
    rig->jobs_held = false;
    rig_run(rig, 100);
    for (unsigned i = 0; i < 3; i++)
        cr_expect(peer[i]->sealed);
    rig_free(rig);
}

Test(conn_shake, one_address_has_so_many_under_way)
{
    struct rig *rig = rig_new(&(struct rig_options){.handshakes_max = 8, .address_max = 2});
    struct peer *peer[4];
    rig->jobs_held = true;
    for (unsigned i = 0; i < 4; i++)
        peer[i] = peer_connect_raw(rig, RIG_PORT_TLS);
    rig_run(rig, 50);
    cr_expect_eq(rig->metrics.handshakes_now, 2);
    cr_expect_eq(rig->metrics.handshakes_waiting_now, 2);
    rig->jobs_held = false;
    rig_run(rig, 100);
    for (unsigned i = 0; i < 4; i++)
        cr_expect(peer[i]->sealed);
    rig_free(rig);
}

Test(conn_shake, who_waits_and_goes_leaves_the_queue)
{
    struct rig *rig = rig_new(&(struct rig_options){.handshakes_max = 1});
    struct peer *one = peer_connect_raw(rig, RIG_PORT_TLS);
    rig->jobs_held = true;
    rig_run(rig, 20);
    struct peer *two = peer_connect_raw(rig, RIG_PORT_TLS), *three = peer_connect_raw(rig, RIG_PORT_TLS);
    rig_run(rig, 20);
    cr_expect_eq(rig->metrics.handshakes_waiting_now, 2);
    tcp_abort(rig->host, two->id);
    rig_run(rig, 20);
    cr_expect_eq(rig->metrics.connections_now, 2, "it is gone at once, not when its turn comes");
    rig->jobs_held = false;
    rig_run(rig, 100);
    cr_expect(one->sealed && three->sealed);
    cr_expect_eq(rig->metrics.handshakes_waiting_now, 0);
    rig_free(rig);
}

Test(conn_shake, who_waits_too_long_is_reset)
{
    struct rig *rig = rig_new(&(struct rig_options){.handshakes_max = 1});
    (void)peer_connect_raw(rig, RIG_PORT_TLS);
    rig->jobs_held = true;
    rig_run(rig, 20);
    struct peer *two = peer_connect_raw(rig, RIG_PORT_TLS);
    rig_run(rig, 9900);
    cr_expect_not(two->reset);
    rig_run(rig, 300);
    cr_expect(two->reset);
    rig->jobs_held = false;
    rig_run(rig, 100);
    cr_expect_eq(rig->metrics.handshakes_waiting_now, 0);
    rig_free(rig);
}
