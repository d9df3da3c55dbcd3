/* SPDX-License-Identifier: BSD-3-Clause */
#include "tls/crypto.h"

#include <sodium.h>

#include "tls/backends.h"

const struct aead *aead_at(size_t index)
{
    /* In the order of preference. */
    static const struct aead *(*const libraries[])(size_t) = {aead_imb_at, aead_ni_at, aead_sodium_at,
                                                              aead_openssl_at};
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        size_t count = 0;
        while (libraries[i](count) != NULL)
            count++;
        if (index < count)
            return libraries[i](index);
        index -= count;
    }
    return NULL;
}

const struct aead *aead_for_suite(uint16_t suite)
{
    const struct aead *aead;
    for (size_t i = 0; (aead = aead_at(i)) != NULL; i++)
        if (aead->suite == suite && aead->available())
            return aead;
    return NULL;
}

bool crypto_has_aes(void)
{
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
}

enum wax_status crypto_init(void)
{
    if (sodium_init() < 0)
        return WAX_TLS_SUITE;
    return aead_for_suite(TLS_AES_128_GCM_SHA256) != NULL ? WAX_OK : WAX_TLS_SUITE;
}
