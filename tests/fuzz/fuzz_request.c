/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The frames that the control plane answers, and its answers: what is read and written again must be the same
 * frame, and what a worker lets through control must be able to read.
 */
#include <stdlib.h>

#include "waxwire/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t again[WAX_FRAME_BYTES_MAX + 64];

/* All but the bytes from `reserved` on, of which there are `count`. */
static void same(struct view frame, size_t len, size_t reserved, size_t count)
{
    if (len != frame.len)
        abort();
    for (size_t i = 0; i < len; i++) {
        if (again[i] != frame.data[i] && (i < reserved || i >= reserved + count))
            abort();
    }
}

static void keys_put(struct view frame)
{
    struct span room = span_of(again, sizeof again);
    struct wire_keys_put put;
    if (!wire_keys_put_read(frame, &put))
        return;
    if (put.bundle.len > WAX_BUNDLE_BYTES_MAX || put.count > WAX_ONE_TIME_KEYS_PUT_MAX)
        abort();
    size_t len = wire_keys_put_write(room, &put);
    struct view rest = put.keys, key;
    for (uint32_t i = 0; i < put.count; i++) {
        if (!wire_key_next(&rest, &key))
            abort();
        len += wire_key_write(span_of(again + len, sizeof again - len), key);
    }
    same(frame, len, 0, 0);
}

static void small_requests(struct view frame)
{
    struct span room = span_of(again, sizeof again);
    struct wire_keys_get get;
    struct wire_device device;
    struct wire_block block;
    if (wire_keys_get_read(frame, &get))
        same(frame, wire_keys_get_write(room, &get), 0, 0);
    if (wire_device_read(frame, &device))
        same(frame, wire_device_write(room, &device), 0, 0);
    if (wire_block_read(frame, &block))
        same(frame, wire_block_write(room, &block), 2, 2);
}

static void keys(struct view frame)
{
    struct wire_keys said;
    struct wire_keys_device device;
    if (!wire_keys_read(frame, &said))
        return;
    size_t len = wire_keys_write(span_of(again, sizeof again), &said);
    struct view rest = said.devices;
    while (wire_keys_next(&rest, &device))
        len += wire_keys_device_write(span_of(again + len, sizeof again - len), &device);
    same(frame, len, 0, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view frame = view_of(data, size);
    bool sound = false;
    if (size > WAX_FRAME_BYTES_MAX)
        return 0;
    if (wire_request_is(frame, &sound) && sound && size < 8)
        abort(); /* its number lies there */
    keys_put(frame);
    small_requests(frame);
    keys(frame);
    return 0;
}
