/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Three workers: the first gives the third a return and sends the second a token of the same number, which
 * the second sends on to the third. There no token may be taken before its return, as long as everyone keeps
 * to mesh_flush and mesh_note_sends. Run under TSan too.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>

#include "crew.h"

enum { WORKERS = 3, TOKENS = 300000 };

static struct mesh mesh;
static uint64_t overtaken, lost;

static void begin(struct mesh_end *end)
{
    for (uint64_t number = 1; number <= TOKENS;) {
        /* The worker of the send comes first in the mesh, so a flush that goes by workers would be seen. */
        if (ring_room(mesh.ring[2][1][MESH_RETURNS]) > end->pending[2][MESH_RETURNS] &&
            mesh_push(end, 0, MESH_SENDS, &number)) {
            mesh_push(end, 2, MESH_RETURNS, &number);
            number++;
            if (number % 3 != 0)
                continue;
        }
        mesh_flush(end);
        sched_yield();
    }
    mesh_flush(end);
}

static void pass_on(struct mesh_end *end)
{
    for (uint64_t passed = 0; passed < TOKENS;) {
        mesh_note_sends(end);
        struct ring *ring = mesh_ring(end, 1, MESH_SENDS);
        const uint64_t *number;
        uint32_t n = 0;
        while ((number = ring_front(ring, n)) != NULL && mesh_push(end, 2, MESH_SENDS, number))
            n++;
        ring_release(ring, n);
        mesh_flush(end);
        mesh_settle(end);
        passed += n;
        if (n == 0)
            sched_yield();
    }
}

static void finish(struct mesh_end *end)
{
    uint64_t given = 0, sent = 0;
    while (sent < TOKENS) {
        mesh_note_sends(end);
        for (uint64_t left = mesh_listen(end); left != 0; left &= left - 1) {
            uint32_t from = (uint32_t)__builtin_ctzll(left);
            uint64_t number;
            while (ring_pop(mesh_ring(end, from, MESH_RETURNS), &number, 1) != 0)
                lost += number != ++given;
        }
        uint32_t noted = (end->noted & 1) != 0 ? end->sends[0] : 0;
        for (uint32_t i = 0; i < noted; i++) {
            uint64_t number = 0;
            ring_pop(mesh_ring(end, 0, MESH_SENDS), &number, 1);
            lost += number != ++sent;
            overtaken += number > given;
        }
        mesh_settle(end);
        if (noted == 0)
            sched_yield();
    }
}

static void *work(void *arg)
{
    static void (*const role[WORKERS])(struct mesh_end *) = {pass_on, begin, finish};
    struct mesh_end end;
    uint32_t self = *(uint32_t *)arg;
    mesh_end_init(&end, &mesh, self);
    role[self](&end);
    return NULL;
}

int main(void)
{
    struct mesh_lane_shape shape[MESH_LANES] = {[MESH_RETURNS] = {64, 8}, [MESH_SENDS] = {16, 8}};
    if (!crew_run(&mesh, WORKERS, shape, work))
        return 2;
    printf("%d tokens: %" PRIu64 " overtook their returns, %" PRIu64 " lost\n", TOKENS, overtaken, lost);
    return overtaken + lost != 0;
}
