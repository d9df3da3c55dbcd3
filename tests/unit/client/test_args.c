/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <getopt.h>
#include <stdlib.h>

#include "waxcat_args.h"

#define USER "000102030405060708090a0b0c0d0e0f"

static struct waxcat_args args;
static int exit_status;

/* Reads "waxcat" and the words of `line`. */
static bool read_line(const char *line)
{
    static char copy[1024];
    static char *words[32];
    int count = 0;

    snprintf(copy, sizeof copy, "waxcat %s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        words[count++] = word;
    words[count] = NULL;
    optind = 0; /* getopt begins anew */
    return waxcat_args_read(&args, count, words, &exit_status);
}

static void begin(void)
{
    unsetenv("WAXCAT_KEY");
    unsetenv("WAXCAT_SERVER");
    unsetenv("WAXCAT_CA");
    setenv("HOME", "/nowhere", 1);
    cr_redirect_stderr();
}

TestSuite(args, .init = begin);

Test(args, the_defaults)
{
    cr_assert(read_line("listen"));
    cr_assert_eq(args.command, WAXCAT_LISTEN);
    cr_assert_str_eq(args.key_file, "/nowhere/.waxcat.key");
    cr_assert_str_eq(args.loop.host, "localhost");
    cr_assert_eq(args.loop.port, 443);
    cr_assert_eq(args.device, 1);
    cr_assert(args.loop.reconnect);
    cr_assert_not(args.loop.retry);
}

Test(args, a_plain_listener_is_at_port_80)
{
    cr_assert(read_line("listen --plain"));
    cr_assert_eq(args.loop.port, 80);
}

Test(args, options_may_follow_the_text)
{
    cr_assert(
        read_line("send " USER "/7 hello world --count 3 --wait delivered --timeout 9 --ttl 60 --json"));
    cr_assert_eq(args.word_count, 2);
    cr_assert_str_eq(args.words[1], "world");
    cr_assert_eq(args.recipient[15], 15);
    cr_assert_eq(args.recipient_device, 7);
    cr_assert_eq(args.count, 3);
    cr_assert(args.wait_delivered);
    cr_assert_eq(args.timeout_s, 9);
    cr_assert_eq(args.ttl_s, 60);
    cr_assert(args.json);
}

Test(args, the_forms_of_a_server)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } forms[] = {
        {"relay.example", "relay.example", 443}, {"relay.example:4443", "relay.example", 4443},
        {"198.18.0.1:80", "198.18.0.1", 80},     {"[2001:2::1]:4443", "2001:2::1", 4443},
        {"[2001:2::1]", "2001:2::1", 443},       {"2001:2::1", "2001:2::1", 443},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char line[128];
        snprintf(line, sizeof line, "listen --server %s", forms[i].text);
        cr_assert(read_line(line), "%s", forms[i].text);
        cr_assert_str_eq(args.loop.host, forms[i].host);
        cr_assert_eq(args.loop.port, forms[i].port);
    }
}

Test(args, what_is_wrong_is_refused_with_exit_status_1)
{
    static const char *const lines[] = {
        "",
        "fly",
        "id now",
        "listen now",
        "send",
        "send " USER,
        "send 00 hello",
        "send " USER "0 hello",
        "send " USER "/0 hello",
        "send " USER "/65536 hello",
        "send " USER "/x hello",
        "chat",
        "chat " USER " hello",
        "listen --device 0",
        "listen --device 65536",
        "listen --device -1",
        "listen --device 1x",
        "listen --server :443",
        "listen --server a:0",
        "listen --server a:65536",
        "listen --server [2001:2::1",
        "listen --server [2001:2::1]x",
        "listen --wait sometime",
        "listen --timeout 0",
        "listen --bogus",
        "send " USER " hello --silent",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        cr_assert_not(read_line(lines[i]), "%s", lines[i]);
        cr_assert_eq(exit_status, WAXCAT_USAGE, "%s", lines[i]);
    }
}

Test(args, help_is_no_mistake)
{
    cr_redirect_stdout();
    cr_assert_not(read_line("--help"));
    cr_assert_eq(exit_status, WAXCAT_DONE);
}
