/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "conn/fair.h"

static struct fair fair;
static uint8_t *memory;

static void make(uint32_t under_way, uint32_t per_address, uint32_t waiting)
{
    struct fair_config config = {under_way, per_address, waiting, {1, 2}};
    size_t bytes = (fair_bytes(&config) + 63u) & ~(size_t)63u;
    free(memory);
    memory = aligned_alloc(64, bytes);
    memset(memory, 0xa5, bytes);
    cr_assert_eq(fair_init(&fair, span_of(memory, fair_bytes(&config)), &config), WAX_OK);
}

static void unmake(void)
{
    free(memory);
}

TestSuite(fair, .fini = unmake);

static const uint8_t *ip4(uint8_t last)
{
    static uint8_t address[8][16];
    static unsigned turn;
    uint8_t *a = address[turn++ % 8];
    memset(a, 0, 16);
    a[10] = a[11] = 0xff;
    a[12] = 198;
    a[13] = 18;
    a[15] = last;
    return a;
}

static enum wax_status wait_for(uint8_t last, uint32_t conn)
{
    uint32_t place;
    return fair_wait(&fair, ip4(last), conn, &place);
}

Test(fair, limits_are_sound)
{
    struct fair_config config = {0, 1, 1, {0}};
    uint8_t small[8];
    cr_assert_eq(fair_init(&fair, span_of(small, 8), &config), WAX_BAD_ARGUMENT);
    config.under_way_max = 1;
    cr_assert_eq(fair_init(&fair, span_of(small, 8), &config), WAX_NO_MEMORY);
}

Test(fair, so_many_are_under_way_and_no_more)
{
    make(3, 3, 8);
    cr_assert(fair_begin(&fair, ip4(1)) && fair_begin(&fair, ip4(1)) && fair_begin(&fair, ip4(2)));
    cr_assert_not(fair_begin(&fair, ip4(3)));
    fair_end(&fair, ip4(1));
    cr_assert(fair_begin(&fair, ip4(3)));
}

Test(fair, one_address_has_its_share)
{
    make(8, 2, 8);
    cr_assert(fair_begin(&fair, ip4(1)) && fair_begin(&fair, ip4(1)));
    cr_assert_not(fair_begin(&fair, ip4(1)), "though there are places");
    cr_assert(fair_begin(&fair, ip4(2)));
    cr_assert_eq(wait_for(1, 10), WAX_OK);
    cr_assert_eq(fair_next(&fair), FAIR_NONE);
    cr_assert(fair_begin(&fair, ip4(3)), "who waits for himself keeps nobody up");
    fair_end(&fair, ip4(1));
    cr_assert_eq(fair_next(&fair), 10);
    cr_assert_eq(fair_next(&fair), FAIR_NONE);
    cr_assert_eq(fair.under_way, 4);
}

Test(fair, an_ipv6_host_is_its_64)
{
    uint8_t a[16] = {0x20, 1, 0, 2, 0, 0, 0, 7, 1}, b[16] = {0x20, 1, 0, 2, 0, 0, 0, 7, 2},
            c[16] = {0x20, 1, 0, 2, 0, 0, 0, 8, 1};
    make(8, 1, 8);
    cr_assert(fair_begin(&fair, a));
    cr_assert_not(fair_begin(&fair, b));
    cr_assert(fair_begin(&fair, c));
    fair_end(&fair, b); /* of the same address, as far as we tell */
    cr_assert(fair_begin(&fair, b));
}

