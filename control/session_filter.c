/* SPDX-License-Identifier: BSD-3-Clause */
#include "session_filter.h"

#include <arpa/inet.h>
#include <stdlib.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

bool session_filter_address(struct session_filter *filter, const char *text)
{
    char address[INET6_ADDRSTRLEN];
    size_t len = strcspn(text, "/");
    if (len >= sizeof address)
        return false;
    memcpy(address, text, len);
    address[len] = '\0';
    bool ip4 = inet_pton(AF_INET, address, filter->address + sizeof mapped) == 1;
    unsigned long most = ip4 ? 32 : 128, prefix = most;
    if (ip4)
        memcpy(filter->address, mapped, sizeof mapped);
    else if (inet_pton(AF_INET6, address, filter->address) != 1)
        return false;
    if (text[len] == '/') {
        char *end;
        prefix = strtoul(text + len + 1, &end, 10);
        if (text[len + 1] < '0' || text[len + 1] > '9' || *end != '\0' || prefix > most)
            return false;
    }
    filter->prefix = (uint8_t)(ip4 ? prefix + 96 : prefix);
    filter->by_address = true;
    return true;
}

bool session_filter_user(struct session_filter *filter, const char *text)
{
    if (strlen(text) != 2 * WAX_USER_BYTES || strspn(text, "0123456789abcdefABCDEF") != 2 * WAX_USER_BYTES)
        return false;
    for (size_t i = 0; i < WAX_USER_BYTES; i++) {
        const char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};
        filter->user[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    filter->by_user = true;
    return true;
}

static bool address_means(const struct session_filter *filter, const uint8_t peer[16])
{
    uint32_t whole = filter->prefix / 8u, rest = filter->prefix % 8u;
    return memcmp(filter->address, peer, whole) == 0 &&
           (rest == 0 || (filter->address[whole] ^ peer[whole]) >> (8u - rest) == 0);
}

bool session_filter_means(const struct session_filter *filter, const struct channel_session_open *session)
{
    if (filter->by_user && memcmp(filter->user, session->name.user, WAX_USER_BYTES) != 0)
        return false;
    if (filter->by_user && filter->device != 0 && filter->device != session->name.device)
        return false;
    return !filter->by_address || address_means(filter, session->peer);
}
