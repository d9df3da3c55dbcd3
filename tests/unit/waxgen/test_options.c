/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <getopt.h>

#include "waxgen/gen.h"

static int read_options(struct gen_options *options, int count, ...)
{
    char *argv[16] = {(char *)(uintptr_t) "waxgen"};
    va_list list;
    va_start(list, count);
    for (int i = 1; i <= count; i++)
        argv[i] = va_arg(list, char *);
    va_end(list);
    optind = 0; /* begin anew */
    return options_read(count + 1, argv, options);
}

TestSuite(options, .init = cr_redirect_stderr);

Test(options, defaults_fit_the_quickstart)
{
    struct gen_options o;
    cr_assert_eq(read_options(&o, 2, "--memif", "/run/m"), -1);
    cr_assert_str_eq(o.memif, "/run/m");
    cr_assert_eq(o.sessions, 2);
    cr_assert_eq(o.payload, 128);
    cr_assert_eq(o.port, 443);
    cr_assert(o.tls);
    cr_assert_eq(addr_to_ip4(&o.peer), 0xc6120001);
    cr_assert_eq(addr_to_ip4(&o.address.addr), 0xc6120002);
}

Test(options, values_are_taken)
{
    struct gen_options o;
    cr_assert_eq(read_options(&o, 12, "--memif", "m", "--sessions", "10", "--window", "64", "--messages",
                              "5000000", "--address", "198.18.7.7/24", "--plain", "--performance"),
                 -1);
    cr_assert_eq(o.sessions, 10);
    cr_assert_eq(o.window, 64);
    cr_assert_eq(o.messages, 5000000);
    cr_assert_eq(o.address.prefix, 24);
    cr_assert_eq(o.port, 80, "without TLS");
    cr_assert(o.performance);
}

Test(options, a_million_sessions_of_which_some_are_active)
{
    struct gen_options o;
    cr_assert_eq(
        read_options(&o, 8, "--memif", "m", "--sessions", "1000000", "--active", "10000", "--settle", "4"),
        -1);
    cr_assert_eq(o.sessions, 1000000);
    cr_assert_eq(o.active, 10000);
    cr_assert_eq(o.settle_s, 4);
    cr_assert_eq(read_options(&o, 4, "--memif", "m", "--sessions", "10"), -1);
    cr_assert_eq(o.active, 10, "all, when nothing is said");
}

Test(options, a_flood_is_taken_with_its_bounds)
{
    struct gen_options o;
    cr_assert_eq(read_options(&o, 2, "--memif", "m"), -1);
    cr_expect_eq(o.flood.kind, FLOOD_NONE);
    cr_expect_eq(o.rate, 0);
    cr_assert_eq(read_options(&o, 14, "--memif", "m", "--flood", "mixed", "--flood-sources", "198.19.64.0/18",
                              "--flood-seconds", "7", "--flood-packets", "99", "--flood-rate", "1000",
                              "--rate", "50"),
                 -1);
    cr_expect_eq(o.flood.kind, FLOOD_MIXED);
    cr_expect_eq(addr_to_ip4(&o.flood.sources), 0xc6134000);
    cr_expect_eq(o.flood.prefix, 18);
    cr_expect_eq(o.flood.seconds, 7);
    cr_expect_eq(o.flood.packets, 99);
    cr_expect_eq(o.flood.rate, 1000);
    cr_expect_eq(o.rate, 50);
    cr_expect_eq(read_options(&o, 4, "--memif", "m", "--flood", "teardrop"), 2);
    cr_expect_eq(read_options(&o, 4, "--memif", "m", "--flood-sources", "198.19.0.0"), 2);
    cr_expect_eq(read_options(&o, 4, "--memif", "m", "--flood-seconds", "0"), 2);
}

