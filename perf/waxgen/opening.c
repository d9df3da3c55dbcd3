/* SPDX-License-Identifier: BSD-3-Clause */
/* From SYN to WELCOME. */
#include <sodium.h>
#include <stdlib.h>

#include "http/upgrade.h"
#include "waxgen/gen.h"

/* The account key pair of a client, the same in each run of a seed, and the user that follows from it. */
static void keys_make(const struct gen *gen, struct client *client)
{
    uint8_t from[12], seed[crypto_sign_SEEDBYTES];
    struct opening *opening = client->opening;
    store_be64(from, gen->options.seed);
    store_be32(from + 8, client->index);
    crypto_generichash(seed, sizeof seed, from, sizeof from, NULL, 0);
    crypto_sign_seed_keypair(opening->public_key, opening->secret_key, seed);
    crypto_generichash(client->name.user, WAX_USER_BYTES, opening->public_key, sizeof opening->public_key,
                       NULL, 0);
}

void opening_end(struct client *client)
{
    if (client->opening == NULL)
        return;
    if (client->opening->shake != NULL)
        tls_shake_free(client->opening->shake);
    free(client->opening);
    client->opening = NULL;
}

void opening_begin(struct gen *gen, struct client *client)
{
    bool storms = storm_has(gen, client);
    uint32_t place = storms ? gen->storm.openings++ : client->index;
    uint32_t port = (gen->first_port + place) % GEN_PORTS;
    struct tcp_tuple tuple = {.peer = gen->options.peer,
                              .local = gen_address(gen, storms ? gen->addresses - 1u : place / GEN_PORTS),
                              .peer_port = gen->options.port,
                              .local_port = (uint16_t)(GEN_PORT_FIRST + port)};
    client->state = CLIENT_CONNECT;
    client->opening = calloc(1, sizeof *client->opening);
    enum wax_status status = client->opening == NULL ? WAX_NO_MEMORY : WAX_OK;
    if (status == WAX_OK) {
        keys_make(gen, client);
        status = tcp_connect(gen->tcp, &tuple, client->index, gen->now_us, &client->conn);
    }
    if (status != WAX_OK) {
        client->conn = TCP_NONE;
        client->state = CLIENT_GONE;
        gen->closing += !storms;
        gen_error(gen, client, "TCP cannot connect", wax_status_text(status));
        return;
    }
    gen->by_conn[client->conn] = client->index;
}

static void fail(struct gen *gen, struct client *client, const char *what, const char *detail)
{
    gen_error(gen, client, what, detail);
    tcp_abort(gen->tcp, client->conn);
}

/* Ask for the upgrade, as soon as bytes may be sent. */
static void ask(struct gen *gen, struct client *client)
{
    uint8_t nonce[16];
    size_t len = 0;
    rng_fill(&gen->rng, span_of(nonce, sizeof nonce));
    http_upgrade_ask(span_of(gen->gather, sizeof gen->gather), gen->options.server_name, WIRE_PATH_RELAY,
                     nonce, client->opening->ws_key, &len);
    client->state = CLIENT_UPGRADE;
    client_write(gen, client, len);
}

void opening_connected(struct gen *gen, struct client *client)
{
    if (!gen->options.tls) {
        ask(gen, client);
        return;
    }
    client->state = CLIENT_SHAKE;
    if (storm_defers(gen, client))
        storm_later(gen, client);
    else
        opening_hello(gen, client);
}

void opening_hello(struct gen *gen, struct client *client)
{
    struct tls_shake *shake = tls_shake_new_client(gen->context, gen->options.server_name);
    struct view session = keepsake_session(client);
    client->opening->shake = shake;
    if (shake == NULL) {
        fail(gen, client, "no memory for a handshake", "");
        return;
    }
    if (session.len > 0 && tls_shake_resume(shake, session) != WAX_OK)
        gen_error(gen, client, "a ticket cannot be used", "");
    if (gen->options.resume)
        tls_shake_want_ticket(shake);
    opening_shake(gen, client, view_of(NULL, 0));
}

static void shaken(struct gen *gen, struct client *client, struct tls_shake_result *result)
{
    enum wax_status status = tls_state_init(&client->tls, result);
    memcpy(client->opening->binding, result->binding, sizeof client->opening->binding);
    gen->counts.tickets += result->resumed;
    sodium_memzero(result, sizeof *result);
    if (gen->options.resume)
        keepsake_take_session(gen, client, client->opening->shake);
    tls_shake_free(client->opening->shake);
    client->opening->shake = NULL;
    client->sealed = true;
    if (status != WAX_OK)
        fail(gen, client, "the cipher suite cannot be used", wax_status_text(status));
    else
        ask(gen, client);
}

