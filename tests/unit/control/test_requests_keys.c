/* SPDX-License-Identifier: BSD-3-Clause */
/* KEYS_PUT and KEYS_GET at waxwire-control as a process, killed in the middle too. */
#include <criterion/criterion.h>
#include <signal.h>
#include <sodium.h>

#include "request_help.h"
#include "waxwire/wire.h"

TestSuite(requests_keys, .init = setup, .fini = teardown, .timeout = 60);

#define BUNDLE "a bundle that control does not understand"

static uint8_t put_memory[WAX_FRAME_BYTES_MAX];

/* KEYS_PUT for a device with `count` one-time keys of `bytes` bytes, which begin with numbers from `first`
 * on. */
static struct view put_frame(const struct person *person, uint16_t device, uint32_t request, uint32_t first,
                             uint16_t count, uint16_t bytes)
{
    uint8_t text[WIRE_KEYS_SIGNED_BYTES + sizeof BUNDLE - 1], signature[WAX_SIGNATURE_BYTES];
    static uint8_t key[UINT16_MAX];
    wire_keys_signed_write(text, person->user, device);
    memcpy(text + WIRE_KEYS_SIGNED_BYTES, BUNDLE, sizeof BUNDLE - 1);
    crypto_sign_detached(signature, NULL, text, sizeof text, person->secret);
    struct wire_keys_put put = {.device = device,
                                .request = request,
                                .bundle = view_of(BUNDLE, sizeof BUNDLE - 1),
                                .signature = signature,
                                .count = count};
    size_t len = wire_keys_put_write(span_of(put_memory, sizeof put_memory), &put);
    for (uint32_t i = 0; i < count; i++) {
        store_be32(key, first + i);
        len += wire_key_write(span_of(put_memory + len, sizeof put_memory - len), view_of(key, bytes));
    }
    return view_of(put_memory, len);
}

static struct view get_frame(const uint8_t *user, uint16_t device, uint32_t request, bool take)
{
    static uint8_t frame[WIRE_KEYS_GET_BYTES];
    struct wire_keys_get get = {take ? WIRE_KEYS_GET_TAKE : 0, device, request, user};
    return view_of(frame, wire_keys_get_write(span_of(frame, sizeof frame), &get));
}

static void expect_held(struct view frame, uint16_t device, uint32_t request, uint32_t held)
{
    cr_assert_eq(frame.len, WIRE_KEYS_OK_BYTES, "type %02x, %.*s", frame.data[0], (int)frame.len - 8,
                 (const char *)frame.data + 8);
    cr_assert_eq(frame.data[0], WIRE_KEYS_OK);
    cr_assert_eq(load_be16(frame.data + 2), device);
    cr_assert_eq(load_be32(frame.data + 4), request);
    cr_assert_eq(load_be32(frame.data + 8), held);
}

/* The number that the one-time key of the first device begins with; UINT32_MAX: none. */
static uint32_t key_number(struct view frame)
{
    struct wire_keys keys;
    struct wire_keys_device device;
    cr_assert(wire_keys_read(frame, &keys));
    cr_assert_eq(keys.flags, 0);
    cr_assert(wire_keys_next(&keys.devices, &device));
    return device.key.len < 4 ? UINT32_MAX : load_be32(device.key.data);
}

Test(requests_keys, a_friend_gets_the_bundles_of_all_devices_with_a_one_time_key_each)
{
    struct plane plane;
    struct person alice = person_of(1), bob = person_of(2);
    struct wire_keys keys;
    struct wire_keys_device device;
    attach(&plane, 0);
    cr_assert_eq(come_in(&plane, &alice, 1), 0);
    for (uint16_t i = 1; i <= 3; i++)
        cr_assert_eq(come_in(&plane, &bob, i), 0);
    expect_held(asked(&plane, &bob, 1, put_frame(&bob, 1, 7, 100, 5, 32)), 1, 7, 5);
    expect_held(asked(&plane, &bob, 3, put_frame(&bob, 3, 8, 0, 0, 0)), 3, 8, 0);
    struct view frame = asked(&plane, &alice, 1, get_frame(bob.user, 0, 9, true));
    cr_assert(wire_keys_read(frame, &keys));
    cr_assert_eq(keys.count, 2, "device 2 has no bundle");
    cr_assert_eq(keys.request, 9);
    cr_assert_arr_eq(keys.user, bob.user, WAX_USER_BYTES);
    cr_assert_arr_eq(keys.account_key, bob.key, WAX_ACCOUNT_KEY_BYTES);
    cr_assert(wire_keys_next(&keys.devices, &device));
    cr_assert_eq(device.device, 1);
    cr_assert_eq(device.key.len, 32);
    cr_assert_arr_eq(device.bundle.data, BUNDLE, sizeof BUNDLE - 1);
    cr_assert(wire_keys_next(&keys.devices, &device));
    cr_assert_eq(device.device, 3);
    cr_assert_eq(device.key.len, 0);
    frame = asked(&plane, &alice, 1, get_frame(person_of(9).user, 0, 10, true));
    cr_assert(wire_keys_read(frame, &keys));
    cr_assert(keys.flags == WIRE_KEYS_UNKNOWN && keys.count == 0 && keys.request == 10);
    detach(&plane);
}

