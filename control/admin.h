/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The admin socket: a line of JSON is asked, a line of JSON is answered.
 *   {"command": "status" | "workers" | "sessions" | "counters", "limit": N}
 *   {"command": "limits" | "config"}
 *   {"command": "store"}, {"command": "mailbox", "user": HEX, "limit": N} (all users: without)
 *   {"command": "users", "after": HEX, "limit": N}, {"command": "user", "user": HEX}
 *   {"command": "user-suspend" | "user-restore" | "user-delete", "user": HEX}: answered when it is durable
 *   {"command": "wake"}
 *   {"command": "invites", "after": ID, "limit": N}, {"command": "invite-create", "uses": N, "life_s": N},
 *   {"command": "invite-revoke", "invite": ID}: likewise
 *   {"command": "sessions" | "sessions-close", "user": HEX, "device": N, "address": ADDRESS or
 * ADDRESS/PREFIX}
 *   {"command": "drain", "over_ms": N}, {"command": "drain", "cancel": true}, {"command": "drain-status"}
 *   {"command": "store-backup", "directory": PATH, "mb_per_s": N}: begins one; "store" tells how it gets on
 *   {"command": "tls-reload"}: the data plane reads its certificates anew; answered when it has
 * An error is answered with {"error": "..."}.
 *   {"command": "trace", "peer": ADDRESS, "port": N, "local_port": N}
 * is answered with {"tracing": true, "workers": N} and from then on with a line for each event
 * (admin_trace.h) until the asker hangs up, which ends the trace.
 */
#ifndef CONTROL_ADMIN_H
#define CONTROL_ADMIN_H

#include "intake.h"

#define ADMIN_REQUEST_BYTES 4096u
#define ADMIN_CLIENTS_MAX   32u
#define ADMIN_BACKLOG_BYTES                                                                                  \
    (1u << 20)                     /* of a trace, waiting for its reader; more is left out and counted       \
                                    */
#define ADMIN_SESSIONS_LIMIT 1000u /* when the request names none */

/* What an answer can tell of. */
struct admin_sources {
    struct intake *intake;
    const struct mailboxes *mailboxes;
    struct storage *storage; /* local; NULL: none to copy */
    const struct directory *directory;
    const struct session_table *sessions;
    const struct media *media; /* NULL: none */
    const struct wax_config *config;
    struct wake *wake; /* NULL: nobody is woken */
    bool view_only;    /* what changes anything is refused */
    uint64_t started_ms;
};

/*
 * Answer one request (without its newline). Returns text with a newline at its end, which
 * the caller frees.
 */
char *admin_reply(const struct admin_sources *sources, const char *request, size_t len, uint64_t now_ms);

/* Whether a request only looks: all that a socket of viewers answers. */
bool admin_only_looks(const char *request, size_t len);

/* Is a request of that command? For those that admin_reply can't answer at once. */
bool admin_is(const char *request, size_t len, const char *command);

/* The answer when an order has been done, or not; `code` is of an invite, or NULL. As admin_reply. */
char *admin_order_reply(enum wax_status status, const char *text, const char *code, uint64_t now_ms);

struct admin;

/* Listen on a path (mode 0660). NULL when that fails (errno). */
struct admin *admin_listen(struct loop *loop, struct journal *journal, const char *path,
                           const struct admin_sources *sources);
void admin_close(struct admin *admin);

#endif
