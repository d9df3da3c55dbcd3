/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits of connections for addresses and networks, and of the rate at which an address opens them. */
#include "script.h"

#include "base/flow.h"

static void start(const struct tcp_config *config)
{
    script_start(config);
    script_listen();
}

static void from_ip4(uint32_t ip4)
{
    S.tuple.peer = addr_ip4(ip4);
}

static void from_ip6(uint8_t third, uint8_t seventh, uint8_t last)
{
    S.tuple.peer = (struct addr){{0x20, 0x01, 0, 2, 0, third, 0, seventh, [15] = last}};
    S.tuple.local = (struct addr){{0x20, 0x01, 0, 2, [15] = 1}};
}

/* A handshake from the present address; whether it came to a connection. */
static bool opens(uint16_t port)
{
    S.head = S.tail;
    S.id = TCP_NONE;
    S.events = 0;
    IN(TCP_SYN, .seq = 0, .mss = 1460, .port = port);
    if (S.head == S.tail) {
        return false;
    }
    S.irs = S.sent[(S.tail - 1) % SCRIPT_QUEUE].segment.seq;
    S.head = S.tail;
    IN(TCP_ACK, .seq = 1, .ack = 1, .port = port);
    return S.events == TCP_EV_OPENED;
}

static uint32_t counted(void)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < S.e->quota.bucket_count * QUOTA_ENTRIES; i++) {
        n += S.e->quota.buckets[i / QUOTA_ENTRIES].entries[i % QUOTA_ENTRIES].count;
    }
    return n;
}

Test(quota, an_address_has_its_share_and_the_newest_is_dropped)
{
    start(&(struct tcp_config){.conns_max = 16, .per_address_max = 2});
    cr_assert(opens(1) && opens(2));
    uint32_t second = S.id;
    cr_assert(!opens(3));
    cr_assert_eq(S.r.status, WAX_TCP_ADDRESS_FULL);
    cr_assert_eq(S.r.reply_len, 0, "dropped, not reset: it costs least");
    COUNTED(WAX_TCP_ADDRESS_FULL, 1);
    from_ip4(0xc6120003);
    cr_assert(opens(3), "another address is not concerned");
    from_ip4(0xc6120002);
    tcp_release(S.e, second);
    script_pump();
    cr_assert(opens(4), "one that ended makes room");
    cr_assert_eq(counted(), 3);
    script_end();
}

Test(quota, established_connections_notice_nothing)
{
    start(&(struct tcp_config){.conns_max = 16, .per_address_max = 1});
    cr_assert(opens(1));
    uint32_t id = S.id, irs = S.irs;
    for (uint16_t i = 0; i < 100; i++) {
        cr_assert(!opens((uint16_t)(100 + i)));
    }
    S.id = id;
    S.irs = irs;
    S.head = S.tail;
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100, .port = 1);
    cr_assert_eq(S.received, 100);
    WRITE(100);
    OUT(TCP_ACK, 1, 101, 100);
    script_end();
}

Test(quota, a_syn_alone_uses_up_nothing_so_nobody_can_lock_out_another)
{
    start(&(struct tcp_config){.conns_max = 16, .per_address_max = 2, .opens_per_s = 1, .opens_burst = 2});
    for (uint16_t i = 0; i < 3; i++) {
        IN(TCP_SYN, .seq = 0, .mss = 1460, .port = (uint16_t)(100 + i)); /* in its name, by somebody else */
    }
    cr_assert_eq(tcp_stats(S.e)->half_open, 3);
    cr_assert_eq(counted(), 0);
    cr_assert(opens(1));
    script_end();
}

Test(quota, a_handshake_that_ends_beyond_the_share_is_reset)
{
    start(&(struct tcp_config){.conns_max = 16, .per_address_max = 1});
    IN(TCP_SYN, .seq = 0, .mss = 1460, .port = 1);
    uint32_t first = S.irs;
    IN(TCP_SYN, .seq = 0, .mss = 1460, .port = 2);
    uint32_t second = S.irs;
    S.head = S.tail;
    S.irs = first;
    IN(TCP_ACK, .seq = 1, .ack = 1, .port = 1);
    EVENTS(TCP_EV_OPENED);
    S.irs = second;
    IN(TCP_ACK, .seq = 1, .ack = 1, .port = 2);
    EVENTS(0);
    OUT(TCP_RST, 1, 0, 0);
    COUNTED(WAX_TCP_ADDRESS_FULL, 1);
    cr_assert_eq(tcp_stats(S.e)->conns, 1);
    script_end();
}

