/* SPDX-License-Identifier: BSD-3-Clause */
#include "channel_help.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

char directory[64];
static char socket_path[100], config_path[100];
char admin_path[100];
static pid_t control;

uint64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

void nap(void)
{
    struct timespec ms = {0, 1000000};
    nanosleep(&ms, NULL);
}

void start_control(void)
{
    /* The kernel lets go of a killed process's io_uring late, and until then of the socket it listened on. */
    unlink(socket_path);
    unlink(admin_path);
    control = fork();
    cr_assert_geq(control, 0);
    if (control == 0) {
        int null = open("/dev/null", O_WRONLY);
        if (getenv("WAX_TEST_VERBOSE") == NULL)
            dup2(null, STDERR_FILENO);
        execl(CONTROL_EXE, CONTROL_EXE, "--config", config_path, (char *)NULL);
        _exit(127);
    }
}

void stop_control(int signal)
{
    int status;
    kill(control, signal);
    cr_assert_eq(waitpid(control, &status, 0), control);
    if (signal == SIGTERM)
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "control ended with %x", status);
    control = 0;
}

int connect_to(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    for (int i = 0; i < 8000; i++) {
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        close(fd);
        nap();
    }
    cr_assert_fail("control does not listen");
    return -1;
}

void setup(void)
{
    setup_with("");
}

void setup_with(const char *more)
{
    cr_assert_geq(sodium_init(), 0);
    strcpy(directory, "/tmp/wax-e2e-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(socket_path, sizeof socket_path, "%s/control.sock", directory);
    snprintf(admin_path, sizeof admin_path, "%s/admin.sock", directory);
    snprintf(config_path, sizeof config_path, "%s/waxwire.yaml", directory);
    FILE *file = fopen(config_path, "w");
    fprintf(
        file,
        "control: {socket: %s, admin_socket: %s}\nstore: {directory: %s/store, purge_s: 5}\n"
        "ports: [{kind: tap, device: x, addresses: [198.18.0.2/24]}]\nlisteners: [{port: 80, tls: false}]\n"
        "%s",
        socket_path, admin_path, directory, more);
    fclose(file);
    start_control();
}

void teardown(void)
{
    char command[128];
    if (control != 0) {
        kill(control, SIGKILL);
        waitpid(control, NULL, 0);
    }
    snprintf(command, sizeof command, "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
}

struct channel_grant offer_as(struct plane *plane, const struct channel_offer *offer, int seals)
{
    char control_bytes[CMSG_SPACE(2 * sizeof(int))] = {0};
    struct iovec iov = {(void *)(uintptr_t)offer, sizeof *offer};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control_bytes,
                         .msg_controllen = sizeof control_bytes};
    int fd = memfd_create("channel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    cr_assert_eq(ftruncate(fd, (off_t)channel_memory_bytes(WORKERS)), 0);
    plane->memory = mmap(NULL, channel_memory_bytes(WORKERS), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    plane->memory->magic = CHANNEL_MAGIC;
    plane->memory->version = CHANNEL_VERSION;
    plane->memory->workers = WORKERS;
    plane->memory->ring_bytes = WAX_CHANNEL_RING_BYTES;
    cr_assert_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
    plane->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    plane->socket = connect_to(socket_path, SOCK_SEQPACKET);
    struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(header), (int[2]){fd, plane->event}, 2 * sizeof(int));
    cr_assert_eq(sendmsg(plane->socket, &msg, 0), (ssize_t)sizeof *offer);
    close(fd);
    struct channel_grant grant = {.status = WAX_CHANNEL_DOWN};
    ssize_t got = recv(plane->socket, &grant, sizeof grant, 0);
    cr_assert(got <= 0 || got == (ssize_t)sizeof grant);
    return grant;
}

struct channel_offer sound_offer(uint64_t epoch)
{
    return (struct channel_offer){.magic = CHANNEL_MAGIC,
                                  .version = CHANNEL_VERSION,
                                  .workers = WORKERS,
                                  .ring_bytes = WAX_CHANNEL_RING_BYTES,
                                  .memory_bytes = channel_memory_bytes(WORKERS),
                                  .epoch = epoch,
                                  .pid = getpid()};
}

void detach(struct plane *plane)
{
    close(plane->socket);
    close(plane->event);
    munmap(plane->memory, channel_memory_bytes(WORKERS));
}

void next_order(struct plane *plane, enum channel_order_kind kind)
{
    ssize_t got = recv(plane->socket, &plane->said, sizeof plane->said, 0);
    size_t bytes = sizeof plane->said.order + plane->said.order.keys * sizeof(struct wax_ticket_key);
    cr_assert_eq(got, (ssize_t)(kind == CHANNEL_ORDER_TOKENS ? sizeof plane->tokens : bytes));
    cr_assert_eq(plane->said.order.magic, CHANNEL_MAGIC);
    cr_assert_eq(plane->said.order.kind, kind);
}

void attach(struct plane *plane, uint64_t epoch)
{
    struct channel_offer offer = sound_offer(epoch);
    for (int i = 0; i < 1000; i++) {
        plane->grant = offer_as(plane, &offer, F_SEAL_SHRINK | F_SEAL_GROW);
        /* the socket of a control that was killed may live on for a moment, and so may our own last one */
        if (plane->grant.status != WAX_CHANNEL_DOWN && plane->grant.status != WAX_STORE_LOCKED)
            break;
        detach(plane);
        nap();
    }
    cr_assert_eq(plane->grant.status, WAX_OK);
    cr_assert_eq(plane->grant.magic, CHANNEL_MAGIC);
    next_order(plane, CHANNEL_ORDER_TICKET_KEYS);
    plane->tickets = plane->said.order.keys;
    memcpy(plane->ticket, plane->said.order.key, plane->tickets * sizeof plane->ticket[0]);
    next_order(plane, CHANNEL_ORDER_TOKENS);
    memcpy(&plane->tokens, &plane->said, sizeof plane->tokens);
}

void kick(struct plane *plane)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(&plane->memory->control_sleeping) != 0)
        eventfd_write(plane->event, 1);
}

