/* SPDX-License-Identifier: BSD-3-Clause */
#include "tls/tickets.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "tls/context.h"

struct tls_tickets {
    CRYPTO_RWLOCK *lock;
    uint32_t count;
    struct wax_ticket_key key[WAX_TICKET_KEYS_MAX]; /* the current one first */
};

struct tls_tickets *tls_tickets_new(void)
{
    struct tls_tickets *tickets = OPENSSL_secure_zalloc(sizeof *tickets);
    if (tickets == NULL)
        return NULL;
    tickets->lock = CRYPTO_THREAD_lock_new();
    if (tickets->lock == NULL) {
        OPENSSL_secure_clear_free(tickets, sizeof *tickets);
        return NULL;
    }
    return tickets;
}

void tls_tickets_free(struct tls_tickets *tickets)
{
    if (tickets == NULL)
        return;
    CRYPTO_THREAD_lock_free(tickets->lock);
    OPENSSL_secure_clear_free(tickets, sizeof *tickets);
}

static bool key_known(const struct wax_ticket_key *keys, uint32_t count, const struct wax_ticket_key *key)
{
    for (uint32_t i = 0; i < count; i++)
        if (memcmp(keys[i].name, key->name, sizeof key->name) == 0)
            return true;
    return false;
}

static bool key_expired(const struct wax_ticket_key *key, uint64_t now_ms)
{
    return key->replaced_ms != 0 && now_ms >= key->replaced_ms + WAX_TICKET_MS;
}

/* Leaves out the keys whose day is over; the others move up. */
static void keys_expire(struct tls_tickets *tickets, uint64_t now_ms)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < tickets->count; i++) {
        if (key_expired(&tickets->key[i], now_ms))
            continue;
        if (kept != i)
            tickets->key[kept] = tickets->key[i];
        kept++;
    }
    OPENSSL_cleanse(&tickets->key[kept], (tickets->count - kept) * sizeof tickets->key[0]);
    tickets->count = kept;
}

enum wax_status tls_tickets_take(struct tls_tickets *tickets, const struct wax_ticket_key *keys,
                                 uint32_t count, uint64_t now_ms)
{
    struct wax_ticket_key set[WAX_TICKET_KEYS_MAX];
    if (count == 0 || count > WAX_TICKET_KEYS_MAX)
        return WAX_BAD_ARGUMENT;
    memcpy(set, keys, count * sizeof set[0]);
    set[0].replaced_ms = 0;
    for (uint32_t i = 1; i < count; i++)
        if (set[i].replaced_ms == 0)
            set[i].replaced_ms = now_ms;
    CRYPTO_THREAD_write_lock(tickets->lock);
    for (uint32_t i = 0; i < tickets->count && count < WAX_TICKET_KEYS_MAX; i++) {
        if (key_known(set, count, &tickets->key[i]))
            continue;
        set[count] = tickets->key[i];
        if (set[count].replaced_ms == 0)
            set[count].replaced_ms = now_ms;
        count++;
    }
    OPENSSL_cleanse(tickets->key, sizeof tickets->key);
    memcpy(tickets->key, set, count * sizeof set[0]);
    tickets->count = count;
    keys_expire(tickets, now_ms);
    CRYPTO_THREAD_unlock(tickets->lock);
    OPENSSL_cleanse(set, sizeof set);
    return WAX_OK;
}

void tls_tickets_expire(struct tls_tickets *tickets, uint64_t now_ms)
{
    CRYPTO_THREAD_write_lock(tickets->lock);
    keys_expire(tickets, now_ms);
    CRYPTO_THREAD_unlock(tickets->lock);
}

struct tls_tickets_view tls_tickets_look(struct tls_tickets *tickets)
{
    struct tls_tickets_view view = {0};
    CRYPTO_THREAD_read_lock(tickets->lock);
    view.keys = tickets->count;
    view.current_ms = tickets->count > 0 ? tickets->key[0].made_ms : 0;
    CRYPTO_THREAD_unlock(tickets->lock);
    return view;
}

/* A copy of the key that seals (the first), or of the one that is named; false when there is none. */
static bool key_find(struct tls_tickets *tickets, const uint8_t *name, struct wax_ticket_key *out)
{
    bool found = false;
    CRYPTO_THREAD_read_lock(tickets->lock);
    for (uint32_t i = 0; i < tickets->count && !found; i++) {
        found = name == NULL || memcmp(tickets->key[i].name, name, sizeof out->name) == 0;
        if (found)
            *out = tickets->key[i];
    }
    CRYPTO_THREAD_unlock(tickets->lock);
    return found;
}

/*
 * OpenSSL's question for a ticket's keys. Answers: -1 failure, 0 no key (no ticket is given; one that came is
 * ignored, and a full handshake follows), 1 as asked, 2 as asked and the client is to get another ticket:
 * none should be shown twice (RFC 8446 C.4).
 */
int tickets_ask(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                int seal)
{
    const struct tls_context *ctx = context_of(ssl);
    struct wax_ticket_key key;
    if (ctx == NULL || ctx->tickets == NULL || !key_find(ctx->tickets, seal ? NULL : name, &key))
        return 0;
    int answer = seal ? 1 : 2;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac_key, sizeof key.mac_key),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0), OSSL_PARAM_END};
    if (seal) {
        memcpy(name, key.name, sizeof key.name);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
            answer = -1;
    }
    if (answer > 0 && (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher_key, iv, seal) != 1 ||
                       EVP_MAC_CTX_set_params(mac, params) != 1))
        answer = -1;
    OPENSSL_cleanse(&key, sizeof key);
    return answer;
}
