/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wake-ups of one receiver (a push gateway): which devices it is to be told of, in order, each once for
 * an interval, and when the next attempt is due. Bounded; no clock, no thread: whoever uses it from several
 * threads locks it.
 *
 * A device is waiting (to be told), taken (told just now), or resting (was told: what comes for it before the
 * interval is over is told at its end). One batch is taken at a time. Times are milliseconds of a clock that
 * only goes forward.
 */
#ifndef CONTROL_WAKE_TABLE_H
#define CONTROL_WAKE_TABLE_H

#include <stdbool.h>

#include "waxwire/channel.h"

#define WAKE_BATCH_MAX      64u  /* devices told at once */
#define WAKE_RETRY_MS_FIRST 100u /* after a failure; doubled with each that follows */

struct wake_event {
    struct device_name name;
    uint64_t since_ms; /* when the first message that it stands for came */
    bool urgent;       /* one of them was sent as urgent */
};

struct wake_counts {
    uint64_t queued;    /* events that have come to wait */
    uint64_t coalesced; /* that joined one for the same device */
    uint64_t needless;  /* taken back, for the device has come by itself */
    uint64_t dropped;   /* for want of room */
    uint64_t sent;
    uint64_t refused;          /* by the receiver, for good */
    uint64_t failures;         /* attempts */
    uint64_t failing_since_ms; /* 0: the last attempt went well, or there was none */
    uint64_t retry_at_ms;      /* when the next attempt is due; 0: at once */
    uint32_t waiting_now;
    uint32_t resting_now;
};

struct wake_table;

/*
 * A table for so many devices (1 to 2^24), each of which is told once in `interval_ms` (0: as often as there
 * is something). After failures at most `retry_ms_most` pass until the next attempt. Ends the process without
 * memory. wake_table_free takes NULL, too.
 */
struct wake_table *wake_table_new(uint32_t devices, uint32_t interval_ms, uint32_t retry_ms_most);
void wake_table_free(struct wake_table *table);

/* A device is to be woken. True when a new event waits, whose time wake_table_due_ms tells. */
bool wake_table_note(struct wake_table *table, const struct device_name *name, bool urgent, uint64_t now_ms);

/* A device has come: what waits for it is taken back. */
void wake_table_calm(struct wake_table *table, const struct device_name *name);

/* Take what is due, at most `most` events; how many. Then one of the three that follow ends the batch. */
uint32_t wake_table_take(struct wake_table *table, struct wake_event *events, uint32_t most, uint64_t now_ms);

/* The batch has been told. */
void wake_table_sent(struct wake_table *table, uint64_t now_ms);
/* The receiver will never take it. */
void wake_table_refused(struct wake_table *table, uint64_t now_ms);
/* It could not be told: it waits again, before all others, and nothing is taken for a while. */
void wake_table_failed(struct wake_table *table, uint64_t now_ms);

/* When wake_table_take will find something; UINT64_MAX: not before a note. */
uint64_t wake_table_due_ms(const struct wake_table *table);

/* What has happened since the start; `counts` is filled. */
void wake_table_count(const struct wake_table *table, struct wake_counts *counts);

#endif
