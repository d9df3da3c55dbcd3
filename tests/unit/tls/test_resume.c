/* SPDX-License-Identifier: BSD-3-Clause */
/* Our client resumes at our server (RFC 8446 2.2): what it keeps, and that records go on behind the ticket.
 */
#include "peer_help.h"

static struct tls_context *server_ctx, *client_ctx;

static struct tls_context *server_make(uint32_t tickets)
{
    struct tls_identity identity = certificate_identity(&certificate()->identity);
    struct tls_server_settings settings = {.identity = &identity, .identities = 1, .tickets = tickets};
    struct tls_reason reason;
    struct tls_context *made;
    cr_assert_eq(tls_server_create(&made, &settings, &reason), WAX_OK, "%s", reason.text);
    return made;
}

static void setup(void)
{
    cr_assert_eq(crypto_init(), WAX_OK);
    server_ctx = server_make(2);
    cr_assert_eq(tls_context_create_client(&client_ctx, NULL), WAX_OK);
}

static void teardown(void)
{
    tls_context_free(client_ctx);
    tls_context_free(server_ctx);
    certificate_remove();
}

TestSuite(tls_resume, .init = setup, .fini = teardown);

/* Both ends of a handshake, both ours, and what flies between them. */
struct ends {
    struct tls_shake *shake[2]; /* client, server */
    struct tls_shake_result result[2];
    enum wax_status status[2];
    struct queue queue[2]; /* to it */
};

static bool step(struct ends *e, unsigned who)
{
    uint8_t out[TLS_SHAKE_OUT_BYTES];
    size_t consumed, out_len;
    if (e->status[who] != WAX_MORE)
        return false;
    e->status[who] = tls_shake_input(e->shake[who], view_of(e->queue[who].bytes, e->queue[who].len),
                                     span_of(out, sizeof out), &consumed, &out_len, &e->result[who]);
    queue_drop(&e->queue[who], consumed);
    queue_add(&e->queue[!who], out, out_len);
    return consumed > 0 || out_len > 0;
}

static struct ends *ends_new(struct tls_context *server)
{
    struct ends *e = calloc(1, sizeof *e);
    e->shake[0] = tls_shake_new_client(client_ctx, "relay.test");
    e->shake[1] = tls_shake_new(server);
    e->status[0] = e->status[1] = WAX_MORE;
    return e;
}

static void ends_shake(struct ends *e)
{
    bool moved = true;
    while (moved) {
        moved = step(e, 0);
        moved |= step(e, 1);
    }
}

static void ends_free(struct ends *e)
{
    tls_shake_free(e->shake[0]);
    tls_shake_free(e->shake[1]);
    free(e);
}

/* Whatever waits for the client are records that it takes, and then data reaches it, and the server. */
static void records_go_on(struct ends *e)
{
    struct tls_state state[2];
    uint8_t record[256], answer[TLS_OUT_BYTES];
    size_t len;
    for (unsigned who = 0; who < 2; who++)
        cr_assert_eq(tls_state_init(&state[who], &e->result[who]), WAX_OK);
    for (unsigned who = 0; who < 2; who++) {
        struct tls_event ev = {0};
        cr_assert_eq(tls_seal(&state[!who].tx, TLS_APPLICATION_DATA, view_of("data", 4),
                              span_of(record, sizeof record), &len),
                     WAX_OK);
        queue_add(&e->queue[who], record, len);
        while (ev.data.len == 0) {
            cr_assert_eq(tls_input(&state[who], span_of(e->queue[who].bytes, e->queue[who].len),
                                   span_of(answer, sizeof answer), 0, &ev),
                         WAX_OK);
            if (ev.data.len != 0)
                cr_assert_arr_eq(ev.data.data, "data", 4);
            queue_drop(&e->queue[who], ev.consumed);
        }
        cr_assert_eq(e->queue[who].len, 0);
    }
}

