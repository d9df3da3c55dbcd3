/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One list of everything that can go wrong. Each line is a status that functions return,
 * a counter on the metrics page, and a text for people: whatever is refused, dropped or
 * broken is therefore counted and can be seen (`waxctl counters`).
 *
 * X(NAME, text): the enumerator is WAX_NAME. Sections belong to layers; add to your own.
 */
#ifndef WAXWIRE_STATUS_H
#define WAXWIRE_STATUS_H

/* clang-format off */
#define WAX_STATUS_BASE(X)                                                               \
    X(OK,                    "ok")                                                       \
    X(MORE,                  "more input is needed")                                     \
    X(FULL,                  "no room now, try again later")                             \
    X(NO_MEMORY,             "a pool is empty")                                          \
    X(BAD_ARGUMENT,          "an argument is out of range")                              \
    X(NOT_FOUND,             "no such thing")                                            \
    X(EXISTS,                "it is there already")

#define WAX_STATUS_NET(X)                                                                \
    X(NET_FRAME_SHORT,       "net: frame too short")                                     \
    X(NET_NOT_FOR_US,        "net: frame is for another address")                        \
    X(NET_ETHERTYPE,         "net: unknown ethertype")                                   \
    X(ARP_MALFORMED,         "arp: malformed packet")                                    \
    X(IP4_HEADER,            "ip4: bad version, header length or total length")          \
    X(IP4_CHECKSUM,          "ip4: header checksum is wrong")                            \
    X(IP4_FRAGMENT,          "ip4: fragment dropped")                                    \
    X(IP4_OPTIONS,           "ip4: source-route or malformed options")                   \
    X(IP4_SOURCE,            "ip4: source address is not a unicast address")             \
    X(IP_PROTOCOL,           "ip: unknown transport protocol")                           \
    X(ICMP_MALFORMED,        "icmp: malformed message")                                  \
    X(ICMP_RATE,             "icmp: reply rate exceeded")                                \
    X(NEIGH_UNRESOLVED,      "neigh: next hop not resolved yet")                         \
    X(NEIGH_FULL,            "neigh: cache is full")                                     \
    X(NET_ETHER_SOURCE,      "net: frame from a group or our own address")               \
    X(NET_NO_ROUTE,          "net: destination off-link and no gateway")                 \
    X(NET_TOO_BIG,           "net: packet larger than the MTU")                          \
    X(ARP_CONFLICT,          "arp: another host claims our address")                     \
    X(ICMP_CHECKSUM,         "icmp: checksum is wrong")                                  \
    X(ICMP_IGNORED,          "icmp: message of a type that is not served")               \
    X(NET_VLAN,              "net: frame of another VLAN")                               \
    X(IP6_HEADER,            "ip6: bad version or payload length")                       \
    X(IP6_SOURCE,            "ip6: address that may not be on the wire")                 \
    X(IP6_EXTENSION,         "ip6: extension headers malformed or too many")             \
    X(IP6_OPTION,            "ip6: option that must be understood, and is not")          \
    X(IP6_ROUTING,           "ip6: source route refused")                                \
    X(IP6_FRAGMENT,          "ip6: fragment dropped")                                    \
    X(ND_MALFORMED,          "nd: message breaks a rule of validity")                    \
    X(ND_DUPLICATE,          "nd: another host has our address, it is not used")         \
    X(ND_CONFLICT,           "nd: another host claims our address")                      \
    X(ND_ROUTERS,            "nd: more routers than are followed")

