/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/vdev.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int interface_ask(const char *interface, unsigned long request, struct ifreq *ifr)
{
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s < 0)
        return -errno;
    snprintf(ifr->ifr_name, sizeof ifr->ifr_name, "%.15s", interface);
    int rc = ioctl(s, request, ifr) == 0 ? 0 : -errno;
    close(s);
    return rc;
}

/* Receive queues of an interface as the kernel sees it, 1 when it doesn't say. */
static uint16_t interface_queues(const char *interface)
{
    struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
    struct ifreq ifr = {.ifr_data = (void *)&channels};
    if (interface_ask(interface, SIOCETHTOOL, &ifr) != 0)
        return 1;
    uint32_t count = channels.combined_count + channels.rx_count;
    return (uint16_t)(count == 0 ? 1 : count > WAX_WORKERS_MAX ? WAX_WORKERS_MAX : count);
}

void vdev_plan(struct vdev_plan *plan, const struct config_port *config, uint16_t index, uint32_t workers)
{
    *plan = (struct vdev_plan){.config = config, .index = index, .device_count = 1};
    plan->queue_count = config->queues != 0 ? config->queues : (uint16_t)workers;
    if (config->kind == CONFIG_PORT_AFXDP) {
        /* Packets of a queue that nobody takes would be lost to us, so all of them are taken. */
        if (config->queues == 0)
            plan->queue_count = interface_queues(config->device);
        plan->device_count = plan->queue_count;
    } else if (config->kind == CONFIG_PORT_MEMIF && config->queues == 0) {
        plan->queue_count = 1; /* the other side must have as many */
    }
}

void vdev_name(const struct vdev_plan *plan, uint16_t i, char *text, size_t room)
{
    switch (plan->config->kind) {
    case CONFIG_PORT_AFXDP:
        snprintf(text, room, "net_af_xdp%u", plan->index * WAX_WORKERS_MAX + i);
        break;
    case CONFIG_PORT_AFPACKET:
        snprintf(text, room, "net_af_packet%u", plan->index);
        break;
    case CONFIG_PORT_TAP:
        snprintf(text, room, "net_tap%u", plan->index);
        break;
    case CONFIG_PORT_MEMIF:
        snprintf(text, room, "net_memif%u", plan->index);
        break;
    case CONFIG_PORT_PCI:
        snprintf(text, room, "%s", plan->config->device);
        break;
    }
}

void vdev_args(const struct vdev_plan *plan, uint16_t i, char *text, size_t room)
{
    const char *device = plan->config->device;
    switch (plan->config->kind) {
    case CONFIG_PORT_AFXDP:
        snprintf(text, room, "iface=%s,start_queue=%u", device, i);
        break;
    case CONFIG_PORT_AFPACKET:
        snprintf(text, room, "iface=%s,qpairs=%u", device, plan->queue_count);
        break;
    case CONFIG_PORT_TAP:
        snprintf(text, room, "iface=%s", device);
        break;
    case CONFIG_PORT_MEMIF:
        snprintf(text, room, "role=%s,id=0,socket=%s,socket-abstract=no",
                 plan->config->memif_server ? "server" : "client", device);
        break;
    case CONFIG_PORT_PCI:
        text[0] = '\0';
        break;
    }
}

static bool interface_up(const char *interface, char *error, size_t room, uint16_t index)
{
    struct ifreq ifr = {0};
    int rc = interface_ask(interface, SIOCGIFFLAGS, &ifr);
    if (rc == 0 && (ifr.ifr_flags & IFF_UP) == 0) {
        ifr.ifr_flags = (short)(ifr.ifr_flags | IFF_UP);
        rc = interface_ask(interface, SIOCSIFFLAGS, &ifr);
    }
    if (rc != 0)
        snprintf(error, room, "port %u: interface %.64s: %s", index, interface, strerror(-rc));
    return rc == 0;
}

static bool socket_free(const char *path, char *error, size_t room, uint16_t index)
{
    struct stat st;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        snprintf(error, room, "port %u: the path of the memif socket is longer than %zu bytes", index,
                 sizeof address.sun_path - 1);
        return false;
    }
    if (stat(path, &st) != 0)
        return true;
    memcpy(address.sun_path, path, strlen(path));
    int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    bool served = s < 0 || !S_ISSOCK(st.st_mode) ||
                  connect(s, (struct sockaddr *)&address, sizeof address) == 0 || errno != ECONNREFUSED;
    if (s >= 0)
        close(s);
    if (served) {
        snprintf(error, room, "port %u: %.180s is in use by another program", index, path);
        return false;
    }
    unlink(path); /* left behind by one that was killed */
    return true;
}

bool vdev_prepare(const struct config_port *config, char *error, size_t room, uint16_t index)
{
    if (config->kind == CONFIG_PORT_AFXDP || config->kind == CONFIG_PORT_AFPACKET)
        return interface_up(config->device, error, room, index);
    if (config->kind == CONFIG_PORT_MEMIF && config->memif_server)
        return socket_free(config->device, error, room, index);
    return true;
}
