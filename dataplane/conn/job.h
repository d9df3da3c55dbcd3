/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Work that is too slow for a worker: TLS handshakes and signature checks. A job belongs to
 * its worker's pool; while it is submitted it belongs to the handshake thread that took it.
 * All jobs of one handshake go to the same thread (job->thread), which keeps the OpenSSL
 * object in job->shake between them.
 */
#ifndef WAX_CONN_JOB_H
#define WAX_CONN_JOB_H

#include <stdint.h>

#include "relay/session.h"
#include "tls/handshake.h"
#include "waxwire/limits.h"
#include "waxwire/status.h"

#define JOB_IN_BYTES  (17u << 10) /* one whole record fits */
#define JOB_OUT_BYTES (24u << 10) /* the server's flight with a long certificate chain */

enum job_kind {
    JOB_SHAKE,  /* feed `in` to the handshake, fill `out` and `result` */
    JOB_CANCEL, /* free the handshake's OpenSSL object */
    JOB_VERIFY, /* check an Ed25519 signature */
};

struct job {
    enum job_kind kind;
    uint32_t conn; /* whose, for the worker */
    uint32_t conn_generation;
    uint16_t worker;        /* that submitted it */
    uint16_t thread;        /* that serves it */
    enum wax_status status; /* out: MORE, OK, or what failed */
    uint8_t address[16];    /* whose handshake it is, for the worker */
    uint64_t cpu_ns;        /* out: time that the thread spent, which it measures itself */

    /* JOB_SHAKE */
    struct tls_shake *shake; /* NULL at the first */
    uint32_t in_len, in_consumed;
    uint32_t out_len;
    struct tls_shake_result result; /* when status is OK */

    /* JOB_VERIFY */
    struct verify_job verify;

    /* JOB_SHAKE, and only there: a job for a check has no memory behind this */
    uint8_t in[JOB_IN_BYTES];
    uint8_t out[JOB_OUT_BYTES];
};

/*
 * Do a job, on a handshake thread: fills the out fields. `context` is the thread's own TLS
 * context (NULL where no listener uses TLS). May allocate and take hundreds of microseconds.
 */
void job_run(struct job *job, struct tls_context *context);

#endif
