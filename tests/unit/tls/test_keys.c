/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "tls/hash.h"
#include "tls_help.h"

/* RFC 8448 3, "Simple 1-RTT Handshake". */
#define MASTER        "18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919"
#define TRANSCRIPT    "9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13"
#define CLIENT_SECRET "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"
#define SERVER_SECRET "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"

Test(tls_keys, rfc8448_3_handshake_secret_by_extract)
{
    uint8_t salt[32], ikm[32], out[32];
    unhex("6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba", salt);
    unhex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d", ikm);
    tls_extract(32, view_of(salt, 32), view_of(ikm, 32), out);
    assert_hex(out, "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac");
}

Test(tls_keys, rfc8448_3_traffic_secrets_by_expand_label)
{
    uint8_t master[32], transcript[32], out[32];
    unhex(MASTER, master);
    unhex(TRANSCRIPT, transcript);
    tls_expand_label(view_of(master, 32), "c ap traffic", view_of(transcript, 32), span_of(out, 32));
    assert_hex(out, CLIENT_SECRET);
    tls_expand_label(view_of(master, 32), "s ap traffic", view_of(transcript, 32), span_of(out, 32));
    assert_hex(out, SERVER_SECRET);
    tls_expand_label(view_of(master, 32), "exp master", view_of(transcript, 32), span_of(out, 32));
    assert_hex(out, "fe22f881176eda18eb8f44529e6792c50c9a3f89452f68d8ae311b4309d3cf50");
}

Test(tls_keys, rfc8448_3_record_keys)
{
    uint8_t secret[48], key[32], iv[12];
    cr_assert_eq(crypto_init(), WAX_OK);
    const struct aead *aead = aead_for_suite(TLS_AES_128_GCM_SHA256);
    unhex(SERVER_SECRET, secret);
    tls_traffic_keys(aead, secret, key, iv);
    assert_hex(key, "9f02283b6c9c07efc26bb9f2ac92e356");
    assert_hex(iv, "cf782b88dd83549aadf1e984");
    unhex(CLIENT_SECRET, secret);
    tls_traffic_keys(aead, secret, key, iv);
    assert_hex(key, "17422dda596ed5d9acd890e3c63f5051");
    assert_hex(iv, "5b78923dee08579033e523d9");
}

Test(tls_keys, rfc8446_7_2_next_secret_is_traffic_upd)
{
    uint8_t secret[48], expected[48];
    cr_assert_eq(crypto_init(), WAX_OK);
    for (size_t i = 0; i < sizeof secret; i++)
        secret[i] = (uint8_t)i;
    const struct aead *aead = aead_for_suite(TLS_AES_256_GCM_SHA384);
    tls_expand_label(view_of(secret, 48), "traffic upd", view_of(NULL, 0), span_of(expected, 48));
    tls_next_secret(aead, secret);
    cr_assert_arr_eq(secret, expected, 48);
}

Test(tls_keys, expand_label_of_more_than_one_block_begins_like_a_shorter_hkdf)
{
    /* Blocks are chained: the first is the same whatever is asked, when the length in the label is. */
    uint8_t secret[32] = {1}, one[255], two[255];
    tls_expand_label(view_of(secret, 32), "long", view_of("ctx", 3), span_of(one, 255));
    memcpy(two, one, sizeof two);
    tls_expand_label(view_of(secret, 32), "long", view_of("ctx", 3), span_of(two, 255));
    cr_assert_arr_eq(one, two, 255);
    cr_assert_neq(memcmp(one, one + 32, 32), 0);
}

Test(tls_keys, rfc4231_hmac_vectors)
{
    uint8_t key[131], out[48];
    memset(key, 0x0b, 20);
    tls_hmac(32, view_of(key, 20), view_of("Hi There", 8), out);
    assert_hex(out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    tls_hmac(48, view_of(key, 20), view_of("Hi There", 8), out);
    assert_hex(
        out,
        "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6");
    tls_hmac(48, view_of("Jefe", 4), view_of("what do ya want for nothing?", 28), out);
    assert_hex(
        out,
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649");
    memset(key, 0xaa, sizeof key);
    const char long_key[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    tls_hmac(32, view_of(key, 131), view_of(long_key, sizeof long_key - 1), out);
    assert_hex(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    tls_hmac(48, view_of(key, 131), view_of(long_key, sizeof long_key - 1), out);
    assert_hex(
        out,
        "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952");
}
