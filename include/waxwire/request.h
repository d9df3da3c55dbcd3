/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The frames that the control plane answers, and its answers (docs/protocol.md): KEYS_PUT, KEYS_GET, DEVICE,
 * BLOCK; KEYS_OK, KEYS, KEYS_LOW, OK, DEVICES. Both planes and clients use this.
 *
 * Readers return false for a layout that is broken; views and pointers that they fill point into the frame.
 * Values (device 0, an unknown `what`, the length of a one-time key) are judged by who answers. Writers
 * return the bytes written, 0 when there is too little room.
 */
#ifndef WAXWIRE_REQUEST_H
#define WAXWIRE_REQUEST_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/wire.h"

/* ---- client to relay ---- */

struct wire_keys_put {
    uint8_t flags; /* WIRE_KEYS_PUT_... */
    uint16_t device;
    uint32_t request;
    struct view bundle;
    const uint8_t *signature; /* WAX_SIGNATURE_BYTES */
    uint16_t count;           /* of one-time keys */
    struct view keys;         /* wire_key_next takes them off */
};

struct wire_keys_get {
    uint8_t flags;   /* WIRE_KEYS_GET_... */
    uint16_t device; /* 0: all */
    uint32_t request;
    const uint8_t *user;
};

struct wire_device {
    uint8_t what; /* enum wire_device_what, or unknown */
    uint16_t device;
    uint32_t request;
};

struct wire_block {
    uint8_t what; /* enum wire_block_what, or unknown */
    uint32_t request;
    const uint8_t *user;
};

/* Takes the next { 2 length, bytes } off a list; false at its end, or where it is cut off. */
static inline bool wire_key_next(struct view *list, struct view *key)
{
    if (list->len < 2 || list->len - 2 < load_be16(list->data))
        return false;
    size_t len = load_be16(list->data);
    *key = view_of(list->data + 2, len);
    *list = view_of(list->data + 2 + len, list->len - 2 - len);
    return true;
}

/* KEYS_PUT, with the bundle and the number of one-time keys within their limits. */
static inline bool wire_keys_put_read(struct view frame, struct wire_keys_put *out)
{
    struct view rest, key;
    if (frame.len < WIRE_KEYS_PUT_BYTES || frame.data[0] != WIRE_KEYS_PUT)
        return false;
    size_t bundle = load_be16(frame.data + 8);
    out->flags = frame.data[1];
    out->device = load_be16(frame.data + 2);
    out->request = load_be32(frame.data + 4);
    out->count = load_be16(frame.data + 10);
    if (bundle > WAX_BUNDLE_BYTES_MAX || out->count > WAX_ONE_TIME_KEYS_PUT_MAX ||
        frame.len < WIRE_KEYS_PUT_BYTES + bundle + WAX_SIGNATURE_BYTES)
        return false;
    out->bundle = view_of(frame.data + WIRE_KEYS_PUT_BYTES, bundle);
    out->signature = frame.data + WIRE_KEYS_PUT_BYTES + bundle;
    size_t head = WIRE_KEYS_PUT_BYTES + bundle + WAX_SIGNATURE_BYTES;
    out->keys = rest = view_of(frame.data + head, frame.len - head);
    for (uint32_t i = 0; i < out->count; i++) {
        if (!wire_key_next(&rest, &key))
            return false;
    }
    return rest.len == 0;
}

/* KEYS_GET. */
static inline bool wire_keys_get_read(struct view frame, struct wire_keys_get *out)
{
    if (frame.len != WIRE_KEYS_GET_BYTES || frame.data[0] != WIRE_KEYS_GET)
        return false;
    *out = (struct wire_keys_get){frame.data[1], load_be16(frame.data + 2), load_be32(frame.data + 4),
                                  frame.data + 8};
    return true;
}

/* DEVICE. */
static inline bool wire_device_read(struct view frame, struct wire_device *out)
{
    if (frame.len != WIRE_DEVICE_BYTES || frame.data[0] != WIRE_DEVICE)
        return false;
    *out = (struct wire_device){frame.data[1], load_be16(frame.data + 2), load_be32(frame.data + 4)};
    return true;
}

/* BLOCK. */
static inline bool wire_block_read(struct view frame, struct wire_block *out)
{
    if (frame.len != WIRE_BLOCK_BYTES || frame.data[0] != WIRE_BLOCK)
        return false;
    *out = (struct wire_block){frame.data[1], load_be32(frame.data + 4), frame.data + 8};
    return true;
}

