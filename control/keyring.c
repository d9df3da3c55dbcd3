/* SPDX-License-Identifier: BSD-3-Clause */
#include "keyring.h"

#include <sodium.h>
#include <stdlib.h>

#define RING_MAGIC   0x77786b72u /* "wxkr" */
#define RING_VERSION 1u
#define NODE_BYTES   20u
#define TAG_BYTES    crypto_aead_chacha20poly1305_ietf_ABYTES

_Static_assert(KEYTABLE_CHUNK_NODES *NODE_BYTES + TAG_BYTES == KEYTABLE_CHUNK_BYTES, "a chunk is full");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == 24u, "the nonce in KEYRING_EXTRA_BYTES");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == 16u, "the tag in KEYRING_EXTRA_BYTES");
_Static_assert(KEYRING_ENTRIES_MAX >= STORAGE_SEGMENTS_MAX + 32u, "all segments, and those to come");

static void entry_put(uint8_t *out, const struct keyring_entry *entry)
{
    memset(out, 0, KEYRING_ENTRY_BYTES);
    store_be64(out, entry->segment);
    store_be32(out + 8, entry->nodes);
    out[12] = entry->area;
    memcpy(out + 16, entry->secret, KEYRING_SECRET_BYTES);
    memcpy(out + 48, entry->salt, KEYTREE_SALT_BYTES);
}

static bool entry_get(const uint8_t *in, struct keyring_entry *entry)
{
    entry->segment = load_be64(in);
    entry->nodes = load_be32(in + 8);
    entry->area = in[12];
    memcpy(entry->secret, in + 16, KEYRING_SECRET_BYTES);
    memcpy(entry->salt, in + 48, KEYTREE_SALT_BYTES);
    return entry->area <= 1 && entry->nodes <= KEYTREE_SLOTS / 2u;
}

/* Header, 16 bytes: 0:4 magic · 4:4 version · 8:4 shard · 12:4 entries; nonce; sealed entries; tag. */
void keyring_seal(uint8_t *out, const struct keyring_entry *entries, uint32_t count, uint32_t shard,
                  const uint8_t master[KEYRING_MASTER_BYTES])
{
    uint8_t *nonce = out + KEYRING_HEAD_BYTES;
    uint8_t *body = nonce + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
    size_t len = (size_t)count * KEYRING_ENTRY_BYTES;
    store_be32(out, RING_MAGIC);
    store_be32(out + 4, RING_VERSION);
    store_be32(out + 8, shard);
    store_be32(out + 12, count);
    randombytes_buf(nonce, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
    for (uint32_t i = 0; i < count; i++)
        entry_put(body + (size_t)i * KEYRING_ENTRY_BYTES, &entries[i]);
    crypto_aead_xchacha20poly1305_ietf_encrypt_detached(body, body + len, NULL, body, len, out,
                                                        KEYRING_HEAD_BYTES, NULL, nonce, master);
}

uint32_t keyring_count(struct view bytes)
{
    if (bytes.len < keyring_bytes(0) || load_be32(bytes.data) != RING_MAGIC)
        return KEYRING_ENTRIES_MAX + 1u;
    uint32_t count = load_be32(bytes.data + 12);
    return count <= KEYRING_ENTRIES_MAX && bytes.len == keyring_bytes(count) ? count
                                                                             : KEYRING_ENTRIES_MAX + 1u;
}

enum wax_status keyring_open(struct view bytes, uint32_t shard, const uint8_t master[KEYRING_MASTER_BYTES],
                             struct keyring_entry *entries)
{
    uint32_t count = keyring_count(bytes);
    if (count > KEYRING_ENTRIES_MAX || load_be32(bytes.data + 8) != shard)
        return WAX_STORE_CORRUPT;
    if (load_be32(bytes.data + 4) != RING_VERSION)
        return WAX_STORE_VERSION;
    const uint8_t *nonce = bytes.data + KEYRING_HEAD_BYTES;
    const uint8_t *body = nonce + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
    size_t len = (size_t)count * KEYRING_ENTRY_BYTES;
    uint8_t *plain = malloc(len + 1);
    enum wax_status status = WAX_OK;
    if (plain == NULL)
        return WAX_NO_MEMORY;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt_detached(plain, NULL, body, len, body + len, bytes.data,
                                                            KEYRING_HEAD_BYTES, nonce, master) != 0)
        status = WAX_STORE_KEY;
    for (uint32_t i = 0; status == WAX_OK && i < count; i++) {
        if (!entry_get(plain + (size_t)i * KEYRING_ENTRY_BYTES, &entries[i]))
            status = WAX_STORE_CORRUPT;
    }
    sodium_memzero(plain, len);
    free(plain);
    return status;
}

