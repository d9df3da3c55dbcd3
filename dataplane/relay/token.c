/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/token.h"

#include "base/base64url.h"

#define VERSION    1u
#define HEAD_BYTES (TOKEN_RAW_BYTES - TOKEN_MAC_BYTES)

static void sign(token_mac *mac, const uint8_t *key, const uint8_t *head, const uint8_t *account_key,
                 uint8_t out[TOKEN_MAC_BYTES])
{
    uint8_t text[HEAD_BYTES + WAX_ACCOUNT_KEY_BYTES];
    memcpy(text, head, HEAD_BYTES);
    if (account_key != NULL)
        memcpy(text + HEAD_BYTES, account_key, WAX_ACCOUNT_KEY_BYTES);
    mac(out, key, view_of(text, account_key != NULL ? sizeof text : HEAD_BYTES));
}

/* In a time that tells nothing about where they differ. */
static bool same_mac(const uint8_t *a, const uint8_t *b)
{
    uint64_t left[4], right[4];
    memcpy(left, a, sizeof left);
    memcpy(right, b, sizeof right);
    return ((left[0] ^ right[0]) | (left[1] ^ right[1]) | (left[2] ^ right[2]) | (left[3] ^ right[3])) == 0;
}

size_t token_make(const struct token_set *set, token_mac *mac, enum token_kind kind, const struct name *name,
                  const uint8_t *account_key, uint64_t now_ms, uint8_t out[TOKEN_BYTES])
{
    uint8_t raw[TOKEN_RAW_BYTES];
    if (set->key_count == 0)
        return 0;
    raw[0] = (uint8_t)kind;
    raw[1] = VERSION;
    store_be16(raw + 2, name->device);
    store_be32(raw + 4, set->key[0].id);
    store_be64(raw + 8, now_ms);
    memcpy(raw + 16, name->user, WAX_USER_BYTES);
    sign(mac, set->key[0].key, raw, account_key, raw + HEAD_BYTES);
    base64url_encode(view_of(raw, sizeof raw), out);
    return TOKEN_BYTES;
}

static bool is_revoked(const struct token_set *set, const struct name *name, uint64_t given_ms)
{
    for (uint32_t i = 0; i < set->revoked_count; i++) {
        const struct wax_token_revoked *revoked = &set->revoked[i];
        if (given_ms <= revoked->at_ms && (revoked->device == 0 || revoked->device == name->device) &&
            memcmp(revoked->user, name->user, WAX_USER_BYTES) == 0)
            return true;
    }
    return false;
}

enum wax_status token_check(const struct token_set *set, token_mac *mac, enum token_kind kind,
                            struct view token, const uint8_t *account_key, uint64_t now_ms, struct name *name)
{
    uint8_t raw[TOKEN_RAW_BYTES], expected[TOKEN_MAC_BYTES];
    const struct wax_token_key *key = NULL;
    if (!base64url_decode(token, span_of(raw, sizeof raw)) || raw[0] != kind || raw[1] != VERSION)
        return WAX_TOKEN_FORGED;
    uint32_t id = load_be32(raw + 4);
    for (uint32_t i = 0; i < set->key_count && key == NULL; i++)
        key = set->key[i].id == id ? &set->key[i] : NULL;
    if (key == NULL)
        return WAX_TOKEN_STALE;
    sign(mac, key->key, raw, account_key, expected);
    if (!same_mac(expected, raw + HEAD_BYTES))
        return WAX_TOKEN_FORGED;
    uint64_t given_ms = load_be64(raw + 8);
    *name = (struct name){.device = load_be16(raw + 2)};
    memcpy(name->user, raw + 16, WAX_USER_BYTES);
    if (given_ms > now_ms || now_ms - given_ms >= set->life_ms || is_revoked(set, name, given_ms))
        return WAX_TOKEN_STALE;
    return WAX_OK;
}
