/* SPDX-License-Identifier: BSD-3-Clause */
/* waxwire-control: the control plane's process. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "admin.h"
#include "arguments.h"
#include "management.h"
#include "master_key.h"
#include "socket_share.h"
#include "storage_local.h"
#include "waxwire/confine.h"
#include "waxwire/notify.h"

#define SEGMENT_BYTES (8u << 20)
#define COMMIT_BYTES  (2u << 20)
#define SLACK_BYTES   (4u * SEGMENT_BYTES) /* of a shard */
#define MAP_BYTES     (UINT64_C(64) << 30)

#define LEAVE_MS_MOST 2000u /* for the answers to what has been asked */

enum { EXIT_LOCKED = 4, EXIT_STORE = 5 };

struct control {
    struct wax_config config;
    struct journal journal;
    struct loop *loop;
    struct storage *storage;
    struct directory *directory;
    struct session_table *sessions;
    struct mailboxes *mailboxes;
    struct intake *intake;
    struct media *media;
    struct wake *wake;
    struct admin *admin, *view;
    struct management *management;
    struct notify notify;
    struct ticket_keys ticket_keys;
    struct token_keys token_keys;
    struct loop_op signal_op;
    int signals;
    uint64_t started_ms;
    bool stop;
    int exit_code;
};

static uint64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* Of a clock that nobody sets. */
static uint64_t steady_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static void stop_with(struct control *control, int code, const char *what, enum wax_status status)
{
    journal_say(&control->journal, CONFIG_LEVEL_ERROR, "main", what, J_T("status", wax_status_text(status)),
                J_T("errno", errno != 0 ? strerror(errno) : ""));
    control->stop = true;
    control->exit_code = code;
}

/* ---- the start: storage, directory, mailboxes, then the sockets ---- */

static void store_failed(void *ctx, enum wax_status status)
{
    /* nothing is known of what was being written: a new start finds out */
    stop_with(ctx, EXIT_STORE, "the store has stopped", status);
}

/* The mailboxes' port has the intake as its context, these two have this process. */
static struct control *the_control;

/* The socket of those who only look, when one is wanted. */
static bool open_view(struct control *control, const struct admin_sources *sources)
{
    struct admin_sources view = *sources;
    view.view_only = true;
    if (control->config.view_socket[0] == '\0')
        return true;
    control->view = admin_listen(control->loop, &control->journal, control->config.view_socket, &view);
    if (control->view == NULL)
        stop_with(control, 1, "the socket for viewers can't be opened", WAX_STORE_IO);
    return control->view != NULL;
}

/* Metrics and the dashboard, when they are wanted. */
static bool open_management(struct control *control, const struct admin_sources *sources)
{
    if (control->config.management[0] == '\0')
        return true;
    control->management = management_listen(control->loop, control->config.management, sources);
    if (control->management == NULL)
        stop_with(control, 1, "the management address can't be opened", WAX_STORE_IO);
    return control->management != NULL;
}

/* Groups that may connect. */
static bool sockets_share(struct control *control)
{
    const struct wax_config *config = &control->config;
    bool shared = socket_share(config->control_socket, config->control_socket_group) &&
                  socket_share(config->admin_socket, config->admin_group) &&
                  (control->view == NULL || socket_share(config->view_socket, config->view_group));
    if (!shared)
        stop_with(control, 1, "a socket can't be given to its group", WAX_CONFIG_VALUE);
    return shared;
}