#define WAX_STATUS_TCP(X)                                                                \
    X(TCP_HEADER,            "tcp: bad header length")                                   \
    X(TCP_CHECKSUM,          "tcp: checksum is wrong")                                   \
    X(TCP_OPTIONS,           "tcp: malformed options")                                   \
    X(TCP_NO_LISTENER,       "tcp: no listener on this port")                            \
    X(TCP_NO_CONNECTION,     "tcp: segment belongs to no connection")                    \
    X(TCP_CONNS_FULL,        "tcp: connection limit reached")                            \
    X(TCP_HALF_OPEN_FULL,    "tcp: half-open limit reached")                             \
    X(TCP_ICMP_STALE,        "tcp: ICMP error about nothing that is in flight")          \
    X(TCP_ICMP_SOFT,         "tcp: ICMP error noted, the connection goes on")            \
    X(TCP_MTU_LOWERED,       "tcp: smaller segments for a narrow path")                  \
    X(TCP_UNREACHABLE,       "tcp: ICMP says nobody is there")                           \
    X(TCP_ADDRESS_FULL,      "tcp: an address has as many connections as it may")        \
    X(TCP_PREFIX_FULL,       "tcp: a network has as many connections as it may")         \
    X(TCP_ADDRESS_RATE,      "tcp: an address opens connections too fast")               \
    X(TCP_QUOTA_CROWDED,     "tcp: connection not counted for its address or network")   \
    X(TCP_COOKIE_BAD,        "tcp: acknowledges no SYN cookie of ours")                  \
    X(TCP_OUT_OF_WINDOW,     "tcp: segment outside the window")                          \
    X(TCP_PAWS,              "tcp: timestamp too old")                                   \
    X(TCP_NO_TIMESTAMP,      "tcp: segment lacks the timestamp agreed on")                \
    X(TCP_NO_ACK,            "tcp: segment without ACK")                                 \
    X(TCP_SPOOFED,           "tcp: port 0, or from ourselves")                           \
    X(TCP_BAD_ACK,           "tcp: acknowledges what was never sent")                    \
    X(TCP_BAD_SYN,           "tcp: SYN in a synchronized state")                         \
    X(TCP_BAD_RST,           "tcp: RST with a sequence that is not the next one")        \
    X(TCP_RESET,             "tcp: reset by the peer")                                   \
    X(TCP_TIMEOUT,           "tcp: gave up retransmitting")                              \
    X(TCP_BLOCKS_EMPTY,      "tcp: no block for received or sent bytes")                 \
    X(TCP_REASSEMBLY_FULL,   "tcp: too many holes in the received stream")               \
    X(TCP_CLOSED,            "tcp: connection is closed")

#define WAX_STATUS_TLS(X)                                                                \
    X(TLS_RECORD_TYPE,       "tls: unexpected record type")                              \
    X(TLS_RECORD_VERSION,    "tls: bad record version")                                  \
    X(TLS_RECORD_LENGTH,     "tls: record too long or empty")                            \
    X(TLS_BAD_TAG,           "tls: record does not authenticate")                        \
    X(TLS_BAD_PADDING,       "tls: record holds nothing but padding")                    \
    X(TLS_ALERT,             "tls: fatal alert from the peer")                           \
    X(TLS_CLOSE_NOTIFY,      "tls: close_notify from the peer")                          \
    X(TLS_POST_HANDSHAKE,    "tls: unexpected post-handshake message")                   \
    X(TLS_RECORD_SHORT,      "tls: record too short to hold a tag")                      \
    X(TLS_RECORD_EMPTY,      "tls: handshake or alert record without content")           \
    X(TLS_RECORDS_EMPTY,     "tls: too many records in a row that bring nothing")       \
    X(TLS_INTERLEAVED,       "tls: record within a split handshake message")             \
    X(TLS_MESSAGE_LENGTH,    "tls: message or alert of a wrong length")                  \
    X(TLS_KEY_UPDATE_VALUE,  "tls: key update asks neither yes nor no")                  \
    X(TLS_KEY_UPDATE_RATE,   "tls: key updates too often")                               \
    X(TLS_KEYS_EXHAUSTED,    "tls: the keys have sealed as much as they may")            \
    X(TLS_HANDSHAKE,         "tls: handshake failed")                                    \
    X(TLS_HANDSHAKE_TIMEOUT, "tls: handshake not finished in time")                      \
    X(TLS_HANDSHAKES_FULL,   "tls: too many handshakes under way, waits for its turn")   \
    X(TLS_WAITING_FULL,      "tls: too many wait for a handshake, reset")                \
    X(TLS_CERTIFICATE,       "tls: certificate or key cannot be used")                   \
    X(TLS_SUITE,             "tls: cipher suite has no backend")

