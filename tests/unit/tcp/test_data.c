/* SPDX-License-Identifier: BSD-3-Clause */
/* Data both ways: RFC 9293 3.10.7.4; RFC 5681 4.2; RFC 1122 4.2.3.2, 4.2.3.4. */
#include "script.h"

Test(data, rfc9293_3_10_7_4_in_order_bytes_are_delivered_in_the_packet)
{
    script_open(NULL);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    EVENTS(TCP_EV_DATA);
    cr_assert_eq(S.r.data.len, 100);
    cr_assert_eq(S.received, 100);
    cr_assert_eq(tcp_stats(S.e)->fast_path_in, 1);
    script_end();
}

Test(data, rfc1122_4_2_3_2_ack_is_delayed_but_below_half_a_second)
{
    script_open(NULL);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    QUIET();
    SLEEP(38);
    QUIET();
    SLEEP(5);
    OUT(TCP_ACK, 1, 101, 0);
    SLEEP(1000);
    QUIET();
    script_end();
}

Test(data, rfc5681_4_2_every_second_full_segment_is_acknowledged_at_once)
{
    script_open(NULL);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 1460);
    QUIET();
    IN(TCP_ACK, .seq = 1461, .ack = 1, .len = 1460);
    OUT(TCP_ACK, 1, 2921, 0);
    IN(TCP_ACK, .seq = 2921, .ack = 1, .len = 1460);
    QUIET();
    script_end();
}

Test(data, rfc9293_3_8_6_3_ack_rides_on_data)
{
    script_open(NULL);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    WRITE(50);
    OUT(TCP_ACK, 1, 101, 50);
    SLEEP(100);
    QUIET();
    IN(TCP_ACK, .seq = 101, .ack = 51);
    EVENTS(TCP_EV_DATA | TCP_EV_ACKED);
    cr_assert_eq(S.acked, 50);
    script_end();
}

Test(data, acks_and_data_in_one_segment_take_the_fast_path)
{
    script_open_ts(NULL);
    WRITE(10);
    const struct tcp_segment *s = OUT(TCP_ACK, 1, 1, 10);
    IN(TCP_ACK, .seq = 1, .ack = 11, .len = 20, .ts = true, .tsecr = s->tsval);
    EVENTS(TCP_EV_DATA | TCP_EV_ACKED);
    cr_assert_eq(tcp_stats(S.e)->fast_path_in, 1);
    cr_assert_eq(tcp_unacked(S.e, S.id), 0);
    cr_assert_eq(tcp_acked(S.e, S.id), 10);
    cr_assert_eq(tcp_written(S.e, S.id), 10);
    script_end();
}

Test(data, rfc5681_4_2_each_out_of_order_segment_gets_a_duplicate_ack)
{
    script_open(NULL);
    IN(TCP_ACK, .seq = 101, .ack = 1, .len = 100);
    OUT(TCP_ACK, 1, 1, 0);
    IN(TCP_ACK, .seq = 201, .ack = 1, .len = 100);
    OUT(TCP_ACK, 1, 1, 0);
    EVENTS(0);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(TCP_ACK, 1, 301, 0);
    EVENTS(TCP_EV_DATA);
    cr_assert_eq(S.received, 300);
    QUIET();
    script_end();
}

Test(data, duplicate_acks_of_a_burst_are_all_sent)
{
    script_open(NULL);
    S.mute = true;
    for (uint32_t i = 1; i < 5; i++) {
        IN(TCP_ACK, .seq = 1 + i * 100, .ack = 1, .len = 100);
    }
    S.mute = false;
    script_pump();
    for (uint32_t i = 1; i < 5; i++) {
        OUT(TCP_ACK, 1, 1, 0);
    }
    QUIET();
    script_end();
}

Test(data, duplicate_acks_owed_lapse_when_the_hole_is_filled)
{
    script_open(NULL);
    S.mute = true;
    for (uint32_t i = 1; i < 5; i++) {
        IN(TCP_ACK, .seq = 1 + i * 100, .ack = 1, .len = 100);
    }
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    S.mute = false;
    script_pump();
    OUT(TCP_ACK, 1, 501, 0);
    QUIET();
    script_end();
}

Test(data, rfc9293_3_10_7_4_overlaps_are_trimmed_at_both_ends)
{
    script_open(NULL);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    IN(TCP_ACK, .seq = 301, .ack = 1, .len = 100);
    IN(TCP_ACK, .seq = 51, .ack = 1, .len = 300); /* 50 old, 200 new, 50 held already */
    cr_assert_eq(S.received, 400);
    EVENTS(TCP_EV_DATA);
    script_end();
}

Test(data, reassembly_of_every_order_of_five_pieces)
{
    script_open(NULL);
    uint32_t base = 1;
    for (uint32_t p = 0; p < 120; p++) {
        uint32_t left[5] = {0, 1, 2, 3, 4}, n = 5, code = p;
        for (uint32_t i = 5; i > 0; i--) {
            uint32_t k = code % i;
            code /= i;
            uint32_t piece = left[k];
            left[k] = left[--n];
            /* Each overlaps its neighbours by ten bytes. */
            uint32_t from = piece == 0 ? 0 : piece * 100 - 10, to = piece * 100 + (piece == 4 ? 100 : 110);
            IN(TCP_ACK, .seq = base + from, .ack = 1, .len = to - from);
        }
        base += 500;
        cr_assert_eq(S.received, base - 1, "permutation %u", p);
        cr_assert_eq(reassembly_count(S.e, &S.e->conns[S.id]), 0);
    }
    S.tail = S.head;
    script_end();
}

