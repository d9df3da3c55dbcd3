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

static struct test_certificate paths;
static char directory[32];

static void certificate_write(EVP_PKEY *key, X509 *cert)
{
    FILE *file = fopen(paths.cert, "w");
    must(file != NULL && PEM_write_X509(file, cert) == 1);
    fclose(file);
    file = fopen(paths.key, "w");
    must(file != NULL && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
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

    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const uint8_t *)"relay.example", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_EXTENSION *names =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:relay.example,IP:198.18.0.1");
    X509_add_ext(cert, names, -1);
    X509_EXTENSION_free(names);
    must(X509_sign(cert, key, EVP_sha256()) > 0);
    certificate_write(key, cert);
    X509_free(cert);
    EVP_PKEY_free(key);
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
