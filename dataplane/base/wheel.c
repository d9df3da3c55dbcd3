/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A timer lies on the level of the highest 6-bit digit in which its tick differs from the wheel's, in the
 * slot of that digit. So all timers of a lower level are due before any of a higher one, every filled slot of
 * a level is ahead of the wheel's own digit there, and the next slot is found by one count of zeros. When the
 * wheel reaches a slot of a higher level, the slot's timers are re-sorted to lower ones, at most once for
 * each level on the way down.
 */
#include "base/wheel.h"

#include <string.h>

#define WHEEL_HEAD  (1u << 31)
#define SLOT_DUE    WHEEL_SLOTS
#define SLOT_RESORT (WHEEL_SLOTS + 1u)
#define DIGIT_BITS  6u

void wheel_init(struct wheel *wheel, void *first, uint32_t stride, uint32_t granule_us, uint64_t now_us)
{
    assert(stride >= sizeof(struct timer) && stride % 8 == 0 && granule_us > 0);
    memset(wheel, 0, sizeof *wheel);
    wheel->timers = (uint8_t *)first;
    wheel->stride = stride;
    wheel->shift = (stride & (stride - 1)) == 0 ? (uint32_t)__builtin_ctz(stride) : 0;
    wheel->granule_us = granule_us;
    wheel->moves_max = UINT32_MAX;
    wheel->tick = now_us / granule_us;
}

void wheel_limit(struct wheel *wheel, uint32_t moves)
{
    assert(moves > 0);
    wheel->moves_max = moves;
}

/* Rounded up, so that no timer expires early. */
static uint64_t tick_of(const struct wheel *wheel, uint64_t time_us)
{
    return time_us / wheel->granule_us + (time_us % wheel->granule_us != 0);
}

static uint32_t slot_of(const struct wheel *wheel, uint64_t tick)
{
    if (tick <= wheel->tick) {
        return SLOT_DUE;
    }
    uint32_t level = (63u - (uint32_t)__builtin_clzll(tick ^ wheel->tick)) / DIGIT_BITS;
    return level * 64u + (uint32_t)(tick >> (DIGIT_BITS * level) & 63u);
}

static void slot_mark(struct wheel *wheel, uint32_t slot)
{
    if (slot < WHEEL_SLOTS) {
        wheel->filled[slot / 64u] |= UINT64_C(1) << slot % 64u;
        wheel->levels |= 1u << slot / 64u;
    }
}

static void slot_unmark(struct wheel *wheel, uint32_t slot)
{
    if (slot < WHEEL_SLOTS) {
        wheel->filled[slot / 64u] &= ~(UINT64_C(1) << slot % 64u);
        if (wheel->filled[slot / 64u] == 0) {
            wheel->levels &= ~(1u << slot / 64u);
        }
    }
}

static void timer_link(struct wheel *wheel, struct timer *timer, uint32_t slot)
{
    uint32_t ref = wheel_index(wheel, timer) + 1;
    timer->next = wheel->slots[slot];
    timer->prev = WHEEL_HEAD | slot;
    if (timer->next != 0) {
        wheel_timer(wheel, timer->next - 1)->prev = ref;
    }
    wheel->slots[slot] = ref;
    slot_mark(wheel, slot);
}

static void timer_unlink(struct wheel *wheel, struct timer *timer)
{
    if (timer->next != 0) {
        wheel_timer(wheel, timer->next - 1)->prev = timer->prev;
    }
    if ((timer->prev & WHEEL_HEAD) != 0) {
        uint32_t slot = timer->prev & ~WHEEL_HEAD;
        wheel->slots[slot] = timer->next;
        if (timer->next == 0) {
            slot_unmark(wheel, slot);
        }
    } else {
        wheel_timer(wheel, timer->prev - 1)->next = timer->next;
    }
    timer->next = timer->prev = 0;
}

void wheel_arm(struct wheel *wheel, struct timer *timer, uint64_t deadline_us)
{
    if (timer->prev != 0) {
        timer_unlink(wheel, timer);
    } else {
        wheel->armed++;
    }
    timer->deadline_us = deadline_us;
    timer_link(wheel, timer, slot_of(wheel, tick_of(wheel, deadline_us)));
}

void wheel_cancel(struct wheel *wheel, struct timer *timer)
{
    if (timer->prev != 0) {
        timer_unlink(wheel, timer);
        wheel->armed--;
    }
}

/* The tick at which the next filled slot begins. At least one must be filled. */
static uint64_t slot_next(const struct wheel *wheel, uint32_t *slot)
{
    uint32_t level = (uint32_t)__builtin_ctz(wheel->levels);
    uint64_t digit = (uint64_t)__builtin_ctzll(wheel->filled[level]);
    *slot = level * 64u + (uint32_t)digit;
    uint32_t low = DIGIT_BITS * level;
    uint64_t below = low + DIGIT_BITS >= 64u ? UINT64_MAX : (UINT64_C(1) << (low + DIGIT_BITS)) - 1;
    return (wheel->tick & ~below) | digit << low;
}

/* Hands a slot's whole list to one of the two working slots, which is empty. */
static void slot_hand_over(struct wheel *wheel, uint32_t from, uint32_t to)
{
    uint32_t ref = wheel->slots[from];
    wheel->slots[from] = 0;
    slot_unmark(wheel, from);
    wheel->slots[to] = ref;
    wheel_timer(wheel, ref - 1)->prev = WHEEL_HEAD | to;
}

/* Re-sorts up to *moves timers; true when none is left. */
static bool resort(struct wheel *wheel, uint32_t *moves)
{
    while (wheel->slots[SLOT_RESORT] != 0) {
        if (*moves == 0) {
            return false;
        }
        --*moves;
        struct timer *timer = wheel_timer(wheel, wheel->slots[SLOT_RESORT] - 1);
        timer_unlink(wheel, timer);
        timer_link(wheel, timer, slot_of(wheel, tick_of(wheel, timer->deadline_us)));
    }
    return true;
}

struct timer *wheel_expire(struct wheel *wheel, uint64_t now_us)
{
    uint64_t now = now_us / wheel->granule_us;
    uint32_t moves = wheel->moves_max;
    for (;;) {
        if (wheel->slots[SLOT_DUE] != 0) {
            struct timer *timer = wheel_timer(wheel, wheel->slots[SLOT_DUE] - 1);
            timer_unlink(wheel, timer);
            wheel->armed--;
            return timer;
        }
        if (!resort(wheel, &moves)) {
            return NULL;
        }
        if (wheel->slots[SLOT_DUE] != 0) {
            continue;
        }
        uint32_t slot = 0;
        uint64_t next = wheel->levels != 0 ? slot_next(wheel, &slot) : UINT64_MAX;
        if (next > now) {
            wheel->tick = now > wheel->tick ? now : wheel->tick;
            return NULL;
        }
        wheel->tick = next;
        slot_hand_over(wheel, slot, slot < 64u ? SLOT_DUE : SLOT_RESORT);
    }
}

uint64_t wheel_next_us(const struct wheel *wheel)
{
    if (wheel->slots[SLOT_DUE] != 0 || wheel->slots[SLOT_RESORT] != 0) {
        return wheel->tick * wheel->granule_us;
    }
    if (wheel->levels == 0) {
        return UINT64_MAX;
    }
    uint32_t slot;
    uint64_t tick = slot_next(wheel, &slot);
    return tick > UINT64_MAX / wheel->granule_us ? UINT64_MAX - 1 : tick * wheel->granule_us;
}
