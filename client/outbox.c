/* SPDX-License-Identifier: BSD-3-Clause */
#include "outbox.h"

#include <stdlib.h>

void outbox_init(struct outbox *outbox, size_t bytes_max)
{
    *outbox = (struct outbox){.bytes_max = bytes_max};
    outbox->tail = &outbox->head;
}

void outbox_free(struct outbox *outbox)
{
    while (outbox->head != NULL) {
        struct outbox_message *next = outbox->head->next;
        free(outbox->head);
        outbox->head = next;
    }
    outbox_init(outbox, outbox->bytes_max);
}

enum wax_status outbox_add(struct outbox *outbox, const struct wax_client_message *message, uint64_t id)
{
    if (message->payload.len > outbox->bytes_max - outbox->bytes)
        return WAX_FULL;
    struct outbox_message *m = malloc(sizeof *m + message->payload.len);
    if (m == NULL)
        return WAX_NO_MEMORY;
    *m = (struct outbox_message){
        .id = id,
        .ttl_s = message->ttl_s,
        .recipient_device = message->recipient_device,
        .flags = message->flags,
        .payload_bytes = (uint32_t)message->payload.len,
    };
    memcpy(m->recipient, message->recipient, WAX_USER_BYTES);
    if (message->payload.len > 0)
        memcpy(m->payload, message->payload.data, message->payload.len);
    *outbox->tail = m;
    outbox->tail = &m->next;
    if (outbox->unwritten == NULL)
        outbox->unwritten = m;
    outbox->count++;
    outbox->bytes += m->payload_bytes;
    return WAX_OK;
}

const struct outbox_message *outbox_next(const struct outbox *outbox)
{
    return outbox->unwritten;
}

void outbox_written(struct outbox *outbox)
{
    outbox->unwritten = outbox->unwritten->next;
    outbox->written_count++;
}

/* Takes the message out that *link points to; `written`: this session has written it. */
static struct outbox_message *unlink_message(struct outbox *outbox, struct outbox_message **link,
                                             bool written)
{
    struct outbox_message *m = *link;

    *link = m->next;
    if (outbox->tail == &m->next)
        outbox->tail = link;
    if (outbox->unwritten == m)
        outbox->unwritten = m->next;
    if (written)
        outbox->written_count--;
    outbox->count--;
    outbox->bytes -= m->payload_bytes;
    return m;
}

bool outbox_answer(struct outbox *outbox, uint64_t id, const uint8_t recipient[WAX_USER_BYTES],
                   uint16_t device)
{
    bool written = true;

    for (struct outbox_message **link = &outbox->head; *link != NULL; link = &(*link)->next) {
        struct outbox_message *m = *link;
        if (m == outbox->unwritten)
            written = false;
        if (m->id > id)
            return false;
        if (m->id < id || m->recipient_device != device ||
            memcmp(m->recipient, recipient, WAX_USER_BYTES) != 0)
            continue;
        free(unlink_message(outbox, link, written));
        return true;
    }
    return false;
}

void outbox_rewind(struct outbox *outbox)
{
    outbox->unwritten = outbox->head;
    outbox->written_count = 0;
}

struct outbox_message *outbox_take_ephemeral(struct outbox *outbox)
{
    for (struct outbox_message **link = &outbox->head; *link != outbox->unwritten; link = &(*link)->next) {
        if ((*link)->flags & WIRE_SEND_EPHEMERAL)
            return unlink_message(outbox, link, true);
    }
    return NULL;
}
