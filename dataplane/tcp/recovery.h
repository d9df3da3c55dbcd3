/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to the TCP layer: the calls between the rooms that find losses and repair them, for connections
 * that have a scoreboard or may come to one.
 */
#ifndef TCP_RECOVERY_H
#define TCP_RECOVERY_H

#include "tcp/scoreboard.h"

/* rack.c (RFC 8985) */
uint32_t rack_min_rtt_us(const struct tcp_conn *c);
void rack_rtt(struct tcp_conn *c, uint32_t rtt_us); /* a sample */
void rack_delivered(struct tcp_engine *e, struct tcp_conn *c, struct board *b, const struct range *r,
                    uint32_t end, const struct tcp_segment *s);
void rack_dsack(struct tcp_engine *e, struct tcp_conn *c, struct board *b, const struct delivery *d);
void rack_recovered(struct tcp_conn *c);
uint32_t rack_detect(struct tcp_engine *e, struct tcp_conn *c, struct board *b);
void rack_timeout(struct tcp_engine *e, struct tcp_conn *c, struct board *b);
void rack_timer(struct tcp_engine *e, struct tcp_conn *c);
bool rack_probe_expired(struct tcp_engine *e, struct tcp_conn *c);
void rack_probe_sent(struct tcp_engine *e, struct tcp_conn *c, struct board *b, uint32_t end, bool again);
bool rack_probe_acked(struct tcp_engine *e, struct tcp_conn *c, struct board *b, const struct tcp_segment *s,
                      const struct delivery *d);

/* ecn.c (RFC 3168) */
void ecn_options(const struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *syn);
uint8_t ecn_syn(const struct tcp_engine *e, const struct tcp_conn *c, bool active);
void ecn_in(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s);
void ecn_echo(struct tcp_engine *e, struct tcp_conn *c);

/* recovery.c (RFC 9937, 6675, 3522, 4015, 5682) */
bool recovery_ack(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                  struct tcp_result *r);
void recovery_timeout(struct tcp_engine *e, struct tcp_conn *c, struct board *b);
void recovery_reorder_expired(struct tcp_engine *e, struct tcp_conn *c, struct board *b);
void recovery_sent(struct tcp_engine *e, struct tcp_conn *c, struct board *b, uint32_t start, uint32_t end);

#endif
