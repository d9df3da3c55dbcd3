# SPDX-License-Identifier: BSD-3-Clause
"""RFC 6455 as the relay must hold it, mostly by a WebSocket that is wrong on purpose."""

import struct

import expect
import waxproto
from transports import BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, frame


def code_after(appliance, *frames):
    """The close code that these bytes earn on a fresh WebSocket."""
    ws = appliance.web_socket()
    for data in frames:
        ws.raw(data)
    return ws.end_code()


def test_a_text_message_closes_with_1003(appliance):
    expect.equal(code_after(appliance, frame(b"hello", TEXT)), 1003)
    expect.equal(code_after(appliance, frame(b"hello", TEXT, fin=False)), 1003)


def test_a_frame_without_a_mask_closes_with_1002(appliance):
    expect.equal(code_after(appliance, frame(b"\x12" + bytes(7), mask=False)), 1002)
    expect.equal(code_after(appliance, frame(b"", PING, mask=False)), 1002)


def test_reserved_bits_and_opcodes_close_with_1002(appliance):
    for reserved in (1, 2, 4):
        expect.equal(code_after(appliance, frame(b"x", reserved=reserved)), 1002, f"RSV {reserved}")
    for opcode in (3, 7, 11, 15):
        expect.equal(code_after(appliance, frame(b"x", opcode)), 1002, f"opcode {opcode}")


def test_a_length_not_in_its_shortest_form_closes_with_1002(appliance):
    expect.equal(code_after(appliance, frame(b"x" * 125, length_bytes=2)), 1002)
    expect.equal(code_after(appliance, frame(b"x" * 300, length_bytes=8)), 1002)


def test_a_message_above_a_mebibyte_closes_with_1009(appliance):
    expect.equal(code_after(appliance, frame(b"", length=(1 << 20) + 1)), 1009)
    expect.equal(code_after(appliance, frame(b"", length=1 << 40)), 1009)


def test_fragments_that_add_up_to_more_close_with_1009(appliance):
    session = appliance.open(plain=True, by_hand=True)
    session.transport.raw(frame(waxproto.send(bytes(16), 1, 1, bytes(1 << 19)), fin=False))
    session.transport.raw(frame(b"", CONTINUATION, length=(1 << 19)))
    expect.equal(session.transport.end_code(), 1009)


def test_control_frames_may_be_neither_fragmented_nor_long(appliance):
    expect.equal(code_after(appliance, frame(b"", PING, fin=False)), 1002)
    expect.equal(code_after(appliance, frame(bytes(126), PING)), 1002)
    expect.equal(code_after(appliance, frame(bytes(126), CLOSE)), 1002)


def test_fragments_out_of_sequence_close_with_1002(appliance):
    expect.equal(code_after(appliance, frame(b"x", CONTINUATION)), 1002)
    expect.equal(code_after(appliance, frame(b"x", fin=False), frame(b"y", BINARY)), 1002)


def test_a_ping_is_answered_with_its_payload(appliance):
    ws = appliance.web_socket()
    for payload in (b"", b"p", bytes(range(125))):
        ws.raw(frame(payload, PING))
        expect.equal(ws.receive_frame(), (FIN | PONG, payload))


def test_a_pong_that_nobody_asked_for_is_ignored(appliance):
    session = appliance.open(by_hand=True, plain=True)
    session.transport.raw(frame(b"surprise", PONG))
    session.status(session.send(session, b"on it goes"))


def test_pings_of_a_library_are_answered(appliance):
    session = appliance.open()
    for _ in range(3):
        session.transport.ping(b"are you there")


def test_a_close_is_answered_with_its_code(appliance):
    for code in (1000, 1001, 3000, 4999):
        expect.equal(code_after(appliance, frame(struct.pack(">H", code) + b"bye", CLOSE)), code)
    ws = appliance.web_socket()
    ws.raw(frame(b"", CLOSE))
    expect.true(ws.end_code() in (1000, 1005), f"close code {ws.close_code}")


def test_a_malformed_close_closes_with_1002(appliance):
    for payload in (b"\x03", struct.pack(">H", 999), struct.pack(">H", 1005), struct.pack(">H", 1006),
                    struct.pack(">H", 5000)):
        expect.equal(code_after(appliance, frame(payload, CLOSE)), 1002, payload.hex())


def test_a_message_in_fragments_with_pings_between(appliance):
    session = appliance.open()
    whole = waxproto.send(session.user, 1, session.next_ident, b"in pieces")
    session.transport.send_fragments([whole[:1], b"", whole[1:20], whole[20:40], whole[40:]], ping_between=True)
    expect.equal(session.delivery(0).payload, b"in pieces")


def test_bytes_one_at_a_time(appliance):
    session = appliance.open(by_hand=True, plain=True)
    for byte in frame(waxproto.send(session.user, 1, session.next_ident, b"slowly")):
        session.transport.raw(bytes([byte]))
    expect.equal(session.delivery(0).payload, b"slowly")


def test_many_frames_in_one_write(appliance):
    session = appliance.open(by_hand=True)
    idents = range(session.next_ident, session.next_ident + 50)
    session.transport.raw(b"".join(frame(waxproto.send(session.user, 1, i, b"%d" % i)) for i in idents))
    session.delivery(49)
    expect.equal([d.ident for d in session.deliveries], list(idents))


def test_nothing_is_taken_after_a_close(appliance):
    session, other = appliance.open(by_hand=True, plain=True), appliance.open()
    late = waxproto.send(other.user, 1, session.next_ident, b"too late")
    session.transport.raw(frame(struct.pack(">H", 1000), CLOSE) + frame(late))
    expect.equal(session.transport.end_code(), 1000)
    expect.equal(other.quiet(0.5), 0, "deliveries")
