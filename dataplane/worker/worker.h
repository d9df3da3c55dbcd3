/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker: its stack, its share of every port, its ends of the mesh, of the channel and of the handshake
 * threads. And the plane: everything that workers share. Internal to dataplane/worker.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <pthread.h>

#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#include "conn/stack.h"
#include "conn/train.h"
#include "waxwire/journal.h"
#include "worker/channel.h"
#include "worker/clock.h"
#include "worker/jobs.h"
#include "worker/mesh.h"
#include "worker/place.h"
#include "worker/port.h"
#include "worker/steer.h"
#include "worker/tokens.h"

#define FRAMES_MAX        512u /* frames that wait for a transmit queue */
#define STRANGERS_WAIT    64u  /* of them answers to strangers */
#define RANDOM_BYTES      1024u
#define RECORDS_TURN      256u        /* records of the channel taken in a turn */
#define RECORD_BYTES_TURN (32u << 10) /* bytes of them, or little more */
#define FLOOD_BURST       8u          /* packets taken at once in a flood */
#define SELF_TURNS        4u          /* times that a worker hears itself in a turn */
#define SENDS_TURN        256u        /* sends of each other worker */
#define ITEMS_AHEAD       32u  /* whose recipients and connections are fetched before the first is taken */
#define EMPTY_POLLS       100u /* before a balanced worker sleeps */
#define SLEEP_US          50u
#define DRAIN_MS          5000u   /* for closing sessions at the end */
#define METRICS_US        20000u  /* between two copies of the metrics */
#define PREEMPTIONS_US    500000u /* between two looks at how often the kernel took the core */
#define TURN_LONG_US      1000u   /* a turn that long is counted: something has kept the core */
#define FILES_MAX         16u     /* of the configuration */
#define PACKETS_SLOTS     1024u   /* of the rings for packets and frames */

struct plane;

/* A queue that this worker polls. */
struct receive_queue {
    uint16_t device, queue, port;
    uint16_t vlan; /* that the port takes out of frames; 0: it doesn't */
    bool steer;
};

/* Frames that wait for a port, in order. */
struct frames {
    uint32_t first, count;
    uint64_t stuck_us; /* since when the port has taken none of those that wait; 0: it does */
    struct rte_mbuf *frame[FRAMES_MAX];
    uint16_t len[FRAMES_MAX]; /* of each, so that a slow port does not make us look at them again and again */
    struct train train;       /* that the last of them may be, where the port cuts */
};

/* Where this worker's frames for a port go. */
struct transmit_queue {
    uint16_t device, queue;
    uint16_t vlan;     /* that the port puts into frames; 0: it doesn't */
    bool cuts4, cuts6; /* the port cuts trains of segments apart (train.h), by family */
    uint16_t owner;    /* the worker that transmits; another one's frames are handed to it */
    struct rte_mempool *pool;
    struct frames frames;
    struct frames strangers; /* answers to no connection, which wait behind the others */
};

struct worker {
    struct plane *plane;
    struct stack *stack;
    uint16_t index, thread;
    int node;
    uint64_t now_us;
    uint64_t metrics_us;     /* when the metrics were last copied */
    uint64_t preemptions_us; /* when the kernel was last asked how often it took the core */
    uint64_t polled;         /* the cycle counter when the last burst came */
    struct wall wall;

    struct mesh_end mesh;
    struct mesh_peer peers[WAX_WORKERS_MAX];
    uint64_t owed; /* workers that may have to be told what we have taken */

    uint64_t change; /* of the channel, seen last */
    uint32_t tokens; /* of the keys of tokens, seen last */
    struct attachment *attachment;
    struct channel_ring *to_control, *from_control;
    bool published;

    uint64_t jobs_submitted; /* threads to be woken */
    uint32_t jobs_out;       /* submitted and not taken back */

    uint32_t receive_count;
    struct receive_queue receive[WAX_WORKERS_MAX + WAX_PORTS_MAX];
    struct transmit_queue transmit[WAX_PORTS_MAX];

