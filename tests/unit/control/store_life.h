/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A store over real files under load, which tells in memory that outlives it what was answered; for tests
 * that end it in one way or another.
 */
#ifndef WAXWIRE_TESTS_CONTROL_STORE_LIFE_H
#define WAXWIRE_TESTS_CONTROL_STORE_LIFE_H

#include "mailbox.h"
#include "storage_local.h"

#define POSITIONS 400000u
#define USERS     40u
#define WINDOW    96u

/* What became of a retirement: asked for, so that the message may come or not; and taken, so that it will go.
 */
enum { RETIRE_ASKED = 1, RETIRE_TAKEN = 3 };

/* What outlives a life, in memory that is shared; by position. */
struct told {
    uint8_t stored[POSITIONS];
    uint8_t retired[POSITIONS]; /* asked for: it may come or not */
    uint8_t before[POSITIONS];  /* stored before a backup began */
    uint8_t dead[POSITIONS];    /* it must not come: its key was destroyed before that, or it came later */
    volatile uint64_t next, checked, lives;
    volatile bool ready;
    char fault[160]; /* what a life found wrong */
};

/* One life of a store. */
struct life {
    struct told *told;
    struct loop *loop;
    struct storage *storage;
    struct mailboxes *m;
    bool ready, draining;
    bool keeps_fifths;         /* every fifth position is never retired */
    bool may_refuse, may_stop; /* else either is a fault */
    enum wax_status stopped;
    uint64_t refused, accepted, settled;
    uint32_t under_way;
    uint64_t random, last, seen;
    _Alignas(16) uint8_t record[sizeof(struct channel_drained) + 8192];
};

/* Say what is wrong, and end the process. */
void fault(struct life *life, const char *text, uint64_t number) __attribute__((noreturn));

/* Milliseconds since 1970. */
uint64_t life_wall_ms(void);

/* Begin on what lies in a directory, and wait until it is recovered; `told` is set. */
void life_open(struct life *life, const char *directory);

/* A turn of the loop; and one with as many stores as there is room for, and some retirements. */
void life_turn(struct life *life);
void life_load(struct life *life);

/* Drain everything: all that was answered and not retired is there, in order, with its bytes, and nothing
 * dead is. */
void life_check(struct life *life);

#endif
