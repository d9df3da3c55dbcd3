/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "waxwire/journal.h"

static const struct journal_line plain = {.now_ms = 1000000000123u,
                                          .level = CONFIG_LEVEL_WARN,
                                          .program = "p",
                                          .area = "store",
                                          .message = "it is full"};

Test(journal, logfmt_line)
{
    char text[JOURNAL_LINE_BYTES];
    const struct journal_field fields[] = {J_U("free", 0), J_I("delta", -3), J_T("path", "/a \"b\"\n"),
                                           J_X("id", (const uint8_t *)"\x01\xab", 2)};
    size_t len = journal_format(&plain, fields, 4, text, sizeof text);
    cr_assert_str_eq(
        text, "time=2001-09-09T01:46:40.123Z level=warn program=p area=store msg=\"it is full\" free=0 "
              "delta=-3 path=\"/a \\\"b\\\"\\u000a\" id=\"01ab\"\n");
    cr_assert_eq(len, strlen(text));
}

Test(journal, json_line)
{
    char text[JOURNAL_LINE_BYTES];
    struct journal_line line = plain;
    line.json = true;
    line.left_out = 7;
    const struct journal_field fields[] = {J_U("free", UINT64_MAX), J_T("none", NULL)};
    journal_format(&line, fields, 2, text, sizeof text);
    cr_assert_str_eq(
        text,
        "{\"time\":\"2001-09-09T01:46:40.123Z\",\"level\":\"warn\",\"program\":\"p\",\"area\":\"store\","
        "\"msg\":\"it is full\",\"left_out\":7,\"free\":18446744073709551615,\"none\":\"\"}\n");
}

Test(journal, a_field_that_does_not_fit_is_left_out_whole)
{
    char text[JOURNAL_LINE_BYTES], large[2000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    struct journal_line line = plain;
    line.json = true;
    const struct journal_field fields[] = {J_T("large", large), J_U("after", 1)};
    size_t len = journal_format(&line, fields, 2, text, sizeof text);
    cr_assert_eq(len, strlen(text));
    cr_assert_null(strstr(text, "large"));
    cr_assert_not_null(strstr(text, "\"after\":1}\n"));
    line.message = large;
    len = journal_format(&line, fields, 2, text, sizeof text);
    cr_assert_lt(len, sizeof text);
    cr_assert_not_null(strstr(text, "x\",\"after\":1}\n"));
}

Test(journal, an_event_is_limited_by_the_second_and_what_was_left_out_is_told)
{
    struct journal journal;
    uint32_t left_out;
    journal_init(&journal, -1, "p", CONFIG_LEVEL_INFO, false);
    for (uint32_t i = 0; i < JOURNAL_LINES_PER_S; i++)
        cr_assert(journal_allow(&journal, "again", 5000, &left_out));
    cr_assert_not(journal_allow(&journal, "again", 5001, &left_out));
    cr_assert_not(journal_allow(&journal, "again", 5999, &left_out));
    cr_assert(journal_allow(&journal, "another", 5999, &left_out));
    cr_assert_eq(left_out, 0);
    cr_assert(journal_allow(&journal, "again", 6000, &left_out));
    cr_assert_eq(left_out, 2);
    cr_assert(journal_allow(&journal, "again", 6000, &left_out));
    cr_assert_eq(left_out, 0);
}

Test(journal, only_lines_of_the_level_are_written_each_by_one_write)
{
    int pipe_fds[2];
    char text[JOURNAL_LINE_BYTES];
    struct journal journal;
    cr_assert_eq(pipe(pipe_fds), 0);
    journal_init(&journal, pipe_fds[1], "p", CONFIG_LEVEL_WARN, false);
    journal_say(&journal, CONFIG_LEVEL_INFO, "a", "not written");
    journal_say(&journal, CONFIG_LEVEL_ERROR, "a", "written");
    journal_say(&journal, CONFIG_LEVEL_WARN, "a", "too", J_U("n", 1));
    close(pipe_fds[1]);
    ssize_t len = read(pipe_fds[0], text, sizeof text - 1);
    cr_assert_gt(len, 0);
    text[len] = '\0';
    cr_assert_null(strstr(text, "not written"));
    cr_assert_not_null(strstr(text, "level=error program=p area=a msg=\"written\"\n"));
    cr_assert_not_null(strstr(text, "level=warn program=p area=a msg=\"too\" n=1\n"));
    close(pipe_fds[0]);
}
