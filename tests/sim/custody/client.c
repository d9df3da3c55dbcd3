/* SPDX-License-Identifier: BSD-3-Clause */
/* Model clients: they send, acknowledge, vanish and come back, and check what they are told. */
#include <stdlib.h>

#include "custody/world.h"

/* What has been received in this session and not yet acknowledged. */
struct unacked {
    uint32_t seq;
    uint32_t message;
};

static struct unacked unacked[CLIENTS][1024];
static uint32_t unacked_count[CLIENTS];
static bool got_before[CLIENTS][MESSAGES]; /* a delivery of it has been received ever */

void client_start(uint32_t index)
{
    struct client *client = &world->client[index];
    memset(client, 0, sizeof *client);
    client_name(index, &client->name);
    client->next_us = below(100000);
    client->send_only = index == 0;
    unacked_count[index] = 0;
    memset(got_before[index], 0, sizeof got_before[index]);
}

void client_leave(struct client *client, uint64_t rest_us)
{
    if (client->state == CLIENT_OUT)
        return;
    conn_abandon(client->worker, client->conn, client->conn_generation,
                 chance(500000) ? below(2000) : below(3000000));
    client->state = CLIENT_OUT;
    client->next_us = world->now_us + rest_us;
    client->outbox_sent = 0;
    unacked_count[client_index(client)] = 0;
    if (world->options.faults)
        client->unread_count = 0;
    /* Ephemeral ones are not sent again. */
    uint32_t kept = 0;
    for (uint32_t i = 0; i < client->outbox_count; i++) {
        struct message *message = &world->message[client->outbox[i]];
        if ((message->flags & WIRE_SEND_EPHEMERAL) != 0 && message->sent > 0)
            message_give_up(message);
        else
            client->outbox[kept++] = client->outbox[i];
    }
    client->outbox_count = kept;
}

static void come(struct client *client)
{
    uint32_t worker = (uint32_t)below(world->options.workers);
    if (world->plane_restart_us != 0 || world->options.nobody)
        return;
    uint32_t conn = conn_open(worker, client_index(client));
    if (conn == NOBODY) {
        client->next_us = world->now_us + 50000;
        return;
    }
    client->state = CLIENT_OPENING;
    client->worker = worker;
    client->conn = conn;
    client->conn_generation = world->worker[worker].conns[conn].generation;
    client->life = ++world->lives;
    client->seq = 0;
    client->seq_acked = 0;
    client->window = 0;
    client->charged = 0;
    /* It gives up when it isn't welcomed; the impatient ones soon. */
    client->rest_us = world->now_us + (world->options.faults && chance(300000) ? below(30000) : 40000000);
    uint8_t out[256], key[WAX_ACCOUNT_KEY_BYTES] = {0}, nonce[WAX_CLIENT_NONCE_BYTES] = {0};
    memcpy(key, client->name.user, WAX_USER_BYTES);
    struct frame_hello hello = {
        client->name.device, client->send_only ? WIRE_HELLO_SEND_ONLY : 0, key, nonce, {0}, {0}};
    if (client->token_bytes > 0 && chance(500000)) {
        hello.flags |= WIRE_HELLO_RESUME;
        hello.token = view_of(client->token, client->token_bytes);
    }
    client_put(client, out, frame_write_hello(span_of(out, sizeof out), &hello));
    uint64_t draw = world->options.faults ? below(100) : 0;
    client->ack_delay_us = draw < 70   ? below(200000)
                           : draw < 85 ? 1000000 + below(2000000)
                           : draw < 95 ? 30000000
                                       : 1000000000;
}

/* READ comes behind DELIVERED, unless that was lost with its connection or with the data plane. */
static void on_read(struct client *client, struct message *message)
{
    bool lost = message->sent > 1 || (!message->accepted && message->life != client->life) ||
                message->planes != world->plane_kills || message->refused;
    CHECK(message->read, "client %u: %llu is READ, and nobody said so", client_index(client),
          (unsigned long long)message->id);
    CHECK(message->receipt || lost, "client %u: READ of %llu has overtaken its DELIVERED",
          client_index(client), (unsigned long long)message->id);
    message->read_told = true;
    coverage.reads++;
}

