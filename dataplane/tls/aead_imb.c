/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AES-GCM by intel-ipsec-mb's direct functions. The expanded key lives on the stack for one call and is not
 * wiped: the raw key beside it in memory is the same secret.
 */
#include "tls/backends.h"

#ifdef WAX_HAVE_IPSEC_MB

#ifndef LINUX
#define LINUX /* or struct gcm_key_data loses its alignment, and its size */
#endif
#include <intel-ipsec-mb.h>

_Static_assert(_Alignof(struct gcm_key_data) == 64, "the header believes that this is Linux");

static bool has_sse(void)
{
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") &&
           __builtin_cpu_supports("sse4.2");
}

static bool has_avx2(void)
{
    return has_sse() && __builtin_cpu_supports("avx2");
}

#ifdef WAX_HAVE_IPSEC_MB_VAES
/* Exported by the library, though its header declares them only behind the manager. */
void aes_gcm_pre_128_vaes_avx512(const void *key, struct gcm_key_data *data);
void aes_gcm_pre_256_vaes_avx512(const void *key, struct gcm_key_data *data);
void aes_gcm_enc_128_vaes_avx512(const struct gcm_key_data *, struct gcm_context_data *, uint8_t *,
                                 const uint8_t *, uint64_t, const uint8_t *, const uint8_t *, uint64_t,
                                 uint8_t *, uint64_t);
void aes_gcm_dec_128_vaes_avx512(const struct gcm_key_data *, struct gcm_context_data *, uint8_t *,
                                 const uint8_t *, uint64_t, const uint8_t *, const uint8_t *, uint64_t,
                                 uint8_t *, uint64_t);
void aes_gcm_enc_256_vaes_avx512(const struct gcm_key_data *, struct gcm_context_data *, uint8_t *,
                                 const uint8_t *, uint64_t, const uint8_t *, const uint8_t *, uint64_t,
                                 uint8_t *, uint64_t);
void aes_gcm_dec_256_vaes_avx512(const struct gcm_key_data *, struct gcm_context_data *, uint8_t *,
                                 const uint8_t *, uint64_t, const uint8_t *, const uint8_t *, uint64_t,
                                 uint8_t *, uint64_t);

#ifdef __clang__
#include <cpuid.h>

/* clang 14's builtin doesn't know the name. Slower: in a virtual machine CPUID traps. */
static bool has_vaes_bit(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_VAES) != 0;
}
#else
static bool has_vaes_bit(void)
{
    return __builtin_cpu_supports("vaes");
}
#endif

static bool has_vaes(void)
{
    return has_avx2() && __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("gfni") && has_vaes_bit();
}
#endif

/* The library refuses null pointers even where the length is 0, and then writes no tag. */
static const uint8_t nothing[1];

static const uint8_t *bytes_of(struct view v)
{
    return v.data != NULL ? v.data : nothing;
}

#define IMB_BACKEND(variant, bits)                                                                           \
    static void seal_##bits##_##variant(const uint8_t *key, const uint8_t *iv, struct view aad,              \
                                        struct view plain, struct span out)                                  \
    {                                                                                                        \
        struct gcm_key_data schedule;                                                                        \
        struct gcm_context_data context;                                                                     \
        assert(out.len >= plain.len + WAX_TLS_TAG_BYTES);                                                    \
        aes_gcm_pre_##bits##_##variant(key, &schedule);                                                      \
        aes_gcm_enc_##bits##_##variant(&schedule, &context, out.data, bytes_of(plain), plain.len, iv,        \
                                       bytes_of(aad), aad.len, out.data + plain.len, WAX_TLS_TAG_BYTES);     \
    }                                                                                                        \
    static bool open_##bits##_##variant(const uint8_t *key, const uint8_t *iv, struct view aad,              \
                                        struct view sealed, struct span out)                                 \
    {                                                                                                        \
        struct gcm_key_data schedule;                                                                        \
        struct gcm_context_data context;                                                                     \
        uint8_t tag[WAX_TLS_TAG_BYTES], unused[1];                                                           \
        size_t len = sealed.len - WAX_TLS_TAG_BYTES;                                                         \
        assert(sealed.len >= WAX_TLS_TAG_BYTES && out.len >= len);                                           \
        aes_gcm_pre_##bits##_##variant(key, &schedule);                                                      \
        aes_gcm_dec_##bits##_##variant(&schedule, &context, out.data != NULL ? out.data : unused,            \
                                       sealed.data, len, iv, bytes_of(aad), aad.len, tag, sizeof tag);       \
        return tags_equal(tag, sealed.data + len);                                                           \
    }