Test(options, a_step_is_what_its_line_says_and_no_more)
{
    struct gen_options o;
    char line[] = "--window 64 --rate 1000 --seconds 2 --matrix uniform --silent", next[] = "--messages 7",
         search[] = "--search 5 --seconds 1";
    cr_assert_eq(read_options(&o, 3, "--memif", "m", "--commands"), -1);
    cr_assert(options_step(line, &o));
    cr_expect_eq(o.window, 64);
    cr_expect_eq(o.rate, 1000);
    cr_expect_eq(o.seconds, 2);
    cr_expect_eq(o.matrix, MATRIX_UNIFORM);
    cr_expect(o.silent);
    cr_assert(options_step(next, &o));
    cr_expect_eq(o.window, 64, "as it was");
    cr_expect_eq(o.messages, 7);
    cr_expect_eq(o.rate, 0);
    cr_expect_eq(o.matrix, MATRIX_PAIRS);
    cr_expect_not(o.silent);
    cr_assert(options_step(search, &o));
    cr_expect_eq(o.search, 5);
    const char *bad[] = {"--memif m", "--window", "--window no", "--search 5", "--matrix some", "rate 5"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char copy[32];
        snprintf(copy, sizeof copy, "%s", bad[i]);
        cr_expect_not(options_step(copy, &o), "%s", bad[i]);
    }
}

Test(options, addresses_are_of_either_kind_but_the_same)
{
    struct gen_options o;
    cr_assert_eq(read_options(&o, 6, "--memif", "m", "--peer", "2001:2::1", "--address", "2001:2::2/64"), -1);
    cr_expect_not(addr_is_ip4(&o.peer));
    cr_expect_eq(o.address.prefix, 64);
    cr_expect_eq(read_options(&o, 4, "--memif", "m", "--peer", "2001:2::1"), 2);
    cr_expect_eq(read_options(&o, 4, "--memif", "m", "--address", "2001:2::2/129"), 2);
    cr_expect_eq(read_options(&o, 4, "--memif", "m", "--address", "198.18.0.2/33"), 2);
    cr_expect_eq(read_options(&o, 8, "--memif", "m", "--peer", "2001:2::1", "--address", "2001:2::2/64",
                              "--flood", "syn"),
                 2);
}

Test(options, there_is_one_way_to_the_relay)
{
    struct gen_options o;
    cr_assert_eq(read_options(&o, 2, "--vdev", "net_af_xdp0,iface=eth1"), -1);
    cr_expect_str_eq(o.vdev, "net_af_xdp0,iface=eth1");
    cr_assert_eq(read_options(&o, 2, "--pci", "0000:3b:00.0"), -1);
    cr_expect_eq(read_options(&o, 4, "--memif", "m", "--vdev", "v"), 2);
    cr_expect_eq(read_options(&o, 4, "--sessions", "2", "--window", "1"), 2);
}

Test(options, wrong_usage_is_status_2)
{
    struct gen_options o;
    cr_assert_eq(read_options(&o, 0), 2, "no memif");
    cr_assert_eq(read_options(&o, 4, "--memif", "m", "--sessions", "3"), 2, "an odd number");
    cr_assert_eq(read_options(&o, 4, "--memif", "m", "--sessions", "0"), 2);
    cr_assert_eq(read_options(&o, 4, "--memif", "m", "--active", "4"), 2, "more than there are");
    cr_assert_eq(read_options(&o, 4, "--memif", "m", "--matrix", "ring"), 2);
    cr_assert_eq(read_options(&o, 6, "--memif", "m", "--sessions", "10", "--active", "5"), 2, "odd");
    cr_assert_eq(read_options(&o, 4, "--memif", "m", "--window", "4097"), 2);
    cr_assert_eq(read_options(&o, 4, "--memif", "m", "--payload", "15"), 2);
    cr_assert_eq(read_options(&o, 4, "--memif", "m", "--messages", "ten"), 2);
    cr_assert_eq(read_options(&o, 4, "--memif", "m", "--messages", "-1"), 2);
    cr_assert_eq(read_options(&o, 4, "--memif", "m", "--peer", "relay"), 2);
    cr_assert_eq(read_options(&o, 4, "--memif", "m", "--address", "198.18.0.2"), 2);
    cr_assert_eq(read_options(&o, 3, "--memif", "m", "more"), 2);
    cr_assert_eq(read_options(&o, 3, "--memif", "m", "--nonesuch"), 2);
}
