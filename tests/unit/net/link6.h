/* SPDX-License-Identifier: BSD-3-Clause */
/* A port with IPv6 (and IPv4) under test, its neighbours, and frames of theirs. */
#ifndef TESTS_NET_LINK6_H
#define TESTS_NET_LINK6_H

#include "net/net.h"

#define NOW UINT64_C(50000000)
#define S   UINT64_C(1000000)

extern struct net net;
extern struct net_rx rx;
extern uint8_t frame[4096];
extern size_t frame_len;
extern const struct mac our_mac, peer_mac, router_mac;
extern struct addr us, us_local, peer, peer_local, far, router, unspecified;

/* The port: 2001:2::1/48 and 198.18.0.1/24, no gateway, nothing detected nor discovered. */
struct net_config link6_config(void);
void link6_make(const struct net_config *config);

/* Address from text. */
struct addr ip6(const char *text);

/* A packet of `protocol` in the frame, its payload after `chain_len` bytes of extension headers, which are
 * the caller's to write at ext(). Returns the payload, zeroed. The Ethernet destination follows the IPv6 one.
 */
uint8_t *make(const struct addr *src, const struct addr *dst, uint8_t protocol, size_t chain_len, size_t len);
uint8_t *ext(void);

/* An ICMPv6 message with its checksum put in; the body is filled by the caller, then sealed. */
uint8_t *make_icmp(const struct addr *src, const struct addr *dst, uint8_t type, size_t len);
void seal(void);

/* The same with hop limit 255, for neighbour discovery. */
uint8_t *make_nd(const struct addr *src, const struct addr *dst, uint8_t type, size_t len);

/* A whole solicitation for `target`, from `src` with its station (unless src is unspecified), to the group.
 */
void make_ask(const struct addr *src, const struct addr *target);

/* A whole advertisement of `target` at `mac` to `dst`, with flags (0x80 router, 0x40 solicited, 0x20
 * override). */
void make_advertise(const struct addr *target, const struct addr *dst, const struct mac *mac, uint8_t flags);

/* A router's advertisement with lifetime, its station and one prefix. */
void make_router(const struct addr *src, const struct mac *mac, uint16_t lifetime_s,
                 const struct addr *prefix, uint8_t bits, uint32_t valid_s);

enum wax_status input_at(uint64_t now_us);
enum wax_status output_at(const struct addr *dst, size_t len, uint64_t now_us, const uint8_t **sent,
                          size_t *header_len);

/* Everything that the port has to say now; the last frame stays in `said`. Returns how many. */
extern uint8_t said[NET_SOLICIT_BYTES];
extern size_t said_len;
uint32_t say_all(uint64_t now_us);

/* Whether an ICMPv6 checksum is right in the frame at `f`. */
bool checksum_right(const uint8_t *f);

#endif
