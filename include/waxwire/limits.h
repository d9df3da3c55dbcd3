/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every limit of the appliance, by name. Sizes that an operator may change are the
 * defaults or the ceilings of a configuration key; the rest are fixed by the wire
 * protocol (docs/protocol.md) or by the layout of the program.
 */
#ifndef WAXWIRE_LIMITS_H
#define WAXWIRE_LIMITS_H

/* The machine. */
#define WAX_CACHE_LINE_BYTES      64u
#define WAX_WORKERS_MAX           64u
#define WAX_PORTS_MAX             8u
#define WAX_LISTENERS_MAX         8u
#define WAX_BURST_MAX             64u
#define WAX_HANDSHAKE_THREADS_MAX 16u
#define WAX_OPENS_PER_S_MAX       10000u /* connections that one address may open */
#define WAX_OPENS_BURST_MAX       100000u
#define WAX_TRACE_RING_EVENTS     1024u
#define WAX_TRACE_EVENTS_PER_S    10000u /* that a worker hands to control */
#define WAX_TRACE_BURST           1024u
#define WAX_PACE_BURST_BYTES      16384u /* of a transfer that may leave at once, beyond it is paced */
#define WAX_PACES                 64u    /* transfers of which a worker remembers the pace exactly */
#define WAX_TRAIN_BYTES           60000u /* of payload that leave as one frame for the port to cut */
#define WAX_TRAIN_CARS            32u    /* segments of them */
#define WAX_TRACES_MAX            8u     /* connections or addresses watched at a time, a worker */

/* Names of the protocol. */
#define WAX_USER_BYTES           16u
#define WAX_ACCOUNT_KEY_BYTES    32u
#define WAX_SIGNATURE_BYTES      64u
#define WAX_NONCE_BYTES          32u
#define WAX_CLIENT_NONCE_BYTES   16u
#define WAX_RELAY_ID_BYTES       16u
#define WAX_BINDING_BYTES        32u
#define WAX_TOKEN_BYTES_MAX      512u
#define WAX_INVITE_BYTES_MAX     128u
#define WAX_DEVICES_PER_USER_MAX 32u

/* Frames of the protocol. */
#define WAX_FRAME_BYTES_MAX       (1u << 20)
#define WAX_PAYLOAD_BYTES_DEFAULT (64u << 10)
#define WAX_PAYLOAD_BYTES_MAX     (WAX_FRAME_BYTES_MAX - 64u)
#define WAX_MULTI_RECIPIENTS_MAX  1024u
#define WAX_STATUS_ENTRIES_MAX    512u
#define WAX_ERROR_TEXT_BYTES_MAX  128u

/* Requests of sessions that the control plane answers. */
#define WAX_BUNDLE_BYTES_MAX         8192u
#define WAX_ONE_TIME_KEY_BYTES_MAX   4096u
#define WAX_ONE_TIME_KEYS_PUT_MAX    200u  /* in one KEYS_PUT */
#define WAX_ONE_TIME_KEYS_MAX        1000u /* held of a device */
#define WAX_ONE_TIME_KEYS_LOW        20u   /* with fewer the device is told */
#define WAX_REQUESTS_PER_SESSION     4u    /* unanswered; more are ERROR 131 */
#define WAX_REQUESTS_PER_WORKER      256u
#define WAX_REQUEST_QUEUED_MAX       (64u << 10) /* bytes that a client has not read, with which it may ask */
#define WAX_KEYS_TAKES_BURST         512u        /* KEYS_GETs with one-time keys, by an account and of one */
#define WAX_KEYS_TAKE_MS             10000u      /* until one more of them is allowed */
#define WAX_REQUESTS_BURST           1000u       /* of an account */
#define WAX_REQUEST_MS               20u         /* until one more of them is allowed */
#define WAX_POLICY_USERS_MAX         1024u       /* that an account blocks, and that it allows */
#define WAX_MAILBOX_MESSAGES_DEFAULT 100000u     /* that wait for an account */
#define WAX_MAILBOX_MIB_DEFAULT      1024u
#define WAX_INVITE_USES_MAX          1000u /* accounts that one invite lets be made */

