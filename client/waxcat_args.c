/* SPDX-License-Identifier: BSD-3-Clause */
#include "waxcat_args.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "waxcat: a client of the waxwire relay for people and scripts\n"
    "\n"
    "  waxcat id                           print the user id of the key (made when there is none)\n"
    "  waxcat listen                       print what arrives\n"
    "  waxcat devices                      list the devices of the account\n"
    "  waxcat block USER                   take no more messages of that user; `unblock USER` does again\n"
    "  waxcat send USER[/DEVICE] TEXT...   send a message and wait for the relay's answer (TEXT -: from "
    "stdin)\n"
    "  waxcat chat USER[/DEVICE]           send lines of stdin, print what arrives, and ✓ ✓✓\n"
    "\n"
    "USER is a user id as `waxcat id` prints it; DEVICE is 1 where it is left out.\n"
    "\n"
    "  --key FILE          account key; made when it is not there (default: $WAXCAT_KEY, ~/.waxcat.key)\n"
    "  --device N          our device number, 1 to 65535 (default 1)\n"
    "  --server HOST:PORT  the relay (default: $WAXCAT_SERVER, localhost:443); [ADDRESS]:PORT for IPv6\n"
    "  --ca FILE           PEM of the authorities to trust (default: $WAXCAT_CA, the system's)\n"
    "  --name NAME         the name that the certificate must carry (default: HOST)\n"
    "  --plain             no TLS: for a listener behind a terminator\n"
    "  --retry             keep trying when the relay can't be reached at first\n"
    "  --no-reconnect      end when the session is lost (default: connect again, send again what is "
    "unanswered)\n"
    "  --send-only         ask for no deliveries (send: give it a device number of its own)\n"
    "  --wait WHAT         send: wait until all is `accepted` (default; or delivered) or `delivered`\n"
    "  --read              listen, chat: tell the senders that their messages have been read\n"
    "  --count N           send: send the text N times\n"
    "  --exit-after N      listen, chat: end after N messages\n"
    "  --timeout S         give up after S seconds\n"
    "  --ttl S             the relay may drop it after S seconds\n"
    "  --ephemeral, --urgent, --silent     flags of the messages sent\n"
    "  --json              one JSON object a line\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0 all done, 1 usage, 2 no connection, 3 refused by the relay, 4 timed out.\n";

enum option_id {
    OPT_KEY = 256,
    OPT_DEVICE,
    OPT_SERVER,
    OPT_CA,
    OPT_NAME,
    OPT_PLAIN,
    OPT_RETRY,
    OPT_NO_RECONNECT,
    OPT_SEND_ONLY,
    OPT_WAIT,
    OPT_COUNT,
    OPT_EXIT_AFTER,
    OPT_TIMEOUT,
    OPT_TTL,
    OPT_EPHEMERAL,
    OPT_URGENT,
    OPT_SILENT,
    OPT_JSON,
    OPT_READ,
    OPT_HELP,
    OPT_VERSION,
};

static const struct option options[] = {
    {"key", required_argument, NULL, OPT_KEY},
    {"device", required_argument, NULL, OPT_DEVICE},
    {"server", required_argument, NULL, OPT_SERVER},
    {"ca", required_argument, NULL, OPT_CA},
    {"name", required_argument, NULL, OPT_NAME},
    {"plain", no_argument, NULL, OPT_PLAIN},
    {"retry", no_argument, NULL, OPT_RETRY},
    {"no-reconnect", no_argument, NULL, OPT_NO_RECONNECT},
    {"send-only", no_argument, NULL, OPT_SEND_ONLY},
    {"wait", required_argument, NULL, OPT_WAIT},
    {"count", required_argument, NULL, OPT_COUNT},
    {"exit-after", required_argument, NULL, OPT_EXIT_AFTER},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"ttl", required_argument, NULL, OPT_TTL},
    {"ephemeral", no_argument, NULL, OPT_EPHEMERAL},
    {"urgent", no_argument, NULL, OPT_URGENT},
    {"silent", no_argument, NULL, OPT_SILENT},
    {"json", no_argument, NULL, OPT_JSON},
    {"read", no_argument, NULL, OPT_READ},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

