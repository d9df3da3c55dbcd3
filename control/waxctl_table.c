/* SPDX-License-Identifier: BSD-3-Clause */
#include "waxctl_table.h"

#include <string.h>

#define PEER_TEXT "PEER is ADDRESS (all its connections, also those to come), ADDRESS:PORT or [ADDRESS]:PORT."

static const struct waxctl_option options[] = {
#define OPTION(number, name, value, kind, help) {name, value, kind, help},
    WAXCTL_OPTION_LIST(OPTION)
#undef OPTION
};

/* clang-format off */
static const struct waxctl_command commands[] = {
    {.name = "status", .operands = "", .says = "the two processes, sessions and the store, at a glance", .more = "",
     .example = "waxctl status", .example_says = "is everything there?",
     .ask = "status", .show = show_status},
    {.name = "top", .operands = "", .says = "a live view: rates, latency, workers, pools, store, drops by reason",
     .more = "q ends it, space stops it for a while, any other key looks at once. Where standard output is no terminal it is written once, or "
     "--count times.",
     .example = "waxctl top --interval 2000", .example_says = "a look every two seconds",
     .options = OPTION_BIT(INTERVAL) | OPTION_BIT(COUNT), .run = top_run},
    {.name = "workers", .operands = "", .says = "what each worker does, in rates over an interval", .more = "",
     .example = "waxctl workers --interval 5000", .example_says = "rates and latencies over five seconds",
     .options = OPTION_BIT(INTERVAL), .run = workers_run},
    {.name = "sessions", .operands = "", .says = "who is connected: all, a user, or an address", .more =
     "--address takes ADDRESS or ADDRESS/PREFIX.",
     .example = "waxctl sessions --address 203.0.113.0/24", .example_says = "those of a network",
     .options = OPTION_BIT(LIMIT) | OPTION_BIT(USER) | OPTION_BIT(DEVICE) | OPTION_BIT(ADDRESS),
     .ask = "sessions", .request = request_sessions, .show = show_sessions},
    {.name = "sessions close", .operands = "", .says = "end the sessions of a user, a device or an address", .more =
     "They are closed with 1012, and their clients may come again: `users suspend` keeps them out. Exit 1 when there is none.",
     .example = "waxctl sessions close --user 8f1e0c5ab2d34c6f9a7b1c2d3e4f5a6b --device 2", .example_says = "one device",
     .options = OPTION_BIT(USER) | OPTION_BIT(DEVICE) | OPTION_BIT(ADDRESS),
     .ask = "sessions-close", .request = request_sessions, .show = show_text},
    {.name = "drain", .operands = "", .says = "end all sessions, spread over a time, before the data plane is stopped", .more =
     "No connection is taken any more. Each session is closed with 1012 once what it has asked is answered; messages go on "
     "among those that are left. Exit 0 when no session is left and everything is stored: then stop the data plane. Exit 1 "
     "when it was called off, or with --status when it is not drained.",
     .example = "waxctl drain --over 300", .example_says = "before an upgrade: within five minutes",
     .options = OPTION_BIT(OVER) | OPTION_BIT(CANCEL) | OPTION_BIT(STATUS) | OPTION_BIT(DETACH), .run = drain_run},
    {.name = "counters", .operands = "[NAME]",
     .says = "what was counted, dropped and refused, and what each counter means",
     .more = "NAME leaves those whose name or meaning has it in it. Reasons that never happened are left out unless --all.",
     .example = "waxctl counters tls", .example_says = "what went wrong in TLS",
     .options = OPTION_BIT(ALL), .ask = "counters", .show = show_counters},
    {.name = "limits", .operands = "", .says = "each limit: its value, how much of it is used, how often it refused", .more =
     "Limits of a worker are compared with the fullest worker. A change of the configuration needs a restart of the "
     "process that the line names.",
     .example = "waxctl limits", .example_says = "is a limit near?",
     .ask = "limits", .show = show_limits},
    {.name = "store", .operands = "", .says = "the mailboxes' log: what lives in it, and what keeping it has cost", .more = "",
     .example = "waxctl store", .example_says = "how full is the log?",
     .ask = "store", .show = show_store},
    {.name = "store verify", .operands = "DIRECTORY", .says = "read a store that nobody serves, or a copy: is all of it sound?",
     .more = "Exit 1 when something is damaged.",
     .example = "waxctl store verify /srv/copy --key /srv/copy.key", .example_says = "is the backup whole?",
     .options = OPTION_BIT(KEY), .alone = true, .run = store_verify_run},
    {.name = "store dump", .operands = "DIRECTORY", .says = "what is in a store that nobody serves, without payloads, as JSON lines",
     .more = "",
     .example = "waxctl store dump /srv/copy | wc -l", .example_says = "how many records are there?",
     .options = OPTION_BIT(KEY), .alone = true, .run = store_dump_run},
    {.name = "store backup", .operands = "DIRECTORY", .says = "copy the running store into a directory that is empty or not there",
     .more = "All that was confirmed when it began is in it, and opens with the same master key, which is not copied, nor are blobs. "
     "Returns when the copy is whole and on stable storage; exit 1 when it can't be made. What is delivered later stays readable in "
     "the copy.",
     .example = "waxctl store backup /srv/backup/monday --rate 100", .example_says = "at 100 MB/s at most",
     .options = OPTION_BIT(RATE), .run = store_backup_run},
    {.name = "mailbox", .operands = "[USER]", .says = "the largest mailboxes, or those of a user", .more = "",
     .example = "waxctl mailbox --limit 10", .example_says = "the ten largest",
     .options = OPTION_BIT(LIMIT), .ask = "mailbox", .request = request_mailbox, .show = show_mailboxes},
    {.name = "users list", .operands = "", .says = "accounts, in the order of their ids",
     .more = "An answer has 1000 at most, and says where the next one goes on.",
     .example = "waxctl users list --limit 20", .example_says = "the first twenty",
     .options = OPTION_BIT(LIMIT) | OPTION_BIT(AFTER), .ask = "users", .request = request_users, .show = show_users},
    {.name = "users show", .operands = "USER", .says = "an account: its devices, keys, mailboxes, blocks and media", .more = "",
     .example = "waxctl users show 0123456789abcdef0123456789abcdef", .example_says = "is the phone connected?",
     .ask = "user", .request = request_user, .show = show_user},
    {.name = "users suspend", .operands = "USER", .says = "let an account in no more, until it is restored",
     .more = "Its sessions end with ERROR 6 and its tokens are dead. What is sent to it waits in its mailbox.",
     .example = "waxctl users suspend 0123456789abcdef0123456789abcdef", .example_says = "stop who sends spam",
     .ask = "user-suspend", .request = request_user, .show = show_text},
    {.name = "users restore", .operands = "USER", .says = "let a suspended account in again", .more = "",
     .example = "waxctl users restore 0123456789abcdef0123456789abcdef", .example_says = "it was a mistake",
     .ask = "user-restore", .request = request_user, .show = show_text},
    {.name = "users delete", .operands = "USER", .says = "delete an account with everything of it, for good",
     .more = "Devices, mailboxes, keys, blocks and media go; what waited is REJECTED 1. Where registration allows it, the same "
     "key may make the account anew: to keep somebody out, suspend.",
     .example = "waxctl users delete 0123456789abcdef0123456789abcdef", .example_says = "who has asked for it",
     .ask = "user-delete", .request = request_user, .show = show_text},
    {.name = "invite create", .operands = "", .says = "make an invite, and print its code, which is told only now",
     .more = "It matters where accounts.registration is invite: who comes for the first time shows the code.",
     .example = "waxctl invite create --uses 20 --expires 86400", .example_says = "for a class, for a day",
     .options = OPTION_BIT(USES) | OPTION_BIT(EXPIRES), .ask = "invite-create", .request = request_invite, .show = show_invite},
    {.name = "invite list", .operands = "", .says = "invites: how often each was used, until when it is good", .more = "",
     .example = "waxctl invite list", .example_says = "which are left?",
     .options = OPTION_BIT(LIMIT) | OPTION_BIT(AFTER), .ask = "invites", .request = request_users, .show = show_invites},
    {.name = "invite revoke", .operands = "INVITE", .says = "take an invite back",
     .more = "Accounts that were made by it stay. INVITE is its number in the list, not the code.",
     .example = "waxctl invite revoke 3fa2910c", .example_says = "its code has got about",
     .ask = "invite-revoke", .request = request_revoke, .show = show_text},
    {.name = "media", .operands = "", .says = "blobs: how many, how large, what was moved", .more = "",
     .example = "waxctl media", .example_says = "what do blobs take?",
     .ask = "media", .show = show_media},
    {.name = "wake", .operands = "", .says = "push gateways: what they were told of devices that are offline, and whether they fail",
     .more = "", .example = "waxctl wake", .example_says = "does the push gateway take what it is told?",
     .ask = "wake", .show = show_wake},
    {.name = "tls reload", .operands = "", .says = "read certificates and keys anew",
     .more = "Sessions go on. The old certificates stay when anything is wrong with the new ones; exit 1 then.",
     .example = "waxctl tls reload", .example_says = "after a renewal",
     .ask = "tls-reload", .show = show_text},
    {.name = "trace", .operands = "PEER", .says = "what happens to the TCP connections of a client, live",
     .more = "Segments, states, windows, timers, reasons. " PEER_TEXT,
     .example = "waxctl trace 203.0.113.7 --for 60", .example_says = "all connections of that address, for a minute",
     .options = OPTION_BIT(FOR) | OPTION_BIT(COUNT), .run = trace_run},
    {.name = "config check", .operands = "[FILE...]", .says = "is a configuration good?",
     .more = "Later files are laid over earlier ones. Exit 1 with file, line and reason when it is not.",
     .example = "waxctl config check /etc/waxwire/waxwire.yaml", .example_says = "before a restart",
     .options = OPTION_BIT(CONFIG), .alone = true, .run = config_check_run},
    {.name = "config show", .operands = "[FILE...]", .says = "the whole configuration, defaults included",
     .more = "Without files: the one that the control plane runs with.",
     .example = "waxctl config show", .example_says = "what is in force?", .run = config_show_run},
    {.name = "config diff", .operands = "[FILE...]", .says = "how files differ from what runs, and what takes them over",
     .more = "Without files: those of --config. Exit 1 when they differ.",
     .example = "waxctl config diff /etc/waxwire/waxwire.yaml", .example_says = "what would a restart change?",
     .run = config_diff_run},
    {.name = "doctor", .operands = "", .says = "is the machine fit for the configuration? with how to mend what is not",
     .more = "Hugepages, memory's nodes, cores and their isolation, power, interrupts, IOMMU, cards, rings, MTU, clock, limits, disk and "
     "certificates. It changes nothing unless --fix (hugepages, governor, deep sleep, interrupts); to time the disk it syncs a file without a "
     "name in the store's folder. Exit 1 when something is bad or a warning.",
     .example = "waxctl doctor --config /etc/waxwire/waxwire.yaml", .example_says = "before the first start",
     .options = OPTION_BIT(CONFIG) | OPTION_BIT(FIX) | OPTION_BIT(ROOT), .alone = true, .run = doctor_run_command},
    {.name = "support", .operands = "", .says = "a tar file for those who help: state, counters, limits, machine; no secrets",
     .more = "No keys, tokens, contents, users or addresses of clients are in it. It is written to --output "
     "(default: waxwire-support.tar in the current directory; - is standard output).",
     .example = "waxctl support --output /tmp/bundle.tar", .example_says = "to send with a question",
     .options = OPTION_BIT(OUTPUT), .run = support_run},
    {.name = "completion", .operands = "SHELL", .says = "completion for bash or zsh, or the man page (SHELL man)",
     .more = "The package installs all three.",
     .example = "source <(waxctl completion bash)", .example_says = "for this shell",
     .alone = true, .run = completion_run},
};
/* clang-format on */