size_t opening_shake(struct gen *gen, struct client *client, struct view in)
{
    struct tls_shake_result result;
    size_t used = 0;
    enum wax_status status;
    if (client->opening->shake == NULL)
        return in.len;
    do {
        size_t consumed = 0, len = 0;
        status = tls_shake_input(client->opening->shake, view_of(in.data + used, in.len - used),
                                 span_of(gen->out, sizeof gen->out), &consumed, &len, &result);
        used += consumed;
        if (len > 0)
            tcp_write(gen->tcp, client->conn, view_of(gen->out, len));
    } while (status == WAX_FULL);
    if (status == WAX_OK) {
        shaken(gen, client, &result);
    } else if (status != WAX_MORE) {
        fail(gen, client, "the TLS handshake failed", tls_shake_reason(client->opening->shake));
        return in.len;
    }
    return used;
}

size_t opening_upgraded(struct gen *gen, struct client *client, struct view in)
{
    size_t used = 0;
    int code = 0;
    enum wax_status status = http_upgrade_confirm(in, client->opening->ws_key, &used, &code);
    if (status == WAX_MORE)
        return 0;
    if (status != WAX_OK) {
        char detail[32];
        snprintf(detail, sizeof detail, "HTTP %d", code);
        client->state = CLIENT_CLOSING;
        fail(gen, client, "the upgrade was refused", detail);
        return in.len;
    }
    ws_decoder_init(&client->ws, WS_CLIENT, WAX_FRAME_BYTES_MAX);
    uint8_t frame[WIRE_HELLO_BYTES + 8 + WAX_TOKEN_BYTES_MAX];
    struct view token = keepsake_token(client);
    rng_fill(&gen->rng, span_of(client->opening->nonce, sizeof client->opening->nonce));
    struct frame_hello hello = {.device = GEN_DEVICE,
                                .flags = (gen->options.tls ? WIRE_HELLO_BINDING : 0) |
                                         (token.len > 0 ? WIRE_HELLO_RESUME : 0),
                                .token = token,
                                .account_key = client->opening->public_key,
                                .client_nonce = client->opening->nonce};
    size_t at = 0, len = frame_write_hello(span_of(frame, sizeof frame), &hello);
    client->state = CLIENT_CHALLENGE;
    client_message(gen, &at, view_of(frame, len), view_of(NULL, 0));
    client_write(gen, client, at);
    return used;
}

static void prove(struct gen *gen, struct client *client, struct view frame)
{
    struct frame_challenge challenge;
    if (frame_parse_challenge(frame, &challenge) != WAX_OK) {
        fail(gen, client, "no CHALLENGE came", "");
        return;
    }
    uint8_t text[WIRE_PROOF_SIGNED_BYTES], signature[64], out[WIRE_PROOF_BYTES];
    bool binding = gen->options.tls;
    frame_write_proof_signed(text, challenge.relay_id, challenge.relay_nonce, client->opening->nonce,
                             GEN_DEVICE, binding ? client->opening->binding : NULL);
    crypto_sign_detached(signature, NULL, text, sizeof text, client->opening->secret_key);
    struct frame_proof proof = {.flags = binding ? WIRE_PROOF_BINDING : 0, .signature = signature};
    size_t at = 0, len = frame_write_proof(span_of(out, sizeof out), &proof);
    client->state = CLIENT_WELCOME;
    client_message(gen, &at, view_of(out, len), view_of(NULL, 0));
    client_write(gen, client, at);
}

static void welcomed(struct gen *gen, struct client *client, const struct frame_welcome *welcome)
{
    if (memcmp(welcome->user, client->name.user, WAX_USER_BYTES) != 0 || welcome->device != GEN_DEVICE)
        gen_error(gen, client, "WELCOME names somebody else", "");
    if (welcome->window < gen->options.window)
        gen_error(gen, client, "the relay's window is smaller than --window", "");
    if (welcome->payload_bytes_max < gen->options.payload)
        gen_error(gen, client, "the relay's largest payload is smaller than --payload", "");
    gen->counts.tokens += (welcome->flags & WIRE_WELCOME_RESUMED) != 0;
    if (gen->options.resume)
        keepsake_take_token(gen, client, welcome->token);
    opening_end(client);
    client->state = CLIENT_OPEN;
    if (storm_has(gen, client)) {
        storm_opened(gen, client);
        return;
    }
    gen->open++;
    gen->progress_us = gen->now_us;
    comeback_opened(gen, client);
}

/* After its proof, or at once for its token. */
static bool may_be_welcome(const struct client *client)
{
    return client->state == CLIENT_WELCOME ||
           (client->state == CLIENT_CHALLENGE && keepsake_token(client).len > 0);
}

void opening_frame(struct gen *gen, struct client *client, struct view frame)
{
    struct frame_welcome welcome;
    struct frame_error error;
    if (frame_parse_error(frame, &error) == WAX_OK) {
        char detail[64];
        snprintf(detail, sizeof detail, "ERROR %u: %.*s", error.code,
                 (int)(error.text.len < 40 ? error.text.len : 40), (const char *)error.text.data);
        fail(gen, client, "a session was refused", detail);
    } else if (frame_parse_welcome(frame, &welcome) == WAX_OK && may_be_welcome(client)) {
        welcomed(gen, client, &welcome);
    } else if (client->state == CLIENT_CHALLENGE) {
        prove(gen, client, frame);
    } else {
        fail(gen, client, "a frame came out of turn", "");
    }
}
