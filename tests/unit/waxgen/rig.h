/* SPDX-License-Identifier: BSD-3-Clause */
/* A generator whose port takes no frame: what it would do next can be looked at, and nothing leaves. */
#ifndef WAXGEN_RIG_H
#define WAXGEN_RIG_H

#include <criterion/criterion.h>
#include <sodium.h>

#include "waxgen/gen.h"

static inline bool rig_port_alloc(void *ctx, struct span *room, void **owner)
{
    (void)ctx;
    (void)room;
    (void)owner;
    return false;
}

/* Makes it with these options, to which addresses and the message's shape are added; it began at 1,000 µs. */
static inline struct gen *rig_make(struct gen_options options)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 2};
    struct gen_port port = {.alloc = rig_port_alloc};
    options.server_name = "relay.test";
    options.window = 1;
    options.payload = 128;
    options.peer = addr_ip4(0xc6120001);
    options.port = 443;
    options.address.addr = addr_ip4(0xc6120002);
    options.address.prefix = 15;
    cr_assert_geq(sodium_init(), 0);
    struct gen *gen = gen_make(&options, &port, mac, 1000);
    cr_assert_not_null(gen);
    return gen;
}

#endif
