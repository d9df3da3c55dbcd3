/* SPDX-License-Identifier: BSD-3-Clause */
#include "media_index.h"

#include <sodium.h>
#include <stdlib.h>

#define SLOTS_FIRST 256u

_Static_assert(WAX_MEDIA_ID_BYTES >= WAX_USER_BYTES, "ids and users are hashed alike");

struct media_index {
    uint8_t key[crypto_shorthash_KEYBYTES]; /* clients choose ids, and should not choose slots */
    struct blob **blobs;
    struct media_account **accounts;
    size_t blob_mask, account_mask;
    struct blob **heap; /* of whole blobs, from 1 on: none expires before its parent */
    size_t heap_count, heap_room;
    struct media_index_counts counts;
};

static void *xcalloc(size_t count, size_t bytes)
{
    void *p = calloc(count, bytes);
    if (p == NULL)
        abort();
    return p;
}

static size_t slot_of(const struct media_index *index, const uint8_t *name, size_t len, size_t mask)
{
    uint8_t hash[crypto_shorthash_BYTES];
    crypto_shorthash(hash, name, len, index->key);
    return (size_t)load_be64(hash) & mask;
}

struct media_index *media_index_new(void)
{
    struct media_index *index = xcalloc(1, sizeof *index);
    randombytes_buf(index->key, sizeof index->key);
    index->blob_mask = index->account_mask = SLOTS_FIRST - 1u;
    index->blobs = xcalloc(SLOTS_FIRST, sizeof index->blobs[0]);
    index->accounts = xcalloc(SLOTS_FIRST, sizeof index->accounts[0]);
    index->heap_room = SLOTS_FIRST;
    index->heap = xcalloc(SLOTS_FIRST, sizeof index->heap[0]);
    return index;
}

void media_index_free(struct media_index *index)
{
    for (size_t i = 0; i <= index->blob_mask; i++)
        while (index->blobs[i] != NULL)
            media_index_remove(index, index->blobs[i]);
    free(index->blobs);
    free(index->accounts);
    free(index->heap);
    free(index);
}

/* ---- by id and by account ---- */

struct blob *media_index_find(const struct media_index *index, const uint8_t id[WAX_MEDIA_ID_BYTES])
{
    struct blob *blob = index->blobs[slot_of(index, id, WAX_MEDIA_ID_BYTES, index->blob_mask)];
    while (blob != NULL && memcmp(blob->id, id, WAX_MEDIA_ID_BYTES) != 0)
        blob = blob->hash_next;
    return blob;
}

static struct media_account *account_find(const struct media_index *index, const uint8_t user[WAX_USER_BYTES])
{
    struct media_account *account =
        index->accounts[slot_of(index, user, WAX_USER_BYTES, index->account_mask)];
    while (account != NULL && memcmp(account->user, user, WAX_USER_BYTES) != 0)
        account = account->hash_next;
    return account;
}

const struct media_account *media_index_account(const struct media_index *index,
                                                const uint8_t user[WAX_USER_BYTES])
{
    return account_find(index, user);
}

static void blobs_grow(struct media_index *index)
{
    size_t slots = index->blob_mask + 1u;
    struct blob **before = index->blobs;
    index->blob_mask = slots * 2u - 1u;
    index->blobs = xcalloc(slots * 2u, sizeof index->blobs[0]);
    for (size_t i = 0; i < slots; i++) {
        while (before[i] != NULL) {
            struct blob *blob = before[i];
            before[i] = blob->hash_next;
            struct blob **at = &index->blobs[slot_of(index, blob->id, WAX_MEDIA_ID_BYTES, index->blob_mask)];
            blob->hash_next = *at;
            *at = blob;
        }
    }
    free(before);
}

static void accounts_grow(struct media_index *index)
{
    size_t slots = index->account_mask + 1u;
    struct media_account **before = index->accounts;
    index->account_mask = slots * 2u - 1u;
    index->accounts = xcalloc(slots * 2u, sizeof index->accounts[0]);
    for (size_t i = 0; i < slots; i++) {
        while (before[i] != NULL) {
            struct media_account *account = before[i];
            before[i] = account->hash_next;
            struct media_account **at =
                &index->accounts[slot_of(index, account->user, WAX_USER_BYTES, index->account_mask)];
            account->hash_next = *at;
            *at = account;
        }
    }
    free(before);
}

static struct media_account *account_get(struct media_index *index, const uint8_t user[WAX_USER_BYTES])
{
    struct media_account *account = account_find(index, user);
    if (account != NULL)
        return account;
    if (index->counts.accounts > index->account_mask)
        accounts_grow(index);
    account = xcalloc(1, sizeof *account);
    memcpy(account->user, user, sizeof account->user);
    struct media_account **at = &index->accounts[slot_of(index, user, WAX_USER_BYTES, index->account_mask)];
    account->hash_next = *at;
    *at = account;
    index->counts.accounts++;
    return account;
}

static void account_drop(struct media_index *index, struct media_account *account)
{
    struct media_account **at =
        &index->accounts[slot_of(index, account->user, WAX_USER_BYTES, index->account_mask)];
    while (*at != account)
        at = &(*at)->hash_next;
    *at = account->hash_next;
    index->counts.accounts--;
    free(account);
}

/* ---- by time ---- */

static void heap_set(struct media_index *index, size_t place, struct blob *blob)
{
    index->heap[place] = blob;
    blob->place = place;
}

static void heap_up(struct media_index *index, size_t place, struct blob *blob)
{
    while (place > 1 && index->heap[place / 2]->expires_s > blob->expires_s) {
        heap_set(index, place, index->heap[place / 2]);
        place /= 2;
    }
    heap_set(index, place, blob);
}

