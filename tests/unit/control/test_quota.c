/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "quota.h"

static const struct quota ten = {.messages = 10, .bytes = 1000};

Test(quota, one_device_has_all_of_it)
{
    struct quota_usage nine = {.messages = 9, .bytes = 900}, full = {.messages = 10, .bytes = 900};
    cr_expect_not(quota_forbids_message(&ten, &nine, &nine, 1, 100));
    cr_expect(quota_forbids_message(&ten, &nine, &nine, 1, 101), "bytes");
    cr_expect(quota_forbids_message(&ten, &full, &full, 1, 1), "messages");
}

Test(quota, without_a_limit_everything_fits)
{
    struct quota_usage much = {UINT64_MAX / 2, UINT64_MAX / 2, UINT64_MAX / 2};
    const struct quota none = {0, 0}, bytes = {0, 100}, messages = {100, 0};
    cr_expect_not(quota_forbids_message(&none, &much, &much, 3, 1u << 20));
    cr_expect_not(quota_forbids_read(&none, &much, &much, 3));
    cr_expect(quota_forbids_message(&bytes, &much, &much, 1, 1));
    cr_expect(quota_forbids_message(&messages, &much, &much, 1, 1));
}

Test(quota, a_device_below_its_share_is_served_though_the_others_have_used_up_all)
{
    struct quota_usage all = {.messages = 14, .bytes = 1400}, some = {.messages = 4, .bytes = 400},
                       share = {.messages = 5, .bytes = 100}, heavy = {.messages = 1, .bytes = 450};
    cr_expect_not(quota_forbids_message(&ten, &some, &all, 2, 100));
    cr_expect(quota_forbids_message(&ten, &some, &all, 2, 101));
    cr_expect(quota_forbids_message(&ten, &share, &all, 2, 1));
    cr_expect(quota_forbids_message(&ten, &heavy, &all, 2, 100));
    cr_expect(quota_forbids_message(&ten, &some, &all, 3, 1), "a share is a third now");
}

Test(quota, receipts_do_not_count_for_messages_nor_messages_for_receipts)
{
    struct quota_usage receipts = {.receipts = 10}, messages = {.messages = 10, .bytes = 1000},
                       one_less = {.receipts = 9};
    cr_expect_not(quota_forbids_message(&ten, &receipts, &receipts, 1, 1000));
    cr_expect_not(quota_forbids_read(&ten, &messages, &messages, 1));
    cr_expect_not(quota_forbids_read(&ten, &one_less, &one_less, 1));
    cr_expect(quota_forbids_read(&ten, &receipts, &receipts, 1));
}
