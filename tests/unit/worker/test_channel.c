/* SPDX-License-Identifier: BSD-3-Clause */
/* The link against a control plane that the test plays, over a real socket and memory. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/channel.h"

static char folder[64], path[96];
static struct channel_link the_link;
static int listener = -1;

/* The other side of one attachment. */
struct control {
    int socket, memfd, eventfd;
    struct channel_offer offer;
    struct channel_memory *memory;
};

static void listen_at(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(listener, 1), 0);
}

static void make(void)
{
    strcpy(folder, "/tmp/waxwire-channel-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/control", folder);
}

static void unmake(void)
{
    unlink(path);
    rmdir(folder);
}

TestSuite(channel, .init = make, .fini = unmake, .timeout = 20);

static struct control attach(uint32_t status, uint64_t epoch)
{
    struct control c = {.memory = NULL};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } rights;
    struct iovec part = {&c.offer, sizeof c.offer};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = rights.bytes,
                             .msg_controllen = sizeof rights.bytes};
    c.socket = accept(listener, NULL, NULL);
    cr_assert_geq(c.socket, 0);
    cr_assert_eq(recvmsg(c.socket, &message, 0), (ssize_t)sizeof c.offer);
    int fds[2];
    memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fds);
    c.memfd = fds[0];
    c.eventfd = fds[1];
    void *at = mmap(NULL, c.offer.memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, c.memfd, 0);
    cr_assert_neq(at, MAP_FAILED);
    c.memory = at;
    struct channel_grant grant = {.magic = CHANNEL_MAGIC,
                                  .version = CHANNEL_VERSION,
                                  .status = status,
                                  .epoch = epoch,
                                  .relay_id = "relay"};
    cr_assert_eq(send(c.socket, &grant, sizeof grant, 0), (ssize_t)sizeof grant);
    return c;
}

static void die(struct control *c)
{
    munmap(c->memory, c->offer.memory_bytes);
    close(c->memfd);
    close(c->eventfd);
    close(c->socket);
}

static struct attachment *wait_change(uint64_t *change)
{
    struct attachment *now = NULL;
    for (uint32_t ms = 0; ms < 5000; ms++) {
        if (channel_changed(&the_link, change, &now))
            return now;
        usleep(1000);
    }
    cr_assert_fail("nothing has changed");
    return NULL;
}

Test(channel, records_and_counters_pass_through_the_offered_memory)
{
    uint64_t change = 0;
    cr_assert_eq(channel_start(&the_link, path, 2, NULL, NULL, NULL), WAX_OK, "no control plane is no error");
    listen_at();
    struct control c = attach(WAX_OK, 5);
    cr_assert_eq(c.offer.magic, CHANNEL_MAGIC);
    cr_assert_eq(c.offer.workers, 2);
    cr_assert_eq(c.offer.epoch, 0);
    cr_assert_eq(c.offer.memory_bytes, channel_memory_bytes(2));
    cr_assert_eq(c.memory->magic, CHANNEL_MAGIC);
    cr_assert_eq(c.memory->version, CHANNEL_VERSION);
    struct attachment *a = wait_change(&change);
    cr_assert_not_null(a);
    cr_assert_eq(a->epoch, 5);
    cr_assert_eq(memcmp(a->relay_id, "relay", 5), 0);

    struct channel_record *out = channel_reserve(&a->memory->worker[1].to_control, 24);
    out->kind = CHANNEL_DRAIN_STOP;
    channel_publish(&a->memory->worker[1].to_control);
    enum wax_status status;
    const struct channel_record *in = channel_peek(&c.memory->worker[1].to_control, &status);
    cr_assert_not_null(in);
    cr_assert_eq(in->kind, CHANNEL_DRAIN_STOP);
    a->memory->worker[0].metrics.sends = 77;
    cr_assert_eq(c.memory->worker[0].metrics.sends, 77);

    die(&c);
    channel_stop(&the_link);
}