Test(requests_keys, what_is_wrong_with_keys_is_error_132)
{
    struct plane plane;
    struct person alice = person_of(1), bob = person_of(2);
    attach(&plane, 0);
    cr_assert_eq(come_in(&plane, &alice, 1), 0);
    expect_error(asked(&plane, &alice, 1, put_frame(&bob, 1, 1, 0, 1, 32)), WIRE_ERROR_KEYS, 1);
    expect_error(asked(&plane, &alice, 1, put_frame(&alice, 2, 2, 0, 1, 32)), WIRE_ERROR_KEYS, 2);
    expect_error(asked(&plane, &alice, 1, put_frame(&alice, 1, 3, 0, 1, 0)), WIRE_ERROR_KEYS, 3);
    expect_error(asked(&plane, &alice, 1, put_frame(&alice, 1, 4, 0, 1, 4097)), WIRE_ERROR_KEYS, 4);
    struct view frame = put_frame(&alice, 1, 5, 0, 1, 32);
    put_memory[20] ^= 1; /* of the bundle */
    expect_error(asked(&plane, &alice, 1, frame), WIRE_ERROR_KEYS, 5);
    for (uint32_t i = 0; i < 5; i++)
        expect_held(asked(&plane, &alice, 1, put_frame(&alice, 1, 6, 200 * i, 200, 32)), 1, 6, 200 * (i + 1));
    expect_error(asked(&plane, &alice, 1, put_frame(&alice, 1, 7, 0, 1, 32)), WIRE_ERROR_KEYS, 7);
    frame = put_frame(&alice, 1, 8, 5000, 2, 32);
    put_memory[1] = WIRE_KEYS_PUT_REPLACE;
    expect_held(asked(&plane, &alice, 1, frame), 1, 8, 2);
    detach(&plane);
}

Test(requests_keys, the_largest_answer_crosses_whole)
{
    struct plane plane;
    struct person alice = person_of(1);
    static uint8_t bundle[WAX_BUNDLE_BYTES_MAX], text[WIRE_KEYS_SIGNED_BYTES + sizeof bundle];
    uint8_t signature[WAX_SIGNATURE_BYTES];
    struct wire_keys keys;
    attach(&plane, 0);
    memset(bundle, 'b', sizeof bundle);
    for (uint16_t device = 1; device <= WAX_DEVICES_PER_USER_MAX; device++) {
        cr_assert_eq(come_in(&plane, &alice, device), 0);
        wire_keys_signed_write(text, alice.user, device);
        memcpy(text + WIRE_KEYS_SIGNED_BYTES, bundle, sizeof bundle);
        crypto_sign_detached(signature, NULL, text, sizeof text, alice.secret);
        struct wire_keys_put put = {
            .device = device, .bundle = view_of(bundle, sizeof bundle), .signature = signature, .count = 1};
        size_t len = wire_keys_put_write(span_of(put_memory, sizeof put_memory), &put);
        len += wire_key_write(span_of(put_memory + len, sizeof put_memory - len), view_of(bundle, 4096));
        expect_held(asked(&plane, &alice, device, view_of(put_memory, len)), device, 0, 1);
    }
    uint32_t first = ask(&plane, &alice, 1, get_frame(alice.user, 0, 0, true));
    for (uint32_t i = 1; i < 20; i++) /* more than the ring holds */
        ask(&plane, &alice, 1, get_frame(alice.user, 0, i, true));
    for (uint32_t i = 0; i < 20; i++) {
        struct view frame = answer_to(&plane, first + i);
        cr_assert(wire_keys_read(frame, &keys));
        cr_assert_eq(keys.request, i);
        cr_assert_eq(keys.count, 32);
        cr_assert_eq(frame.len, i == 0 ? WIRE_KEYS_BYTES_MAX : WIRE_KEYS_BYTES_MAX - 32 * 4096);
    }
    detach(&plane);
}