Test(fair, addresses_take_turns_whatever_the_length_of_their_queues)
{
    make(1, 1, 100);
    cr_assert(fair_begin(&fair, ip4(9)));
    for (uint32_t i = 0; i < 40; i++)
        cr_assert_eq(wait_for(1, i), WAX_OK);
    cr_assert_eq(wait_for(2, 50), WAX_OK);
    cr_assert_eq(wait_for(3, 60), WAX_OK);
    cr_assert_eq(wait_for(2, 51), WAX_OK);
    static const uint32_t order[] = {0, 50, 60, 1, 51, 2, 3};
    static const uint8_t whose[] = {9, 1, 2, 3, 1, 2, 1, 1};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        cr_assert_eq(fair_next(&fair), FAIR_NONE, "nobody, before a place is free");
        fair_end(&fair, ip4(whose[i]));
        cr_assert_not(fair_begin(&fair, ip4(7)), "who comes now is not before those that wait");
        cr_assert_eq(fair_next(&fair), order[i], "turn %zu", i);
    }
}

Test(fair, beyond_the_bound_newcomers_are_refused_and_one_address_before_the_others)
{
    make(1, 1, 8);
    cr_assert(fair_begin(&fair, ip4(9)));
    for (uint32_t i = 0; i < 4; i++)
        cr_assert_eq(wait_for(1, i), WAX_OK);
    cr_assert_eq(wait_for(1, 4), WAX_FULL, "half of all places");
    for (uint8_t i = 2; i < 6; i++)
        cr_assert_eq(wait_for(i, i), WAX_OK);
    cr_assert_eq(wait_for(7, 7), WAX_FULL);
    cr_assert_eq(fair.waiting, 8);
}

Test(fair, who_leaves_is_passed_over)
{
    uint32_t place[4];
    make(1, 1, 8);
    cr_assert(fair_begin(&fair, ip4(9)));
    for (uint32_t i = 0; i < 4; i++)
        cr_assert_eq(fair_wait(&fair, ip4(i < 3 ? 1 : 2), i, &place[i]), WAX_OK);
    fair_leave(&fair, place[1]); /* in the middle */
    fair_leave(&fair, place[0]); /* the first */
    fair_leave(&fair, place[3]); /* the only one of its address */
    cr_assert_eq(fair.waiting, 1);
    fair_end(&fair, ip4(9));
    cr_assert_eq(fair_next(&fair), 2);
    fair_end(&fair, ip4(1));
    cr_assert_eq(fair_next(&fair), FAIR_NONE);
    cr_assert_eq(fair.table.count, 0, "nobody is remembered");
}

/* Against a plain count of who is there, over many steps at random. */
Test(fair, counts_hold_over_any_course_of_events)
{
    enum { CONNS = 64, ADDRESSES = 6 };
    struct {
        int state; /* 0 away, 1 waits, 2 under way */
        uint32_t place;
        uint8_t address;
    } conn[CONNS] = {0};
    uint32_t seed = 1, under_way = 0, waiting = 0, of[ADDRESSES] = {0};
    make(5, 2, 16);
    for (uint32_t step = 0; step < 200000; step++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t id = (seed >> 8) % CONNS;
        uint8_t a = conn[id].address;
        if (conn[id].state == 0) {
            a = conn[id].address = (uint8_t)((seed >> 20) % ADDRESSES);
            if (fair_begin(&fair, ip4(a))) {
                conn[id].state = 2;
                under_way++;
                of[a]++;
            } else if (fair_wait(&fair, ip4(a), id, &conn[id].place) == WAX_OK) {
                conn[id].state = 1;
                waiting++;
            }
        } else if (conn[id].state == 1) {
            fair_leave(&fair, conn[id].place);
            conn[id].state = 0;
            waiting--;
        } else {
            fair_end(&fair, ip4(a));
            conn[id].state = 0;
            under_way--;
            of[a]--;
        }
        for (uint32_t next; (next = fair_next(&fair)) != FAIR_NONE;) {
            cr_assert_eq(conn[next].state, 1);
            conn[next].state = 2;
            waiting--;
            under_way++;
            of[conn[next].address]++;
        }
        cr_assert(fair.under_way == under_way && fair.waiting == waiting && under_way <= 5 && waiting <= 16);
        for (uint32_t i = 0; i < ADDRESSES; i++)
            cr_assert_leq(of[i], 2);
        cr_assert(under_way > 0 || waiting == 0, "nobody waits for nothing");
    }
}
