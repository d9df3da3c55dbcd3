# SPDX-License-Identifier: BSD-3-Clause
"""The devices of an account, and what is common to all requests."""

import time

import expect
import waxproto
from waxproto import DEVICES, Identity


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
