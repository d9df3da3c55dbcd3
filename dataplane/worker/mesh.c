/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/mesh.h"

void mesh_init(struct mesh *mesh, uint32_t workers, const struct mesh_lane_shape shape[MESH_LANES])
{
    assert(workers >= 1 && workers <= WAX_WORKERS_MAX);
    memset(mesh, 0, sizeof *mesh);
    mesh->workers = workers;
    memcpy(mesh->shape, shape, sizeof mesh->shape);
}

/* Rings begin on their own pair of lines, so that no two share one. */
static size_t lane_bytes(const struct mesh_lane_shape *shape)
{
    if (shape->slots == 0)
        return 0;
    size_t bytes = ring_bytes(shape->slots, shape->item_bytes);
    return (bytes + RING_APART - 1) / RING_APART * RING_APART;
}

size_t mesh_bytes(const struct mesh *mesh)
{
    size_t bytes = 0;
    for (unsigned lane = 0; lane < MESH_LANES; lane++)
        bytes += lane_bytes(&mesh->shape[lane]);
    return bytes * mesh->workers;
}

enum wax_status mesh_add(struct mesh *mesh, uint32_t to, struct span memory)
{
    if (to >= mesh->workers)
        return WAX_BAD_ARGUMENT;
    if (memory.len < mesh_bytes(mesh))
        return WAX_NO_MEMORY;
    for (uint32_t from = 0; from < mesh->workers; from++) {
        for (unsigned lane = 0; lane < MESH_LANES; lane++) {
            size_t bytes = lane_bytes(&mesh->shape[lane]);
            if (bytes == 0)
                continue;
            enum wax_status status = ring_init(&mesh->ring[to][from][lane], span_of(memory.data, bytes),
                                               mesh->shape[lane].slots, mesh->shape[lane].item_bytes);
            if (status != WAX_OK)
                return status;
            memory.data += bytes;
        }
    }
    return WAX_OK;
}

void mesh_end_init(struct mesh_end *end, struct mesh *mesh, uint32_t self)
{
    assert(self < mesh->workers);
    memset(end, 0, sizeof *end);
    end->mesh = mesh;
    end->self = self;
}

void *mesh_slot(struct mesh_end *end, uint32_t to, enum mesh_lane lane)
{
    assert(to < end->mesh->workers);
    struct ring *ring = end->mesh->ring[to][end->self][lane];
    void *slot = ring_peek_slot(ring, end->pending[to][lane]);
    if (slot == NULL)
        return NULL;
    end->pending[to][lane]++;
    end->dirty |= UINT64_C(1) << to;
    return slot;
}

bool mesh_push(struct mesh_end *end, uint32_t to, enum mesh_lane lane, const void *item)
{
    void *slot = mesh_slot(end, to, lane);
    if (slot != NULL)
        memcpy(slot, item, end->mesh->shape[lane].item_bytes);
    return slot != NULL;
}

/* Commit the lanes from `first` up to `last` to one worker, and ring its bell if that was anything. */
static uint32_t flush_lanes(struct mesh_end *end, uint32_t to, unsigned first, unsigned last)
{
    uint32_t count = 0;
    for (unsigned lane = first; lane <= last; lane++) {
        uint16_t pending = end->pending[to][lane];
        if (pending == 0)
            continue;
        ring_commit(end->mesh->ring[to][end->self][lane], pending);
        end->pending[to][lane] = 0;
        end->pushed[lane] += pending;
        count += pending;
    }
    /* Always a read-modify-write: a plain look at the bit could pass the commit and be lost. */
    if (count != 0)
        atomic_fetch_or_explicit(&end->mesh->bell[to].from, UINT64_C(1) << end->self, memory_order_release);
    return count;
}

/*
 * All returns first, their bells included: or a send to a third worker could lead to one to the worker of a
 * return before that one is there to be seen.
 */
uint32_t mesh_flush(struct mesh_end *end)
{
    uint32_t count = 0;
    for (uint64_t left = end->dirty; left != 0; left &= left - 1)
        count += flush_lanes(end, (uint32_t)__builtin_ctzll(left), MESH_RETURNS, MESH_RETURNS);
    for (uint64_t left = end->dirty; left != 0; left &= left - 1)
        count += flush_lanes(end, (uint32_t)__builtin_ctzll(left), MESH_RETURNS + 1, MESH_LANES - 1);
    end->dirty = 0;
    return count;
}

void mesh_note_sends(struct mesh_end *end)
{
    end->noted = mesh_listen(end);
    for (uint64_t left = end->noted; left != 0; left &= left - 1) {
        uint32_t from = (uint32_t)__builtin_ctzll(left);
        end->sends[from] = ring_count(mesh_ring(end, from, MESH_SENDS));
    }
}

void mesh_settle(struct mesh_end *end)
{
    for (uint64_t left = end->open; left != 0; left &= left - 1) {
        uint32_t from = (uint32_t)__builtin_ctzll(left);
        bool empty = true;
        for (unsigned lane = 0; lane < MESH_LANES && empty; lane++) {
            struct ring *ring = mesh_ring(end, from, (enum mesh_lane)lane);
            empty = ring == NULL || ring_front(ring, 0) == NULL;
        }
        if (empty)
            end->open &= ~(UINT64_C(1) << from);
    }
}
