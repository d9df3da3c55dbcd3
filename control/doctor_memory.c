/* SPDX-License-Identifier: BSD-3-Clause */
/* Hugepages, where they lie, and swap. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

#define PAGES "/sys/kernel/mm/hugepages/hugepages-2048kB"

/* kB of a line of meminfo, 0 when there is none. */
static uint64_t meminfo_kb(struct doctor *doctor, const char *name)
{
    char text[8192];
    if (!doctor_read_all(doctor, text, sizeof text, "/proc/meminfo"))
        return 0;
    const char *line = strstr(text, name);
    return line != NULL ? strtoull(line + strlen(name), NULL, 10) : 0;
}

/* Are the free pages on the nodes that the ports are on? */
static void check_nodes(struct doctor *doctor, uint64_t wanted)
{
    for (uint32_t i = 0; i < doctor->config->port_count; i++) {
        int node = doctor_port_node(doctor, &doctor->config->port[i]);
        char mend[200];
        if (node < 0)
            continue;
        int64_t free_pages = doctor_number(
            doctor, -1, "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/free_hugepages", node);
        snprintf(mend, sizeof mend,
                 "echo %" PRIu64 " > /sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages",
                 wanted, node);
        if (free_pages >= 0 && (uint64_t)free_pages < wanted)
            doctor_say(doctor, DOCTOR_WARN, "numa", mend,
                       "port %s is on node %d, which has %" PRId64 " free hugepages of the %" PRIu64
                       " needed",
                       doctor->config->port[i].device, node, free_pages, wanted);
    }
}

static void check_hugepages(struct doctor *doctor)
{
    char mend[300], text[32];
    uint64_t wanted = (doctor->config->memory_mib + 1u) / 2u;
    int64_t total = doctor_number(doctor, -1, PAGES "/nr_hugepages");
    int64_t unused = doctor_number(doctor, 0, PAGES "/free_hugepages");
    uint64_t used = total > unused ? (uint64_t)(total - unused) : 0;
    if (doctor->config->hugepages == CONFIG_HUGEPAGES_OFF) {
        doctor_say(doctor, DOCTOR_NOTE, "hugepages", "dataplane.hugepages: auto",
                   "the configuration goes without hugepages: "
                   "cold memory costs more, and captures are not to be had");
        return;
    }
    snprintf(mend, sizeof mend,
             "sysctl -w vm.nr_hugepages=%" PRIu64 "; for each boot: waxwire-host apply, or hugepages=%" PRIu64
             " on the kernel's command line",
             wanted + used, wanted + used);
    if (total < 0) {
        doctor_say(doctor, DOCTOR_BAD, "hugepages", "a kernel with CONFIG_HUGETLBFS",
                   "the kernel has no hugepages of 2 MiB");
    } else if ((uint64_t)unused >= wanted || used >= wanted) {
        doctor_say(doctor, DOCTOR_GOOD, "hugepages", "",
                   "%" PRId64 " of 2 MiB, %" PRId64 " free, %" PRIu64 " needed", total, unused, wanted);
        if (used < wanted)
            check_nodes(doctor, wanted);
    } else if (meminfo_kb(doctor, "MemAvailable:") / 2048u > 2u * wanted &&
               (snprintf(text, sizeof text, "%" PRIu64 "\n", wanted + used),
                doctor_write(doctor, text, PAGES "/nr_hugepages"))) {
        doctor_say(doctor, DOCTOR_FIXED, "hugepages", "",
                   "%" PRIu64 " of 2 MiB are asked for, until the next boot", wanted + used);
    } else {
        doctor_say(doctor, doctor->config->hugepages == CONFIG_HUGEPAGES_ON ? DOCTOR_BAD : DOCTOR_WARN,
                   "hugepages", mend,
                   "%" PRId64 " of 2 MiB, %" PRId64 " free, but dataplane.memory_mib needs %" PRIu64, total,
                   unused, wanted);
    }
}

void doctor_memory(struct doctor *doctor)
{
    char text[16384];
    check_hugepages(doctor);
    bool mounted =
        doctor_read_all(doctor, text, sizeof text, "/proc/mounts") && strstr(text, " hugetlbfs ") != NULL;
    if (doctor->config->capture && !mounted)
        doctor_say(doctor, DOCTOR_BAD, "hugetlbfs", "mount -t hugetlbfs -o pagesize=2M none /dev/hugepages",
                   "dataplane.capture needs a mounted hugetlbfs");
    if (doctor_read_all(doctor, text, sizeof text, "/proc/swaps")) {
        const char *second = strchr(text, '\n');
        if (second != NULL && second[1] != '\0')
            doctor_say(doctor, DOCTOR_WARN, "swap",
                       "swapoff -a, and take it out of /etc/fstab; or encrypt it",
                       "memory can be swapped out: keys of sessions would lie on the disk");
        else
            doctor_say(doctor, DOCTOR_GOOD, "swap", "", "none");
    }
    uint64_t total = meminfo_kb(doctor, "MemTotal:"), asked = (uint64_t)doctor->config->memory_mib * 1024u;
    if (total != 0 && asked > total / 2)
        doctor_say(doctor, DOCTOR_WARN, "memory", "lower dataplane.memory_mib, or add memory",
                   "dataplane.memory_mib is more than half of the machine's %" PRIu64 " MiB", total / 1024u);
}
