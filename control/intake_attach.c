/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket, and the life of an attachment. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "intake_internal.h"

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

void intake_detach(struct intake *intake, const char *why)
{
    struct caller *caller = intake->caller;
    if (intake->attachment != NULL) {
        journal_say(intake->journal, CONFIG_LEVEL_WARN, "intake", "data plane detached", J_T("why", why),
                    J_I("pid", intake->view.pid), J_U("sessions", session_table_count(intake->sessions)));
        mailboxes_detach(intake->mailboxes);
        media_detach(intake->media);
        session_table_clear(intake->sessions);
        loop_cancel(intake->loop, &intake->kick_op->op);
        intake->kick_op = NULL;
        attachment_unmap(intake->attachment);
        intake->attachment = NULL;
        intake->view.attached = false;
        intake_order_lost(intake);
    }
    if (intake->offered != NULL) {
        attachment_unmap(intake->offered);
        intake->offered = NULL;
        close(intake->kick);
    }
    intake->serial++;
    intake_policies_lost(intake);
    intake->blocked = 0;
    memset(intake->rejected, 0, sizeof intake->rejected);
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
        intake_detach(intake, "no epoch");
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
    intake_send_keys(intake);
    intake_send_tokens(intake);
    intake_traces_again(intake);
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
        intake_detach(intake, "it has gone");
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
        bool said = result > 0 && (result & POLLIN) != 0 && (result & (POLLHUP | POLLERR)) == 0;
        if (intake->caller == caller && intake->attachment != NULL && said && intake_take_report(intake))
            ; /* it lives on */
        else if (intake->caller == caller)
            intake_detach(intake,
                          (result & (POLLHUP | POLLERR)) != 0 ? "it has gone" : "it spoke out of turn");
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

enum wax_status intake_listen(struct intake *intake, struct mailboxes *mailboxes)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, intake->path);
    intake->mailboxes = mailboxes;
    intake_evict_unfinished(intake);
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
    intake_detach(intake, "control stops");
    if (intake->listener < 0)
        return;
    loop_cancel(intake->loop, &intake->listener_op);
    unlink(intake->path);
    close(intake->listener);
    intake->listener = -1;
}
