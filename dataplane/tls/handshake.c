/* SPDX-License-Identifier: BSD-3-Clause */
/* One handshake: OpenSSL over memory BIOs, fed one record at a time. */
#include "tls/handshake.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "tls/context.h"
#include "tls/record.h"

#define RECORD_CHANGE_CIPHER_SPEC 20u
#define RECORD_ALERT              21u
#define RECORD_HANDSHAKE          22u
#define RECORD_APPLICATION_DATA   23u
#define RECORD_TYPE_MIN           20u
#define RECORD_TYPE_MAX           23u

static const char binding_label[] = "EXPORTER-waxwire-v1";

struct tls_shake {
    struct tls_context *ctx;
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    bool client;
    bool started;           /* a client's first flight has been made */
    bool wants_ticket;      /* a client's that goes on until it has one */
    bool finished;          /* but for the ticket */
    bool sealed;            /* records may be protected from here on */
    enum wax_status status; /* WAX_MORE while under way */
    size_t taken;           /* bytes fed to OpenSSL */
    uint8_t secrets;        /* 1: the client's, 2: the server's traffic secret has come */
    uint8_t client_secret[TLS_SECRET_BYTES_MAX];
    uint8_t server_secret[TLS_SECRET_BYTES_MAX];
    struct tls_shake_result result;
    char reason[120];
};

static struct tls_shake *shake_new(struct tls_context *ctx)
{
    struct tls_shake *shake = calloc(1, sizeof *shake);
    if (shake == NULL)
        return NULL;
    shake->status = WAX_MORE;
    shake->client = ctx->client;
    shake->ssl = SSL_new(ctx->ssl_ctx);
    shake->in = BIO_new(BIO_s_mem());
    shake->out = BIO_new(BIO_s_mem());
    if (shake->ssl == NULL || shake->in == NULL || shake->out == NULL ||
        SSL_set_ex_data(shake->ssl, context_shake_index(), shake) != 1) {
        SSL_free(shake->ssl);
        BIO_free(shake->in);
        BIO_free(shake->out);
        free(shake);
        return NULL;
    }
    context_hold(ctx);
    shake->ctx = ctx;
    BIO_set_mem_eof_return(shake->in, -1);
    SSL_set_bio(shake->ssl, shake->in, shake->out);
    return shake;
}

struct tls_shake *tls_shake_new(struct tls_context *ctx)
{
    assert(!ctx->client);
    struct tls_shake *shake = shake_new(ctx);
    if (shake != NULL)
        SSL_set_accept_state(shake->ssl);
    return shake;
}

/* The name that SNI tells and the certificate must bear; an address is no SNI (RFC 6066 3). */
static bool name_set(SSL *ssl, const char *name)
{
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(name);
    if (address == NULL) {
        ERR_clear_error();
        return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
    }
    ASN1_OCTET_STRING_free(address);
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
}

struct tls_shake *tls_shake_new_client(struct tls_context *ctx, const char *server_name)
{
    assert(ctx->client);
    struct tls_shake *shake = shake_new(ctx);
    if (shake == NULL)
        return NULL;
    SSL_set_connect_state(shake->ssl);
    if (server_name != NULL && !name_set(shake->ssl, server_name)) {
        tls_shake_free(shake);
        return NULL;
    }
    return shake;
}

void tls_shake_free(struct tls_shake *shake)
{
    if (shake == NULL)
        return;
    struct tls_context *ctx = shake->ctx;
    SSL_free(shake->ssl);
    OPENSSL_cleanse(shake, sizeof *shake);
    free(shake);
    tls_context_free(ctx);
}

enum wax_status tls_shake_resume(struct tls_shake *shake, struct view session)
{
    assert(shake->client && !shake->started);
    const unsigned char *at = session.data;
    SSL_SESSION *old = d2i_SSL_SESSION(NULL, &at, (long)session.len);
    bool taken = old != NULL && SSL_set_session(shake->ssl, old) == 1;
    SSL_SESSION_free(old);
    ERR_clear_error();
    return taken ? WAX_OK : WAX_BAD_ARGUMENT;
}

void tls_shake_want_ticket(struct tls_shake *shake)
{
    assert(shake->client && !shake->started);
    shake->wants_ticket = true;
}

void tls_shake_session(const struct tls_shake *shake, struct span out, size_t *len)
{
    SSL_SESSION *session = SSL_get0_session(shake->ssl);
    unsigned char *at = out.data;
    *len = 0;
    if (!shake->finished || session == NULL || SSL_SESSION_is_resumable(session) != 1)
        return;
    int need = i2d_SSL_SESSION(session, NULL);
    if (need > 0 && (size_t)need <= out.len)
        *len = (size_t)i2d_SSL_SESSION(session, &at);
}

const struct tls_context *shake_context(const struct tls_shake *shake)
{
    return shake->ctx;
}

const char *tls_shake_reason(const struct tls_shake *shake)
{
    return shake->reason;
}

