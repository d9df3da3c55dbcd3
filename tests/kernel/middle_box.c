/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A path between two interfaces that drops, reorders, duplicates, delays and corrupts with a seed, for
 * kernels that have no netem. Each direction has its own settings and generator, so what happens to the n-th
 * packet of a direction follows from the seed alone:
 *
 *     middle-box --ab INTERFACE SETTINGS --ba INTERFACE SETTINGS [--seed N] [--pcap FILE]
 *
 * --ab names interface A, on which packets come in that go to B, and --ba the other one. SETTINGS are
 * KEY=NUMBER, separated by commas; chances are in permille and may have fractions:
 *
 *     loss, burst (begins a time of loss), burst_us (its mean length), duplicate, reorder, corrupt,
 *     delay_us, jitter_us, reorder_us (how much later), rate_kbit (0: none), queue (packets waiting for the
 *     rate), mark (permille of CE instead of loss, for packets that are ECN-capable), mtu (larger are lost),
 * told (1: their senders are told so)
 *
 * Only IP packets suffer; ARP and neighbour discovery pass at once. SIGTERM ends it: then it prints what it
 * did, an object of JSON.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "base/random.h"
#include "net/checksum.h"
#include "net/eth.h"
#include "net/ip4.h"
#include "port.h"

#define PACKETS_MAX  16384u
#define PCAP_BYTES   96u
#define ICMP6        58u
#define ICMP6_ROUTER 133u /* router discovery, neighbour discovery and redirects are 133 to 137 */

struct settings {
    double loss, burst, burst_us, duplicate, reorder, corrupt, mark;
    double delay_us, jitter_us, reorder_us, rate_kbit, queue, mtu, told;
};

struct counts {
    uint64_t in, bytes, out, lost, queue_lost, duplicated, reordered, corrupted, marked, too_big;
};

struct packet {
    uint64_t at_us, order;
    uint32_t len, to;
    uint8_t bytes[PORT_FRAME_BYTES];
};

struct direction {
    struct settings set;
    struct counts counts;
    struct rng rng;
    uint64_t free_ns;  /* when the rate lets the next one go */
    uint64_t burst_us; /* everything is lost until then */
};

static struct direction directions[2]; /* 0: from A to B */
static struct port ports[2];
static struct packet store[PACKETS_MAX];
static struct packet *heap[PACKETS_MAX];
static uint32_t heap_count;
static uint64_t order;
static FILE *pcap;
static volatile sig_atomic_t over;

static void end(int signal_number)
{
    (void)signal_number;
    over = 1;
}

