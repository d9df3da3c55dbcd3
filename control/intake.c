/* SPDX-License-Identifier: BSD-3-Clause */
#include "intake.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "attachment.h"

#define BURST 256u /* records of one worker in a turn */

/* A connection on the control socket: first a caller, then, perhaps, the data plane. */
struct caller {
    struct loop_op op;
    struct intake *intake;
    int fd;
    bool closing; /* it is freed when its poll has ended */
};

struct intake {
    struct loop *loop;
    struct journal *journal;
    struct directory *directory;
    struct session_table *sessions;
    struct mailboxes *mailboxes;
    char path[108];
    int listener;
    struct loop_op listener_op;
    struct caller *caller; /* that offers, or has attached */
    struct attachment *attachment;
    struct attachment *offered; /* waits for its epoch */
    struct channel_offer offer;
    int kick; /* the data plane's eventfd */
    struct kick {
        struct loop_op op;
        int fd;
        struct loop *loop;
    } * kick_op;
    uint32_t serial;  /* of the attachment: old logins are not answered to a new one */
    uint64_t blocked; /* workers whose oldest record finds no room in the store now */
    uint64_t now_ms;
    struct intake_view view;
};

struct login {
    struct directory_login login;
    struct intake *intake;
    uint32_t serial;
    uint32_t worker;
    uint64_t tag;
    struct device_name name;
};

static void answer_login(struct intake *intake, uint32_t worker, uint64_t tag, uint8_t error, bool fresh,
                         uint32_t waiting)
{
    struct channel_login_reply reply = {
        .record = {.bytes = sizeof reply, .kind = CHANNEL_LOGIN_REPLY},
        .tag = tag,
        .error = error,
        .welcome = fresh ? WIRE_WELCOME_NEW_ACCOUNT : 0,
        .waiting = waiting,
    };
    attachment_answer(intake->attachment, worker, &reply, sizeof reply);
}

/* ---- the attachment's life ---- */

static void kick_done(struct loop_op *op, int32_t result, bool more)
{
    struct kick *kick = (struct kick *)(void *)op;
    eventfd_t count;
    if (result > 0)
        eventfd_read(kick->fd, &count);
    if (more)
        return;
    if (result == -ECANCELED) {
        close(kick->fd);
        free(kick);
        return;
    }
    loop_poll(kick->loop, kick->fd, POLLIN, op);
}

static void detach(struct intake *intake, const char *why)
{
    struct caller *caller = intake->caller;
    if (intake->attachment != NULL) {
        journal_say(intake->journal, CONFIG_LEVEL_WARN, "intake", "data plane detached", J_T("why", why),
                    J_I("pid", intake->view.pid), J_U("sessions", session_table_count(intake->sessions)));
        mailboxes_detach(intake->mailboxes);
        session_table_clear(intake->sessions);
        loop_cancel(intake->loop, &intake->kick_op->op);
        intake->kick_op = NULL;
        attachment_unmap(intake->attachment);
        intake->attachment = NULL;
        intake->view.attached = false;
    }
    if (intake->offered != NULL) {
        attachment_unmap(intake->offered);
        intake->offered = NULL;
        close(intake->kick);
    }
    intake->serial++;
    intake->blocked = 0;
    intake->caller = NULL;
    if (caller != NULL && !caller->closing) {
        caller->closing = true;
        shutdown(caller->fd, SHUT_RDWR);
        loop_cancel(intake->loop, &caller->op);
    }
}