static void on_status(struct client *client, const struct frame_status_entry *entry)
{
    uint32_t self = client_index(client);
    struct message *message = message_of(self, entry->id, client_of(&entry->about));
    CHECK(message != NULL, "client %u: STATUS of a message that it has not sent to that one", self);
    if (entry->kind == WIRE_READ_BY) {
        trace("client %u: READ of %llu", self, (unsigned long long)entry->id);
        note(entry->id * 8 + entry->kind);
        on_read(client, message);
        return;
    }
    coverage.told[entry->kind & 3 ? entry->kind : 4]++;
    coverage.reasons[entry->reason & 15]++;
    trace("client %u: status %u/%u of %llu", self, entry->kind, entry->reason, (unsigned long long)entry->id);
    note(entry->id * 8 + entry->kind);
    bool first = entry->kind == WIRE_ACCEPTED ||
                 (entry->kind == WIRE_REJECTED && entry->reason != WIRE_REASON_EXPIRED);
    if (first && message->life == client->life)
        CHECK(++message->first_answers == 1, "client %u: two first answers of %llu", self,
              (unsigned long long)entry->id);
    if (entry->kind == WIRE_ACCEPTED) {
        CHECK((message->flags & WIRE_SEND_EPHEMERAL) == 0, "an ephemeral message is ACCEPTED");
        message->accepted = true;
        if (message->fate == FATE_UNANSWERED)
            message->fate = FATE_ACCEPTED;
    } else if (entry->kind == WIRE_DELIVERED) {
        CHECK(message->acked, "client %u: %llu is DELIVERED and not acknowledged", self,
              (unsigned long long)entry->id);
        message->receipt = true;
        message->fate = FATE_DELIVERED;
    } else {
        CHECK(entry->kind == WIRE_REJECTED, "status kind %u", entry->kind);
        if (entry->reason == WIRE_REASON_EXPIRED)
            CHECK(message->expired, "REJECTED 7 of a message that has not expired");
        else
            CHECK(!message->accepted || message->sent > 1, "client %u: %llu REJECTED %u after ACCEPTED", self,
                  (unsigned long long)entry->id, entry->reason);
        if (entry->reason == WIRE_REASON_RATE)
            rates_refused(client);
        if (entry->reason == WIRE_REASON_NOT_CONNECTED)
            CHECK((message->flags & WIRE_SEND_EPHEMERAL) != 0, "REJECTED 10 of a lasting message");
        if (message->fate == FATE_UNANSWERED)
            message->fate = FATE_REJECTED;
        message->refused = true;
    }
    client_answered(client, message);
}

static void on_deliver(struct client *client, const struct frame_deliver *deliver)
{
    static uint8_t expected[8192];
    uint32_t self = client_index(client), from = client_of(&deliver->from);
    struct message *message = message_of(from, deliver->id, self);
    CHECK(!client->send_only, "a delivery to a send-only session");
    CHECK(message != NULL, "client %u: a message that is not for it", self);
    message_fill(message, expected);
    CHECK(deliver->payload.len == message->bytes &&
              memcmp(deliver->payload.data, expected, message->bytes) == 0,
          "client %u: the payload of %llu is not what was sent", self, (unsigned long long)deliver->id);
    CHECK(((deliver->flags & WIRE_DELIVER_EPHEMERAL) != 0) == ((message->flags & WIRE_SEND_EPHEMERAL) != 0),
          "the ephemeral flag is wrong");
    CHECK(((deliver->flags & WIRE_DELIVER_URGENT) != 0) == ((message->flags & WIRE_SEND_URGENT) != 0),
          "the urgent flag is wrong");
    CHECK(((deliver->flags & WIRE_DELIVER_MULTI) != 0) == message->multi, "the multi flag is wrong");
    CHECK(deliver->head_bytes == message_head_bytes(message), "client %u: head of %u bytes", self,
          deliver->head_bytes);
    trace("client %u: message %llu of %u seq %u flags %x", self, (unsigned long long)deliver->id, from,
          deliver->seq, deliver->flags);
    note(deliver->id ^ ((uint64_t)deliver->seq << 40) ^ deliver->flags);
    message->delivered++;
    coverage.deliver_flags[deliver->flags & 31]++;
    bool silent = (message->flags & WIRE_SEND_SILENT) != 0;
    CHECK(silent == (deliver->seq == 0), "sequence %u", deliver->seq);
    uint32_t index = (uint32_t)(message - world->message);
    if (!silent) {
        CHECK(deliver->seq == sequence_next(client->seq), "client %u: sequence %u after %u", self,
              deliver->seq, client->seq);
        client->seq = deliver->seq;
        if (client->ack_due_us == 0)
            client->ack_due_us = world->now_us + client->ack_delay_us;
        CHECK(unacked_count[self] < 1024, "client %u: more than a window unacknowledged", self);
        unacked[self][unacked_count[self]++] = (struct unacked){deliver->seq, index};
    }
    if ((message->flags & WIRE_SEND_EPHEMERAL) != 0)
        return;
    CHECK(!got_before[self][index] || message->sent > 1 || (deliver->flags & WIRE_DELIVER_AGAIN) != 0,
          "client %u: %llu comes again without saying so", self, (unsigned long long)deliver->id);
    got_before[self][index] = true;
    if (deliver->id > client->last_id[from]) {
        client->last_id[from] = deliver->id;
        message->seen = true;
    } else {
        coverage.dropped_again++;
    }
}

