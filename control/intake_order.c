/* SPDX-License-Identifier: BSD-3-Clause */
/* Orders to the attached data plane, and what it reports. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "intake_internal.h"

/* Hands an order to the socket. It has room for it, or the data plane doesn't read: then it has gone. */
static bool order_send(struct intake *intake, const struct channel_order *order, size_t bytes)
{
    ssize_t sent = send(intake->caller->fd, order, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent != (ssize_t)bytes)
        journal_say(intake->journal, CONFIG_LEVEL_WARN, "intake", "the data plane takes no order",
                    J_U("kind", order->kind), J_T("errno", strerror(errno)));
    return sent == (ssize_t)bytes;
}

void intake_send_keys(struct intake *intake)
{
    const struct ticket_keys *keys = intake->ticket_keys;
    if (intake->attachment == NULL || keys == NULL || keys->count == 0)
        return;
    size_t bytes = sizeof(struct channel_order) + keys->count * sizeof keys->key[0];
    struct channel_order *order = sodium_malloc(bytes);
    if (order == NULL)
        abort();
    *order = (struct channel_order){
        .magic = CHANNEL_MAGIC, .kind = CHANNEL_ORDER_TICKET_KEYS, .keys = keys->count};
    memcpy(order->key, keys->key, keys->count * sizeof keys->key[0]);
    (void)order_send(intake, order, bytes);
    sodium_free(order);
}

void intake_send_tokens(struct intake *intake)
{
    const struct token_keys *keys = intake->token_keys;
    if (intake->attachment == NULL || keys == NULL || keys->count == 0)
        return;
    struct channel_order_tokens *order = sodium_malloc(sizeof *order);
    if (order == NULL)
        abort();
    memset(order, 0, sizeof *order);
    order->magic = CHANNEL_MAGIC;
    order->kind = CHANNEL_ORDER_TOKENS;
    order->keys = keys->count;
    order->revoked_count = keys->revoked_count;
    memcpy(order->key, keys->key, keys->count * sizeof keys->key[0]);
    memcpy(order->revoked, keys->revoked, keys->revoked_count * sizeof keys->revoked[0]);
    (void)order_send(intake, (const struct channel_order *)(const void *)order, sizeof *order);
    sodium_free(order);
}

void intake_tokens(struct intake *intake, struct token_keys *keys)
{
    intake->token_keys = keys;
    intake_send_tokens(intake);
}

void intake_tickets(struct intake *intake, const struct ticket_keys *keys)
{
    intake->ticket_keys = keys;
    intake_send_keys(intake);
}

/* The order that waits is answered, whatever becomes of it. */
static void order_done(struct intake *intake, enum wax_status status, const char *text)
{
    struct intake_order *order = intake->order;
    intake->order = NULL;
    intake_operated(order, status, text);
}

void intake_reload(struct intake *intake, struct intake_order *order)
{
    order_done(intake, WAX_EXISTS, "another reload was asked for meanwhile");
    struct channel_order reload = {
        .magic = CHANNEL_MAGIC, .kind = CHANNEL_ORDER_TLS_RELOAD, .tag = ++intake->order_tag};
    intake_hold(&intake->order, order);
    if (intake->attachment == NULL)
        order_done(intake, WAX_CHANNEL_DOWN, "no data plane is attached");
    else if (!order_send(intake, &reload, sizeof reload))
        order_done(intake, WAX_CHANNEL_DOWN, "the data plane does not take orders");
}

void intake_order_lost(struct intake *intake)
{
    order_done(intake, WAX_CHANNEL_DOWN, "the data plane has gone before it answered");
}

bool intake_take_report(struct intake *intake)
{
    for (;;) {
        struct channel_report report;
        ssize_t got = recv(intake->caller->fd, &report, sizeof report, MSG_DONTWAIT | MSG_TRUNC);
        if (got < 0)
            return errno == EAGAIN || errno == EINTR;
        if (got != (ssize_t)sizeof report || report.magic != CHANNEL_MAGIC ||
            report.status >= WAX_STATUS_COUNT)
            return false;
        report.text[sizeof report.text - 1] = '\0';
        if (report.tag == intake->order_tag)
            order_done(intake, (enum wax_status)report.status, report.text);
    }
}