/* Windows and clocks of the protocol. */
#define WAX_SEND_WINDOW_DEFAULT  256u
#define WAX_SEND_WINDOW_MAX      4096u
#define WAX_HOME_WINDOW_MESSAGES 256u
#define WAX_HOME_WINDOW_BYTES    (512u << 10)
#define WAX_ACK_STORE_MS         1000u
#define WAX_ACK_TIMEOUT_MS       60000u
#define WAX_EPHEMERAL_TIMEOUT_MS 1000u
#define WAX_HELLO_TIMEOUT_MS     10000u
#define WAX_PROOF_TIMEOUT_MS     10000u
#define WAX_LOGIN_TIMEOUT_MS     30000u
#define WAX_PROXY_TIMEOUT_MS     3000u
#define WAX_HTTP_TIMEOUT_MS      10000u
#define WAX_CLOSE_TIMEOUT_MS     5000u
#define WAX_TLS_TIMEOUT_MS       10000u
#define WAX_TLS_PRESSED_MS       3000u  /* the same while others wait */
#define WAX_CONTROL_PATIENCE_MS  10000u /* that requests wait for a control plane that is being replaced */
#define WAX_VACATE_PATIENCE_MS                                                                               \
    10000u /* for what holds up a session that is to end, behind the time for all */
#define WAX_VACATE_S_MAX        86400u
#define WAX_HEARTBEAT_S_DEFAULT 240u
#define WAX_SENDS_PER_S_MAX     1000000u /* that somebody may be held to */
#define WAX_SENDS_BURST_MAX     1000000u
#define WAX_TTL_S_DEFAULT       (30u * 24u * 3600u)

/* HTTP and WebSocket. */
#define WAX_HTTP_HEAD_BYTES_MAX  8192u
#define WAX_WS_CONTROL_BYTES_MAX 125u
#define WAX_WS_HEADER_BYTES_MAX  14u

/* TLS 1.3 (RFC 8446 5.1, 5.2). */
#define WAX_TLS_PLAINTEXT_BYTES_MAX (1u << 14)
#define WAX_TLS_RECORD_BYTES_MAX    (5u + WAX_TLS_PLAINTEXT_BYTES_MAX + 256u)
#define WAX_TLS_HEADER_BYTES        5u
#define WAX_TLS_TAG_BYTES           16u
/* Records in a row that bring nothing (empty ones, or padding alone). */
#define WAX_TLS_EMPTY_RECORDS_MAX 15u
/* A peer may change its keys so often at once, and once more after each interval. */
#define WAX_TLS_KEY_UPDATES_MAX 32u
#define WAX_TLS_KEY_UPDATE_US   1000000u

/* Session tickets: a key is honoured for a day after another has taken its place. */
#define WAX_TICKET_KEYS_MAX  32u
#define WAX_TICKETS_MAX      4u
#define WAX_TICKET_MS        86400000u
#define WAX_TICKET_KEY_S_MIN 3600u
#define WAX_TICKET_KEY_S_MAX 86400u
#define WAX_CERTIFICATES_MAX 16u

/* Resume and media tokens: a key is replaced four times in a token's life, and honoured for one more. */
#define WAX_TOKEN_KEYS_MAX     8u
#define WAX_TOKEN_KEYS_A_LIFE  4u
#define WAX_TOKENS_REVOKED_MAX 256u /* beyond it all tokens go stale */
#define WAX_TOKEN_S_DEFAULT    (30u * 24u * 3600u)
#define WAX_TOKEN_S_MIN        3600u
#define WAX_TOKEN_S_MAX        (365u * 24u * 3600u)

/* Memory that every connection draws from. */
#define WAX_BLOCK_BYTES            2048u
#define WAX_CONN_SEND_BYTES_MAX    (2u << 20)
#define WAX_CONN_RECEIVE_BYTES_MAX (256u << 10)
#define WAX_CONN_PARKED_BYTES_MAX  (64u << 10)

/* Rings between workers and the channel to the control plane. */
#define WAX_MESH_RETURN_SLOTS        4096u
#define WAX_MESH_SEND_SLOTS          1024u
#define WAX_CHANNEL_RING_BYTES       (4u << 20)
#define WAX_CHANNEL_RECORD_BYTES_MAX (WAX_FRAME_BYTES_MAX + 512u)

/* The store. */
#define WAX_STORE_SHARDS          16u
#define WAX_STORE_PURGE_S_DEFAULT 60u
#define WAX_STORE_PURGE_S_MIN     5u
#define WAX_STORE_PURGE_S_MAX     86400u

/* Wake-ups of devices that are offline. */
#define WAX_WAKES_MAX                65536u /* devices that wait to be told of, for a gateway */
#define WAX_WAKE_INTERVAL_MS_DEFAULT 5000u  /* between two events of one device */
#define WAX_WAKE_INTERVAL_MS_MAX     3600000u

