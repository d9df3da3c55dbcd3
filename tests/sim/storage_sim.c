/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage_sim.h"

#include <assert.h>
#include <stdlib.h>

#define SECTOR 512u

struct sim_segment {
    uint64_t id;
    uint64_t sealed;
    uint8_t *bytes;
    size_t len;
    struct sim_segment *next; /* in rising order */
};

enum sim_kind {
    SIM_OPEN,
    SIM_WRITE,
    SIM_READ,
    SIM_SEAL,
    SIM_DELETE,
    SIM_RING_PUT,
    SIM_RING_GET,
    SIM_PUT,
    SIM_TAKE
};

/* A small value of the directory. */
struct sim_value {
    uint8_t key[WAX_USER_BYTES + STORAGE_NAME_BYTES_MAX];
    size_t key_len;
    uint8_t value[STORAGE_VALUE_BYTES_MAX];
    size_t len;
    struct sim_value *next;
};

struct sim_op {
    enum sim_kind kind;
    struct storage_op *op;
    uint32_t shard;
    uint64_t epoch;
    uint64_t segment;
    uint64_t offset;
    const uint8_t *in;
    uint8_t *out;
    size_t len;
    struct storage_head *head;
    struct sim_value *value;
    size_t *out_len;
    uint64_t due;
    struct sim_op *next;
};

struct storage_sim {
    struct storage storage;
    uint64_t random;
    uint64_t now;
    struct storage_sim_faults faults;
    uint64_t unreadable;
    struct sim_op *ops;
    struct sim_value *values;
    uint8_t *used; /* what a segment that is gone has left, for another to be laid over */
    size_t used_len;
    struct {
        uint64_t epoch;
        struct sim_segment *segments;
        uint8_t *ring;
        size_t ring_len;
    } shard[WAX_STORE_SHARDS];
};

uint64_t sim_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint32_t roll(struct storage_sim *sim, uint32_t below)
{
    return below == 0 ? 0 : (uint32_t)(sim_random(&sim->random) % below);
}

static struct sim_segment **find(struct storage_sim *sim, uint32_t shard, uint64_t id)
{
    struct sim_segment **at = &sim->shard[shard].segments;
    while (*at != NULL && (*at)->id < id)
        at = &(*at)->next;
    return at;
}

static struct sim_segment *get(struct storage_sim *sim, uint32_t shard, uint64_t id)
{
    struct sim_segment **at = find(sim, shard, id);
    if (*at == NULL || (*at)->id != id) {
        struct sim_segment *segment = calloc(1, sizeof *segment);
        *segment = (struct sim_segment){.id = id, .sealed = STORAGE_NOT_SEALED, .next = *at};
        if (sim->used != NULL && roll(sim, 2) == 0) {
            segment->bytes = sim->used;
            segment->len = sim->used_len;
            sim->used = NULL;
        }
        *at = segment;
    }
    return *at;
}

static void segment_room(struct sim_segment *segment, size_t len)
{
    if (len <= segment->len)
        return;
    segment->bytes = realloc(segment->bytes, len);
    memset(segment->bytes + segment->len, 0, len - segment->len);
    segment->len = len;
}

static void write_whole(struct storage_sim *sim, const struct sim_op *op)
{
    struct sim_segment *segment = get(sim, op->shard, op->segment);
    segment_room(segment, op->offset + op->len);
    memcpy(segment->bytes + op->offset, op->in, op->len);
}

/* Some sectors of a write, in no order; at times a part that ends within one. */
static void write_torn(struct storage_sim *sim, const struct sim_op *op)
{
    uint32_t how = roll(sim, 4);
    if (how == 0)
        return;
    if (how == 1) {
        write_whole(sim, op);
        return;
    }
    struct sim_segment *segment = get(sim, op->shard, op->segment);
    size_t prefix = how == 2 ? (size_t)(sim_random(&sim->random) % (op->len + 1)) : op->len;
    uint32_t keep = roll(sim, 100);
    for (size_t at = 0; at < prefix;) {
        size_t step = SECTOR - (op->offset + at) % SECTOR;
        if (step > prefix - at)
            step = prefix - at;
        if (how == 2 || roll(sim, 100) < keep) {
            segment_room(segment, op->offset + at + step);
            memcpy(segment->bytes + op->offset + at, op->in + at, step);
        }
        at += step;
    }
}

