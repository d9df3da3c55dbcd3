/* SPDX-License-Identifier: BSD-3-Clause */
/* Urgent messages that are never stored, for devices that are not there: the control plane hears of them. */
#include "toy.h"

#include "relay/home_internal.h"

#define CALL (WIRE_SEND_EPHEMERAL | WIRE_SEND_URGENT)

TestSuite(wake, .init = toy_start);

Test(wake, a_call_of_an_offline_device_is_told_once)
{
    struct name from = toy_name(1), to = toy_name(2);
    toy_message(1, 2, 1, CALL);
    TOY_ANSWER(1, WIRE_REJECTED, WIRE_REASON_NOT_CONNECTED);
    toy_poll();
    const struct channel_wake *wake = toy_record(CHANNEL_WAKE);
    cr_assert_not_null(wake);
    cr_assert_eq(wake->record.bytes, sizeof *wake);
    cr_assert_arr_eq(wake->name.user, to.user, WAX_USER_BYTES);
    cr_assert_eq(wake->name.device, to.device);
    cr_assert_arr_eq(wake->sender, from.user, WAX_USER_BYTES);
    toy_poll();
    cr_assert_null(toy_record(CHANNEL_WAKE));
}

Test(wake, what_is_not_urgent_or_silent_or_finds_its_device_calls_nobody)
{
    toy_message(1, 2, 1, WIRE_SEND_EPHEMERAL);
    toy_message(1, 2, 2, CALL | WIRE_SEND_SILENT);
    toy_message(1, 2, 3, WIRE_SEND_URGENT); /* stored: control sees for itself */
    struct item attached = toy_online(3, 9);
    toy_message(1, 3, 4, CALL);
    toy_poll();
    cr_assert_null(toy_record(CHANNEL_WAKE));
    toy_report(&attached, ITEM_ACK, 1);
    toy_attach(4, 10, true);
    toy_message(1, 4, 5, CALL);
    toy_poll();
    cr_assert_not_null(toy_record(CHANNEL_WAKE), "a session that only sends takes no call");
}

Test(wake, calls_wait_for_room_in_the_channel_and_those_beyond_are_lost)
{
    toy.control_away = true; /* no room */
    for (uint64_t i = 0; i < CALLS_MAX + 10; i++)
        toy_message(1, (uint8_t)(2 + i % 100), i + 1, CALL);
    toy_poll();
    toy.control_away = false;
    toy_poll();
    uint32_t told = 0;
    while (toy_record(CHANNEL_WAKE) != NULL)
        told++;
    cr_assert_eq(told, CALLS_MAX);
    home_control_down(toy.home);
    toy_message(1, 2, 1000, CALL);
    home_control_up(toy.home, 2, toy.now_us);
    toy_poll();
    cr_assert_null(toy_record(CHANNEL_WAKE), "of a time without a control plane");
}
