# SPDX-License-Identifier: BSD-3-Clause
"""SEND_MULTI: many recipients of one frame."""

import os
import time

import expect
import waxproto
from waxproto import (ACCEPTED, DELIVERED, EPHEMERAL, MALFORMED, MULTI, NOT_CONNECTED, REJECTED, SILENT, STORED,
                      TOO_LARGE, UNKNOWN_USER)


def about(session, ident, user):
    """(kind, reason) of each status of the message about that recipient."""
    return [(s.kind, s.reason) for s in session.statuses if s.ident == ident and s.user == user]


def answered(session, ident, users, wait=10):
    session.until(lambda: all(about(session, ident, user) for user in users), wait, "an answer of each recipient")


def test_each_recipient_gets_its_head_and_what_is_shared(appliance):
    alice, bob, carol = appliance.open(), appliance.online(), appliance.online()
    alice.peers = [bob, carol]
    ident = alice.send_multi([(bob, 1, b"for bob"), (carol, 1, b"")], b"hello both")
    for session, head in ((bob, b"for bob"), (carol, b"")):
        got = session.delivery(0)
        expect.equal((got.ident, got.user, got.flags, got.head, got.payload),
                     (ident, alice.user, MULTI, head, b"hello both"))
    answered(alice, ident, (bob.user, carol.user))
    expect.equal(about(alice, ident, bob.user), [(DELIVERED, 0)])
    expect.equal(about(alice, ident, carol.user), [(DELIVERED, 0)])


def test_online_offline_and_unknown_are_answered_one_by_one(appliance):
    alice, bob, carol, nobody = appliance.open(), appliance.online(), appliance.known(), os.urandom(16)
    alice.peers = [bob]
    ident = alice.send_multi([(bob, 1, b"b"), (carol, 1, b"the head"), (nobody, 1, b"n")], b"shared")
    answered(alice, ident, (bob.user, carol.user, nobody))
    expect.equal(about(alice, ident, bob.user), [(DELIVERED, 0)])
    expect.equal(about(alice, ident, carol.user), [(ACCEPTED, 0)])
    expect.equal(about(alice, ident, nobody), [(REJECTED, UNKNOWN_USER)])
    session = appliance.open(carol)
    got = session.delivery(0)
    expect.equal((got.ident, got.flags, got.head, got.payload), (ident, MULTI | STORED, b"the head", b"shared"))
    alice.until(lambda: (DELIVERED, 0) in about(alice, ident, carol.user), what="DELIVERED of what was stored")


def test_the_impossible_is_refused_recipient_by_recipient(appliance):
    alice, bob = appliance.open(), appliance.online()
    alice.peers = [bob]
    large = bytes(alice.welcome.payload_max - 5)
    others = [os.urandom(16) for _ in range(2)]
    ident = alice.send_multi([(bob, 1, b"once"), (bob, 1, b"again"), (others[0], 0, b""), (others[1], 1, b"too long")],
                             large)
    answered(alice, ident, (bob.user, *others))
    alice.until(lambda: len(about(alice, ident, bob.user)) == 2, what="both answers about bob")
    expect.equal(sorted(about(alice, ident, bob.user)), [(DELIVERED, 0), (REJECTED, MALFORMED)])
    expect.equal(about(alice, ident, others[0]), [(REJECTED, MALFORMED)])
    expect.equal(about(alice, ident, others[1]), [(REJECTED, TOO_LARGE)])
    expect.equal(bob.delivery(0).head, b"once")
    expect.equal(bob.quiet(0.2), 0)
    alice.transport.send(waxproto.send_multi([(bob.user, 1, b"")], 0, b"id 0"))
    expect.equal(alice.status(0).reason, MALFORMED)


def test_ephemeral_and_silent_groups(appliance):
    alice, bob, carol = appliance.open(), appliance.online(), appliance.known()
    alice.peers = [bob]
    ident = alice.send_multi([(bob, 1, b"t"), (carol, 1, b"t")], b"yping", EPHEMERAL)
    answered(alice, ident, (bob.user, carol.user))
    expect.equal(about(alice, ident, bob.user), [(DELIVERED, 0)])
    expect.equal(about(alice, ident, carol.user), [(REJECTED, NOT_CONNECTED)])
    before = len(alice.statuses)
    alice.send_multi([(bob, 1, b"t"), (carol, 1, b"t")], b"yping", EPHEMERAL | SILENT)
    expect.equal(bob.delivery(1).sequence, 0)
    alice.quiet(0.3)
    expect.equal(len(alice.statuses), before)


def test_1024_recipients_and_a_message_behind_them(appliance):
    alice, bob = appliance.open(), appliance.online()
    alice.peers = [bob]
    recipients = [(bob, device, b"head %d" % device) for device in range(1024, 0, -1)]
    ident = alice.send_multi(recipients, b"all of them")
    later = alice.send(bob, b"behind")
    alice.status(later, DELIVERED, wait=20)
    expect.equal([d.ident for d in bob.deliveries], [ident, later])
    alice.until(lambda: len([s for s in alice.statuses if s.ident == ident]) >= 1024, 20, "1024 answers")
    expect.equal(sorted({s.device for s in alice.statuses if s.ident == ident}), list(range(1, 1025)))


def test_it_is_one_of_the_window_until_the_last_is_answered(appliance):
    alice, bob, carol = appliance.open(), appliance.online(), appliance.online(auto_ack=False)
    alice.peers = [bob]
    window = alice.welcome.window
    idents = [alice.send_multi([(bob, 1, b""), (carol, 1, b"")], b"%d" % n) for n in range(window + 5)]
    alice.until(lambda: about(alice, idents[window - 1], bob.user), 10, "the last one of the window")
    answered(alice, idents[-1], (bob.user, carol.user), wait=20)
    expect.equal([d.ident for d in bob.deliveries], idents)


def test_a_group_of_bursts_does_not_hold_up_single_messages(appliance):
    many = [appliance.open() for _ in range(5)]  # one alone would be held to its rate
    bob, carol = appliance.open(), appliance.online()
    bob.peers = [carol]
    crowd = [(os.urandom(16), 1, b"") for _ in range(1000)]
    for _ in range(4):
        for alice in many:
            alice.send_multi(crowd, b"to nobody in particular")
    began = time.monotonic()
    for n in range(10):
        bob.status(bob.send(carol, b"%d" % n), DELIVERED)
    expect.true(time.monotonic() - began < 5, "ten messages one after the other beside 20,000 of groups")
    for alice in many:
        alice.until(lambda alice=alice: len(alice.statuses) >= 4000, 30, "all answers")
        expect.equal({s.reason for s in alice.statuses}, {UNKNOWN_USER})
