/* SPDX-License-Identifier: BSD-3-Clause */
/* What we report as a receiver: RFC 2018 (SACK), RFC 2883 (D-SACK). */
#include "script.h"

Test(sack, rfc2018_2_offered_in_our_syn_and_taken_up_in_our_syn_ack)
{
    script_start(NULL);
    script_connect();
    cr_assert(OUT(TCP_SYN, 0, 0, 0)->sack_permitted);
    script_end();
    script_open_sack(NULL);
    cr_assert_neq(S.e->conns[S.id].flags & F_SACK_OK, 0);
    script_end();
}

Test(sack, rfc2018_2_not_in_a_syn_ack_to_a_peer_that_did_not_offer)
{
    script_start(NULL);
    script_listen();
    IN(TCP_SYN, .seq = 0, .mss = 1460);
    cr_assert_not(OUT(TCP_SYN | TCP_ACK, 0, 1, 0)->sack_permitted);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    IN(TCP_ACK, .seq = 101, .ack = 1, .len = 100);
    SACKED(OUT(TCP_ACK, 1, 1, 0), 0);
    script_end();
}

Test(sack, no_sack_is_neither_offered_nor_taken_up)
{
    struct tcp_config config = {.conns_max = 2, .no_sack = true};
    script_start(&config);
    script_connect();
    cr_assert_not(OUT(TCP_SYN, 0, 0, 0)->sack_permitted);
    script_end();
    script_start(&config);
    script_listen();
    IN(TCP_SYN, .seq = 0, .mss = 1460, .sackok = true);
    cr_assert_not(OUT(TCP_SYN | TCP_ACK, 0, 1, 0)->sack_permitted);
    script_end();
}

Test(sack, rfc2018_4_the_first_block_is_the_most_recent_island)
{
    script_open_sack(NULL);
    IN(TCP_ACK, .seq = 101, .ack = 1, .len = 100);
    SACKED(OUT(TCP_ACK, 1, 1, 0), 101, 201);
    IN(TCP_ACK, .seq = 301, .ack = 1, .len = 100);
    SACKED(OUT(TCP_ACK, 1, 1, 0), 301, 401, 101, 201);
    IN(TCP_ACK, .seq = 501, .ack = 1, .len = 100);
    SACKED(OUT(TCP_ACK, 1, 1, 0), 501, 601, 301, 401, 101, 201);
    IN(TCP_ACK, .seq = 401, .ack = 1, .len = 50); /* grows the one in the middle */
    SACKED(OUT(TCP_ACK, 1, 1, 0), 301, 451, 501, 601, 101, 201);
    IN(TCP_ACK, .seq = 451, .ack = 1, .len = 50); /* and joins two */
    SACKED(OUT(TCP_ACK, 1, 1, 0), 301, 601, 101, 201);
    script_end();
}

Test(sack, rfc2018_3_four_blocks_or_three_beside_timestamps)
{
    script_open_sack(NULL);
    for (uint32_t i = 1; i <= 5; i++) {
        IN(TCP_ACK, .seq = 1 + 200 * i, .ack = 1, .len = 10);
    }
    S.head = S.tail - 1;
    SACKED(OUT(TCP_ACK, 1, 1, 0), 1001, 1011, 801, 811, 601, 611, 401, 411);
    script_end();
    script_open_full(NULL);
    for (uint32_t i = 1; i <= 5; i++) {
        IN(TCP_ACK, .seq = 1 + 200 * i, .ack = 1, .len = 10, .ts = true);
    }
    S.head = S.tail - 1;
    SACKED(OUT(TCP_ACK, 1, 1, 0), 1001, 1011, 801, 811, 601, 611);
    script_end();
}

Test(sack, rfc2018_4_what_is_acknowledged_is_not_reported)
{
    script_open_sack(NULL);
    IN(TCP_ACK, .seq = 101, .ack = 1, .len = 100);
    IN(TCP_ACK, .seq = 301, .ack = 1, .len = 100);
    S.head = S.tail;
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    SACKED(OUT(TCP_ACK, 1, 201, 0), 301, 401);
    IN(TCP_ACK, .seq = 201, .ack = 1, .len = 100);
    SACKED(OUT(TCP_ACK, 1, 401, 0), 0);
    script_end();
}