const struct waxctl_command *waxctl_commands(size_t *count)
{
    *count = sizeof commands / sizeof commands[0];
    return commands;
}

const struct waxctl_option *waxctl_option(enum waxctl_option_number number)
{
    return &options[number];
}

uint64_t waxctl_options_of(const struct waxctl_command *command)
{
    return command->options | OPTIONS_COMMON | (command->alone ? 0 : OPTION_BIT(SOCKET) | OPTION_BIT(CONFIG));
}

void waxctl_operands(const struct waxctl_command *command, uint32_t *least, uint32_t *most)
{
    *least = *most = 0;
    for (const char *p = command->operands; *p != '\0'; p++) {
        bool first = p == command->operands || p[-1] == ' ';
        *least += first && *p != '[';
        *most += first;
        if (strncmp(p, "...", 3) == 0)
            *most = WAXCTL_OPERANDS_MAX;
    }
}

enum waxctl_kind waxctl_operand_kind(const struct waxctl_command *command, uint32_t index)
{
    const char *p = command->operands;
    for (; index > 0 && strchr(p, ' ') != NULL; index--)
        p = strchr(p, ' ') + 1;
    p += *p == '[';
    if (strncmp(p, "FILE", 4) == 0 || strncmp(p, "DIRECTORY", 9) == 0)
        return WAXCTL_PATH;
    return strncmp(p, "USER", 4) == 0 ? WAXCTL_USER : WAXCTL_TEXT;
}