static bool complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool complain(const char *format, ...)
{
    va_list list;

    fputs("waxcat: ", stderr);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputs("; see waxcat --help\n", stderr);
    return false;
}

static bool number(const char *what, const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
    char *end;

    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != 0 || errno != 0 || value < min || value > max)
        return complain("%s must be a number from %u to %u, not '%s'", what, min, max, text);
    *out = (uint32_t)value;
    return true;
}

static bool text_into(const char *what, char *out, size_t room, const char *text, size_t len)
{
    if (len == 0 || len >= room)
        return complain("%s is empty or too long", what);
    memcpy(out, text, len);
    out[len] = 0;
    return true;
}

/* HOST, HOST:PORT, [ADDRESS]:PORT or a bare IPv6 address. */
static bool read_server(struct waxcat_args *args, const char *text)
{
    const char *host = text, *colon = strrchr(text, ':');
    size_t len = strlen(text);
    uint32_t port = 0;

    if (text[0] == '[') {
        const char *bracket = strchr(text, ']');
        if (bracket == NULL || (bracket[1] != 0 && bracket[1] != ':'))
            return complain("--server '%s' has no matching bracket", text);
        host = text + 1;
        len = (size_t)(bracket - host);
        colon = bracket[1] == ':' ? bracket + 1 : NULL;
    } else if (colon != NULL && strchr(text, ':') != colon) {
        colon = NULL;
    } else if (colon != NULL) {
        len = (size_t)(colon - text);
    }
    if (colon != NULL && !number("the port of --server", colon + 1, 1, 65535, &port))
        return false;
    args->loop.port = (uint16_t)port;
    return text_into("the host of --server", args->host, sizeof args->host, host, len);
}

static bool read_recipient(struct waxcat_args *args, const char *text)
{
    char user[WAX_USER_TEXT_BYTES];
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    uint32_t device = 1;

    if (len != WAX_USER_TEXT_BYTES - 1)
        return complain("'%s' is not a user id of 32 hexadecimal digits", text);
    memcpy(user, text, len);
    user[len] = 0;
    if (!wax_user_parse(args->recipient, user))
        return complain("'%s' is not a user id of 32 hexadecimal digits", text);
    if (slash != NULL && !number("the recipient's device", slash + 1, 1, 65535, &device))
        return false;
    args->recipient_device = (uint16_t)device;
    return true;
}

static bool read_wait(struct waxcat_args *args, const char *text)
{
    args->wait_delivered = strcmp(text, "delivered") == 0;
    return args->wait_delivered || strcmp(text, "accepted") == 0 ||
           complain("--wait is for `accepted` or `delivered`, not '%s'", text);
}

static bool read_valued(struct waxcat_args *args, int option, const char *value)
{
    uint32_t device = 0;

    switch (option) {
    case OPT_KEY:
        return text_into("--key", args->key_file, sizeof args->key_file, value, strlen(value));
    case OPT_DEVICE:
        if (!number("--device", value, 1, 65535, &device))
            return false;
        args->device = (uint16_t)device;
        return true;
    case OPT_SERVER:
        return read_server(args, value);
    case OPT_CA:
        args->loop.ca_file = value;
        return true;
    case OPT_NAME:
        args->loop.name = value;
        return true;
    case OPT_WAIT:
        return read_wait(args, value);
    case OPT_COUNT:
        return number("--count", value, 1, 1000000, &args->count);
    case OPT_EXIT_AFTER:
        return number("--exit-after", value, 1, UINT32_MAX, &args->exit_after);
    case OPT_TIMEOUT:
        return number("--timeout", value, 1, 1000000, &args->timeout_s);
    case OPT_TTL:
        return number("--ttl", value, 1, UINT32_MAX, &args->ttl_s);
    default:
        return false;
    }
}