Test(sack, blocks_ride_on_data_only_where_there_is_room)
{
    script_open_sack(NULL);
    IN(TCP_ACK, .seq = 101, .ack = 1, .len = 100);
    S.head = S.tail;
    WRITE(1460 + 100);
    SACKED(OUT(TCP_ACK, 1, 1, 1460), 0);
    SACKED(OUT(TCP_ACK, 1461, 1, 100), 101, 201);
    script_end();
}

Test(sack, rfc2883_4_a_duplicate_below_the_acknowledgement_comes_first)
{
    script_open_sack(NULL);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    IN(TCP_ACK, .seq = 301, .ack = 1, .len = 100);
    S.head = S.tail;
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    SACKED(OUT(TCP_ACK, 1, 101, 0), 1, 101, 301, 401);
    /* Once: the next ACK is silent about it. */
    IN(TCP_ACK, .seq = 401, .ack = 1, .len = 10);
    SACKED(OUT(TCP_ACK, 1, 101, 0), 301, 411);
    cr_assert_eq(tcp_stats(S.e)->dsacks_sent, 1);
    script_end();
}

Test(sack, rfc2883_4_2_a_duplicate_above_it_is_followed_by_its_island)
{
    script_open_sack(NULL);
    IN(TCP_ACK, .seq = 101, .ack = 1, .len = 300);
    S.head = S.tail;
    IN(TCP_ACK, .seq = 201, .ack = 1, .len = 100);
    SACKED(OUT(TCP_ACK, 1, 1, 0), 201, 301, 101, 401);
    script_end();
}

Test(sack, rfc2883_4_3_of_a_segment_partly_held_the_part_is_reported)
{
    script_open_sack(NULL);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    IN(TCP_ACK, .seq = 51, .ack = 1, .len = 100);
    SLEEP(100);
    SACKED(OUT(TCP_ACK, 1, 151, 0), 51, 101);
    IN(TCP_ACK, .seq = 201, .ack = 1, .len = 100);
    S.head = S.tail;
    IN(TCP_ACK, .seq = 251, .ack = 1, .len = 100);
    SACKED(OUT(TCP_ACK, 1, 151, 0), 251, 301, 201, 351);
    script_end();
}

Test(sack, nothing_is_reported_that_was_not_kept)
{
    script_open_sack(NULL);
    uint32_t most = S.e->ooo_max;
    for (uint32_t i = 1; i <= most + 3; i++) {
        IN(TCP_ACK, .seq = 1 + 2 * i, .ack = 1, .len = 1);
        S.head = S.tail;
    }
    cr_assert_eq(reassembly_count(S.e, &S.e->conns[S.id]), most);
    COUNTED(WAX_TCP_REASSEMBLY_FULL, 3);
    IN(TCP_ACK, .seq = 1 + 2 * (most + 9), .ack = 1, .len = 1);
    uint32_t last = 1 + 2 * most;
    SACKED(OUT(TCP_ACK, 1, 1, 0), last, last + 1, last - 2, last - 1, last - 4, last - 3, last - 6, last - 5);
    script_end();
}

Test(sack, of_a_segment_kept_in_part_the_part_is_reported)
{
    script_open_sack(NULL);
    while (S.blocks.free_count > S.e->cfg.blocks_reserve + 1) {
        pool_take_index(&S.blocks);
    }
    IN(TCP_ACK, .seq = 1461, .ack = 1, .len = 1460);
    SACKED(OUT(TCP_ACK, 1, 1, 0), 1461, 2921);
    IN(TCP_ACK, .seq = 2921, .ack = 1, .len = 1460); /* a part of it finds room in the same block */
    COUNTED(WAX_TCP_REASSEMBLY_FULL, 1);
    const struct tcp_segment *s = OUT(TCP_ACK, 1, 1, 0);
    cr_assert_eq(s->sack.len, 8);
    uint32_t end = load_be32(s->sack.data + 4) - S.iss;
    cr_assert(end > 2921 && end < 4381, "%u", end);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 1460);
    OUT(TCP_ACK, 1, end, 0);
}