IMB_BACKEND(sse, 128)
IMB_BACKEND(sse, 256)
IMB_BACKEND(avx_gen4, 128)
IMB_BACKEND(avx_gen4, 256)
#ifdef WAX_HAVE_IPSEC_MB_VAES
IMB_BACKEND(vaes_avx512, 128)
IMB_BACKEND(vaes_avx512, 256)
#endif

/* Up to this, expanding the key for large data costs more than aead_ni.c loses by narrower instructions. */
#define SMALL_BYTES 320u

#define MIXED_BACKEND(variant, bits)                                                                         \
    static void seal_##bits##_mixed_##variant(const uint8_t *key, const uint8_t *iv, struct view aad,        \
                                              struct view plain, struct span out)                            \
    {                                                                                                        \
        (plain.len <= SMALL_BYTES ? ni_seal_##bits : seal_##bits##_##variant)(key, iv, aad, plain, out);     \
    }                                                                                                        \
    static bool open_##bits##_mixed_##variant(const uint8_t *key, const uint8_t *iv, struct view aad,        \
                                              struct view sealed, struct span out)                           \
    {                                                                                                        \
        bool small = sealed.len <= SMALL_BYTES + WAX_TLS_TAG_BYTES;                                          \
        return (small ? ni_open_##bits : open_##bits##_##variant)(key, iv, aad, sealed, out);                \
    }

MIXED_BACKEND(avx_gen4, 128)
MIXED_BACKEND(avx_gen4, 256)
#ifdef WAX_HAVE_IPSEC_MB_VAES
MIXED_BACKEND(vaes_avx512, 128)
MIXED_BACKEND(vaes_avx512, 256)
#endif

/* NOLINTBEGIN(bugprone-macro-parentheses): `check` is an initializer */
#define AES_128(label, variant, check)                                                                       \
    {                                                                                                        \
        .name = "ipsec-mb " label " aes-128-gcm", .suite = TLS_AES_128_GCM_SHA256, .key_bytes = 16,          \
        .secret_bytes = 32, .records_max = AES_GCM_RECORDS_MAX, .available = check,                          \
        .seal = seal_128_##variant, .open = open_128_##variant                                               \
    }
#define AES_256(label, variant, check)                                                                       \
    {                                                                                                        \
        .name = "ipsec-mb " label " aes-256-gcm", .suite = TLS_AES_256_GCM_SHA384, .key_bytes = 32,          \
        .secret_bytes = 48, .records_max = AES_GCM_RECORDS_MAX, .available = check,                          \
        .seal = seal_256_##variant, .open = open_256_##variant                                               \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

/* clang-format off */
static const struct aead backends[] = {
#ifdef WAX_HAVE_IPSEC_MB_VAES
    AES_128("vaes, aes-ni if small,", mixed_vaes_avx512, has_vaes),
    AES_256("vaes, aes-ni if small,", mixed_vaes_avx512, has_vaes),
    AES_128("vaes", vaes_avx512, has_vaes),
    AES_256("vaes", vaes_avx512, has_vaes),
#endif
    AES_128("avx2, aes-ni if small,", mixed_avx_gen4, has_avx2),
    AES_256("avx2, aes-ni if small,", mixed_avx_gen4, has_avx2),
    AES_128("avx2", avx_gen4, has_avx2),
    AES_256("avx2", avx_gen4, has_avx2),
    AES_128("sse", sse, has_sse),
    AES_256("sse", sse, has_sse),
};
/* clang-format on */

const struct aead *aead_imb_at(size_t index)
{
    return index < sizeof backends / sizeof backends[0] ? &backends[index] : NULL;
}

#else

const struct aead *aead_imb_at(size_t index)
{
    (void)index;
    return NULL;
}

#endif
