/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages in the client's custody: from wax_client_send until the relay's first answer. In order of their
 * ids; those that this session has written come first.
 */
#ifndef WAXWIRE_CLIENT_OUTBOX_H
#define WAXWIRE_CLIENT_OUTBOX_H

#include "waxwire/client.h"

struct outbox_message {
    struct outbox_message *next;
    uint64_t id;
    uint32_t ttl_s;
    uint16_t recipient_device;
    uint8_t flags;
    uint8_t recipient[WAX_USER_BYTES];
    uint32_t payload_bytes;
    uint8_t payload[];
};

struct outbox {
    struct outbox_message *head, **tail;
    struct outbox_message *unwritten; /* the first that this session has not written, or NULL */
    uint32_t count;
    uint32_t written_count;
    size_t bytes; /* of payloads */
    size_t bytes_max;
};

/* Begins empty; `bytes_max` bounds the payloads held together. */
void outbox_init(struct outbox *outbox, size_t bytes_max);

/* Frees all messages. */
void outbox_free(struct outbox *outbox);

/*
 * Copies a message to the end. Returns WAX_OK, WAX_FULL or WAX_NO_MEMORY.
 */
enum wax_status outbox_add(struct outbox *outbox, const struct wax_client_message *message, uint64_t id);

/*
 * The next to write, NULL when there is none; outbox_written says it has been.
 */
const struct outbox_message *outbox_next(const struct outbox *outbox);
void outbox_written(struct outbox *outbox);

/*
 * Ends custody of the message with this id and recipient. False when it isn't here.
 */
bool outbox_answer(struct outbox *outbox, uint64_t id, const uint8_t recipient[WAX_USER_BYTES],
                   uint16_t device);

/*
 * The session has ended: everything is to be written again.
 */
void outbox_rewind(struct outbox *outbox);

/*
 * Takes out the first ephemeral message that has been written; the caller frees it. NULL: none.
 */
struct outbox_message *outbox_take_ephemeral(struct outbox *outbox);

#endif
