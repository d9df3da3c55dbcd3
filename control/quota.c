/* SPDX-License-Identifier: BSD-3-Clause */
#include "quota.h"

/* Whether `more` on top of what there is would be beyond the limit, and beyond the device's share of it. */
static bool beyond(uint64_t limit, uint64_t own, uint64_t all, uint32_t devices, uint64_t more)
{
    return limit != 0 && all + more > limit && own + more > limit / devices;
}

bool quota_forbids_message(const struct quota *quota, const struct quota_usage *own,
                           const struct quota_usage *all, uint32_t devices, uint64_t bytes)
{
    return beyond(quota->messages, own->messages, all->messages, devices, 1) ||
           beyond(quota->bytes, own->bytes, all->bytes, devices, bytes);
}

bool quota_forbids_read(const struct quota *quota, const struct quota_usage *own,
                        const struct quota_usage *all, uint32_t devices)
{
    return beyond(quota->messages, own->receipts, all->receipts, devices, 1);
}
