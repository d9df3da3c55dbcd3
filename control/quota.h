/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much may wait for an account, in the mailboxes of all its devices together. A device whose own mailbox
 * is below its equal share is served even when the others have used up the rest: one that is never switched
 * on doesn't shut out the one that is. So an account takes less than twice its quota.
 */
#ifndef CONTROL_QUOTA_H
#define CONTROL_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

struct quota {
    uint32_t messages; /* 0: any number */
    uint64_t bytes;    /* of messages, as their records take them; 0: any number */
};

/* What waits in one mailbox, or in all of an account. */
struct quota_usage {
    uint64_t messages;
    uint64_t receipts;
    uint64_t bytes; /* of the messages */
};

/* Whether one more message, whose record takes `bytes`, would be too much for a device out of `devices` (not
 * 0). */
bool quota_forbids_message(const struct quota *quota, const struct quota_usage *own,
                           const struct quota_usage *all, uint32_t devices, uint64_t bytes);

/* The same for a READ: as many receipts of all kinds may wait as messages. */
bool quota_forbids_read(const struct quota *quota, const struct quota_usage *own,
                        const struct quota_usage *all, uint32_t devices);

#endif
