/* SPDX-License-Identifier: BSD-3-Clause */
#include "attachment.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define ANSWER_BYTES 48u

struct answer {
    uint32_t bytes;
    uint8_t record[ANSWER_BYTES];
    uint8_t *large; /* one that does not fit there */
};

_Static_assert(sizeof(struct channel_stored) <= ANSWER_BYTES, "an answer fits");
_Static_assert(sizeof(struct channel_login_reply) <= ANSWER_BYTES, "an answer fits");
_Static_assert(sizeof(struct channel_trace) <= ANSWER_BYTES, "an answer fits");
_Static_assert(sizeof(struct channel_media_answer) <= ANSWER_BYTES, "an answer fits");

struct worker {
    struct answer *answers; /* a ring of `room`, a power of two */
    uint32_t first, count, room;
    uint64_t waiting_bytes; /* of large ones */
    uint64_t settled;
    bool settling;
    uint64_t settle_tail;
};

struct attachment {
    struct channel_memory *memory;
    size_t bytes;
    uint32_t workers;
    struct worker worker[];
};

static bool memory_is_sealed(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

enum wax_status attachment_map(const struct channel_offer *offer, int memory, struct attachment **attachment,
                               const char **reason)
{
    struct stat info;
    *reason = "it speaks another version of the channel";
    if (offer->magic != CHANNEL_MAGIC || offer->version != CHANNEL_VERSION ||
        offer->ring_bytes != WAX_CHANNEL_RING_BYTES)
        return WAX_CHANNEL_VERSION;
    *reason = "its number of workers is out of range";
    if (offer->workers == 0 || offer->workers > WAX_WORKERS_MAX)
        return WAX_CHANNEL_VERSION;
    *reason = "its memory is not sealed against shrinking";
    if (!memory_is_sealed(memory))
        return WAX_CHANNEL_VERSION;
    *reason = "its memory has another size than its workers need";
    size_t bytes = channel_memory_bytes(offer->workers);
    if (offer->memory_bytes != bytes || fstat(memory, &info) != 0 || (uint64_t)info.st_size < bytes)
        return WAX_CHANNEL_VERSION;
    struct channel_memory *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    *reason = "its memory can't be mapped";
    if (at == MAP_FAILED)
        return WAX_NO_MEMORY;
    *reason = "its memory belongs to another version or number of workers";
    if (at->magic != CHANNEL_MAGIC || at->version != CHANNEL_VERSION || at->workers != offer->workers ||
        at->ring_bytes != WAX_CHANNEL_RING_BYTES) {
        munmap(at, bytes);
        return WAX_CHANNEL_VERSION;
    }
    struct attachment *out = calloc(1, sizeof *out + offer->workers * sizeof out->worker[0]);
    if (out == NULL)
        abort();
    out->memory = at;
    out->bytes = bytes;
    out->workers = offer->workers;
    *attachment = out;
    return WAX_OK;
}

void attachment_unmap(struct attachment *a)
{
    for (uint32_t i = 0; i < a->workers; i++) {
        struct worker *w = &a->worker[i];
        for (uint32_t j = 0; j < w->count; j++)
            free(w->answers[(w->first + j) & (w->room - 1)].large);
        free(w->answers);
    }
    munmap(a->memory, a->bytes);
    free(a);
}

uint32_t attachment_workers(const struct attachment *a)
{
    return a->workers;
}

const struct wax_metrics *attachment_metrics(const struct attachment *a, uint32_t worker)
{
    return &a->memory->worker[worker].metrics;
}

void attachment_sleeping(struct attachment *a, bool sleeping)
{
    /* sequentially consistent: the caller looks at the rings once more afterwards */
    atomic_store(&a->memory->control_sleeping, sleeping ? 1u : 0u);
    atomic_thread_fence(memory_order_seq_cst);
}

static bool media_is_sound(const struct channel_record *record)
{
    switch (record->kind) {
    case CHANNEL_MEDIA_PUT:
        return record->bytes == sizeof(struct channel_media_put);
    case CHANNEL_MEDIA_GET:
        return record->bytes == sizeof(struct channel_media_get);
    case CHANNEL_MEDIA_DELETE:
        return record->bytes == sizeof(struct channel_media_delete);
    case CHANNEL_MEDIA_READ:
        return record->bytes == sizeof(struct channel_media_read);
    case CHANNEL_MEDIA_END:
    case CHANNEL_MEDIA_CLOSE:
        return record->bytes == sizeof(struct channel_media_mark);
    case CHANNEL_MEDIA_PIECE:
        return record->bytes > sizeof(struct channel_media_piece) &&
               record->bytes <= sizeof(struct channel_media_piece) + WAX_MEDIA_PIECE_BYTES;
    case CHANNEL_MEDIA_CREDIT:
        return record->bytes == sizeof(struct channel_media_credit);
    default:
        return false;
    }
}

/* Is the body as long as its kind and its own counts say? */
static bool record_is_sound(const struct channel_record *record)
{
    const void *p = record;
    uint64_t bytes = record->bytes;
    if (bytes > WAX_CHANNEL_RECORD_BYTES_MAX)
        return false;
    switch (record->kind) {
    case CHANNEL_LOGIN: {
        const struct channel_login *login = p;
        return bytes >= sizeof *login && login->invite_bytes <= WAX_INVITE_BYTES_MAX &&
               bytes == sizeof *login + login->invite_bytes;
    }
    case CHANNEL_SESSION_OPEN:
        return bytes == sizeof(struct channel_session_open);
    case CHANNEL_SESSION_CLOSE:
        return bytes == sizeof(struct channel_session_close);
    case CHANNEL_STORE: {
        const struct channel_store *store = p;
        return bytes >= sizeof *store && store->payload_bytes <= WAX_FRAME_BYTES_MAX &&
               bytes == sizeof *store + store->payload_bytes && store->head_bytes <= store->payload_bytes &&
               store->position != 0 && store->ttl_s != 0;
    }
    case CHANNEL_STORE_RECEIPT:
        return bytes == sizeof(struct channel_store_receipt) &&
               ((const struct channel_store_receipt *)p)->position != 0;
    case CHANNEL_RETIRE: {
        const struct channel_retire *retire = p;
        return bytes >= sizeof *retire && bytes == sizeof *retire + (uint64_t)retire->count * 8u;
    }
    case CHANNEL_DRAIN:
        return bytes == sizeof(struct channel_drain);
    case CHANNEL_DRAIN_CREDIT:
        return bytes == sizeof(struct channel_drain_credit);
    case CHANNEL_DRAIN_STOP:
        return bytes == sizeof(struct channel_drain_stop);
    case CHANNEL_TRACED: {
        const struct channel_traced *traced = p;
        return bytes >= sizeof *traced && traced->count <= CHANNEL_TRACED_MAX &&
               bytes == sizeof *traced + traced->count * sizeof traced->event[0] &&
               traced->status < WAX_STATUS_COUNT;
    }
    case CHANNEL_REQUEST: {
        const struct channel_request *request = p;
        return bytes >= sizeof *request && request->frame_bytes <= WAX_FRAME_BYTES_MAX &&
               bytes == sizeof *request + request->frame_bytes;
    }
    case CHANNEL_POLICED:
        return bytes == sizeof(struct channel_policed);
    case CHANNEL_WAKE:
        return bytes == sizeof(struct channel_wake);
    default:
        return media_is_sound(record);
    }
}

const struct channel_record *attachment_peek(struct attachment *a, uint32_t worker, enum wax_status *status)
{
    const struct channel_record *record = channel_peek(&a->memory->worker[worker].to_control, status);
    if (record != NULL && !record_is_sound(record)) {
        *status = WAX_CHANNEL_CORRUPT;
        return NULL;
    }
    return record;
}

void attachment_release(struct attachment *a, uint32_t worker, const struct channel_record *record)
{
    channel_release(&a->memory->worker[worker].to_control, record);
}

static bool answer_put(struct attachment *a, uint32_t worker, const void *record, uint32_t bytes)
{
    struct channel_record *room = channel_reserve(&a->memory->worker[worker].to_worker, bytes);
    if (room == NULL)
        return false;
    memcpy(room, record, bytes);
    return true;
}

void attachment_answer(struct attachment *a, uint32_t worker, const void *record, uint32_t bytes)
{
    struct worker *w = &a->worker[worker];
    assert(bytes <= WAX_CHANNEL_RECORD_BYTES_MAX);
    if (w->count == 0 && answer_put(a, worker, record, bytes)) {
        attachment_publish(a, worker);
        return;
    }
    if (w->count == w->room) {
        uint32_t room = w->room == 0 ? 64 : w->room * 2;
        struct answer *answers = calloc(room, sizeof *answers);
        if (answers == NULL)
            abort();
        for (uint32_t i = 0; i < w->count; i++)
            answers[i] = w->answers[(w->first + i) & (w->room - 1)];
        free(w->answers);
        w->answers = answers;
        w->room = room;
        w->first = 0;
    }
    struct answer *answer = &w->answers[(w->first + w->count++) & (w->room - 1)];
    answer->bytes = bytes;
    answer->large = NULL;
    if (bytes > ANSWER_BYTES) {
        answer->large = malloc(bytes);
        if (answer->large == NULL)
            abort();
        w->waiting_bytes += bytes;
    }
    memcpy(answer->large != NULL ? answer->large : answer->record, record, bytes);
}

uint64_t attachment_waiting_bytes(const struct attachment *a, uint32_t worker)
{
    return a->worker[worker].waiting_bytes;
}

uint64_t attachment_room(struct attachment *a, uint32_t worker, uint64_t most)
{
    return a->worker[worker].count != 0 ? 0 : channel_ring_room(&a->memory->worker[worker].to_worker, most);
}

struct channel_record *attachment_reserve(struct attachment *a, uint32_t worker, uint32_t bytes)
{
    if (a->worker[worker].count != 0)
        return NULL;
    return channel_reserve(&a->memory->worker[worker].to_worker, bytes);
}

void attachment_publish(struct attachment *a, uint32_t worker)
{
    channel_publish(&a->memory->worker[worker].to_worker);
}

bool attachment_all_read(const struct attachment *a, uint32_t worker)
{
    const struct channel_worker *shared = &a->memory->worker[worker];
    uint64_t read = atomic_load_explicit(&shared->to_worker.head, memory_order_acquire);
    return a->worker[worker].count == 0 && read == shared->to_worker.producer_tail;
}

static void look_settled(struct attachment *a, uint32_t worker)
{
    struct worker *w = &a->worker[worker];
    struct channel_worker *shared = &a->memory->worker[worker];
    if (!w->settling && attachment_all_read(a, worker)) {
        w->settling = true;
        w->settle_tail = atomic_load_explicit(&shared->to_control.tail, memory_order_acquire);
    }
    /* both are bytes ever moved: the difference tells which is ahead */
    if (w->settling && (int64_t)(atomic_load_explicit(&shared->to_control.head, memory_order_relaxed) -
                                 w->settle_tail) >= 0) {
        w->settling = false;
        w->settled++;
    }
}

bool attachment_turn(struct attachment *a, uint32_t worker)
{
    struct worker *w = &a->worker[worker];
    bool any = false;
    while (w->count != 0) {
        const struct answer *answer = &w->answers[w->first & (w->room - 1)];
        if (!answer_put(a, worker, answer->large != NULL ? answer->large : answer->record, answer->bytes))
            break;
        if (answer->large != NULL)
            w->waiting_bytes -= answer->bytes;
        free(answer->large);
        w->first = (w->first + 1) & (w->room - 1);
        w->count--;
        any = true;
    }
    if (any)
        attachment_publish(a, worker);
    look_settled(a, worker);
    return w->count != 0;
}

uint64_t attachment_settled(const struct attachment *a, uint32_t worker)
{
    return a->worker[worker].settled;
}
