/* SPDX-License-Identifier: BSD-3-Clause */
/* Profiles: what a file of YAML says is what options and steps are, and nothing is let pass. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "waxgen/gen.h"

TestSuite(profile, .init = cr_redirect_stderr);

static char path[] = "/tmp/waxgen-profile-XXXXXX";

static void file(const char *text)
{
    strcpy(path, "/tmp/waxgen-profile-XXXXXX");
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

/* The exit status of a command line with this profile, and an option behind it; -1: it goes on. */
static int with(const char *text, struct gen_options *o)
{
    char *argv[] = {(char *)(uintptr_t) "waxgen", (char *)(uintptr_t) "--profile", path,
                    (char *)(uintptr_t) "--seed", (char *)(uintptr_t) "9",         NULL};
    file(text);
    optind = 0;
    int status = options_read(5, argv, o);
    unlink(path);
    return status;
}

Test(profile, options_and_steps_are_taken)
{
    struct gen_options o;
    cr_assert_eq(
        with("memif: /run/m\nsessions: 100\nplain: true\nperformance: false\nleast-rate: 5\nseed: 3\n"
             "steps:\n  - {messages: 10, silent: true}\n  - rate: 50\n    seconds: 2\n    matrix: uniform\n",
             &o),
        -1);
    cr_expect_str_eq(o.memif, "/run/m");
    cr_expect_eq(o.sessions, 100);
    cr_expect_not(o.tls);
    cr_expect_not(o.performance);
    cr_expect_eq(o.least_rate, 5);
    cr_expect_eq(o.seed, 9, "what follows goes before it");
    cr_assert_eq(o.step_count, 2);
    cr_expect(o.commands);
    cr_assert(options_step(o.steps[0], &o));
    cr_expect(o.silent);
    cr_expect_eq(o.messages, 10);
    cr_assert(options_step(o.steps[1], &o));
    cr_expect_not(o.silent);
    cr_expect_eq(o.rate, 50);
    cr_expect_eq(o.matrix, MATRIX_UNIFORM);
    profile_free(&o);
}

Test(profile, what_is_wrong_is_refused)
{
    static const char *const bad[] = {
        "- a list\n",       "memif: [a, b]\n",       "nonesuch: 1\n",        "plain: maybe\n",
        "sessions: many\n", "profile: other.yaml\n", "help: true\n",         "steps: 5\n",
        "steps: [5]\n",     "steps: [{a: [1]}]\n",   "memif: m\n  bad: [\n", "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gen_options o;
        cr_expect_eq(with(bad[i], &o), 2, "%s", bad[i]);
        profile_free(&o);
    }
    struct gen_options o = {0};
    cr_expect_not(profile_read("/nonexistent/profile", &o));
}

/* Every option but those that make no sense there can be in a profile, each value once refused as well. */
Test(profile, options_are_set_by_name)
{
    struct gen_options o = {0};
    cr_expect(options_set("window", "7", &o));
    cr_expect_eq(o.window, 7);
    cr_expect(options_set("silent", "true", &o));
    cr_expect(o.silent);
    cr_expect_not(options_set("silent", "yes", &o));
    cr_expect_not(options_set("version", "true", &o));
}