static bool before(const struct packet *a, const struct packet *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void swap(uint32_t i, uint32_t j)
{
    struct packet *p = heap[i];
    heap[i] = heap[j];
    heap[j] = p;
}

static struct packet *push(uint64_t at_us)
{
    if (heap_count == PACKETS_MAX) {
        return NULL;
    }
    struct packet *p = heap[heap_count];
    p->at_us = at_us;
    p->order = order++;
    for (uint32_t i = heap_count++; i > 0 && before(heap[i], heap[(i - 1) / 2]); i = (i - 1) / 2) {
        swap(i, (i - 1) / 2);
    }
    return p;
}

static const struct packet *pop(uint64_t now_us)
{
    if (heap_count == 0 || heap[0]->at_us > now_us) {
        return NULL;
    }
    swap(0, --heap_count);
    for (uint32_t i = 0;;) {
        uint32_t least = i, left = 2 * i + 1;
        for (uint32_t child = left; child < left + 2 && child < heap_count; child++) {
            least = before(heap[child], heap[least]) ? child : least;
        }
        if (least == i) {
            return heap[heap_count];
        }
        swap(i, least);
        i = least;
    }
}

static bool chance(struct direction *d, double permille)
{
    return permille > 0 && rng_chance(&d->rng, (uint32_t)(permille * 1000));
}

/* Independent losses, and times in which everything is lost. */
static bool lost(struct direction *d, uint64_t now_us)
{
    if (now_us < d->burst_us) {
        return true;
    }
    if (chance(d, d->set.burst)) {
        d->burst_us = now_us + rng_below(&d->rng, (uint64_t)(2 * d->set.burst_us));
        return true;
    }
    return chance(d, d->set.loss);
}

/* Changes bits within 15 neighbouring ones behind the Ethernet header, which a 16-bit sum surely notices. */
static void corrupt(struct direction *d, uint8_t *frame, size_t len)
{
    uint64_t bits = rng_between(&d->rng, 1, 0x7fff);
    uint64_t at = ETH_HEADER_BYTES * 8 + rng_below(&d->rng, (len - ETH_HEADER_BYTES) * 8 - 15);
    for (uint32_t i = 0; i < 15; i++) {
        if ((bits >> i & 1) != 0) {
            frame[(at + i) / 8] ^= (uint8_t)(1u << (at + i) % 8);
        }
    }
    d->counts.corrupted++;
}

/* A router's mark instead of a drop (RFC 3168 5); false when the packet is not ECN-capable. */
static bool mark(struct direction *d, uint8_t *frame)
{
    uint8_t *ip = frame + ETH_HEADER_BYTES;
    if (eth_type(frame) == ETH_TYPE_IP6) {
        if ((ip[1] & 0x30) == 0) {
            return false;
        }
        ip[1] |= 0x30;
    } else {
        if ((ip[1] & IP_ECN_MASK) == 0) {
            return false;
        }
        ip[1] |= IP_ECN_MASK;
        store_be16(ip + 10, 0);
        store_be16(ip + 10, checksum_finish(checksum_add(0, view_of(ip, (size_t)(ip[0] & 15) * 4))));
    }
    d->counts.marked++;
    return true;
}

/* When the packet has left the bottleneck; 0: its queue is full. */
static uint64_t departure(struct direction *d, size_t len, uint64_t now_us)
{
    if (d->set.rate_kbit <= 0) {
        return now_us;
    }
    double each_us = (double)len * 8000.0 / d->set.rate_kbit;
    uint64_t begin_ns = d->free_ns > now_us * 1000 ? d->free_ns : now_us * 1000; /* in ns */
    if ((double)(begin_ns - now_us * 1000) > d->set.queue * 1514.0 * 8000.0 / d->set.rate_kbit * 1000) {
        return 0;
    }
    d->free_ns = begin_ns + (uint64_t)(each_us * 1000);
    return d->free_ns / 1000;
}

static void write_pcap(const uint8_t *frame, size_t len, uint64_t now_us)
{
    uint32_t kept = (uint32_t)(len < PCAP_BYTES ? len : PCAP_BYTES);
    const uint32_t head[4] = {(uint32_t)(now_us / 1000000), (uint32_t)(now_us % 1000000), kept,
                              (uint32_t)len};
    (void)fwrite(head, sizeof head, 1, pcap);
    (void)fwrite(frame, kept, 1, pcap);
}

/* Whether a frame is one that neighbours need to find each other: it passes untouched. */
static bool passes(const uint8_t *frame, size_t len)
{
    uint16_t type = len >= ETH_HEADER_BYTES ? eth_type(frame) : 0;
    const uint8_t *ip = frame + ETH_HEADER_BYTES;
    if (type == ETH_TYPE_IP6 && len > ETH_HEADER_BYTES + 40) {
        return ip[6] == ICMP6 && ip[40] >= ICMP6_ROUTER;
    }
    return type != ETH_TYPE_IP4 || len < ETH_HEADER_BYTES + IP4_HEADER_BYTES;
}

/*
 * What a router says of a packet that does not fit (RFC 1191 4, RFC 4443 3.2), back to its sender at once.
 * The address of the packet's destination serves for the router's: there is no other that answers to
 * anything.
 */
static void tell_too_big(uint32_t from, const uint8_t *frame)
{
    uint8_t out[ETH_HEADER_BYTES + 2 * 40 + 16] = {0};
    const uint8_t *ip = frame + ETH_HEADER_BYTES;
    struct mac to = eth_source(frame), us = eth_destination(frame);
    bool ip6 = eth_type(frame) == ETH_TYPE_IP6;
    size_t header = ip6 ? 40 : IP4_HEADER_BYTES, quote = header + 8;
    uint8_t *answer = out + ETH_HEADER_BYTES, *icmp = answer + header;
    eth_write(out, &to, &us, eth_type(frame));
    memcpy(icmp + 8, ip, quote);
    if (ip6) {
        answer[0] = 0x60;
        store_be16(answer + 4, (uint16_t)(8 + quote));
        answer[6] = ICMP6;
        answer[7] = 64;
        memcpy(answer + 8, ip + 24, 16);
        memcpy(answer + 24, ip + 8, 16);
        icmp[0] = 2;
        store_be32(icmp + 4, (uint32_t)directions[from].set.mtu);
        uint64_t sum = checksum_add(0, view_of(answer + 8, 32)) +
                       (uint64_t)__builtin_bswap32((uint32_t)(8 + quote)) + __builtin_bswap32(ICMP6);
        store_be16(icmp + 2, checksum_finish(checksum_add(sum, view_of(icmp, 8 + quote))));
    } else {
        answer[0] = 0x45;
        store_be16(answer + 2, (uint16_t)(header + 8 + quote));
        answer[8] = 64;
        answer[9] = IP_PROTOCOL_ICMP;
        memcpy(answer + 12, ip + 16, 4);
        memcpy(answer + 16, ip + 12, 4);
        store_be16(answer + 10, checksum_finish(checksum_add(0, view_of(answer, header))));
        icmp[0] = 3;
        icmp[1] = 4;
        store_be16(icmp + 6, (uint16_t)directions[from].set.mtu);
        store_be16(icmp + 2, checksum_finish(checksum_add(0, view_of(icmp, 8 + quote))));
    }
    port_send(&ports[from], view_of(out, ETH_HEADER_BYTES + header + 8 + quote));
}

static void enqueue(uint32_t from, const uint8_t *frame, size_t len, uint64_t at_us)
{
    struct direction *d = &directions[from];
    if (chance(d, d->set.reorder)) {
        at_us += (uint64_t)d->set.reorder_us;
        d->counts.reordered++;
    }
    struct packet *p = push(at_us);
    if (p == NULL) {
        d->counts.queue_lost++;
        return;
    }
    p->to = 1 - from;
    p->len = (uint32_t)len;
    memcpy(p->bytes, frame, len);
    if (chance(d, d->set.corrupt)) {
        corrupt(d, p->bytes, len);
    }
}

static void take(uint32_t from, uint8_t *frame, size_t len, uint64_t now_us)
{
    struct direction *d = &directions[from];
    if (pcap != NULL) {
        write_pcap(frame, len, now_us);
    }
    if (passes(frame, len)) {
        port_send(&ports[1 - from], view_of(frame, len));
        return;
    }
    d->counts.in++;
    d->counts.bytes += len;
    if (d->set.mtu > 0 && (double)len > d->set.mtu + ETH_HEADER_BYTES) {
        d->counts.too_big++;
        if (d->set.told > 0) {
            tell_too_big(from, frame);
        }
        return;
    }
    if (lost(d, now_us)) {
        d->counts.lost++;
        return;
    }
    uint64_t at_us = departure(d, len, now_us);
    if (at_us == 0) {
        d->counts.queue_lost++;
        return;
    }
    if (chance(d, d->set.mark)) {
        (void)mark(d, frame);
    }
    at_us += (uint64_t)d->set.delay_us + rng_below(&d->rng, (uint64_t)d->set.jitter_us + 1);
    enqueue(from, frame, len, at_us);
    if (chance(d, d->set.duplicate)) {
        d->counts.duplicated++;
        enqueue(from, frame, len, at_us + rng_below(&d->rng, (uint64_t)d->set.reorder_us + 1));
    }
}

static void parse_settings(struct settings *s, char *text)
{
    const struct {
        const char *name;
        double *value;
    } keys[] = {{"loss", &s->loss},
                {"burst", &s->burst},
                {"burst_us", &s->burst_us},
                {"duplicate", &s->duplicate},
                {"reorder", &s->reorder},
                {"corrupt", &s->corrupt},
                {"mark", &s->mark},
                {"delay_us", &s->delay_us},
                {"jitter_us", &s->jitter_us},
                {"reorder_us", &s->reorder_us},
                {"rate_kbit", &s->rate_kbit},
                {"queue", &s->queue},
                {"mtu", &s->mtu},
                {"told", &s->told}};
    char *rest = NULL;
    *s = (struct settings){.burst_us = 1000, .queue = 256, .reorder_us = 1000};
    for (char *item = strtok_r(text, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest)) {
        bool known = false;
        char *value = strchr(item, '=');
        for (size_t i = 0; value != NULL && i < sizeof keys / sizeof keys[0]; i++) {
            if (strncmp(item, keys[i].name, (size_t)(value - item)) == 0 && keys[i].name[value - item] == 0) {
                *keys[i].value = strtod(value + 1, NULL);
                known = true;
            }
        }
        if (!known) {
            (void)fprintf(stderr, "middle-box: bad setting %s\n", item);
            exit(2);
        }
    }
}

static void open_pcap(const char *name)
{
    static const uint32_t head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, PCAP_BYTES, 1};
    pcap = fopen(name, "wb");
    if (pcap == NULL || fwrite(head, sizeof head, 1, pcap) != 1) {
        perror(name);
        exit(1);
    }
}

