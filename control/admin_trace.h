/* SPDX-License-Identifier: BSD-3-Clause */
/* A trace of TCP connections on the admin socket: the request, and events as lines of JSON. */
#ifndef CONTROL_ADMIN_TRACE_H
#define CONTROL_ADMIN_TRACE_H

#include <stddef.h>

#include "waxwire/status.h"
#include "waxwire/trace.h"

#define TRACE_LINE_BYTES 512u

/*
 * Reads {"command": "trace", "peer": "ADDRESS", "port": N, "local_port": N}; ports may be left out. Returns
 * NOT_FOUND when it is another command, OK with `match` filled, or BAD_ARGUMENT with `*reason`, a literal.
 */
enum wax_status trace_request_read(const char *request, size_t len, struct trace_match *match,
                                   const char **reason);

/*
 * Writes an event as one line with its newline; `wall_us` is when its clock was 0, `lost` how many events
 * before it did not get here, the workers' own included. Returns its length, below TRACE_LINE_BYTES.
 */
size_t trace_line(const struct trace_event *event, uint32_t worker, uint64_t wall_us, uint64_t lost,
                  char line[TRACE_LINE_BYTES]);

#endif
