/* SPDX-License-Identifier: BSD-3-Clause */
/* How what a connection has to send is cut into TLS records: few for many frames, small where something
 * waits. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "rig.h"

enum { RECORD_FULL = WAX_TLS_PLAINTEXT_BYTES_MAX + TLS_OVERHEAD_BYTES };

static struct peer *client(struct rig *rig, uint8_t person)
{
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    peer_open(peer, person, 1);
    for (unsigned i = 0; i < 2000 && peer->opens == 0; i++)
        rig_turn(rig, 1000);
    cr_assert_eq(peer->opens, 1);
    return peer;
}

/* The first record and segment to come are those of what is sent from here on. */
static void quiet(struct rig *rig, struct peer *peer)
{
    rig_run(rig, 3000);
    peer->records = 0;
}

Test(conn_records, frames_of_a_burst_share_a_record)
{
    enum { MESSAGES = 12 };
    struct rig *rig = rig_new(NULL);
    struct peer *a = client(rig, 1), *b = client(rig, 2);
    quiet(rig, b);
    for (uint32_t i = 0; i < MESSAGES; i++)
        peer_send(a, 2, "0123456789abcdef", 16);
    rig_run(rig, 200);
    cr_expect_eq(b->messages, MESSAGES);
    cr_expect_leq(b->records, 2, "%u records for %u frames that fit one segment", b->records, MESSAGES);
    cr_expect_eq(a->delivered, MESSAGES);
    rig_free(rig);
}

Test(conn_records, what_comes_after_a_pause_begins_with_a_record_that_fits_the_first_segment)
{
    struct rig *rig = rig_new(NULL);
    struct peer *a = client(rig, 1), *b = client(rig, 2);
    uint8_t *large = calloc(1, 60000);
    uint32_t mss = tcp_mss(rig->host, b->id);
    for (unsigned round = 0; round < 2; round++) {
        quiet(rig, b);
        peer_send(a, 2, large, 60000);
        rig_run(rig, 500);
        cr_assert_eq(b->messages, round + 1);
        cr_expect_eq(b->record[0], mss, "the first record is %u bytes, a segment %u", b->record[0], mss);
        for (uint32_t i = 1; i < b->records; i++) {
            bool last = i + 1 == b->records;
            uint32_t grown = 2 * b->record[i - 1] < RECORD_FULL ? 2 * b->record[i - 1] : RECORD_FULL;
            cr_expect(b->record[i] == grown || last, "record %u is %u bytes after one of %u", i, b->record[i],
                      b->record[i - 1]);
        }
        cr_expect_leq(b->records, 8, "%u records for 60,000 bytes", b->records);
    }
    free(large);
    rig_free(rig);
}

Test(conn_records, bulk_fills_records_of_16_kib)
{
    enum { MESSAGES = 12 };
    struct rig *rig = rig_new(NULL);
    struct peer *a = client(rig, 1), *b = client(rig, 2);
    uint8_t *large = calloc(1, 60000);
    quiet(rig, b);
    b->stalled = true; /* so that it gathers behind what is under way */
    for (uint32_t i = 0; i < MESSAGES; i++)
        peer_send(a, 2, large, 60000);
    rig_run(rig, 500);
    b->stalled = false;
    rig_run(rig, 3000);
    cr_expect_eq(b->messages, MESSAGES);
    uint32_t full = 0;
    for (uint32_t i = 0; i < b->records && i < RIG_RECORDS; i++)
        full += b->record[i] == RECORD_FULL;
    cr_expect_geq(full * WAX_TLS_PLAINTEXT_BYTES_MAX, MESSAGES * 60000u / 10u * 7u,
                  "%u of %u records are full", full, b->records);
    free(large);
    rig_free(rig);
}

/* A window of small segments, and one of large ones: a record is never cut so small that it only costs. */
Test(conn_records, no_record_is_empty_and_none_exceeds_the_limit)
{
    struct rig *rig = rig_new(&(struct rig_options){.lose_each = 9});
    struct peer *a = client(rig, 1), *b = client(rig, 2);
    uint8_t *large = calloc(1, 60000);
    for (uint32_t i = 0; i < 14; i++)
        peer_send(a, 2, large, 1000 + i * 4000);
    rig_run(rig, 20000);
    cr_expect_eq(b->messages, 14);
    for (uint32_t i = 0; i < b->records && i < RIG_RECORDS; i++)
        cr_expect(b->record[i] > TLS_OVERHEAD_BYTES && b->record[i] <= RECORD_FULL, "record %u: %u bytes", i,
                  b->record[i]);
    free(large);
    rig_free(rig);
}
