/* SPDX-License-Identifier: BSD-3-Clause */
#include "conn/job.h"

#include <assert.h>
#include <sodium.h>

/* What the frames of a handshake may have left behind. */
#define STACK_BYTES (16u << 10)

static void job_shake(struct job *job, struct tls_context *context)
{
    job->in_consumed = 0;
    job->out_len = 0;
    if (job->shake == NULL) {
        job->shake = tls_shake_new(context);
        if (job->shake == NULL) {
            job->status = WAX_NO_MEMORY;
            return;
        }
    }
    size_t consumed = 0, out_len = 0;
    job->status = tls_shake_input(job->shake, view_of(job->in, job->in_len),
                                  span_of(job->out, sizeof job->out), &consumed, &out_len, &job->result);
    assert(consumed <= job->in_len && out_len <= sizeof job->out);
    job->in_consumed = (uint32_t)consumed;
    job->out_len = (uint32_t)out_len;
    if (job->status != WAX_MORE && job->status != WAX_FULL) {
        tls_shake_free(job->shake);
        job->shake = NULL;
        sodium_stackzero(STACK_BYTES);
    }
}

static void job_verify(struct verify_job *verify)
{
    int bad = crypto_sign_verify_detached(verify->signature, verify->message, sizeof verify->message,
                                          verify->account_key);
    verify->ok = bad == 0;
    crypto_generichash(verify->user, sizeof verify->user, verify->account_key, sizeof verify->account_key,
                       NULL, 0);
}

void job_run(struct job *job, struct tls_context *context)
{
    switch (job->kind) {
    case JOB_SHAKE:
        assert(context != NULL);
        job_shake(job, context);
        return;
    case JOB_CANCEL:
        if (job->shake != NULL)
            tls_shake_free(job->shake);
        job->shake = NULL;
        job->status = WAX_OK;
        return;
    case JOB_VERIFY:
        job_verify(&job->verify);
        job->status = WAX_OK;
        return;
    }
}
