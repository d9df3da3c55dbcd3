/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The C client library: one session of the relay protocol (docs/protocol.md).
 *
 * The core (wax_client_…) does no input or output: bytes in, bytes out, time handed in. It speaks
 * HTTP, WebSocket and the protocol's frames over whatever stream the caller has. The loop
 * (wax_loop_…) drives a core over a kernel socket, with TLS 1.3 by OpenSSL, and reconnects.
 *
 * Custody as the protocol asks for it: the core keeps each message until the relay has answered
 * it and sends it again, same id, in order, after a reconnect; it acknowledges deliveries by
 * itself once the event handler has returned, and hides duplicates.
 *
 * Nothing here is thread-safe; a client and its loop belong to one thread. `now_us` is a
 * monotonic clock in microseconds, `now_ms` the wall clock in milliseconds since 1970.
 */
#ifndef WAXWIRE_CLIENT_H
#define WAXWIRE_CLIENT_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/limits.h"
#include "waxwire/status.h"
#include "waxwire/wire.h"

/* ---- identity: the account key that a person's devices share ---- */

#define WAX_SECRET_KEY_BYTES 64u                       /* Ed25519 as libsodium keeps it: seed, public key */
#define WAX_USER_TEXT_BYTES  (2u * WAX_USER_BYTES + 1) /* hexadecimal and a NUL */

struct wax_identity {
    uint8_t account_key[WAX_ACCOUNT_KEY_BYTES];
    uint8_t secret_key[WAX_SECRET_KEY_BYTES];
    uint8_t user[WAX_USER_BYTES]; /* BLAKE2b-16 of the account key */
};

/*
 * Makes the identity of an Ed25519 seed of 32 bytes. Wipe it by wax_identity_wipe.
 */
void wax_identity_from_seed(struct wax_identity *out, const uint8_t seed[32]);

/*
 * Reads the identity kept in `path`; when there is no such file and `create` is set, makes a new
 * one (mode 0600, never over an existing file, synced before it returns).
 * Returns WAX_OK, WAX_NOT_FOUND, WAX_CLIENT_KEY_FILE (unreadable, unwritable or not a key file) or
 * WAX_CLIENT_KEY_MODE (others may read it).
 */
enum wax_status wax_identity_load(struct wax_identity *out, const char *path, bool create);

void wax_identity_wipe(struct wax_identity *identity);

/*
 * The user id of an account key.
 */
void wax_user_of_key(uint8_t user[WAX_USER_BYTES], const uint8_t account_key[WAX_ACCOUNT_KEY_BYTES]);

/*
 * A user id as 32 hexadecimal digits and back. Parsing returns false unless `text` is exactly that.
 */
void wax_user_text(char text[WAX_USER_TEXT_BYTES], const uint8_t user[WAX_USER_BYTES]);
bool wax_user_parse(uint8_t user[WAX_USER_BYTES], const char *text);

/* ---- events ---- */

enum wax_client_event_kind {
    WAX_CLIENT_OPENED,  /* WELCOME has come: the session is open */
    WAX_CLIENT_MESSAGE, /* a message for us; acknowledged when the handler has returned */
    WAX_CLIENT_STATUS,  /* the relay's word on a message of ours */
    WAX_CLIENT_REPLY,   /* the answer to a request, or KEYS_LOW */
    WAX_CLIENT_ERROR,   /* an ERROR frame; a code below 128 is followed by WAX_CLIENT_CLOSED */
    WAX_CLIENT_CLOSED,  /* the session has ended, once for each transport */
};

struct wax_client_opened {
    uint8_t flags; /* WIRE_WELCOME_… */
    uint16_t heartbeat_s;
    uint32_t payload_max;
    uint32_t window;
    uint32_t waiting; /* stored messages, or WIRE_WAITING_UNKNOWN */
    uint64_t relay_ms;
    struct view media_token;
};

struct wax_client_incoming {
    uint8_t sender[WAX_USER_BYTES];
    uint16_t sender_device;
    uint8_t flags;     /* WIRE_DELIVER_… */
    uint32_t sequence; /* 0: silent, not acknowledged */
    uint64_t id;
    uint64_t taken_ms; /* when the relay took it */
    struct view head;  /* empty unless from a SEND_MULTI */
    struct view payload;
};

struct wax_client_answer {
    uint8_t kind;   /* enum wire_status_kind */
    uint8_t reason; /* enum wire_reason */
    bool first;     /* it ended our custody: the message is no longer kept here */
    bool local;     /* not from the relay: an ephemeral message was unanswered at the session's end */
    uint16_t recipient_device;
    uint64_t id;
    uint8_t recipient[WAX_USER_BYTES];
};

struct wax_client_reply {
    uint8_t type;      /* WIRE_KEYS_OK, WIRE_KEYS, WIRE_OK, WIRE_DEVICES or WIRE_KEYS_LOW */
    uint32_t request;  /* that it answers; 0: KEYS_LOW */
    struct view frame; /* all of it: waxwire/request.h reads it */
};

