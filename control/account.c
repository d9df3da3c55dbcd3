/* SPDX-License-Identifier: BSD-3-Clause */
#include "account.h"

#include <assert.h>

#define ACCOUNT_VERSION 1u
#define DEVICE_REMOVED  0x0001u

static uint8_t *device_at(struct account *account, uint32_t index)
{
    return account->bytes + ACCOUNT_BYTES + (size_t)index * ACCOUNT_DEVICE_BYTES;
}

static const uint8_t *device_look(const struct account *account, uint32_t index)
{
    return account->bytes + ACCOUNT_BYTES + (size_t)index * ACCOUNT_DEVICE_BYTES;
}

void account_make(struct account *account, const uint8_t key[WAX_ACCOUNT_KEY_BYTES], uint64_t now_ms)
{
    memset(account->bytes, 0, ACCOUNT_BYTES);
    account->bytes[0] = ACCOUNT_VERSION;
    memcpy(account->bytes + 8, key, WAX_ACCOUNT_KEY_BYTES);
    store_be64(account->bytes + 40, now_ms);
    account->len = ACCOUNT_BYTES;
}

bool account_sound(const struct account *account)
{
    return account->len >= ACCOUNT_BYTES && account->len <= sizeof account->bytes &&
           account->bytes[0] == ACCOUNT_VERSION &&
           account->len == ACCOUNT_BYTES + (size_t)account_devices(account) * ACCOUNT_DEVICE_BYTES;
}

const uint8_t *account_key(const struct account *account)
{
    return account->bytes + 8;
}

uint8_t account_flags(const struct account *account)
{
    return account->bytes[1];
}

uint64_t account_created_ms(const struct account *account)
{
    return load_be64(account->bytes + 40);
}

void account_set_flags(struct account *account, uint8_t flags)
{
    account->bytes[1] = flags;
}

uint32_t account_invite(const struct account *account)
{
    return load_be32(account->bytes + 4);
}

void account_set_invite(struct account *account, uint32_t invite)
{
    store_be32(account->bytes + 4, invite);
}

uint32_t account_devices(const struct account *account)
{
    return load_be16(account->bytes + 2);
}

uint16_t account_device(const struct account *account, uint32_t index)
{
    return load_be16(device_look(account, index));
}

uint64_t account_seen_ms(const struct account *account, uint32_t index)
{
    return load_be64(device_look(account, index) + 4);
}

uint32_t account_place(const struct account *account, uint16_t device)
{
    uint32_t index = 0, count = account_devices(account);
    while (index < count && account_device(account, index) != device)
        index++;
    return index;
}

bool account_has(const struct account *account, uint16_t device)
{
    uint32_t place = account_place(account, device);
    return place < account_devices(account) && !account_removed(account, place);
}

bool account_removed(const struct account *account, uint32_t index)
{
    return (load_be16(device_look(account, index) + 2) & DEVICE_REMOVED) != 0;
}

void account_mark_removed(struct account *account, uint32_t index)
{
    store_be16(device_at(account, index) + 2, DEVICE_REMOVED);
}

void account_add(struct account *account, uint16_t device, uint64_t now_ms)
{
    uint32_t count = account_devices(account);
    assert(count < WAX_DEVICES_PER_USER_MAX);
    uint8_t *at = device_at(account, count);
    memset(at, 0, ACCOUNT_DEVICE_BYTES);
    store_be16(at, device);
    store_be64(at + 4, now_ms);
    account->len += ACCOUNT_DEVICE_BYTES;
    store_be16(account->bytes + 2, (uint16_t)(count + 1));
}

void account_remove(struct account *account, uint32_t index)
{
    uint32_t count = account_devices(account);
    assert(index < count);
    memmove(device_at(account, index), device_at(account, index + 1),
            (size_t)(count - index - 1) * ACCOUNT_DEVICE_BYTES);
    account->len -= ACCOUNT_DEVICE_BYTES;
    store_be16(account->bytes + 2, (uint16_t)(count - 1));
}

void account_see(struct account *account, uint32_t index, uint64_t now_ms)
{
    store_be64(device_at(account, index) + 4, now_ms);
}