#define WAX_STATUS_HTTP(X)                                                               \
    X(HTTP_BAD_REQUEST,      "http: malformed request (400)")                            \
    X(HTTP_NOT_FOUND,        "http: unknown path (404)")                                 \
    X(HTTP_METHOD,           "http: method not allowed (405)")                           \
    X(HTTP_TOO_LARGE,        "http: body too large (413)")                               \
    X(HTTP_UPGRADE_REQUIRED, "http: upgrade required (426)")                             \
    X(HTTP_HEAD_TOO_LARGE,   "http: request head too large (431)")                       \
    X(HTTP_VERSION,          "http: version not supported (505)")                        \
    X(HTTP_TIMEOUT,          "http: request not finished in time")                      \
    X(HTTP_UNAUTHORIZED,     "http: no bearer token where one is needed (401)")          \
    X(HTTP_LENGTH_REQUIRED,  "http: body of unknown length (411)")                       \
    X(HTTP_RANGE,            "http: range beyond the end (416)")                         \
    X(HTTP_CHUNK,            "http: malformed chunk or trailer (400)")                   \
    X(PROXY_SIGNATURE,       "proxy: no PROXY protocol header of version 2")            \
    X(PROXY_HEADER,          "proxy: header malformed or not TCP")                      \
    X(PROXY_LENGTH,          "proxy: header of a length that cannot be")                \
    X(PROXY_CHECKSUM,        "proxy: checksum of the header wrong")                     \
    X(PROXY_REFUSED,         "proxy: the client has reached a limit of addresses")      \
    X(PROXY_TIMEOUT,         "proxy: header not finished in time")

#define WAX_STATUS_WS(X)                                                                 \
    X(WS_RESERVED,           "ws: reserved bit or opcode (1002)")                        \
    X(WS_UNMASKED,           "ws: client frame without a mask (1002)")                   \
    X(WS_MASKED,             "ws: server frame with a mask (1002)")                      \
    X(WS_LENGTH,             "ws: length not in its shortest form (1002)")               \
    X(WS_CONTROL,            "ws: control frame fragmented or too long (1002)")          \
    X(WS_SEQUENCE,           "ws: fragment out of sequence (1002)")                      \
    X(WS_CLOSE_CODE,         "ws: malformed close frame (1002)")                         \
    X(WS_TEXT,               "ws: text message (1003)")                                  \
    X(WS_UTF8,               "ws: reason of a close is not UTF-8 (1007)")                \
    X(WS_TOO_BIG,            "ws: message too big (1009)")                               \
    X(WS_CLOSED,             "ws: closed by the peer")

#define WAX_STATUS_FRAME(X)                                                              \
    X(FRAME_MALFORMED,       "frame: malformed (ERROR 1)")                               \
    X(FRAME_NOT_AUTHENTICATED, "frame: not authenticated (ERROR 2)")                     \
    X(FRAME_UNKNOWN,         "frame: unknown request (ERROR 130)")

