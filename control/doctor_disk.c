/* SPDX-License-Identifier: BSD-3-Clause */
/* The store's disk: is there room, does it keep what it says it has kept, and how fast. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "doctor.h"

#define SYNCS          32u
#define BLOCK_BYTES    4096u
#define SLOW_US        5000u
#define IMPLAUSIBLE_US 15u
#define FREE_MIB       1024u
#define TMPFS          0x01021994
#define OVERLAYFS      0x794c7630
#define NFS            0x6969

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Write and sync blocks of a file that has no name. False (errno) when that fails. */
static bool measure(const char *directory, uint64_t took_us[SYNCS])
{
    static const char block[BLOCK_BYTES] = "waxctl doctor";
    int fd = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    bool good = fd >= 0;
    for (uint32_t i = 0; good && i < SYNCS; i++) {
        uint64_t before = now_us();
        good =
            pwrite(fd, block, sizeof block, i * BLOCK_BYTES) == (ssize_t)sizeof block && fdatasync(fd) == 0;
        took_us[i] = now_us() - before;
    }
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    qsort(took_us, SYNCS, sizeof *took_us, compare);
    return good;
}

/* "write back" or "write through" of the disk below a device, or "". */
static void write_cache(struct doctor *doctor, dev_t device, char *out, size_t room)
{
    if (!doctor_read(doctor, out, room, "/sys/dev/block/%u:%u/queue/write_cache", major(device),
                     minor(device)))
        (void)doctor_read(doctor, out, room, "/sys/dev/block/%u:%u/../queue/write_cache", major(device),
                          minor(device));
}

static void check_sync(struct doctor *doctor, const char *path, const struct stat *info)
{
    uint64_t took_us[SYNCS] = {0};
    char cache[64];
    if (!measure(path, took_us)) {
        doctor_say(doctor, DOCTOR_NOTE, "sync", "run it as root, or as the store's user",
                   "%s: no file could be made and synced to time it: %s", path, strerror(errno));
        return;
    }
    uint64_t middle = took_us[SYNCS / 2], most = took_us[SYNCS - 1];
    write_cache(doctor, info->st_dev, cache, sizeof cache);
    if (strcmp(cache, "write back") == 0 && middle < IMPLAUSIBLE_US)
        doctor_say(doctor, DOCTOR_BAD, "sync",
                   "turn off whatever ignores flushes (cache=unsafe of a hypervisor, nobarrier, a controller "
                   "without a battery)",
                   "%s: fdatasync returns after %" PRIu64
                   " us though the disk has a volatile cache: it is not flushed",
                   path, middle);
    else if (middle > SLOW_US)
        doctor_say(doctor, DOCTOR_WARN, "sync", "a disk with power-loss protection; nothing else on it",
                   "%s: fdatasync of 4 KiB takes %" PRIu64 " us, at most %" PRIu64
                   ": so long a sender waits for its check mark",
                   path, middle, most);
    else
        doctor_say(doctor, DOCTOR_GOOD, "sync", "",
                   "%s: fdatasync of 4 KiB takes %" PRIu64 " us, at most %" PRIu64 "%s%s%s", path, middle,
                   most, cache[0] != '\0' ? " (" : "", cache, cache[0] != '\0' ? ")" : "");
}

static void check_filesystem(struct doctor *doctor, const char *path, const struct stat *info)
{
    char text[32768], place[32];
    struct statfs fs;
    if (statfs(path, &fs) == 0 && (fs.f_type == TMPFS || fs.f_type == NFS))
        doctor_say(doctor, DOCTOR_BAD, "filesystem", "a local disk: ext4 or xfs", "%s is on %s", path,
                   fs.f_type == TMPFS ? "memory (tmpfs): everything is gone after a reboot" : "NFS");
    else if (fs.f_type == OVERLAYFS)
        doctor_say(doctor, DOCTOR_WARN, "filesystem", "a local disk: ext4 or xfs", "%s is on an overlay",
                   path);
    snprintf(place, sizeof place, " %u:%u ", major(info->st_dev), minor(info->st_dev));
    if (!doctor_read_all(doctor, text, sizeof text, "/proc/self/mountinfo"))
        return;
    char *line = strstr(text, place);
    if (line == NULL)
        return;
    line[strcspn(line, "\n")] = '\0';
    if (strstr(line, "nobarrier") != NULL || strstr(line, "barrier=0") != NULL)
        doctor_say(doctor, DOCTOR_BAD, "sync", "mount it without nobarrier",
                   "%s is mounted with nobarrier: a power cut can take what was confirmed", path);
}

static void check_room(struct doctor *doctor, const char *path)
{
    struct statvfs fs;
    if (statvfs(path, &fs) != 0)
        return;
    uint64_t free_mib = (uint64_t)fs.f_bavail * fs.f_frsize >> 20,
             all_mib = (uint64_t)fs.f_blocks * fs.f_frsize >> 20;
    enum doctor_grade grade = free_mib < 128                                   ? DOCTOR_BAD
                              : free_mib < FREE_MIB || free_mib < all_mib / 20 ? DOCTOR_WARN
                                                                               : DOCTOR_GOOD;
    doctor_say(doctor, grade, "disk", "a larger disk; lower media.ttl_s or media.quota_mib",
               "%s: %" PRIu64 " of %" PRIu64 " MiB free", path, free_mib, all_mib);
    if (fs.f_files != 0 && fs.f_favail < 10000)
        doctor_say(doctor, DOCTOR_WARN, "inodes", "a file system with more inodes: each blob is a file",
                   "%s: %" PRIu64 " inodes left", path, (uint64_t)fs.f_favail);
}

void doctor_disk(struct doctor *doctor)
{
    char path[CONFIG_PATH_BYTES + 256];
    struct stat info;
    snprintf(path, sizeof path, "%.200s%s", doctor->root, doctor->config->store_directory);
    if (stat(path, &info) != 0) {
        doctor_say(doctor, DOCTOR_NOTE, "disk", "waxwire-control makes it at its first start", "%s: %s", path,
                   strerror(errno));
        return;
    }
    if ((info.st_mode & 077) != 0)
        doctor_say(doctor, DOCTOR_WARN, "store", "chmod 700", "%s can be looked into by others (mode %03o)",
                   path, info.st_mode & 0777);
    check_filesystem(doctor, path, &info);
    check_room(doctor, path);
    check_sync(doctor, path, &info);
}
