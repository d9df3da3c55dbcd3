/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "directory_invite_internal.h"

#define INVITE_VERSION 1u
#define INVITE_HEAD    56u /* version 1, reserved 1, uses 2, used 2, reserved 2, times 16, digest 32 */
#define INVITE_BYTES   (INVITE_HEAD + WAX_INVITE_USES_MAX * WAX_USER_BYTES)
#define CODE_BYTES     24u
#define BASE64         sodium_base64_VARIANT_URLSAFE_NO_PADDING

_Static_assert(INVITE_BYTES <= STORAGE_VALUE_BYTES_MAX, "an invite is one value");
_Static_assert(INVITE_CODE_CHARS == CODE_BYTES / 3u * 4u, "a code is base64url without padding");

/* Its value is of this user, with the name "invite" and its id. */
static const uint8_t nobody[WAX_USER_BYTES];

struct invite_name {
    uint8_t bytes[10];
};

static struct view invite_name(struct invite_name *name, uint32_t id)
{
    memcpy(name->bytes, "invite", 6);
    store_be32(name->bytes + 6, id);
    return view_of(name->bytes, sizeof name->bytes);
}

/* One change of an invite at a time: it has its turns under this name. */
static void turn_name(uint8_t user[WAX_USER_BYTES], uint32_t id)
{
    memset(user, 0, WAX_USER_BYTES);
    memcpy(user, "invite", 6);
    store_be32(user + 6, id);
}

/* ---- as it is kept ---- */

static size_t invite_write(const struct invite *invite, uint8_t out[INVITE_BYTES])
{
    memset(out, 0, INVITE_HEAD);
    out[0] = INVITE_VERSION;
    store_be16(out + 2, (uint16_t)invite->uses);
    store_be16(out + 4, (uint16_t)invite->used);
    store_be64(out + 8, invite->made_ms);
    store_be64(out + 16, invite->expires_ms);
    memcpy(out + 24, invite->digest, sizeof invite->digest);
    memcpy(out + INVITE_HEAD, invite->user, invite->used * (size_t)WAX_USER_BYTES);
    return INVITE_HEAD + invite->used * (size_t)WAX_USER_BYTES;
}

static enum wax_status invite_read(const struct directory *directory, uint32_t id, struct invite *invite)
{
    uint8_t bytes[INVITE_BYTES];
    struct invite_name name;
    size_t len = 0;
    enum wax_status status =
        directory_read(directory, nobody, invite_name(&name, id), span_of(bytes, sizeof bytes), &len);
    if (status != WAX_OK)
        return status;
    if (len < INVITE_HEAD || bytes[0] != INVITE_VERSION)
        return WAX_STORE_CORRUPT;
    invite->id = id;
    invite->uses = load_be16(bytes + 2);
    invite->used = load_be16(bytes + 4);
    invite->made_ms = load_be64(bytes + 8);
    invite->expires_ms = load_be64(bytes + 16);
    memcpy(invite->digest, bytes + 24, sizeof invite->digest);
    if (invite->uses > WAX_INVITE_USES_MAX || invite->used > invite->uses ||
        len != INVITE_HEAD + invite->used * (size_t)WAX_USER_BYTES)
        return WAX_STORE_CORRUPT;
    memcpy(invite->user, bytes + INVITE_HEAD, invite->used * (size_t)WAX_USER_BYTES);
    return WAX_OK;
}

static void digest_of(const uint8_t code[CODE_BYTES], uint8_t digest[32])
{
    crypto_generichash(digest, 32, code, CODE_BYTES, NULL, 0);
}

static bool code_read(struct view text, uint8_t code[CODE_BYTES])
{
    size_t len = 0;
    return text.len == INVITE_CODE_CHARS &&
           sodium_base642bin(code, CODE_BYTES, (const char *)text.data, text.len, NULL, &len, NULL, BASE64) ==
               0 &&
           len == CODE_BYTES;
}

bool invite_code_sound(struct view code)
{
    uint8_t bytes[CODE_BYTES];
    return code_read(code, bytes);
}

enum wax_status directory_next_invite(const struct directory *directory, uint32_t *id, struct invite *invite)
{
    struct invite_name name;
    struct storage_name next;
    enum wax_status status = directory_next(directory, nobody, invite_name(&name, *id), &next);
    if (status != WAX_OK)
        return status;
    if (memcmp(next.user, nobody, sizeof nobody) != 0 || next.len != sizeof name.bytes ||
        memcmp(next.bytes, name.bytes, 6) != 0)
        return WAX_NOT_FOUND;
    *id = load_be32(next.bytes + 6);
    return invite_read(directory, *id, invite);
}

/* ---- a change of one ---- */

struct inviting {
    struct change change;
    struct storage_op op;
    struct directory *directory;
    uint32_t id;
    struct invite_order *order; /* to make or revoke it, or */
    struct invite_use *use;     /* to use it, or to name its user no more */
    uint8_t digest[32];
    size_t ignored_len;
    struct invite invite;
    uint8_t bytes[INVITE_BYTES];
};

static void inviting_drop(struct change *change)
{
    free(change);
}