#define WAX_STATUS_SESSION(X)                                                            \
    X(SESSION_BAD_PROOF,     "session: bad proof (ERROR 3)")                             \
    X(SESSION_VERSION,       "session: protocol version (ERROR 4)")                      \
    X(SESSION_NOT_INVITED,   "session: not invited (ERROR 5)")                           \
    X(SESSION_SUSPENDED,     "session: suspended (ERROR 6)")                             \
    X(SESSION_TIMEOUT,       "session: time-out (ERROR 7)")                              \
    X(SESSION_TOO_SLOW,      "session: too slow (ERROR 8)")                              \
    X(SESSION_DISPLACED,     "session: displaced by a newer one (ERROR 9)")              \
    X(SESSION_DEVICES,       "session: too many devices (ERROR 10)")                     \
    X(SESSION_RATE,          "session: rate limited (ERROR 131)")                        \
    X(SESSION_STALE,         "session: report with a stale generation ignored")          \
    X(SESSION_BAD_ACK,       "session: acknowledges what was never delivered (ERROR 1)") \
    X(SESSION_WINDOW,        "session: reading paused beyond the window")            \
    X(TOKEN_STALE,           "session: token's time is over, or it was revoked")          \
    X(TOKEN_FORGED,          "session: token is none of ours")                           \
    X(SESSION_DRAINED,       "session: ended by the operator, or drained (close 1012)")      \
    X(SESSION_NO_ROOM,       "session: no room for another one now (close 1013)")

#define WAX_STATUS_RELAY(X)                                                              \
    X(REJECT_UNKNOWN_USER,   "relay: rejected, unknown user (1)")                        \
    X(REJECT_UNKNOWN_DEVICE, "relay: rejected, unknown device (2)")                      \
    X(REJECT_BLOCKED,        "relay: rejected, blocked (3)")                             \
    X(REJECT_RATE,           "relay: rejected, rate limited (4)")                        \
    X(REJECT_MAILBOX_FULL,   "relay: rejected, mailbox full (5)")                        \
    X(RATE_ACCOUNT,          "relay: an account sends too fast and has to wait")         \
    X(RATE_ADDRESS,          "relay: an address sends too fast and has to wait")         \
    X(REJECT_TOO_LARGE,      "relay: rejected, too large (6)")                           \
    X(REJECT_EXPIRED,        "relay: rejected, expired (7)")                             \
    X(REJECT_BUSY,           "relay: rejected, busy (8)")                                \
    X(REJECT_MALFORMED,      "relay: rejected, asks the impossible (9)")                 \
    X(REJECT_NOT_CONNECTED,  "relay: rejected, not connected (10)")                      \
    X(SILENT_DROPPED,        "relay: silent message dropped")                            \
    X(READ_DROPPED,          "relay: read receipt dropped for want of room, or about nobody") \
    X(RELAY_PARKED,          "relay: send parked for want of a credit")

#define WAX_STATUS_MEDIA(X)                                                              \
    X(MEDIA_OFF,             "media: not served here (404)")                             \
    X(MEDIA_NOT_FOUND,       "media: no such blob (404)")                                \
    X(MEDIA_NOT_OWNER,       "media: another account's blob (403)")                      \
    X(MEDIA_EXISTS,          "media: id in use (409)")                                   \
    X(MEDIA_QUOTA,           "media: quota of the account reached (507)")                \
    X(MEDIA_NO_SPACE,        "media: disk full (507)")                                   \
    X(MEDIA_BUSY,            "media: too many transfers now (503)")                      \
    X(MEDIA_AWAY,            "media: the control plane is away (503)")                   \
    X(MEDIA_IO,              "media: input/output error (500)")                          \
    X(MEDIA_BROKEN,          "media: upload broke off, nothing is kept of it")           \
    X(MEDIA_STALLED,         "media: transfer made no progress")                         \
    X(MEDIA_DAMAGED,         "media: file set aside, its size or name is wrong")

#define WAX_STATUS_CHANNEL(X)                                                            \
    X(CHANNEL_DOWN,          "channel: the other process is away")                       \
    X(CHANNEL_VERSION,       "channel: layouts differ")                                  \
    X(CHANNEL_CORRUPT,       "channel: record is malformed")