static struct sim_op *add(struct storage *storage, enum sim_kind kind, uint32_t shard, struct storage_op *op)
{
    struct storage_sim *sim = (struct storage_sim *)(void *)storage;
    struct sim_op *out = calloc(1, sizeof *out);
    out->kind = kind;
    out->op = op;
    out->shard = shard;
    out->due = sim->now + 1 + roll(sim, sim->faults.delay);
    out->next = sim->ops;
    sim->ops = out;
    return out;
}

static void sim_shard_open(struct storage *storage, uint32_t shard, struct storage_head *head,
                           struct storage_op *op)
{
    add(storage, SIM_OPEN, shard, op)->head = head;
}

static void sim_seg_write(struct storage *storage, uint32_t shard, uint64_t epoch, uint64_t segment,
                          uint64_t offset, struct view bytes, struct storage_op *op)
{
    struct sim_op *out = add(storage, SIM_WRITE, shard, op);
    out->epoch = epoch;
    out->segment = segment;
    out->offset = offset;
    out->in = bytes.data;
    out->len = bytes.len;
}

static void sim_seg_read(struct storage *storage, uint32_t shard, uint64_t segment, uint64_t offset,
                         struct span bytes, struct storage_op *op)
{
    struct sim_op *out = add(storage, SIM_READ, shard, op);
    out->segment = segment;
    out->offset = offset;
    out->out = bytes.data;
    out->len = bytes.len;
}

static void sim_seg_seal(struct storage *storage, uint32_t shard, uint64_t epoch, uint64_t segment,
                         uint64_t bytes, struct storage_op *op)
{
    struct sim_op *out = add(storage, SIM_SEAL, shard, op);
    out->epoch = epoch;
    out->segment = segment;
    out->offset = bytes;
}

static void sim_seg_delete(struct storage *storage, uint32_t shard, uint64_t epoch, uint64_t segment,
                           struct storage_op *op)
{
    struct sim_op *out = add(storage, SIM_DELETE, shard, op);
    out->epoch = epoch;
    out->segment = segment;
}

static void sim_ring_put(struct storage *storage, uint32_t shard, uint64_t epoch, struct view bytes,
                         struct storage_op *op)
{
    struct sim_op *out = add(storage, SIM_RING_PUT, shard, op);
    out->epoch = epoch;
    out->in = bytes.data;
    out->len = bytes.len;
}

static void sim_ring_get(struct storage *storage, uint32_t shard, struct span bytes, size_t *len,
                         struct storage_op *op)
{
    struct sim_op *out = add(storage, SIM_RING_GET, shard, op);
    out->out = bytes.data;
    out->len = bytes.len;
    out->out_len = len;
}

static void sim_flush(struct storage *storage)
{
    (void)storage;
}

static enum wax_status do_open(struct storage_sim *sim, const struct sim_op *op)
{
    struct storage_head *head = op->head;
    uint32_t count = 0;
    for (struct sim_segment *s = sim->shard[op->shard].segments; s != NULL; s = s->next)
        count++;
    *head = (struct storage_head){.epoch = ++sim->shard[op->shard].epoch, .segment_count = count};
    head->segments = calloc(count + 1, sizeof *head->segments);
    count = 0;
    for (struct sim_segment *s = sim->shard[op->shard].segments; s != NULL; s = s->next)
        head->segments[count++] = (struct storage_segment){s->id, s->sealed, s->len};
    return WAX_OK;
}

static enum wax_status do_write(struct storage_sim *sim, const struct sim_op *op)
{
    uint32_t fault = roll(sim, 1000);
    if (op->epoch != sim->shard[op->shard].epoch)
        return WAX_STORE_FENCED;
    if (fault < sim->faults.unknown) {
        write_torn(sim, op);
        return WAX_STORE_UNKNOWN;
    }
    fault -= sim->faults.unknown;
    if (fault < sim->faults.no_space) {
        write_torn(sim, op);
        return WAX_STORE_NO_SPACE;
    }
    fault -= sim->faults.no_space;
    if (fault < sim->faults.io) {
        write_torn(sim, op);
        return WAX_STORE_IO;
    }
    struct sim_segment **at = find(sim, op->shard, op->segment);
    assert(*at == NULL || (*at)->id != op->segment || (*at)->sealed == STORAGE_NOT_SEALED ||
           op->offset >= STORAGE_SIM_SEGMENT_BYTES);
    /* the log is written in whole blocks, so that none is ever written twice */
    assert(op->offset >= STORAGE_SIM_SEGMENT_BYTES || (op->offset | op->len) % SECTOR == 0);
    write_whole(sim, op);
    return WAX_OK;
}

