/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void tell(struct channel_link *link, enum channel_event event, enum wax_status status)
{
    if (link->event != NULL)
        link->event(link->ctx, event, link->epoch, status);
}

static void attachment_free(struct attachment *a)
{
    if (a->memory != NULL)
        munmap(a->memory, a->bytes);
    if (a->socket >= 0)
        close(a->socket);
    if (a->eventfd >= 0)
        close(a->eventfd);
    free(a);
}

/* New shared memory, sealed so that the other side may map it without fear; its descriptor in *memfd. */
static struct channel_memory *memory_make(uint32_t workers, size_t bytes, int *memfd)
{
    *memfd = memfd_create("waxwire-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*memfd < 0)
        return NULL;
    if (ftruncate(*memfd, (off_t)bytes) != 0 ||
        fcntl(*memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return NULL;
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *memfd, 0);
    if (at == MAP_FAILED)
        return NULL;
    struct channel_memory *memory = at;
    memory->magic = CHANNEL_MAGIC;
    memory->version = CHANNEL_VERSION;
    memory->workers = workers;
    memory->ring_bytes = WAX_CHANNEL_RING_BYTES;
    return memory;
}

/* Connect without waiting: a UNIX socket is there at once or not at all. -1 when nobody listens. */
static int socket_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (s < 0)
        return -1;
    memcpy(address.sun_path, path, strlen(path));
    if (connect(s, (struct sockaddr *)&address, sizeof address) == 0)
        return s;
    close(s);
    return -1;
}

static bool offer_send(int s, const struct channel_offer *offer, int memfd, int kick)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct iovec part = {(void *)(uintptr_t)offer, sizeof *offer};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    int both[2] = {memfd, kick};
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof both);
    memcpy(CMSG_DATA(rights), both, sizeof both);
    return sendmsg(s, &message, MSG_NOSIGNAL) == (ssize_t)sizeof *offer;
}

/* Wait until the socket has something, the link is to stop, or the time is over. */
static bool socket_wait(struct channel_link *link, int s, int timeout_ms)
{
    struct pollfd fds[2] = {{.fd = s, .events = POLLIN}, {.fd = link->wake, .events = POLLIN}};
    while (!atomic_load(&link->stop)) {
        int n = poll(fds, 2, timeout_ms);
        if (n < 0 && errno == EINTR)
            continue;
        return n > 0 && fds[0].revents != 0;
    }
    return false;
}

/* Memory, socket, offer and grant. NULL when it did not come about; *status says why. */
static struct attachment *attach(struct channel_link *link, enum wax_status *status)
{
    *status = WAX_CHANNEL_DOWN;
    int s = socket_connect(link->path);
    if (s < 0)
        return NULL;
    struct attachment *a = calloc(1, sizeof *a);
    if (a == NULL) {
        close(s);
        return NULL;
    }
    int memfd = -1;
    a->socket = s;
    a->bytes = channel_memory_bytes(link->workers);
    a->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    a->memory = a->eventfd >= 0 ? memory_make(link->workers, a->bytes, &memfd) : NULL;
    struct channel_offer offer = {.magic = CHANNEL_MAGIC,
                                  .version = CHANNEL_VERSION,
                                  .workers = link->workers,
                                  .ring_bytes = WAX_CHANNEL_RING_BYTES,
                                  .memory_bytes = a->bytes,
                                  .epoch = link->epoch,
                                  .pid = getpid()};
    struct channel_grant grant = {0};
    bool granted = a->memory != NULL && offer_send(s, &offer, memfd, a->eventfd) &&
                   socket_wait(link, s, (int)CHANNEL_GRANT_MS) &&
                   recv(s, &grant, sizeof grant, 0) == (ssize_t)sizeof grant && grant.magic == CHANNEL_MAGIC;
    if (memfd >= 0)
        close(memfd);
    if (granted)
        *status = grant.version == CHANNEL_VERSION ? (enum wax_status)grant.status : WAX_CHANNEL_VERSION;
    if (*status != WAX_OK) {
        attachment_free(a);
        return NULL;
    }
    a->epoch = grant.epoch;
    memcpy(a->relay_id, grant.relay_id, sizeof a->relay_id);
    return a;
}

static void publish(struct channel_link *link, struct attachment *a)
{
    if (a != NULL)
        link->epoch = a->epoch;
    atomic_store_explicit(&link->current, a, memory_order_release);
    atomic_fetch_add_explicit(&link->change, 1, memory_order_acq_rel);
}

/* Unmap what every worker has let go of. */
static void retired_free(struct channel_link *link, bool all)
{
    struct attachment **at = &link->retired;
    while (*at != NULL) {
        struct attachment *a = *at;
        bool held = false;
        for (uint32_t w = 0; w < link->workers && !all; w++)
            held |= atomic_load_explicit(&link->seen[w].change, memory_order_acquire) < a->retired_at;
        if (held) {
            at = &a->next;
            continue;
        }
        *at = a->next;
        attachment_free(a);
    }
}

static void retire(struct channel_link *link, struct attachment *a)
{
    publish(link, NULL);
    a->retired_at = atomic_load(&link->change);
    a->next = link->retired;
    link->retired = a;
    atomic_store(&link->broken, NULL);
    shutdown(a->socket, SHUT_RDWR); /* its end is how the other side learns of it */
}