#define WAX_STATUS_STORE(X)                                                              \
    X(STORE_IO,              "store: input/output error, the store has stopped")         \
    X(STORE_NO_SPACE,        "store: disk full")                                         \
    X(STORE_CORRUPT,         "store: damaged record set aside")                          \
    X(STORE_TORN,            "store: torn tail cut off at recovery")                     \
    X(STORE_FENCED,          "store: another process has taken this shard")              \
    X(STORE_UNKNOWN,         "store: outcome of a write is unknown")                     \
    X(STORE_LOCKED,          "store: in use by another process")                         \
    X(STORE_VERSION,         "store: format of another version")                          \
    X(STORE_KEY,             "store: the key file does not open it")

#define WAX_STATUS_CONFIG(X)                                                             \
    X(CONFIG_SYNTAX,         "config: not valid YAML")                                   \
    X(CONFIG_KEY,            "config: unknown or repeated key")                          \
    X(CONFIG_VALUE,          "config: value out of range or of the wrong kind")          \
    X(CONFIG_FILE,           "config: file cannot be read")

#define WAX_STATUS_CLIENT(X)                                                             \
    X(CLIENT_KEY_FILE,       "client: key file cannot be used")                          \
    X(CLIENT_KEY_MODE,       "client: key file can be read by others")                   \
    X(CLIENT_RESOLVE,        "client: host name not found")                              \
    X(CLIENT_CONNECT,        "client: cannot connect")                                   \
    X(CLIENT_UPGRADE,        "client: upgrade to the relay protocol refused")            \
    X(CLIENT_OUT_OF_PLACE,   "client: frame out of place from the relay")                \
    X(CLIENT_TIMEOUT,        "client: the relay did not answer in time")                 \
    X(CLIENT_NOT_OPEN,       "client: no session is open")                               \
    X(CLIENT_DONE,           "client: closed as asked")
/* clang-format on */

#define WAX_STATUS_LIST(X)                                                                                   \
    WAX_STATUS_BASE(X)                                                                                       \
    WAX_STATUS_NET(X)                                                                                        \
    WAX_STATUS_TCP(X)                                                                                        \
    WAX_STATUS_TLS(X)                                                                                        \
    WAX_STATUS_HTTP(X)                                                                                       \
    WAX_STATUS_WS(X)                                                                                         \
    WAX_STATUS_FRAME(X)                                                                                      \
    WAX_STATUS_SESSION(X)                                                                                    \
    WAX_STATUS_RELAY(X)                                                                                      \
    WAX_STATUS_MEDIA(X)                                                                                      \
    WAX_STATUS_CHANNEL(X)                                                                                    \
    WAX_STATUS_STORE(X)                                                                                      \
    WAX_STATUS_CONFIG(X)                                                                                     \
    WAX_STATUS_CLIENT(X)

#define WAX_STATUS_ENUM(name, text) WAX_##name,
enum wax_status { WAX_STATUS_LIST(WAX_STATUS_ENUM) WAX_STATUS_COUNT };
#undef WAX_STATUS_ENUM

/*
 * The text for people of a status ("tcp: checksum is wrong"). Never NULL; a value outside
 * the list gives "unknown status".
 */
static inline const char *wax_status_text(enum wax_status status)
{
#define WAX_STATUS_TEXT(name, text) text,
    static const char *const texts[] = {WAX_STATUS_LIST(WAX_STATUS_TEXT)};
#undef WAX_STATUS_TEXT
    return (unsigned)status < WAX_STATUS_COUNT ? texts[status] : "unknown status";
}

/*
 * The name of a status as counters show it ("TCP_CHECKSUM"). Never NULL.
 */
static inline const char *wax_status_name(enum wax_status status)
{
#define WAX_STATUS_NAME(name, text) #name,
    static const char *const names[] = {WAX_STATUS_LIST(WAX_STATUS_NAME)};
#undef WAX_STATUS_NAME
    return (unsigned)status < WAX_STATUS_COUNT ? names[status] : "UNKNOWN";
}

#endif