/* A handshake with what is kept in `session`, which becomes what it brings. Whether it was resumed. */
static bool shake(struct tls_context *server, uint8_t *session, size_t *len)
{
    struct ends *e = ends_new(server);
    if (*len > 0)
        cr_assert_eq(tls_shake_resume(e->shake[0], view_of(session, *len)), WAX_OK);
    tls_shake_want_ticket(e->shake[0]);
    ends_shake(e);
    cr_assert_eq(e->status[0], WAX_OK, "%s", tls_shake_reason(e->shake[0]));
    cr_assert_eq(e->status[1], WAX_OK, "%s", tls_shake_reason(e->shake[1]));
    cr_assert_eq(e->result[0].resumed, e->result[1].resumed);
    bool resumed = e->result[0].resumed;
    records_go_on(e);
    tls_shake_session(e->shake[0], span_of(session, TLS_SESSION_BYTES_MAX), len);
    cr_assert_gt(*len, 0);
    ends_free(e);
    return resumed;
}

Test(tls_resume, rfc8446_2_2_what_a_client_keeps_resumes_again_and_again)
{
    uint8_t session[TLS_SESSION_BYTES_MAX];
    size_t len = 0;
    cr_assert_not(shake(server_ctx, session, &len));
    for (unsigned i = 0; i < 3; i++)
        cr_assert(shake(server_ctx, session, &len), "time %u", i);
}

Test(tls_resume, a_server_that_has_forgotten_shakes_hands_in_full)
{
    uint8_t session[TLS_SESSION_BYTES_MAX];
    size_t len = 0;
    cr_assert_not(shake(server_ctx, session, &len));
    struct tls_context *other = server_make(1);
    cr_assert_not(shake(other, session, &len), "its keys are others");
    cr_assert(shake(other, session, &len), "but it gives a ticket of its own");
    tls_context_free(other);
}

Test(tls_resume, without_a_ticket_the_client_that_wants_one_waits)
{
    struct tls_context *none = server_make(0);
    struct ends *e = ends_new(none);
    uint8_t session[TLS_SESSION_BYTES_MAX];
    size_t len = 1;
    tls_shake_want_ticket(e->shake[0]);
    ends_shake(e);
    cr_assert_eq(e->status[1], WAX_OK);
    cr_assert_eq(e->status[0], WAX_MORE);
    tls_shake_session(e->shake[0], span_of(session, sizeof session), &len);
    cr_assert_eq(len, 0, "nothing to resume");
    ends_free(e);
    tls_context_free(none);
}

Test(tls_resume, what_is_no_session_is_refused)
{
    uint8_t session[TLS_SESSION_BYTES_MAX] = {0x30, 0x03, 1, 2, 3};
    size_t len = 0;
    struct ends *e = ends_new(server_ctx);
    cr_assert_eq(tls_shake_resume(e->shake[0], view_of(session, 5)), WAX_BAD_ARGUMENT);
    ends_shake(e);
    cr_assert_eq(e->status[0], WAX_OK, "it goes on without");
    tls_shake_session(e->shake[0], span_of(session, 8), &len);
    cr_assert_eq(len, 0, "no room");
    ends_free(e);
}

Test(tls_resume, data_where_a_ticket_should_be_is_refused)
{
    struct ends *e = ends_new(server_ctx);
    struct tls_state server;
    uint8_t record[64];
    size_t len;
    tls_shake_want_ticket(e->shake[0]);
    while (e->status[1] == WAX_MORE) {
        step(e, 0);
        step(e, 1);
    }
    e->result[1].tx_seq = 0; /* in place of the tickets that it sent */
    e->queue[0].len = 0;
    cr_assert_eq(tls_state_init(&server, &e->result[1]), WAX_OK);
    cr_assert_eq(
        tls_seal(&server.tx, TLS_APPLICATION_DATA, view_of("data", 4), span_of(record, sizeof record), &len),
        WAX_OK);
    queue_add(&e->queue[0], record, len);
    step(e, 0);
    cr_assert_eq(e->status[0], WAX_TLS_POST_HANDSHAKE);
    ends_free(e);
}
