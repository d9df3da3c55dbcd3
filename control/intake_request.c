/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests of sessions: taken off the ring, handed to whom they are for, and answered. */
#include <stdlib.h>

#include "intake_internal.h"

void request_answer(struct request *request, struct view frame)
{
    struct intake *intake = request->intake;
    if (intake->attachment != NULL && intake->serial == request->attachment) {
        uint32_t bytes = (uint32_t)(sizeof(struct channel_answer) + frame.len);
        struct channel_answer *answer = calloc(1, bytes);
        if (answer == NULL)
            abort();
        answer->record = (struct channel_record){.bytes = bytes, .kind = CHANNEL_ANSWER};
        answer->tag = request->tag;
        answer->slot = request->slot;
        answer->serial = request->slot_serial;
        answer->frame_bytes = (uint32_t)frame.len;
        memcpy(answer->frame, frame.data, frame.len);
        attachment_answer(intake->attachment, request->worker, answer, bytes);
        free(answer);
    }
    intake->requests_now--;
    intake->request_bytes -= request->frame_bytes;
    free(request);
}

void request_error(struct request *request, uint8_t code, const char *text)
{
    uint8_t frame[WIRE_ERROR_BYTES + WAX_ERROR_TEXT_BYTES_MAX];
    size_t len = strlen(text);
    len = len < WAX_ERROR_TEXT_BYTES_MAX ? len : WAX_ERROR_TEXT_BYTES_MAX;
    wire_head_write(span_of(frame, sizeof frame), WIRE_ERROR, code, (uint16_t)len, request->number);
    memcpy(frame + WIRE_ERROR_BYTES, text, len);
    if (code == WIRE_ERROR_RATE)
        request->intake->view.requests_refused++;
    request_answer(request, view_of(frame, WIRE_ERROR_BYTES + len));
}

void request_ok(struct request *request)
{
    uint8_t frame[WIRE_OK_BYTES];
    request_answer(request, view_of(frame, wire_ok_write(span_of(frame, sizeof frame), request->number)));
}

/* ---- DEVICE ---- */

static void list_devices(struct request *request)
{
    struct intake *intake = request->intake;
    uint8_t frame[WIRE_DEVICES_BYTES + WAX_DEVICES_PER_USER_MAX * WIRE_DEVICES_ENTRY];
    struct device_name name = request->name;
    struct account account;
    uint32_t home;
    if (directory_account(intake->directory, name.user, &account) != WAX_OK) {
        request_error(request, WIRE_ERROR_RATE, "the directory can't be read");
        return;
    }
    uint16_t count = 0;
    size_t len = WIRE_DEVICES_BYTES;
    for (uint32_t i = 0; i < account_devices(&account); i++) {
        if (account_removed(&account, i))
            continue;
        name.device = account_device(&account, i);
        bool here = session_table_find(intake->sessions, &name, &home) != NULL;
        len += wire_devices_entry_write(span_of(frame + len, sizeof frame - len), name.device,
                                        here ? WIRE_DEVICES_CONNECTED : 0,
                                        here ? intake->now_ms : account_seen_ms(&account, i));
        count++;
    }
    wire_head_write(span_of(frame, sizeof frame), WIRE_DEVICES, 0, count, request->number);
    request_answer(request, view_of(frame, len));
}

static void take_device(struct request *request, const struct wire_device *device)
{
    switch (device->what) {
    case WIRE_DEVICE_LIST:
        list_devices(request);
        return;
    case WIRE_DEVICE_REMOVE:
        if (device->device == 0)
            request_error(request, WIRE_ERROR_UNKNOWN_REQUEST, "there is no device 0");
        else
            intake_take_removal(request, device->device);
        return;
    case WIRE_DEVICE_DELETE_ACCOUNT:
        intake_take_removal(request, 0);
        return;
    default:
        request_error(request, WIRE_ERROR_UNKNOWN_REQUEST, "unknown request");
        return;
    }
}

/* ---- all of them ---- */

static const struct allowance requests = {WAX_REQUESTS_BURST, WAX_REQUEST_MS};

static void dispatch(struct request *request)
{
    struct view frame = view_of(request->frame, request->frame_bytes);
    struct wire_device device;
    struct wire_keys_put put;
    struct wire_keys_get get;
    struct wire_block block;
    if (wire_device_read(frame, &device))
        take_device(request, &device);
    else if (wire_keys_put_read(frame, &put))
        intake_take_keys_put(request, &put);
    else if (wire_keys_get_read(frame, &get))
        intake_take_keys_get(request, &get);
    else if (wire_block_read(frame, &block))
        intake_take_block(request, &block);
    else
        request_error(request, WIRE_ERROR_UNKNOWN_REQUEST, "unknown request");
}

enum wax_status intake_take_request(struct intake *intake, uint32_t worker,
                                    const struct channel_request *record)
{
    struct view frame = view_of(record->frame, record->frame_bytes);
    bool sound = false;
    if (!wire_request_is(frame, &sound) || !sound)
        return WAX_CHANNEL_CORRUPT; /* the worker has looked at it */
    struct request *request = calloc(1, sizeof *request + frame.len);
    if (request == NULL)
        abort();
    request->intake = intake;
    request->attachment = intake->serial;
    request->worker = worker;
    request->tag = record->tag;
    request->slot = record->slot;
    request->slot_serial = record->serial;
    request->name = record->name;
    request->number = wire_request_number(frame);
    request->frame_bytes = record->frame_bytes;
    memcpy(request->frame, frame.data, frame.len);
    intake->view.requests++;
    intake->requests_now++;
    intake->request_bytes += request->frame_bytes;
    if (intake->request_bytes > REQUEST_BYTES_MAX ||
        !allowance_take(intake->allowances, &requests, record->name.user, ALLOWANCE_REQUEST, 1,
                        intake->now_ms))
        request_error(request, WIRE_ERROR_RATE, "rate limited");
    else
        dispatch(request);
    return WAX_OK;
}
