/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/secrets.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum {
    HEAP_LEAST_BYTES = 1 << 20, /* certificates' keys, and what signing takes meanwhile */
    HEAP_MOST_BYTES = 1 << 26,
    HANDSHAKE_BYTES = 256,
    PIECE_BYTES = 32
};

static void *wiped_malloc(size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return malloc(bytes);
}

static void wiped_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    if (p == NULL)
        return;
    explicit_bzero(p, malloc_usable_size(p));
    free(p);
}

/* Never in place, for what it is moved from must be wiped. */
static void *wiped_realloc(void *p, size_t bytes, const char *file, int line)
{
    if (p == NULL)
        return malloc(bytes);
    size_t had = malloc_usable_size(p);
    if (bytes == 0) {
        wiped_free(p, file, line);
        return NULL;
    }
    void *fresh = malloc(bytes);
    if (fresh == NULL)
        return NULL;
    memcpy(fresh, p, had < bytes ? had : bytes);
    wiped_free(p, file, line);
    return fresh;
}

enum secrets_heap secrets_start(uint64_t handshakes)
{
    size_t bytes = HEAP_LEAST_BYTES;
    while (bytes < HEAP_MOST_BYTES && bytes < HEAP_LEAST_BYTES / 2 + handshakes * HANDSHAKE_BYTES)
        bytes *= 2;
    if (CRYPTO_set_mem_functions(wiped_malloc, wiped_realloc, wiped_free) != 1)
        return SECRETS_NONE;
    int made = CRYPTO_secure_malloc_init(bytes, PIECE_BYTES);
    return made == 1 ? SECRETS_LOCKED : made == 2 ? SECRETS_UNLOCKED : SECRETS_NONE;
}

void secrets_dumps(bool allowed)
{
    const struct rlimit none = {0, 0};
    if (allowed)
        return;
    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &none);
}
