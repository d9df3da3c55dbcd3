/* SPDX-License-Identifier: BSD-3-Clause */
/* The clock, and the limits that the programs run under. */
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

#define CLOCK       "/sys/devices/system/clocksource/clocksource0"
#define FILES_LEAST 4096u

void doctor_clock(struct doctor *doctor)
{
    char current[64], available[256];
    bool synchronized = false;
    if (doctor_read(doctor, current, sizeof current, CLOCK "/current_clocksource")) {
        bool tsc = strcmp(current, "tsc") == 0;
        (void)doctor_read(doctor, available, sizeof available, CLOCK "/available_clocksource");
        if (strcmp(current, "hpet") == 0 || strcmp(current, "acpi_pm") == 0 ||
            strcmp(current, "jiffies") == 0)
            doctor_say(doctor, DOCTOR_WARN, "clock",
                       "look into dmesg why the TSC was given up; tsc=reliable if you trust it",
                       "the kernel reads %s, which is slow (%s are there)", current, available);
        else
            doctor_say(doctor, DOCTOR_GOOD, "clock", "", "%s%s", current, tsc ? "" : ", of the hypervisor");
    }
    if (doctor->clock_synchronized == NULL || !doctor->clock_synchronized(doctor->ctx, &synchronized))
        return;
    if (synchronized)
        doctor_say(doctor, DOCTOR_GOOD, "time", "", "synchronized");
    else
        doctor_say(doctor, DOCTOR_WARN, "time", "install chrony or systemd-timesyncd",
                   "nothing keeps the clock right: certificates, tokens and times of messages depend on it");
}

/* The soft limit of a line of /proc/PID/limits. */
static uint64_t soft_limit(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    if (line == NULL)
        return UINT64_MAX;
    line += strlen(name);
    line += strspn(line, " ");
    return isdigit((unsigned char)*line) ? strtoull(line, NULL, 10) : UINT64_MAX;
}

static void check_process(struct doctor *doctor, const char *pid, const char *name)
{
    char text[4096];
    if (!doctor_read_all(doctor, text, sizeof text, "/proc/%.20s/limits", pid))
        return;
    uint64_t files = soft_limit(text, "Max open files"), locked = soft_limit(text, "Max locked memory");
    if (files < FILES_LEAST)
        doctor_say(doctor, DOCTOR_WARN, "files", "LimitNOFILE=65536 in its unit",
                   "%s (%s) may open %" PRIu64 " files", name, pid, files);
    else
        doctor_say(doctor, DOCTOR_GOOD, "files", "", "%s (%s)", name, pid);
    if (strcmp(name, "waxwire-dataplane") == 0 && locked != UINT64_MAX &&
        locked < (uint64_t)doctor->config->memory_mib << 20)
        doctor_say(doctor, DOCTOR_WARN, "locked memory", "LimitMEMLOCK=infinity in its unit",
                   "%s (%s) may lock %" PRIu64 " bytes, AF_XDP and VFIO need its packet memory", name, pid,
                   locked);
}

void doctor_processes(struct doctor *doctor)
{
    char path[300], name[64];
    bool control = false, dataplane = false;
    snprintf(path, sizeof path, "%.200s/proc", doctor->root);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (!isdigit((unsigned char)entry->d_name[0]) ||
            !doctor_read(doctor, name, sizeof name, "/proc/%.20s/comm", entry->d_name))
            continue;
        /* the kernel cuts names after 15 characters */
        bool is_control = strcmp(name, "waxwire-control") == 0;
        bool is_dataplane = strncmp(name, "waxwire-dataplane", 15) == 0;
        if (is_control || is_dataplane)
            check_process(doctor, entry->d_name, is_control ? "waxwire-control" : "waxwire-dataplane");
        control |= is_control;
        dataplane |= is_dataplane;
    }
    closedir(folder);
    if (!control || !dataplane)
        doctor_say(doctor, DOCTOR_NOTE, "running", "systemctl start waxwire.target", "%s",
                   control     ? "waxwire-dataplane does not run"
                   : dataplane ? "waxwire-control does not run"
                               : "neither program runs");
}
