/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The metrics page of a worker: plain 64-bit counters that one thread writes and anyone
 * may read (relaxed). It lies in the channel's shared memory, or, while there is no
 * channel, in the worker's own.
 *
 * X(name, unit, help): gauges end in _now. Statuses (waxwire/status.h) are counted beside.
 */
#ifndef WAXWIRE_METRICS_H
#define WAXWIRE_METRICS_H

#include <stdint.h>

#include "waxwire/latency.h"
#include "waxwire/limits.h"
#include "waxwire/status.h"

/* clang-format off */
#define WAX_METRIC_LIST(X)                                                                        \
    X(rx_packets,           "packets",  "packets polled from ports")                              \
    X(rx_bytes,             "bytes",    "bytes polled from ports")                                \
    X(rx_dropped,           "packets",  "packets that no worker could take")                      \
    X(tx_packets,           "packets",  "packets handed to ports")                                \
    X(tx_bytes,             "bytes",    "bytes handed to ports")                                  \
    X(tx_joined,            "packets",  "segments that left in one frame with the one before, for the port to cut") \
    X(tx_dropped,           "packets",  "packets a port did not take")                            \
    X(busy_cycles,          "cycles",   "cycles of polls that found work")                        \
    X(idle_cycles,          "cycles",   "cycles of wholly empty polls")                           \
    X(cycles_per_s,         "cycles",   "cycles in a second")                                     \
    X(polls,                "polls",    "turns of the poll loop")                                 \
    X(rx_bursts,            "bursts",   "polls of a port that found packets")                     \
    X(turns_long,           "turns",    "turns of the poll loop that took a millisecond or more")  \
    X(preemptions,          "times",    "times the kernel gave the core of the worker's thread to another") \
    X(connections_opened,   "connections", "TCP connections opened")                              \
    X(connections_now,      "connections", "TCP connections now")                                 \
    X(half_open_now,        "connections", "of them in TCP's handshake")                          \
    X(cookies_sent,         "segments", "SYNs answered by a cookie, with nothing kept")           \
    X(cookies_accepted,     "connections", "TCP connections opened by an ACK of a cookie")        \
    X(segments_in,          "segments", "TCP segments received")                                  \
    X(segments_out,         "segments", "TCP segments built")                                     \
    X(retransmits,          "segments", "TCP segments sent again")                                \
    X(retransmit_timeouts,  "timeouts", "TCP retransmission timers that expired")                 \
    X(handshakes,           "handshakes", "TLS handshakes finished")                              \
    X(handshakes_now,       "handshakes", "TLS handshakes under way")                             \
    X(handshakes_waiting_now, "connections", "connections that wait for a TLS handshake")         \
    X(sessions_opened,      "sessions", "sessions welcomed")                                      \
    X(sessions_resumed,     "sessions", "of them by a resume token")                              \
    X(sessions_now,         "sessions", "sessions open now")                                      \
    X(sends,                "messages", "SENDs taken from clients")                               \
    X(multis,               "messages", "SEND_MULTIs taken from clients; their recipients count as sends") \
    X(deliveries,           "messages", "DELIVERs handed to TCP")                                 \
    X(acks,                 "frames",   "ACKs received")                                          \
    X(requests,             "frames",   "requests handed to the control plane")                   \
    X(reads,                "receipts", "read receipts taken from clients")                       \
    X(untimed,              "messages", "DELIVERs left out of the histogram of latencies")         \
    X(accepted,             "messages", "messages answered ACCEPTED")                             \
    X(delivered,            "messages", "messages answered DELIVERED")                            \
    X(rejected,             "messages", "messages answered REJECTED")                             \
    X(stores,               "messages", "messages offered to the store")                          \
    X(drained,              "messages", "messages drained from the store")                        \
    X(messages_now,         "messages", "messages held in memory now")                            \
    X(custody_now,          "messages", "messages and receipts that homes answer for now")        \
    X(vacating_now,         "yes or no", "whether connections are being ended, as an operator has asked") \
    X(vacate_over_ms,       "ms",       "over how long")                                          \
    X(vacate_elapsed_ms,    "ms",       "since then, until nothing was left")                     \
    X(vacate_connections,   "connections", "that there were when it began")                       \
    X(vacated,              "sessions", "sessions ended so (1012)")                               \
    X(vacated_late,         "sessions", "of them with something unanswered, for their time was over") \
    X(recipients_now,       "recipients", "recipients known at home now")                         \
    X(media_uploads,        "blobs",    "blobs uploaded")                                         \
    X(media_downloads,      "blobs",    "blobs, or parts of blobs, downloaded")                   \
    X(media_in_bytes,       "bytes",    "bytes of blobs handed to control")                       \
    X(media_out_bytes,      "bytes",    "bytes of blobs handed to TCP")                           \
    X(media_transfers_now,  "transfers", "uploads and downloads under way")                       \
    X(mesh_sends,           "items",    "items entered into rings to other workers")              \
    X(mesh_returns,         "items",    "returns entered into rings to other workers")            \
    X(blocks_free_now,      "blocks",   "free blocks of the worker's pool")                           \
    X(session_bytes,        "bytes",    "memory of an idle session over TLS, with its share of tables")
/* clang-format on */

#define WAX_METRIC_FIELD(name, unit, help) uint64_t name;
struct wax_metrics {
    WAX_METRIC_LIST(WAX_METRIC_FIELD)
    uint64_t status[WAX_STATUS_COUNT]; /* how often each status happened */
    /* ns from the poll of the packet that completed a SEND to the hand-over of its DELIVER to the port */
    uint64_t latency[LATENCY_BUCKETS];
} __attribute__((aligned(WAX_CACHE_LINE_BYTES)));
#undef WAX_METRIC_FIELD

/* Count a status. */
static inline void metrics_count(struct wax_metrics *metrics, enum wax_status status)
{
    metrics->status[status]++;
}

#endif