/* The head of KEYS_PUT up to its one-time keys; wire_key_write adds each of `put->count`. */
static inline size_t wire_keys_put_write(struct span out, const struct wire_keys_put *put)
{
    size_t len = WIRE_KEYS_PUT_BYTES + put->bundle.len + WAX_SIGNATURE_BYTES;
    if (out.len < len || put->bundle.len > WAX_BUNDLE_BYTES_MAX)
        return 0;
    out.data[0] = WIRE_KEYS_PUT;
    out.data[1] = put->flags;
    store_be16(out.data + 2, put->device);
    store_be32(out.data + 4, put->request);
    store_be16(out.data + 8, (uint16_t)put->bundle.len);
    store_be16(out.data + 10, put->count);
    if (put->bundle.len != 0)
        memcpy(out.data + WIRE_KEYS_PUT_BYTES, put->bundle.data, put->bundle.len);
    memcpy(out.data + WIRE_KEYS_PUT_BYTES + put->bundle.len, put->signature, WAX_SIGNATURE_BYTES);
    return len;
}

/* { 2 length, bytes }. */
static inline size_t wire_key_write(struct span out, struct view key)
{
    if (out.len < 2 + key.len || key.len > UINT16_MAX)
        return 0;
    store_be16(out.data, (uint16_t)key.len);
    if (key.len != 0)
        memcpy(out.data + 2, key.data, key.len);
    return 2 + key.len;
}

/* What begins most of these frames: type, a byte, a device or count, the request. */
static inline size_t wire_head_write(struct span out, uint8_t type, uint8_t byte, uint16_t number,
                                     uint32_t request)
{
    if (out.len < 8)
        return 0;
    out.data[0] = type;
    out.data[1] = byte;
    store_be16(out.data + 2, number);
    store_be32(out.data + 4, request);
    return 8;
}

/* KEYS_GET, whole. */
static inline size_t wire_keys_get_write(struct span out, const struct wire_keys_get *get)
{
    if (out.len < WIRE_KEYS_GET_BYTES)
        return 0;
    wire_head_write(out, WIRE_KEYS_GET, get->flags, get->device, get->request);
    memcpy(out.data + 8, get->user, WAX_USER_BYTES);
    return WIRE_KEYS_GET_BYTES;
}

/* DEVICE, whole. */
static inline size_t wire_device_write(struct span out, const struct wire_device *device)
{
    return wire_head_write(out, WIRE_DEVICE, device->what, device->device, device->request);
}

/* BLOCK, whole. */
static inline size_t wire_block_write(struct span out, const struct wire_block *block)
{
    if (out.len < WIRE_BLOCK_BYTES)
        return 0;
    wire_head_write(out, WIRE_BLOCK, block->what, 0, block->request);
    memcpy(out.data + 8, block->user, WAX_USER_BYTES);
    return WIRE_BLOCK_BYTES;
}

/* The request number of any of the four, whose layout is sound. */
static inline uint32_t wire_request_number(struct view frame)
{
    return load_be32(frame.data + 4);
}

/* Is it one of the four? Whether its layout is sound is in `*sound`. */
static inline bool wire_request_is(struct view frame, bool *sound)
{
    struct wire_keys_put put;
    struct wire_keys_get get;
    struct wire_device device;
    struct wire_block block;
    switch (frame.len == 0 ? 0 : frame.data[0]) {
    case WIRE_KEYS_PUT:
        *sound = wire_keys_put_read(frame, &put);
        return true;
    case WIRE_KEYS_GET:
        *sound = wire_keys_get_read(frame, &get);
        return true;
    case WIRE_DEVICE:
        *sound = wire_device_read(frame, &device);
        return true;
    case WIRE_BLOCK:
        *sound = wire_block_read(frame, &block);
        return true;
    default:
        return false;
    }
}

#define WIRE_KEYS_SIGNED_BYTES (16u + WAX_USER_BYTES + 2u)

/* What a KEYS_PUT's signature is over, but for the bundle that follows: context, user, device. */
static inline void wire_keys_signed_write(uint8_t out[WIRE_KEYS_SIGNED_BYTES],
                                          const uint8_t user[WAX_USER_BYTES], uint16_t device)
{
    memcpy(out, WIRE_KEYS_CONTEXT, 16);
    memcpy(out + 16, user, WAX_USER_BYTES);
    store_be16(out + 16 + WAX_USER_BYTES, device);
}

/* ---- relay to client ---- */

