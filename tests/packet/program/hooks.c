/* SPDX-License-Identifier: BSD-3-Clause */
/* Seams for what the engine can't do yet. Each says false while it isn't connected: the scenario fails. */
#include "play.h"

bool hook_ecn_in(struct tcp_segment *s, uint8_t ecn)
{
    s->ecn = ecn;
    return true;
}

bool hook_ecn_out(const struct tcp_out *o, uint8_t *ecn)
{
    *ecn = o->ecn;
    return true;
}

bool hook_icmp(struct play *p, struct flow *f, const struct icmp_event *event)
{
    (void)p;
    (void)f;
    (void)event;
    return false;
}
