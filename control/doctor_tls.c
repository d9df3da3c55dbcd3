/* SPDX-License-Identifier: BSD-3-Clause */
/* Certificates: are they there, in time, and do their keys keep to themselves? */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "doctor.h"

#define SOON_DAYS 14

/* Days from now until a time of a certificate; false when it can't be read. */
static bool days_until(const struct doctor *doctor, const ASN1_TIME *at, int *days)
{
    int seconds;
    ASN1_TIME *now = ASN1_TIME_set(NULL, (time_t)doctor->now_s);
    bool known = now != NULL && ASN1_TIME_diff(days, &seconds, now, at) == 1;
    if (known && (*days < 0 || seconds < 0))
        *days = *days < 0 ? *days : -1;
    ASN1_TIME_free(now);
    return known;
}

static void check_dates(struct doctor *doctor, const char *path, X509 *certificate)
{
    int since = 0, left = 0;
    if (!days_until(doctor, X509_get0_notBefore(certificate), &since) ||
        !days_until(doctor, X509_get0_notAfter(certificate), &left))
        doctor_say(doctor, DOCTOR_BAD, "certificate", "make it anew", "%s: its dates can't be read", path);
    else if (left < 0)
        doctor_say(doctor, DOCTOR_BAD, "certificate", "renew it, then waxctl tls reload", "%s has expired",
                   path);
    else if (since > 0)
        doctor_say(doctor, DOCTOR_BAD, "certificate", "look at the clock", "%s is not valid yet", path);
    else if (left < SOON_DAYS)
        doctor_say(doctor, DOCTOR_WARN, "certificate", "renew it, then waxctl tls reload",
                   "%s expires in %d days", path, left);
    else
        doctor_say(doctor, DOCTOR_GOOD, "certificate", "", "%s is good for %d days", path, left);
}

static void check_key(struct doctor *doctor, const char *path)
{
    char full[CONFIG_PATH_BYTES + 256];
    struct stat info;
    snprintf(full, sizeof full, "%.200s%s", doctor->root, path);
    if (stat(full, &info) != 0)
        doctor_say(doctor, errno == EACCES ? DOCTOR_NOTE : DOCTOR_BAD, "key",
                   "put it there, or mend tls in the configuration", "%s: %s", path, strerror(errno));
    else if ((info.st_mode & 027) != 0)
        doctor_say(doctor, DOCTOR_BAD, "key", "chmod 640 and chgrp waxwire-dataplane, or chmod 600",
                   "%s can be read by others (mode %03o)", path, info.st_mode & 0777);
}

static void check_pair(struct doctor *doctor, const char *certificate, const char *key)
{
    char full[CONFIG_PATH_BYTES + 256];
    if (certificate[0] == '\0')
        return;
    snprintf(full, sizeof full, "%.200s%s", doctor->root, certificate);
    FILE *file = fopen(full, "re");
    X509 *first = file != NULL ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    if (file == NULL)
        doctor_say(doctor, DOCTOR_BAD, "certificate", "put it there, or mend tls in the configuration",
                   "%s: %s", certificate, strerror(errno));
    else if (first == NULL)
        doctor_say(doctor, DOCTOR_BAD, "certificate", "a chain in PEM, the server's own first",
                   "%s holds no certificate", certificate);
    else
        check_dates(doctor, certificate, first);
    X509_free(first);
    if (file != NULL)
        fclose(file);
    check_key(doctor, key);
}

void doctor_certificates(struct doctor *doctor)
{
    const struct config_tls *tls = &doctor->config->tls;
    check_pair(doctor, tls->certificate, tls->key);
    for (uint32_t i = 0; i < tls->identity_count; i++)
        check_pair(doctor, tls->identity[i].certificate, tls->identity[i].key);
}