static void heap_down(struct media_index *index, size_t place, struct blob *blob)
{
    for (size_t child; (child = place * 2) <= index->heap_count; place = child) {
        if (child < index->heap_count && index->heap[child + 1]->expires_s < index->heap[child]->expires_s)
            child++;
        if (index->heap[child]->expires_s >= blob->expires_s)
            break;
        heap_set(index, place, index->heap[child]);
    }
    heap_set(index, place, blob);
}

static void heap_add(struct media_index *index, struct blob *blob)
{
    if (index->heap_count + 1u == index->heap_room) {
        index->heap_room *= 2u;
        index->heap = realloc(index->heap, index->heap_room * sizeof index->heap[0]);
        if (index->heap == NULL)
            abort();
    }
    heap_up(index, ++index->heap_count, blob);
}

static void heap_remove(struct media_index *index, struct blob *blob)
{
    size_t place = blob->place;
    struct blob *last = index->heap[index->heap_count--];
    blob->place = 0;
    if (last == blob)
        return;
    if (place > 1 && index->heap[place / 2]->expires_s > last->expires_s)
        heap_up(index, place, last);
    else
        heap_down(index, place, last);
}

struct blob *media_index_due(const struct media_index *index, uint64_t now_s)
{
    return index->heap_count != 0 && index->heap[1]->expires_s <= now_s ? index->heap[1] : NULL;
}

/* ---- changes ---- */

static struct blob *blob_add(struct media_index *index, const uint8_t id[WAX_MEDIA_ID_BYTES],
                             struct media_account *account, uint64_t bytes)
{
    if (index->counts.blobs > index->blob_mask)
        blobs_grow(index);
    struct blob *blob = xcalloc(1, sizeof *blob);
    memcpy(blob->id, id, sizeof blob->id);
    memcpy(blob->user, account->user, sizeof blob->user);
    blob->bytes = bytes;
    struct blob **at = &index->blobs[slot_of(index, id, WAX_MEDIA_ID_BYTES, index->blob_mask)];
    blob->hash_next = *at;
    *at = blob;
    blob->account = account;
    blob->user_next = account->first;
    if (account->first != NULL)
        account->first->user_prev = blob;
    account->first = blob;
    account->blobs++;
    account->bytes += bytes;
    index->counts.blobs++;
    index->counts.bytes += bytes;
    return blob;
}

static bool exceeds(const struct media_account *account, uint64_t more, uint64_t quota)
{
    uint64_t have = account == NULL ? 0 : account->bytes;
    return quota != 0 && (have > quota || more > quota - have);
}

enum wax_status media_index_begin(struct media_index *index, const uint8_t id[WAX_MEDIA_ID_BYTES],
                                  const uint8_t user[WAX_USER_BYTES], uint64_t bytes, uint64_t quota,
                                  struct upload *upload, struct blob **blob)
{
    const struct media_account *account = account_find(index, user);
    if (media_index_find(index, id) != NULL)
        return WAX_MEDIA_EXISTS;
    if (exceeds(account, bytes, quota))
        return WAX_MEDIA_QUOTA;
    if (account != NULL && account->uploads == WAX_MEDIA_USER_UPLOADS_MAX)
        return WAX_MEDIA_BUSY;
    *blob = blob_add(index, id, account_get(index, user), bytes);
    (*blob)->upload = upload;
    (*blob)->account->uploads++;
    index->counts.uploads++;
    return WAX_OK;
}

enum wax_status media_index_grow(struct media_index *index, struct blob *blob, uint64_t more, uint64_t quota)
{
    if (exceeds(blob->account, more, quota))
        return WAX_MEDIA_QUOTA;
    blob->bytes += more;
    blob->account->bytes += more;
    index->counts.bytes += more;
    return WAX_OK;
}

void media_index_commit(struct media_index *index, struct blob *blob, uint64_t expires_s)
{
    blob->upload = NULL;
    blob->account->uploads--;
    index->counts.uploads--;
    blob->expires_s = expires_s;
    heap_add(index, blob);
}

enum wax_status media_index_add(struct media_index *index, const uint8_t id[WAX_MEDIA_ID_BYTES],
                                const uint8_t user[WAX_USER_BYTES], uint64_t bytes, uint64_t expires_s)
{
    if (media_index_find(index, id) != NULL)
        return WAX_MEDIA_EXISTS;
    struct blob *blob = blob_add(index, id, account_get(index, user), bytes);
    blob->expires_s = expires_s;
    heap_add(index, blob);
    return WAX_OK;
}

void media_index_remove(struct media_index *index, struct blob *blob)
{
    struct media_account *account = blob->account;
    struct blob **at = &index->blobs[slot_of(index, blob->id, WAX_MEDIA_ID_BYTES, index->blob_mask)];
    while (*at != blob)
        at = &(*at)->hash_next;
    *at = blob->hash_next;
    if (blob->user_prev != NULL)
        blob->user_prev->user_next = blob->user_next;
    else
        account->first = blob->user_next;
    if (blob->user_next != NULL)
        blob->user_next->user_prev = blob->user_prev;
    if (blob->place != 0)
        heap_remove(index, blob);
    account->uploads -= blob->upload != NULL;
    index->counts.uploads -= blob->upload != NULL;
    account->bytes -= blob->bytes;
    account->blobs--;
    index->counts.bytes -= blob->bytes;
    index->counts.blobs--;
    if (account->blobs == 0)
        account_drop(index, account);
    free(blob);
}

struct media_index_counts media_index_count(const struct media_index *index)
{
    return index->counts;
}