static enum wax_status do_read(struct storage_sim *sim, const struct sim_op *op)
{
    struct sim_segment **at = find(sim, op->shard, op->segment);
    if (*at == NULL || (*at)->id != op->segment)
        return WAX_NOT_FOUND;
    if (op->offset < STORAGE_SIM_SEGMENT_BYTES && op->offset + op->len > sim->unreadable)
        return WAX_STORE_IO;
    memset(op->out, 0, op->len);
    if (op->offset < (*at)->len) {
        size_t len = (*at)->len - op->offset < op->len ? (*at)->len - op->offset : op->len;
        memcpy(op->out, (*at)->bytes + op->offset, len);
    }
    return WAX_OK;
}

static enum wax_status do_head(struct storage_sim *sim, const struct sim_op *op)
{
    struct sim_segment **at = find(sim, op->shard, op->segment);
    struct sim_segment *segment = *at != NULL && (*at)->id == op->segment ? *at : NULL;
    uint32_t fault = roll(sim, 1000);
    bool happens = fault >= sim->faults.unknown || roll(sim, 2) == 0;
    if (op->epoch != sim->shard[op->shard].epoch)
        return WAX_STORE_FENCED;
    if (fault >= sim->faults.unknown && fault < sim->faults.unknown + sim->faults.no_space)
        return WAX_STORE_NO_SPACE;
    if (happens && segment != NULL && op->kind == SIM_SEAL)
        segment->sealed = op->offset;
    if (happens && segment != NULL && op->kind == SIM_DELETE) {
        *at = segment->next;
        free(sim->used);
        sim->used = segment->bytes;
        sim->used_len = segment->len;
        free(segment);
    }
    return fault < sim->faults.unknown ? WAX_STORE_UNKNOWN : WAX_OK;
}

/* ---- key rings ---- */

static enum wax_status do_ring_put(struct storage_sim *sim, const struct sim_op *op)
{
    uint32_t fault = roll(sim, 1000);
    bool happens = fault >= sim->faults.unknown || roll(sim, 2) == 0;
    if (op->epoch != sim->shard[op->shard].epoch)
        return WAX_STORE_FENCED;
    if (fault >= sim->faults.unknown && fault < sim->faults.unknown + sim->faults.no_space)
        return WAX_STORE_NO_SPACE;
    if (happens) {
        free(sim->shard[op->shard].ring);
        sim->shard[op->shard].ring = malloc(op->len + 1);
        memcpy(sim->shard[op->shard].ring, op->in, op->len);
        sim->shard[op->shard].ring_len = op->len;
    }
    return fault < sim->faults.unknown ? WAX_STORE_UNKNOWN : WAX_OK;
}

static enum wax_status do_ring_get(struct storage_sim *sim, const struct sim_op *op)
{
    size_t len = sim->shard[op->shard].ring_len;
    if (sim->shard[op->shard].ring == NULL)
        return WAX_NOT_FOUND;
    *op->out_len = len;
    memcpy(op->out, sim->shard[op->shard].ring, len < op->len ? len : op->len);
    return WAX_OK;
}

const uint8_t *storage_sim_ring(const struct storage_sim *sim, uint32_t shard, size_t *bytes)
{
    *bytes = sim->shard[shard].ring_len;
    return sim->shard[shard].ring;
}

/* ---- the directory ---- */

static struct sim_value *value_new(const uint8_t *user, struct view name, struct view value)
{
    struct sim_value *out = calloc(1, sizeof *out);
    memcpy(out->key, user, WAX_USER_BYTES);
    memcpy(out->key + WAX_USER_BYTES, name.data, name.len);
    out->key_len = WAX_USER_BYTES + name.len;
    if (value.len != 0)
        memcpy(out->value, value.data, value.len);
    out->len = value.len;
    return out;
}