/* Media. */
#define WAX_MEDIA_ID_BYTES      32u
#define WAX_MEDIA_TRANSFERS_MAX 1024u  /* of a worker at a time */
#define WAX_MEDIA_PIECE_BYTES   16384u /* of a blob in one record of the channel */
#define WAX_MEDIA_RING_BYTES                                                                                 \
    (WAX_CHANNEL_RING_BYTES / 4u) /* of a ring that pieces may fill; the rest is relay's */
#define WAX_MEDIA_WINDOW_BYTES_MIN                                                                           \
    (16u << 10) /* that a download has under way, from control to the client's ACK */
#define WAX_MEDIA_WINDOW_BYTES_FIRST (64u << 10) /* until its client has acknowledged something */
#define WAX_MEDIA_WINDOW_BYTES_MAX   (1u << 20)
#define WAX_MEDIA_BLOCKS_PART        4u     /* of a worker's blocks, one n-th for all downloads together */
#define WAX_MEDIA_IDLE_MS            60000u /* in which a transfer must move on, by as many bytes: */
#define WAX_MEDIA_PROGRESS_BYTES     16384u
#define WAX_MEDIA_BUFFER_BYTES       (64u << 10) /* of control's, one write or read of a file */
#define WAX_MEDIA_WRITE_BUFFERS      1024u       /* of all uploads together */
#define WAX_MEDIA_UPLOAD_BUFFERS     4u          /* of one upload, at most; each has one */
#define WAX_MEDIA_READ_BUFFERS       64u         /* of all downloads together */
#define WAX_MEDIA_USER_UPLOADS_MAX   16u         /* of one account at a time */
#define WAX_MEDIA_FREE_BYTES_MIN     (64u << 20) /* of the disk, that uploads leave free */
#define WAX_MEDIA_BYTES_DEFAULT      (1u << 30)
#define WAX_MEDIA_TTL_S_DEFAULT      (30u * 24u * 3600u)
#define WAX_MEDIA_QUOTA_MIB_DEFAULT  4096u

_Static_assert(WAX_BURST_MAX <= 64u, "a burst's marks fit one 64-bit word");
_Static_assert((WAX_TRACE_RING_EVENTS & (WAX_TRACE_RING_EVENTS - 1u)) == 0, "rings are powers of two");
_Static_assert(WAX_TRAIN_BYTES + 160u <= 65535u, "a train's length fits the headers of IP");
_Static_assert(WAX_TRACES_MAX <= 32u, "watches fit the bits of a word");
_Static_assert(WAX_TICKET_KEYS_MAX >= WAX_TICKET_MS / 1000u / WAX_TICKET_KEY_S_MIN + 2u,
               "all keys of a day have room, and the current one");
_Static_assert(WAX_TOKEN_KEYS_MAX >= WAX_TOKEN_KEYS_A_LIFE + 2u,
               "all keys of a token's life have room, and the current one");
_Static_assert(WAX_WORKERS_MAX <= 64u, "doorbells of all workers fit one 64-bit word");
_Static_assert((WAX_MESH_RETURN_SLOTS & (WAX_MESH_RETURN_SLOTS - 1u)) == 0, "rings are powers of two");
_Static_assert((WAX_MESH_SEND_SLOTS & (WAX_MESH_SEND_SLOTS - 1u)) == 0, "rings are powers of two");
_Static_assert((WAX_CHANNEL_RING_BYTES & (WAX_CHANNEL_RING_BYTES - 1u)) == 0, "rings are powers of two");
_Static_assert(WAX_CHANNEL_RING_BYTES >= 2u * WAX_CHANNEL_RECORD_BYTES_MAX,
               "a ring holds two of the largest records");
_Static_assert(WAX_PAYLOAD_BYTES_DEFAULT <= WAX_PAYLOAD_BYTES_MAX, "the default payload is allowed");
_Static_assert(WAX_HOME_WINDOW_MESSAGES >= 64u, "the protocol promises a window of 64 or more");
_Static_assert(WAX_CONN_SEND_BYTES_MAX >= 2u * WAX_HOME_WINDOW_BYTES + WAX_FRAME_BYTES_MAX / 2u,
               "a whole window fits the send queue of a connection");
_Static_assert(WAX_SEND_WINDOW_DEFAULT <= WAX_SEND_WINDOW_MAX, "the default window is allowed");
_Static_assert(WAX_MEDIA_PIECE_BYTES >= WAX_TLS_PLAINTEXT_BYTES_MAX,
               "what one record of TLS brings fits a piece");
_Static_assert(WAX_MEDIA_WINDOW_BYTES_MAX <= WAX_CONN_SEND_BYTES_MAX / 2u, "a download fits the send queue");

#endif
