/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "http/range.h"

#define SIZE 1000u

static struct http_range range;

static enum wax_status parse(const char *value, uint64_t size)
{
    return http_range_parse(view_of(value, strlen(value)), size, &range);
}

static void expect_part(const char *value, uint64_t first, uint64_t bytes)
{
    cr_expect_eq(parse(value, SIZE), WAX_OK, "%s", value);
    cr_expect(range.partial == 1 && range.first == first && range.bytes == bytes, "%s", value);
}

Test(http_range, parts_of_a_representation)
{
    expect_part("bytes=0-0", 0, 1);
    expect_part("bytes=10-19", 10, 10);
    expect_part("bytes=999-", 999, 1);
    expect_part("BYTES=0-", 0, SIZE);
    expect_part("bytes=500-5000", 500, 500);
    expect_part("bytes=0-99999999999999999999999", 0, SIZE);
    expect_part("bytes=-1", 999, 1);
    expect_part("bytes=-1000", 0, SIZE);
    expect_part("bytes=-5000", 0, SIZE);
}

Test(http_range, none_can_be_satisfied)
{
    static const char *const beyond[] = {"bytes=1000-", "bytes=1000-1000", "bytes=5000-6000", "bytes=-0",
                                         "bytes=99999999999999999999999-"};
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++)
        cr_expect_eq(parse(beyond[i], SIZE), WAX_HTTP_RANGE, "%s", beyond[i]);
    cr_expect_eq(parse("bytes=0-", 0), WAX_HTTP_RANGE, "nothing of an empty one");
    cr_expect_eq(parse("bytes=-5", 0), WAX_HTTP_RANGE);
}

Test(http_range, what_is_no_single_range_is_ignored)
{
    static const char *const ignored[] = {"",          "bytes",       "bytes=",     "bytes=-",
                                          "bytes=5",   "bytes=5-4",   "bytes= 1-2", "bytes=1-2,4-5",
                                          "bytes=-1-", "bytes=1-2-3", "bytes=1-x",  "lines=1-2"};
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) {
        cr_expect_eq(parse(ignored[i], SIZE), WAX_OK, "%s", ignored[i]);
        cr_expect(range.partial == 0 && range.first == 0 && range.bytes == SIZE, "%s", ignored[i]);
    }
}
