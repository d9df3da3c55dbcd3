/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices, and what sessions may ask, at waxwire-control as a process. */
#include <criterion/criterion.h>
#include <sys/socket.h>

#include "request_help.h"
#include "waxwire/wire.h"

TestSuite(requests, .init = setup, .fini = teardown, .timeout = 60);

static struct view device_frame(uint8_t what, uint16_t device, uint32_t number)
{
    static uint8_t frame[WIRE_DEVICE_BYTES];
    struct wire_device said = {what, device, number};
    return view_of(frame, wire_device_write(span_of(frame, sizeof frame), &said));
}

Test(requests, devices_are_listed_with_whether_they_are_here_and_when_they_were)
{
    struct plane plane;
    struct person alice = person_of(1);
    uint64_t before = wall_ms();
    attach(&plane, 0);
    cr_assert_eq(come_in(&plane, &alice, 5), 0);
    cr_assert_eq(come_in(&plane, &alice, 3), 0);
    session_is(&plane, &alice, 3, 1);
    struct view frame = asked(&plane, &alice, 3, device_frame(WIRE_DEVICE_LIST, 0, 0x01020304));
    cr_assert_eq(frame.len, WIRE_DEVICES_BYTES + 2 * WIRE_DEVICES_ENTRY);
    cr_assert_eq(frame.data[0], WIRE_DEVICES);
    cr_assert_eq(load_be16(frame.data + 2), 2);
    cr_assert_eq(load_be32(frame.data + 4), 0x01020304);
    cr_assert_eq(load_be16(frame.data + 8), 5);
    cr_assert_eq(load_be16(frame.data + 10), 0);
    cr_assert_eq(load_be16(frame.data + 20), 3);
    cr_assert_eq(load_be16(frame.data + 22), WIRE_DEVICES_CONNECTED);
    for (int i = 0; i < 2; i++) {
        uint64_t seen = load_be64(frame.data + 12 + 12 * i);
        cr_assert(seen >= before && seen <= wall_ms());
    }
    detach(&plane);
}

Test(requests, what_is_unknown_within_a_sound_frame_is_error_130)
{
    struct plane plane;
    struct person alice = person_of(1);
    attach(&plane, 0);
    cr_assert_eq(come_in(&plane, &alice, 1), 0);
    expect_error(asked(&plane, &alice, 1, device_frame(0, 0, 9)), WIRE_ERROR_UNKNOWN_REQUEST, 9);
    expect_error(asked(&plane, &alice, 1, device_frame(4, 0, 10)), WIRE_ERROR_UNKNOWN_REQUEST, 10);
    detach(&plane);
}

Test(requests, a_frame_that_no_worker_should_have_let_through_ends_the_channel)
{
    struct plane plane;
    struct person alice = person_of(1);
    char byte;
    attach(&plane, 0);
    cr_assert_eq(come_in(&plane, &alice, 1), 0);
    ask(&plane, &alice, 1, view_of("\x31\x01", 2));
    cr_assert_leq(recv(plane.socket, &byte, 1, 0), 0);
    detach(&plane);
}

Test(requests, a_session_of_a_device_that_there_is_not_is_closed_with_error_6)
{
    struct plane plane;
    struct person alice = person_of(1), nobody = person_of(2);
    attach(&plane, 0);
    cr_assert_eq(come_in(&plane, &alice, 1), 0);
    session_is(&plane, &alice, 1, 1);
    session_is(&plane, &alice, 2, 2);
    expect_close(&plane, &alice, 2, WAX_SESSION_SUSPENDED);
    session_is(&plane, &nobody, 1, 3);
    expect_close(&plane, &nobody, 1, WAX_SESSION_SUSPENDED);
    expect_nothing(&plane, 1);
    detach(&plane);
}

Test(requests, answers_come_in_the_order_of_requests_and_too_many_are_rate_limited)
{
    struct plane plane;
    struct person alice = person_of(1);
    enum { MANY = 900 };
    attach(&plane, 0);
    for (uint16_t device = 1; device <= 32; device++)
        cr_assert_eq(come_in(&plane, &alice, device), 0);
    uint32_t first = ask(&plane, &alice, 1, device_frame(WIRE_DEVICE_LIST, 0, 0));
    for (uint32_t i = 1; i < MANY; i++)
        ask(&plane, &alice, 1, device_frame(WIRE_DEVICE_LIST, 0, i));
    for (uint32_t i = 0; i < MANY; i++) {
        struct view frame = answer_to(&plane, first + i);
        cr_assert_eq(load_be32(frame.data + 4), i);
        cr_assert_eq(frame.len, WIRE_DEVICES_BYTES + 32 * WIRE_DEVICES_ENTRY);
    }
    uint32_t limited = 0;
    for (uint32_t i = 0; i < WAX_REQUESTS_BURST; i++) {
        struct view frame = asked(&plane, &alice, 1, device_frame(WIRE_DEVICE_LIST, 0, i));
        limited += frame.data[0] == WIRE_ERROR;
        if (frame.data[0] == WIRE_ERROR)
            expect_error(frame, WIRE_ERROR_RATE, i);
    }
    cr_assert_gt(limited, 0);
    detach(&plane);
}
