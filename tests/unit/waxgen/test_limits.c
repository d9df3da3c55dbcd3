/* SPDX-License-Identifier: BSD-3-Clause */
/* What was asked for, and the line of each second. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdlib.h>
#include <unistd.h>

#include "waxgen/gen.h"

static struct gen *gen;

/* 1,000 messages in a second; one in a hundred took 900 us, the rest 100. */
static void make(void)
{
    cr_redirect_stderr();
    gen = calloc(1, sizeof *gen);
    gen->phase = GEN_TRAFFIC;
    gen->traffic_us = 5000000;
    gen->end_us = gen->now_us = 6000000;
    gen->counts.completed = 1000;
    for (uint32_t i = 0; i < 1000; i++)
        report_latency(&gen->counts, i % 100 == 0 ? 900 : 100);
}

static void unmake(void)
{
    free(gen);
}

TestSuite(limits, .init = make, .fini = unmake);

Test(limits, what_is_reached_is_not_short)
{
    gen->options.least_rate = 999;
    gen->options.most_us[0] = 110;
    gen->options.most_us[1] = 110;
    gen->options.most_us[2] = 1000;
    limits_judge(gen);
    cr_expect_not(gen->short_of);
}

Test(limits, too_slow_is_short)
{
    gen->options.least_rate = 1100;
    limits_judge(gen);
    cr_expect(gen->short_of);
    cr_expect_not(gen->failed, "nothing was wrong");
}

Test(limits, too_late_is_short_at_each_percentile)
{
    for (uint32_t i = 0; i < 3; i++) {
        gen->short_of = false;
        memset(gen->options.most_us, 0, sizeof gen->options.most_us);
        gen->options.most_us[i] = i < 2 ? 99 : 899;
        limits_judge(gen);
        cr_expect(gen->short_of, "%u", i);
    }
}

Test(limits, a_search_is_judged_by_what_it_found)
{
    gen->options.search = 5;
    gen->search.low = 500;
    gen->options.least_rate = 501;
    limits_judge(gen);
    cr_expect(gen->short_of);
}

Test(limits, each_second_has_its_own_line_and_percentiles)
{
    char path[] = "/tmp/waxgen-csv-XXXXXX", text[512] = "";
    close(mkstemp(path));
    gen->options.csv = path;
    gen->step = 2;
    cr_assert(csv_begin(gen));
    csv_line(gen);
    gen->now_us = 7000000;
    for (uint32_t i = 0; i < 500; i++)
        report_latency(&gen->counts, 20);
    gen->counts.completed += 500;
    csv_line(gen);
    fclose(gen->csv);
    FILE *file = fopen(path, "re");
    cr_assert(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    unlink(path);
    cr_expect(strstr(text, "\n2,1.000,1000,1000,0,100,100,") != NULL, "%s", text);
    cr_expect(strstr(text, "\n2,2.000,1500,500,0,20,20,20,20,0,0\n") != NULL, "%s", text);
}

Test(limits, a_file_that_cannot_be_written_is_an_error)
{
    gen->options.csv = "/nonexistent/file";
    cr_expect_not(csv_begin(gen));
}
