/* SPDX-License-Identifier: BSD-3-Clause */
#include "waxgen/port.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "worker/clock.h"

enum { POOL_PACKETS = 16383, POOL_CACHE = 256, DESCRIPTORS = 1024 };

static struct clock the_clock; /* of the whole program */

static bool say(const char *what, int error)
{
    fprintf(stderr, "waxgen: %s: %s\n", what, rte_strerror(error < 0 ? -error : error));
    return false;
}

/* EAL binds its threads to cores; ours may run on any that we had. A card needs huge pages, the others don't.
 */
static bool eal_begin(const struct gen_options *options)
{
    static char common[][24] = {"waxgen", "--no-telemetry", "--log-level", "error"},
                small[][24] = {"--no-huge", "-m", "128", "--no-shconf", "--no-pci", "--iova-mode=va"},
                card[][24] = {"--in-memory", "-a"};
    static char address[32];
    char *args[16] = {NULL};
    int count = 0;
    cpu_set_t cores;
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        args[count++] = common[i];
    for (size_t i = 0; options->pci == NULL && i < sizeof small / sizeof small[0]; i++)
        args[count++] = small[i];
    for (size_t i = 0; options->pci != NULL && i < sizeof card / sizeof card[0]; i++)
        args[count++] = card[i];
    if (options->pci != NULL) {
        snprintf(address, sizeof address, "%s", options->pci);
        args[count++] = address;
    }
    pthread_getaffinity_np(pthread_self(), sizeof cores, &cores);
    if (rte_eal_init(count, args) < 0)
        return say("DPDK did not start", rte_errno);
    pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
    clock_init(&the_clock, rte_rdtsc(), rte_get_tsc_hz());
    return true;
}

uint64_t port_now_us(void)
{
    return clock_us(&the_clock, rte_rdtsc());
}

static bool socket_wait(const char *path, uint32_t wait_s)
{
    struct stat st;
    for (uint32_t ms = 0; stat(path, &st) != 0; ms += 50) {
        if (ms >= wait_s * 1000) {
            fprintf(stderr, "waxgen: %s: %s\n", path, strerror(errno));
            return false;
        }
        usleep(50000);
    }
    return true;
}

static bool device_begin(struct port *port)
{
    struct rte_eth_conf conf = {0};
    struct rte_ether_addr mac;
    int rc = rte_eth_dev_configure(port->device, 1, 1, &conf);
    if (rc == 0)
        rc = rte_eth_rx_queue_setup(port->device, 0, DESCRIPTORS, 0, NULL, port->pool);
    if (rc == 0)
        rc = rte_eth_tx_queue_setup(port->device, 0, DESCRIPTORS, 0, NULL);
    if (rc == 0)
        rc = rte_eth_dev_start(port->device);
    if (rc == 0)
        rc = rte_eth_macaddr_get(port->device, &mac);
    if (rc != 0)
        return say("the port cannot be used", rc);
    memcpy(port->mac, mac.addr_bytes, sizeof port->mac);
    return true;
}

