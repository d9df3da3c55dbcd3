/* SPDX-License-Identifier: BSD-3-Clause */
#include "certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

static EVP_PKEY *key_make(const char *kind)
{
    EVP_PKEY *key = NULL;
    if (strncmp(kind, "RSA ", 4) == 0)
        key = EVP_RSA_gen((unsigned)atoi(kind + 4));
    else if (strcmp(kind, "Ed25519") == 0 || strcmp(kind, "Ed448") == 0)
        key = EVP_PKEY_Q_keygen(NULL, NULL, kind);
    else
        key = EVP_EC_gen(kind);
    must(key != NULL);
    return key;
}

static void pem_take(BIO *bio, char *out, size_t room)
{
    int n = BIO_read(bio, out, (int)room - 1);
    must(n > 0);
    out[n] = '\0';
    BIO_free(bio);
}

static BIO *pem_of(const char *text)
{
    return BIO_new_mem_buf(text, -1);
}

static void extension_add(X509 *cert, int nid, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    must(extension != NULL && X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static void certificate_sign(X509 *cert, EVP_PKEY *key, const struct certificate_wish *wish)
{
    EVP_PKEY *signer = key;
    X509 *issuer = cert;
    BIO *bio = NULL;
    if (wish->issuer != NULL) {
        bio = pem_of(wish->issuer->key);
        signer = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
        BIO_free(bio);
        bio = pem_of(wish->issuer->chain);
        issuer = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        BIO_free(bio);
    }
    must(signer != NULL && issuer != NULL);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    const EVP_MD *digest = EVP_get_digestbyname(wish->digest != NULL ? wish->digest : "SHA256");
    int kind = EVP_PKEY_get_base_id(signer);
    bool edwards = kind == EVP_PKEY_ED25519 || kind == EVP_PKEY_ED448;
    must(X509_sign(cert, signer, edwards ? NULL : digest) > 0);
    if (wish->issuer != NULL) {
        EVP_PKEY_free(signer);
        X509_free(issuer);
    }
}

void certificate_make(struct test_identity *out, const struct certificate_wish *wish)
{
    static long serial;
    const char *names = wish->names != NULL ? wish->names : "DNS:relay.example,IP:198.18.0.1";
    bool dated = wish->from_s != 0 || wish->until_s != 0;
    EVP_PKEY *key = key_make(wish->kind != NULL ? wish->kind : "P-256");
    X509 *cert = X509_new();
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), dated ? wish->from_s : -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), dated ? wish->until_s : 86400);
    X509_set_pubkey(cert, key);
    char subject[32];
    snprintf(subject, sizeof subject, "number %ld", serial);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const uint8_t *)subject, -1,
                               -1, 0);
    extension_add(cert, NID_subject_alt_name, names);
    extension_add(cert, NID_key_usage, wish->usage);
    extension_add(cert, NID_ext_key_usage, wish->extended);
    extension_add(cert, NID_basic_constraints, wish->ca);
    certificate_sign(cert, key, wish);
    BIO *bio = BIO_new(BIO_s_mem());
    must(PEM_write_bio_X509(bio, cert) == 1);
    pem_take(bio, out->chain, sizeof out->chain);
    bio = BIO_new(BIO_s_mem());
    const EVP_CIPHER *cipher = wish->passphrase != NULL ? EVP_aes_128_cbc() : NULL;
    must(PEM_write_bio_PrivateKey(bio, key, cipher, NULL, 0, NULL, (void *)(uintptr_t)wish->passphrase) == 1);
    pem_take(bio, out->key, sizeof out->key);
    X509_free(cert);
    EVP_PKEY_free(key);
}

struct tls_identity certificate_identity(const struct test_identity *identity)
{
    return (struct tls_identity){.chain = view_of(identity->chain, strlen(identity->chain)),
                                 .key = view_of(identity->key, strlen(identity->key)),
                                 .name = "test"};
}

struct tls_context *certificate_context(unsigned tickets)
{
    struct tls_identity identity = certificate_identity(&certificate()->identity);
    struct tls_server_settings settings = {.identity = &identity, .identities = 1, .tickets = tickets};
    struct tls_reason reason;
    struct tls_context *ctx;
    must(tls_server_create(&ctx, &settings, &reason) == WAX_OK);
    return ctx;
}

static struct test_certificate paths;
static char directory[32];

static void file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    must(file != NULL && fputs(text, file) >= 0);
    fclose(file);
}

const struct test_certificate *certificate(void)
{
    if (directory[0] != 0)
        return &paths;
    strcpy(directory, "/tmp/wax-tls-XXXXXX");
    must(mkdtemp(directory) != NULL);
    snprintf(paths.cert, sizeof paths.cert, "%s/cert.pem", directory);
    snprintf(paths.key, sizeof paths.key, "%s/key.pem", directory);
    certificate_make(&paths.identity, &(struct certificate_wish){0});
    file_write(paths.cert, paths.identity.chain);
    file_write(paths.key, paths.identity.key);
    return &paths;
}

void certificate_remove(void)
{
    if (directory[0] == 0)
        return;
    unlink(paths.cert);
    unlink(paths.key);
    rmdir(directory);
    directory[0] = 0;
}
