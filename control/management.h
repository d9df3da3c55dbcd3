/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The management address: a small HTTP/1.1 server for Prometheus and the dashboard. It answers GET and HEAD
 * of
 *   /, /dashboard.js, /dashboard.css   the page
 *   /metrics                           Prometheus's text format
 *   /api/now, /api/history             what the page draws
 * and nothing that changes anything or names anybody. It listens on loopback or a UNIX socket alone, and on
 * loopback answers only requests that name loopback as their host, so that no page of elsewhere can have a
 * browser ask.
 */
#ifndef CONTROL_MANAGEMENT_H
#define CONTROL_MANAGEMENT_H

#include "admin.h"

#define MANAGEMENT_CLIENTS_MAX   32u
#define MANAGEMENT_REQUEST_BYTES 4096u
#define MANAGEMENT_TIMEOUT_MS    10000u

struct management;

/* What a head of a request asks for. */
enum management_page {
    MANAGEMENT_INDEX,
    MANAGEMENT_SCRIPT,
    MANAGEMENT_STYLE,
    MANAGEMENT_METRICS,
    MANAGEMENT_NOW,
    MANAGEMENT_HISTORY,
    MANAGEMENT_BAD_REQUEST, /* 400 */
    MANAGEMENT_WRONG_HOST,  /* 403 */
    MANAGEMENT_NOT_FOUND,   /* 404 */
    MANAGEMENT_METHOD,      /* 405 */
};

/*
 * Read a request's head (pure; up to and with its empty line). `local` tells that it came over a UNIX socket,
 * where any host will do. `*head_only` is set for HEAD.
 */
enum management_page management_read(const char *head, size_t len, bool local, bool *head_only);

/*
 * Listen on "unix:/path", "127.0.0.1:port" or "[::1]:port" (config_check has seen to the form). NULL when
 * that fails (errno).
 */
struct management *management_listen(struct loop *loop, const char *address,
                                     const struct admin_sources *sources);

/* Once a turn of the loop, at least once a second: samples for the dashboard, and the end of slow clients. */
void management_turn(struct management *management, uint64_t now_ms);

/* End it, and take its socket away; the rest of it goes with its poll. */
void management_close(struct management *management);

#endif
