/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mesh of rings between workers. Each ordered pair of workers has one single-producer, single-consumer
 * ring per lane; each worker has one bitmap of doorbells, a bit per worker that has put something in.
 *
 * The free slots of a sends ring are its credits: the consumer leaves an item in its ring until it has
 * memory for it, so an item that found a slot will be taken, and one that found none is parked by its sender.
 * Returns are always taken, so their ring empties whatever the memory; a full one only means "next turn".
 *
 * Items are gathered until mesh_flush, so that a burst costs one exchange of a cache line per ring. A worker
 * has rings to itself too and treats them like any other.
 */
#ifndef WORKER_MESH_H
#define WORKER_MESH_H

#include "base/ring.h"
#include "waxwire/limits.h"

enum mesh_lane {
    MESH_RETURNS, /* items that are always taken */
    MESH_SENDS,   /* items that need memory at the other end */
    MESH_PACKETS, /* received packets of flows that belong to the other worker */
    MESH_FRAMES,  /* frames for a transmit queue that the other worker owns */
    MESH_LANES,
};

/* What a lane's rings are made of; no slots: the lane does not exist. */
struct mesh_lane_shape {
    uint32_t slots; /* a power of two, or 0 */
    uint32_t item_bytes;
};

struct mesh_bell {
    _Alignas(RING_APART) _Atomic uint64_t from; /* bit of every worker that has put something in */
};

struct mesh {
    uint32_t workers;
    struct mesh_lane_shape shape[MESH_LANES];
    struct mesh_bell bell[WAX_WORKERS_MAX];
    struct ring *ring[WAX_WORKERS_MAX][WAX_WORKERS_MAX][MESH_LANES]; /* [to][from][lane] */
};

/* One worker's end of it. Used by that worker alone. */
struct mesh_end {
    struct mesh *mesh;
    uint32_t self;
    uint64_t dirty;                  /* destinations with items that are not committed yet */
    uint64_t open;                   /* sources whose rings may hold something */
    uint64_t noted;                  /* sources whose sends may be taken now, */
    uint32_t sends[WAX_WORKERS_MAX]; /* so many of each */
    uint16_t pending[WAX_WORKERS_MAX][MESH_LANES];
    uint64_t pushed[MESH_LANES]; /* items ever committed, this worker's own rings included */
};

/*
 * Make a mesh without rings for `workers` (1 to WAX_WORKERS_MAX); zeroes it.
 */
void mesh_init(struct mesh *mesh, uint32_t workers, const struct mesh_lane_shape shape[MESH_LANES]);

/*
 * Bytes for all rings that lead to one worker, and making them in `memory` (which stays the caller's, best on
 * the node of `to`). All workers' rings must be made before anyone uses the mesh. WAX_OK, WAX_NO_MEMORY or
 * WAX_BAD_ARGUMENT.
 */
size_t mesh_bytes(const struct mesh *mesh);
enum wax_status mesh_add(struct mesh *mesh, uint32_t to, struct span memory);

/*
 * Take an end of the mesh for worker `self`.
 */
void mesh_end_init(struct mesh_end *end, struct mesh *mesh, uint32_t self);

/*
 * Put a copy of `item` into the lane to `to`; false when there is no slot now. It is seen after mesh_flush.
 */
bool mesh_push(struct mesh_end *end, uint32_t to, enum mesh_lane lane, const void *item);

/*
 * The same without the copy: where an item of the lane is to be written, or NULL.
 */
void *mesh_slot(struct mesh_end *end, uint32_t to, enum mesh_lane lane);

/*
 * Let the others see everything pushed so far and ring their bells, all returns before anything else. Returns
 * how many items those were.
 */
uint32_t mesh_flush(struct mesh_end *end);

/*
 * Listen to the bells: the workers, as bits, whose rings to us may hold something. A bit stays set until
 * mesh_settle finds every ring from there empty.
 */
static inline uint64_t mesh_listen(struct mesh_end *end)
{
    struct mesh_bell *bell = &end->mesh->bell[end->self];
    if (atomic_load_explicit(&bell->from, memory_order_relaxed) != 0)
        end->open |= atomic_exchange_explicit(&bell->from, 0, memory_order_acquire);
    return end->open;
}

/*
 * Note how many sends there are (noted, sends). Then take all returns, and then no more sends than these: so
 * every return that was flushed, by anyone, before one of these sends was is taken before it.
 */
void mesh_note_sends(struct mesh_end *end);

/* Forget the sources whose rings are all empty now. */
void mesh_settle(struct mesh_end *end);

/* The ring from `from` to us, to be read with ring_front and ring_release; NULL when the lane is not there.
 */
static inline struct ring *mesh_ring(const struct mesh_end *end, uint32_t from, enum mesh_lane lane)
{
    return end->mesh->ring[end->self][from][lane];
}

#endif
