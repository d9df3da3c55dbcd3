/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <getopt.h>
#include <stdlib.h>

#include "waxgen/gen.h"

#define EXIT_USAGE 2

enum key {
    KEY_MEMIF = 256,
    KEY_SESSIONS,
    KEY_ACTIVE,
    KEY_SETTLE,
    KEY_WINDOW,
    KEY_MESSAGES,
    KEY_PAYLOAD,
    KEY_JSON,
    KEY_PEER,
    KEY_PORT,
    KEY_ADDRESS,
    KEY_GATEWAY,
    KEY_PLAIN,
    KEY_CA,
    KEY_SERVER_NAME,
    KEY_OPENING,
    KEY_SEED,
    KEY_PATIENCE,
    KEY_PERFORMANCE,
    KEY_RATE,
    KEY_SECONDS,
    KEY_MATRIX,
    KEY_GROUP,
    KEY_SENDERS,
    KEY_BURST,
    KEY_SILENT,
    KEY_SEARCH,
    KEY_COMMANDS,
    KEY_STORM,
    KEY_RESUME,
    KEY_RESTART,
    KEY_FLOOD,
    KEY_FLOOD_SOURCES,
    KEY_FLOOD_SECONDS,
    KEY_FLOOD_PACKETS,
    KEY_FLOOD_RATE,
    KEY_VDEV,
    KEY_PCI,
    KEY_PROFILE,
    KEY_CSV,
    KEY_LEAST_RATE,
    KEY_MOST_P50,
    KEY_MOST_P99,
    KEY_MOST_P999,
    KEY_VERSION,
    KEY_HELP,
};

static const struct option known[] = {
    {"memif", required_argument, NULL, KEY_MEMIF},
    {"sessions", required_argument, NULL, KEY_SESSIONS},
    {"active", required_argument, NULL, KEY_ACTIVE},
    {"settle", required_argument, NULL, KEY_SETTLE},
    {"window", required_argument, NULL, KEY_WINDOW},
    {"messages", required_argument, NULL, KEY_MESSAGES},
    {"payload", required_argument, NULL, KEY_PAYLOAD},
    {"json", required_argument, NULL, KEY_JSON},
    {"peer", required_argument, NULL, KEY_PEER},
    {"port", required_argument, NULL, KEY_PORT},
    {"address", required_argument, NULL, KEY_ADDRESS},
    {"gateway", required_argument, NULL, KEY_GATEWAY},
    {"plain", no_argument, NULL, KEY_PLAIN},
    {"ca", required_argument, NULL, KEY_CA},
    {"server-name", required_argument, NULL, KEY_SERVER_NAME},
    {"opening", required_argument, NULL, KEY_OPENING},
    {"seed", required_argument, NULL, KEY_SEED},
    {"patience", required_argument, NULL, KEY_PATIENCE},
    {"performance", no_argument, NULL, KEY_PERFORMANCE},
    {"rate", required_argument, NULL, KEY_RATE},
    {"seconds", required_argument, NULL, KEY_SECONDS},
    {"matrix", required_argument, NULL, KEY_MATRIX},
    {"burst", required_argument, NULL, KEY_BURST},
    {"senders", required_argument, NULL, KEY_SENDERS},
    {"group", required_argument, NULL, KEY_GROUP},
    {"silent", no_argument, NULL, KEY_SILENT},
    {"search", required_argument, NULL, KEY_SEARCH},
    {"commands", no_argument, NULL, KEY_COMMANDS},
    {"storm", required_argument, NULL, KEY_STORM},
    {"resume", no_argument, NULL, KEY_RESUME},
    {"restart", no_argument, NULL, KEY_RESTART},
    {"flood", required_argument, NULL, KEY_FLOOD},
    {"flood-sources", required_argument, NULL, KEY_FLOOD_SOURCES},
    {"flood-seconds", required_argument, NULL, KEY_FLOOD_SECONDS},
    {"flood-packets", required_argument, NULL, KEY_FLOOD_PACKETS},
    {"flood-rate", required_argument, NULL, KEY_FLOOD_RATE},
    {"vdev", required_argument, NULL, KEY_VDEV},
    {"pci", required_argument, NULL, KEY_PCI},
    {"profile", required_argument, NULL, KEY_PROFILE},
    {"csv", required_argument, NULL, KEY_CSV},
    {"least-rate", required_argument, NULL, KEY_LEAST_RATE},
    {"most-p50-us", required_argument, NULL, KEY_MOST_P50},
    {"most-p99-us", required_argument, NULL, KEY_MOST_P99},
    {"most-p999-us", required_argument, NULL, KEY_MOST_P999},
    {"version", no_argument, NULL, KEY_VERSION},
    {"help", no_argument, NULL, KEY_HELP},
    {0},
};