bool port_up(const struct port *port)
{
    struct rte_eth_link link;
    return rte_eth_link_get_nowait(port->device, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

/* The same clients have the same hardware address, run after run: the relay remembers it. */
static int memif_add(struct port *port, const struct gen_options *options)
{
    const uint8_t *b = options->address.addr.b + 12;
    char args[512];
    char *absolute = realpath(options->memif, NULL); /* the driver takes no other */
    snprintf(args, sizeof args, "role=client,id=0,socket=%s,socket-abstract=no,mac=02:00:%02x:%02x:%02x:%02x",
             absolute, b[0], b[1], b[2], b[3]);
    free(absolute);
    int rc = rte_eal_hotplug_add("vdev", "net_memif0", args);
    return rc != 0 ? rc : rte_eth_dev_get_port_by_name("net_memif0", &port->device);
}

/* "NAME,ARGUMENTS", as DPDK's --vdev has it. */
static int vdev_add(struct port *port, const char *device)
{
    char name[64];
    size_t len = strcspn(device, ",");
    if (len == 0 || len >= sizeof name)
        return -EINVAL;
    memcpy(name, device, len);
    name[len] = '\0';
    int rc = rte_eal_hotplug_add("vdev", name, device[len] == ',' ? device + len + 1 : "");
    return rc != 0 ? rc : rte_eth_dev_get_port_by_name(name, &port->device);
}

static int device_add(struct port *port, const struct gen_options *options)
{
    if (options->memif != NULL)
        return memif_add(port, options);
    if (options->vdev != NULL)
        return vdev_add(port, options->vdev);
    return rte_eth_dev_get_port_by_name(options->pci, &port->device);
}

bool port_open(struct port *port, const struct gen_options *options)
{
    const char *way = options->memif != NULL  ? options->memif
                      : options->vdev != NULL ? options->vdev
                                              : options->pci;
    memset(port, 0, sizeof *port);
    if ((options->memif != NULL && !socket_wait(options->memif, options->patience_s)) || !eal_begin(options))
        return false;
    port->pool = rte_pktmbuf_pool_create("frames", POOL_PACKETS, POOL_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
                                         SOCKET_ID_ANY);
    if (port->pool == NULL)
        return say("no memory for packets", rte_errno);
    int rc = device_add(port, options);
    if (rc != 0)
        return say(way, rc);
    if (!device_begin(port))
        return false;
    for (uint32_t ms = 0; !port_up(port); ms += 10) {
        if (ms >= options->patience_s * 1000) {
            fprintf(stderr, "waxgen: %s: nobody answers, or no link\n", way);
            return false;
        }
        usleep(10000);
    }
    return true;
}

void port_again(struct port *port)
{
    rte_eth_dev_stop(port->device);
    (void)rte_eth_dev_start(port->device); /* nobody there yet: the next time, perhaps */
}

void port_close(struct port *port)
{
    rte_eth_dev_stop(port->device);
    rte_eth_dev_close(port->device);
    rte_eal_cleanup();
}

void port_flush(struct port *port)
{
    uint32_t done = 0;
    while (done < port->count) {
        uint16_t want = (uint16_t)(port->count - done < PORT_BURST ? port->count - done : PORT_BURST);
        uint16_t n = rte_eth_tx_burst(port->device, 0, port->frame + done, want);
        done += n;
        if (n < want)
            break;
    }
    port->count -= done;
    memmove(port->frame, port->frame + done, port->count * sizeof port->frame[0]);
}

static void queue(struct port *port, struct rte_mbuf *mbuf)
{
    if (port->count == PORT_FRAMES)
        port_flush(port);
    if (port->count == PORT_FRAMES) {
        rte_pktmbuf_free(mbuf); /* lost: TCP sends it again */
        port->dropped++;
        return;
    }
    port->frame[port->count++] = mbuf;
}

static bool port_alloc(void *ctx, struct span *room, void **owner)
{
    struct port *port = ctx;
    if (port->count + PORT_SPARE > PORT_FRAMES) /* TCP waits, rather than lose what it sends */
        port_flush(port);
    if (port->count + PORT_SPARE > PORT_FRAMES)
        return false;
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(port->pool);
    if (mbuf == NULL)
        return false;
    *room = span_of(rte_pktmbuf_mtod(mbuf, uint8_t *), rte_pktmbuf_tailroom(mbuf));
    *owner = mbuf;
    return true;
}

static void port_send(void *ctx, void *owner, uint8_t *frame, size_t len)
{
    struct rte_mbuf *mbuf = owner;
    mbuf->data_off = (uint16_t)(frame - (uint8_t *)mbuf->buf_addr);
    mbuf->data_len = (uint16_t)len;
    mbuf->pkt_len = (uint32_t)len;
    queue(ctx, mbuf);
}

static void port_release(void *ctx, void *owner)
{
    (void)ctx;
    rte_pktmbuf_free(owner);
}

static uint32_t port_waiting(void *ctx)
{
    return ((const struct port *)ctx)->count;
}

struct gen_port port_of(struct port *port)
{
    return (struct gen_port){.ctx = port,
                             .alloc = port_alloc,
                             .send = port_send,
                             .release = port_release,
                             .waiting = port_waiting};
}

bool port_receive(struct port *port, struct gen *gen, uint64_t now_us)
{
    struct rte_mbuf *mbufs[PORT_BURST];
    uint16_t n = rte_eth_rx_burst(port->device, 0, mbufs, PORT_BURST);
    for (uint16_t i = 0; i < n; i++) {
        size_t len = 0;
        struct span frame = span_of(rte_pktmbuf_mtod(mbufs[i], uint8_t *), mbufs[i]->data_len);
        if (mbufs[i]->nb_segs == 1 && gen_receive(gen, frame, now_us, &len))
            port_send(port, mbufs[i], frame.data, len);
        else
            rte_pktmbuf_free(mbufs[i]);
    }
    gen->behind = n == PORT_BURST;
    return n != 0;
}