static bool order_sound(const struct channel_order *order, size_t bytes)
{
    if (bytes == sizeof(struct channel_order_tokens) && order->magic == CHANNEL_MAGIC &&
        order->kind == CHANNEL_ORDER_TOKENS) {
        const struct channel_order_tokens *tokens = (const struct channel_order_tokens *)(const void *)order;
        return tokens->keys != 0 && tokens->keys <= WAX_TOKEN_KEYS_MAX &&
               tokens->revoked_count <= WAX_TOKENS_REVOKED_MAX;
    }
    return bytes >= sizeof *order && order->magic == CHANNEL_MAGIC && order->keys <= WAX_TICKET_KEYS_MAX &&
           bytes == sizeof *order + order->keys * sizeof order->key[0] &&
           (order->kind == CHANNEL_ORDER_TLS_RELOAD ||
            (order->kind == CHANNEL_ORDER_TICKET_KEYS && order->keys != 0));
}

static void order_do(struct channel_link *link, int s, const struct channel_order *order)
{
    struct channel_report report = {.magic = CHANNEL_MAGIC, .tag = order->tag};
    if (link->order != NULL)
        link->order(link->ctx, order, &report);
    if (order->kind != CHANNEL_ORDER_TLS_RELOAD)
        return;
    ssize_t sent = send(s, &report, sizeof report, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent; /* who is gone is noticed by the socket's end */
}

/* Takes what the other side has said. False when it is gone (its socket has ended), or said nonsense. */
static bool socket_take(struct channel_link *link, int s)
{
    union {
        struct channel_order order;
        uint8_t bytes[CHANNEL_ORDER_BYTES_MAX];
    } said;
    ssize_t n = recv(s, &said, sizeof said, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    bool sound = n > 0 && (size_t)n <= sizeof said && order_sound(&said.order, (size_t)n);
    if (sound)
        order_do(link, s, &said.order);
    explicit_bzero(&said, sizeof said);
    return sound;
}

static void wake_clear(struct channel_link *link)
{
    uint64_t woken;
    ssize_t n = read(link->wake, &woken, sizeof woken);
    (void)n; /* nothing to read is as good */
}

/* Until the control plane dies, a worker calls it broken, or the link is to stop. */
static void watch(struct channel_link *link, struct attachment *a)
{
    while (!atomic_load(&link->stop) && atomic_load(&link->broken) != a) {
        if (socket_wait(link, a->socket, 1000) && !socket_take(link, a->socket))
            break;
        wake_clear(link);
        retired_free(link, false);
    }
}

/* One attempt. False when the control plane has refused us for good. */
static bool attempt(struct channel_link *link)
{
    enum wax_status status;
    struct attachment *a = attach(link, &status);
    if (a != NULL) {
        publish(link, a);
        tell(link, CHANNEL_EVENT_UP, WAX_OK);
    } else if (status == WAX_STORE_LOCKED || status == WAX_CHANNEL_VERSION) {
        atomic_store(&link->refused, (uint32_t)status);
        tell(link, CHANNEL_EVENT_REFUSED, status);
        return false;
    }
    return true;
}

static void *keep(void *arg)
{
    struct channel_link *link = arg;
    pthread_setname_np(pthread_self(), "channel");
    while (!atomic_load(&link->stop)) {
        struct attachment *a = atomic_load(&link->current);
        if (a != NULL) {
            watch(link, a);
            retire(link, a);
            if (!atomic_load(&link->stop))
                tell(link, CHANNEL_EVENT_DOWN, WAX_CHANNEL_DOWN);
            continue;
        }
        retired_free(link, false);
        if (!attempt(link))
            break;
        if (atomic_load(&link->current) == NULL) {
            struct pollfd wake = {.fd = link->wake, .events = POLLIN};
            poll(&wake, 1, (int)CHANNEL_RETRY_MS);
            wake_clear(link);
        }
    }
    return NULL;
}

enum wax_status
channel_start(struct channel_link *link, const char *path, uint32_t workers,
              void (*event)(void *ctx, enum channel_event event, uint64_t epoch, enum wax_status status),
              void (*order)(void *ctx, const struct channel_order *order, struct channel_report *report),
              void *ctx)
{
    memset(link, 0, sizeof *link);
    size_t room = sizeof link->path < sizeof(((struct sockaddr_un *)0)->sun_path)
                      ? sizeof link->path
                      : sizeof(((struct sockaddr_un *)0)->sun_path);
    if (strlen(path) >= room)
        return WAX_BAD_ARGUMENT;
    memcpy(link->path, path, strlen(path) + 1);
    link->workers = workers;
    link->event = event;
    link->order = order;
    link->ctx = ctx;
    link->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (link->wake < 0)
        return WAX_NO_MEMORY;
    if (!attempt(link))
        return WAX_OK;
    if (pthread_create(&link->thread, NULL, keep, link) != 0)
        return WAX_NO_MEMORY;
    link->started = true;
    return WAX_OK;
}

enum wax_status channel_refused(struct channel_link *link)
{
    return (enum wax_status)atomic_load(&link->refused);
}

void channel_kick(struct attachment *attachment)
{
    /* Our tail before their flag: they set the flag, then look at the rings once more. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&attachment->memory->control_sleeping, memory_order_relaxed) == 0 ||
        atomic_exchange(&attachment->memory->control_sleeping, 0) == 0)
        return;
    uint64_t one = 1;
    ssize_t written = write(attachment->eventfd, &one, sizeof one);
    (void)written; /* it only fails when it is rung already */
}

static void wake(struct channel_link *link)
{
    uint64_t one = 1;
    ssize_t written = write(link->wake, &one, sizeof one);
    (void)written;
}

void channel_break(struct channel_link *link, struct attachment *attachment)
{
    atomic_store(&link->broken, attachment);
    wake(link);
}

void channel_stop(struct channel_link *link)
{
    atomic_store(&link->stop, true);
    wake(link);
    if (link->started)
        pthread_join(link->thread, NULL);
    struct attachment *a = atomic_exchange(&link->current, NULL);
    if (a != NULL)
        attachment_free(a);
    retired_free(link, true);
    close(link->wake);
}
