/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of waxctl's commands: what is taken, what is refused, and that nothing in it is left untold. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "config_fields.h"
#include "config_lines.h"
#include "redact.h"
#include "waxctl_table.h"

static struct options options;
static const struct waxctl_command *command;

/* Parse words that spaces part. Returns why they are refused, or NULL. */
static const char *parse(const char *line)
{
    static char copy[1024];
    char *argv[40] = {(char *)"waxctl"};
    int argc = 1;
    strcpy(copy, line);
    for (char *save, *word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    return waxctl_parse(argc, argv, &command, &options);
}

#define REFUSED(line, why) cr_expect_str_eq(parse(line) != NULL ? parse(line) : "taken", why)

Test(waxctl, words_and_options_come_in_any_order)
{
    cr_assert_null(parse("--json --limit 7 sessions --socket=/s"));
    cr_assert_str_eq(command->name, "sessions");
    cr_assert(options.json);
    cr_assert_eq(options.limit, 7u);
    cr_assert_str_eq(options.socket, "/s");
    cr_assert_null(parse("tls --json reload"));
    cr_assert_str_eq(command->name, "tls reload");
    cr_assert_null(parse("store"));
    cr_assert_str_eq(command->name, "store");
    cr_assert_null(parse("store verify /d --key /k"));
    cr_assert_str_eq(command->name, "store verify");
    cr_assert_str_eq(options.operand[0], "/d");
    cr_assert_null(options.operand[1]);
    cr_assert_str_eq(options.text[OPTION_KEY], "/k");
    cr_assert_null(parse("config check -- -a b"));
    cr_assert_eq(options.operands, 2u);
    cr_assert_str_eq(options.operand[0], "-a");
    cr_assert_null(parse("config diff --config a --config b"));
    cr_assert_eq(options.configs, 2u);
    cr_assert_eq(options.limit, 1000u);
    cr_assert_eq(options.interval_ms, 1000u);
}

Test(waxctl, what_is_wrong_is_told_in_one_line)
{
    REFUSED("nonsense", "unknown command 'nonsense'");
    REFUSED("tls", "'tls' is not whole: see waxctl --help");
    REFUSED("tls unload", "unknown command 'tls unload'");
    REFUSED("status now", "status takes nothing more, but 'now' was given");
    REFUSED("trace", "trace takes PEER");
    REFUSED("trace a b", "trace takes PEER alone, but 'b' was given too");
    REFUSED("status --nonsense", "unknown option '--nonsense'");
    REFUSED("status --limit 4", "status takes no --limit");
    REFUSED("sessions --limit", "--limit needs a value: N");
    REFUSED("sessions --limit many", "--limit takes a number, not 'many'");
    REFUSED("sessions --limit -1", "--limit takes a number, not '-1'");
    REFUSED("sessions --limit 99999999999", "--limit takes a number, not '99999999999'");
    REFUSED("sessions --json=yes", "--json takes no value");
    REFUSED("mailbox somebody", "a user is 32 hexadecimal digits, not 'somebody'");
    cr_assert_null(parse("mailbox 0123456789abcdef0123456789ABCDEF"));
    cr_assert_null(parse(""));
    cr_assert_null(command);
}

static char *text_of(void (*write)(FILE *), size_t *len)
{
    char *text;
    FILE *out = open_memstream(&text, len);
    write(out);
    fclose(out);
    return text;
}

Test(waxctl, every_command_has_an_example_that_it_takes)
{
    size_t count;
    const struct waxctl_command *all = waxctl_commands(&count);
    cr_assert_gt(count, 10u);
    for (size_t i = 0; i < count; i++) {
        char line[256], begin[64];
        const char *found = strstr(all[i].example, "waxctl ");
        cr_assert_not_null(found, "%s", all[i].name);
        snprintf(line, sizeof line, "%s", found + strlen("waxctl "));
        line[strcspn(line, "|>)")] = '\0';
        cr_expect_null(parse(line), "%s: %s", all[i].example, parse(line));
        cr_expect_eq(command, &all[i], "%s is no example of %s", all[i].example, all[i].name);
        snprintf(begin, sizeof begin, "waxctl %s", all[i].name);
        cr_expect_not_null(strstr(all[i].example, begin));
        cr_expect_gt(strlen(all[i].says), 10u);
        cr_expect((all[i].run != NULL) != (all[i].ask != NULL && all[i].show != NULL), "%s", all[i].name);
    }
}

Test(waxctl, every_command_and_option_is_in_help_man_page_and_completions)
{
    void (*const writers[])(FILE *) = {waxctl_help, waxctl_man, waxctl_complete_bash, waxctl_complete_zsh};
    size_t count, len;
    const struct waxctl_command *all = waxctl_commands(&count);
    for (size_t w = 0; w < 4; w++) {
        char *text = text_of(writers[w], &len), want[80];
        for (size_t i = 0; i < count; i++) {
            const char *shape = w == 0 ? "\n  %s " : w == 1 ? "\n\\fB%s\\fR" : "'%s') options=";
            snprintf(want, sizeof want, shape, all[i].name);
            cr_expect_not_null(strstr(text, want), "writer %zu has no %s", w, want);
        }
        for (uint32_t n = 0; w != 0 && n < OPTIONS; n++) {
            const char *name = waxctl_option((enum waxctl_option_number)n)->name;
            snprintf(want, sizeof want, w == 1 ? "\\fB\\-\\-%s\\fR" : "--%s", name + 2);
            cr_expect_not_null(strstr(text, want), "writer %zu has no %s", w, want);
        }
        free(text);
    }
    for (size_t i = 0; i < count; i++) {
        char *text;
        FILE *out = open_memstream(&text, &len);
        waxctl_help_command(out, &all[i]);
        fclose(out);
        cr_expect_not_null(strstr(text, all[i].example));
        cr_expect_not_null(strstr(text, "--json"));
        free(text);
    }
}

Test(redact, keys_tokens_users_and_addresses_go_and_the_rest_stays)
{
    static const struct {
        const char *in, *out;
        bool addresses;
    } cases[] = {
        {"user=0123456789abcdef0123456789abcdef open", "user=<removed> open", false},
        {"tok aB3-_x4567890123456789012345678901234567z.", "tok <removed>.", false},
        {"-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\nafter", "<removed>\nafter", false},
        {"-----BEGIN PRIVATE KEY-----\nQUJD", "<removed>", false},
        {"peer 203.0.113.7:443, [2001:db8::7]:1 and ::1.", "peer <address>:443, [<address>]:1 and ::1.",
         true},
        {"12:30:45 up 1.5 GiB of 198.18", "12:30:45 up 1.5 GiB of 198.18", true},
        {"/var/lib/waxwire/store.key workers: 4", "/var/lib/waxwire/store.key workers: 4", true},
        {"ports 198.18.0.1/24", "ports 198.18.0.1/24", false},
        {"0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcde", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        strcpy(text, cases[i].in);
        text[redact(text, strlen(text), cases[i].addresses)] = '\0';
        const char *want = cases[i].out;
        if (strstr(want, "and ::1.") != NULL) /* shorter than what would take its place: the place is cut */
            cr_expect_null(strstr(text, "::1"), "%s", text);
        else
            cr_expect_str_eq(text, want);
    }
}

Test(config_lines, every_value_of_a_dump_has_a_name_of_its_own)
{
    static struct wax_config config;
    static char text[65536];
    static char seen[400][128];
    struct config_line line;
    struct config_error error;
    uint32_t count = 0, found = 0;
    const char *file = "ports: [{kind: tap, device: a, addresses: [198.18.0.2/24]}, {kind: tap, device: b}]\n"
                       "tls: {certificates: [{certificate: /c, key: /k}]}\ndataplane: {workers: 3}\n";
    config_defaults(&config);
    cr_assert_eq(config_load_text(&config, "x", view_of(file, strlen(file)), &error), WAX_OK);
    cr_assert_lt(config_dump(&config, text, sizeof text), sizeof text);
    for (struct config_lines lines = config_lines_of(text); config_lines_next(&lines, &line);) {
        for (uint32_t i = 0; i < count; i++)
            cr_expect_str_neq(seen[i], line.key);
        strcpy(seen[count++], line.key);
        found += strcmp(line.key, "dataplane.workers") == 0 && strcmp(line.value, "3") == 0;
        found += strcmp(line.key, "ports[1].device") == 0 && strcmp(line.value, "\"b\"") == 0;
        found += strcmp(line.key, "tls.certificates[0].key") == 0 && strcmp(line.value, "\"/k\"") == 0;
        found += strcmp(line.key, "tls.tickets") == 0 && strcmp(line.value, "1") == 0;
        found += strcmp(line.key, "listeners[0].port") == 0 && strcmp(line.value, "443") == 0;
    }
    cr_assert_eq(found, 5u);
    cr_assert_gt(count, 45u);
    cr_assert_str_eq(config_taken_by("tls.key"), "waxctl tls reload");
    cr_assert_str_eq(config_taken_by("ports[0].device"), "restart waxwire-dataplane");
    cr_assert_str_eq(config_taken_by("store.purge_s"), "restart waxwire-control");
}
