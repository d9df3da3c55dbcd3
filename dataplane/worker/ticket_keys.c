/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys of session tickets: whose they are, and how old. */
#include <sodium.h>

#include "worker/certificates.h"

enum { TURN_MS = 10000 };

static uint64_t kernel_ms(void)
{
    return clock_kernel_us(CLOCK_REALTIME) / 1000u;
}

static bool key_make(struct plane *plane, uint64_t now_ms)
{
    struct wax_ticket_key key = {.made_ms = now_ms};
    randombytes_buf(key.name, sizeof key.name);
    randombytes_buf(key.cipher_key, sizeof key.cipher_key);
    randombytes_buf(key.mac_key, sizeof key.mac_key);
    enum wax_status status = tls_tickets_take(plane->tickets, &key, 1, now_ms);
    sodium_memzero(&key, sizeof key);
    return status == WAX_OK;
}

bool tickets_start(struct plane *plane)
{
    plane->tickets = tls_tickets_new();
    plane->tickets_ms = kernel_ms();
    return plane->tickets != NULL && key_make(plane, plane->tickets_ms);
}

void tickets_turn(struct plane *plane)
{
    uint64_t now_ms = kernel_ms();
    if (now_ms - plane->tickets_ms < TURN_MS)
        return;
    plane->tickets_ms = now_ms;
    tls_tickets_expire(plane->tickets, now_ms);
    uint64_t interval_ms = (uint64_t)plane->config.tls.ticket_key_s * 1000u;
    if (now_ms < tls_tickets_look(plane->tickets).current_ms + 2 * interval_ms)
        return;
    (void)key_make(plane, now_ms);
    journal_say(&plane->journal, CONFIG_LEVEL_WARN, "tls",
                "the control plane has sent no new ticket key for long; tickets have one of our own now");
}

void tickets_take(struct plane *plane, const struct wax_ticket_key *keys, uint32_t count)
{
    enum wax_status status = tls_tickets_take(plane->tickets, keys, count, kernel_ms());
    journal_say(&plane->journal, CONFIG_LEVEL_DEBUG, "tls", "ticket keys of the control plane taken",
                J_U("keys", count), J_T("status", wax_status_name(status)));
}