static void parse(int argc, char **argv)
{
    uint64_t seed = 1;
    uint32_t opened = 0;
    for (int i = 1; i < argc; i++) {
        bool ab = strcmp(argv[i], "--ab") == 0;
        if (i + 2 < argc && (ab || strcmp(argv[i], "--ba") == 0)) {
            port_open(&ports[ab ? 0 : 1], argv[i + 1]);
            parse_settings(&directions[ab ? 0 : 1].set, argv[i + 2]);
            opened |= ab ? 1 : 2;
            i += 2;
        } else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
            seed = strtoull(argv[++i], NULL, 10);
        } else if (i + 1 < argc && strcmp(argv[i], "--pcap") == 0) {
            open_pcap(argv[++i]);
        } else {
            opened = 0;
            break;
        }
    }
    if (opened != 3) {
        (void)fprintf(stderr, "middle-box: see the head of middle_box.c\n");
        exit(2);
    }
    rng_init(&directions[0].rng, seed);
    rng_init(&directions[1].rng, ~seed);
}

static void print(const char *name, const struct counts *c)
{
    printf("\"%s\": {\"in\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"out\": %" PRIu64 ", \"lost\": %" PRIu64
           ", \"queue_lost\": %" PRIu64 ", \"duplicated\": %" PRIu64 ", \"reordered\": %" PRIu64
           ", \"corrupted\": %" PRIu64 ", \"marked\": %" PRIu64 ", \"too_big\": %" PRIu64 "}",
           name, c->in, c->bytes, c->out, c->lost, c->queue_lost, c->duplicated, c->reordered, c->corrupted,
           c->marked, c->too_big);
}