static void acknowledge(struct client *client)
{
    uint32_t self = client_index(client);
    uint8_t out[WIRE_ACK_BYTES];
    uint32_t count = unacked_count[self];
    if (count == 0)
        return;
    uint32_t upto = chance(800000) ? count : 1 + (uint32_t)below(count);
    for (uint32_t i = 0; i < upto; i++) {
        world->message[unacked[self][i].message].acked = true;
        if (client->unread_count < 256 && chance(400000))
            client->unread[client->unread_count++] = unacked[self][i].message;
    }
    uint32_t seq = unacked[self][upto - 1].seq;
    client_put(client, out, frame_write_ack(span_of(out, sizeof out), seq));
    trace("client %u: ack %u", self, seq);
    client->seq_acked = seq;
    memmove(&unacked[self][0], &unacked[self][upto], (count - upto) * sizeof unacked[self][0]);
    unacked_count[self] = count - upto;
    client->ack_due_us = unacked_count[self] == 0 ? 0 : world->now_us + client->ack_delay_us;
}

/* Now and then, one or all at once; often right behind the ACK. */
static void say_read(struct client *client)
{
    static uint8_t out[WIRE_READ_BYTES + 256 * WIRE_READ_ENTRY_BYTES];
    uint32_t count = chance(300000) ? client->unread_count : client->unread_count != 0;
    client->charged += (count + 7) / 8;
    world->reads += (count + 7) / 8;
    size_t len = frame_open_read(span_of(out, sizeof out));
    for (uint32_t i = 0; i < count; i++) {
        struct message *message = &world->message[client->unread[--client->unread_count]];
        struct frame_read_entry entry = {.id = message->id};
        client_name(message->from, &entry.sender);
        len = frame_append_read(span_of(out, sizeof out), &entry);
        message->read = true;
        message->read_due = !world->options.faults;
        trace("client %u: has read %llu", client_index(client), (unsigned long long)message->id);
    }
    client_put(client, out, len);
}

static void on_frame(struct client *client, struct view frame)
{
    switch (frame_type(frame)) {
    case WIRE_CHALLENGE: {
        uint8_t out[WIRE_PROOF_BYTES], signature[WAX_SIGNATURE_BYTES] = {0};
        struct frame_proof proof = {0, signature};
        client_put(client, out, frame_write_proof(span_of(out, sizeof out), &proof));
        break;
    }
    case WIRE_WELCOME: {
        struct frame_welcome welcome;
        CHECK(frame_parse_welcome(frame, &welcome) == WAX_OK, "WELCOME");
        CHECK(client->state == CLIENT_OPENING, "WELCOME twice");
        client->state = CLIENT_IN;
        client->window = welcome.window;
        CHECK(welcome.token.len == TOKEN_BYTES, "a token");
        memcpy(client->token, welcome.token.data, TOKEN_BYTES);
        client->token_bytes = TOKEN_BYTES;
        coverage.resumed += (welcome.flags & WIRE_WELCOME_RESUMED) != 0;
        client->ack_due_us = 0;
        client->rest_us = world->now_us + below(chance(100000) ? 90000000 : world->options.stay_us);
        trace("client %u is in (w%u conn %u)", client_index(client), client->worker, client->conn);
        break;
    }
    case WIRE_DELIVER: {
        struct frame_deliver deliver;
        CHECK(frame_parse_deliver(frame, &deliver) == WAX_OK, "DELIVER");
        CHECK(client->state == CLIENT_IN, "DELIVER before WELCOME");
        on_deliver(client, &deliver);
        break;
    }
    case WIRE_STATUS: {
        struct frame_status status;
        CHECK(frame_parse_status(frame, &status) == WAX_OK && status.count > 0, "STATUS");
        CHECK(client->state == CLIENT_IN, "STATUS before WELCOME");
        for (uint32_t i = 0; i < status.count; i++) {
            struct frame_status_entry entry = frame_status_entry(&status, i);
            on_status(client, &entry);
        }
        break;
    }
    case WIRE_ERROR: {
        struct frame_error error;
        CHECK(frame_parse_error(frame, &error) == WAX_OK, "ERROR");
        CHECK(error.code == WIRE_ERROR_TOO_SLOW || error.code == WIRE_ERROR_DISPLACED ||
                  error.code == WIRE_ERROR_TIMEOUT,
              "client %u: ERROR %u", client_index(client), error.code);
        break;
    }
    default:
        CHECK(frame.len == 3 && frame.data[0] == 0, "frame type %d", frame_type(frame));
        client_leave(client, below(300000));
    }
}

