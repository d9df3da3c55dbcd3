/* SPDX-License-Identifier: BSD-3-Clause */
/* Session tickets: keys shared by contexts, their rotation, and what resumes (RFC 8446 2.2, 4.6.1). */
#include "peer_help.h"

#define DAY_MS 86400000ull

static struct tls_tickets *tickets;
static struct tls_context *ctx[2]; /* of two handshake threads */
static SSL_CTX *client_ctx;
static SSL_SESSION *ticket;

static int ticket_keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

static struct wax_ticket_key key_of(uint8_t number)
{
    struct wax_ticket_key key = {.made_ms = number};
    memset(key.name, number, sizeof key.name);
    memset(key.cipher_key, number + 1, sizeof key.cipher_key);
    memset(key.mac_key, number + 2, sizeof key.mac_key);
    return key;
}

static void take(uint8_t number, uint64_t now_ms)
{
    struct wax_ticket_key key = key_of(number);
    cr_assert_eq(tls_tickets_take(tickets, &key, 1, now_ms), WAX_OK);
}

static struct tls_context *context_make(struct tls_tickets *keys)
{
    struct tls_identity identity = certificate_identity(&certificate()->identity);
    struct tls_server_settings settings = {
        .identity = &identity, .identities = 1, .tickets = 1, .ticket_keys = keys};
    struct tls_reason reason;
    struct tls_context *made;
    cr_assert_eq(tls_server_create(&made, &settings, &reason), WAX_OK, "%s", reason.text);
    return made;
}

static void setup(void)
{
    cr_assert_eq(crypto_init(), WAX_OK);
    tickets = tls_tickets_new();
    for (unsigned i = 0; i < 2; i++)
        ctx[i] = context_make(tickets);
    client_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(client_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client_ctx, ticket_keep);
}

static void teardown(void)
{
    SSL_SESSION_free(ticket);
    ticket = NULL;
    SSL_CTX_free(client_ctx);
    tls_context_free(ctx[0]);
    tls_context_free(ctx[1]);
    tls_tickets_free(tickets);
    certificate_remove();
}

TestSuite(tls_tickets, .init = setup, .fini = teardown);

/* A handshake with a thread's context; whether the client's ticket was taken. Leaves the new ticket. */
static bool shake(struct tls_context *server)
{
    char buffer[16];
    struct link *l = link_new(client_ctx, true, server, NULL);
    if (ticket != NULL)
        cr_assert_eq(SSL_set_session(l->peer, ticket), 1);
    link_shake(l);
    cr_assert_eq(l->status, WAX_OK, "%s", tls_shake_reason(l->shake));
    cr_assert_eq(l->result.resumed, SSL_session_reused(l->peer));
    link_send(l, "data", 4);
    cr_assert_eq(link_peer_read(l, buffer, sizeof buffer), 4);
    bool resumed = l->result.resumed;
    link_free(l);
    return resumed;
}

Test(tls_tickets, without_a_key_none_is_given)
{
    cr_assert_not(shake(ctx[0]));
    cr_assert_null(ticket);
}

Test(tls_tickets, rfc8446_2_2_a_ticket_of_one_thread_resumes_at_another)
{
    take(1, 1000);
    cr_assert_not(shake(ctx[0]));
    cr_assert_not_null(ticket);
    cr_assert(shake(ctx[1]));
    cr_assert(shake(ctx[0]), "with the ticket that the resumption brought");
}

Test(tls_tickets, rfc8446_4_6_1_the_lifetime_is_a_day)
{
    take(1, 1000);
    shake(ctx[0]);
    cr_assert_eq(SSL_SESSION_get_ticket_lifetime_hint(ticket), 86400);
}

Test(tls_tickets, an_old_key_is_honoured_for_a_day_and_its_ticket_renewed)
{
    take(1, 1000);
    shake(ctx[0]);
    SSL_SESSION *old = ticket;
    SSL_SESSION_up_ref(old);
    take(2, 5000);
    cr_assert_eq(tls_tickets_look(tickets).keys, 2);
    tls_tickets_expire(tickets, 5000 + DAY_MS - 1);
    cr_assert(shake(ctx[0]), "within the day");
    tls_tickets_expire(tickets, 5000 + DAY_MS);
    cr_assert_eq(tls_tickets_look(tickets).keys, 1);
    cr_assert(shake(ctx[0]), "the ticket that it got then is of the current key");
    SSL_SESSION_free(ticket);
    ticket = old;
    cr_assert_not(shake(ctx[0]), "a full handshake, and no failure");
}

Test(tls_tickets, a_set_of_keys_survives_a_new_process)
{
    take(1, 1000);
    shake(ctx[0]);
    struct wax_ticket_key set[2] = {key_of(2), key_of(1)};
    set[1].replaced_ms = 2000;
    struct tls_tickets *again = tls_tickets_new();
    cr_assert_eq(tls_tickets_take(again, set, 2, 3000), WAX_OK);
    struct tls_context *fresh = context_make(again);
    cr_assert(shake(fresh));
    tls_context_free(fresh);
    tls_tickets_free(again);
}

