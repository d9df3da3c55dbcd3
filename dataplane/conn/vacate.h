/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Vacating a stack, as an operator asks for it (`waxctl drain`): no connection is taken any more, and those
 * there are end one after the other, spread evenly over a time, each session with 1012 once all that it asked
 * has been answered. Meanwhile the others go on. It can be called off. Each turn does a bounded part.
 */
#ifndef CONN_VACATE_H
#define CONN_VACATE_H

#include <stdbool.h>
#include <stdint.h>

struct stack;

enum vacate_state { VACATE_OFF, VACATE_ON, VACATE_UNDOING };

struct vacate {
    uint8_t state; /* enum vacate_state */
    uint64_t began_us, over_us;
    uint32_t first;   /* connections when it began */
    uint32_t reached; /* of them, asked to end */
    uint32_t next;    /* the first connection that is not reached yet */
    uint32_t sweep;   /* among those reached: which is looked at next */
};

/* Begin, or begin anew with another time, from now on; `over_ms` 0: at once. */
void vacate_begin(struct stack *stack, uint32_t over_ms);

/* Call it off: connections are taken again, and sessions that had been asked to end go on. */
void vacate_end(struct stack *stack);

/* The part of a turn; cheap when it is off. */
void vacate_turn(struct stack *stack);

#endif
