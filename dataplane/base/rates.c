/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/rates.h"

#define WAYS (WAX_CACHE_LINE_BYTES / (uint32_t)sizeof(struct rates_place))

_Static_assert(RATES_PLACES % WAYS == 0, "sets are cache lines");

size_t rates_bytes(void)
{
    return RATES_PLACES * sizeof(struct rates_place);
}

void rates_init(struct rates *rates, struct span memory, uint32_t per_s, uint32_t burst)
{
    *rates = (struct rates){.cost_us = rates_cost_us(per_s)};
    rates->burst_us = (uint64_t)rates->cost_us * burst;
    rates->places = (struct rates_place *)(void *)memory.data;
    memset(memory.data, 0, rates_bytes());
}

/* Its place, or that of whoever has rested longest. */
static struct rates_place *place_of(const struct rates *rates, uint64_t name)
{
    struct rates_place *set = &rates->places[(uint32_t)(name >> 32) % (RATES_PLACES / WAYS) * WAYS];
    struct rates_place *found = set;
    for (uint32_t i = 0; i < WAYS; i++) {
        if (set[i].name == name)
            return &set[i];
        if (set[i].spent_us < found->spent_us)
            found = &set[i];
    }
    return found;
}

static uint64_t overdrawn_us(const struct rates *rates, const struct rates_place *place, uint64_t now_us)
{
    uint64_t most_us = now_us + rates->burst_us;
    return place->spent_us > most_us ? place->spent_us - most_us : 0;
}

uint64_t rates_spend(struct rates *rates, uint64_t name, uint32_t count, uint64_t now_us)
{
    if (rates->cost_us == 0)
        return 0;
    struct rates_place *place = place_of(rates, name | 1u);
    if (place->name != (name | 1u) || place->spent_us < now_us)
        *place = (struct rates_place){name | 1u, now_us};
    place->spent_us += (uint64_t)rates->cost_us * count;
    return overdrawn_us(rates, place, now_us);
}

uint64_t rates_wait_us(const struct rates *rates, uint64_t name, uint64_t now_us)
{
    if (rates->cost_us == 0)
        return 0;
    const struct rates_place *place = place_of(rates, name | 1u);
    return place->name == (name | 1u) ? overdrawn_us(rates, place, now_us) : 0;
}
