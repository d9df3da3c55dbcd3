# SPDX-License-Identifier: BSD-3-Clause
"""Opening a session: HELLO, CHALLENGE, PROOF, WELCOME, and what goes wrong."""

import os
import time

import expect
import waxproto
from transports import BoundSocket, ByHand
from waxproto import BINDING, SEND_ONLY, Challenge, Identity, Session, Welcome


def test_a_good_proof_is_welcomed(appliance):
    session = appliance.open()
    welcome = session.welcome
    expect.true(welcome.flags & waxproto.NEW_ACCOUNT, "a new account is said to be new")
    expect.equal(welcome.waiting, 0, "messages waiting")
    expect.true(welcome.window >= 1, "a window of at least one")
    expect.true(1024 <= welcome.payload_max <= (1 << 20) - 64, f"largest payload {welcome.payload_max}")
    expect.true(abs(welcome.time_ms / 1000 - time.time()) < 60, f"the relay's clock says {welcome.time_ms}")
    expect.true(welcome.heartbeat > 0, "a heartbeat")
    expect.true(all(chr(c).isalnum() or c in b"-_" for c in welcome.media_token), "the media token is base64url")


def test_a_known_account_is_not_new(appliance):
    identity = appliance.known()
    session = appliance.open(identity)
    expect.equal(session.welcome.flags & waxproto.NEW_ACCOUNT, 0, "new account")


def test_over_the_plain_listener(appliance):
    appliance.open(plain=True)


def test_by_a_websocket_written_by_hand(appliance):
    appliance.open(by_hand=True)


def challenge(session):
    session.hello()
    session.challenge = session.receive()
    expect.true(isinstance(session.challenge, Challenge), f"CHALLENGE, not {session.challenge}")
    return session


def test_challenges_are_fresh_and_the_relay_id_stays(appliance):
    first, second = challenge(appliance.session()), challenge(appliance.session())
    expect.true(first.challenge.nonce != second.challenge.nonce, "nonces differ")
    expect.equal(first.challenge.relay_id, second.challenge.relay_id, "relay id")


def test_a_proof_bound_to_the_tls_exporter(appliance):
    sock = BoundSocket(appliance.where)
    session = Session(ByHand(appliance.where, sock=sock), Identity())
    session.open(binding=sock.binding)
    session.close()


def test_a_proof_bound_to_another_connection_is_error_3(appliance):
    sock = BoundSocket(appliance.where)
    session = Session(ByHand(appliance.where, sock=sock), Identity())
    session.hello(BINDING)
    session.challenge = session.receive()
    session.prove(binding=os.urandom(32))
    expect.fatal(session, 3)


def test_the_flag_of_proof_decides_on_binding_not_that_of_hello(appliance):
    session = appliance.session()
    session.hello(BINDING)
    session.challenge = session.receive()
    session.prove()
    expect.true(isinstance(session.receive(), Welcome), "WELCOME")


def test_binding_is_refused_on_a_plain_listener(appliance):
    session = challenge(appliance.session(plain=True))
    session.prove(binding=bytes(32), flags=1)
    expect.fatal(session, 3)


def test_a_proof_by_another_key_is_error_3(appliance):
    session = challenge(appliance.session())
    session.prove(identity=Identity())
    expect.fatal(session, 3)


