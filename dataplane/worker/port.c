/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/port.h"

#include <sodium.h>
#include <stdio.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "worker/vdev.h"

enum {
    DESCRIPTORS = 1024,
    POOL_PACKETS = 8191, /* AF_XDP alone takes three rings of 2048 */
    POOL_CACHE = 256,
    TAP_CUT_HEADERS = 14 + 20 + 60, /* Ethernet, IPv4, TCP at most */
};

static bool fail(struct port_error *error, const struct port *port, const char *what, int code)
{
    const char *key = port->config->kind == CONFIG_PORT_MEMIF ? "socket" : "device";
    snprintf(error->text, sizeof error->text, "port %u (%s, %s %.180s): %s: %s", port->index,
             port_kind_text(port->config->kind), key, port->config->device, what,
             rte_strerror(code < 0 ? -code : code));
    return false;
}

/* Probe the devices and find how many queues there will be. */
static bool devices_probe(struct port *port, uint32_t workers, struct port_error *error)
{
    struct vdev_plan plan;
    vdev_plan(&plan, port->config, port->index, workers);
    for (uint16_t i = 0; i < plan.device_count; i++) {
        char name[64], args[VDEV_ARGS_BYTES];
        vdev_name(&plan, i, name, sizeof name);
        vdev_args(&plan, i, args, sizeof args);
        int rc = port->config->kind == CONFIG_PORT_PCI ? 0 : rte_eal_hotplug_add("vdev", name, args);
        if (rc < 0)
            return fail(error, port, "no such device, or not ours to open", rc);
        if (rte_eth_dev_get_port_by_name(name, &port->device[i]) != 0)
            return fail(error, port, "the driver found no device", ENODEV);
        port->device_count++;
    }
    port->queue_count = plan.queue_count;
    return true;
}