/* A control plane in a process of its own: exit status 0 when it was kicked once, and only asleep. */
static int sleeper(void)
{
    struct control c = attach(WAX_OK, 1);
    struct pollfd kick = {.fd = c.eventfd, .events = POLLIN};
    uint64_t count = 0;
    if (poll(&kick, 1, 100) != 0)
        return 1;
    atomic_store(&c.memory->control_sleeping, 1);
    if (poll(&kick, 1, 5000) != 1 || read(c.eventfd, &count, sizeof count) != sizeof count || count != 1)
        return 2;
    return poll(&kick, 1, 50) == 0 ? 0 : 3;
}

Test(channel, only_a_sleeping_control_plane_is_kicked_and_only_once)
{
    uint64_t change = 0;
    listen_at();
    pid_t child = fork();
    if (child == 0)
        _exit(sleeper());
    cr_assert_eq(channel_start(&the_link, path, 1, NULL, NULL, NULL), WAX_OK);
    struct attachment *a = wait_change(&change);
    channel_kick(a);
    while (atomic_load(&a->memory->control_sleeping) == 0)
        usleep(1000);
    channel_kick(a);
    channel_kick(a);
    int how;
    cr_assert_eq(waitpid(child, &how, 0), child);
    cr_assert_eq(how, 0);
    channel_stop(&the_link);
}

Test(channel, a_dead_control_plane_is_noticed_and_the_next_gets_new_memory_and_the_same_epoch)
{
    uint64_t change = 0;
    cr_assert_eq(channel_start(&the_link, path, 1, NULL, NULL, NULL), WAX_OK);
    listen_at();
    struct control first = attach(WAX_OK, 9);
    struct attachment *a = wait_change(&change);
    cr_assert_not_null(a);
    channel_settled(&the_link, 0, change);
    die(&first);
    cr_assert_null(wait_change(&change));
    usleep(10000);
    a->memory->worker[0].metrics.polls = 1; /* it may be touched as long as we have not let go of it */
    channel_settled(&the_link, 0, change);
    struct control second = attach(WAX_OK, 9);
    cr_assert_eq(second.offer.epoch, 9);
    struct attachment *b = wait_change(&change);
    cr_assert_not_null(b);
    cr_assert_eq(b->memory->worker[0].metrics.polls, 0);
    die(&second);
    channel_stop(&the_link);
}

static enum channel_event last_event;
static enum wax_status last_status;

static void on_event(void *ctx, enum channel_event event, uint64_t epoch, enum wax_status status)
{
    (void)ctx;
    (void)epoch;
    last_event = event;
    last_status = status;
}

Test(channel, a_second_data_plane_is_refused_for_good)
{
    cr_assert_eq(channel_start(&the_link, path, 1, on_event, NULL, NULL), WAX_OK);
    listen_at();
    struct control c = attach(WAX_STORE_LOCKED, 0);
    for (uint32_t ms = 0; channel_refused(&the_link) == WAX_OK && ms < 5000; ms++)
        usleep(1000);
    cr_assert_eq(channel_refused(&the_link), WAX_STORE_LOCKED);
    struct pollfd again = {.fd = listener, .events = POLLIN};
    cr_assert_eq(poll(&again, 1, 3 * CHANNEL_RETRY_MS), 0, "it does not try again");
    die(&c);
    channel_stop(&the_link);
    cr_assert_eq(last_event, CHANNEL_EVENT_REFUSED);
    cr_assert_eq(last_status, WAX_STORE_LOCKED);
}

Test(channel, what_a_worker_calls_broken_is_given_up_for_a_new_one)
{
    uint64_t change = 0;
    cr_assert_eq(channel_start(&the_link, path, 1, NULL, NULL, NULL), WAX_OK);
    listen_at();
    struct control first = attach(WAX_OK, 3);
    struct attachment *a = wait_change(&change);
    struct channel_ring *ring = &first.memory->worker[0].to_worker;
    channel_reserve(ring, 64)->bytes = 3; /* shorter than its own header */
    channel_publish(ring);
    enum wax_status status;
    cr_assert_null(channel_peek(&a->memory->worker[0].to_worker, &status));
    cr_assert_eq(status, WAX_CHANNEL_CORRUPT);
    channel_break(&the_link, a);
    cr_assert_null(wait_change(&change));
    channel_settled(&the_link, 0, change);
    uint8_t byte;
    cr_assert_eq(recv(first.socket, &byte, 1, 0), 0, "the other side sees its end");
    struct control second = attach(WAX_OK, 3);
    cr_assert_not_null(wait_change(&change));
    die(&first);
    die(&second);
    channel_stop(&the_link);
}