def test_any_flipped_bit_of_a_proof_is_error_3(appliance):
    for bit in (0, 77, 255, 256, 300, 503):
        session = challenge(appliance.session(plain=True))
        text = waxproto.proof_text(session.challenge.relay_id, session.challenge.nonce, session.nonce, 1)
        signature = bytearray(session.identity.sign(text))
        signature[bit // 8] ^= 1 << bit % 8
        session.transport.send(waxproto.proof(bytes(signature)))
        expect.fatal(session, 3)


def test_a_proof_for_another_device_is_error_3(appliance):
    session = challenge(appliance.session())
    session.device = 2
    session.prove()
    expect.fatal(session, 3)


def test_a_recorded_proof_is_error_3(appliance):
    first = challenge(appliance.session())
    second = challenge(appliance.session(first.identity))
    text = waxproto.proof_text(first.challenge.relay_id, first.challenge.nonce, first.nonce, 1)
    second.transport.send(waxproto.proof(first.identity.sign(text)))
    expect.fatal(second, 3)


def test_another_version_is_error_4(appliance):
    for version in (0, 2, 255):
        session = appliance.session(plain=True)
        session.hello(version=version)
        expect.fatal(session, 4)


def test_a_forged_token_falls_back_to_the_challenge(appliance):
    for forged in (b"x", os.urandom(48), bytes(64), os.urandom(512)):
        session = appliance.open(token=forged)
        expect.equal(session.welcome.flags & waxproto.RESUMED, 0, "resumed")


def test_a_good_token_is_welcomed_at_once(appliance):
    first = appliance.open()
    expect.true(len(first.welcome.token) > 40 and len(first.welcome.media_token) > 40, "WELCOME has both tokens")
    first.close()
    session = appliance.session(first.identity)
    session.hello(token=first.welcome.token)
    welcome = session.receive()
    expect.true(isinstance(welcome, waxproto.Welcome), f"no CHALLENGE: {welcome}")
    expect.equal(welcome.flags, waxproto.RESUMED)
    expect.equal(welcome.user, first.identity.user)
    expect.true(welcome.token != first.welcome.token, "and a fresh one")
    again = appliance.open(first.identity, token=first.welcome.token)
    expect.equal(again.welcome.flags, waxproto.RESUMED, "it can be used again")


def test_a_token_is_of_its_account_and_device_alone(appliance):
    first, other = appliance.open(), appliance.open()
    for session in (appliance.open(other.identity, token=first.welcome.token),
                    appliance.open(first.identity, device=2, token=first.welcome.token),
                    appliance.open(first.identity, token=first.welcome.media_token)):
        expect.equal(session.welcome.flags & waxproto.RESUMED, 0, "resumed")


def test_a_token_with_any_character_changed_falls_back(appliance):
    token = bytearray(appliance.open().welcome.token)
    identity = waxproto.Identity()
    for at in range(0, len(token), 7):
        bent = bytes(token[:at] + bytes([token[at] ^ 1]) + token[at + 1:])
        expect.equal(appliance.open(identity, token=bent).welcome.flags & waxproto.RESUMED, 0, f"character {at}")


def test_messages_flow_both_ways_after_a_resumption(appliance):
    alice, bob = appliance.online(), appliance.online()
    token = alice.welcome.token
    alice.close()
    stored = bob.send(alice.identity, b"while you were away")
    bob.status(stored)
    back = appliance.open(alice.identity, token=token)
    expect.equal(back.welcome.waiting, 0xFFFFFFFF, "not known yet")
    expect.equal(back.delivery(0).payload, b"while you were away")
    ident = back.send(bob.identity, b"here I am")
    expect.equal(bob.delivery(0).payload, b"here I am")
    back.status(ident)


def test_a_second_session_displaces_the_first(appliance):
    first = appliance.open()
    second = appliance.open(first.identity)
    expect.fatal(first, 9)
    ident = second.send(second, b"still here")
    second.status(ident)


def test_a_send_only_session_displaces_too(appliance):
    first = appliance.open()
    appliance.open(first.identity, flags=SEND_ONLY)
    expect.fatal(first, 9)


def test_another_device_displaces_nobody(appliance):
    first = appliance.open()
    second = appliance.open(first.identity, device=2)
    ident = second.send(first, b"to my other device")
    expect.equal(first.delivery(0).payload, b"to my other device")
    second.status(ident, waxproto.DELIVERED)


def test_the_thirty_third_device_is_error_10(appliance):
    identity = Identity()
    for device in range(1, 33):
        appliance.open(identity, device=device, plain=True).close()
    session = appliance.session(identity, device=33)
    session.hello()
    session.challenge = session.receive()
    session.prove()
    expect.fatal(session, 10)
    appliance.open(identity, device=32)  # those that are known still may


def test_hello_and_proof_must_come_within_10_s(appliance):
    silent, unproven = appliance.session(plain=True), challenge(appliance.session(plain=True))
    began = time.monotonic()
    expect.fatal(silent, 7, wait=14)
    expect.fatal(unproven, 7, wait=4)
    passed = time.monotonic() - began
    expect.true(8.5 < passed < 13, f"closed after {passed:.1f} s")