void shake_secret(struct tls_shake *shake, bool of_client, struct view secret)
{
    if (secret.len > TLS_SECRET_BYTES_MAX)
        return;
    memcpy(of_client ? shake->client_secret : shake->server_secret, secret.data, secret.len);
    shake->secrets |= of_client ? 1 : 2;
}

/* How many protected records there are in our output from `skip` bytes on. */
static uint64_t sealed_records(struct tls_shake *shake, size_t skip)
{
    char *data = NULL;
    size_t len = (size_t)BIO_get_mem_data(shake->out, &data);
    const uint8_t *p = (const uint8_t *)data;
    uint64_t count = 0;
    for (size_t at = skip; len - at >= WAX_TLS_HEADER_BYTES;
         at += WAX_TLS_HEADER_BYTES + load_be16(p + at + 3)) {
        assert(at + WAX_TLS_HEADER_BYTES + load_be16(p + at + 3) <= len);
        count += p[at] == RECORD_APPLICATION_DATA ? 1 : 0;
    }
    return count;
}

/* OpenSSL has finished: gathers what the record layer needs. `before`: bytes of output older than this step.
 */
static enum wax_status shake_finish(struct tls_shake *shake, size_t before)
{
    struct tls_shake_result *r = &shake->result;
    const SSL_CIPHER *cipher = SSL_get_current_cipher(shake->ssl);
    if (cipher == NULL || shake->secrets != 3 || BIO_ctrl_pending(shake->in) != 0)
        return WAX_TLS_HANDSHAKE;
    r->suite = SSL_CIPHER_get_protocol_id(cipher);
    if (aead_for_suite(r->suite) == NULL)
        return WAX_TLS_SUITE;
    r->client = shake->client ? 1 : 0;
    r->resumed = SSL_session_reused(shake->ssl) ? 1 : 0;
    memcpy(r->rx_secret, shake->client ? shake->server_secret : shake->client_secret, TLS_SECRET_BYTES_MAX);
    memcpy(r->tx_secret, shake->client ? shake->client_secret : shake->server_secret, TLS_SECRET_BYTES_MAX);
    r->rx_seq = 0;
    /* A server's last output is tickets under the new keys; a client's last flight is under the old ones. */
    r->tx_seq = shake->client ? 0 : sealed_records(shake, before);
    if (SSL_export_keying_material(shake->ssl, r->binding, sizeof r->binding, binding_label,
                                   sizeof binding_label - 1, NULL, 0, 0) != 1)
        return WAX_TLS_HANDSHAKE;
    return WAX_OK;
}

/* Why OpenSSL failed. Its error queue is the thread's, so it is emptied here. */
static enum wax_status failure_of(struct tls_shake *shake, int error)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;
    enum wax_status status = WAX_TLS_HANDSHAKE;
    if (error == SSL_ERROR_ZERO_RETURN)
        status = WAX_TLS_CLOSE_NOTIFY;
    else if (code != 0 && ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET)
        status = WAX_TLS_ALERT;
    if (text != NULL)
        strncpy(shake->reason, text, sizeof shake->reason - 1);
    ERR_clear_error();
    return status;
}

/* A record behind the handshake has been fed: it should be a ticket (RFC 8446 4.6.1). */
static void ticket_take(struct tls_shake *shake)
{
    uint8_t nothing[1];
    shake->result.rx_seq++;
    int result = SSL_read(shake->ssl, nothing, sizeof nothing), error = SSL_get_error(shake->ssl, result);
    if (result > 0)
        shake->status = WAX_TLS_POST_HANDSHAKE;
    else if (error != SSL_ERROR_WANT_READ)
        shake->status = failure_of(shake, error);
    else if (SSL_SESSION_is_resumable(SSL_get0_session(shake->ssl)) == 1)
        shake->status = WAX_OK;
}

/* Lets OpenSSL work on what it has been fed. */
static void shake_step(struct tls_shake *shake)
{
    size_t before = BIO_ctrl_pending(shake->out);
    ERR_clear_error();
    if (shake->finished) {
        ticket_take(shake);
        return;
    }
    int result = SSL_do_handshake(shake->ssl);
    if (result == 1) {
        shake->status = shake_finish(shake, before);
        shake->finished = shake->status == WAX_OK;
        if (shake->finished && shake->wants_ticket)
            shake->status = WAX_MORE;
        return;
    }
    /* A server's first output is, or is followed by, its keys. */
    shake->sealed |= !shake->client && BIO_ctrl_pending(shake->out) != 0;
    int error = SSL_get_error(shake->ssl, result);
    if (error != SSL_ERROR_WANT_READ)
        shake->status = failure_of(shake, error);
}