int main(int argc, char **argv)
{
    struct port *const both[] = {&ports[0], &ports[1]};
    const struct sigaction action = {.sa_handler = end};
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    (void)prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
    parse(argc, argv);
    for (uint32_t i = 0; i < PACKETS_MAX; i++) {
        heap[i] = &store[i];
    }
    (void)fprintf(stderr, "ready\n");
    while (!over) {
        uint64_t now_us = clock_us();
        for (uint32_t from = 0; from < 2; from++) {
            uint32_t n = port_receive(&ports[from]);
            for (uint32_t i = 0; i < n; i++) {
                take(from, ports[from].frames[i], ports[from].lengths[i], now_us);
            }
        }
        const struct packet *p;
        while ((p = pop(clock_us())) != NULL) {
            port_send(&ports[p->to], view_of(p->bytes, p->len));
            directions[1 - p->to].counts.out++;
        }
        port_flush(&ports[0]);
        port_flush(&ports[1]);
        ports_wait(both, 2, heap_count > 0 ? heap[0]->at_us : UINT64_MAX);
    }
    printf("{");
    print("ab", &directions[0].counts);
    printf(", ");
    print("ba", &directions[1].counts);
    printf(", \"refused\": %" PRIu64 "}\n", ports[0].refused + ports[1].refused);
    if (pcap != NULL) {
        (void)fclose(pcap);
    }
    return 0;
}
