/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a port of the configuration is spelled to DPDK: names, arguments and numbers of devices and queues; and
 * what must be done to the interface or socket before. No DPDK in here.
 */
#ifndef WORKER_VDEV_H
#define WORKER_VDEV_H

#include "waxwire/config.h"

#define VDEV_ARGS_BYTES (CONFIG_PATH_BYTES + 128u)

struct vdev_plan {
    const struct config_port *config;
    uint16_t index;        /* of the port */
    uint16_t queue_count;  /* all its devices together */
    uint16_t device_count; /* one, or one per queue */
};

/* Plan the devices of a port for `workers`. Asks the kernel how many queues an AF_XDP interface has. */
void vdev_plan(struct vdev_plan *plan, const struct config_port *config, uint16_t index, uint32_t workers);

/* Name ("net_memif0", a PCI address) and arguments of device `i`; the texts are cut to `room`. */
void vdev_name(const struct vdev_plan *plan, uint16_t i, char *text, size_t room);
void vdev_args(const struct vdev_plan *plan, uint16_t i, char *text, size_t room);

/*
 * Make ready: an interface must exist and is set up; a memif socket that nobody serves any more is removed,
 * one that is served means another data plane. False with the reason in `error`.
 */
bool vdev_prepare(const struct config_port *config, char *error, size_t room, uint16_t index);

#endif
