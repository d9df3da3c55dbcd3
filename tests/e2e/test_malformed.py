# SPDX-License-Identifier: BSD-3-Clause
"""Broken frames are fatal ERROR 1, frames out of place ERROR 2, unknown ones ERROR 130."""

import os

import expect
import waxproto
from waxproto import Identity

NONCE = bytes(range(16))


def ends(appliance, frames, error, opened=False):
    """A fresh session that says these frames ends with that ERROR."""
    session = appliance.open(plain=True) if opened else appliance.session(plain=True)
    for frame in frames:
        session.transport.send(frame)
    expect.fatal(session, error)
    session.cut()


def test_every_truncation_of_hello(appliance):
    whole = waxproto.hello(Identity().key, 1, NONCE, 0, b"token", b"invite")
    for size in range(1, len(whole)):
        ends(appliance, [whole[:size]], 1)


def test_hello_with_bytes_left_over(appliance):
    ends(appliance, [waxproto.hello(Identity().key, 1, NONCE) + b"\0"], 1)


def test_hello_of_device_0(appliance):
    ends(appliance, [waxproto.hello(Identity().key, 0, NONCE)], 1)


def test_hello_twice(appliance):
    hello = waxproto.hello(Identity().key, 1, NONCE)
    ends(appliance, [hello, hello], 1)


def test_hello_after_welcome(appliance):
    ends(appliance, [waxproto.hello(Identity().key, 1, NONCE)], 1, opened=True)


def test_every_truncation_of_proof(appliance):
    for size in range(1, 72):
        session = appliance.session(plain=True)
        session.hello()
        session.receive()
        session.transport.send(waxproto.proof(bytes(64))[:size])
        expect.fatal(session, 1)
        session.cut()


def test_proof_with_bytes_left_over(appliance):
    session = appliance.session(plain=True)
    session.hello()
    session.receive()
    session.transport.send(waxproto.proof(bytes(64)) + b"\0")
    expect.fatal(session, 1)


def test_every_truncation_of_send(appliance):
    whole = waxproto.send(os.urandom(16), 1, 1 << 60)
    for size in range(0, 32):
        ends(appliance, [whole[:size]], 1, opened=True)


def test_every_truncation_of_send_multi_and_bytes_left_over(appliance):
    whole = waxproto.send_multi([(os.urandom(16), 1, b"head"), (os.urandom(16), 1, b"")], 1 << 60, b"shared")
    for size in range(1, len(whole)):
        ends(appliance, [whole[:size]], 1, opened=True)
    ends(appliance, [whole + b"x"], 1, opened=True)


def test_send_multi_to_nobody_or_to_more_than_1024(appliance):
    ends(appliance, [waxproto.send_multi([], 1 << 60)], 1, opened=True)
    ends(appliance, [waxproto.send_multi([(os.urandom(16), 1, b"")] * 1025, 1 << 60)], 1, opened=True)


def test_every_truncation_of_read_and_bytes_left_over(appliance):
    whole = waxproto.read([(os.urandom(16), 1, 1), (os.urandom(16), 1, 2)])
    for size in range(1, len(whole)):
        ends(appliance, [whole[:size]], 1, opened=True)
    ends(appliance, [whole + b"x"], 1, opened=True)


def test_every_truncation_of_ack_and_bytes_left_over(appliance):
    for size in (*range(1, 8), 9):
        ends(appliance, [(waxproto.ack(0) + b"\0")[:size]], 1, opened=True)


def test_an_ack_of_what_was_never_delivered(appliance):
    for sequence in (1, 1000, 0x7FFFFFFF):
        ends(appliance, [waxproto.ack(sequence)], 1, opened=True)


def test_an_ack_of_what_lies_before_the_first_delivery(appliance):
    ends(appliance, [waxproto.ack(0xFFFFFFFF)], 1, opened=True)


def test_ack_0_acknowledges_nothing(appliance):
    session = appliance.open()
    session.transport.send(waxproto.ack(0))
    session.status(session.send(session, b"on it goes"))


def test_a_frame_before_hello_is_error_2(appliance):
    for frame in (waxproto.send(os.urandom(16), 1, 1 << 60), waxproto.ack(0), waxproto.proof(bytes(64)), b"\x7f"):
        ends(appliance, [frame], 2)


def test_a_frame_before_proof_is_error_2(appliance):
    hello = waxproto.hello(Identity().key, 1, NONCE)
    ends(appliance, [hello, waxproto.send(os.urandom(16), 1, 1 << 60)], 2)
    ends(appliance, [hello, b"\x7f"], 2)


def test_an_unknown_frame_after_welcome_is_error_130_and_goes_on(appliance):
    session = appliance.open()
    for frame in (b"\x7f", b"\x00 nothing", waxproto.ack(0)[:1].replace(b"\x12", b"\x92") + bytes(7), b"\xff\x01"):
        session.transport.send(frame)
    session.until(lambda: len(session.errors) >= 4, what="four errors")
    expect.equal([error.code for error in session.errors], [130] * 4)
    session.status(session.send(session, b"on it goes"))


def test_reserved_bytes_are_ignored(appliance):
    session = appliance.open(auto_ack=False)
    session.send(session, b"one")
    session.delivery(0)
    session.transport.send(b"\x12\xaa\xbb\xcc" + (1).to_bytes(4, "big"))
    session.status(session.next_ident - 1, waxproto.DELIVERED)
