# SPDX-License-Identifier: BSD-3-Clause
"""The devices of an account, and what is common to all requests."""

import time

import expect
import waxproto
from waxproto import DEVICES, OK, Identity


def test_devices_are_listed_with_who_is_connected(appliance):
    identity = Identity()
    first, second = appliance.open(identity, device=7), appliance.open(identity, device=8)
    second.close()

    def gone():
        answer = first.ask(waxproto.device, 1)
        expect.equal((answer.type, sorted(answer.devices)), (DEVICES, [7, 8]))
        return answer if answer.devices[8][0] == 0 else None
    end = time.monotonic() + 5
    while not (answer := gone()):
        expect.true(time.monotonic() < end, "device 8 is connected still")
    expect.equal(answer.devices[7][0], 1, "connected")
    for _, seen in answer.devices.values():
        expect.true(abs(seen / 1000 - time.time()) < 120, f"last seen at {seen}")


def test_every_truncation_of_a_request_is_error_1(appliance):
    identity = Identity()
    frames = [waxproto.device(1), waxproto.block(1, identity.user), waxproto.keys_get(identity.user),
              waxproto.keys_put(identity, 1, b"bundle", [b"key"])]
    for frame in frames:
        sizes = [*range(1, len(frame), 1 if len(frame) < 30 else 9), len(frame) - 1]
        for whole in [frame[:size] for size in sizes] + [frame + b"\0"]:
            session = appliance.open(plain=True)
            session.transport.send(whole)
            expect.fatal(session, 1)
            session.cut()


def test_an_unknown_wish_within_a_sound_frame_is_error_130(appliance):
    session = appliance.open()
    for make in (lambda **o: waxproto.device(9, **o), lambda **o: waxproto.block(9, **o)):
        answer = session.ask(make)
        expect.equal(answer.code, 130)
    session.status(session.send(session, b"on it goes"))


def test_a_request_before_welcome_is_error_2(appliance):
    session = appliance.session(plain=True)
    session.hello()
    session.receive()
    session.transport.send(waxproto.device(1))
    expect.fatal(session, 2)


def end_of(session):
    """ERROR 6 and its close code."""
    expect.equal(session.fatal(), (6, 4006))


def test_a_removed_device_is_closed_its_token_is_dead_and_senders_hear_of_it(appliance):
    identity, carol = Identity(), appliance.open()
    first, second = appliance.open(identity, device=1), appliance.open(identity, device=2)
    second.settle()
    second.ask(waxproto.keys_put, identity, 2, b"bundle", [b"key"])
    expect.equal(carol.status(carol.send(identity, b"while it lives", device=2)).kind, waxproto.DELIVERED)
    expect.equal(first.ask(waxproto.device, 2, 2).type, OK)
    end_of(second)
    refused = carol.status(carol.send(identity, b"too late", device=2))
    expect.equal((refused.kind, refused.reason), (waxproto.REJECTED, 2))
    expect.equal(sorted(first.ask(waxproto.device, 1).devices), [1])
    expect.equal(first.ask(waxproto.keys_get, identity.user).devices, {})
    expect.equal(first.ask(waxproto.device, 2, 2).type, OK, "once more")
    again = appliance.session(identity, device=2).open(token=second.welcome.token)
    expect.equal(again.welcome.flags, 0, "neither resumed nor a new account")
    expect.equal(first.ask(waxproto.keys_get, identity.user).devices, {}, "it has no keys of its predecessor")


def test_what_waited_for_a_removed_device_is_rejected_and_its_number_begins_anew(appliance):
    identity, carol = Identity(), appliance.open()
    first, second = appliance.open(identity, device=1), appliance.open(identity, device=2)
    second.close()
    idents = [carol.send(identity, b"%d" % n, device=2) for n in range(40)]
    for ident in idents:
        expect.equal(carol.status(ident).kind, waxproto.ACCEPTED)
    expect.equal(first.ask(waxproto.device, 2, 2).type, OK)
    for ident in idents:
        expect.equal(carol.status(ident, waxproto.REJECTED, wait=10).reason, 2)
    anew = appliance.open(identity, device=2).settle()
    expect.equal(anew.quiet(0.3), 0, "nothing of before")
    expect.equal(carol.status(carol.send(identity, b"anew", device=2)).kind, waxproto.DELIVERED)


def test_a_device_that_removes_itself_hears_so_first(appliance):
    session = appliance.open()
    expect.equal(session.ask(waxproto.device, 2, 1).type, OK)
    end_of(session)


def test_an_account_that_is_deleted_is_unknown_and_may_be_made_anew(appliance):
    identity, carol = Identity(), appliance.open()
    first, second = appliance.open(identity, device=1), appliance.open(identity, device=2)
    second.close()
    waiting = carol.send(identity, b"waits", device=2)
    expect.equal(carol.status(waiting).kind, waxproto.ACCEPTED)
    first.ask(waxproto.keys_put, identity, 1, b"bundle", [b"key"])
    first.ask(waxproto.block, 1, carol.user)
    expect.equal(first.ask(waxproto.device, 3).type, OK)
    end_of(first)
    expect.equal(carol.status(waiting, waxproto.REJECTED, wait=10).reason, 1)
    refused = carol.status(carol.send(identity, b"too late"))
    expect.equal((refused.kind, refused.reason), (waxproto.REJECTED, 1))
    expect.equal(carol.ask(waxproto.keys_get, identity.user).flags, 1, "unknown user")
    anew = appliance.session(identity, device=2).open(token=second.welcome.token)
    expect.equal(anew.welcome.flags, waxproto.NEW_ACCOUNT)
    anew.settle()
    expect.equal(sorted(anew.ask(waxproto.device, 1).devices), [2])
    expect.equal(carol.status(carol.send(identity, b"not blocked any more", device=2)).kind, waxproto.DELIVERED)
