/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions that the data plane announces: whether they may be, and how they are ended. */
#include "directory_device.h"
#include "directory_keys.h"
#include "intake_internal.h"

#define JUST_NOW_MS       10000u     /* a session that began before is announced again, for control is new */
#define WAITING_BYTES_MAX (4u << 20) /* of answers to a worker, beyond which no session of it is taken */

void intake_close_session(struct intake *intake, const struct channel_session_open *session,
                          enum wax_status why)
{
    struct channel_close close = {
        .record = {.bytes = sizeof close, .kind = CHANNEL_CLOSE},
        .tag = channel_conn_tag(session->conn, session->conn_generation),
        .status = why,
    };
    attachment_answer(intake->attachment, session->worker, &close, sizeof close);
}

void intake_keys_low(struct intake *intake, const struct channel_session_open *session, uint32_t left)
{
    _Alignas(8) uint8_t memory[sizeof(struct channel_answer) + WIRE_KEYS_LOW_BYTES] = {0};
    struct channel_answer *low = (struct channel_answer *)(void *)memory;
    low->record = (struct channel_record){.bytes = sizeof memory, .kind = CHANNEL_ANSWER};
    low->tag = channel_conn_tag(session->conn, session->conn_generation);
    low->slot = CHANNEL_SLOT_NONE;
    low->frame_bytes = WIRE_KEYS_LOW_BYTES;
    wire_keys_low_write(span_of(low->frame, WIRE_KEYS_LOW_BYTES), session->name.device, left);
    attachment_answer(intake->attachment, session->worker, low, sizeof memory);
}

/* One that was let in before its account or device went, or by a token that had not been revoked yet. */
static bool unwanted(const struct account *account, enum wax_status status, uint16_t device)
{
    return status == WAX_NOT_FOUND ||
           (status == WAX_OK &&
            ((account_flags(account) & ACCOUNT_SUSPENDED) != 0 || !account_has(account, device)));
}

/* It has just been welcomed: is there anything that its client should know? */
static void greet(struct intake *intake, const struct channel_session_open *open)
{
    uint32_t left = directory_keys_left(intake->directory, &open->name);
    if (left < WAX_ONE_TIME_KEYS_LOW)
        intake_keys_low(intake, open, left);
}

enum wax_status intake_session_opened(struct intake *intake, uint32_t home,
                                      const struct channel_session_open *open)
{
    struct account account;
    if (open->worker >= attachment_workers(intake->attachment))
        return WAX_CHANNEL_CORRUPT;
    if (attachment_waiting_bytes(intake->attachment, home) > WAITING_BYTES_MAX)
        return WAX_FULL;
    if (!session_table_open(intake->sessions, open, home))
        return WAX_OK;
    enum wax_status status = directory_account(intake->directory, open->name.user, &account);
    if (unwanted(&account, status, open->name.device)) {
        intake_close_session(intake, open, WAX_SESSION_SUSPENDED);
        return WAX_OK;
    }
    directory_see(intake->directory, &open->name, intake->now_ms);
    intake_wake_came(intake, open);
    if (status == WAX_OK && (account_flags(&account) & ACCOUNT_POLICY) != 0)
        intake_send_policy(intake, open, home, 0);
    if (status == WAX_OK && open->since_ms + JUST_NOW_MS >= intake->now_ms)
        greet(intake, open);
    return WAX_OK;
}

uint32_t intake_close_sessions(struct intake *intake, const uint8_t user[WAX_USER_BYTES], uint16_t device,
                               enum wax_status why)
{
    struct account account;
    struct device_name name = {.device = device};
    uint32_t home, closed = 0, count = 1;
    if (intake->attachment == NULL)
        return 0;
    memcpy(name.user, user, sizeof name.user);
    if (device == 0) {
        if (directory_account(intake->directory, user, &account) != WAX_OK)
            return 0;
        count = account_devices(&account);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (device == 0)
            name.device = account_device(&account, i);
        const struct channel_session_open *session = session_table_find(intake->sessions, &name, &home);
        if (session == NULL)
            continue;
        intake_close_session(intake, session, why);
        closed++;
    }
    return closed;
}
