/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What of a handshake's secrets is left in the memory of the process. A plain program: Criterion brings a
 * library along that has called OpenSSL before main, and then its memory is not ours to wipe.
 */
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certificate.h"
#include "tls/record.h"
#include "worker/secrets.h"

enum { NEEDLES = 16, NEEDLE_BYTES = 24, CHUNK = 1 << 20, LARGEST_MAP = 256 << 20, LABEL_BYTES = 40 };

#define check(holds, ...) ((holds) ? (void)0 : fail(__LINE__, #holds, " " __VA_ARGS__))

/* Says what does not hold, and ends. */
static __attribute__((format(printf, 3, 4), noreturn)) void fail(int line, const char *what,
                                                                 const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: %s:", __FILE__, line, what);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

/* What is looked for. Kept behind a mask, or it would be found here. */
static const uint8_t mask = 0x5a;
static struct needle {
    char label[LABEL_BYTES];
    uint8_t masked[NEEDLE_BYTES];
    unsigned found;      /* anywhere */
    unsigned found_heap; /* of these, on OpenSSL's secure heap */
} needles[NEEDLES];
static unsigned needle_count;

static void needle_add(const char *label, const uint8_t *bytes)
{
    struct needle *n = &needles[needle_count++];
    check(needle_count <= NEEDLES);
    snprintf(n->label, sizeof n->label, "%s", label);
    for (size_t i = 0; i < NEEDLE_BYTES; i++)
        n->masked[i] = bytes[i] ^ mask;
}

/* "LABEL client_random secret", as the peer tells it. */
static void keylog(const SSL *ssl, const char *line)
{
    char label[LABEL_BYTES];
    uint8_t secret[64];
    size_t len = strcspn(line, " "), n = 0;
    (void)ssl;
    snprintf(label, sizeof label, "%.*s", (int)len, line);
    for (const char *hex = strrchr(line, ' ') + 1; n < NEEDLE_BYTES && sscanf(hex, "%2hhx", &secret[n]) == 1;
         hex += 2)
        n++;
    check(n == NEEDLE_BYTES);
    needle_add(label, secret);
    OPENSSL_cleanse(secret, sizeof secret);
}

static bool needle_at(const struct needle *n, const uint8_t *p)
{
    for (size_t i = 0; i < NEEDLE_BYTES; i++)
        if ((p[i] ^ mask) != n->masked[i])
            return false;
    return true;
}

static void chunk_look(const uint8_t *bytes, size_t len, uintptr_t address)
{
    for (size_t at = 0; at + NEEDLE_BYTES <= len; at++)
        for (unsigned i = 0; i < needle_count; i++) {
            if ((bytes[at] ^ mask) != needles[i].masked[0] || !needle_at(&needles[i], bytes + at))
                continue;
            needles[i].found++;
            needles[i].found_heap += CRYPTO_secure_allocated((void *)(address + at)) == 1;
        }
}

/* Looks through all memory of this process that can be written. */
static void memory_look(void)
{
    static uint8_t chunk[CHUNK];
    char line[512];
    int memory = open("/proc/self/mem", O_RDONLY);
    FILE *maps = fopen("/proc/self/maps", "r");
    check(memory >= 0 && maps != NULL);
    for (unsigned i = 0; i < needle_count; i++)
        needles[i].found = needles[i].found_heap = 0;
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        char rights[5];
        if (sscanf(line, "%lx-%lx %4s", &from, &to, rights) != 3 || rights[1] != 'w' ||
            to - from > LARGEST_MAP)
            continue;
        for (unsigned long at = from; at < to; at += CHUNK - NEEDLE_BYTES) {
            ssize_t n = pread(memory, chunk, to - at < CHUNK ? to - at : CHUNK, (off_t)at);
            if (n > 0)
                chunk_look(chunk, (size_t)n, at);
        }
    }
    memset(chunk, 0, sizeof chunk);
    fclose(maps);
    close(memory);
}

/* A private key's number, as OpenSSL keeps it: the least word first. */
static void key_needle(const struct test_identity *identity)
{
    BIO *bio = BIO_new_mem_buf(identity->key, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIGNUM *number = NULL;
    uint8_t bytes[32], big[32];
    check(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &number) == 1);
    check(BN_bn2lebinpad(number, bytes, sizeof bytes) == 32);
    check(BN_bn2binpad(number, big, sizeof big) == 32);
    needle_add("private key", bytes);
    needle_add("private key in DER", big);
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(big, sizeof big);
    BN_clear_free(number);
    EVP_PKEY_free(key);
    BIO_free(bio);
}

