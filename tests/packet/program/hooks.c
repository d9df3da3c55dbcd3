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

/* Kinds: too-big, unreachable (code 2 or 3, by ICMPv6 4: hard), or any other (soft). */
bool hook_icmp(struct play *p, struct flow *f, const struct icmp_event *event)
{
    bool unreachable = strcmp(event->kind, "unreachable") == 0;
    bool hard = addr_is_ip4(&f->tuple.peer) ? event->code == 2 || event->code == 3 : event->code == 4;
    struct icmp_error error = {.too_big = strcmp(event->kind, "too-big") == 0,
                               .hard = unreachable && hard,
                               .mtu = (uint16_t)event->mtu,
                               .code = (uint8_t)event->code,
                               .src = f->tuple.local,
                               .dst = f->tuple.peer,
                               .sport = f->tuple.local_port,
                               .dport = f->tuple.peer_port,
                               .seq = event->seq};
    (void)tcp_icmp(p->engine, &error, p->now_us);
    return true;
}
