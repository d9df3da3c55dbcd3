/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The neighbour cache: which station has an on-link address (RFC 1122 2.3.2, RFC 4861 5.1), of both families.
 * Of a fixed size, and it can't be flooded: an entry is made only for an address that we send to, or that
 * sends TCP to us, and such entries never push out one that is in use. Gateways have places of their own.
 *
 * An entry is CONFIRMED by ARP or a solicited advertisement, or LEARNED from the source of a TCP packet or
 * from what a neighbour says of itself unasked (RFC 4861's STALE): that is used at once but always asked
 * about, and a packet's source never overrides an answer. Either is trusted for NEIGH_FRESH_US after the last
 * sign of life; then it is used on while it is asked for again, and given up after NEIGH_TRIES unanswered
 * requests.
 */
#ifndef NET_NEIGH_H
#define NET_NEIGH_H

#include "base/rate.h"
#include "net/addr.h"
#include "net/eth.h"
#include "waxwire/status.h"

#define NEIGH_ENTRIES     512u /* power of two */
#define NEIGH_LEARNED_MAX (NEIGH_ENTRIES / 2)
#define NEIGH_WINDOW      8u /* entries that an address may lie in */
#define NEIGH_FRESH_US    UINT64_C(60000000)
#define NEIGH_IDLE_US     UINT64_C(600000000) /* unused and unconfirmed for so long: its place may be taken */
#define NEIGH_RETRY_US    UINT64_C(1000000)   /* between requests for one address (RFC 1122 2.3.2.1) */
#define NEIGH_TRIES       3u
#define NEIGH_ASKS_PER_S  100u /* requests for all addresses together */
#define NEIGH_ASKS_BURST  32u
#define NEIGH_PLACES      5u /* for gateways */

enum neigh_state { NEIGH_FREE, NEIGH_INCOMPLETE, NEIGH_LEARNED, NEIGH_CONFIRMED };

struct neigh_entry {
    struct addr addr;
    uint64_t alive_us; /* last sign of life; when INCOMPLETE: when it was made */
    uint64_t asked_us; /* last request; 0: never */
    struct mac mac;
    uint8_t state;
    uint8_t tries; /* requests since the last sign of life, at most NEIGH_TRIES */
};

struct neigh {
    uint64_t key[2];
    uint64_t wanted[NEIGH_ENTRIES / 64]; /* entries to ask about */
    struct rate asks;
    uint32_t learned;      /* entries in state LEARNED, without the gateways */
    uint32_t place_taken;  /* bits of places */
    uint32_t place_wanted; /* those to ask about */
    struct neigh_entry place[NEIGH_PLACES];
    struct neigh_entry entries[NEIGH_ENTRIES];
};

/*
 * An empty cache. `gateway` gets place 0; it may be the unspecified address: none. `key` is random and
 * secret, or addresses could be chosen to share a place.
 */
void neigh_init(struct neigh *neigh, const struct addr *gateway, const uint64_t key[2], uint64_t now_us);

/*
 * Gives the gateway `addr` a place of its own, 0 to NEIGH_PLACES-1, in stead of whoever had that, and asks
 * for it. neigh_unpin empties a place.
 */
void neigh_pin(struct neigh *neigh, uint32_t place, const struct addr *addr, uint64_t now_us);
void neigh_unpin(struct neigh *neigh, uint32_t place);

/*
 * Whether the station of the gateway at `place` is known.
 */
bool neigh_known(const struct neigh *neigh, uint32_t place);

/*
 * The station to send to for the on-link address `addr`. WAX_OK and *mac; NEIGH_UNRESOLVED when it isn't
 * known (it will be asked for); NEIGH_FULL when there is no place even for the question.
 */
enum wax_status neigh_use(struct neigh *neigh, const struct addr *addr, uint64_t now_us, struct mac *mac);

/*
 * A TCP packet came from `mac` on behalf of `addr` (its source, or the gateway when that is off-link): a sign
 * of life when we know it so, a first answer when we don't know it.
 */
void neigh_learn(struct neigh *neigh, const struct addr *addr, const struct mac *mac, uint64_t now_us);

/*
 * ARP says that `addr` is at `mac`. Only changes an entry that exists (RFC 826's merge); WAX_NOT_FOUND
 * otherwise.
 */
enum wax_status neigh_confirm(struct neigh *neigh, const struct addr *addr, const struct mac *mac,
                              uint64_t now_us);

/*
 * The neighbour `addr` says in a question of its own that it is at `mac` (RFC 4861 7.2.3, 6.3.4). Only
 * changes an entry that exists, which is then asked about.
 */
void neigh_hint(struct neigh *neigh, const struct addr *addr, const struct mac *mac, uint64_t now_us);

/*
 * An advertisement says that `addr` is at `mac` (NULL: it doesn't say where), with its two flags: RFC 4861
 * 7.2.5. Only changes an entry that exists; WAX_NOT_FOUND otherwise.
 */
enum wax_status neigh_advertised(struct neigh *neigh, const struct addr *addr, const struct mac *mac,
                                 bool solicited, bool override, uint64_t now_us);

/*
 * The next address to send a request for: *mac is the station to ask (a check of what is known), or
 * broadcast (in IPv6 the solicited-node group). WAX_NOT_FOUND when there is none now. The rates of RFC 1122
 * 2.3.2.1 and RFC 4861 7.2.2 are kept.
 */
enum wax_status neigh_ask(struct neigh *neigh, uint64_t now_us, struct addr *addr, struct mac *mac);

#endif
