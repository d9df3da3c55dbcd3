/* SPDX-License-Identifier: BSD-3-Clause */
/* KEYS_PUT and KEYS_GET. */
#include <stdlib.h>

#include "directory_keys.h"
#include "intake_internal.h"
#include "waxwire/request.h"

/* What an account may take of others, and what may be taken of one, however many ask. */
static const struct allowance take_by = {WAX_KEYS_TAKES_BURST, WAX_KEYS_TAKE_MS};
static const struct allowance take_of = {WAX_KEYS_TAKES_BURST, WAX_KEYS_TAKE_MS};

/* ---- KEYS_PUT ---- */

struct putting {
    struct check check;
    struct keys_put put;
    struct request *request;
    uint8_t text[]; /* what is signed */
};

static void put_done(struct keys_put *put, enum wax_status status, uint32_t held)
{
    struct putting *p = (struct putting *)(void *)((char *)put - offsetof(struct putting, put));
    struct request *request = p->request;
    uint8_t frame[WIRE_KEYS_OK_BYTES];
    size_t len = wire_keys_ok_write(span_of(frame, sizeof frame), put->device, request->number, held);
    free(p);
    if (status == WAX_OK)
        request_answer(request, view_of(frame, len));
    else if (status == WAX_FULL)
        request_error(request, WIRE_ERROR_KEYS, "more one-time keys than are held");
    else if (status == WAX_NOT_FOUND)
        request_error(request, WIRE_ERROR_KEYS, "the device is no more");
    else
        request_error(request, WIRE_ERROR_RATE, "the directory can't be written now");
}

static void put_checked(struct check *check)
{
    struct putting *p = (struct putting *)(void *)check;
    struct request *request = p->request;
    if (check->good) {
        directory_keys_put(request->intake->directory, &p->put);
        return;
    }
    free(p);
    request_error(request, WIRE_ERROR_KEYS, "the signature is wrong");
}

/* Why keys are not taken as they are, or NULL. */
static const char *wrong(const struct request *request, const struct wire_keys_put *put)
{
    struct view rest = put->keys, key;
    if (put->device != request->name.device)
        return "the keys of another device";
    if (put->bundle.len == 0)
        return "an empty bundle";
    while (wire_key_next(&rest, &key)) {
        if (key.len == 0 || key.len > WAX_ONE_TIME_KEY_BYTES_MAX)
            return "an empty or oversized one-time key";
    }
    return NULL;
}

void intake_take_keys_put(struct request *request, const struct wire_keys_put *put)
{
    struct intake *intake = request->intake;
    struct account account;
    const char *why = wrong(request, put);
    if (why == NULL && directory_account(intake->directory, request->name.user, &account) != WAX_OK)
        why = "the account is no more";
    if (why != NULL) {
        request_error(request, WIRE_ERROR_KEYS, why);
        return;
    }
    struct putting *p = calloc(1, sizeof *p + WIRE_KEYS_SIGNED_BYTES + put->bundle.len);
    if (p == NULL)
        abort();
    wire_keys_signed_write(p->text, request->name.user, put->device);
    memcpy(p->text + WIRE_KEYS_SIGNED_BYTES, put->bundle.data, put->bundle.len);
    memcpy(p->check.account_key, account_key(&account), WAX_ACCOUNT_KEY_BYTES);
    p->check.signature = put->signature;
    p->check.text = view_of(p->text, WIRE_KEYS_SIGNED_BYTES + put->bundle.len);
    p->check.done = put_checked;
    memcpy(p->put.user, request->name.user, WAX_USER_BYTES);
    p->put.device = put->device;
    p->put.replace = (put->flags & WIRE_KEYS_PUT_REPLACE) != 0;
    p->put.bundle = put->bundle; /* in the request, which lives until it is answered */
    p->put.signature = put->signature;
    p->put.count = put->count;
    p->put.keys = put->keys;
    p->put.done = put_done;
    p->request = request;
    checker_ask(intake->checker, &p->check);
}

