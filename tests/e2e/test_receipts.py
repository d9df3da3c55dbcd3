# SPDX-License-Identifier: BSD-3-Clause
"""READ: passed on to the sender, never before DELIVERED, and kept for one who is away."""

import expect
import waxproto
from waxproto import ACCEPTED, DELIVERED, READ_BY


def kinds(session, ident):
    """What was said of a message; of a busy machine's ACKs, which may take a second, ACCEPTED as well."""
    said = [s.kind for s in session.statuses if s.ident == ident]
    return [kind for kind in said if kind != ACCEPTED] if said[0] == ACCEPTED else said


def test_read_is_passed_on_behind_delivered(appliance):
    alice, bob = appliance.online(), appliance.online()
    for n in range(50):
        ident = alice.send(bob, b"%d" % n)
        bob.read(bob.delivery(n))
        got = alice.status(ident, READ_BY)
        expect.equal((got.reason, got.device, got.user), (0, 1, bob.user))
        expect.equal(kinds(alice, ident), [DELIVERED, READ_BY])


def test_read_of_many_at_once(appliance):
    alice, bob = appliance.online(), appliance.online()
    idents = [alice.send(bob, b"%d" % n) for n in range(200)]
    bob.delivery(199)
    bob.read(*bob.deliveries)
    for ident in idents:
        alice.status(ident, READ_BY)
        expect.equal(kinds(alice, ident), [DELIVERED, READ_BY])


def test_read_of_a_stored_message(appliance):
    alice, bob = appliance.online(), appliance.known()
    ident = alice.send(bob, b"later")
    alice.status(ident, ACCEPTED)
    session = appliance.open(bob)
    session.read(session.delivery(0))
    alice.status(ident, READ_BY)
    expect.equal(kinds(alice, ident), [DELIVERED, READ_BY])


def test_read_waits_for_a_sender_who_is_away_and_comes_behind_delivered(appliance):
    alice, bob = appliance.open(), appliance.known()
    idents = [alice.send(bob, b"%d" % n) for n in range(5)]
    for ident in idents:
        alice.status(ident, ACCEPTED)
    alice.close()
    session = appliance.open(bob)
    session.delivery(4)
    session.read(*session.deliveries)
    session.quiet(0.5)
    again = appliance.open(alice.identity)
    for ident in idents:
        again.status(ident, READ_BY)
        expect.equal(kinds(again, ident), [DELIVERED, READ_BY])
    again.quiet(0.5)
    again.close()
    expect.equal(appliance.open(alice.identity).quiet(0.5), 0)


def test_read_by_somebody_else_names_who_claims_it(appliance):
    alice, bob, mallory = appliance.online(), appliance.online(), appliance.open()
    ident = alice.send(bob, b"for bob")
    alice.status(ident, DELIVERED)
    mallory.transport.send(waxproto.read([(alice.user, 1, ident)]))
    expect.equal(alice.status(ident, READ_BY).user, mallory.user)


def test_read_of_nothing_and_about_nobody_is_ignored(appliance):
    alice = appliance.open()
    alice.transport.send(waxproto.read([]))
    alice.transport.send(waxproto.read([(bytes(16), 0, 1), (bytes(16), 1, 0)]))
    alice.status(alice.send(alice, b"on it goes"))
    expect.equal(alice.errors, [])


def test_reads_are_received_by_a_send_only_session(appliance):
    alice, bob = appliance.open(flags=waxproto.SEND_ONLY), appliance.online()
    ident = alice.send(bob, b"tell me")
    bob.read(bob.delivery(0))
    alice.status(ident, READ_BY)
    expect.equal(kinds(alice, ident), [DELIVERED, READ_BY])