static bool number(const char *name, const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == '\0' && value >= least && value <= most) {
        *out = value;
        return true;
    }
    fprintf(stderr, "waxgen: --%s: %s is not a number from %llu to %llu\n", name, text,
            (unsigned long long)least, (unsigned long long)most);
    return false;
}

static bool number32(const char *name, const char *text, uint32_t least, uint32_t most, uint32_t *out)
{
    uint64_t value = 0;
    bool good = number(name, text, least, most, &value);
    *out = (uint32_t)value;
    return good;
}

static bool address(const char *name, const char *text, struct addr *out)
{
    uint8_t bytes[16];
    if (inet_pton(AF_INET, text, bytes) == 1) {
        *out = addr_ip4(load_be32(bytes));
        return true;
    }
    if (inet_pton(AF_INET6, text, out->b) == 1)
        return true;
    fprintf(stderr, "waxgen: --%s: %s is not an address\n", name, text);
    return false;
}

static bool network(const char *name, const char *text, struct net_address *out)
{
    char copy[64];
    uint64_t prefix = 0;
    const char *slash = strchr(text, '/');
    if (slash == NULL || slash - text >= (ptrdiff_t)sizeof copy) {
        fprintf(stderr, "waxgen: --%s: %s has no prefix\n", name, text);
        return false;
    }
    memcpy(copy, text, (size_t)(slash - text));
    copy[slash - text] = '\0';
    bool good = address(name, copy, &out->addr) &&
                number(name, slash + 1, 1, addr_is_ip4(&out->addr) ? 32 : 128, &prefix);
    out->prefix = (uint8_t)prefix;
    return good;
}

static bool take_number(int key, const char *text, struct gen_options *o)
{
    uint32_t port = 0;
    bool good;
    switch (key) {
    case KEY_SESSIONS:
        return number32("sessions", text, 2, GEN_SESSIONS_MAX, &o->sessions);
    case KEY_ACTIVE:
        return number32("active", text, 2, GEN_SESSIONS_MAX, &o->active);
    case KEY_SETTLE:
        return number32("settle", text, 0, 86400, &o->settle_s);
    case KEY_WINDOW:
        return number32("window", text, 1, WAX_SEND_WINDOW_MAX, &o->window);
    case KEY_MESSAGES:
        return number("messages", text, 0, UINT32_MAX, &o->messages);
    case KEY_PAYLOAD:
        return number32("payload", text, GEN_PAYLOAD_LEAST, WAX_TLS_PLAINTEXT_BYTES_MAX - 256, &o->payload);
    case KEY_OPENING:
        return number32("opening", text, 1, 10000, &o->opening);
    case KEY_SEED:
        return number("seed", text, 0, UINT64_MAX, &o->seed);
    case KEY_PATIENCE:
        return number32("patience", text, 1, 86400, &o->patience_s);
    case KEY_RATE:
        return number32("rate", text, 1, 100000000, &o->rate);
    case KEY_GROUP:
        return number32("group", text, 1, WAX_MULTI_RECIPIENTS_MAX, &o->group);
    case KEY_LEAST_RATE:
        return number32("least-rate", text, 1, UINT32_MAX, &o->least_rate);
    case KEY_MOST_P50:
        return number32("most-p50-us", text, 1, UINT32_MAX, &o->most_us[0]);
    case KEY_MOST_P99:
        return number32("most-p99-us", text, 1, UINT32_MAX, &o->most_us[1]);
    case KEY_MOST_P999:
        return number32("most-p999-us", text, 1, UINT32_MAX, &o->most_us[2]);
    case KEY_BURST:
        return number32("burst", text, 1, WAX_SEND_WINDOW_MAX, &o->burst);
    case KEY_SENDERS:
        return number32("senders", text, 1, GEN_SESSIONS_MAX, &o->senders);
    case KEY_SECONDS:
        return number32("seconds", text, 1, 86400, &o->seconds);
    case KEY_SEARCH:
        return number32("search", text, 1, 50, &o->search);
    case KEY_STORM:
        return number32("storm", text, 1, 10000, &o->storm);
    case KEY_FLOOD_SECONDS:
        return number32("flood-seconds", text, 1, 3600, &o->flood.seconds);
    case KEY_FLOOD_PACKETS:
        return number("flood-packets", text, 1, UINT32_MAX, &o->flood.packets);
    case KEY_FLOOD_RATE:
        return number32("flood-rate", text, 1, 100000000, &o->flood.rate);
    case KEY_PORT:
        good = number32("port", text, 1, 65535, &port);
        o->port = (uint16_t)port;
        return good;
    default:
        return false;
    }
}

