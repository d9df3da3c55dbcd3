/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers on threads of their own push numbered items at one another over all lanes, with rings so small that
 * they are full much of the time, and check that everything arrives, once, in order and intact. A worker
 * that sleeps until its bell rings would hang here if a ring could be lost. Run under TSan too.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>

#include "crew.h"

enum { WORKERS = 3, ITEMS = 60000 };

struct parcel {
    uint64_t number;
    uint64_t from, to, lane;
    uint64_t check[4];
};

static struct mesh mesh;
static uint64_t failures;

static void check(bool good, const char *what, uint32_t self)
{
    if (!good) {
        fprintf(stderr, "worker %u: %s\n", self, what);
        __atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
    }
}

static uint64_t mixed(uint64_t number, uint64_t i)
{
    return (number + 1) * UINT64_C(0x9e3779b97f4a7c15) + i;
}

static uint64_t receive(struct mesh_end *end, uint64_t next[WORKERS][MESH_LANES])
{
    uint64_t taken = 0;
    for (uint64_t left = mesh_listen(end); left != 0; left &= left - 1) {
        uint32_t from = (uint32_t)__builtin_ctzll(left);
        for (unsigned lane = 0; lane < MESH_LANES; lane++) {
            struct ring *ring = mesh_ring(end, from, (enum mesh_lane)lane);
            const struct parcel *parcel;
            uint32_t n = 0;
            while (n < 5 && (parcel = ring_front(ring, n)) != NULL) {
                bool intact = parcel->from == from && parcel->to == end->self && parcel->lane == lane;
                for (uint64_t i = 0; i < 4; i++)
                    intact = intact && parcel->check[i] == mixed(parcel->number, i);
                check(intact, "an item is damaged", end->self);
                check(parcel->number == next[from][lane], "an item is lost, doubled or out of order",
                      end->self);
                next[from][lane] = parcel->number + 1;
                n++;
            }
            ring_release(ring, n);
            taken += n;
        }
    }
    mesh_settle(end);
    return taken;
}

static uint64_t send(struct mesh_end *end, uint64_t sent[WORKERS][MESH_LANES])
{
    uint64_t pushed = 0;
    for (uint32_t to = 0; to < WORKERS; to++) {
        for (unsigned lane = 0; lane < MESH_LANES; lane++) {
            for (int i = 0; i < 3 && sent[to][lane] < ITEMS; i++) {
                struct parcel parcel = {.number = sent[to][lane], .from = end->self, .to = to, .lane = lane};
                for (uint64_t k = 0; k < 4; k++)
                    parcel.check[k] = mixed(parcel.number, k);
                if (!mesh_push(end, to, (enum mesh_lane)lane, &parcel))
                    break;
                sent[to][lane]++;
                pushed++;
            }
        }
    }
    mesh_flush(end);
    return pushed;
}

static void *work(void *arg)
{
    struct mesh_end end;
    uint64_t sent[WORKERS][MESH_LANES] = {0}, next[WORKERS][MESH_LANES] = {0};
    uint64_t taken = 0, given = 0, all = (uint64_t)WORKERS * MESH_LANES * ITEMS;
    mesh_end_init(&end, &mesh, *(uint32_t *)arg);
    while (taken < all || given < all) {
        uint64_t in = receive(&end, next), out = send(&end, sent);
        taken += in;
        given += out;
        if (in + out == 0)
            sched_yield();
    }
    for (uint32_t from = 0; from < WORKERS; from++)
        for (unsigned lane = 0; lane < MESH_LANES; lane++)
            check(next[from][lane] == ITEMS, "the number of items is wrong", end.self);
    check(end.open == 0, "a bell is left", end.self);
    return NULL;
}

int main(void)
{
    struct mesh_lane_shape shape[MESH_LANES];
    for (unsigned lane = 0; lane < MESH_LANES; lane++)
        shape[lane] = (struct mesh_lane_shape){8u << lane, sizeof(struct parcel)};
    if (!crew_run(&mesh, WORKERS, shape, work))
        return 2;
    printf("%d workers, %d items a ring: %" PRIu64 " failures\n", WORKERS, ITEMS, failures);
    return failures != 0;
}