/* A handshake with OpenSSL's client in memory; what is left of it is the session's state. */
static __attribute__((noinline)) void shake(SSL_CTX *peer_ctx, struct tls_context *server,
                                            struct tls_state *state)
{
    static uint8_t in[1 << 16], out[TLS_SHAKE_OUT_BYTES];
    struct tls_shake_result result;
    SSL *peer = SSL_new(peer_ctx);
    BIO *to = BIO_new(BIO_s_mem()), *from = BIO_new(BIO_s_mem());
    struct tls_shake *shake = tls_shake_new(server);
    enum wax_status status = WAX_MORE;
    size_t have = 0;
    SSL_set_bio(peer, to, from);
    SSL_set_connect_state(peer);
    for (unsigned i = 0; i < 10 && status == WAX_MORE; i++) {
        size_t consumed, out_len;
        (void)SSL_do_handshake(peer);
        int n = BIO_read(from, in + have, (int)(sizeof in - have));
        have += n > 0 ? (size_t)n : 0;
        status =
            tls_shake_input(shake, view_of(in, have), span_of(out, sizeof out), &consumed, &out_len, &result);
        memmove(in, in + consumed, have - consumed);
        have -= consumed;
        BIO_write(to, out, (int)out_len);
    }
    check(status == WAX_OK, "%s", tls_shake_reason(shake));
    check(tls_state_init(state, &result) == WAX_OK);
    OPENSSL_cleanse(&result, sizeof result);
    tls_shake_free(shake);
    SSL_free(peer);
}

static unsigned found(const char *label)
{
    for (unsigned i = 0; i < needle_count; i++)
        if (strcmp(needles[i].label, label) == 0)
            return needles[i].found;
    check(false, "the peer has told no %s", label);
    return 0;
}

static void begin(void)
{
    check(secrets_start(512) == SECRETS_LOCKED);
    check(crypto_init() == WAX_OK);
}

static void nothing_of_a_handshake_stays_but_what_the_session_needs(void)
{
    struct tls_state state;
    begin();
    struct tls_context *server = certificate_context(1);
    key_needle(&certificate()->identity);
    SSL_CTX *peer = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_keylog_callback(peer, keylog);
    shake(peer, server, &state);
    SSL_CTX_free(peer);
    memory_look();
    check(found("CLIENT_TRAFFIC_SECRET_0") > 0, "the session has it, or we look in the wrong place");
    check(found("SERVER_TRAFFIC_SECRET_0") > 0);
    check(found("CLIENT_HANDSHAKE_TRAFFIC_SECRET") == 0);
    check(found("SERVER_HANDSHAKE_TRAFFIC_SECRET") == 0);
    check(found("EXPORTER_SECRET") == 0);
    OPENSSL_cleanse(&state, sizeof state);
    memory_look();
    for (unsigned i = 2; i < needle_count; i++)
        check(needles[i].found == 0, "%s is left %u times", needles[i].label, needles[i].found);
    check(needles[0].found > 0, "the server has its key");
    for (unsigned i = 0; i < 2; i++)
        check(needles[i].found == needles[i].found_heap, "%s lies outside of the locked heap",
              needles[i].label);
    tls_context_free(server);
}

static void the_key_goes_with_its_context(void)
{
    begin();
    struct tls_context *server = certificate_context(1);
    key_needle(&certificate()->identity);
    memory_look();
    check(needles[0].found > 0);
    tls_context_free(server);
    memory_look();
    check(needles[0].found == 0 && needles[1].found == 0);
}

static void no_core_dump_unless_it_is_allowed(void)
{
    struct rlimit limit;
    secrets_dumps(true);
    check(prctl(PR_GET_DUMPABLE) == 1);
    secrets_dumps(false);
    check(prctl(PR_GET_DUMPABLE) == 0);
    check(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0);
}

/* Each in a process of its own. */
int main(void)
{
    static void (*const tests[])(void) = {nothing_of_a_handshake_stays_but_what_the_session_needs,
                                          the_key_goes_with_its_context, no_core_dump_unless_it_is_allowed};
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        int status;
        pid_t child = fork();
        check(child >= 0);
        if (child == 0) {
            tests[i]();
            certificate_remove();
            exit(0);
        }
        check(waitpid(child, &status, 0) == child && status == 0, "test %zu", i);
    }
    return 0;
}
