/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts of the admin socket's answers. */
#ifndef CONTROL_ADMIN_JSON_H
#define CONTROL_ADMIN_JSON_H

#include <json-c/json.h>

#include "admin.h"

/* Add a number, a text, or bytes as hexadecimal digits (64 bytes at most) to an object. */
void add_u(struct json_object *object, const char *key, uint64_t value);
void add_text(struct json_object *object, const char *key, const char *text);
void add_hex(struct json_object *object, const char *key, const uint8_t *bytes, size_t len);

/* What a request says; NULL when it is no JSON. The caller's to put. */
struct json_object *admin_parse(const char *request, size_t len);

/* Reads a user as 32 hexadecimal digits. */
bool read_user(const char *text, uint8_t user[WAX_USER_BYTES]);

/* Answer "store": segments, what lives in them, what keeping them so has cost. */
void reply_store(const struct admin_sources *sources, struct json_object *reply);

/* Answer "sessions": those that the request means, `limit` at most. */
void reply_sessions(const struct admin_sources *sources, struct json_object *request,
                    struct json_object *reply, uint64_t limit);

/* Answer "sessions-close": end those that the request means. */
void reply_sessions_close(const struct admin_sources *sources, struct json_object *request,
                          struct json_object *reply);

/* Answer "drain" and "drain-status": the data plane ends all its connections over a time; how far it is. */
void reply_drain(const struct admin_sources *sources, struct json_object *request, struct json_object *reply);
void reply_drain_status(const struct admin_sources *sources, struct json_object *reply);

/* Answer "wake": the push gateways, what they were told, and whether they can be. */
void reply_wake(const struct admin_sources *sources, struct json_object *reply);

/* Begin a copy of the store, and answer whether it has begun. */
void reply_backup(const struct admin_sources *sources, struct json_object *request,
                  struct json_object *reply);

/* Answer "mailbox": those of a user, or else the largest, `limit` at most. */
void reply_mailboxes(const struct admin_sources *sources, struct json_object *request,
                     struct json_object *reply, uint64_t limit);

/* Answer "limits" (each limit, its use and its refusals) and "config" (what the control plane runs with). */
void reply_limits(const struct admin_sources *sources, struct json_object *reply);
void reply_config(const struct admin_sources *sources, struct json_object *reply);

#endif