/* ---- tables ---- */

size_t keytable_bytes(uint32_t nodes)
{
    size_t full = nodes / KEYTABLE_CHUNK_NODES, rest = nodes % KEYTABLE_CHUNK_NODES;
    return full * KEYTABLE_CHUNK_BYTES + (rest != 0 ? rest * NODE_BYTES + TAG_BYTES : 0);
}

/* The nodes of the chunk that begins with node `at`. */
static uint32_t chunk_nodes(uint32_t nodes, uint32_t at)
{
    return nodes - at < KEYTABLE_CHUNK_NODES ? nodes - at : KEYTABLE_CHUNK_NODES;
}

void keytable_seal(uint8_t *out, const struct keytree *tree, const uint8_t key[KEYRING_SECRET_BYTES])
{
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = {0};
    for (uint32_t at = 0; at < tree->count; at += KEYTABLE_CHUNK_NODES) {
        uint32_t count = chunk_nodes(tree->count, at);
        size_t len = (size_t)count * NODE_BYTES;
        for (uint32_t i = 0; i < count; i++) {
            const struct keytree_node *node = &tree->nodes[at + i];
            store_be32(out + (size_t)i * NODE_BYTES, (uint32_t)node->level << 24 | node->first);
            memcpy(out + (size_t)i * NODE_BYTES + 4, node->secret, KEYTREE_NODE_BYTES);
        }
        store_be32(nonce, at);
        crypto_aead_chacha20poly1305_ietf_encrypt_detached(out, out + len, NULL, out, len, NULL, 0, NULL,
                                                           nonce, key);
        out += len + TAG_BYTES;
    }
}

/* Add the nodes of an opened chunk; false when they are none of a tree. */
static bool chunk_take(const uint8_t *plain, uint32_t count, struct keytree *tree)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t word = load_be32(plain + (size_t)i * NODE_BYTES);
        if (!keytree_add(tree, word & 0xffffffu, word >> 24, plain + (size_t)i * NODE_BYTES + 4))
            return false;
    }
    return true;
}

uint32_t keytable_open(struct view bytes, uint32_t nodes, const uint8_t key[KEYRING_SECRET_BYTES],
                       struct keytree *tree)
{
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = {0};
    uint8_t plain[KEYTABLE_CHUNK_BYTES];
    const uint8_t *in = bytes.data;
    uint32_t damaged = 0;
    for (uint32_t at = 0; at < nodes; at += KEYTABLE_CHUNK_NODES) {
        uint32_t count = chunk_nodes(nodes, at);
        size_t len = (size_t)count * NODE_BYTES;
        store_be32(nonce, at);
        if ((size_t)(in - bytes.data) + len + TAG_BYTES > bytes.len ||
            crypto_aead_chacha20poly1305_ietf_decrypt_detached(plain, NULL, in, len, in + len, NULL, 0, nonce,
                                                               key) != 0 ||
            !chunk_take(plain, count, tree))
            damaged++;
        in += len + TAG_BYTES;
    }
    sodium_memzero(plain, sizeof plain);
    return damaged;
}