static bool flood_kind(const char *text, enum flood_kind *out)
{
    *out = flood_kind_of(text);
    if (*out == FLOOD_NONE)
        fprintf(stderr, "waxgen: --flood: %s is none of syn, ack, rst, garbage, mixed\n", text);
    return *out != FLOOD_NONE;
}

static bool flood_sources(const char *text, struct flood_options *out)
{
    struct net_address sources;
    bool good = network("flood-sources", text, &sources);
    if (good) {
        out->sources = sources.addr;
        out->prefix = sources.prefix;
    }
    return good;
}

static bool matrix(const char *text, enum gen_matrix *out)
{
    bool uniform = strcmp(text, "uniform") == 0, good = uniform || strcmp(text, "pairs") == 0;
    *out = uniform ? MATRIX_UNIFORM : MATRIX_PAIRS;
    if (!good)
        fprintf(stderr, "waxgen: --matrix: %s is neither pairs nor uniform\n", text);
    return good;
}

static bool take(int key, const char *text, struct gen_options *o)
{
    switch (key) {
    case KEY_MEMIF:
        o->memif = text;
        return true;
    case KEY_VDEV:
        o->vdev = text;
        return true;
    case KEY_PCI:
        o->pci = text;
        return true;
    case KEY_CSV:
        o->csv = text;
        return true;
    case KEY_PROFILE:
        return profile_read(text, o);
    case KEY_JSON:
        o->json = text;
        return true;
    case KEY_CA:
        o->ca = text;
        return true;
    case KEY_SERVER_NAME:
        o->server_name = text;
        return true;
    case KEY_PLAIN:
        o->tls = false;
        return true;
    case KEY_PERFORMANCE:
        o->performance = true;
        return true;
    case KEY_SILENT:
        o->silent = true;
        return true;
    case KEY_COMMANDS:
        o->commands = true;
        return true;
    case KEY_MATRIX:
        return matrix(text, &o->matrix);
    case KEY_RESUME:
        o->resume = true;
        return true;
    case KEY_RESTART:
        o->comeback = true;
        return true;
    case KEY_FLOOD:
        return flood_kind(text, &o->flood.kind);
    case KEY_FLOOD_SOURCES:
        return flood_sources(text, &o->flood);
    case KEY_PEER:
        return address("peer", text, &o->peer);
    case KEY_GATEWAY:
        return address("gateway", text, &o->gateway);
    case KEY_ADDRESS:
        return network("address", text, &o->address);
    default:
        return take_number(key, text, o);
    }
}

/* What belongs together. */
static bool sane(const struct gen_options *o)
{
    const char *wrong = o->search != 0 && o->seconds == 0 ? "--search needs --seconds, of a trial"
                        : o->group >= o->active ? "--group: no more than all other sessions that are active"
                        : o->group != 0 && o->window > GEN_GROUP_WINDOW ? "--group: at most 64 in a --window"
                        : addr_is_ip4(&o->peer) != addr_is_ip4(&o->address.addr)
                            ? "--peer and --address are of different kinds: IPv4, IPv6"
                        : o->flood.kind != FLOOD_NONE && !addr_is_ip4(&o->peer) ? "--flood is for IPv4"
                        : o->group != 0 && o->silent ? "--group and --silent don't go together"
                                                     : NULL;
    if (wrong != NULL)
        fprintf(stderr, "waxgen: %s\n", wrong);
    return wrong == NULL;
}

