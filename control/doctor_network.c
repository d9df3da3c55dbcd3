/* SPDX-License-Identifier: BSD-3-Clause */
/* The ports: their devices, drivers, rings and MTU. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"

static bool folder_has_entries(struct doctor *doctor, const char *name)
{
    char path[300];
    bool any = false;
    snprintf(path, sizeof path, "%.200s%s", doctor->root, name);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return false;
    for (struct dirent *entry; !any && (entry = readdir(folder)) != NULL;)
        any = entry->d_name[0] != '.';
    closedir(folder);
    return any;
}

/* A port that DPDK drives itself. */
static void check_pci(struct doctor *doctor, const struct config_port *port)
{
    char driver[64], group[64], text[16], mend[200];
    const char *device = port->device;
    int64_t vendor = doctor_number(doctor, -1, "/sys/bus/pci/devices/%.64s/vendor", device);
    if (vendor < 0) {
        doctor_say(doctor, DOCTOR_BAD, "nic", "lspci -D names those that there are",
                   "port %s: no such PCI device", device);
        return;
    }
    if (!folder_has_entries(doctor, "/sys/class/iommu"))
        doctor_say(
            doctor, DOCTOR_BAD, "iommu",
            "turn VT-d or AMD-Vi on in the firmware; intel_iommu=on iommu=pt on the kernel's command line",
            "the machine has no IOMMU that is on: VFIO can't protect memory from the card");
    else
        doctor_say(doctor, DOCTOR_GOOD, "iommu", "", "on");
    if (doctor_read(doctor, text, sizeof text, "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode") &&
        text[0] == 'Y')
        doctor_say(doctor, DOCTOR_WARN, "vfio",
                   "echo N > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
                   "VFIO is in its unsafe mode: the card can write anywhere");
    snprintf(mend, sizeof mend, "driverctl set-override %.32s vfio-pci (waxwire-host apply does it)", device);
    bool bound = doctor_link(doctor, driver, sizeof driver, "/sys/bus/pci/devices/%.64s/driver", device);
    bool bifurcated = strncmp(driver, "mlx5", 4) == 0 || strncmp(driver, "mlx4", 4) == 0;
    if (bifurcated)
        doctor_say(doctor, DOCTOR_GOOD, "nic", "", "port %s: driver %s, which DPDK shares with the kernel",
                   device, driver);
    else if (strcmp(driver, "vfio-pci") != 0)
        doctor_say(doctor, DOCTOR_BAD, "nic", mend, "port %s: its driver is %s, not vfio-pci", device,
                   bound ? driver : "none");
    else
        doctor_say(doctor, DOCTOR_GOOD, "nic", "", "port %s: vfio-pci", device);
    if (!bifurcated &&
        !doctor_link(doctor, group, sizeof group, "/sys/bus/pci/devices/%.64s/iommu_group", device))
        doctor_say(doctor, DOCTOR_BAD, "iommu", "an IOMMU, or another slot", "port %s is in no IOMMU group",
                   device);
    if (port->mtu > 1500)
        doctor_say(doctor, DOCTOR_NOTE, "mtu", "all of its network must have it", "port %s: an MTU of %u",
                   device, port->mtu);
}

static void check_rings(struct doctor *doctor, const char *name)
{
    struct doctor_interface nic = {0};
    char mend[200];
    if (doctor->interface == NULL || !doctor->interface(doctor->ctx, name, &nic))
        return;
    if (nic.firmware[0] != '\0' && strcmp(nic.firmware, "N/A") != 0)
        doctor_say(doctor, DOCTOR_NOTE, "firmware",
                   "compare it with the one that the vendor names for the driver", "port %s: %s", name,
                   nic.firmware);
    snprintf(mend, sizeof mend, "ethtool -G %.32s rx %u tx %u", name, nic.rx_ring_max, nic.tx_ring_max);
    if (nic.rx_ring_max != 0 && nic.rx_ring < nic.rx_ring_max && nic.rx_ring < 1024)
        doctor_say(doctor, DOCTOR_WARN, "rings", mend,
                   "port %s: its rings hold %u and %u packets, %u and %u are possible", name, nic.rx_ring,
                   nic.tx_ring, nic.rx_ring_max, nic.tx_ring_max);
}

/* A port that the kernel drives: AF_XDP, AF_PACKET. */
static void check_interface(struct doctor *doctor, const struct config_port *port)
{
    char driver[64], state[32], mend[200];
    const char *name = port->device;
    int64_t mtu = doctor_number(doctor, -1, "/sys/class/net/%.64s/mtu", name);
    if (mtu < 0) {
        doctor_say(doctor, DOCTOR_BAD, "nic", "ip link names those that there are",
                   "port %s: no such interface", name);
        return;
    }
    bool known = doctor_link(doctor, driver, sizeof driver, "/sys/class/net/%.64s/device/driver", name);
    (void)doctor_read(doctor, state, sizeof state, "/sys/class/net/%.64s/operstate", name);
    snprintf(mend, sizeof mend, "ip link set %.32s up; look at the cable and the switch", name);
    if (strcmp(state, "down") == 0 || strcmp(state, "lowerlayerdown") == 0)
        doctor_say(doctor, DOCTOR_BAD, "link", mend, "port %s is down", name);
    else
        doctor_say(doctor, DOCTOR_GOOD, "nic", "", "port %s: driver %s, link %s", name,
                   known ? driver : "virtual", state);
    snprintf(mend, sizeof mend, "ip link set %.32s mtu %u, or ports.mtu: %lld", name, port->mtu,
             (long long)mtu);
    if (mtu < port->mtu)
        doctor_say(doctor, DOCTOR_BAD, "mtu", mend, "port %s takes %lld bytes, the configuration says %u",
                   name, (long long)mtu, port->mtu);
    check_rings(doctor, name);
}

void doctor_ports(struct doctor *doctor)
{
    if (doctor->config->port_count == 0)
        doctor_say(doctor, DOCTOR_BAD, "nic", "name one under ports", "the configuration has no port");
    for (uint32_t i = 0; i < doctor->config->port_count; i++) {
        const struct config_port *port = &doctor->config->port[i];
        if (port->kind == CONFIG_PORT_PCI)
            check_pci(doctor, port);
        else if (port->kind == CONFIG_PORT_AFXDP || port->kind == CONFIG_PORT_AFPACKET)
            check_interface(doctor, port);
    }
}
