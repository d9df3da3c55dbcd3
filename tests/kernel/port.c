/* SPDX-License-Identifier: BSD-3-Clause */
#include "port.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#define SOCKET_BYTES (16 << 20)

static void die(const char *what)
{
    perror(what);
    exit(1);
}

void port_open(struct port *port, const char *name)
{
    const int on = 1, bytes = SOCKET_BYTES;
    port->waiting = 0;
    port->refused = 0;
    port->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (port->fd < 0) {
        die("AF_PACKET");
    }
    if (setsockopt(port->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0 ||
        setsockopt(port->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) != 0 ||
        setsockopt(port->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0 ||
        setsockopt(port->fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0) {
        die("setsockopt");
    }
    struct sockaddr_ll at = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name)};
    if (at.sll_ifindex == 0 || bind(port->fd, (const struct sockaddr *)&at, sizeof at) != 0) {
        die(name);
    }
}

void port_mac(const struct port *port, const char *name, uint8_t mac[6])
{
    struct ifreq request = {0};
    (void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    if (ioctl(port->fd, SIOCGIFHWADDR, &request) != 0) {
        die(name);
    }
    memcpy(mac, request.ifr_hwaddr.sa_data, 6);
}

uint32_t port_receive(struct port *port)
{
    struct mmsghdr messages[PORT_BURST] = {0};
    struct iovec parts[PORT_BURST];
    for (uint32_t i = 0; i < PORT_BURST; i++) {
        parts[i] = (struct iovec){port->frames[i], PORT_FRAME_BYTES};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int n = recvmmsg(port->fd, messages, PORT_BURST, MSG_DONTWAIT, NULL);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ENETDOWN) {
            die("recvmmsg");
        }
        return 0;
    }
    for (int i = 0; i < n; i++) {
        port->lengths[i] = messages[i].msg_len;
    }
    return (uint32_t)n;
}

void port_send(struct port *port, struct view frame)
{
    if (frame.len > PORT_FRAME_BYTES) {
        port->refused++;
        return;
    }
    if (port->waiting == PORT_BURST) {
        port_flush(port);
    }
    memcpy(port->out[port->waiting], frame.data, frame.len);
    port->lengths_out[port->waiting++] = frame.len;
}

void port_flush(struct port *port)
{
    struct mmsghdr messages[PORT_BURST] = {0};
    struct iovec parts[PORT_BURST];
    uint32_t done = 0;
    for (uint32_t i = 0; i < port->waiting; i++) {
        parts[i] = (struct iovec){port->out[i], port->lengths_out[i]};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    while (done < port->waiting) {
        int n = sendmmsg(port->fd, messages + done, port->waiting - done, MSG_DONTWAIT);
        if (n <= 0) {
            port->refused++; /* the first one is the one that was not taken */
            n = 1;
        }
        done += (uint32_t)n;
    }
    port->waiting = 0;
}

uint64_t clock_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

void ports_wait(struct port *const *ports, uint32_t count, uint64_t until_us)
{
    struct pollfd fds[2];
    uint64_t now_us = clock_us();
    uint64_t most_us = now_us + 100000; /* so that a signal between two looks is noticed */
    until_us = until_us < most_us ? until_us : most_us;
    uint64_t wait_us = until_us > now_us ? until_us - now_us : 0;
    const struct timespec wait = {(time_t)(wait_us / 1000000u), (long)(wait_us % 1000000u) * 1000};
    for (uint32_t i = 0; i < count && i < 2; i++) {
        fds[i] = (struct pollfd){.fd = ports[i]->fd, .events = POLLIN};
    }
    (void)ppoll(fds, count, &wait, NULL);
}
