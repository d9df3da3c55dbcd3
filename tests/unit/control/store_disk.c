/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store on a real file system that gets full, and one that fails: ext4 in a file, mounted where nobody
 * else sees it. By command, as root:
 *
 *   store-disk DIRECTORY [ROUNDS]
 *
 * In each round the disk is filled under load: what is refused is answered busy, never as stored, and the
 * store goes on by itself when there is room. Then, still under load, the file system is shut down
 * (EXT4_IOC_SHUTDOWN: from then on every write, read and sync is an input/output error): the store stops,
 * answers nothing more, and when the disk has been mounted again a start finds all that was answered.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_life.h"

#define DISK_MB      160
#define ROOM_LEFT    (3u << 20)
#define SHUTDOWN     _IOR('X', 125, uint32_t)
#define SHUTDOWN_NOW 2u /* without writing back what waits */
#define PATIENCE_MS  20000u

static char image[512], mounted[512];

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "store-disk: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void command(const char *format, const char *a, const char *b)
{
    char line[1200];
    snprintf(line, sizeof line, format, a, b);
    must(system(line) == 0, line);
}

/* Leave so little room that the next few segments don't find any. */
static void disk_fill(const char *filler)
{
    struct statvfs info;
    int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    must(fd >= 0 && statvfs(mounted, &info) == 0, filler);
    off_t room = (off_t)(info.f_bavail * info.f_frsize);
    must(room > (off_t)ROOM_LEFT && posix_fallocate(fd, 0, room - (off_t)ROOM_LEFT) == 0, "fill the disk");
    close(fd);
}

static void live(struct told *told, const char *directory)
{
    struct life *life = calloc(1, sizeof *life);
    char filler[600];
    life->told = told;
    life->may_refuse = true;
    life_open(life, directory);
    life_check(life);
    snprintf(filler, sizeof filler, "%s/filler", mounted);
    disk_fill(filler);
    uint64_t end = life_wall_ms() + PATIENCE_MS;
    while (life->refused < 200 && life_wall_ms() < end)
        life_load(life);
    uint64_t refused = life->refused;
    if (refused < 200)
        fault(life, "the disk was never full, refused:", refused);
    unlink(filler);
    uint64_t before = life->accepted, freed_ms = life_wall_ms();
    while (life->accepted < before + 500 && life_wall_ms() < freed_ms + PATIENCE_MS)
        life_load(life);
    if (life->accepted < before + 500)
        fault(life, "it did not go on when there was room, stored:", life->accepted - before);
    printf("full: %lu refused, 500 stored within %lu ms of there being room; ", (unsigned long)refused,
           (unsigned long)(life_wall_ms() - freed_ms));
    fflush(stdout);
    life->may_stop = true;
    uint32_t how = SHUTDOWN_NOW;
    int fd = open(mounted, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(fd >= 0 && ioctl(fd, SHUTDOWN, &how) == 0, "shut the file system down");
    before = life->accepted;
    end = life_wall_ms() + PATIENCE_MS;
    while (life->stopped == WAX_OK && life_wall_ms() < end)
        life_load(life);
    if (life->stopped != WAX_STORE_IO)
        fault(life, "it did not stop with an input/output error but", life->stopped);
    for (int i = 0; i < 50; i++) /* and answers nothing more: on_stored would say so */
        life_turn(life);
    printf("failed: stopped by \"%s\", %lu under way unanswered; ", wax_status_text(life->stopped),
           (unsigned long)life->under_way);
    fflush(stdout);
    _exit(0);
}

/* What was never answered, or was retired, may come or not. */
static void check_again(struct told *told, const char *directory)
{
    struct life *life = calloc(1, sizeof *life);
    life->told = told;
    life_open(life, directory);
    life_check(life);
    printf("mounted again: %lu of %lu found\n", (unsigned long)life->seen, (unsigned long)told->next - 1);
    fflush(stdout);
    _exit(0);
}

static void in_child(struct told *told, const char *directory, void (*what)(struct told *, const char *))
{
    int status;
    pid_t child = fork();
    if (child == 0)
        what(told, directory);
    must(child > 0 && waitpid(child, &status, 0) == child, "a child");
    if (told->fault[0] != '\0' || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "\nstore-disk: %s\n", told->fault[0] != '\0' ? told->fault : "died");
        umount2(mounted, MNT_DETACH);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    char directory[600];
    long rounds = argc > 2 ? atol(argv[2]) : 3;
    if (argc < 2 || rounds < 1) {
        fputs("usage: store-disk DIRECTORY [ROUNDS]\n", stderr);
        return 2;
    }
    must(sodium_init() >= 0, "libsodium");
    must(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0,
         "a mount namespace");
    snprintf(image, sizeof image, "%.480s/image-%d", argv[1], getpid());
    snprintf(mounted, sizeof mounted, "%.480s/disk-%d", argv[1], getpid());
    snprintf(directory, sizeof directory, "%s/store", mounted);
    int fd = open(image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(fd >= 0 && ftruncate(fd, (off_t)DISK_MB << 20) == 0 && mkdir(mounted, 0700) == 0, image);
    close(fd);
    command("mkfs.ext4 -q -m 0 %s%s", image, "");
    struct told *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must((void *)told != MAP_FAILED, "memory");
    told->next = 1;
    for (long i = 0; i < rounds; i++) {
        command("mount -o loop %s %s", image, mounted);
        in_child(told, directory, live);
        must(umount(mounted) == 0, "umount");
        command("mount -o loop %s %s", image, mounted);
        in_child(told, directory, check_again);
        must(umount(mounted) == 0, "umount");
        told->lives++;
    }
    unlink(image);
    rmdir(mounted);
    return told->checked > 0 ? 0 : 1;
}