static void port_ready(void *ctx, enum wax_status status)
{
    struct control *control = the_control;
    (void)ctx;
    if (status != WAX_OK) {
        stop_with(control, EXIT_STORE, "the store can't be recovered", status);
        return;
    }
    struct mailbox_counts counts;
    mailboxes_counts(control->mailboxes, &counts);
    journal_say(&control->journal, CONFIG_LEVEL_INFO, "store", "recovered",
                J_U("mailboxes", counts.mailboxes_now), J_U("items", counts.items_now),
                J_U("segments", counts.segments_now), J_U("damaged", counts.damaged),
                J_U("torn", counts.torn));
    status = intake_listen(control->intake, control->mailboxes);
    if (status != WAX_OK) {
        stop_with(control, 1, "the control socket can't be opened", status);
        return;
    }
    struct admin_sources sources = {
        .intake = control->intake,
        .mailboxes = control->mailboxes,
        .storage = control->storage,
        .directory = control->directory,
        .sessions = control->sessions,
        .media = control->media,
        .config = &control->config,
        .wake = control->wake,
        .started_ms = control->started_ms,
    };
    control->admin = admin_listen(control->loop, &control->journal, control->config.admin_socket, &sources);
    if (control->admin == NULL) {
        stop_with(control, 1, "the admin socket can't be opened", WAX_STORE_IO);
        return;
    }
    if (!open_view(control, &sources) || !open_management(control, &sources) || !sockets_share(control))
        return;
    errno = 0;
    if (control->config.confine &&
        !confine_calls(control->config.wake_webhook[0] != '\0' ? CONFINE_INET : CONFINE_UNIX))
        journal_say(&control->journal, CONFIG_LEVEL_WARN, "main",
                    "the kernel takes no filter of system calls", J_T("errno", strerror(errno)));
    notify_say(&control->notify, "READY=1");
    journal_say(&control->journal, CONFIG_LEVEL_INFO, "main", "ready",
                J_T("socket", control->config.control_socket), J_T("admin", control->config.admin_socket));
}

static void port_failed(void *ctx, enum wax_status status)
{
    (void)ctx;
    store_failed(the_control, status);
}

static bool begin_media(struct control *control)
{
    const struct wax_config *config = &control->config;
    char path[CONFIG_PATH_BYTES + sizeof "/media"];
    snprintf(path, sizeof path, "%s%s",
             config->media_path[0] != '\0' ? config->media_path : config->store_directory,
             config->media_path[0] != '\0' ? "" : "/media");
    struct media_config media = {
        .loop = control->loop,
        .journal = &control->journal,
        .path = config->media_enabled ? path : NULL,
        .bytes_max = config->media_bytes_max,
        .ttl_s = config->media_ttl_s,
        .quota_bytes = (uint64_t)config->media_quota_mib << 20,
    };
    struct media_port port = intake_media_port(control->intake);
    enum wax_status status = media_open(&media, &port, &control->media);
    if (status != WAX_OK) {
        stop_with(control, status == WAX_STORE_LOCKED ? EXIT_LOCKED : EXIT_STORE,
                  "the folder of media can't be opened", status);
        return false;
    }
    intake_media(control->intake, control->media);
    return true;
}

static void begin_wakes(struct control *control)
{
    const struct wake_config config = {
        .socket = control->config.wake_socket,
        .webhook = control->config.wake_webhook,
        .webhook_socket = control->config.wake_webhook_socket,
        .webhook_ca = control->config.wake_webhook_ca,
        .interval_ms = control->config.wake_interval_ms,
        .journal = &control->journal,
    };
    control->wake = wake_new(&config);
    intake_wakes(control->intake, control->wake);
}

