/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/tokens.h"

void tokens_init(struct tokens *tokens, uint64_t life_ms)
{
    pthread_mutex_init(&tokens->lock, NULL);
    atomic_init(&tokens->change, 0);
    memset(&tokens->set, 0, sizeof tokens->set);
    tokens->set.life_ms = life_ms;
}

void tokens_end(struct tokens *tokens)
{
    explicit_bzero(&tokens->set, sizeof tokens->set);
    pthread_mutex_destroy(&tokens->lock);
}

void tokens_take(struct tokens *tokens, const struct channel_order_tokens *order)
{
    pthread_mutex_lock(&tokens->lock);
    tokens->set.key_count = order->keys;
    tokens->set.revoked_count = order->revoked_count;
    memcpy(tokens->set.key, order->key, sizeof tokens->set.key);
    memcpy(tokens->set.revoked, order->revoked, sizeof tokens->set.revoked);
    uint32_t change = atomic_load(&tokens->change) + 1;
    atomic_store(&tokens->change, change == 0 ? 1 : change);
    pthread_mutex_unlock(&tokens->lock);
}

bool tokens_look(struct tokens *tokens, uint32_t *seen, struct token_set *out)
{
    if (atomic_load_explicit(&tokens->change, memory_order_relaxed) == *seen ||
        pthread_mutex_trylock(&tokens->lock) != 0)
        return false;
    *seen = atomic_load(&tokens->change);
    *out = tokens->set;
    pthread_mutex_unlock(&tokens->lock);
    return true;
}