Test(channel, a_path_that_fits_no_address_is_refused)
{
    char longer[200];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    cr_assert_eq(channel_start(&the_link, longer, 1, NULL, NULL, NULL), WAX_BAD_ARGUMENT);
}

static struct wax_ticket_key told[2];
static uint32_t told_count;

static void on_order(void *ctx, const struct channel_order *order, struct channel_report *report)
{
    (void)ctx;
    if (order->kind == CHANNEL_ORDER_TICKET_KEYS) {
        memcpy(told, order->key, order->keys * sizeof told[0]);
        told_count = order->keys;
    } else {
        report->status = WAX_TLS_CERTIFICATE;
        strcpy(report->text, told_count == 2 ? "both keys came before" : "no keys");
    }
}

Test(channel, orders_are_done_in_turn_and_a_reload_is_reported)
{
    uint64_t change = 0;
    cr_assert_eq(channel_start(&the_link, path, 1, NULL, on_order, NULL), WAX_OK);
    listen_at();
    struct control c = attach(WAX_OK, 3);
    cr_assert_not_null(wait_change(&change));
    union {
        struct channel_order order;
        uint8_t bytes[CHANNEL_ORDER_BYTES_MAX];
    } say = {.order = {.magic = CHANNEL_MAGIC, .kind = CHANNEL_ORDER_TICKET_KEYS, .keys = 2}};
    say.order.key[1].made_ms = 7;
    size_t bytes = sizeof say.order + 2 * sizeof say.order.key[0];
    cr_assert_eq(send(c.socket, &say, bytes, 0), (ssize_t)bytes);
    struct channel_order reload = {.magic = CHANNEL_MAGIC, .kind = CHANNEL_ORDER_TLS_RELOAD, .tag = 99};
    cr_assert_eq(send(c.socket, &reload, sizeof reload, 0), (ssize_t)sizeof reload);
    struct channel_report report;
    cr_assert_eq(recv(c.socket, &report, sizeof report, 0), (ssize_t)sizeof report);
    cr_assert(report.magic == CHANNEL_MAGIC && report.tag == 99 && report.status == WAX_TLS_CERTIFICATE);
    cr_assert_str_eq(report.text, "both keys came before");
    cr_assert_eq(told[1].made_ms, 7);
    die(&c);
    channel_stop(&the_link);
}

Test(channel, an_order_that_makes_no_sense_ends_the_attachment)
{
    struct channel_order bad[] = {
        {.magic = 1, .kind = CHANNEL_ORDER_TLS_RELOAD},
        {.magic = CHANNEL_MAGIC, .kind = 77},
        {.magic = CHANNEL_MAGIC, .kind = CHANNEL_ORDER_TICKET_KEYS, .keys = 0},
        {.magic = CHANNEL_MAGIC, .kind = CHANNEL_ORDER_TICKET_KEYS, .keys = 1}, /* which is not there */
        {.magic = CHANNEL_MAGIC, .kind = CHANNEL_ORDER_TICKET_KEYS, .keys = WAX_TICKET_KEYS_MAX + 1},
    };
    uint64_t change = 0;
    cr_assert_eq(channel_start(&the_link, path, 1, NULL, on_order, NULL), WAX_OK);
    listen_at();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct control c = attach(WAX_OK, 3);
        cr_assert_not_null(wait_change(&change));
        cr_assert_eq(send(c.socket, &bad[i], sizeof bad[i], 0), (ssize_t)sizeof bad[i]);
        cr_assert_null(wait_change(&change), "order %zu", i);
        channel_settled(&the_link, 0, change);
        die(&c);
    }
    cr_assert_eq(told_count, 0);
    channel_stop(&the_link);
}
