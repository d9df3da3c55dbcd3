/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A producer and a consumer on one small ring, by copies and in place at random, each item's whole content
 * checked. Meant for a build with -Db_sanitize=thread; passes quickly in any build.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/ring.h"

#define ITEMS 400000u
#define SLOTS 64u
#define WORDS 8u

struct item {
    uint64_t words[WORDS];
};

static struct ring *ring;

static void item_fill(struct item *item, uint64_t number)
{
    for (uint64_t i = 0; i < WORDS; i++) {
        item->words[i] = number * WORDS + i;
    }
}

static void item_check(const struct item *item, uint64_t number)
{
    for (uint64_t i = 0; i < WORDS; i++) {
        if (item->words[i] != number * WORDS + i) {
            fprintf(stderr, "item %lu: word %lu is %lu\n", (unsigned long)number, (unsigned long)i,
                    (unsigned long)item->words[i]);
            abort();
        }
    }
}

static void *produce(void *unused)
{
    struct rng rng;
    rng_init(&rng, 1);
    for (uint64_t sent = 0; sent < ITEMS;) {
        struct item burst[32];
        uint32_t want = (uint32_t)rng_between(&rng, 1, 32), done = 0;
        want = want < ITEMS - sent ? want : (uint32_t)(ITEMS - sent);
        if (rng_chance(&rng, 500000)) {
            for (uint32_t i = 0; i < want; i++) {
                item_fill(&burst[i], sent + i);
            }
            done = ring_push(ring, burst, want);
        } else {
            struct item *slot;
            while (done < want && (slot = ring_peek_slot(ring, done)) != NULL) {
                item_fill(slot, sent + done++);
            }
            ring_commit(ring, done);
        }
        sent += done;
        if (done == 0) {
            sched_yield();
        }
    }
    return unused;
}

static void consume(void)
{
    struct rng rng;
    rng_init(&rng, 2);
    for (uint64_t got = 0; got < ITEMS;) {
        struct item burst[32];
        uint32_t want = (uint32_t)rng_between(&rng, 1, 32), done = 0;
        if (rng_chance(&rng, 500000)) {
            done = ring_pop(ring, burst, want);
            for (uint32_t i = 0; i < done; i++) {
                item_check(&burst[i], got + i);
            }
        } else {
            const struct item *slot;
            while (done < want && (slot = ring_front(ring, done)) != NULL) {
                item_check(slot, got + done++);
            }
            ring_release(ring, done);
        }
        got += done;
        if (done == 0) {
            sched_yield();
        }
    }
}

int main(void)
{
    size_t bytes = ring_bytes(SLOTS, sizeof(struct item));
    uint8_t *memory = malloc(bytes);
    pthread_t thread;
    if (memory == NULL || ring_init(&ring, span_of(memory, bytes), SLOTS, sizeof(struct item)) != WAX_OK ||
        pthread_create(&thread, NULL, produce, NULL) != 0) {
        return 1;
    }
    consume();
    pthread_join(thread, NULL);
    printf("%u items in order\n", ITEMS);
    free(memory);
    return 0;
}
