/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The relay protocol's numbers and layouts (docs/protocol.md), for every program that
 * speaks it. Offsets are from the frame's first byte; all integers are big-endian.
 */
#ifndef WAXWIRE_WIRE_H
#define WAXWIRE_WIRE_H

#include "waxwire/limits.h"

#define WIRE_VERSION        1u
#define WIRE_SUBPROTOCOL    "waxwire.v1"
#define WIRE_PATH_RELAY     "/v1/relay"
#define WIRE_PATH_MEDIA     "/v1/media"
#define WIRE_PATH_HEALTH    "/healthz"
#define WIRE_EXPORTER_LABEL "EXPORTER-waxwire-v1"

/* What signatures are over begins with these, NUL included. */
#define WIRE_PROOF_CONTEXT      "waxwire v1 proof"
#define WIRE_KEYS_CONTEXT       "waxwire v1 keys"
#define WIRE_PROOF_SIGNED_BYTES (17u + 16u + 32u + 16u + 2u + 32u)

_Static_assert(sizeof WIRE_PROOF_CONTEXT == 17, "16 bytes and a zero byte");
_Static_assert(sizeof WIRE_KEYS_CONTEXT == 16, "15 bytes and a zero byte");

enum wire_type {
    /* client to relay */
    WIRE_HELLO = 0x01,
    WIRE_PROOF = 0x02,
    WIRE_SEND = 0x10,
    WIRE_SEND_MULTI = 0x11,
    WIRE_ACK = 0x12,
    WIRE_READ = 0x13,
    WIRE_KEYS_PUT = 0x20,
    WIRE_KEYS_GET = 0x21,
    WIRE_BLOCK = 0x30,
    WIRE_DEVICE = 0x31,
    /* relay to client */
    WIRE_CHALLENGE = 0x81,
    WIRE_WELCOME = 0x82,
    WIRE_DELIVER = 0x90,
    WIRE_STATUS = 0x92,
    WIRE_KEYS_OK = 0xA0,
    WIRE_KEYS = 0xA1,
    WIRE_KEYS_LOW = 0xA2,
    WIRE_OK = 0xB0,
    WIRE_DEVICES = 0xB1,
    WIRE_ERROR = 0xFF,
};

/* Fixed parts of the frames, in bytes. */
#define WIRE_HELLO_BYTES        58u /* up to and with the token's length */
#define WIRE_PROOF_BYTES        72u
#define WIRE_SEND_BYTES         32u
#define WIRE_SEND_MULTI_BYTES   24u
#define WIRE_MULTI_ENTRY_BYTES  20u
#define WIRE_ACK_BYTES          8u
#define WIRE_READ_BYTES         8u
#define WIRE_READ_ENTRY_BYTES   28u
#define WIRE_CHALLENGE_BYTES    64u
#define WIRE_WELCOME_BYTES      44u /* up to and with the token's length */
#define WIRE_DELIVER_BYTES      44u
#define WIRE_STATUS_BYTES       8u
#define WIRE_STATUS_ENTRY_BYTES 28u
#define WIRE_ERROR_BYTES        8u
#define WIRE_KEYS_PUT_BYTES     12u /* up to the bundle */
#define WIRE_KEYS_GET_BYTES     24u
#define WIRE_DEVICE_BYTES       8u
#define WIRE_BLOCK_BYTES        24u
#define WIRE_KEYS_OK_BYTES      12u
#define WIRE_KEYS_BYTES         56u /* up to the devices */
#define WIRE_KEYS_LOW_BYTES     8u
#define WIRE_OK_BYTES           8u
#define WIRE_DEVICES_BYTES      8u
#define WIRE_DEVICES_ENTRY      12u
/* KEYS of an account with as many devices as it may have, each with the largest bundle and one-time key. */
#define WIRE_KEYS_BYTES_MAX                                                                                  \
    (WIRE_KEYS_BYTES + WAX_DEVICES_PER_USER_MAX * (4u + WAX_BUNDLE_BYTES_MAX + WAX_SIGNATURE_BYTES + 2u +    \
                                                   WAX_ONE_TIME_KEY_BYTES_MAX))

