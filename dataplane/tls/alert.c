/* SPDX-License-Identifier: BSD-3-Clause */
#include "tls/record.h"

/* Alerts of RFC 8446 6. */
enum alert {
    ALERT_CLOSE_NOTIFY = 0,
    ALERT_UNEXPECTED_MESSAGE = 10,
    ALERT_BAD_RECORD_MAC = 20,
    ALERT_RECORD_OVERFLOW = 22,
    ALERT_HANDSHAKE_FAILURE = 40,
    ALERT_ILLEGAL_PARAMETER = 47,
    ALERT_DECODE_ERROR = 50,
    ALERT_PROTOCOL_VERSION = 70,
    ALERT_INTERNAL_ERROR = 80
};

uint8_t tls_alert_number(enum wax_status why)
{
    switch (why) {
    case WAX_OK:
    case WAX_TLS_CLOSE_NOTIFY:
        return ALERT_CLOSE_NOTIFY;
    case WAX_TLS_RECORD_TYPE:
    case WAX_TLS_BAD_PADDING: /* RFC 8446 5.4 */
    case WAX_TLS_RECORD_EMPTY:
    case WAX_TLS_RECORDS_EMPTY:
    case WAX_TLS_INTERLEAVED:
    case WAX_TLS_POST_HANDSHAKE:
    case WAX_TLS_KEY_UPDATE_RATE:
        return ALERT_UNEXPECTED_MESSAGE;
    case WAX_TLS_BAD_TAG:
    case WAX_TLS_RECORD_SHORT:
        return ALERT_BAD_RECORD_MAC;
    case WAX_TLS_RECORD_LENGTH:
        return ALERT_RECORD_OVERFLOW;
    case WAX_TLS_KEY_UPDATE_VALUE: /* RFC 8446 4.6.3 */
        return ALERT_ILLEGAL_PARAMETER;
    case WAX_TLS_MESSAGE_LENGTH:
        return ALERT_DECODE_ERROR;
    case WAX_TLS_RECORD_VERSION:
        return ALERT_PROTOCOL_VERSION;
    case WAX_TLS_HANDSHAKE:
    case WAX_TLS_SUITE:
        return ALERT_HANDSHAKE_FAILURE;
    default:
        return ALERT_INTERNAL_ERROR;
    }
}