Test(data, small_out_of_order_pieces_share_blocks)
{
    script_open(NULL);
    uint32_t before = S.blocks.free_count;
    for (uint32_t i = 0; i < 60; i++) {
        IN(TCP_ACK, .seq = 101 + i * 30, .ack = 1, .len = 30);
    }
    cr_assert_eq(reassembly_count(S.e, &S.e->conns[S.id]), 1);
    cr_assert_eq(S.blocks.free_count, before - 1);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    cr_assert_eq(S.received, 1900);
    script_end();
}

Test(data, reassembly_is_bounded_for_a_connection)
{
    script_open(&(struct tcp_config){.conns_max = 2, .receive_bytes_max = 32 << 10});
    uint32_t before = S.blocks.free_count;
    for (uint32_t i = 0; i < 200; i++) {
        IN(TCP_ACK, .seq = 3 + i * 2, .ack = 1, .len = 1);
        S.head = S.tail;
    }
    cr_assert_eq(before - S.blocks.free_count, 32u + 8u);
    cr_assert_gt(S.counters[WAX_TCP_REASSEMBLY_FULL], 0);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 402);
    cr_assert_eq(S.received, 402);
    cr_assert_eq(S.blocks.free_count, before);
    script_end();
}

Test(data, out_of_order_bytes_are_not_kept_from_the_reserve)
{
    script_open(&(struct tcp_config){.conns_max = 2, .blocks_reserve = SCRIPT_BLOCKS});
    IN(TCP_ACK, .seq = 101, .ack = 1, .len = 100);
    COUNTED(WAX_TCP_REASSEMBLY_FULL, 1);
    OUT(TCP_ACK, 1, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    cr_assert_eq(S.received, 100);
    script_end();
}

Test(data, rfc9293_3_10_7_4_old_duplicate_is_acknowledged_again)
{
    script_open(NULL);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    SLEEP(50);
    OUT(TCP_ACK, 1, 101, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(TCP_ACK, 1, 101, 0);
    COUNTED(WAX_TCP_OUT_OF_WINDOW, 1);
    EVENTS(TCP_EV_DATA);
    cr_assert_eq(S.received, 100);
    script_end();
}

Test(data, rfc9293_3_10_7_4_segment_without_ack_is_dropped)
{
    script_open(NULL);
    IN(TCP_PSH, .seq = 1, .len = 100);
    COUNTED(WAX_TCP_NO_ACK, 1);
    EVENTS(0);
    QUIET();
    script_end();
}

Test(data, rfc9293_3_8_5_urgent_data_is_ordinary_data)
{
    script_open(NULL);
    IN(TCP_ACK | TCP_URG, .seq = 1, .ack = 1, .len = 30);
    EVENTS(TCP_EV_DATA);
    cr_assert_eq(S.received, 30);
    script_end();
}

Test(data, rfc1122_4_2_3_4_nothing_waits_for_an_ack_without_nagle)
{
    script_open(NULL);
    WRITE(10);
    OUT(TCP_ACK, 1, 1, 10);
    WRITE(10);
    OUT(TCP_ACK, 11, 1, 10);
    script_end();
}

Test(data, rfc9293_3_9_1_2_push_marks_the_end_of_what_was_written)
{
    script_open(NULL);
    WRITE(2000);
    cr_assert_eq(OUT(TCP_ACK, 1, 1, 1460)->flags & TCP_PSH, 0);
    cr_assert_neq(OUT(TCP_ACK, 1461, 1, 540)->flags & TCP_PSH, 0);
    script_end();
}

Test(data, the_send_queue_is_bounded)
{
    script_open(&(struct tcp_config){.conns_max = 2, .send_bytes_max = 1000});
    WRITE(600);
    cr_assert_eq(tcp_send_room(S.e, S.id), 400);
    static const uint8_t bytes[401];
    cr_assert_eq(tcp_write(S.e, S.id, view_of(bytes, 401)), WAX_FULL);
    cr_assert_eq(tcp_reserve(S.e, S.id, 401).len, 0);
    OUT(TCP_ACK, 1, 1, 600);
    IN(TCP_ACK, .seq = 1, .ack = 601);
    cr_assert_eq(tcp_send_room(S.e, S.id), 1000);
    script_end();
}

Test(data, reserve_and_commit_write_without_a_copy)
{
    script_open(NULL);
    for (uint32_t at = 0, n = 0; at < 5000; at += n) {
        struct span room = tcp_reserve(S.e, S.id, 100);
        cr_assert_geq(room.len, 100);
        n = (uint32_t)(room.len < 700 ? room.len : 700);
        for (uint32_t i = 0; i < n; i++) {
            room.data[i] = script_byte(at + i);
        }
        tcp_commit(S.e, S.id, n);
    }
    script_pump();
    OUT(TCP_ACK, 1, 1, 1460);
    OUT(TCP_ACK, 1461, 1, 1460);
    OUT(TCP_ACK, 2921, 1, 1460);
    script_end();
}

Test(data, no_blocks_for_what_is_written)
{
    script_open(NULL);
    while (pool_take(&S.blocks) != NULL) {
    }
    static const uint8_t bytes[10];
    cr_assert_eq(tcp_write(S.e, S.id, view_of(bytes, 10)), WAX_NO_MEMORY);
    COUNTED(WAX_TCP_BLOCKS_EMPTY, 1);
}

Test(data, no_blocks_for_bytes_behind_unread_ones_then_the_peer_sends_them_again)
{
    script_open(NULL);
    S.hold = true;
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 1460);
    uint32_t taken[SCRIPT_BLOCKS], n = 0;
    while ((taken[n] = pool_take_index(&S.blocks)) != POOL_NONE) {
        n++;
    }
    IN(TCP_ACK, .seq = 1461, .ack = 1, .len = 1460);
    COUNTED(WAX_TCP_BLOCKS_EMPTY, 1);
    OUT(TCP_ACK, 1, 1461, 0);
    while (n > 0) {
        pool_give_index(&S.blocks, taken[--n]);
    }
    IN(TCP_ACK, .seq = 1461, .ack = 1, .len = 1460);
    cr_assert_eq(tcp_received(S.e, S.id)->len, 2920);
    script_read(5000);
    cr_assert_eq(S.received, 2920);
    script_end();
}

/* RFC 2018 8: or connections that hold a piece each would wait for one another's blocks for ever. */
Test(data, without_blocks_what_is_out_of_order_makes_room_for_what_is_in_order)
{
    for (uint32_t hold = 0; hold < 2; hold++) {
        script_open(NULL);
        S.hold = hold == 1;
        uint32_t taken[SCRIPT_BLOCKS], n = 0;
        IN(TCP_ACK, .seq = 1, .ack = 1, .len = 1460);
        IN(TCP_ACK, .seq = 2921, .ack = 1, .len = 1460);
        OUT(TCP_ACK, 1, 1461, 0);
        while ((taken[n] = pool_take_index(&S.blocks)) != POOL_NONE) {
            n++;
        }
        IN(TCP_ACK, .seq = 1461, .ack = 1, .len = 1460);
        COUNTED(WAX_TCP_BLOCKS_EMPTY, 1);
        OUT(TCP_ACK, 1, 2921, 0);
        cr_assert_eq(S.received + tcp_received(S.e, S.id)->len, 2920);
        while (n > 0) {
            pool_give_index(&S.blocks, taken[--n]);
        }
        IN(TCP_ACK, .seq = 2921, .ack = 1, .len = 1460);
        script_read(5000);
        cr_assert_eq(S.received, 4380);
        script_end();
    }
}

Test(data, tcp_keep_and_consume_preserve_the_order)
{
    script_open(NULL);
    S.hold = true;
    for (uint32_t i = 0; i < 20; i++) {
        IN(TCP_ACK, .seq = 1 + i * 500, .ack = 1, .len = 500);
        if (i % 3 == 0) {
            script_read(300);
        }
    }
    script_read(20000);
    cr_assert_eq(S.received, 10000);
    script_end();
}

Test(data, ready_again_continues_an_interrupted_output)
{
    script_open(NULL);
    S.mute = true;
    WRITE(3000);
    uint8_t out[2000];
    struct tcp_out o;
    uint32_t id = tcp_ready(S.e);
    cr_assert(tcp_output(S.e, id, S.now_us, span_of(out, sizeof out), &o));
    cr_assert_eq(tcp_ready(S.e), TCP_NONE);
    tcp_ready_again(S.e, id);
    S.mute = false;
    script_pump();
    OUT(TCP_ACK, 1461, 1, 1460);
    OUT(TCP_ACK, 2921, 1, 80);
    script_end();
}

Test(data, checksum_offload_leaves_the_pseudo_header_sum)
{
    script_open(&(struct tcp_config){.conns_max = 2, .checksum_offload = false});
    S.mute = true;
    WRITE(10);
    S.e->cfg.checksum_offload = true;
    uint8_t out[2000];
    struct tcp_out o;
    cr_assert(tcp_output(S.e, tcp_ready(S.e), S.now_us, span_of(out, sizeof out), &o));
    /* A port that sums the whole segment, field included, and stores the complement makes it right. */
    uint32_t sum = 0;
    for (size_t i = 0; i < o.len; i += 2) {
        sum += (uint32_t)(out[i] << 8 | (i + 1 < o.len ? out[i + 1] : 0));
    }
    while (sum >> 16 != 0) {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    store_be16(out + 16, (uint16_t)~sum);
    struct tcp_segment s;
    cr_assert_eq(tcp_parse(view_of(out, o.len), &o.tuple->local, &o.tuple->peer, true, &s), WAX_OK);
    S.e->cfg.checksum_offload = false;
    S.mute = false;
    script_end();
}