struct wax_client_error {
    uint8_t code; /* enum wire_error */
    uint32_t request;
    struct view text;
};

struct wax_client_closed {
    enum wax_status status; /* why: WAX_OK for a close that was asked for, WAX_WS_CLOSED by the relay */
    uint16_t close_code;    /* the relay's WebSocket close code, 0 when none came */
    uint16_t http_status;   /* of a refused upgrade, else 0 */
    uint8_t error;          /* code of the fatal ERROR that came before, else 0 */
};

struct wax_client_event {
    enum wax_client_event_kind kind;
    union {
        struct wax_client_opened opened;
        struct wax_client_incoming message;
        struct wax_client_answer status;
        struct wax_client_reply reply;
        struct wax_client_error error;
        struct wax_client_closed closed;
    };
};

/* ---- the core ---- */

struct wax_client;

struct wax_client_config {
    struct wax_identity identity;
    uint16_t device;          /* 1 to 65535 */
    bool send_only;           /* ask for no deliveries */
    bool no_resume;           /* always prove the key, never use the resume token */
    const char *host;         /* for the Host header; copied */
    uint32_t kept_bytes_max;  /* of messages not answered yet; 0: 64 MiB */
    uint32_t ack_delay_ms;    /* 0 to 900: how long a delivery may wait for its ACK (within 16 of them) */
    uint32_t open_timeout_ms; /* from the transport to WELCOME; 0: 15 s */
    uint8_t seed[32];         /* randomness for nonces, masks and tables: never the same twice */
    /* Called for each event from inside the other functions. What it points to lives until the handler
       returns. The handler may call wax_client_send and wax_client_close, nothing else. */
    void (*event)(void *context, const struct wax_client_event *event);
    void *context;
};

/*
 * Makes a client. Owns copies of everything in `config`. Returns WAX_OK, WAX_BAD_ARGUMENT or WAX_NO_MEMORY.
 */
enum wax_status wax_client_create(struct wax_client **out, const struct wax_client_config *config);

/*
 * Frees a client and the messages it keeps. NULL is allowed.
 */
void wax_client_destroy(struct wax_client *client);

/*
 * A fresh transport is there (after the first, this is a reconnect): queues the upgrade request. `binding` is
 * the TLS exporter of it (32 bytes), or NULL where there is none.
 * Must be called again only after the last transport's WAX_CLIENT_CLOSED.
 */
enum wax_status wax_client_connected(struct wax_client *client, const uint8_t *binding, uint64_t now_us);

/*
 * Takes bytes that came from the transport (changed in place: unmasked). Raises events. Returns WAX_OK, or
 * why the session ended (then WAX_CLIENT_CLOSED has been raised; write the output out, then close the
 * transport).
 */
enum wax_status wax_client_input(struct wax_client *client, struct span bytes, uint64_t now_us);

/*
 * Bytes for the transport, in order; empty when there is nothing to write now. The view lives until the next
 * call of any function here. wax_client_written says how many of them the transport took.
 */
struct view wax_client_output(struct wax_client *client);
void wax_client_written(struct wax_client *client, size_t bytes);

/*
 * Time has passed: sends a delayed ACK, pings, notices a dead relay. Call it at or after wax_client_next_us
 * (UINT64_MAX: no timer). Returns as wax_client_input does.
 */
enum wax_status wax_client_tick(struct wax_client *client, uint64_t now_us);
uint64_t wax_client_next_us(const struct wax_client *client);

/*
 * The transport has ended under the client (`why`: WAX_TCP_RESET, WAX_TLS_ALERT, … or WAX_OK for its plain
 * end). Raises WAX_CLIENT_CLOSED unless it has been raised.
 */
void wax_client_disconnected(struct wax_client *client, enum wax_status why);

struct wax_client_message {
    uint8_t recipient[WAX_USER_BYTES];
    uint16_t recipient_device;
    uint8_t flags;  /* WIRE_SEND_… */
    uint32_t ttl_s; /* 0: the relay's default */
    struct view payload;
};

/*
 * Takes custody of a message: copies it, gives it the next id (*id; rising from now_ms times 2^20) and sends
 * it as soon as the session and the window allow, again after each reconnect until it is answered. A message
 * that is ephemeral is forgotten when its session ends unanswered (event with `local`), a silent one is never
 * kept. Returns WAX_OK, WAX_FULL (kept_bytes_max), WAX_NO_MEMORY, WAX_BAD_ARGUMENT (payload above
 * WAX_PAYLOAD_BYTES_MAX) or WAX_CLIENT_NOT_OPEN (silent, and no session is open).
 */
enum wax_status wax_client_send(struct wax_client *client, const struct wax_client_message *message,
                                uint64_t now_ms, uint64_t *id);

