/* SPDX-License-Identifier: BSD-3-Clause */
#include "conn/train.h"

#include <assert.h>

#include "tcp/segment.h"

#define IP4_LENGTH   2u /* where fields lie in their headers */
#define IP4_CHECKSUM 10u
#define IP6_LENGTH   4u
#define TCP_SEQ      4u
#define TCP_FLAGS    13u
#define TCP_CHECKSUM 16u
#define TCP_BYTES    20u

static bool is_ip4(uint8_t l3_len)
{
    return l3_len == 20;
}

/* Bytes of all headers, or 0 when the frame is none that we know. */
static uint16_t headers(struct view frame, uint8_t l2_len, uint8_t l3_len)
{
    size_t l4 = (size_t)l2_len + l3_len;
    if (frame.len < l4 + TCP_BYTES) {
        return 0;
    }
    size_t len = l4 + (size_t)(frame.data[l4 + 12] >> 4) * 4;
    return len <= frame.len ? (uint16_t)len : 0;
}

void train_begin(struct train *t, struct span frame, uint8_t l2_len, uint8_t l3_len)
{
    const uint8_t *tcp = frame.data + l2_len + l3_len;
    uint16_t header_len = headers(view_of(frame.data, frame.len), l2_len, l3_len);
    t->frame = NULL;
    if (header_len == 0 || frame.len == header_len || (tcp[TCP_FLAGS] & ~TCP_PSH) != TCP_ACK) {
        return;
    }
    uint16_t payload = (uint16_t)(frame.len - header_len);
    *t = (struct train){.frame = frame.data,
                        .next_seq = load_be32(tcp + TCP_SEQ) + payload,
                        .payload = payload,
                        .cars = 1,
                        .mss = payload,
                        .header_len = header_len,
                        .first_len = (uint16_t)(frame.len - l2_len - l3_len),
                        .l2_len = l2_len,
                        .l3_len = l3_len};
}

/* Whether both have the same Ethernet and IP headers, lengths and checksums aside. */
static bool same_ip(const struct train *t, const uint8_t *next)
{
    const uint8_t *ip = t->frame + t->l2_len, *other = next + t->l2_len;
    if (memcmp(t->frame, next, t->l2_len) != 0) {
        return false;
    }
    if (is_ip4(t->l3_len)) {
        return memcmp(ip, other, IP4_LENGTH) == 0 && memcmp(ip + 4, other + 4, IP4_CHECKSUM - 4u) == 0 &&
               memcmp(ip + 12, other + 12, 8) == 0;
    }
    return memcmp(ip, other, IP6_LENGTH) == 0 && memcmp(ip + 6, other + 6, 34) == 0;
}

/* Whether both have the same TCP header, sequence number, PSH, FIN and checksum aside. */
static bool same_tcp(const struct train *t, const uint8_t *next)
{
    size_t l4 = (size_t)t->l2_len + t->l3_len;
    const uint8_t *tcp = t->frame + l4, *other = next + l4;
    return memcmp(tcp, other, TCP_SEQ) == 0 && memcmp(tcp + 8, other + 8, TCP_FLAGS - 8u) == 0 &&
           memcmp(tcp + 14, other + 14, 2) == 0 &&
           memcmp(tcp + 18, other + 18, t->header_len - l4 - 18u) == 0 &&
           (tcp[TCP_FLAGS] & (TCP_PSH | TCP_FIN)) == 0 &&
           (other[TCP_FLAGS] & ~(TCP_PSH | TCP_FIN)) == tcp[TCP_FLAGS];
}

/* The engine's headers stand for a train with `payload` bytes. */
static void headers_stretch(struct train *t, uint8_t flags)
{
    uint8_t *ip = t->frame + t->l2_len, *tcp = ip + t->l3_len;
    uint32_t segment = (uint32_t)(t->header_len - t->l2_len - t->l3_len) + t->payload;
    tcp[TCP_FLAGS] |= flags;
    if (is_ip4(t->l3_len)) {
        store_be16(ip + IP4_LENGTH, (uint16_t)(t->l3_len + segment));
        store_be16(ip + IP4_CHECKSUM, 0); /* the port computes each segment's */
    } else {
        store_be16(ip + IP6_LENGTH, (uint16_t)segment);
    }
    if (t->first_len != 0) {
        /* The port adds each segment's length to the sum itself. */
        uint32_t sum = (uint32_t)load_be16(tcp + TCP_CHECKSUM) + (uint16_t)~t->first_len;
        store_be16(tcp + TCP_CHECKSUM, (uint16_t)((sum & 0xffffu) + (sum >> 16)));
        t->first_len = 0;
    }
}

bool train_join(struct train *t, struct view frame, uint8_t l2_len, uint8_t l3_len)
{
    if (t->frame == NULL || l2_len != t->l2_len || l3_len != t->l3_len || frame.len <= t->header_len ||
        headers(frame, l2_len, l3_len) != t->header_len) {
        return false;
    }
    const uint8_t *tcp = frame.data + l2_len + l3_len;
    uint32_t payload = (uint32_t)frame.len - t->header_len;
    bool full = t->payload == (uint32_t)t->cars * t->mss;
    if (!full || payload > t->mss || load_be32(tcp + TCP_SEQ) != t->next_seq || t->cars == WAX_TRAIN_CARS ||
        t->payload + payload > WAX_TRAIN_BYTES || !same_tcp(t, frame.data) || !same_ip(t, frame.data)) {
        return false;
    }
    t->next_seq += payload;
    t->payload += payload;
    t->cars++;
    headers_stretch(t, tcp[TCP_FLAGS] & (TCP_PSH | TCP_FIN));
    return true;
}
