/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a handshake thread spends on one TLS 1.3 handshake (job_run, as the thread calls it), beside a loop of
 * bare OpenSSL with the same certificate, group and suite; full, and resumed by a ticket. Only the server's
 * processor time counts; the client, OpenSSL as well, runs in between. Both take turns, and the least round
 * of each is told, for whatever else the machine does can only add.
 *
 *   bench-handshake --certificate FILE --key FILE [--handshakes N]
 */
#include <openssl/ssl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "conn/job.h"
#include "tls/server.h"

#define ROUNDS 8u
#define SUITE  "TLS_AES_128_GCM_SHA256"
#define GROUP  "X25519"

static SSL_CTX *client_ctx, *bare_ctx;
static struct tls_context *ours;
static SSL_SESSION *ticket;
static struct job job;
static uint8_t bytes[64u << 10];

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench-handshake: %s\n", what);
        exit(1);
    }
}

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int ticket_keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

/* ---- the client ---- */

static SSL *client_new(bool resume)
{
    SSL *client = SSL_new(client_ctx);
    must(client != NULL, "no memory");
    SSL_set_bio(client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(client);
    SSL_set_tlsext_host_name(client, "relay.waxwire.test");
    if (resume)
        must(ticket != NULL && SSL_set_session(client, ticket) == 1, "no ticket");
    return client;
}

/* What the client has to say next, into `bytes`. */
static size_t client_says(SSL *client)
{
    (void)SSL_do_handshake(client);
    int n = BIO_read(SSL_get_wbio(client), bytes, sizeof bytes);
    return n > 0 ? (size_t)n : 0;
}

static void client_end(SSL *client, bool resume)
{
    char nothing[16];
    (void)SSL_read(client, nothing, sizeof nothing); /* takes the ticket */
    must(SSL_is_init_finished(client), "the handshake failed");
    must(SSL_session_reused(client) == resume, resume ? "not resumed" : "resumed");
    (void)SSL_shutdown(client); /* or OpenSSL thinks badly of the session */
    SSL_free(client);
}

/* ---- the servers: processor time of one handshake ---- */

static uint64_t ours_ns(bool resume)
{
    SSL *client = client_new(resume);
    uint64_t spent = 0;
    memset(&job, 0, offsetof(struct job, in));
    job.kind = JOB_SHAKE;
    do {
        size_t len = client_says(client);
        must(len > 0 && len <= sizeof job.in, "the client is silent");
        memcpy(job.in, bytes, len);
        job.in_len = (uint32_t)len;
        uint64_t began = cpu_ns();
        job_run(&job, ours);
        spent += cpu_ns() - began;
        (void)BIO_write(SSL_get_rbio(client), job.out, (int)job.out_len);
    } while (job.status == WAX_MORE);
    must(job.status == WAX_OK, "our handshake failed");
    client_end(client, resume);
    return spent;
}

static uint64_t bare_ns(bool resume)
{
    SSL *client = client_new(resume);
    uint64_t spent = 0, began = cpu_ns();
    SSL *server = SSL_new(bare_ctx);
    SSL_set_bio(server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(server);
    spent += cpu_ns() - began;
    bool done = false;
    while (!done) {
        size_t len = client_says(client);
        must(len > 0, "the client is silent");
        began = cpu_ns();
        (void)BIO_write(SSL_get_rbio(server), bytes, (int)len);
        done = SSL_do_handshake(server) == 1;
        int n = BIO_read(SSL_get_wbio(server), bytes, sizeof bytes);
        spent += cpu_ns() - began;
        (void)BIO_write(SSL_get_rbio(client), bytes, n > 0 ? n : 0);
    }
    began = cpu_ns();
    SSL_free(server);
    spent += cpu_ns() - began;
    client_end(client, resume);
    return spent;
}

static double least_us(uint64_t (*one)(bool), bool resume, unsigned handshakes, double least)
{
    uint64_t spent = 0;
    (void)one(false); /* leaves a ticket of this server's */
    for (unsigned i = 0; i < handshakes; i++)
        spent += one(resume);
    double mean = (double)spent / handshakes / 1000;
    return least == 0 || mean < least ? mean : least;
}

/* A check of a PROOF, which each login takes as well. */
static double verify_us(unsigned checks)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    memset(&job, 0, offsetof(struct job, in));
    job.kind = JOB_VERIFY;
    crypto_sign_keypair(job.verify.account_key, secret);
    crypto_sign_detached(job.verify.signature, NULL, job.verify.message, sizeof job.verify.message, secret);
    uint64_t began = cpu_ns();
    for (unsigned i = 0; i < checks; i++)
        job_run(&job, NULL);
    must(job.verify.ok, "a good signature was refused");
    return (double)(cpu_ns() - began) / checks / 1000;
}

/* ---- what they are made of ---- */

static struct view file_read(const char *path)
{
    static uint8_t text[2][32768];
    static unsigned next;
    FILE *file = fopen(path, "re");
    must(file != NULL && next < 2, path);
    size_t len = fread(text[next], 1, sizeof text[0], file);
    fclose(file);
    return view_of(text[next++], len);
}

static void make(const char *certificate, const char *key)
{
    struct tls_identity identity = {
        .chain = file_read(certificate), .key = file_read(key), .name = certificate};
    struct tls_server_settings settings = {.identity = &identity, .identities = 1, .tickets = 1};
    struct tls_reason reason;
    must(crypto_init() == WAX_OK && sodium_init() >= 0, "no cryptography");
    must(tls_server_create(&ours, &settings, &reason) == WAX_OK, reason.text);
    bare_ctx = SSL_CTX_new(TLS_server_method());
    must(SSL_CTX_use_certificate_chain_file(bare_ctx, certificate) == 1 &&
             SSL_CTX_use_PrivateKey_file(bare_ctx, key, SSL_FILETYPE_PEM) == 1,
         "no certificate");
    SSL_CTX_set_num_tickets(bare_ctx, 1);
    SSL_CTX_set_session_cache_mode(bare_ctx, SSL_SESS_CACHE_OFF);
    client_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(client_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client_ctx, ticket_keep);
    SSL_CTX *both[] = {bare_ctx, client_ctx};
    for (unsigned i = 0; i < 2; i++)
        must(SSL_CTX_set_min_proto_version(both[i], TLS1_3_VERSION) == 1 &&
                 SSL_CTX_set_ciphersuites(both[i], SUITE) == 1 &&
                 SSL_CTX_set1_groups_list(both[i], GROUP) == 1,
             "no suite");
}

int main(int argc, char **argv)
{
    const char *certificate = "", *key = "";
    unsigned handshakes = 400;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--certificate") == 0)
            certificate = argv[i + 1];
        else if (strcmp(argv[i], "--key") == 0)
            key = argv[i + 1];
        else if (strcmp(argv[i], "--handshakes") == 0)
            handshakes = (unsigned)strtoul(argv[i + 1], NULL, 10);
    }
    must(certificate[0] != 0 && key[0] != 0 && handshakes >= ROUNDS,
         "--certificate FILE --key FILE [--handshakes N]");
    make(certificate, key);
    double full[2] = {0}, resumed[2] = {0};
    for (unsigned round = 0; round < ROUNDS; round++) {
        full[0] = least_us(ours_ns, false, handshakes / ROUNDS, full[0]);
        full[1] = least_us(bare_ns, false, handshakes / ROUNDS, full[1]);
        resumed[0] = least_us(ours_ns, true, handshakes / ROUNDS, resumed[0]);
        resumed[1] = least_us(bare_ns, true, handshakes / ROUNDS, resumed[1]);
    }
    printf("{\"suite\": \"%s\", \"group\": \"%s\", \"openssl\": \"%s\", \"full_us\": %.2f, \"bare_full_us\": "
           "%.2f, "
           "\"resumed_us\": %.2f, \"bare_resumed_us\": %.2f, \"verify_us\": %.2f}\n",
           SUITE, GROUP, OpenSSL_version(OPENSSL_VERSION), full[0], full[1], resumed[0], resumed[1],
           verify_us(handshakes));
    return 0;
}
