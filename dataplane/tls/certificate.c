/* SPDX-License-Identifier: BSD-3-Clause */
/* A certificate and its key: read, judged, and put into an SSL_CTX. */
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls/context.h"

#define RSA_BITS_MIN 2048

enum wax_status reason_say(struct tls_reason *reason, const char *name, const char *text)
{
    BIO_snprintf(reason->text, sizeof reason->text, "%s: %s", name, text);
    ERR_clear_error();
    return WAX_TLS_CERTIFICATE;
}

/* The same with OpenSSL's own words behind ours. */
static enum wax_status reason_quote(struct tls_reason *reason, const char *name, const char *text)
{
    const char *theirs = ERR_reason_error_string(ERR_peek_last_error());
    char both[160];
    BIO_snprintf(both, sizeof both, "%s (%s)", text, theirs != NULL ? theirs : "no more is known");
    return reason_say(reason, name, both);
}

/* Called when a key is encrypted. */
static int no_passphrase(char *buffer, int size, int writing, void *asked)
{
    (void)buffer;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

/* The name of the curve when TLS 1.3 can sign with it (RFC 8446 4.2.3), or NULL. */
static const char *curve_name(const EVP_PKEY *key)
{
    static const char *const curves[][2] = {
        {"prime256v1", "P-256"}, {"secp384r1", "P-384"}, {"secp521r1", "P-521"}};
    char group[40];
    size_t len;
    if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, &len) != 1)
        return NULL;
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++)
        if (strcmp(group, curves[i][0]) == 0)
            return curves[i][1];
    return NULL;
}

/* "RSA 2048" and the like into `kind`; NULL when the key can be used, else why not. */
static const char *key_judge(const EVP_PKEY *key, char *kind, size_t room)
{
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        BIO_snprintf(kind, room, "RSA %d", EVP_PKEY_get_bits(key));
        return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN ? NULL
                                                      : "the RSA key is weak: it has less than 2048 bits";
    case EVP_PKEY_ED25519:
        BIO_snprintf(kind, room, "Ed25519");
        return NULL;
    case EVP_PKEY_EC: {
        const char *curve = curve_name(key);
        BIO_snprintf(kind, room, "ECDSA %s", curve != NULL ? curve : "?");
        return curve != NULL ? NULL : "the key's curve is none of P-256, P-384 and P-521";
    }
    default:
        BIO_snprintf(kind, room, "unknown");
        return "the key is none of ECDSA, Ed25519 and RSA";
    }
}

static EVP_PKEY *key_read(const struct tls_identity *identity, struct tls_reason *reason)
{
    bool asked = false;
    BIO *bio = BIO_new_mem_buf(identity->key.data, (int)identity->key.len);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
    BIO_free(bio);
    if (asked)
        reason_say(reason, identity->name,
                   "the key is encrypted, and nobody is there to give its passphrase");
    else if (key == NULL)
        reason_say(reason, identity->name, "there is no private key in PEM");
    return key;
}

X509 *identity_leaf(const struct tls_identity *identity, struct tls_reason *reason)
{
    BIO *bio = BIO_new_mem_buf(identity->chain.data, (int)identity->chain.len);
    X509 *leaf = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (leaf == NULL)
        reason_say(reason, identity->name, "there is no certificate in PEM");
    return leaf;
}

/* RFC 8446 4.4.2.2: it must be allowed to sign; and to serve, where it says for what it is. NULL when it is.
 */
