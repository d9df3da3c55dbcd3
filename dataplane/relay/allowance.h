/* SPDX-License-Identifier: BSD-3-Clause */
/* How much accounts may send, at their home. */
#ifndef RELAY_ALLOWANCE_H
#define RELAY_ALLOWANCE_H

#include "relay/home_internal.h"

/* USED, or END: the account of that session's is charged. */
void account_charge(struct home *home, const struct item *item, uint64_t now_us);
/* How long it has to wait now. */
uint64_t account_wait_us(const struct home *home, const struct recipient *recipient, uint64_t now_us);

#endif
