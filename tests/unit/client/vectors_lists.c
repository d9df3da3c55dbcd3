/* SPDX-License-Identifier: BSD-3-Clause */
#include "vectors.h"

#include <criterion/criterion.h>
#include <sodium.h>

#include "waxwire/request.h"

static uint8_t out[1024];

void check_multi(struct json_object *f, struct view frame)
{
    struct json_object *list = field(f, "recipients");
    size_t count = json_object_array_length(list);
    struct frame_multi read, multi = {.flags = (uint8_t)number_of(f, "flags"),
                                      .ttl_s = (uint32_t)number_of(f, "ttl"),
                                      .id = number_of(f, "id")};
    size_t len = frame_open_multi(span_of(out, sizeof out), &multi);

    cr_assert_eq(frame_parse_multi(frame, &read), WAX_OK);
    cr_assert(read.flags == multi.flags && read.ttl_s == multi.ttl_s && read.id == multi.id);
    cr_assert_eq(read.count, count);
    same("shared", read.shared, bytes_of(f, "shared"));
    const uint8_t *at = read.entries.data;
    for (size_t i = 0; i < count; i++) {
        struct json_object *e = json_object_array_get_idx(list, i);
        struct name to = name_of(e);
        struct view head = bytes_of(e, "head");
        struct frame_multi_entry entry = frame_multi_entry(at);
        cr_assert(name_same(&entry.to, &to));
        same("head", view_of(at + WIRE_MULTI_ENTRY_BYTES, entry.head_bytes), head);
        at += WIRE_MULTI_ENTRY_BYTES + entry.head_bytes;
        len = frame_append_multi(span_of(out, sizeof out), len, &to, head);
    }
    len = frame_close_multi(span_of(out, sizeof out), len, read.shared);
    same("send multi", view_of(out, len), frame);
}

void check_read(struct json_object *f, struct view frame)
{
    struct json_object *list = field(f, "entries");
    size_t count = json_object_array_length(list), len = frame_open_read(span_of(out, sizeof out));
    struct frame_read read;

    cr_assert_eq(frame_parse_read(frame, &read), WAX_OK);
    cr_assert_eq(read.count, count);
    for (size_t i = 0; i < count; i++) {
        struct json_object *e = json_object_array_get_idx(list, i);
        struct frame_read_entry wanted = {.id = number_of(e, "id"), .sender = name_of(e)};
        struct frame_read_entry seen = frame_read_entry(read.entries + i * WIRE_READ_ENTRY_BYTES);
        cr_assert(seen.id == wanted.id && name_same(&seen.sender, &wanted.sender));
        len = frame_append_read(span_of(out, sizeof out), &wanted);
    }
    same("read", view_of(out, len), frame);
}

void check_keys_put(struct json_object *f, struct view frame)
{
    struct json_object *list = field(f, "keys");
    struct wire_keys_put read, put = {.flags = (uint8_t)number_of(f, "flags"),
                                      .device = (uint16_t)number_of(f, "device"),
                                      .request = (uint32_t)number_of(f, "request"),
                                      .bundle = bytes_of(f, "bundle"),
                                      .signature = bytes_of(f, "signature").data,
                                      .count = (uint16_t)json_object_array_length(list)};
    size_t len = wire_keys_put_write(span_of(out, sizeof out), &put);
    struct view key;

    cr_assert(wire_keys_put_read(frame, &read));
    cr_assert(read.flags == put.flags && read.device == put.device && read.request == put.request);
    cr_assert_eq(read.count, put.count);
    same("bundle", read.bundle, put.bundle);
    cr_assert_arr_eq(read.signature, put.signature, WAX_SIGNATURE_BYTES);
    for (size_t i = 0; i < put.count; i++) {
        const char *text = json_object_get_string(json_object_array_get_idx(list, i));
        uint8_t bytes[256];
        size_t bytes_len;
        cr_assert_eq(sodium_hex2bin(bytes, sizeof bytes, text, strlen(text), NULL, &bytes_len, NULL), 0);
        cr_assert(wire_key_next(&read.keys, &key));
        same("one-time key", key, view_of(bytes, bytes_len));
        len += wire_key_write(span_of(out + len, sizeof out - len), key);
    }
    same("keys put", view_of(out, len), frame);
}

void check_keys_get(struct json_object *f, struct view frame)
{
    struct wire_keys_get read, get = {(uint8_t)number_of(f, "flags"), (uint16_t)number_of(f, "device"),
                                      (uint32_t)number_of(f, "request"), bytes_of(f, "user").data};

    same("keys get", view_of(out, wire_keys_get_write(span_of(out, sizeof out), &get)), frame);
    cr_assert(wire_keys_get_read(frame, &read));
    cr_assert(read.flags == get.flags && read.device == get.device && read.request == get.request);
    cr_assert_arr_eq(read.user, get.user, WAX_USER_BYTES);
}

void check_device(struct json_object *f, struct view frame)
{
    struct wire_device read, device = {(uint8_t)number_of(f, "what"), (uint16_t)number_of(f, "device"),
                                       (uint32_t)number_of(f, "request")};

    same("device", view_of(out, wire_device_write(span_of(out, sizeof out), &device)), frame);
    cr_assert(wire_device_read(frame, &read));
    cr_assert(read.what == device.what && read.device == device.device && read.request == device.request);
}

void check_block(struct json_object *f, struct view frame)
{
    struct wire_block read,
        block = {(uint8_t)number_of(f, "what"), (uint32_t)number_of(f, "request"), bytes_of(f, "user").data};

    same("block", view_of(out, wire_block_write(span_of(out, sizeof out), &block)), frame);
    cr_assert(wire_block_read(frame, &read));
    cr_assert(read.what == block.what && read.request == block.request);
    cr_assert_arr_eq(read.user, block.user, WAX_USER_BYTES);
}
