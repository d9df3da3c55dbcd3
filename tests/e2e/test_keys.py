# SPDX-License-Identifier: BSD-3-Clause
"""Bundles and one-time keys."""

import os
import struct

import expect
import waxproto
from test_restart import Killed
from waxproto import KEYS, KEYS_LOW, KEYS_OK, Error, Identity


def put(session, bundle=b"bundle", keys=(), **options):
    return session.ask(waxproto.keys_put, session.identity, session.device, bundle, keys, **options)


def get(session, user, number=0, take=False):
    answer = session.ask(waxproto.keys_get, user, number, take=take)
    expect.equal(answer.type, KEYS)
    return answer


def one_time(count, size=32):
    return [os.urandom(size) for _ in range(count)]


def test_a_friend_gets_bundles_signed_by_the_account_and_each_one_time_key_once(appliance):
    bob = Identity()
    first, second = appliance.open(bob, device=1), appliance.open(bob, device=2)
    appliance.open(bob, device=3)
    keys = one_time(3)
    answer = put(first, b"one", keys)
    expect.equal((answer.type, answer.device, answer.number), (KEYS_OK, 1, 3))
    put(second, b"two")
    alice = appliance.open()
    given = []
    for _ in range(4):
        answer = get(alice, bob.user, take=True)
        expect.equal((answer.flags, answer.user, answer.account_key), (0, bob.user, bob.key))
        expect.equal(sorted(answer.devices), [1, 2])
        for number, (bundle, signature, key) in answer.devices.items():
            text = b"waxwire v1 keys\0" + bob.user + struct.pack(">H", number) + bundle
            bob.private.public_key().verify(signature, text)
            given += [key] if key else []
        expect.equal([answer.devices[1][0], answer.devices[2][0]], [b"one", b"two"])
    expect.equal(given, keys)
    expect.equal(sorted(get(alice, bob.user, 2).devices), [2])
    expect.equal(get(alice, bob.user, 3).devices, {})


def test_an_unknown_user_is_told_as_such(appliance):
    answer = get(appliance.open(), os.urandom(16), take=True)
    expect.equal((answer.flags, answer.devices), (1, {}))


def test_what_is_wrong_with_keys_is_error_132(appliance):
    session = appliance.open()
    wrong = [
        put(session, signature=bytes(64)),
        put(session, b"bundle", signature=Identity().sign(b"something else")),
        session.ask(waxproto.keys_put, session.identity, 2, b"another device's"),
        put(session, b""),
        put(session, keys=[b""]),
        put(session, keys=[bytes(4097)]),
    ]
    expect.true(all(isinstance(answer, Error) for answer in wrong), f"all refused: {wrong}")
    expect.equal([answer.code for answer in wrong], [132] * len(wrong))
    expect.equal(get(session, session.user).devices, {}, "nothing was kept")
    for held in range(200, 1001, 200):
        expect.equal(put(session, keys=one_time(200)).number, held)
    expect.equal(put(session, keys=one_time(1)).code, 132)
    expect.equal(put(session, keys=one_time(5), replace=True).number, 5)
    session.status(session.send(session, b"on it goes"))


def test_the_largest_bundles_and_keys_come_whole(appliance):
    identity = Identity()
    bundle, keys = os.urandom(8192), one_time(32, 4096)
    for device in range(1, 33):
        session = appliance.open(identity, device=device)
        put(session, bundle, [keys[device - 1]])
        session.close()
    session = appliance.open(identity, device=1)
    answer = get(session, identity.user, take=True)
    expect.equal(sorted(answer.devices), list(range(1, 33)))
    for device, (got, _, key) in answer.devices.items():
        expect.true(got == bundle and key == keys[device - 1], f"device {device} whole")


def test_keys_low_comes_when_they_run_low_and_after_welcome(appliance):
    alice, bob = appliance.open(), appliance.open()
    put(bob, keys=one_time(21))
    get(alice, bob.user, take=True)
    bob.quiet(0.3)
    expect.equal([a for a in bob.answers if a.type == KEYS_LOW], [], "20 are left")
    get(alice, bob.user, take=True)
    low = bob.until(lambda: [a for a in bob.answers if a.type == KEYS_LOW], what="KEYS_LOW")
    expect.equal([(a.device, a.number) for a in low], [(1, 19)])
    again = appliance.open(bob.identity)
    low = again.until(lambda: [a for a in again.answers if a.type == KEYS_LOW], what="KEYS_LOW after WELCOME")
    expect.equal([(a.device, a.number) for a in low], [(1, 19)])


def test_more_than_four_unanswered_requests_are_rate_limited_and_no_more_are_lost(appliance):
    session = appliance.open()
    for number in range(1, 101):
        session.transport.send(waxproto.keys_get(session.user, request=number))
    session.until(lambda: len(session.answers) + len(session.errors) >= 100, 10, "an answer to each")
    expect.equal({a.request for a in session.answers} | {e.request for e in session.errors}, set(range(1, 101)))
    expect.equal({e.code for e in session.errors} - {131}, set())


def test_kill_9_of_control_gives_no_one_time_key_twice(appliance):
    alice, bob = appliance.open(), appliance.open()
    keys = one_time(60)
    put(bob, keys=keys)
    given = []
    for _ in range(3):
        before = len(alice.answers)
        for number in range(1000, 1004):
            alice.transport.send(waxproto.keys_get(bob.user, take=True, request=number))
        with Killed(appliance):
            pass
        alice.quiet(0.5)
        given += [a.devices[1][2] for a in alice.answers[before:] if a.type == KEYS]
    for _ in range(60):
        answer = alice.ask(waxproto.keys_get, bob.user, take=True, wait=10)
        given += [answer.devices[1][2]] if not isinstance(answer, Error) else []
    given = [key for key in given if key]
    expect.equal(len(given), len(set(given)), "each is given once")
    expect.true(set(given) <= set(keys) and len(given) >= 40, f"{len(given)} of 60 keys given")