static void receive(struct client *client, struct conn *conn)
{
    for (uint32_t budget = 1 + (uint32_t)below(20); budget > 0; budget--) {
        if (conn->out.head == conn->out.tail ||
            conn->out.slot[conn->out.head % FRAME_QUEUE].at_us > world->now_us)
            return;
        struct frame frame;
        frames_pop(&conn->out, &frame);
        on_frame(client, view_of(frame.data, frame.len));
        free(frame.data);
        if (client->state == CLIENT_OUT)
            return;
    }
}

void client_tick(uint32_t index)
{
    struct client *client = &world->client[index];
    if (world->options.sending && client->outbox_count < 60 && chance(world->options.send_ppm))
        client_makes(client);
    if (client->state == CLIENT_OUT) {
        if (world->now_us >= client->next_us)
            come(client);
        return;
    }
    struct conn *conn = conn_of(client->worker, client->conn, client->conn_generation);
    if (conn == NULL || !conn->open || conn->client != index) {
        client_leave(client, below(500000));
        return;
    }
    receive(client, conn);
    if (client->state == CLIENT_OUT)
        return;
    if (client->state == CLIENT_OPENING) {
        if (world->now_us > client->rest_us)
            client_leave(client, below(100000));
        return;
    }
    client_sends(client);
    bool much = unacked_count[index] >= 16 && client->ack_delay_us < 1000000;
    if (client->ack_due_us != 0 && (much || world->now_us >= client->ack_due_us))
        acknowledge(client);
    if (client->unread_count != 0 && chance(world->options.faults ? 200000 : 1000000))
        say_read(client);
    bool leaves =
        world->options.faults && world->now_us > client->rest_us && chance(world->options.break_ppm);
    if (leaves) {
        world->breaks++;
        client_leave(client, chance(600000) ? below(20000) : below(8000000));
    }
}

void clients_check(void)
{
    uint64_t dropped = 0; /* READs, for want of room: that is allowed */
    for (uint32_t i = 0; i < world->options.workers; i++)
        dropped += world->worker[i].metrics.status[WAX_READ_DROPPED];
    for (uint32_t i = 0; i < world->message_count; i++) {
        const struct message *message = &world->message[i];
        unsigned long long id = message->id;
        bool lasting = (message->flags & WIRE_SEND_EPHEMERAL) == 0;
        CHECK(message->fate != FATE_UNANSWERED, "message %llu of %u to %u was never answered", id,
              message->from, message->to);
        CHECK(!message->read_due || message->read_told || dropped != 0,
              "message %llu of %u to %u: READ is lost", id, message->from, message->to);
        if (!lasting)
            continue;
        if (message->accepted && !message->expired)
            CHECK(message->delivered > 0, "message %llu of %u to %u was ACCEPTED and is lost", id,
                  message->from, message->to);
        if ((message->accepted || message->fate == FATE_DELIVERED) && !message->refused &&
            !message->expired) {
            CHECK(message->seen, "message %llu of %u to %u came out of order: its recipient has dropped it",
                  id, message->from, message->to);
            CHECK(message->receipt, "message %llu of %u to %u: no receipt", id, message->from, message->to);
        }
    }
}