Test(quota, a_cookie_counts_when_it_is_redeemed)
{
    start(&(struct tcp_config){.conns_max = 16, .per_address_max = 1, .cookies_always = true});
    cr_assert(opens(1));
    IN(TCP_SYN, .seq = 0, .mss = 1460, .port = 2);
    S.irs = S.sent[(S.tail - 1) % SCRIPT_QUEUE].segment.seq;
    S.head = S.tail;
    S.events = 0;
    IN(TCP_ACK, .seq = 1, .ack = 1, .port = 2);
    EVENTS(0);
    OUT(TCP_RST, 1, 0, 0);
    COUNTED(WAX_TCP_ADDRESS_FULL, 1);
    cr_assert_eq(counted(), 1);
    script_end();
}

Test(quota, a_network_of_ip4_is_24_bits)
{
    start(&(struct tcp_config){.conns_max = 16, .per_prefix_max = 2});
    from_ip4(0xc6120302);
    cr_assert(opens(1));
    from_ip4(0xc61203fe);
    cr_assert(opens(1));
    from_ip4(0xc6120377);
    cr_assert(!opens(1));
    COUNTED(WAX_TCP_PREFIX_FULL, 1);
    from_ip4(0xc6120402);
    cr_assert(opens(1));
    script_end();
}

Test(quota, an_address_of_ip6_is_64_bits_and_a_network_48)
{
    start(&(struct tcp_config){.conns_max = 16, .per_address_max = 1, .per_prefix_max = 2});
    from_ip6(1, 1, 2);
    cr_assert(opens(1));
    from_ip6(1, 1, 3);
    cr_assert(!opens(2));
    COUNTED(WAX_TCP_ADDRESS_FULL, 1);
    from_ip6(1, 2, 2);
    cr_assert(opens(3));
    from_ip6(1, 3, 2);
    cr_assert(!opens(4));
    COUNTED(WAX_TCP_PREFIX_FULL, 1);
    from_ip6(2, 1, 2);
    cr_assert(opens(5));
    script_end();
}

Test(quota, an_address_opens_so_many_in_a_second_and_a_burst_after_a_rest)
{
    start(&(struct tcp_config){.conns_max = 64, .opens_per_s = 10, .opens_burst = 4});
    for (uint16_t i = 0; i < 4; i++) {
        cr_assert(opens((uint16_t)(1 + i)));
    }
    cr_assert(!opens(10));
    COUNTED(WAX_TCP_ADDRESS_RATE, 1);
    SLEEP(101);
    cr_assert(opens(10));
    cr_assert(!opens(11));
    SLEEP(10000);
    for (uint16_t i = 0; i < 4; i++) {
        cr_assert(opens((uint16_t)(20 + i)));
    }
    cr_assert(!opens(30));
    script_end();
}

Test(quota, the_rate_of_a_very_old_entry_is_at_rest)
{
    /* Ticks wrap after 76 hours. */
    start(&(struct tcp_config){.conns_max = 64, .opens_per_s = 10, .opens_burst = 1});
    for (uint16_t i = 0; i < 20; i++) {
        cr_assert(opens((uint16_t)(1 + i)));
        S.now_us += 17ull * 3600 * 1000000 - 1;
        tcp_advance(S.e, S.now_us);
    }
    script_end();
}

Test(quota, time_wait_does_not_count)
{
    start(&(struct tcp_config){.conns_max = 16, .per_address_max = 1});
    cr_assert(opens(1));
    tcp_close(S.e, S.id, S.now_us);
    script_pump();
    IN(TCP_ACK | TCP_FIN, .seq = 1, .ack = 2, .port = 1);
    STATE(TCP_STATE_TIME_WAIT);
    cr_assert_eq(counted(), 0);
    cr_assert(opens(2));
    script_end();
}

