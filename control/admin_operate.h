/* SPDX-License-Identifier: BSD-3-Clause */
/* Accounts on the admin socket: who there is, and what an operator has done with them. */
#ifndef CONTROL_ADMIN_OPERATE_H
#define CONTROL_ADMIN_OPERATE_H

#include <json-c/json.h>

#include "admin.h"

/* Whether a request changes accounts: then admin_operate does it and answers later, perhaps at once. */
bool admin_operates(const char *request, size_t len);
void admin_operate(const struct admin_sources *sources, const char *request, size_t len,
                   struct intake_order *order);

/* Answer "users": the accounts behind the one named by "after", `limit` at most. */
void reply_users(const struct admin_sources *sources, struct json_object *request, struct json_object *reply,
                 uint64_t limit);

/* Answer "invites": those behind "after", `limit` at most. Their codes are known to nobody here. */
void reply_invites(const struct admin_sources *sources, struct json_object *request,
                   struct json_object *reply, uint64_t limit);

/* Answer "user": all there is to tell of one. */
void reply_user(const struct admin_sources *sources, struct json_object *request, struct json_object *reply);

#endif