/* The length of the record at the head of `in`, as far as a handshake may have it (RFC 8446 5.1). */
static enum wax_status record_length(struct view in, size_t *len)
{
    *len = WAX_TLS_HEADER_BYTES;
    if (in.len >= 1 && (in.data[0] < RECORD_TYPE_MIN || in.data[0] > RECORD_TYPE_MAX))
        return WAX_TLS_RECORD_TYPE;
    if (in.len >= 2 && in.data[1] != 3)
        return WAX_TLS_RECORD_VERSION;
    if (in.len < WAX_TLS_HEADER_BYTES)
        return WAX_MORE;
    size_t max = in.data[0] == RECORD_APPLICATION_DATA ? WAX_TLS_RECORD_BYTES_MAX - WAX_TLS_HEADER_BYTES
                                                       : WAX_TLS_PLAINTEXT_BYTES_MAX;
    size_t body = load_be16(in.data + 3);
    if (body > max)
        return WAX_TLS_RECORD_LENGTH;
    if (body == 0 && in.data[0] != RECORD_APPLICATION_DATA)
        return WAX_TLS_RECORD_EMPTY;
    *len += body;
    if (in.len < *len)
        return WAX_MORE;
    bool change_wrong = in.data[0] == RECORD_CHANGE_CIPHER_SPEC && (body != 1 || in.data[5] != 1);
    return change_wrong ? WAX_TLS_RECORD_TYPE : WAX_OK;
}

static void feed(struct tls_shake *shake, struct view bytes)
{
    if (bytes.len != 0 && BIO_write(shake->in, bytes.data, (int)bytes.len) != (int)bytes.len)
        shake->status = WAX_NO_MEMORY;
    shake->taken += bytes.len;
    if (shake->taken > (shake->client ? TLS_SHAKE_CLIENT_BYTES_MAX : TLS_SHAKE_SERVER_BYTES_MAX))
        shake->status = WAX_TLS_HANDSHAKE;
}

/* Whether an alert of ours must be protected, so that only OpenSSL can send it. */
static bool keys_in_use(const struct tls_shake *shake)
{
    return shake->client ? shake->sealed : (shake->secrets & 2u) != 0;
}

/*
 * A record that cannot be right. OpenSSL sees its head too, so that its alert goes out under the right keys;
 * where it has none to say and no keys are in use yet, the alert is ours. Some heads it would pass over, or
 * judge otherwise than RFC 8446 5 and 5.1: instead of those it sees one that is as unexpected.
 */
static void refuse(struct tls_shake *shake, struct view in, enum wax_status why)
{
    static const uint8_t unexpected[WAX_TLS_HEADER_BYTES] = {RECORD_HANDSHAKE, 3, 3, 0, 1};
    const uint8_t alert[] = {RECORD_ALERT, 3, 3, 0, 2, 2, tls_alert_number(why)};
    size_t head = in.len < WAX_TLS_HEADER_BYTES ? in.len : WAX_TLS_HEADER_BYTES;
    bool keys = keys_in_use(shake);
    bool ours = why == WAX_TLS_RECORD_EMPTY ||
                (why == WAX_TLS_RECORD_TYPE && in.data[0] == RECORD_CHANGE_CIPHER_SPEC);
    if (!ours || keys) {
        feed(shake, ours ? view_of(unexpected, sizeof unexpected) : view_of(in.data, head));
        shake_step(shake);
    }
    if (!keys && BIO_ctrl_pending(shake->out) == 0)
        (void)BIO_write(shake->out, alert, sizeof alert);
    shake->status = why;
}

/* Moves output to `out`. False when some is left. */
static bool drain(struct tls_shake *shake, struct span out, size_t *out_len)
{
    size_t room = out.len - *out_len, pending = BIO_ctrl_pending(shake->out);
    size_t n = pending < room ? pending : room;
    if (n > 0) {
        int got = BIO_read(shake->out, out.data + *out_len, (int)n);
        assert(got == (int)n);
        *out_len += n;
    }
    return n == pending;
}

enum wax_status tls_shake_input(struct tls_shake *shake, struct view in, struct span out, size_t *consumed,
                                size_t *out_len, struct tls_shake_result *result)
{
    *consumed = 0;
    *out_len = 0;
    while (drain(shake, out, out_len) && shake->status == WAX_MORE) {
        if (shake->client && !shake->started) {
            shake->started = true;
            shake_step(shake);
            continue;
        }
        struct view rest = view_of(in.data + *consumed, in.len - *consumed);
        size_t len = 0;
        enum wax_status status = rest.len == 0 ? WAX_MORE : record_length(rest, &len);
        if (status == WAX_MORE)
            return WAX_MORE;
        if (status != WAX_OK) {
            refuse(shake, rest, status);
            continue;
        }
        shake->sealed |= rest.data[0] == RECORD_APPLICATION_DATA;
        feed(shake, view_of(rest.data, len));
        *consumed += len;
        if (shake->status == WAX_MORE)
            shake_step(shake);
    }
    if (BIO_ctrl_pending(shake->out) > 0)
        return WAX_FULL;
    if (shake->status == WAX_OK)
        *result = shake->result;
    return shake->status;
}