/* ---- KEYS_GET ---- */

struct asking {
    struct keys_get get;
    struct request *request;
};

static void tell_low(struct intake *intake, const uint8_t user[WAX_USER_BYTES],
                     const struct keys_of_device *device)
{
    struct device_name name = {.device = device->device};
    uint32_t home;
    memcpy(name.user, user, sizeof name.user);
    const struct channel_session_open *session = session_table_find(intake->sessions, &name, &home);
    if (session != NULL)
        intake_keys_low(intake, session, device->left);
}

static size_t write_keys(uint8_t *frame, size_t room, const struct wire_keys *keys,
                         const struct keys_of_device *device)
{
    size_t len = wire_keys_write(span_of(frame, room), keys);
    for (uint32_t i = 0; i < keys->count; i++) {
        struct wire_keys_device out = {
            .device = device[i].device,
            .bundle = view_of(device[i].bundle, device[i].bundle_bytes),
            .signature = device[i].signature,
            .key = view_of(device[i].key, device[i].key_bytes),
        };
        len += wire_keys_device_write(span_of(frame + len, room - len), &out);
    }
    return len;
}

static void get_done(struct keys_get *get, enum wax_status status, const uint8_t *account_key,
                     const struct keys_of_device *device, uint32_t count)
{
    static const uint8_t no_key[WAX_ACCOUNT_KEY_BYTES];
    struct asking *asking = (struct asking *)(void *)get;
    struct request *request = asking->request;
    struct intake *intake = request->intake;
    if (status != WAX_OK && status != WAX_NOT_FOUND) {
        free(asking);
        request_error(request, WIRE_ERROR_RATE, "the directory can't be read now");
        return;
    }
    size_t room = WIRE_KEYS_BYTES;
    for (uint32_t i = 0; i < count; i++)
        room += 4u + device[i].bundle_bytes + WAX_SIGNATURE_BYTES + 2u + device[i].key_bytes;
    uint8_t *frame = malloc(room);
    if (frame == NULL)
        abort();
    struct wire_keys keys = {
        .flags = status == WAX_NOT_FOUND ? WIRE_KEYS_UNKNOWN : 0,
        .count = (uint16_t)count,
        .request = request->number,
        .user = get->user,
        .account_key = status == WAX_NOT_FOUND ? no_key : account_key,
    };
    request_answer(request, view_of(frame, write_keys(frame, room, &keys, device)));
    free(frame);
    for (uint32_t i = 0; i < count; i++) {
        intake->view.keys_given += device[i].key_bytes != 0;
        if (device[i].low)
            tell_low(intake, get->user, &device[i]);
    }
    free(asking);
}

/*
 * Whether one-time keys may be given: neither does one account get many of others, nor are many given of one
 * account, whoever asks. Who may not is served the bundles all the same.
 */
static bool may_take(struct request *request, const struct wire_keys_get *get)
{
    struct intake *intake = request->intake;
    if (allowance_take(intake->allowances, &take_by, request->name.user, ALLOWANCE_TAKE_BY, 1,
                       intake->now_ms) &&
        allowance_take(intake->allowances, &take_of, get->user, ALLOWANCE_TAKE_OF, 1, intake->now_ms))
        return true;
    intake->view.keys_withheld++;
    return false;
}

void intake_take_keys_get(struct request *request, const struct wire_keys_get *get)
{
    struct asking *asking = calloc(1, sizeof *asking);
    if (asking == NULL)
        abort();
    asking->request = request;
    memcpy(asking->get.user, get->user, WAX_USER_BYTES);
    asking->get.device = get->device;
    asking->get.take = (get->flags & WIRE_KEYS_GET_TAKE) != 0 && may_take(request, get);
    asking->get.done = get_done;
    request->intake->view.keys_asked++;
    directory_keys_get(request->intake->directory, &asking->get);
}