void *reserve(struct plane *plane, uint32_t worker, uint16_t kind, size_t bytes)
{
    struct channel_record *record;
    for (int i = 0; i < 5000; i++) {
        record = channel_reserve(&plane->memory->worker[worker].to_control, (uint32_t)bytes);
        if (record != NULL) {
            memset(record + 1, 0, bytes - sizeof *record);
            record->kind = kind;
            return record;
        }
        channel_publish(&plane->memory->worker[worker].to_control);
        kick(plane);
        nap();
    }
    cr_assert_fail("the ring stays full");
    return NULL;
}

void publish(struct plane *plane, uint32_t worker)
{
    channel_publish(&plane->memory->worker[worker].to_control);
    kick(plane);
}

/* The next record for the worker, or NULL after a while. The test must release it. */
const struct channel_record *next(struct plane *plane, uint32_t worker, int patience_ms)
{
    enum wax_status status;
    for (int i = 0; i < patience_ms; i++) {
        const struct channel_record *record = channel_peek(&plane->memory->worker[worker].to_worker, &status);
        cr_assert_eq(status, WAX_OK);
        if (record != NULL)
            return record;
        nap();
    }
    return NULL;
}

void release(struct plane *plane, uint32_t worker, const struct channel_record *record)
{
    channel_release(&plane->memory->worker[worker].to_worker, record);
}

/* Users below PEOPLE have accounts once come_in has been called; the others have none. */

void ask_admin(const char *request, char *reply, size_t room)
{
    int fd = connect_to(admin_path, SOCK_STREAM);
    size_t len = 0;
    cr_assert_eq(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
    while (len == 0 || reply[len - 1] != '\n') {
        ssize_t got = recv(fd, reply + len, room - len - 1, 0);
        cr_assert_gt(got, 0);
        len += (size_t)got;
    }
    reply[len] = '\0';
    close(fd);
}