static const char *leaf_judge(X509 *leaf)
{
    if (X509_get_version(leaf) != X509_VERSION_3)
        return "the certificate is not of version 3 of X.509";
    uint32_t flags = X509_get_extension_flags(leaf);
    if ((flags & EXFLAG_INVALID) != 0)
        return "the certificate has a malformed extension";
    if ((flags & EXFLAG_KUSAGE) != 0 && (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0)
        return "the certificate may not sign (key usage without digitalSignature)";
    if ((flags & EXFLAG_XKUSAGE) != 0 &&
        (X509_get_extended_key_usage(leaf) & (XKU_SSL_SERVER | XKU_ANYEKU)) == 0)
        return "the certificate is not for servers (extended key usage)";
    return NULL;
}

/* The certificates behind the first. */
static enum wax_status chain_use(SSL_CTX *ssl_ctx, const struct tls_identity *identity,
                                 struct tls_reason *reason)
{
    BIO *bio = BIO_new_mem_buf(identity->chain.data, (int)identity->chain.len);
    X509 *one = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    enum wax_status status = one != NULL ? WAX_OK : WAX_NO_MEMORY;
    X509_free(one);
    while (status == WAX_OK && (one = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        if (SSL_CTX_add1_chain_cert(ssl_ctx, one) != 1)
            status = reason_quote(reason, identity->name, "a certificate of the chain can't be used");
        X509_free(one);
    }
    unsigned long end = ERR_peek_last_error();
    if (status == WAX_OK && ERR_GET_REASON(end) != PEM_R_NO_START_LINE)
        status = reason_quote(reason, identity->name, "the chain has a broken certificate");
    ERR_clear_error();
    BIO_free(bio);
    return status;
}

static enum wax_status pair_use(SSL_CTX *ssl_ctx, const struct tls_identity *identity, X509 *leaf,
                                EVP_PKEY *key, struct tls_reason *reason)
{
    char kind[16];
    const char *wrong = leaf_judge(leaf);
    if (wrong == NULL)
        wrong = key_judge(key, kind, sizeof kind);
    if (wrong == NULL && X509_check_private_key(leaf, key) != 1)
        wrong = "the key is not that of the certificate";
    if (wrong != NULL)
        return reason_say(reason, identity->name, wrong);
    if (SSL_CTX_use_certificate(ssl_ctx, leaf) != 1)
        return reason_quote(reason, identity->name, "the certificate can't be used");
    if (SSL_CTX_use_PrivateKey(ssl_ctx, key) != 1)
        return reason_quote(reason, identity->name, "the key can't be used");
    return chain_use(ssl_ctx, identity, reason);
}

enum wax_status identity_use(SSL_CTX *ssl_ctx, const struct tls_identity *identity, X509 **leaf,
                             struct tls_reason *reason)
{
    enum wax_status status = WAX_TLS_CERTIFICATE;
    X509 *first = identity_leaf(identity, reason);
    EVP_PKEY *key = first != NULL ? key_read(identity, reason) : NULL;
    if (key != NULL)
        status = pair_use(ssl_ctx, identity, first, key, reason);
    X509_free(first);
    EVP_PKEY_free(key);
    *leaf = status == WAX_OK ? SSL_CTX_get0_certificate(ssl_ctx) : NULL;
    return status;
}

/* Adds ", text" as far as there is room; "…" where there is none. */
static void names_add(struct tls_identity_view *view, const char *text, size_t len)
{
    static const char more[] = ", …";
    size_t at = strlen(view->names), between = at == 0 ? 0 : 2;
    if (at + between + len + sizeof more > sizeof view->names) {
        if (at + sizeof more <= sizeof view->names && (at < 3 || strcmp(view->names + at - 3, more + 2) != 0))
            memcpy(view->names + at, more, sizeof more);
        return;
    }
    memcpy(view->names + at, ", ", between);
    memcpy(view->names + at + between, text, len);
    view->names[at + between + len] = '\0';
}

static void address_add(struct tls_identity_view *view, const ASN1_OCTET_STRING *address)
{
    const uint8_t *b = ASN1_STRING_get0_data(address);
    char text[48] = "";
    if (ASN1_STRING_length(address) == 4)
        BIO_snprintf(text, sizeof text, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
    for (int i = 0; ASN1_STRING_length(address) == 16 && i < 16; i += 2)
        BIO_snprintf(text + strlen(text), sizeof text - strlen(text), "%s%x", i == 0 ? "" : ":",
                     b[i] << 8 | b[i + 1]);
    names_add(view, text, strlen(text));
}

static void names_look(X509 *leaf, struct tls_identity_view *view)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS) {
            names_add(view, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                      (size_t)ASN1_STRING_length(name->d.dNSName));
        } else if (name->type == GEN_IPADD) {
            address_add(view, name->d.iPAddress);
        }
    }
    GENERAL_NAMES_free(names);
}

static int64_t time_s(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    if (epoch != NULL)
        (void)ASN1_TIME_diff(&days, &seconds, epoch, time);
    ASN1_TIME_free(epoch);
    return (int64_t)days * 86400 + seconds;
}

bool tls_identity_look(const struct tls_identity *identity, struct tls_identity_view *view,
                       struct tls_reason *reason)
{
    *view = (struct tls_identity_view){0};
    X509 *leaf = identity_leaf(identity, reason);
    if (leaf == NULL)
        return false;
    (void)key_judge(X509_get0_pubkey(leaf), view->kind, sizeof view->kind);
    names_look(leaf, view);
    view->from_s = time_s(X509_get0_notBefore(leaf));
    view->until_s = time_s(X509_get0_notAfter(leaf));
    X509_free(leaf);
    return true;
}
