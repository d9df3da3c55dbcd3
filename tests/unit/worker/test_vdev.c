/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "worker/vdev.h"

static void spelled(struct config_port port, uint16_t i, const char *name, const char *args)
{
    struct vdev_plan plan;
    char text[VDEV_ARGS_BYTES];
    vdev_plan(&plan, &port, 2, 4);
    vdev_name(&plan, i, text, sizeof text);
    cr_assert_str_eq(text, name);
    vdev_args(&plan, i, text, sizeof text);
    cr_assert_str_eq(text, args);
}

Test(vdev, every_kind_is_spelled_as_its_driver_wants_it)
{
    spelled((struct config_port){.kind = CONFIG_PORT_AFXDP, .device = "wax0", .queues = 3}, 2,
            "net_af_xdp130", "iface=wax0,start_queue=2");
    spelled((struct config_port){.kind = CONFIG_PORT_AFPACKET, .device = "wax0", .queues = 2}, 0,
            "net_af_packet2", "iface=wax0,qpairs=2");
    spelled((struct config_port){.kind = CONFIG_PORT_TAP, .device = "wax1"}, 0, "net_tap2", "iface=wax1");
    spelled((struct config_port){.kind = CONFIG_PORT_MEMIF, .device = "/run/m", .memif_server = true}, 0,
            "net_memif2", "role=server,id=0,socket=/run/m,socket-abstract=no");
    spelled((struct config_port){.kind = CONFIG_PORT_MEMIF, .device = "/run/m"}, 0, "net_memif2",
            "role=client,id=0,socket=/run/m,socket-abstract=no");
    spelled((struct config_port){.kind = CONFIG_PORT_PCI, .device = "0000:3b:00.0"}, 0, "0000:3b:00.0", "");
}

Test(vdev, an_af_xdp_port_has_a_device_for_each_queue_of_its_interface)
{
    struct config_port port = {.kind = CONFIG_PORT_AFXDP, .device = "nonesuch0"};
    struct vdev_plan plan;
    vdev_plan(&plan, &port, 0, 4);
    cr_assert_eq(plan.queue_count, 1, "an interface that doesn't say has one");
    port.queues = 3;
    vdev_plan(&plan, &port, 0, 4);
    cr_assert_eq(plan.queue_count, 3);
    cr_assert_eq(plan.device_count, 3);
}

Test(vdev, other_ports_have_one_device_with_a_queue_for_each_worker)
{
    struct config_port port = {.kind = CONFIG_PORT_PCI};
    struct vdev_plan plan;
    vdev_plan(&plan, &port, 0, 4);
    cr_assert_eq(plan.queue_count, 4);
    cr_assert_eq(plan.device_count, 1);
}

Test(vdev, a_missing_interface_is_a_clear_error)
{
    struct config_port port = {.kind = CONFIG_PORT_AFPACKET, .device = "nonesuch0"};
    char error[320];
    cr_assert_not(vdev_prepare(&port, error, sizeof error, 3));
    cr_assert_str_eq(error, "port 3: interface nonesuch0: No such device");
}

Test(vdev, a_served_memif_socket_is_refused_and_a_dead_one_removed)
{
    char folder[] = "/tmp/waxwire-vdev-XXXXXX", error[320];
    cr_assert_not_null(mkdtemp(folder));
    struct config_port port = {.kind = CONFIG_PORT_MEMIF, .memif_server = true};
    snprintf(port.device, sizeof port.device, "%s/m", folder);
    cr_assert(vdev_prepare(&port, error, sizeof error, 0), "nothing is there yet");

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, port.device, strlen(port.device));
    int s = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    cr_assert_eq(bind(s, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(s, 1), 0);
    cr_assert_not(vdev_prepare(&port, error, sizeof error, 0));
    cr_assert(strstr(error, "in use") != NULL, "%s", error);
    close(s);
    struct stat st;
    cr_assert_eq(stat(port.device, &st), 0, "a killed server leaves its socket");
    cr_assert(vdev_prepare(&port, error, sizeof error, 0));
    cr_assert_neq(stat(port.device, &st), 0);

    FILE *file = fopen(port.device, "w"); /* a file is not ours to remove */
    fclose(file);
    cr_assert_not(vdev_prepare(&port, error, sizeof error, 0));
    cr_assert_eq(stat(port.device, &st), 0);
    unlink(port.device);
    rmdir(folder);
}