int options_read(int argc, char **argv, struct gen_options *o)
{
    int key;
    *o = (struct gen_options){
        .server_name = "waxwire.test",
        .sessions = 2,
        .window = 1,
        .payload = 128,
        .opening = 16,
        .messages = 1000,
        .tls = true,
        .seed = 1,
        .patience_s = 20,
        .flood = {.sources = addr_ip4(0xc6130000), .prefix = 16, .seconds = 5, .packets = 20000000}};
    o->peer = addr_ip4(0xc6120001);
    o->address = (struct net_address){addr_ip4(0xc6120002), 15};
    while ((key = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        if (key == KEY_HELP || key == 'h') {
            fputs(options_usage, stdout);
            return EXIT_SUCCESS;
        }
        if (key == KEY_VERSION) {
            puts("waxgen " WAX_VERSION);
            return EXIT_SUCCESS;
        }
        if (key == '?' || !take(key, optarg, o))
            return EXIT_USAGE;
    }
    if (o->active == 0)
        o->active = o->sessions;
    o->resume &= o->tls;
    bool odd = o->sessions % 2 != 0 || o->active % 2 != 0 || o->active > o->sessions;
    bool ways = (o->memif != NULL) + (o->vdev != NULL) + (o->pci != NULL) == 1;
    if (!ways || optind != argc || odd) {
        fputs(!ways ? "waxgen: one of --memif, --vdev, --pci is needed; --help tells more\n"
              : odd ? "waxgen: --sessions and --active must be even, they talk in pairs; and no more can be "
                      "active than there are\n"
                    : "waxgen: arguments that mean nothing; --help tells more\n",
              stderr);
        return EXIT_USAGE;
    }
    if (!sane(o))
        return EXIT_USAGE;
    o->commands |= o->step_count != 0;
    if (!o->commands && o->rate != 0 && o->seconds != 0)
        o->messages = (uint64_t)o->rate * o->seconds;
    if (o->port == 0)
        o->port = o->tls ? 443 : 80;
    return -1;
}

static const struct option *find(const char *word)
{
    static const int keys[] = {KEY_WINDOW, KEY_PAYLOAD, KEY_MESSAGES, KEY_RATE,   KEY_SECONDS, KEY_MATRIX,
                               KEY_GROUP,  KEY_SENDERS, KEY_BURST,    KEY_SILENT, KEY_SEARCH};
    for (const struct option *option = known; option->name != NULL; option++)
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
            if (option->val == keys[i] && strncmp(word, "--", 2) == 0 && strcmp(word + 2, option->name) == 0)
                return option;
    fprintf(stderr, "waxgen: %s is no option of a step\n", word);
    return NULL;
}

bool options_set(const char *name, const char *value, struct gen_options *o)
{
    for (const struct option *option = known; option->name != NULL; option++) {
        if (strcmp(option->name, name) != 0 || option->val == KEY_PROFILE || option->val >= KEY_VERSION)
            continue;
        bool yes = strcmp(value, "true") == 0;
        if (option->has_arg == no_argument && !yes && strcmp(value, "false") != 0) {
            fprintf(stderr, "waxgen: %s: true or false\n", name);
            return false;
        }
        return option->has_arg == no_argument && !yes ? true : take(option->val, value, o);
    }
    fprintf(stderr, "waxgen: %s is no option\n", name);
    return false;
}

bool options_step(char *line, struct gen_options *o)
{
    char *rest = NULL;
    o->silent = false;
    o->rate = o->seconds = o->search = o->group = o->senders = o->burst = 0;
    o->matrix = MATRIX_PAIRS;
    for (char *word = strtok_r(line, " \n", &rest); word != NULL; word = strtok_r(NULL, " \n", &rest)) {
        const struct option *option = find(word);
        const char *value = "";
        if (option == NULL)
            return false;
        if (option->has_arg == required_argument && (value = strtok_r(NULL, " \n", &rest)) == NULL) {
            fprintf(stderr, "waxgen: --%s needs a value\n", option->name);
            return false;
        }
        if (!take(option->val, value, o))
            return false;
    }
    return sane(o);
}