static void grant(int fd, enum wax_status status, const struct directory_relay *relay, uint64_t epoch)
{
    struct channel_grant reply = {
        .magic = CHANNEL_MAGIC,
        .version = CHANNEL_VERSION,
        .status = (uint32_t)status,
        .epoch = epoch,
    };
    memcpy(reply.relay_id, relay->relay_id, sizeof reply.relay_id);
    ssize_t sent = send(fd, &reply, sizeof reply, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent; /* who is gone is noticed by the poll */
}

static void epoch_granted(void *ctx, enum wax_status status, uint64_t epoch)
{
    struct intake *intake = ctx;
    if (intake->offered == NULL)
        return; /* it has gone meanwhile; the epoch is used up */
    if (status != WAX_OK) {
        journal_say(intake->journal, CONFIG_LEVEL_ERROR, "intake", "no epoch for the data plane",
                    J_T("status", wax_status_name(status)));
        detach(intake, "no epoch");
        return;
    }
    intake->attachment = intake->offered;
    intake->offered = NULL;
    struct kick *kick = calloc(1, sizeof *kick);
    if (kick == NULL)
        abort();
    *kick = (struct kick){.op = {kick_done}, .fd = intake->kick, .loop = intake->loop};
    intake->kick_op = kick;
    loop_poll(intake->loop, kick->fd, POLLIN, &kick->op);
    intake->view.attached = true;
    intake->view.pid = intake->offer.pid;
    intake->view.epoch = epoch;
    intake->view.workers = attachment_workers(intake->attachment);
    intake->view.since_ms = intake->now_ms;
    intake->view.attachments++;
    grant(intake->caller->fd, WAX_OK, directory_relay(intake->directory), epoch);
    journal_say(intake->journal, CONFIG_LEVEL_INFO, "intake", "data plane attached",
                J_I("pid", intake->offer.pid), J_U("epoch", epoch), J_U("workers", intake->view.workers));
}

static void caller_free(struct caller *caller)
{
    close(caller->fd);
    free(caller);
}

static void caller_refuse(struct intake *intake, struct caller *caller, enum wax_status status,
                          const char *reason)
{
    journal_say(intake->journal, CONFIG_LEVEL_WARN, "intake", "data plane refused", J_T("why", reason),
                J_T("status", wax_status_name(status)));
    intake->view.refused++;
    grant(caller->fd, status, directory_relay(intake->directory), 0);
    caller->closing = true;
    shutdown(caller->fd, SHUT_WR);
    loop_cancel(intake->loop, &caller->op);
}

/* Read an offer with its two descriptors. False when what came is none. */
static bool read_offer(int fd, struct channel_offer *offer, int fds[2])
{
    char control[CMSG_SPACE(2 * sizeof(int))] = {0};
    struct iovec iov = {offer, sizeof *offer};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    fds[0] = fds[1] = -1;
    struct cmsghdr *header = got >= 0 ? CMSG_FIRSTHDR(&msg) : NULL;
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(header), (count < 2 ? count : 2) * sizeof(int));
    }
    if (got == (ssize_t)sizeof *offer && fds[1] >= 0 && (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
        return true;
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    return false;
}

/* Has the one that is attached gone, though the loop has not told yet? */
static bool caller_gone(const struct caller *caller)
{
    struct pollfd fd = {.fd = caller->fd, .events = POLLRDHUP};
    return poll(&fd, 1, 0) == 1 && (fd.revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0;
}

static void take_offer(struct intake *intake, struct caller *caller)
{
    const char *reason = "no offer with two descriptors";
    int fds[2];
    struct channel_offer offer;
    if (!read_offer(caller->fd, &offer, fds)) {
        caller_refuse(intake, caller, WAX_CHANNEL_VERSION, reason);
        return;
    }
    if (intake->caller != NULL && caller_gone(intake->caller))
        detach(intake, "it has gone");
    enum wax_status status = WAX_STORE_LOCKED;
    struct attachment *offered = NULL;
    reason = "another data plane is attached";
    if (intake->caller == NULL && !directory_busy_epoch(intake->directory))
        status = attachment_map(&offer, fds[0], &offered, &reason);
    close(fds[0]);
    if (status != WAX_OK) {
        close(fds[1]);
        caller_refuse(intake, caller, status, reason);
        return;
    }
    intake->caller = caller;
    intake->offered = offered;
    intake->offer = offer;
    intake->kick = fds[1];
    directory_epoch(intake->directory, offer.epoch, intake, epoch_granted);
}

static void caller_event(struct loop_op *op, int32_t result, bool more)
{
    struct caller *caller = (struct caller *)(void *)op;
    struct intake *intake = caller->intake;
    if (!caller->closing) {
        if (intake->caller == caller)
            detach(intake, (result & (POLLHUP | POLLERR)) != 0 ? "it has gone" : "it spoke out of turn");
        else if (result > 0 && (result & POLLIN) != 0)
            take_offer(intake, caller);
        else {
            caller->closing = true;
            if (more)
                loop_cancel(intake->loop, &caller->op);
        }
    }
    if (more)
        return;
    if (caller->closing || result < 0) {
        if (intake->caller == caller)
            intake->caller = NULL;
        caller_free(caller);
    } else {
        loop_poll(intake->loop, caller->fd, POLLIN | POLLRDHUP, op);
    }
}

static void listener_event(struct loop_op *op, int32_t result, bool more)
{
    struct intake *intake = (struct intake *)(void *)((char *)op - offsetof(struct intake, listener_op));
    struct ucred peer = {0};
    socklen_t len = sizeof peer;
    if (result == -ECANCELED)
        return;
    if (!more)
        loop_poll(intake->loop, intake->listener, POLLIN, op);
    for (;;) {
        int fd = accept4(intake->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
        journal_say(intake->journal, CONFIG_LEVEL_INFO, "intake", "control socket connected",
                    J_I("pid", peer.pid), J_U("uid", peer.uid), J_U("gid", peer.gid));
        struct caller *caller = calloc(1, sizeof *caller);
        if (caller == NULL)
            abort();
        *caller = (struct caller){.op = {caller_event}, .intake = intake, .fd = fd};
        loop_poll(intake->loop, fd, POLLIN | POLLRDHUP, &caller->op);
    }
}

/* ---- the mailboxes' port ---- */

static void port_stored(void *ctx, uint32_t worker, uint64_t tag, uint8_t reason)
{
    struct intake *intake = ctx;
    struct channel_stored stored = {
        .record = {.bytes = sizeof stored, .kind = CHANNEL_STORED},
        .tag = tag,
        .reason = reason,
    };
    if (intake->attachment != NULL)
        attachment_answer(intake->attachment, worker, &stored, sizeof stored);
}

static struct channel_record *port_reserve(void *ctx, uint32_t worker, uint32_t bytes)
{
    struct intake *intake = ctx;
    return attachment_reserve(intake->attachment, worker, bytes);
}

static void port_publish(void *ctx, uint32_t worker)
{
    struct intake *intake = ctx;
    attachment_publish(intake->attachment, worker);
}

static uint64_t port_settled(void *ctx, uint32_t worker)
{
    struct intake *intake = ctx;
    return intake->attachment != NULL ? attachment_settled(intake->attachment, worker) : 0;
}

static void port_damaged(void *ctx, uint32_t shard, uint64_t segment, uint64_t offset, enum wax_status status)
{
    struct intake *intake = ctx;
    journal_say(intake->journal, status == WAX_STORE_TORN ? CONFIG_LEVEL_WARN : CONFIG_LEVEL_ERROR, "store",
                wax_status_text(status), J_U("shard", shard), J_U("segment", segment), J_U("offset", offset));
}

struct mailbox_port intake_port(struct intake *intake)
{
    return (struct mailbox_port){
        .ctx = intake,
        .stored = port_stored,
        .reserve = port_reserve,
        .publish = port_publish,
        .settled = port_settled,
        .damaged = port_damaged,
    };
}

/* ---- requests ---- */

static void login_done(struct directory_login *directory_login, enum wax_status status, uint8_t error,
                       bool fresh)
{
    struct login *login = (struct login *)(void *)directory_login;
    struct intake *intake = login->intake;
    if (status != WAX_OK) {
        journal_say(intake->journal, CONFIG_LEVEL_ERROR, "directory", "a login could not be written",
                    J_T("status", wax_status_name(status)));
        error = WIRE_ERROR_TIMEOUT; /* the client comes again */
    }
    if (intake->attachment != NULL && intake->serial == login->serial)
        answer_login(intake, login->worker, login->tag, error, fresh,
                     mailbox_waiting(intake->mailboxes, &login->name));
    free(login);
}

static void take_login(struct intake *intake, uint32_t worker, const struct channel_login *request)
{
    struct login *login = calloc(1, sizeof *login);
    if (login == NULL)
        abort();
    intake->view.logins++;
    login->intake = intake;
    login->serial = intake->serial;
    login->worker = worker;
    login->tag = request->tag;
    login->name = request->name;
    login->login.device = request->name.device;
    login->login.now_ms = intake->now_ms;
    login->login.done = login_done;
    memcpy(login->login.user, request->name.user, WAX_USER_BYTES);
    memcpy(login->login.account_key, request->account_key, WAX_ACCOUNT_KEY_BYTES);
    directory_login(intake->directory, &login->login);
}

/* FULL: the record stays, and is looked at again later. */
static enum wax_status take_record(struct intake *intake, uint32_t worker,
                                   const struct channel_record *record)
{
    const void *p = record;
    struct mailboxes *m = intake->mailboxes;
    switch (record->kind) {
    case CHANNEL_LOGIN:
        take_login(intake, worker, p);
        return WAX_OK;
    case CHANNEL_SESSION_OPEN:
        session_table_open(intake->sessions, p);
        return WAX_OK;
    case CHANNEL_SESSION_CLOSE: {
        const struct channel_session_close *request = p;
        session_table_close(intake->sessions, &request->name, request->generation);
        return WAX_OK;
    }
    case CHANNEL_STORE:
        return mailbox_store(m, worker, p);
    case CHANNEL_STORE_RECEIPT:
        return mailbox_store_receipt(m, worker, p);
    case CHANNEL_RETIRE:
        return mailbox_retire(m, p);
    case CHANNEL_DRAIN:
        mailbox_drain(m, worker, p);
        return WAX_OK;
    case CHANNEL_DRAIN_CREDIT:
        mailbox_drain_credit(m, p);
        return WAX_OK;
    case CHANNEL_DRAIN_STOP:
        mailbox_drain_stop(m, p);
        return WAX_OK;
    default:
        return WAX_CHANNEL_CORRUPT;
    }
}

bool intake_turn(struct intake *intake, uint64_t now_ms)
{
    bool more = false;
    intake->now_ms = now_ms;
    if (intake->attachment == NULL)
        return false;
    uint32_t workers = attachment_workers(intake->attachment);
    for (uint32_t worker = 0; worker < workers; worker++) {
        enum wax_status status = WAX_OK;
        uint32_t taken = 0;
        attachment_turn(intake->attachment, worker);
        while (taken < BURST) {
            const struct channel_record *record = attachment_peek(intake->attachment, worker, &status);
            if (record == NULL)
                break;
            status = take_record(intake, worker, record);
            if (status != WAX_OK)
                break;
            attachment_release(intake->attachment, worker, record);
            taken++;
        }
        intake->view.records += taken;
        intake->blocked &= ~(UINT64_C(1) << worker);
        if (status == WAX_FULL || status == WAX_STORE_IO)
            intake->blocked |= UINT64_C(1) << worker;
        more = more || taken == BURST;
        if (status == WAX_CHANNEL_CORRUPT) {
            detach(intake, "a record is malformed");
            return false;
        }
    }
    return more;
}

bool intake_sleep(struct intake *intake, bool *short_sleep)
{
    *short_sleep = false;
    if (intake->attachment == NULL)
        return true;
    attachment_sleeping(intake->attachment, true);
    for (uint32_t worker = 0; worker < attachment_workers(intake->attachment); worker++) {
        enum wax_status status;
        if (attachment_turn(intake->attachment, worker))
            *short_sleep = true;
        if ((intake->blocked >> worker & 1) != 0)
            continue;
        if (attachment_peek(intake->attachment, worker, &status) != NULL || status != WAX_OK)
            return false;
    }
    return true;
}

void intake_wake(struct intake *intake)
{
    if (intake->attachment != NULL)
        attachment_sleeping(intake->attachment, false);
}

/* ---- begin and end ---- */

struct intake *intake_new(const struct intake_config *config)
{
    struct intake *intake = calloc(1, sizeof *intake);
    if (intake == NULL)
        abort();
    intake->loop = config->loop;
    intake->journal = config->journal;
    intake->directory = config->directory;
    intake->sessions = config->sessions;
    intake->listener = -1;
    assert(strlen(config->socket) < sizeof intake->path);
    strcpy(intake->path, config->socket);
    return intake;
}

void intake_free(struct intake *intake)
{
    free(intake);
}

enum wax_status intake_listen(struct intake *intake, struct mailboxes *mailboxes)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, intake->path);
    intake->mailboxes = mailboxes;
    intake->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (intake->listener < 0)
        return WAX_STORE_IO;
    unlink(intake->path); /* the store's lock has told that nobody else serves it */
    mode_t before = umask(0177);
    int bound = bind(intake->listener, (struct sockaddr *)&address, sizeof address);
    umask(before);
    if (bound != 0 || listen(intake->listener, 8) != 0)
        return errno == EADDRINUSE ? WAX_EXISTS : WAX_STORE_IO;
    intake->listener_op.done = listener_event;
    loop_poll(intake->loop, intake->listener, POLLIN, &intake->listener_op);
    return WAX_OK;
}

void intake_close(struct intake *intake)
{
    detach(intake, "control stops");
    if (intake->listener < 0)
        return;
    loop_cancel(intake->loop, &intake->listener_op);
    unlink(intake->path);
    close(intake->listener);
    intake->listener = -1;
}

void intake_look(const struct intake *intake, struct intake_view *view)
{
    *view = intake->view;
}

const struct wax_metrics *intake_metrics(const struct intake *intake, uint32_t worker)
{
    return intake->attachment != NULL && worker < attachment_workers(intake->attachment)
               ? attachment_metrics(intake->attachment, worker)
               : NULL;
}