static bool pool_make(struct port *port, uint16_t q, int node, struct port_error *error)
{
    char name[RTE_MEMPOOL_NAMESIZE];
    snprintf(name, sizeof name, "port%u.%u", port->index, q);
    port->queue[q].pool =
        rte_pktmbuf_pool_create(name, POOL_PACKETS, POOL_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, node);
    if (port->queue[q].pool == NULL)
        port->queue[q].pool = rte_pktmbuf_pool_create(name, POOL_PACKETS, POOL_CACHE, 0,
                                                      RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    return port->queue[q].pool != NULL || fail(error, port, "no memory for packets (memory_mib)", rte_errno);
}

/* Flows by addresses and ports, under a key that nobody can aim with. */
static void rss_conf(const struct port *port, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
    uint64_t rss =
        info->flow_type_rss_offloads &
        (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6);
    if (rss == 0)
        return;
    conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf->rx_adv_conf.rss_conf.rss_hf = rss;
    if (info->hash_key_size != 0 && info->hash_key_size <= sizeof port->rss_key) {
        conf->rx_adv_conf.rss_conf.rss_key = (uint8_t *)(uintptr_t)port->rss_key;
        conf->rx_adv_conf.rss_conf.rss_key_len = info->hash_key_size;
    }
}

/*
 * Segmentation of trains (conn/train.h). A TAP's is software that knows IPv4 alone, and that takes all
 * headers for a part of the MTU, so that it would refuse full segments: it gets a larger one, or isn't used.
 */
static void cuts_conf(struct port *port, const struct rte_eth_dev_info *info, bool first,
                      struct rte_eth_conf *conf)
{
    const uint64_t cut =
        RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
    bool tap = port->config->kind == CONFIG_PORT_TAP;
    bool room =
        !tap || (uint32_t)port->config->mtu + TAP_CUT_HEADERS + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN <=
                    info->max_rx_pktlen;
    port->cuts4 = (first || port->cuts4) && port->checksums && room && (info->tx_offload_capa & cut) == cut;
    port->cuts6 = port->cuts4 && !tap;
    if (port->cuts4)
        conf->txmode.offloads |= cut;
}

/* What we want of it, as far as it can. The first device decides what all of a port's do. */
static void device_conf(struct port *port, const struct rte_eth_dev_info *info, uint16_t queues, bool first,
                        struct rte_eth_conf *conf)
{
    const uint64_t rx = info->rx_offload_capa, tx = info->tx_offload_capa;
    bool tags = port->config->vlan != 0 && (rx & RTE_ETH_RX_OFFLOAD_VLAN_STRIP) != 0 &&
                (tx & RTE_ETH_TX_OFFLOAD_VLAN_INSERT) != 0;
    memset(conf, 0, sizeof *conf);
    conf->rxmode.offloads = rx & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM);
    port->tagged = first ? tags : port->tagged && tags;
    port->checksums = (first || port->checksums) && (tx & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0;
    if (port->tagged) {
        conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
        conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_VLAN_INSERT;
    }
    if (port->checksums)
        conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
    cuts_conf(port, info, first, conf);
    if (queues > 1)
        rss_conf(port, info, conf);
}

/* Queues of one device: all of the port's, or its own one where every queue is a device. */
static bool device_setup(struct port *port, uint16_t dev, uint16_t first, uint16_t queues, const int *node,
                         uint32_t workers, struct port_error *error)
{
    struct rte_eth_dev_info info;
    struct rte_eth_conf conf;
    int rc = rte_eth_dev_info_get(dev, &info);
    if (rc != 0)
        return fail(error, port, "no information", rc);
    device_conf(port, &info, queues, first == 0, &conf);
    rc = rte_eth_dev_configure(dev, queues, queues, &conf);
    if (rc != 0)
        return fail(error, port, "cannot be configured", rc);
    uint16_t rx = DESCRIPTORS, tx = DESCRIPTORS;
    rc = rte_eth_dev_adjust_nb_rx_tx_desc(dev, &rx, &tx);
    if (rc != 0)
        return fail(error, port, "descriptors", rc);
    for (uint16_t i = 0; i < queues; i++) {
        uint16_t q = (uint16_t)(first + i);
        struct rte_eth_rxconf rxconf = info.default_rxconf;
        struct rte_eth_txconf txconf = info.default_txconf;
        int at = node[q % workers];
        if (!pool_make(port, q, at, error))
            return false;
        rxconf.offloads = conf.rxmode.offloads;
        txconf.offloads = conf.txmode.offloads;
        rc = rte_eth_rx_queue_setup(dev, i, rx, (unsigned)at, &rxconf, port->queue[q].pool);
        if (rc != 0)
            return fail(error, port, "receive queue", rc);
        rc = rte_eth_tx_queue_setup(dev, i, tx, (unsigned)at, &txconf);
        if (rc != 0)
            return fail(error, port, "transmit queue", rc);
        port->queue[q].device = dev;
        port->queue[q].queue = i;
    }
    return true;
}

static bool mac_set(struct port *port, struct port_error *error)
{
    static const uint8_t none[6];
    struct rte_ether_addr own, wanted;
    int rc = rte_eth_macaddr_get(port->device[0], &own);
    if (rc != 0)
        return fail(error, port, "hardware address", rc);
    wanted = own;
    if (memcmp(port->config->mac, none, sizeof none) != 0)
        memcpy(wanted.addr_bytes, port->config->mac, 6);
    else if (port->config->kind == CONFIG_PORT_TAP)
        wanted.addr_bytes[5] ^= 1; /* the kernel's end of the tap has the device's own */
    memcpy(port->mac, wanted.addr_bytes, 6);
    if (memcmp(&own, &wanted, sizeof own) == 0 || port->config->kind == CONFIG_PORT_TAP)
        return true;
    for (uint16_t i = 0; i < port->device_count; i++)
        if (rte_eth_dev_default_mac_addr_set(port->device[i], &wanted) != 0)
            rte_eth_promiscuous_enable(port->device[i]);
    return true;
}

static bool mtu_set(struct port *port, struct port_error *error)
{
    uint16_t have = 0;
    port->mtu = port->config->mtu;
    uint16_t more = port->cuts4 && port->config->kind == CONFIG_PORT_TAP ? TAP_CUT_HEADERS : 0;
    uint16_t want = (uint16_t)(port->mtu + more);
    for (uint16_t i = 0; i < port->device_count; i++) {
        if (rte_eth_dev_get_mtu(port->device[i], &have) == 0 && have == want)
            continue;
        int rc = rte_eth_dev_set_mtu(port->device[i], want);
        /* A device that can't set it does when it has more. */
        if (rc != 0 && have < want && have != 0)
            return fail(error, port, "MTU", rc);
    }
    return true;
}

/*
 * The groups of neighbour discovery must come in: named one by one, or all, or everything, as the device can.
 * One that can do nothing of it has no filter.
 */
static void groups_open(const struct port *port)
{
    struct net_config net;
    struct interface interface;
    struct addr groups[INTERFACE_OWN_MAX];
    struct rte_ether_addr list[INTERFACE_OWN_MAX + 1] = {{{0x33, 0x33, 0, 0, 0, 1}}};
    port_net_config(port, &net);
    if (!interface_init(&interface, net.addresses, net.address_count, &net.mac, false))
        return;
    uint32_t count = interface_groups(&interface, groups, INTERFACE_OWN_MAX);
    for (uint32_t i = 0; i < count && i < INTERFACE_OWN_MAX; i++) {
        struct mac mac = mac_of_group(groups[i].b);
        memcpy(list[i + 1].addr_bytes, mac.b, sizeof mac.b);
    }
    for (uint16_t i = 0; count > 0 && i < port->device_count; i++)
        if (rte_eth_dev_set_mc_addr_list(port->device[i], list, count + 1) != 0 &&
            rte_eth_allmulticast_enable(port->device[i]) != 0)
            rte_eth_promiscuous_enable(port->device[i]);
}

bool port_open(struct port *port, uint16_t index, const struct config_port *config, uint32_t workers,
               const int *node, struct port_error *error)
{
    memset(port, 0, sizeof *port);
    port->config = config;
    port->index = index;
    randombytes_buf(port->rss_key, sizeof port->rss_key);
    if (!vdev_prepare(config, error->text, sizeof error->text, index) || !devices_probe(port, workers, error))
        return false;
    bool each = port->device_count > 1; /* a device for every queue */
    for (uint16_t i = 0; i < port->device_count; i++)
        if (!device_setup(port, port->device[i], each ? i : 0, each ? 1 : port->queue_count, node, workers,
                          error))
            return false;
    if (!mtu_set(port, error))
        return false;
    for (uint16_t i = 0; i < port->device_count; i++) {
        int rc = rte_eth_dev_start(port->device[i]);
        if (rc != 0)
            return fail(error, port, "cannot be started", rc);
    }
    port->steer = port->queue_count != workers;
    if (!mac_set(port, error))
        return false;
    groups_open(port);
    return true;
}

_Static_assert(NET_ADDRESSES_MAX >= CONFIG_ADDRESSES_MAX, "every address of the configuration is taken");

void port_net_config(const struct port *port, struct net_config *net)
{
    const struct config_port *config = port->config;
    memset(net, 0, sizeof *net);
    memcpy(&net->mac, port->mac, sizeof net->mac);
    net->mtu = port->mtu;
    net->address_count = (uint16_t)config->address_count;
    for (uint32_t i = 0; i < config->address_count; i++) {
        memcpy(net->addresses[i].addr.b, config->address[i].address, 16);
        net->addresses[i].prefix = config->address[i].prefix;
    }
    memcpy(net->gateway.b, config->gateway, 16);
    memcpy(net->gateway6.b, config->gateway6, 16);
    net->vlan = port->tagged ? 0 : config->vlan;
    net->discover = config->router_discovery;
    net->detect = config->duplicate_detection;
}

void port_close(struct port *port)
{
    for (uint16_t i = 0; i < port->device_count; i++) {
        rte_eth_dev_stop(port->device[i]);
        rte_eth_dev_close(port->device[i]);
    }
    port->device_count = 0;
}

bool port_link(const struct port *port)
{
    for (uint16_t i = 0; i < port->device_count; i++) {
        struct rte_eth_link link;
        if (rte_eth_link_get_nowait(port->device[i], &link) != 0 || link.link_status == RTE_ETH_LINK_DOWN)
            return false;
    }
    return true;
}

const char *port_kind_text(enum config_port_kind kind)
{
    switch (kind) {
    case CONFIG_PORT_AFXDP:
        return "afxdp";
    case CONFIG_PORT_AFPACKET:
        return "afpacket";
    case CONFIG_PORT_TAP:
        return "tap";
    case CONFIG_PORT_MEMIF:
        return "memif";
    case CONFIG_PORT_PCI:
        return "pci";
    }
    return "unknown";
}
