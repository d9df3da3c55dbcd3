/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "waxcat_args.h"
#include "waxcat_print.h"

#define LINE_BYTES_MAX 65536u
#define READS_MAX      4096u /* more than a turn brings */

/* A message sent, to tell how long its answers took and what is still missing. */
struct sent {
    uint64_t id;
    uint64_t sent_us;
    bool delivered, ended; /* ended: nothing more is waited for */
};

struct waxcat {
    struct waxcat_args args;
    struct waxcat_printer printer;
    struct wax_loop *loop;
    char user[WAX_USER_TEXT_BYTES];
    struct waxcat_counts counts;
    struct sent *sent; /* by rising id */
    size_t sent_count, sent_room;
    uint64_t unended;
    bool refused;  /* a fatal ERROR, or a refused upgrade */
    bool answered; /* the request has been, which `request` numbers */
    uint32_t request;
    struct wax_client_incoming reads[READS_MAX]; /* come, and to be said to be read */
    uint32_t reads_count;
    bool input_ended;
    char *line; /* of stdin, not whole yet */
    size_t line_len;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

/* ---- messages of ours ---- */

static struct sent *sent_find(struct waxcat *cat, uint64_t id)
{
    size_t low = 0, high = cat->sent_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (cat->sent[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < cat->sent_count && cat->sent[low].id == id ? &cat->sent[low] : NULL;
}

static enum wax_status send_text(struct waxcat *cat, struct view text)
{
    struct wax_client_message message = {
        .recipient_device = cat->args.recipient_device,
        .flags = cat->args.flags,
        .ttl_s = cat->args.ttl_s,
        .payload = text,
    };
    uint64_t id;

    memcpy(message.recipient, cat->args.recipient, WAX_USER_BYTES);
    if (cat->sent_count == cat->sent_room) {
        size_t room = cat->sent_room == 0 ? 64 : cat->sent_room * 2;
        struct sent *sent = reallocarray(cat->sent, room, sizeof *sent);
        if (sent == NULL)
            return WAX_NO_MEMORY;
        cat->sent = sent;
        cat->sent_room = room;
    }
    enum wax_status status = wax_client_send(wax_loop_client(cat->loop), &message, wax_clock_ms(), &id);
    if (status != WAX_OK)
        return status;
    bool silent = cat->args.flags & WIRE_SEND_SILENT;
    cat->sent[cat->sent_count++] = (struct sent){.id = id, .sent_us = wax_clock_us(), .ended = silent};
    cat->unended += !silent;
    cat->counts.sent++;
    print_sent(&cat->printer, &message, id);
    return WAX_OK;
}

static void take_status(struct waxcat *cat, const struct wax_client_answer *status)
{
    struct sent *sent = sent_find(cat, status->id);

    if (sent == NULL) {
        print_status(&cat->printer, status, UINT64_MAX);
        return;
    }
    print_status(&cat->printer, status, wax_clock_us() - sent->sent_us);
    bool ends = status->kind == WIRE_REJECTED || status->kind == WIRE_DELIVERED ||
                (status->kind == WIRE_ACCEPTED && !cat->args.wait_delivered);
    cat->counts.accepted += status->kind == WIRE_ACCEPTED;
    cat->counts.rejected += status->kind == WIRE_REJECTED;
    cat->counts.delivered += status->kind == WIRE_DELIVERED && !sent->delivered;
    sent->delivered |= status->kind == WIRE_DELIVERED;
    if (ends && !sent->ended) {
        sent->ended = true;
        cat->unended--;
    }
}

static void on_event(void *context, const struct wax_client_event *event)
{
    struct waxcat *cat = context;

    switch (event->kind) {
    case WAX_CLIENT_OPENED:
        print_opened(&cat->printer, &event->opened, cat->user, cat->args.device);
        break;
    case WAX_CLIENT_MESSAGE:
        cat->counts.received++;
        print_message(&cat->printer, &event->message);
        if (cat->args.read && event->message.sequence != 0 && cat->reads_count < READS_MAX)
            cat->reads[cat->reads_count++] = event->message;
        break;
    case WAX_CLIENT_STATUS:
        take_status(cat, &event->status);
        break;
    case WAX_CLIENT_REPLY:
        cat->answered |= event->reply.request != 0 && event->reply.request == cat->request;
        print_reply(&cat->printer, &event->reply);
        break;
    case WAX_CLIENT_ERROR:
        if (event->error.request != 0 && event->error.request == cat->request)
            cat->answered = cat->refused = true;
        print_error(&cat->printer, &event->error);
        break;
    case WAX_CLIENT_CLOSED:
        cat->refused |= event->closed.error != 0 || event->closed.http_status != 0;
        print_closed(&cat->printer, &event->closed);
        break;
    }
}

/* ---- stdin ---- */

/* Sends each whole line that has been read; at the end of the input, also what has no newline. */
static enum wax_status send_lines(struct waxcat *cat)
{
    size_t start = 0;
    enum wax_status status = WAX_OK;

    while (status == WAX_OK && start < cat->line_len) {
        char *end = memchr(cat->line + start, '\n', cat->line_len - start);
        if (end == NULL && !cat->input_ended && cat->line_len - start < LINE_BYTES_MAX)
            break;
        size_t len = end != NULL ? (size_t)(end - cat->line) - start : cat->line_len - start;
        if (len > 0)
            status = send_text(cat, view_of(cat->line + start, len));
        start += len + (end != NULL);
    }
    memmove(cat->line, cat->line + start, cat->line_len - start);
    cat->line_len -= start;
    return status;
}

static enum wax_status read_lines(struct waxcat *cat)
{
    ssize_t n = read(STDIN_FILENO, cat->line + cat->line_len, LINE_BYTES_MAX - cat->line_len);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return WAX_OK;
    cat->input_ended = n <= 0;
    cat->line_len += n > 0 ? (size_t)n : 0;
    return send_lines(cat);
}

/* ---- running ---- */

/* The messages of `send`: the words joined, or all of stdin for `-`. */
static enum wax_status send_all(struct waxcat *cat)
{
    const struct waxcat_args *args = &cat->args;
    size_t len = 0;
    enum wax_status status = WAX_OK;
    char *text = malloc(WAX_PAYLOAD_BYTES_MAX + 1);

    if (text == NULL)
        return WAX_NO_MEMORY;
    if (args->word_count == 1 && strcmp(args->words[0], "-") == 0) {
        len = fread(text, 1, WAX_PAYLOAD_BYTES_MAX + 1, stdin);
    } else {
        for (int i = 0; i < args->word_count; i++)
            len += (size_t)snprintf(text + len, WAX_PAYLOAD_BYTES_MAX + 1 - len, "%s%s", i > 0 ? " " : "",
                                    args->words[i]);
    }
    for (uint32_t i = 0; status == WAX_OK && i < args->count; i++)
        status = len <= WAX_PAYLOAD_BYTES_MAX ? send_text(cat, view_of(text, len)) : WAX_BAD_ARGUMENT;
    free(text);
    return status;
}

static bool is_request(const struct waxcat *cat)
{
    return cat->args.command >= WAXCAT_DEVICES && cat->args.command <= WAXCAT_UNBLOCK;
}

static enum wax_status ask(struct waxcat *cat)
{
    struct wax_client *client = wax_loop_client(cat->loop);

    if (cat->args.command == WAXCAT_DEVICES)
        return wax_client_device(client, WIRE_DEVICE_LIST, 0, &cat->request);
    return wax_client_block(client, cat->args.command == WAXCAT_BLOCK ? WIRE_BLOCK_USER : WIRE_BLOCK_UNBLOCK,
                            cat->args.recipient, &cat->request);
}

/* Tells the senders of what has come since the last time; a session that has ended meanwhile can't. */
static void say_read(struct waxcat *cat)
{
    for (uint32_t i = 0; i < cat->reads_count; i++)
        (void)wax_client_read(wax_loop_client(cat->loop), cat->reads[i].sender, cat->reads[i].sender_device,
                              cat->reads[i].id);
    cat->reads_count = 0;
}

static bool is_done(const struct waxcat *cat)
{
    const struct waxcat_args *args = &cat->args;

    if (is_request(cat))
        return cat->answered;
    if (args->exit_after > 0 && cat->counts.received >= args->exit_after)
        return true;
    if (args->command == WAXCAT_SEND)
        return cat->counts.sent > 0 && cat->unended == 0;
    return args->command == WAXCAT_CHAT && cat->input_ended && cat->unended == 0;
}

/* Runs the clean end; what the relay still says is printed. */
static void close_cleanly(struct waxcat *cat)
{
    wax_client_close(wax_loop_client(cat->loop), wax_clock_us());
    uint64_t end_us = wax_clock_us() + 4000000u;
    while (wax_clock_us() < end_us && wax_loop_turn(cat->loop, 100, -1, NULL) == WAX_OK)
        ;
}

static int exit_status_of(const struct waxcat *cat, enum wax_status status)
{
    if (status == WAX_CLIENT_TIMEOUT && cat->counts.sent + cat->counts.received > 0)
        return WAXCAT_TIMEOUT;
    return cat->refused ? WAXCAT_REFUSED : WAXCAT_CONNECTION;
}

static int finish(struct waxcat *cat, int exit_status, const char *reason)
{
    print_done(&cat->printer, &cat->counts, exit_status, reason);
    return exit_status;
}

static int run(struct waxcat *cat)
{
    const struct waxcat_args *args = &cat->args;
    uint64_t end_us = args->timeout_s > 0 ? wax_clock_us() + args->timeout_s * 1000000ull : UINT64_MAX;
    bool begun = args->command != WAXCAT_SEND && !is_request(cat), chats = args->command == WAXCAT_CHAT;

    while (!is_done(cat)) {
        bool typed = false;
        uint64_t now_us = wax_clock_us();
        if (interrupted) {
            close_cleanly(cat);
            return finish(cat, WAXCAT_DONE, "interrupted");
        }
        if (now_us >= end_us) {
            close_cleanly(cat);
            return finish(cat, WAXCAT_TIMEOUT, "timed out");
        }
        uint64_t left_ms = (end_us - now_us) / 1000u + 1;
        int wait_ms = left_ms < 1000 ? (int)left_ms : 1000;
        bool listens_to_input = chats && !cat->input_ended && wax_client_is_open(wax_loop_client(cat->loop));
        enum wax_status status =
            wax_loop_turn(cat->loop, wait_ms, listens_to_input ? STDIN_FILENO : -1, &typed);
        if (status != WAX_OK)
            return finish(cat, exit_status_of(cat, status), wax_loop_reason(cat->loop));
        say_read(cat);
        if (!begun && wax_client_is_open(wax_loop_client(cat->loop))) {
            begun = true;
            status = is_request(cat) ? ask(cat) : send_all(cat);
        } else if (typed) {
            status = read_lines(cat);
        }
        if (status != WAX_OK)
            return finish(cat, WAXCAT_USAGE, wax_status_text(status));
    }
    close_cleanly(cat);
    if (is_request(cat) && cat->refused)
        return finish(cat, WAXCAT_REFUSED, "the request was refused");
    bool rejected = cat->counts.rejected > 0;
    return finish(cat, rejected ? WAXCAT_REFUSED : WAXCAT_DONE, rejected ? "a message was rejected" : "done");
}

static int start(struct waxcat *cat)
{
    struct wax_client_config config = {
        .device = cat->args.device,
        .send_only = cat->args.send_only,
        .event = on_event,
        .context = cat,
    };
    struct sigaction action = {.sa_handler = on_signal};
    enum wax_status status = wax_identity_load(&config.identity, cat->args.key_file, true);

    if (status != WAX_OK) {
        fprintf(stderr, "waxcat: %s: %s\n", cat->args.key_file, wax_status_text(status));
        return WAXCAT_USAGE;
    }
    wax_user_text(cat->user, config.identity.user);
    if (cat->args.command == WAXCAT_ID) {
        printf(cat->args.json ? "{\"user\":\"%s\"}\n" : "%s\n", cat->user);
        return WAXCAT_DONE;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    status = wax_loop_create(&cat->loop, &cat->args.loop, &config);
    wax_identity_wipe(&config.identity);
    if (status != WAX_OK) {
        fprintf(stderr, "waxcat: %s%s%s\n", cat->args.loop.ca_file ? cat->args.loop.ca_file : "",
                cat->args.loop.ca_file ? ": " : "", wax_status_text(status));
        return status == WAX_NO_MEMORY ? WAXCAT_CONNECTION : WAXCAT_USAGE;
    }
    cat->line = malloc(LINE_BYTES_MAX);
    return cat->line != NULL ? run(cat) : WAXCAT_CONNECTION;
}

int main(int argc, char **argv)
{
    static struct waxcat cat;
    int exit_status;

    setvbuf(stdout, NULL, _IOLBF, 1u << 16);
    if (!waxcat_args_read(&cat.args, argc, argv, &exit_status))
        return exit_status;
    cat.printer = (struct waxcat_printer){.out = stdout, .json = cat.args.json, .clock_ms = wax_clock_ms};
    exit_status = start(&cat);
    wax_loop_destroy(cat.loop);
    free(cat.sent);
    free(cat.line);
    return exit_status;
}