struct wire_keys {
    uint8_t flags; /* WIRE_KEYS_UNKNOWN */
    uint16_t count;
    uint32_t request;
    const uint8_t *user;
    const uint8_t *account_key;
    struct view devices; /* wire_keys_next takes them off */
};

struct wire_keys_device {
    uint16_t device;
    struct view bundle;
    const uint8_t *signature;
    struct view key; /* empty: none left, or none asked for */
};

/* Takes the next device off KEYS; false at the end, or where it is cut off. */
static inline bool wire_keys_next(struct view *list, struct wire_keys_device *out)
{
    if (list->len < 4)
        return false;
    size_t bundle = load_be16(list->data + 2), head = 4 + bundle + WAX_SIGNATURE_BYTES;
    if (bundle > WAX_BUNDLE_BYTES_MAX || list->len < head)
        return false;
    out->device = load_be16(list->data);
    out->bundle = view_of(list->data + 4, bundle);
    out->signature = list->data + 4 + bundle;
    *list = view_of(list->data + head, list->len - head);
    return wire_key_next(list, &out->key);
}

/* KEYS. */
static inline bool wire_keys_read(struct view frame, struct wire_keys *out)
{
    struct wire_keys_device device;
    if (frame.len < WIRE_KEYS_BYTES || frame.data[0] != WIRE_KEYS)
        return false;
    *out = (struct wire_keys){.flags = frame.data[1],
                              .count = load_be16(frame.data + 2),
                              .request = load_be32(frame.data + 4),
                              .user = frame.data + 8,
                              .account_key = frame.data + 24,
                              .devices = view_of(frame.data + WIRE_KEYS_BYTES, frame.len - WIRE_KEYS_BYTES)};
    struct view rest = out->devices;
    for (uint32_t i = 0; i < out->count; i++) {
        if (!wire_keys_next(&rest, &device))
            return false;
    }
    return rest.len == 0;
}

/* The head of KEYS; wire_keys_device_write adds each of its devices. */
static inline size_t wire_keys_write(struct span out, const struct wire_keys *keys)
{
    if (out.len < WIRE_KEYS_BYTES)
        return 0;
    wire_head_write(out, WIRE_KEYS, keys->flags, keys->count, keys->request);
    memcpy(out.data + 8, keys->user, WAX_USER_BYTES);
    memcpy(out.data + 24, keys->account_key, WAX_ACCOUNT_KEY_BYTES);
    return WIRE_KEYS_BYTES;
}

/* One device of KEYS. */
static inline size_t wire_keys_device_write(struct span out, const struct wire_keys_device *device)
{
    size_t head = 4 + device->bundle.len + WAX_SIGNATURE_BYTES;
    if (out.len < head || device->bundle.len > WAX_BUNDLE_BYTES_MAX)
        return 0;
    store_be16(out.data, device->device);
    store_be16(out.data + 2, (uint16_t)device->bundle.len);
    if (device->bundle.len != 0)
        memcpy(out.data + 4, device->bundle.data, device->bundle.len);
    memcpy(out.data + 4 + device->bundle.len, device->signature, WAX_SIGNATURE_BYTES);
    size_t key = wire_key_write(span_of(out.data + head, out.len - head), device->key);
    return key == 0 ? 0 : head + key;
}

/* KEYS_OK: device, request, and how many one-time keys are held now. */
static inline size_t wire_keys_ok_write(struct span out, uint16_t device, uint32_t request, uint32_t held)
{
    if (out.len < WIRE_KEYS_OK_BYTES)
        return 0;
    wire_head_write(out, WIRE_KEYS_OK, 0, device, request);
    store_be32(out.data + 8, held);
    return WIRE_KEYS_OK_BYTES;
}

/* KEYS_LOW: how many one-time keys of the device are left. */
static inline size_t wire_keys_low_write(struct span out, uint16_t device, uint32_t left)
{
    return wire_head_write(out, WIRE_KEYS_LOW, 0, device, left);
}

/* OK. */
static inline size_t wire_ok_write(struct span out, uint32_t request)
{
    return wire_head_write(out, WIRE_OK, 0, 0, request);
}

/* One device of DEVICES, whose head wire_head_write writes. */
static inline size_t wire_devices_entry_write(struct span out, uint16_t device, uint16_t flags,
                                              uint64_t seen_ms)
{
    if (out.len < WIRE_DEVICES_ENTRY)
        return 0;
    store_be16(out.data, device);
    store_be16(out.data + 2, flags);
    store_be64(out.data + 4, seen_ms);
    return WIRE_DEVICES_ENTRY;
}

#endif