Test(requests_keys, a_session_hears_when_its_keys_run_low_and_when_it_comes)
{
    struct plane plane;
    struct person alice = person_of(1), bob = person_of(2);
    attach(&plane, 0);
    cr_assert_eq(come_in(&plane, &alice, 1), 0);
    cr_assert_eq(come_in(&plane, &bob, 1), 0);
    session_is(&plane, &bob, 1, 1);
    expect_nothing(&plane, 1); /* it has never had any */
    expect_held(asked(&plane, &bob, 1, put_frame(&bob, 1, 7, 1, 20, 32)), 1, 7, 20);
    cr_assert_eq(key_number(asked(&plane, &alice, 1, get_frame(bob.user, 0, 8, true))), 1);
    struct view frame = answer_to(&plane, 0);
    cr_assert_eq(frame.data[0], WIRE_KEYS_LOW);
    cr_assert_eq(load_be16(frame.data + 2), 1);
    cr_assert_eq(load_be32(frame.data + 4), 19);
    cr_assert_eq(key_number(asked(&plane, &alice, 1, get_frame(bob.user, 0, 9, true))), 2);
    expect_nothing(&plane, 1);
    session_is(&plane, &bob, 1, 2); /* the next session */
    frame = answer_to(&plane, 0);
    cr_assert_eq(frame.data[0], WIRE_KEYS_LOW);
    cr_assert_eq(load_be32(frame.data + 4), 18);
    detach(&plane);
}

Test(requests_keys, who_drains_gets_bundles_alone_and_so_does_everyone_of_who_is_drained)
{
    struct plane plane;
    struct person thief = person_of(1), bob = person_of(2), other = person_of(3);
    attach(&plane, 0);
    cr_assert_eq(come_in(&plane, &thief, 1), 0);
    cr_assert_eq(come_in(&plane, &other, 1), 0);
    cr_assert_eq(come_in(&plane, &bob, 1), 0);
    for (uint32_t i = 0; i < 3; i++)
        asked(&plane, &bob, 1, put_frame(&bob, 1, 7, 200 * i, 200, 32));
    for (uint32_t i = 0; i < WAX_KEYS_TAKES_BURST; i++)
        cr_assert_eq(key_number(asked(&plane, &thief, 1, get_frame(bob.user, 0, i, true))), i);
    cr_assert_eq(key_number(asked(&plane, &thief, 1, get_frame(bob.user, 0, 1, true))), UINT32_MAX);
    cr_assert_eq(key_number(asked(&plane, &other, 1, get_frame(bob.user, 0, 1, true))), UINT32_MAX);
    detach(&plane);
}

/* Asks are under way when it is killed: what was given before and after, in all, is given once. */
Test(requests_keys, kill_9_gives_no_one_time_key_twice)
{
    static uint8_t given[2000];
    struct person alice = person_of(1), bob = person_of(2);
    struct plane plane;
    uint32_t got = 0, unanswered = 0;
    attach(&plane, 0);
    cr_assert_eq(come_in(&plane, &alice, 1), 0);
    cr_assert_eq(come_in(&plane, &bob, 1), 0);
    for (uint32_t i = 0; i < 3; i++)
        asked(&plane, &bob, 1, put_frame(&bob, 1, 7, 200 * i, 200, 40));
    for (uint32_t round = 0; round < 12; round++) {
        uint32_t asks = 40, answered = 0;
        for (uint32_t i = 0; i < asks; i++)
            ask(&plane, &alice, 1, get_frame(bob.user, 0, i, true));
        for (uint32_t i = 0; i < round % 4; i++)
            nap();
        stop_control(SIGKILL);
        for (const struct channel_record *record; (record = next(&plane, 1, 1)) != NULL; answered++) {
            const struct channel_answer *answer = (const void *)record;
            cr_assert_eq(record->kind, CHANNEL_ANSWER);
            uint32_t number = key_number(view_of(answer->frame, answer->frame_bytes));
            release(&plane, 1, record);
            if (number == UINT32_MAX)
                continue;
            cr_assert_eq(given[number]++, 0, "key %u is given twice", number);
            got++;
        }
        unanswered += asks - answered;
        detach(&plane);
        start_control();
        attach(&plane, 0);
    }
    cr_assert_gt(unanswered, 40, "no kill came while keys were being given");
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t number = key_number(asked(&plane, &alice, 1, get_frame(bob.user, 0, i, true)));
        if (number != UINT32_MAX)
            cr_assert_eq(given[number]++, 0, "key %u is given twice", number);
        got += number != UINT32_MAX;
    }
    cr_assert_gt(got, 40);
    detach(&plane);
}