static void directory_ready(void *ctx, enum wax_status status)
{
    struct control *control = ctx;
    if (status != WAX_OK) {
        stop_with(control, EXIT_STORE, "the directory can't be opened", status);
        return;
    }
    const struct directory_relay *relay = directory_relay(control->directory);
    struct mailbox_config config = {
        .seed = relay->log_seed,
        .segment_bytes = SEGMENT_BYTES,
        .commit_bytes = COMMIT_BYTES,
        .purge_ms = control->config.store_purge_s * 1000u,
        .cipher = log_cipher_choose(),
        .slack_bytes = SLACK_BYTES,
    };
    const char *reason = "";
    status = master_key_load(control->config.store_key_file, control->config.store_directory, config.master,
                             &reason);
    if (status != WAX_OK) {
        stop_with(control, EXIT_STORE, reason, status);
        return;
    }
    memcpy(config.hash_key, relay->hash_key, sizeof config.hash_key);
    struct intake_config intake = {
        .loop = control->loop,
        .journal = &control->journal,
        .directory = control->directory,
        .sessions = control->sessions,
        .socket = control->config.control_socket,
        .quota = {control->config.mailbox_messages, (uint64_t)control->config.mailbox_mib << 20},
    };
    control->intake = intake_new(&intake);
    intake_tickets(control->intake, &control->ticket_keys);
    intake_tokens(control->intake, &control->token_keys);
    begin_wakes(control);
    if (!begin_media(control))
        return;
    struct mailbox_port port = intake_port(control->intake);
    port.ready = port_ready;
    port.failed = port_failed;
    control->mailboxes = mailboxes_new(control->storage, &port, &config);
    sodium_memzero(&config, sizeof config);
    mailboxes_clock(control->mailboxes, wall_ms());
    mailboxes_recover(control->mailboxes);
}

static void signal_event(struct loop_op *op, int32_t result, bool more)
{
    struct control *control = (struct control *)(void *)((char *)op - offsetof(struct control, signal_op));
    struct signalfd_siginfo info;
    if (result == -ECANCELED)
        return;
    if (read(control->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        journal_say(&control->journal, CONFIG_LEVEL_INFO, "main", "stopping", J_U("signal", info.ssi_signo));
        control->stop = true;
    }
    if (!more)
        loop_poll(control->loop, control->signals, POLLIN, op);
}

static bool begin(struct control *control)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1000ul); /* or a nap takes twice as long */
    control->loop = loop_new();
    if (control->loop == NULL) {
        stop_with(control, 1, "the kernel gives no io_uring", WAX_STORE_IO);
        return false;
    }
    control->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    control->signal_op.done = signal_event;
    loop_poll(control->loop, control->signals, POLLIN, &control->signal_op);
    struct storage_local_config storage = {control->config.store_directory, SEGMENT_BYTES, MAP_BYTES};
    enum wax_status status = storage_local_open(control->loop, &storage, &control->storage);
    if (status != WAX_OK) {
        stop_with(control, status == WAX_STORE_LOCKED ? EXIT_LOCKED : EXIT_STORE, "the store can't be opened",
                  status);
        return false;
    }
    control->sessions = session_table_new();
    control->directory = directory_new(control->storage, control, directory_ready);
    static const enum directory_registration registrations[] = {
        [CONFIG_REGISTRATION_OPEN] = DIRECTORY_OPEN,
        [CONFIG_REGISTRATION_CLOSED] = DIRECTORY_CLOSED,
        [CONFIG_REGISTRATION_INVITE] = DIRECTORY_INVITE,
    };
    directory_registration(control->directory, registrations[control->config.registration]);
    directory_open(control->directory);
    return true;
}

/* ---- the turns ---- */

static void turn(struct control *control)
{
    uint64_t now_ms = wall_ms();
    uint32_t timeout_ms = 1000;
    bool short_sleep = false;
    if (control->mailboxes == NULL) {
        loop_turn(control->loop, 100);
        return;
    }
    mailboxes_clock(control->mailboxes, now_ms);
    if (ticket_keys_turn(&control->ticket_keys, now_ms))
        intake_tickets(control->intake, &control->ticket_keys);
    if (token_keys_turn(&control->token_keys, now_ms))
        intake_tokens(control->intake, &control->token_keys);
    bool more = intake_turn(control->intake, now_ms);
    bool waiting = mailboxes_pump(control->mailboxes);
    waiting |= media_turn(control->media, now_ms);
    if (control->management != NULL)
        management_turn(control->management, now_ms);
    mailboxes_flush(control->mailboxes);
    if (mailboxes_busy(control->mailboxes))
        timeout_ms = 10;
    uint32_t nap = more ? 0 : intake_nap_us(control->intake);
    if (nap != 0) {
        loop_nap(control->loop, nap);
        return;
    }
    if (more || !intake_sleep(control->intake, &short_sleep))
        timeout_ms = 0;
    else if (waiting || short_sleep)
        timeout_ms = 1;
    loop_turn(control->loop, timeout_ms);
    intake_wake(control->intake);
}