static struct sim_value **value_find(struct storage_sim *sim, const struct sim_value *like)
{
    struct sim_value **at = &sim->values;
    while (*at != NULL &&
           ((*at)->key_len != like->key_len || memcmp((*at)->key, like->key, like->key_len) != 0))
        at = &(*at)->next;
    return at;
}

static void sim_dir_get(struct storage *storage, const uint8_t user[WAX_USER_BYTES], struct view name,
                        struct span out, size_t *len, struct storage_op *op)
{
    struct storage_sim *sim = (struct storage_sim *)(void *)storage;
    struct sim_value *like = value_new(user, name, (struct view){0});
    struct sim_value *found = *value_find(sim, like);
    free(like);
    if (found != NULL) {
        *len = found->len;
        memcpy(out.data, found->value, found->len < out.len ? found->len : out.len);
    }
    op->done(op, found != NULL ? WAX_OK : WAX_NOT_FOUND);
}

static int key_order(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static void sim_dir_next(struct storage *storage, const uint8_t user[WAX_USER_BYTES], struct view name,
                         uint8_t next_user[WAX_USER_BYTES], uint8_t *next_name, size_t *name_len,
                         struct storage_op *op)
{
    struct storage_sim *sim = (struct storage_sim *)(void *)storage;
    struct sim_value *like = value_new(user, name, (struct view){0});
    const struct sim_value *best = NULL;
    for (const struct sim_value *at = sim->values; at != NULL; at = at->next) {
        if (key_order(at->key, at->key_len, like->key, like->key_len) > 0 &&
            (best == NULL || key_order(at->key, at->key_len, best->key, best->key_len) < 0))
            best = at;
    }
    free(like);
    if (best != NULL) {
        memcpy(next_user, best->key, WAX_USER_BYTES);
        *name_len = best->key_len - WAX_USER_BYTES;
        memcpy(next_name, best->key + WAX_USER_BYTES, *name_len);
    }
    op->done(op, best != NULL ? WAX_OK : WAX_NOT_FOUND);
}

static void sim_dir_put(struct storage *storage, const uint8_t user[WAX_USER_BYTES], struct view name,
                        struct view value, struct storage_op *op)
{
    add(storage, SIM_PUT, 0, op)->value = value_new(user, name, value);
}

static void sim_dir_take(struct storage *storage, const uint8_t user[WAX_USER_BYTES], struct view name,
                         struct span out, size_t *len, struct storage_op *op)
{
    struct sim_op *take = add(storage, SIM_TAKE, 0, op);
    take->value = value_new(user, name, (struct view){0});
    take->out = out.data;
    take->len = out.len;
    take->out_len = len;
}

static enum wax_status do_put(struct storage_sim *sim, struct sim_op *op)
{
    uint32_t fault = roll(sim, 1000);
    if (fault >= sim->faults.unknown && fault < sim->faults.unknown + sim->faults.no_space)
        return WAX_STORE_NO_SPACE;
    struct sim_value **at = value_find(sim, op->value);
    if (*at != NULL) {
        struct sim_value *old = *at;
        *at = old->next;
        free(old);
    }
    op->value->next = sim->values;
    sim->values = op->value;
    op->value = NULL;
    return fault < sim->faults.unknown ? WAX_STORE_UNKNOWN : WAX_OK;
}

static enum wax_status do_take(struct storage_sim *sim, const struct sim_op *op)
{
    struct sim_value **at = value_find(sim, op->value);
    struct sim_value *found = *at;
    if (found == NULL)
        return WAX_NOT_FOUND;
    *op->out_len = found->len;
    memcpy(op->out, found->value, found->len < op->len ? found->len : op->len);
    *at = found->next;
    free(found);
    return WAX_OK;
}

static enum wax_status perform(struct storage_sim *sim, struct sim_op *op)
{
    switch (op->kind) {
    case SIM_OPEN:
        return do_open(sim, op);
    case SIM_WRITE:
        return do_write(sim, op);
    case SIM_READ:
        return do_read(sim, op);
    case SIM_SEAL:
    case SIM_DELETE:
        return do_head(sim, op);
    case SIM_RING_PUT:
        return do_ring_put(sim, op);
    case SIM_RING_GET:
        return do_ring_get(sim, op);
    case SIM_PUT:
        return do_put(sim, op);
    case SIM_TAKE:
        return do_take(sim, op);
    }
    return WAX_BAD_ARGUMENT;
}

uint32_t storage_sim_step(struct storage_sim *sim)
{
    uint32_t left = 0;
    sim->now++;
    for (;;) {
        uint32_t due = 0;
        left = 0;
        for (struct sim_op *op = sim->ops; op != NULL; op = op->next, left++)
            due += op->due <= sim->now;
        if (due == 0)
            return left;
        uint32_t pick = roll(sim, due);
        struct sim_op **at = &sim->ops;
        for (;; at = &(*at)->next) {
            if ((*at)->due <= sim->now && pick-- == 0)
                break;
        }
        struct sim_op *op = *at;
        *at = op->next;
        enum wax_status status = perform(sim, op);
        struct storage_op *owner = op->op;
        free(op->value);
        free(op);
        owner->done(owner, status);
    }
}

void storage_sim_crash(struct storage_sim *sim)
{
    while (sim->ops != NULL) {
        struct sim_op *op = sim->ops;
        sim->ops = op->next;
        if (op->kind == SIM_WRITE)
            write_torn(sim, op);
        else if ((op->kind == SIM_SEAL || op->kind == SIM_DELETE) && roll(sim, 2) == 0)
            do_head(sim, op);
        else if (op->kind == SIM_RING_PUT && roll(sim, 2) == 0)
            do_ring_put(sim, op);
        else if (op->kind == SIM_PUT && roll(sim, 2) == 0)
            do_put(sim, op);
        free(op->value);
        free(op);
    }
}

uint8_t *storage_sim_segment(struct storage_sim *sim, uint32_t shard, uint64_t id, size_t *bytes)
{
    struct sim_segment **at = find(sim, shard, id);
    if (*at == NULL || (*at)->id != id)
        return NULL;
    *bytes = (*at)->len;
    return (*at)->bytes;
}

uint32_t storage_sim_segments(const struct storage_sim *sim)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < WAX_STORE_SHARDS; i++) {
        for (struct sim_segment *s = sim->shard[i].segments; s != NULL; s = s->next)
            count++;
    }
    return count;
}

