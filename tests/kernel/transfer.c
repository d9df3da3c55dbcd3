/* SPDX-License-Identifier: BSD-3-Clause */
#include "transfer.h"

#include <inttypes.h>

#define MAGIC UINT64_C(0x7761787866657231)

/* The pattern of a seed, 8 bytes at once; `position` is of the first byte. */
static void pattern(uint64_t seed, uint64_t position, struct span out)
{
    for (size_t i = 0; i < out.len;) {
        uint64_t word = (position + i) / 8, at = (position + i) % 8;
        uint64_t x = seed + (word + 1) * UINT64_C(0x9e3779b97f4a7c15);
        x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
        x ^= x >> 31;
        size_t n = 8 - at < out.len - i ? (size_t)(8 - at) : out.len - i;
        memcpy(out.data + i, (const uint8_t *)&x + at, n);
        i += n;
    }
}

static void start(struct transfer *t)
{
    (void)crypto_generichash_init(&t->out_hash, NULL, 0, TRANSFER_HASH_BYTES);
    (void)crypto_generichash_init(&t->in_hash, NULL, 0, TRANSFER_HASH_BYTES);
}

void transfer_client(struct transfer *t, uint64_t seed, uint64_t send_bytes, uint64_t receive_bytes)
{
    *t = (struct transfer){.client = true, .seed = seed, .out_total = send_bytes, .in_total = receive_bytes};
    store_be64(t->head_bytes, MAGIC);
    store_be64(t->head_bytes + 8, seed);
    store_be64(t->head_bytes + 16, send_bytes);
    store_be64(t->head_bytes + 24, receive_bytes);
    start(t);
}

void transfer_server(struct transfer *t)
{
    *t = (struct transfer){.client = false};
    start(t);
}

/* Each side's pattern is another. */
static uint64_t seed_of(const struct transfer *t, bool client)
{
    return client ? t->seed : ~t->seed;
}

size_t transfer_produce(struct transfer *t, struct span room)
{
    if (t->client && t->head < TRANSFER_HEAD_BYTES) {
        size_t n = TRANSFER_HEAD_BYTES - t->head < room.len ? TRANSFER_HEAD_BYTES - t->head : room.len;
        memcpy(room.data, t->head_bytes + t->head, n);
        t->head += (uint32_t)n;
        return n;
    }
    if (!t->client && !t->known) {
        return 0;
    }
    uint64_t left = t->out_total - t->out;
    room.len = left < room.len ? (size_t)left : room.len;
    pattern(seed_of(t, t->client), t->out, room);
    (void)crypto_generichash_update(&t->out_hash, room.data, room.len);
    t->out += room.len;
    return room.len;
}

/* The server's first bytes; returns what is left of them. */
static struct view consume_head(struct transfer *t, struct view bytes)
{
    size_t n = TRANSFER_HEAD_BYTES - t->head < bytes.len ? TRANSFER_HEAD_BYTES - t->head : bytes.len;
    memcpy(t->head_bytes + t->head, bytes.data, n);
    t->head += (uint32_t)n;
    if (t->head == TRANSFER_HEAD_BYTES) {
        t->known = true;
        t->seed = load_be64(t->head_bytes + 8);
        t->in_total = load_be64(t->head_bytes + 16);
        t->out_total = load_be64(t->head_bytes + 24);
        if (load_be64(t->head_bytes) != MAGIC) {
            t->error = "not the head of a transfer";
        }
    }
    return view_of(bytes.data + n, bytes.len - n);
}

bool transfer_consume(struct transfer *t, struct view bytes)
{
    uint8_t want[8192];
    if (!t->client && !t->known) {
        bytes = consume_head(t, bytes);
    }
    if (bytes.len > t->in_total - t->in) {
        t->error = "more bytes than were announced";
    }
    while (bytes.len > 0 && t->error == NULL) {
        size_t n = bytes.len < sizeof want ? bytes.len : sizeof want;
        pattern(seed_of(t, !t->client), t->in, span_of(want, n));
        if (memcmp(want, bytes.data, n) != 0) {
            t->error = "a byte is wrong";
        }
        (void)crypto_generichash_update(&t->in_hash, bytes.data, n);
        t->in += n;
        bytes = view_of(bytes.data + n, bytes.len - n);
    }
    return t->error == NULL;
}

bool transfer_may_close(const struct transfer *t)
{
    bool written = t->head == TRANSFER_HEAD_BYTES && t->out == t->out_total;
    return written && (t->client || (t->known && t->in == t->in_total));
}

void transfer_end(struct transfer *t, const char *error)
{
    bool whole = t->head == TRANSFER_HEAD_BYTES && t->out == t->out_total && t->in == t->in_total && t->ended;
    if (t->error == NULL && (error != NULL || !whole)) {
        t->error = error != NULL ? error : "ended too early";
    }
    t->over = true;
}

void transfer_print(struct transfer *t, FILE *to)
{
    uint8_t hash[TRANSFER_HASH_BYTES];
    char out[2 * sizeof hash + 1], in[2 * sizeof hash + 1];
    (void)crypto_generichash_final(&t->out_hash, hash, sizeof hash);
    (void)sodium_bin2hex(out, sizeof out, hash, sizeof hash);
    (void)crypto_generichash_final(&t->in_hash, hash, sizeof hash);
    (void)sodium_bin2hex(in, sizeof in, hash, sizeof hash);
    (void)fprintf(to,
                  "{\"seed\": %" PRIu64 ", \"sent\": %" PRIu64
                  ", \"sent_hash\": \"%s\", \"received\": %" PRIu64
                  ", \"received_hash\": \"%s\", \"error\": ",
                  t->seed, t->out, out, t->in, in);
    if (t->error != NULL) {
        (void)fprintf(to, "\"%s\"}", t->error);
    } else {
        (void)fprintf(to, "null}");
    }
}

bool transfers_over(const struct transfer *t, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!t[i].over) {
            return false;
        }
    }
    return true;
}

bool transfers_good(const struct transfer *t, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!t[i].over || t[i].error != NULL) {
            return false;
        }
    }
    return true;
}