/*
 * Requests. Each is answered once, by WAX_CLIENT_REPLY or by WAX_CLIENT_ERROR with its number (*request), or
 * not at all when the session ends before: then ask again. At most four may be unanswered (ERROR 131). They
 * return WAX_OK, WAX_CLIENT_NOT_OPEN, WAX_NO_MEMORY, or WAX_BAD_ARGUMENT (keys_put: an empty bundle or key,
 * or one beyond the protocol's limits). Not to be called from the event handler. device: `what` is 1 list
 * (DEVICES), 2 remove that device, 3 delete the account. block: `what` is 1 block, 2 unblock, 3 accept only
 * those allowed, 4 allow, 5 accept everyone; `user` may be NULL for 3 and 5. keys_get: of a device, or of all
 * (0); `take` asks for a one-time key of each (KEYS). keys_put: our device's bundle, signed by the account
 * key, and `count` one-time keys, which join those held or `replace` them (KEYS_OK).
 */
enum wax_status wax_client_device(struct wax_client *client, uint8_t what, uint16_t device,
                                  uint32_t *request);
enum wax_status wax_client_block(struct wax_client *client, uint8_t what, const uint8_t *user,
                                 uint32_t *request);
enum wax_status wax_client_keys_get(struct wax_client *client, const uint8_t user[WAX_USER_BYTES],
                                    uint16_t device, bool take, uint32_t *request);
enum wax_status wax_client_keys_put(struct wax_client *client, struct view bundle, const struct view *keys,
                                    uint16_t count, bool replace, uint32_t *request);

/*
 * Tells the sender of a message that it has been read (READ), behind the ACK of what has been delivered.
 * Nothing answers it. Returns WAX_OK, WAX_CLIENT_NOT_OPEN or WAX_NO_MEMORY. Not to be called from the event
 * handler.
 */
enum wax_status wax_client_read(struct wax_client *client, const uint8_t sender[WAX_USER_BYTES],
                                uint16_t sender_device, uint64_t id);

/*
 * Sends one WebSocket ping; the answer is not an event, it only counts as a sign of life.
 */
enum wax_status wax_client_ping(struct wax_client *client);

/*
 * Begins a clean end (close 1000). WAX_CLIENT_CLOSED comes with the relay's answer.
 */
void wax_client_close(struct wax_client *client, uint64_t now_us);

/*
 * True between WAX_CLIENT_OPENED and the close, from either side.
 */
bool wax_client_is_open(const struct wax_client *client);

/*
 * True after WAX_CLIENT_CLOSED: nothing more is read; write out wax_client_output, then end the transport.
 */
bool wax_client_is_closed(const struct wax_client *client);

/*
 * Messages that the relay has not answered yet (written or not).
 */
uint32_t wax_client_unanswered(const struct wax_client *client);

/* ---- the loop: a core over a kernel socket ---- */

struct wax_loop;

struct wax_loop_config {
    const char *host; /* name or address to connect to */
    uint16_t port;
    const char *name;    /* what the certificate must be for, and SNI; NULL: `host` */
    const char *ca_file; /* PEM of the authorities to trust; NULL: the system's */
    bool plain;          /* no TLS: behind a terminator, or on a trusted wire */
    bool reconnect;      /* after a lost session, with growing pauses; not where it would end the same way */
    bool retry;          /* keep trying as well while there has been no session at all */
    uint32_t connect_timeout_ms; /* for each address, with the handshake; 0: 10 s */
};

/*
 * Makes a loop and its client; the first wax_loop_turn begins to connect. `client_config->host` may be NULL
 * (the loop's name is taken) and its seed zero (the loop draws one). Returns WAX_OK, WAX_BAD_ARGUMENT,
 * WAX_NO_MEMORY or WAX_TLS_CERTIFICATE (the CA file can't be read). The program should ignore SIGPIPE.
 */
enum wax_status wax_loop_create(struct wax_loop **out, const struct wax_loop_config *config,
                                const struct wax_client_config *client_config);
void wax_loop_destroy(struct wax_loop *loop);

struct wax_client *wax_loop_client(struct wax_loop *loop);

/*
 * One turn of poll(2): waits at most `timeout_ms` (-1: until something happens), and for `extra_fd` (-1:
 * none), moves bytes, runs timers, reconnects. *extra_ready says that extra_fd can be read. Returns WAX_OK
 * while there is a session or hope of one; else why it ended for good (WAX_CLIENT_DONE after
 * wax_client_close).
 */
enum wax_status wax_loop_turn(struct wax_loop *loop, int timeout_ms, int extra_fd, bool *extra_ready);

/*
 * More than the status says about the last failure ("certificate verify failed: …"); never NULL.
 */
const char *wax_loop_reason(const struct wax_loop *loop);

/*
 * The two clocks that the functions above want.
 */
uint64_t wax_clock_us(void);
uint64_t wax_clock_ms(void);

#endif
