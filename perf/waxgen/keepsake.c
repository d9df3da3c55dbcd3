/* SPDX-License-Identifier: BSD-3-Clause */
/* What a client keeps to come back cheaply: its TLS session with a ticket, and the relay's resume token. */
#include <stdlib.h>

#include "waxgen/gen.h"

struct keepsake {
    uint16_t session_bytes, token_bytes;
    uint8_t bytes[]; /* the session, then the token */
};

struct view keepsake_session(const struct client *client)
{
    const struct keepsake *k = client->keepsake;
    return k == NULL ? view_of(NULL, 0) : view_of(k->bytes, k->session_bytes);
}

struct view keepsake_token(const struct client *client)
{
    const struct keepsake *k = client->keepsake;
    return k == NULL ? view_of(NULL, 0) : view_of(k->bytes + k->session_bytes, k->token_bytes);
}

/* Of either, the one that is newer takes the place of the old. */
static void keep(struct gen *gen, struct client *client, struct view session, struct view token)
{
    struct keepsake *fresh = malloc(sizeof *fresh + session.len + token.len);
    if (fresh == NULL) {
        gen_error(gen, client, "no memory for a ticket", "");
        return;
    }
    fresh->session_bytes = (uint16_t)session.len;
    fresh->token_bytes = (uint16_t)token.len;
    if (session.len > 0)
        memcpy(fresh->bytes, session.data, session.len);
    if (token.len > 0)
        memcpy(fresh->bytes + session.len, token.data, token.len);
    free(client->keepsake);
    client->keepsake = fresh;
}

void keepsake_take_session(struct gen *gen, struct client *client, const struct tls_shake *shake)
{
    uint8_t session[TLS_SESSION_BYTES_MAX];
    size_t len = 0;
    tls_shake_session(shake, span_of(session, sizeof session), &len);
    keep(gen, client, view_of(session, len), keepsake_token(client));
}

void keepsake_take_token(struct gen *gen, struct client *client, struct view token)
{
    keep(gen, client, keepsake_session(client), token);
}