struct storage_sim *storage_sim_new(uint64_t seed)
{
    static const struct storage_calls calls = {
        .shard_open = sim_shard_open,
        .seg_write = sim_seg_write,
        .seg_read = sim_seg_read,
        .seg_seal = sim_seg_seal,
        .seg_delete = sim_seg_delete,
        .ring_put = sim_ring_put,
        .ring_get = sim_ring_get,
        .dir_get = sim_dir_get,
        .dir_put = sim_dir_put,
        .dir_take = sim_dir_take,
        .dir_next = sim_dir_next,
        .flush = sim_flush,
    };
    struct storage_sim *sim = calloc(1, sizeof *sim);
    sim->storage.calls = &calls;
    sim->random = seed;
    sim->unreadable = UINT64_MAX;
    return sim;
}

void storage_sim_free(struct storage_sim *sim)
{
    storage_sim_crash(sim);
    free(sim->used);
    while (sim->values != NULL) {
        struct sim_value *value = sim->values;
        sim->values = value->next;
        free(value);
    }
    for (uint32_t i = 0; i < WAX_STORE_SHARDS; i++) {
        free(sim->shard[i].ring);
        while (sim->shard[i].segments != NULL) {
            struct sim_segment *segment = sim->shard[i].segments;
            sim->shard[i].segments = segment->next;
            free(segment->bytes);
            free(segment);
        }
    }
    free(sim);
}

struct storage *storage_sim_storage(struct storage_sim *sim)
{
    return &sim->storage;
}

void storage_sim_set(struct storage_sim *sim, struct storage_sim_faults faults)
{
    sim->faults = faults;
}

void storage_sim_unreadable(struct storage_sim *sim, uint64_t offset)
{
    sim->unreadable = offset;
}
