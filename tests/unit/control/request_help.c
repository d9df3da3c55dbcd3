/* SPDX-License-Identifier: BSD-3-Clause */
#include "request_help.h"

#include <criterion/criterion.h>
#include <sodium.h>

#include "waxwire/wire.h"

#define CONNECTIONS 1u /* the worker of the connections */

static uint32_t serials;
static uint8_t answer[WAX_FRAME_BYTES_MAX];

struct person person_of(uint8_t number)
{
    struct person person;
    uint8_t seed[32] = {'p', number};
    cr_assert_geq(sodium_init(), 0);
    crypto_sign_seed_keypair(person.key, person.secret, seed);
    crypto_generichash(person.user, sizeof person.user, person.key, sizeof person.key, NULL, 0);
    return person;
}

static struct device_name name_of(const struct person *person, uint16_t device)
{
    struct device_name name = {.device = device};
    memcpy(name.user, person->user, sizeof name.user);
    return name;
}

/* What names its connection. */
static uint64_t tag_of(const struct person *person, uint16_t device)
{
    return channel_conn_tag(load_be32(person->user) & 0xffff, device);
}

uint8_t come_in(struct plane *plane, const struct person *person, uint16_t device)
{
    struct channel_login *request = reserve(plane, CONNECTIONS, CHANNEL_LOGIN, sizeof *request);
    request->tag = 77;
    request->name = name_of(person, device);
    memcpy(request->account_key, person->key, sizeof person->key);
    publish(plane, CONNECTIONS);
    const struct channel_record *record = next(plane, CONNECTIONS, 5000);
    cr_assert_not_null(record);
    cr_assert_eq(record->kind, CHANNEL_LOGIN_REPLY);
    uint8_t error = ((const struct channel_login_reply *)(const void *)record)->error;
    release(plane, CONNECTIONS, record);
    return error;
}

void session_is(struct plane *plane, const struct person *person, uint16_t device, uint64_t generation)
{
    struct channel_session_open *open = reserve(plane, 0, CHANNEL_SESSION_OPEN, sizeof *open);
    uint64_t tag = tag_of(person, device);
    open->name = name_of(person, device);
    open->generation = generation;
    open->since_ms = wall_ms();
    open->worker = CONNECTIONS;
    open->conn = (uint32_t)(tag >> 32);
    open->conn_generation = (uint32_t)tag;
    publish(plane, 0);
}

uint32_t ask(struct plane *plane, const struct person *person, uint16_t device, struct view frame)
{
    struct channel_request *request =
        reserve(plane, CONNECTIONS, CHANNEL_REQUEST, sizeof *request + frame.len);
    request->tag = tag_of(person, device);
    request->slot = ++serials % WAX_REQUESTS_PER_WORKER;
    request->serial = serials;
    request->name = name_of(person, device);
    request->frame_bytes = (uint32_t)frame.len;
    memcpy(request->frame, frame.data, frame.len);
    publish(plane, CONNECTIONS);
    return serials;
}

struct view answer_to(struct plane *plane, uint32_t serial)
{
    const struct channel_record *record = next(plane, CONNECTIONS, 5000);
    cr_assert_not_null(record, "no answer");
    cr_assert_eq(record->kind, CHANNEL_ANSWER, "kind %u", record->kind);
    const struct channel_answer *got = (const void *)record;
    cr_assert_eq(got->serial, serial);
    cr_assert_eq(got->slot, serial == 0 ? CHANNEL_SLOT_NONE : serial % WAX_REQUESTS_PER_WORKER);
    cr_assert_eq(record->bytes, sizeof *got + got->frame_bytes);
    struct view frame = view_of(answer, got->frame_bytes);
    memcpy(answer, got->frame, got->frame_bytes);
    release(plane, CONNECTIONS, record);
    return frame;
}

struct view asked(struct plane *plane, const struct person *person, uint16_t device, struct view frame)
{
    return answer_to(plane, ask(plane, person, device, frame));
}

void send_store(struct plane *plane, const struct person *from, const struct person *to, uint16_t device,
                uint64_t position, uint32_t bytes, bool exempt)
{
    struct channel_store *request = reserve(plane, 0, CHANNEL_STORE, sizeof *request + bytes);
    request->tag = position;
    request->name = name_of(to, device);
    request->sender = name_of(from, 1);
    request->position = position;
    request->id = position;
    request->taken_ms = wall_ms();
    request->ttl_s = 1000;
    request->payload_bytes = bytes;
    request->exempt = exempt;
    publish(plane, 0);
}

uint8_t stored(struct plane *plane, uint64_t tag)
{
    const struct channel_record *record = next(plane, 0, 5000);
    cr_assert_not_null(record, "no answer");
    cr_assert_eq(record->kind, CHANNEL_STORED, "kind %u", record->kind);
    const struct channel_stored *got = (const void *)record;
    cr_assert_eq(got->tag, tag);
    uint8_t reason = got->reason;
    release(plane, 0, record);
    return reason;
}

uint8_t store(struct plane *plane, const struct person *from, const struct person *to, uint64_t position,
              bool exempt)
{
    send_store(plane, from, to, 1, position, 5, exempt);
    return stored(plane, position);
}

uint8_t store_receipt(struct plane *plane, const struct person *about, const struct person *to,
                      uint64_t position, uint8_t kind, uint64_t retire)
{
    struct channel_store_receipt *receipt = reserve(plane, 0, CHANNEL_STORE_RECEIPT, sizeof *receipt);
    receipt->tag = position;
    receipt->name = name_of(to, 1);
    receipt->about = name_of(about, 1);
    receipt->position = position;
    receipt->id = position;
    receipt->retire = retire;
    receipt->status_kind = kind;
    publish(plane, 0);
    return stored(plane, position);
}

void expect_nothing(struct plane *plane, uint32_t worker)
{
    const struct channel_record *record = next(plane, worker, 100);
    cr_assert_null(record, "a record of kind %u", record == NULL ? 0u : record->kind);
}

void expect_error(struct view frame, uint8_t code, uint32_t request)
{
    cr_assert_geq(frame.len, WIRE_ERROR_BYTES);
    cr_assert_eq(frame.data[0], WIRE_ERROR, "type %02x", frame.data[0]);
    cr_assert_eq(frame.data[1], code, "code %u: %.*s", frame.data[1], (int)(frame.len - 8),
                 (const char *)frame.data + 8);
    cr_assert_eq(load_be16(frame.data + 2), frame.len - WIRE_ERROR_BYTES);
    cr_assert_eq(load_be32(frame.data + 4), request);
}

void expect_close(struct plane *plane, const struct person *person, uint16_t device, enum wax_status status)
{
    const struct channel_record *record = next(plane, CONNECTIONS, 5000);
    cr_assert_not_null(record, "not closed");
    cr_assert_eq(record->kind, CHANNEL_CLOSE, "kind %u", record->kind);
    const struct channel_close *got = (const void *)record;
    cr_assert_eq(got->tag, tag_of(person, device));
    cr_assert_eq(got->status, status);
    release(plane, CONNECTIONS, record);
}