Test(quota, everything_is_given_back_whatever_the_end)
{
    start(&(struct tcp_config){.conns_max = 64, .per_address_max = 64, .per_prefix_max = 64});
    for (uint16_t i = 0; i < 30; i++) {
        cr_assert(opens((uint16_t)(1 + i)));
        switch (i % 3) {
        case 0:
            IN(TCP_RST, .seq = 1, .port = (uint16_t)(1 + i));
            break;
        case 1:
            tcp_abort(S.e, S.id);
            script_pump();
            break;
        default:
            WRITE(10); /* and the user time-out */
        }
    }
    SLEEP(200000);
    cr_assert_eq(counted(), 0);
    script_end();
}

Test(quota, active_opens_do_not_count)
{
    start(&(struct tcp_config){.conns_max = 16, .per_address_max = 1});
    for (uint16_t i = 0; i < 3; i++) {
        S.tuple.local_port = (uint16_t)(1000 + i);
        script_connect();
        IN(TCP_SYN | TCP_ACK, .seq = 0, .ack = 1, .mss = 1460);
        cr_assert_eq(S.events & TCP_EV_OPENED, TCP_EV_OPENED);
        S.events = 0;
    }
    cr_assert_eq(counted(), 0);
    script_end();
}

/* Fills a table for `conns` connections, each of an address and network of its own. */
static uint32_t crowded(uint32_t conns)
{
    script_start(&(struct tcp_config){.conns_max = conns, .per_address_max = 1, .per_prefix_max = 1});
    for (uint32_t i = 0; i < conns; i++) {
        struct tcp_conn c = {.tuple = {addr_ip4(0x0b000000u + (i << 8)), addr_ip4(1), 1, 1}};
        cr_assert_eq(quota_take(S.e, &c), WAX_OK);
        cr_assert_eq(quota_check(S.e, &c.tuple.peer), (c.flags2 & F2_COUNTED) != 0 ? WAX_TCP_ADDRESS_FULL
                                                      : (c.flags2 & F2_COUNTED_PREFIX) != 0
                                                          ? WAX_TCP_PREFIX_FULL
                                                          : WAX_OK);
    }
    cr_assert_eq(counted() + S.counters[WAX_TCP_QUOTA_CROWDED], 2 * conns);
    return (uint32_t)S.counters[WAX_TCP_QUOTA_CROWDED];
}

Test(quota, a_crowded_table_lets_in_uncounted_which_is_counted_and_rare)
{
    cr_assert_leq(crowded(65536), 65536 / 1000, "%lu went uncounted", S.counters[WAX_TCP_QUOTA_CROWDED]);
}

Test(quota, an_entry_at_rest_is_used_again)
{
    start(&(struct tcp_config){.conns_max = 1, .opens_per_s = 10, .opens_burst = 1});
    for (uint32_t i = 0; i < 1000; i++) {
        struct tcp_conn c = {.tuple = {addr_ip4(0x0b000000u + i), addr_ip4(1), 1, 1}};
        cr_assert_eq(quota_take(S.e, &c), WAX_OK);
        cr_assert_eq(c.flags2, F2_COUNTED);
        quota_give(S.e, &c);
        S.e->now_us += 200000;
    }
    COUNTED(WAX_TCP_QUOTA_CROWDED, 0);
    script_end();
}

Test(quota, an_idle_connection_is_under_320_bytes_with_all_tables_and_timers)
{
    struct tcp_config small = {
        .conns_max = 1u << 16, .per_address_max = 1, .per_prefix_max = 1, .opens_per_s = 1};
    struct tcp_config large = small;
    large.conns_max = 1u << 20;
    size_t each =
        (tcp_engine_bytes(&large) - tcp_engine_bytes(&small)) / (large.conns_max - small.conns_max) + 1;
    cr_assert_leq(each, 320, "%zu bytes",
                  each); /* the timer lies in the connection; IP keeps nothing for one */
    cr_assert_geq(each, sizeof(struct tcp_conn) + 10 + 3 * sizeof(struct quota_bucket) / QUOTA_ENTRIES);
}