Test(tls_tickets, keys_that_a_new_set_does_not_have_stay_for_their_day)
{
    take(1, 1000);
    shake(ctx[0]);
    take(2, 2000); /* a control plane that has started anew knows nothing of the first */
    cr_assert(shake(ctx[1]));
    cr_assert_eq(tls_tickets_look(tickets).current_ms, 2);
    take(2, 3000);
    cr_assert_eq(tls_tickets_look(tickets).keys, 2, "the same set again changes nothing");
}

Test(tls_tickets, there_are_never_more_keys_than_have_room)
{
    struct wax_ticket_key none[1];
    for (unsigned i = 0; i < 3 * WAX_TICKET_KEYS_MAX; i++)
        take((uint8_t)i, i);
    cr_assert_eq(tls_tickets_look(tickets).keys, WAX_TICKET_KEYS_MAX);
    cr_assert_eq(tls_tickets_take(tickets, none, 0, 0), WAX_BAD_ARGUMENT);
    cr_assert_eq(tls_tickets_take(tickets, none, WAX_TICKET_KEYS_MAX + 1, 0), WAX_BAD_ARGUMENT);
}

Test(tls_tickets, a_ticket_that_was_tampered_with_leads_to_a_full_handshake)
{
    take(1, 1000);
    shake(ctx[0]);
    const uint8_t *bytes;
    size_t len;
    SSL_SESSION_get0_ticket(ticket, &bytes, &len);
    for (size_t i = 0; i < len; i += 7) {
        ((uint8_t *)(uintptr_t)bytes)[i] ^= 1;
        SSL_SESSION *kept = ticket;
        SSL_SESSION_up_ref(kept);
        cr_assert_not(shake(ctx[0]), "byte %zu", i);
        SSL_SESSION_free(ticket);
        ticket = kept;
        SSL_SESSION_get0_ticket(ticket, &bytes, &len);
        ((uint8_t *)(uintptr_t)bytes)[i] ^= 1;
    }
    cr_assert(shake(ctx[0]));
}

Test(tls_tickets, rfc8446_4_2_9_resumption_is_psk_with_ecdhe_only)
{
    take(1, 1000);
    shake(ctx[0]);
    SSL_CTX_set_options(client_ctx, SSL_OP_ALLOW_NO_DHE_KEX); /* the client would do without */
    struct link *l = link_new(client_ctx, true, ctx[0], NULL);
    SSL_set_session(l->peer, ticket);
    link_shake(l);
    cr_assert(l->result.resumed);
    EVP_PKEY *share = NULL;
    cr_assert_eq(SSL_get_peer_tmp_key(l->peer, &share), 1, "the server's share was there");
    EVP_PKEY_free(share);
    link_free(l);
}

/* RFC 8446 4.2.10: a server that takes no early data skips it, and the handshake goes on. */
static void early(const char *groups)
{
    static const char text[] = "GET /healthz HTTP/1.1\r\n\r\n";
    char big[8192];
    size_t written;
    take(1, 1000);
    shake(ctx[0]);
    cr_assert_eq(SSL_SESSION_get_max_early_data(ticket), 0, "a ticket of ours invites no early data");
    SSL_SESSION_set_max_early_data(ticket, 16384);
    memset(big, 'x', sizeof big);
    if (groups != NULL)
        SSL_CTX_set1_groups_list(client_ctx, groups);
    struct link *l = link_new(client_ctx, true, ctx[0], NULL);
    SSL_set_session(l->peer, ticket);
    cr_assert_eq(SSL_write_early_data(l->peer, text, sizeof text - 1, &written), 1);
    cr_assert_eq(SSL_write_early_data(l->peer, big, sizeof big, &written), 1);
    link_shake(l);
    cr_assert_eq(l->status, WAX_OK, "%s", tls_shake_reason(l->shake));
    cr_assert_eq(SSL_get_early_data_status(l->peer), SSL_EARLY_DATA_REJECTED);
    cr_assert(l->result.resumed, "the session is resumed all the same");
    cr_assert_eq(SSL_write(l->peer, "again", 5), 5);
    link_receive(l, 0);
    cr_assert(l->got_len == 5 && memcmp(l->got, "again", 5) == 0, "nothing of the early data comes through");
    link_free(l);
}

Test(tls_tickets, rfc8446_4_2_10_early_data_is_skipped)
{
    early(NULL);
}

Test(tls_tickets, rfc8446_4_2_10_early_data_is_skipped_with_a_retry)
{
    early("P-521:X25519");
}

Test(tls_tickets, rfc8446_4_2_10_early_data_without_end_is_cut_off)
{
    static char big[16000];
    size_t written;
    take(1, 1000);
    shake(ctx[0]);
    SSL_SESSION_set_max_early_data(ticket, 1u << 20);
    struct link *l = link_new(client_ctx, true, ctx[0], NULL);
    SSL_set_session(l->peer, ticket);
    for (unsigned i = 0; i < 8; i++)
        cr_assert_eq(SSL_write_early_data(l->peer, big, sizeof big, &written), 1);
    link_shake(l);
    cr_assert_eq(l->status, WAX_TLS_HANDSHAKE);
    link_free(l);
}