static bool read_option(struct waxcat_args *args, int option, const char *value)
{
    switch (option) {
    case OPT_PLAIN:
        args->loop.plain = true;
        return true;
    case OPT_RETRY:
        args->loop.retry = true;
        return true;
    case OPT_NO_RECONNECT:
        args->loop.reconnect = false;
        return true;
    case OPT_SEND_ONLY:
        args->send_only = true;
        return true;
    case OPT_EPHEMERAL:
        args->flags |= WIRE_SEND_EPHEMERAL;
        return true;
    case OPT_URGENT:
        args->flags |= WIRE_SEND_URGENT;
        return true;
    case OPT_SILENT:
        args->flags |= WIRE_SEND_SILENT;
        return true;
    case OPT_JSON:
        args->json = true;
        return true;
    case OPT_READ:
        args->read = true;
        return true;
    default:
        return read_valued(args, option, value);
    }
}

static bool read_command(struct waxcat_args *args, int count, char **words)
{
    static const char *const names[] = {"id", "listen", "devices", "block", "unblock", "send", "chat"};
    const unsigned name_count = sizeof names / sizeof *names;
    unsigned command = 0;

    if (count == 0)
        return complain("a command is missing: id, listen, devices, block, unblock, send or chat");
    while (command < name_count && strcmp(words[0], names[command]) != 0)
        command++;
    if (command == name_count)
        return complain("unknown command '%s'", words[0]);
    args->command = (enum waxcat_command)command;
    if (command <= WAXCAT_DEVICES)
        return count == 1 || complain("%s takes no argument", words[0]);
    if (count < 2)
        return complain("%s needs a user id", words[0]);
    if (command == WAXCAT_SEND ? count < 3 : count > 2)
        return complain(command == WAXCAT_SEND   ? "send needs a text"
                        : command == WAXCAT_CHAT ? "chat takes its text from stdin"
                                                 : "%s takes one user id",
                        words[0]);
    args->words = words + 2;
    args->word_count = count - 2;
    return read_recipient(args, words[1]);
}

static bool defaults(struct waxcat_args *args)
{
    const char *key = getenv("WAXCAT_KEY"), *home = getenv("HOME"), *server = getenv("WAXCAT_SERVER");

    *args = (struct waxcat_args){
        .loop = {.reconnect = true, .ca_file = getenv("WAXCAT_CA")},
        .device = 1,
        .count = 1,
    };
    int n = key != NULL
                ? snprintf(args->key_file, sizeof args->key_file, "%s", key)
                : snprintf(args->key_file, sizeof args->key_file, "%s/.waxcat.key", home ? home : ".");
    if (n < 0 || (size_t)n >= sizeof args->key_file)
        return complain("the key file's path is too long");
    return read_server(args, server != NULL ? server : "localhost");
}

bool waxcat_args_read(struct waxcat_args *args, int argc, char **argv, int *exit_status)
{
    int option;

    *exit_status = WAXCAT_USAGE;
    if (!defaults(args))
        return false;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == OPT_HELP || option == OPT_VERSION) {
            fputs(option == OPT_HELP ? help : "waxcat " WAXCAT_VERSION "\n", stdout);
            *exit_status = WAXCAT_DONE;
            return false;
        }
        if (option == '?')
            return complain("the command line was not understood");
        if (!read_option(args, option, optarg))
            return false;
    }
    if (!read_command(args, argc - optind, argv + optind))
        return false;
    if (args->loop.port == 0)
        args->loop.port = args->loop.plain ? 80 : 443;
    args->loop.host = args->host;
    if ((args->flags & WIRE_SEND_SILENT) && !(args->flags & WIRE_SEND_EPHEMERAL))
        return complain("--silent goes only together with --ephemeral");
    return true;
}
