/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keys of tokens, on their way from the channel's thread to the workers: each takes a copy when they have
 * changed, and waits for nobody.
 */
#ifndef WORKER_TOKENS_H
#define WORKER_TOKENS_H

#include <pthread.h>
#include <stdatomic.h>

#include "relay/token.h"
#include "waxwire/channel.h"

struct tokens {
    pthread_mutex_t lock;
    _Atomic uint32_t change; /* rises with each order; 0: there are none */
    struct token_set set;
};

/* Begin without keys. `life_ms`: that a token is good for. */
void tokens_init(struct tokens *tokens, uint64_t life_ms);

/* Wipe them. */
void tokens_end(struct tokens *tokens);

/* An order of the control plane, which has been checked. */
void tokens_take(struct tokens *tokens, const struct channel_order_tokens *order);

/*
 * Copy the set when it is not the one that `*seen` tells of, and note it there. False when nothing has
 * changed, or it is just being changed: then the next turn sees it.
 */
bool tokens_look(struct tokens *tokens, uint32_t *seen, struct token_set *out);

#endif
