/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>

#include "tls_help.h"

#define GCM_IV  "cafebabefacedbaddecaf888"
#define GCM_AAD "feedfacedeadbeeffeedfacedeadbeefabaddad2"
#define GCM_PLAIN                                                                                            \
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aed" \
    "f5"                                                                                                     \
    "aa0de657ba637b39"

/* The published vector of each algorithm. */
static const struct vector {
    uint16_t suite;
    const char *key, *iv, *aad, *plain, *sealed;
} vectors[] = {
    /* The GCM specification's test cases 4 and 16. */
    {TLS_AES_128_GCM_SHA256, "feffe9928665731c6d6a8f9467308308", GCM_IV, GCM_AAD, GCM_PLAIN,
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b3"
     "9"
     "6a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47"},
    {TLS_AES_256_GCM_SHA384, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", GCM_IV,
     GCM_AAD, GCM_PLAIN,
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6"
     "3"
     "93ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"},
    /* RFC 8439 2.8.2. */
    {TLS_CHACHA20_POLY1305_SHA256, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
     "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a204966204920636f756c6"
     "4"
     "206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73637265656e20776"
     "f"
     "756c642062652069742e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0"
     "a"
     "9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9"
     "d"
     "e576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"},
};

static const struct vector *vector_for(uint16_t suite)
{
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        if (vectors[i].suite == suite)
            return &vectors[i];
    cr_assert_fail("no vector");
    return NULL;
}

Test(tls_crypto, every_backend_gives_the_published_bytes)
{
    const struct aead *aead;
    unsigned tried = 0;
    cr_assert_eq(crypto_init(), WAX_OK);
    for (size_t i = 0; (aead = aead_at(i)) != NULL; i++) {
        if (!aead->available())
            continue;
        const struct vector *v = vector_for(aead->suite);
        uint8_t key[32], iv[12], aad[64], plain[256], sealed[256], out[256];
        cr_assert_eq(unhex(v->key, key), aead->key_bytes, "%s", aead->name);
        unhex(v->iv, iv);
        size_t aad_len = unhex(v->aad, aad), len = unhex(v->plain, plain),
               sealed_len = unhex(v->sealed, sealed);
        cr_assert_eq(sealed_len, len + 16);
        aead->seal(key, iv, view_of(aad, aad_len), view_of(plain, len), span_of(out, sizeof out));
        cr_assert_eq(memcmp(out, sealed, sealed_len), 0, "%s seals wrongly", aead->name);
        cr_assert(
            aead->open(key, iv, view_of(aad, aad_len), view_of(sealed, sealed_len), span_of(out, sizeof out)),
            "%s", aead->name);
        cr_assert_eq(memcmp(out, plain, len), 0, "%s opens wrongly", aead->name);
        tried++;
    }
    cr_assert_geq(tried, 3);
}

Test(tls_crypto, backends_of_a_suite_agree_at_every_length)
{
    static uint8_t plain[1100], one[1200], two[1200];
    const uint8_t key[32] = {1, 2, 3}, iv[12] = {9}, aad[5] = {0x17, 3, 3, 0, 9};
    const struct aead *aead;
    cr_assert_eq(crypto_init(), WAX_OK);
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i * i);
    for (size_t i = 0; (aead = aead_at(i)) != NULL; i++) {
        const struct aead *best = aead_for_suite(aead->suite);
        if (!aead->available() || aead == best)
            continue;
        for (size_t len = 0; len <= sizeof plain; len += len < 300 ? 1 : 97) {
            best->seal(key, iv, view_of(aad, 5), view_of(plain, len), span_of(one, sizeof one));
            aead->seal(key, iv, view_of(aad, 5), view_of(plain, len), span_of(two, sizeof two));
            cr_assert_eq(memcmp(one, two, len + 16), 0, "%s and %s at %zu", best->name, aead->name, len);
            cr_assert(aead->open(key, iv, view_of(aad, 5), view_of(two, len + 16), span_of(two, len)));
            cr_assert_eq(memcmp(two, plain, len), 0, "%s in place at %zu", aead->name, len);
        }
    }
}

Test(tls_crypto, any_changed_bit_is_noticed)
{
    const uint8_t key[32] = {7}, iv[12] = {1};
    const struct aead *aead;
    cr_assert_eq(crypto_init(), WAX_OK);
    for (size_t i = 0; (aead = aead_at(i)) != NULL; i++) {
        if (!aead->available())
            continue;
        uint8_t aad[5] = {0x17, 3, 3, 0, 36}, sealed[36], out[36];
        aead->seal(key, iv, view_of(aad, 5), view_of("twenty bytes of text", 20),
                   span_of(sealed, sizeof sealed));
        for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
            sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_assert(!aead->open(key, iv, view_of(aad, 5), view_of(sealed, sizeof sealed), span_of(out, 20)),
                      "%s bit %zu", aead->name, bit);
            sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        aad[4]++;
        cr_assert(!aead->open(key, iv, view_of(aad, 5), view_of(sealed, sizeof sealed), span_of(out, 20)));
        aad[4]--;
        cr_assert(aead->open(key, iv, view_of(aad, 5), view_of(sealed, sizeof sealed), span_of(out, 20)));
    }
}

Test(tls_crypto, every_suite_has_a_backend_and_unknown_ones_have_none)
{
    cr_assert_eq(crypto_init(), WAX_OK);
    cr_assert_not_null(aead_for_suite(TLS_AES_128_GCM_SHA256));
    cr_assert_not_null(aead_for_suite(TLS_AES_256_GCM_SHA384));
    cr_assert_not_null(aead_for_suite(TLS_CHACHA20_POLY1305_SHA256));
    cr_assert_null(aead_for_suite(0x1304));
    cr_assert_null(aead_for_suite(0));
}