    bool flooded;        /* half of what came last was of strangers */
    uint32_t held_count; /* packets of strangers, which wait until connections have been served */
    struct rte_mbuf *held[STACK_STRANGERS_MAX];

    uint32_t random_left;
    uint8_t random[RANDOM_BYTES];
    struct wax_metrics metrics; /* copied into the channel's memory now and then */
    bool drained;               /* no connection is left */
};

/* A thread and the workers whose turns it runs. */
struct worker_thread {
    struct plane *plane;
    uint32_t index;
    uint32_t count;
    struct worker *worker[WAX_WORKERS_MAX];
    bool started;
    _Atomic uint32_t state; /* enum thread_state */
};

enum thread_state { THREAD_STARTING, THREAD_READY, THREAD_FAILED };

struct plane {
    struct wax_config config;
    struct journal journal;
    struct place place;
    bool hugepages;
    bool eal;
    bool capture; /* dpdk-dumpcap may attach */
    struct clock clock;
    uint64_t turn_long_cycles;
    uint64_t route_key[2];
    struct steer steer;
    size_t note_at; /* where packets have room for worker_note_of */
    int node[WAX_WORKERS_MAX];
    struct port port[WAX_PORTS_MAX];
    uint32_t ports; /* open */
    struct mesh mesh;
    struct jobs jobs;
    bool jobs_made;
    _Atomic bool jobs_running;
    struct tls_tickets *tickets; /* keys of session tickets, shared by the handshake threads */
    struct tokens tokens;        /* keys of resume and media tokens, for the workers to copy */
    uint64_t tickets_ms;         /* when the keys were last looked after */
    const char *file[FILES_MAX]; /* of the configuration, in order */
    uint32_t file_count;
    struct channel_link link;
    bool linked;
    struct worker_thread thread[WAX_WORKERS_MAX];
    _Atomic bool go;          /* all stacks are made: poll */
    _Atomic bool stop;        /* drain */
    _Atomic bool end;         /* end now */
    _Atomic uint32_t drained; /* workers that have closed everything */
};

/*
 * Bring everything up in order (EAL, channel, ports, handshake threads, workers). False after saying why in
 * the journal; plane_stop takes down whatever had come up.
 */
bool plane_start(struct plane *plane);
void plane_stop(struct plane *plane);

/*
 * Make a worker on its own thread (so that its memory lies on its node): stack, ends, queues. NULL after
 * saying why in the journal.
 */
struct worker *worker_make(struct plane *plane, uint16_t index, int node);

/* One turn of the poll loop; true when it found anything to do. */
bool worker_turn(struct worker *worker);

/* What a stack needs of its worker (env.c). */
void worker_env(struct worker *worker, struct stack_env *env);

/* Notice that the channel has come or gone, and keep the metrics in it fresh (attend.c); true when it did. */
bool worker_attend(struct worker *worker);

/* The threads of all workers (threads.c): make the workers, then poll. False: some could not be made. */
bool threads_start(struct plane *plane);

/* Close every connection, wait for that at most DRAIN_MS, end the threads. */
void threads_stop(struct plane *plane);

/*
 * Queue a frame for a port, which takes it or drops it (transmit.c). An expendable one, an answer to no
 * connection, goes after all others, and few of them wait: answers to a flood must not stand before what
 * established connections have to say.
 */
void worker_transmit(struct worker *worker, uint16_t port, struct rte_mbuf *frame, bool expendable);

/* Hand what waits to the ports; true when they took anything. */
bool worker_flush(struct worker *worker);

/* In a packet on its way between workers: when it was polled; in a frame: whether it is expendable. */
static inline uint64_t *worker_note_of(const struct worker *worker, struct rte_mbuf *mbuf)
{
    return RTE_MBUF_DYNFIELD(mbuf, worker->plane->note_at, uint64_t *);
}

#endif
