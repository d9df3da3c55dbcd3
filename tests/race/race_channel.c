/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Producer and consumer on one byte ring of the channel: records of all sizes, several to a
 * publish, each checked whole; and the kick, which must never be lost when the consumer
 * sleeps. Meant for a build with -Db_sanitize=thread; passes quickly in any build.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "waxwire/channel.h"

#define RECORDS 60000u

struct body {
    struct channel_record record;
    uint64_t number;
    uint8_t fill[];
};

static struct channel_memory *memory;
static struct channel_ring *ring;
static int event;
static uint64_t sleeps;

static uint32_t size_of(uint64_t number)
{
    uint64_t mixed = number * UINT64_C(0x9e3779b97f4a7c15);
    /* mostly small, at times the largest, so that the ring wraps with and without padding */
    if (mixed >> 56 == 0)
        return WAX_CHANNEL_RECORD_BYTES_MAX - (uint32_t)(mixed & 0xff);
    return (uint32_t)sizeof(struct body) + (uint32_t)(mixed >> 40 & 0x3ff);
}

static void kick(void)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(&memory->control_sleeping) != 0)
        eventfd_write(event, 1);
}

static void *produce(void *unused)
{
    for (uint64_t number = 0; number < RECORDS; number++) {
        uint32_t bytes = size_of(number);
        struct body *body;
        while ((body = (struct body *)(void *)channel_reserve(ring, bytes)) == NULL) {
            channel_publish(ring);
            kick();
            sched_yield();
        }
        body->record.kind = (uint16_t)(1 + number % 100);
        body->number = number;
        memset(body->fill, (int)(number & 0xff), bytes - sizeof *body);
        if (number % 7 == 0 || number + 1 == RECORDS) {
            channel_publish(ring);
            kick();
        }
        if (number % 1000 == 0)
            usleep(200);
    }
    return unused;
}

static void check(const struct channel_record *record, uint64_t number)
{
    const struct body *body = (const struct body *)(const void *)record;
    bool good =
        record->bytes == size_of(number) && record->kind == 1 + number % 100 && body->number == number;
    for (uint32_t i = 0; good && i < record->bytes - sizeof *body; i += 61)
        good = body->fill[i] == (number & 0xff);
    if (!good) {
        fprintf(stderr, "race_channel: record %lu is wrong\n", (unsigned long)number);
        abort();
    }
}

/* Sleep as control does: say so, look once more, wait. A lost kick is seen as a time-out. */
static void wait_for_kick(void)
{
    enum wax_status status;
    eventfd_t count;
    struct pollfd fd = {.fd = event, .events = POLLIN};
    atomic_store(&memory->control_sleeping, 1);
    atomic_thread_fence(memory_order_seq_cst);
    if (channel_peek(ring, &status) == NULL) {
        sleeps++;
        if (poll(&fd, 1, 10000) == 0 && channel_peek(ring, &status) != NULL) {
            fprintf(stderr, "race_channel: a kick was lost\n");
            abort();
        }
    }
    atomic_store(&memory->control_sleeping, 0);
    eventfd_read(event, &count);
}

static void *consume(void *unused)
{
    for (uint64_t number = 0; number < RECORDS;) {
        enum wax_status status;
        const struct channel_record *record = channel_peek(ring, &status);
        if (status != WAX_OK)
            abort();
        if (record == NULL) {
            wait_for_kick();
            continue;
        }
        check(record, number++);
        channel_release(ring, record);
    }
    return unused;
}

int main(void)
{
    pthread_t producer, consumer;
    memory = aligned_alloc(WAX_CACHE_LINE_BYTES, channel_memory_bytes(1));
    event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (memory == NULL || event < 0)
        return 1;
    memset(memory, 0, channel_memory_bytes(1));
    ring = &memory->worker[0].to_control;
    pthread_create(&consumer, NULL, consume, NULL);
    pthread_create(&producer, NULL, produce, NULL);
    pthread_join(producer, NULL);
    pthread_join(consumer, NULL);
    printf("race_channel: %u records, %lu sleeps\n", RECORDS, (unsigned long)sleeps);
    free(memory);
    close(event);
    return 0;
}
