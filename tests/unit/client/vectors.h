/* SPDX-License-Identifier: BSD-3-Clause */
/* How vectors are read, and the checks of frames with lists and of requests (vectors_lists.c). */
#ifndef TEST_CLIENT_VECTORS_H
#define TEST_CLIENT_VECTORS_H

#include <json-c/json.h>

#include "relay/envelope.h"

/* A field of a vector: any, a text, a number, bytes (until some more have been read), user and device. */
struct json_object *field(struct json_object *of, const char *name);
const char *text_of(struct json_object *of, const char *name);
uint64_t number_of(struct json_object *of, const char *name);
struct view bytes_of(struct json_object *of, const char *name);
struct name name_of(struct json_object *of);

/* Fails unless both are the same. */
void same(const char *what, struct view a, struct view b);

/* What we write of the fields, and what we read of the bytes. */
void check_multi(struct json_object *f, struct view frame);
void check_read(struct json_object *f, struct view frame);
void check_keys_put(struct json_object *f, struct view frame);
void check_keys_get(struct json_object *f, struct view frame);
void check_device(struct json_object *f, struct view frame);
void check_block(struct json_object *f, struct view frame);

#endif
