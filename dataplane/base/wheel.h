/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hierarchical timing wheel: arming and cancelling are O(1), and moving time forward costs the same however
 * many timers are armed and however much time has passed. Timers are members of objects in an array and
 * are linked by index (16 bytes each). Nothing is allocated. One owner.
 *
 * Deadlines are rounded up to the wheel's granularity: a timer never expires early, and late by less
 * than one granule (beyond when it is asked).
 */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_LEVELS     11u /* of 64 slots each: every 64-bit time has its place */
#define WHEEL_SLOTS      (WHEEL_LEVELS * 64u)
#define WHEEL_TIMERS_MAX (1u << 30)

/* All zeros is a timer that isn't armed. The links are the wheel's business. */
struct timer {
    uint32_t next; /* index + 1, 0 at the end */
    uint32_t prev; /* index + 1, or WHEEL_HEAD | slot for the first; 0 when not armed */
    uint64_t deadline_us;
};

struct wheel {
    uint8_t *timers; /* the timer of object 0 */
    uint32_t stride; /* distance between objects, bytes */
    uint32_t shift;  /* log2(stride), or 0 when that is no power of two */
    uint32_t granule_us;
    uint32_t moves_max; /* timers re-sorted in one wheel_expire at most */
    uint32_t armed;     /* timers armed */
    uint32_t levels;    /* bit l: level l has a filled slot */
    uint64_t tick;      /* granules that have been dealt with */
    uint64_t filled[WHEEL_LEVELS];
    uint32_t slots[WHEEL_SLOTS + 2]; /* first timer of each; then those due, then those to be re-sorted */
};

/*
 * Makes a wheel for timers that lie `stride` bytes apart, the first at `first`: `&objects[0].timer,
 * sizeof objects[0]`. The timers must be zeroed by the caller before their first use. granule_us >= 1; now_us
 * is the present. At most WHEEL_TIMERS_MAX objects.
 */
void wheel_init(struct wheel *wheel, void *first, uint32_t stride, uint32_t granule_us, uint64_t now_us);

/*
 * Bounds the work of one wheel_expire: it re-sorts at most `moves` timers (of far deadlines that have come
 * nearer) before it returns NULL; the next call goes on. Unbounded at first. With a bound, timers can be late
 * by as many calls as that takes.
 */
void wheel_limit(struct wheel *wheel, uint32_t moves);

/*
 * Arms `timer`, which must be one of the wheel's; if it is armed its deadline is changed. A deadline in the
 * past expires at the next wheel_expire.
 */
void wheel_arm(struct wheel *wheel, struct timer *timer, uint64_t deadline_us);

/*
 * Disarms `timer`; harmless when it isn't armed.
 */
void wheel_cancel(struct wheel *wheel, struct timer *timer);

/*
 * The next timer whose deadline is not after now_us, disarmed already, or NULL. Call until it is NULL. In
 * order of granules; within one in no particular order. now_us must not run backwards (if it does, nothing
 * expires).
 */
struct timer *wheel_expire(struct wheel *wheel, uint64_t now_us);

/*
 * A time not later than the next one at which wheel_expire has something to do; UINT64_MAX when nothing is
 * armed. It may find only timers to re-sort then, so call wheel_expire and ask again: each time it is nearer.
 */
uint64_t wheel_next_us(const struct wheel *wheel);

/*
 * True between wheel_arm and cancel or expiry.
 */
static inline bool timer_armed(const struct timer *timer)
{
    return timer->prev != 0;
}

/*
 * The index of the object that `timer` lies in.
 */
static inline uint32_t wheel_index(const struct wheel *wheel, const struct timer *timer)
{
    size_t offset = (size_t)((const uint8_t *)timer - wheel->timers);
    return (uint32_t)(wheel->shift != 0 ? offset >> wheel->shift : offset / wheel->stride);
}

/*
 * The timer of the object with `index`.
 */
static inline struct timer *wheel_timer(const struct wheel *wheel, uint32_t index)
{
    return (struct timer *)(void *)(wheel->timers + (size_t)index * wheel->stride);
}

#endif