/* Another control plane may be about to come: none of what this one was asked shall be lost. */
static void leave(struct control *control)
{
    uint64_t until_ms = wall_ms() + LEAVE_MS_MOST;
    mailboxes_purge(control->mailboxes); /* while it still serves */
    intake_leave(control->intake);
    while (control->exit_code == 0 && wall_ms() < until_ms && !intake_left(control->intake))
        turn(control);
}

/* Everything that was taken is made durable, then all is given back. */
static void end(struct control *control)
{
    notify_say(&control->notify, "STOPPING=1");
    if (control->mailboxes != NULL)
        leave(control);
    if (control->intake != NULL) {
        intake_turn(control->intake, wall_ms());
        intake_close(control->intake);
    }
    media_close(control->media);
    if (control->admin != NULL)
        admin_close(control->admin);
    wake_free(control->wake);
    if (control->view != NULL)
        admin_close(control->view);
    if (control->management != NULL)
        management_close(control->management);
    uint64_t until = wall_ms() + 10000;
    if (control->mailboxes != NULL)
        mailboxes_purge(control->mailboxes);
    while (control->mailboxes != NULL && control->exit_code == 0 && wall_ms() < until &&
           (mailboxes_busy(control->mailboxes) || directory_busy(control->directory) ||
            media_busy(control->media))) {
        mailboxes_clock(control->mailboxes, wall_ms());
        mailboxes_flush(control->mailboxes);
        loop_turn(control->loop, 10);
    }
    loop_turn(control->loop, 0);
    journal_say(&control->journal, CONFIG_LEVEL_INFO, "main", "stopped", J_I("code", control->exit_code));
    if (control->exit_code != 0)
        return; /* the storage may still be at work: the process' end is the cleaner */
    if (control->storage != NULL)
        storage_local_close(control->storage);
    if (control->mailboxes != NULL)
        mailboxes_free(control->mailboxes);
    if (!media_busy(control->media))
        media_free(control->media);
    if (control->intake != NULL)
        intake_free(control->intake);
    if (control->directory != NULL)
        directory_free(control->directory);
    if (control->sessions != NULL)
        session_table_free(control->sessions);
    ticket_keys_end(&control->ticket_keys);
    token_keys_end(&control->token_keys);
    loop_free(control->loop);
    close(control->signals);
}

int main(int argc, char **argv)
{
    static struct control control;
    int code = control_arguments(argc, argv, &control.config);
    if (code >= 0)
        return code;
    const struct rlimit none = {0, 0};
    if (!control.config.core_dumps) { /* it keeps the keys of messages and tickets */
        prctl(PR_SET_DUMPABLE, 0);
        setrlimit(RLIMIT_CORE, &none);
    }
    if (sodium_init() < 0)
        return 1;
    the_control = &control;
    control.started_ms = wall_ms();
    if (!ticket_keys_init(&control.ticket_keys, control.config.tls.ticket_key_s))
        return 1;
    ticket_keys_turn(&control.ticket_keys, control.started_ms);
    if (!token_keys_init(&control.token_keys, control.config.token_s))
        return 1;
    token_keys_turn(&control.token_keys, control.started_ms);
    journal_init(&control.journal, STDERR_FILENO, "control", control.config.log_level,
                 control.config.log_json);
    notify_open(&control.notify);
    if (!begin(&control))
        return control.exit_code;
    while (!control.stop) {
        turn(&control);
        notify_alive(&control.notify, control.admin != NULL, steady_ms());
    }
    end(&control);
    return control.exit_code;
}