/* Flags. */
#define WIRE_HELLO_RESUME        0x00000001u
#define WIRE_HELLO_BINDING       0x00000002u
#define WIRE_HELLO_SEND_ONLY     0x00000004u
#define WIRE_PROOF_BINDING       0x01u
#define WIRE_SEND_EPHEMERAL      0x01u
#define WIRE_SEND_URGENT         0x02u
#define WIRE_SEND_SILENT         0x04u
#define WIRE_WELCOME_NEW_ACCOUNT 0x01u
#define WIRE_WELCOME_RESUMED     0x02u
#define WIRE_DELIVER_AGAIN       0x01u
#define WIRE_DELIVER_URGENT      0x02u
#define WIRE_DELIVER_EPHEMERAL   0x04u
#define WIRE_DELIVER_MULTI       0x08u
#define WIRE_DELIVER_STORED      0x10u
#define WIRE_WAITING_UNKNOWN     0xFFFFFFFFu
#define WIRE_KEYS_PUT_REPLACE    0x01u
#define WIRE_KEYS_GET_TAKE       0x01u
#define WIRE_KEYS_UNKNOWN        0x01u
#define WIRE_DEVICES_CONNECTED   0x0001u

enum wire_device_what {
    WIRE_DEVICE_LIST = 1,
    WIRE_DEVICE_REMOVE = 2,
    WIRE_DEVICE_DELETE_ACCOUNT = 3,
};

enum wire_block_what {
    WIRE_BLOCK_USER = 1,
    WIRE_BLOCK_UNBLOCK = 2,
    WIRE_BLOCK_ONLY_ALLOWED = 3,
    WIRE_BLOCK_ALLOW = 4,
    WIRE_BLOCK_EVERYONE = 5,
};

enum wire_status_kind {
    WIRE_ACCEPTED = 1,
    WIRE_DELIVERED = 2,
    WIRE_READ_BY = 3,
    WIRE_REJECTED = 4,
};

enum wire_reason {
    WIRE_REASON_NONE = 0,
    WIRE_REASON_UNKNOWN_USER = 1,
    WIRE_REASON_UNKNOWN_DEVICE = 2,
    WIRE_REASON_BLOCKED = 3,
    WIRE_REASON_RATE = 4,
    WIRE_REASON_MAILBOX_FULL = 5,
    WIRE_REASON_TOO_LARGE = 6,
    WIRE_REASON_EXPIRED = 7,
    WIRE_REASON_BUSY = 8,
    WIRE_REASON_MALFORMED = 9,
    WIRE_REASON_NOT_CONNECTED = 10,
};

enum wire_error {
    WIRE_ERROR_MALFORMED = 1,
    WIRE_ERROR_NOT_AUTHENTICATED = 2,
    WIRE_ERROR_BAD_PROOF = 3,
    WIRE_ERROR_VERSION = 4,
    WIRE_ERROR_NOT_INVITED = 5,
    WIRE_ERROR_SUSPENDED = 6,
    WIRE_ERROR_TIMEOUT = 7,
    WIRE_ERROR_TOO_SLOW = 8,
    WIRE_ERROR_DISPLACED = 9,
    WIRE_ERROR_DEVICES = 10,
    WIRE_ERROR_FATAL_MAX = 127, /* codes from 128 leave the session open */
    WIRE_ERROR_UNKNOWN_REQUEST = 130,
    WIRE_ERROR_RATE = 131,
    WIRE_ERROR_KEYS = 132,
};

/* WebSocket close codes (RFC 6455 7.4.1, and 4000 + a fatal ERROR's code). */
#define WIRE_CLOSE_NORMAL     1000u
#define WIRE_CLOSE_PROTOCOL   1002u
#define WIRE_CLOSE_TEXT       1003u
#define WIRE_CLOSE_TOO_BIG    1009u
#define WIRE_CLOSE_RESTART    1012u
#define WIRE_CLOSE_TRY_LATER  1013u
#define WIRE_CLOSE_TRY_LATER  1013u
#define WIRE_CLOSE_ERROR_BASE 4000u

#endif
