/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "base/list.h"

struct thing {
    int number;
    struct link link;
};

Test(list, keeps_order_and_allows_removal_while_walking)
{
    struct link head;
    struct thing things[4];
    link_init(&head);
    cr_assert(list_empty(&head));
    cr_assert_null(list_first(&head));
    for (int i = 0; i < 4; i++) {
        things[i].number = i;
        if (i == 3) {
            list_prepend(&head, &things[i].link);
        } else {
            list_append(&head, &things[i].link);
        }
    }
    int expect[] = {3, 0, 1, 2}, at_place = 0;
    list_for_each(at, &head)
    {
        cr_assert_eq(list_entry(at, struct thing, link)->number, expect[at_place++]);
        list_remove(at);
        list_remove(at);
    }
    cr_assert_eq(at_place, 4);
    cr_assert(list_empty(&head));
}
