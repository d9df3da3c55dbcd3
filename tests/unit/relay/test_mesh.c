/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/mesh.h"

#include <criterion/criterion.h>

Test(mesh, a_credit_is_taken_by_a_send_and_comes_back_with_a_return)
{
    struct mesh_peer here = {0}, there = {0};
    for (int i = 0; i < 4; i++) {
        cr_assert(mesh_has_credit(&here, 4));
        here.sent++;
    }
    cr_assert(!mesh_has_credit(&here, 4));
    there.taken = 3;
    cr_assert(mesh_must_tell(&there));
    mesh_note_consumed(&here, mesh_tell(&there));
    cr_assert(!mesh_must_tell(&there));
    cr_assert_eq(here.consumed, 3);
    cr_assert(mesh_has_credit(&here, 4));
}

Test(mesh, the_count_goes_on_beyond_32_bits)
{
    struct mesh_peer here = {.sent = 0x1FFFFFFFFull, .consumed = 0x1FFFFFFF0ull};
    struct mesh_peer there = {.taken = 0x200000005ull};
    here.sent = 0x200000008ull;
    mesh_note_consumed(&here, mesh_tell(&there));
    cr_assert_eq(here.consumed, 0x200000005ull);
}

Test(mesh, each_kind_goes_one_way_to_one_party)
{
    static const bool send[ITEM_KINDS] = {[ITEM_SEND] = 1,     [ITEM_ATTACH] = 1,  [ITEM_READ] = 1,
                                          [ITEM_ATTACHED] = 1, [ITEM_DELIVER] = 1, [ITEM_SHOW] = 1};
    static const bool home[ITEM_KINDS] = {
        [ITEM_SEND] = 1,  [ITEM_ATTACH] = 1, [ITEM_READ] = 1,    [ITEM_ACK] = 1,         [ITEM_END] = 1,
        [ITEM_GIVEN] = 1, [ITEM_USED] = 1,   [ITEM_RECEIPT] = 1, [ITEM_RECEIPT_DONE] = 1};
    for (uint8_t kind = 0; kind < ITEM_KINDS; kind++) {
        cr_assert_eq(item_is_send(kind), send[kind], "kind %u", kind);
        cr_assert_eq(item_is_for_home(kind), home[kind], "kind %u", kind);
    }
}