static struct inviting *inviting_new(struct directory *directory, uint32_t id,
                                     void (*begin)(struct change *change))
{
    struct inviting *i = calloc(1, sizeof *i);
    if (i == NULL)
        abort();
    turn_name(i->change.user, id);
    i->change.begin = begin;
    i->change.drop = inviting_drop;
    i->directory = directory;
    i->id = id;
    return i;
}

static void inviting_end(struct inviting *i, enum wax_status status)
{
    if (i->order != NULL)
        i->order->done(i->order, status);
    else
        i->use->done(i->use, status, i->id);
    change_done(&i->change);
    free(i);
}

static void written(struct storage_op *op, enum wax_status status)
{
    inviting_end((struct inviting *)(void *)((char *)op - offsetof(struct inviting, op)), status);
}

static void put(struct inviting *i)
{
    struct invite_name name;
    struct storage *storage = i->directory->storage;
    i->op.done = written;
    storage->calls->dir_put(storage, nobody, invite_name(&name, i->id),
                            view_of(i->bytes, invite_write(&i->invite, i->bytes)), &i->op);
}

/* ---- made and revoked ---- */

static void make_begin(struct change *change)
{
    put((struct inviting *)(void *)change);
}

void directory_invite(struct directory *directory, struct invite_order *order)
{
    uint8_t code[CODE_BYTES], byte;
    struct invite_name name;
    size_t len;
    assert(order->uses > 0 && order->uses <= WAX_INVITE_USES_MAX);
    do {
        randombytes_buf(code, sizeof code);
        order->id = load_be32(code);
    } while (order->id == 0 || directory_read(directory, nobody, invite_name(&name, order->id),
                                              span_of(&byte, 1), &len) != WAX_NOT_FOUND);
    struct inviting *i = inviting_new(directory, order->id, make_begin);
    i->order = order;
    i->invite = (struct invite){
        .id = order->id, .uses = order->uses, .made_ms = order->now_ms, .expires_ms = order->expires_ms};
    digest_of(code, i->invite.digest);
    sodium_bin2base64(order->code, sizeof order->code, code, sizeof code, BASE64);
    sodium_memzero(code, sizeof code);
    change_ask(directory, &i->change);
}

static void revoke_begin(struct change *change)
{
    struct inviting *i = (struct inviting *)(void *)change;
    struct invite_name name;
    struct storage *storage = i->directory->storage;
    i->op.done = written;
    storage->calls->dir_take(storage, nobody, invite_name(&name, i->id), span_of(i->bytes, sizeof i->bytes),
                             &i->ignored_len, &i->op);
}

void directory_revoke_invite(struct directory *directory, struct invite_order *order)
{
    struct inviting *i = inviting_new(directory, order->id, revoke_begin);
    i->order = order;
    change_ask(directory, &i->change);
}

/* ---- used ---- */

static bool names(const struct invite *invite, const uint8_t user[WAX_USER_BYTES], uint32_t *place)
{
    *place = 0;
    while (*place < invite->used && memcmp(invite->user[*place], user, WAX_USER_BYTES) != 0)
        (*place)++;
    return *place < invite->used;
}

static void use_begin(struct change *change)
{
    struct inviting *i = (struct inviting *)(void *)change;
    struct invite *invite = &i->invite;
    uint32_t place;
    enum wax_status status = invite_read(i->directory, i->id, invite);
    if (status == WAX_OK && sodium_memcmp(invite->digest, i->digest, sizeof i->digest) != 0)
        status = WAX_NOT_FOUND;
    if (status != WAX_OK || names(invite, i->use->user, &place)) {
        inviting_end(i, status);
        return;
    }
    if (invite->used == invite->uses || (invite->expires_ms != 0 && i->use->now_ms >= invite->expires_ms)) {
        inviting_end(i, WAX_NOT_FOUND);
        return;
    }
    memcpy(invite->user[invite->used++], i->use->user, WAX_USER_BYTES);
    put(i);
}

void invite_use(struct directory *directory, struct invite_use *use)
{
    uint8_t code[CODE_BYTES];
    if (!code_read(use->code, code)) {
        use->done(use, WAX_NOT_FOUND, 0);
        return;
    }
    struct inviting *i = inviting_new(directory, load_be32(code), use_begin);
    i->use = use;
    digest_of(code, i->digest);
    sodium_memzero(code, sizeof code);
    change_ask(directory, &i->change);
}

static void unname_begin(struct change *change)
{
    struct inviting *i = (struct inviting *)(void *)change;
    uint32_t place;
    enum wax_status status = invite_read(i->directory, i->id, &i->invite);
    if (status != WAX_OK || !names(&i->invite, i->use->user, &place)) {
        inviting_end(i, status == WAX_NOT_FOUND || status == WAX_STORE_CORRUPT ? WAX_OK : status);
        return;
    }
    memset(i->invite.user[place], 0, WAX_USER_BYTES);
    put(i);
}

void invite_unname(struct directory *directory, uint32_t id, struct invite_use *use)
{
    struct inviting *i = inviting_new(directory, id, unname_begin);
    i->use = use;
    change_ask(directory, &i->change);
}
