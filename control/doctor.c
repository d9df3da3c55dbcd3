/* SPDX-License-Identifier: BSD-3-Clause */
#include "doctor.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 512u

void cpu_set_read(struct cpu_set *set, const char *list)
{
    memset(set, 0, sizeof *set);
    while (isdigit((unsigned char)*list)) {
        char *end;
        unsigned long first = strtoul(list, &end, 10), last = first;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        for (unsigned long cpu = first; cpu <= last && cpu < DOCTOR_CPUS; cpu++)
            set->bit[cpu / 64] |= UINT64_C(1) << cpu % 64;
        list = *end == ',' ? end + 1 : end;
    }
}

void doctor_say(struct doctor *doctor, enum doctor_grade grade, const char *check, const char *mend,
                const char *format, ...)
{
    char text[DOCTOR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    doctor->found(doctor->ctx, grade, check, text, grade == DOCTOR_GOOD ? "" : mend);
}

static void put_path(const struct doctor *doctor, char path[PATH_BYTES], const char *format, va_list args)
{
    int len = snprintf(path, PATH_BYTES, "%.200s", doctor->root);
    vsnprintf(path + len, PATH_BYTES - (size_t)len, format, args);
}

static bool read_path(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    out[0] = '\0';
    if (fd < 0)
        return false;
    for (ssize_t got; len < room - 1 && (got = read(fd, out + len, room - 1 - len)) > 0;)
        len += (size_t)got;
    out[len] = '\0';
    close(fd);
    return true;
}

bool doctor_read_all(struct doctor *doctor, char *out, size_t room, const char *format, ...)
{
    char path[PATH_BYTES];
    va_list args;
    va_start(args, format);
    put_path(doctor, path, format, args);
    va_end(args);
    return read_path(path, out, room);
}

bool doctor_read(struct doctor *doctor, char *out, size_t room, const char *format, ...)
{
    char path[PATH_BYTES];
    va_list args;
    va_start(args, format);
    put_path(doctor, path, format, args);
    va_end(args);
    bool there = read_path(path, out, room);
    out[strcspn(out, "\n")] = '\0';
    return there;
}

int64_t doctor_number(struct doctor *doctor, int64_t missing, const char *format, ...)
{
    char path[PATH_BYTES], text[64];
    va_list args;
    va_start(args, format);
    put_path(doctor, path, format, args);
    va_end(args);
    char *end;
    if (!read_path(path, text, sizeof text))
        return missing;
    int64_t value = strtoll(text, &end, 10);
    return end == text ? missing : value;
}

bool doctor_link(struct doctor *doctor, char *out, size_t room, const char *format, ...)
{
    char path[PATH_BYTES], target[PATH_BYTES];
    va_list args;
    va_start(args, format);
    put_path(doctor, path, format, args);
    va_end(args);
    ssize_t len = readlink(path, target, sizeof target - 1);
    out[0] = '\0';
    if (len <= 0)
        return false;
    target[len] = '\0';
    const char *slash = strrchr(target, '/');
    snprintf(out, room, "%s", slash != NULL ? slash + 1 : target);
    return true;
}

bool doctor_write(struct doctor *doctor, const char *text, const char *format, ...)
{
    char path[PATH_BYTES];
    va_list args;
    if (!doctor->fix)
        return false;
    va_start(args, format);
    put_path(doctor, path, format, args);
    va_end(args);
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool taken = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    return close(fd) == 0 && taken;
}

int doctor_cpu_node(struct doctor *doctor, uint32_t cpu)
{
    char list[4096];
    for (int node = 0; node < 64; node++) {
        struct cpu_set set;
        if (!doctor_read(doctor, list, sizeof list, "/sys/devices/system/node/node%d/cpulist", node))
            continue;
        cpu_set_read(&set, list);
        if (cpu_set_has(&set, cpu))
            return node;
    }
    return -1;
}

int doctor_port_node(struct doctor *doctor, const struct config_port *port)
{
    if (port->kind == CONFIG_PORT_PCI)
        return (int)doctor_number(doctor, -1, "/sys/bus/pci/devices/%.64s/numa_node", port->device);
    return (int)doctor_number(doctor, -1, "/sys/class/net/%.64s/device/numa_node", port->device);
}

struct cpu_set doctor_worker_cores(const struct doctor *doctor)
{
    struct cpu_set set = {{0}};
    for (uint32_t i = 0; i < doctor->config->core_count; i++) {
        uint32_t cpu = doctor->config->cores[i];
        if (cpu < DOCTOR_CPUS)
            set.bit[cpu / 64] |= UINT64_C(1) << cpu % 64;
    }
    return set;
}

void doctor_run(struct doctor *doctor)
{
    doctor_memory(doctor);
    doctor_cores(doctor);
    doctor_power(doctor);
    doctor_interrupts(doctor);
    doctor_ports(doctor);
    doctor_clock(doctor);
    doctor_processes(doctor);
    doctor_disk(doctor);
    doctor_certificates(doctor);
}
