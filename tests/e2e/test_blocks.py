# SPDX-License-Identifier: BSD-3-Clause
"""Who may write to whom."""

import expect
import waxproto
from test_restart import Killed
from waxproto import ACCEPTED, DELIVERED, EPHEMERAL, OK, READ_BY, REJECTED, SILENT

BLOCK, UNBLOCK, ONLY, ALLOW, EVERYONE = 1, 2, 3, 4, 5
BLOCKED = (REJECTED, 3)


def police(session, what, user=bytes(16)):
    expect.equal(session.ask(waxproto.block, what, user).type, OK)


def outcome(session, to, **options):
    answer = session.status(session.send(to, b"may I", **options))
    return answer.kind, answer.reason


def test_who_is_blocked_is_rejected_online_and_heard_again_when_unblocked(appliance):
    alice, bob = appliance.online(), appliance.open()
    expect.equal(outcome(bob, alice), (DELIVERED, 0))
    police(alice, BLOCK, bob.user)
    for _ in range(5):
        expect.equal(outcome(bob, alice), BLOCKED)
    expect.equal(outcome(bob, alice, flags=EPHEMERAL), BLOCKED)
    count = len(alice.deliveries)
    bob.send(alice, b"silently", flags=EPHEMERAL | SILENT)
    alice.quiet(0.3)
    expect.equal(len(alice.deliveries), count)
    expect.equal(outcome(alice, bob), (DELIVERED, 0), "the one who blocks may write")
    police(alice, UNBLOCK, bob.user)
    expect.equal(outcome(bob, alice), (DELIVERED, 0))


def test_who_is_blocked_is_rejected_offline_and_what_was_stored_before_arrives(appliance):
    alice, bob, carol = appliance.open(), appliance.open(), appliance.open()
    identity = alice.identity
    alice.close()
    before = bob.send(identity, b"before")
    expect.equal(bob.status(before).kind, ACCEPTED)
    other = appliance.open(identity, device=2)
    police(other, BLOCK, bob.user)
    other.close()
    expect.equal(outcome(bob, identity), BLOCKED)
    expect.equal(outcome(carol, identity), (ACCEPTED, 0))
    with Killed(appliance):
        pass
    expect.equal(bob.status(bob.send(identity, b"after the kill"), wait=10).reason, 3)
    again = appliance.open(identity)
    again.delivery(1, wait=10)
    expect.equal([d.user for d in again.deliveries], [bob.user, carol.user])
    expect.equal(outcome(bob, again), BLOCKED)


def test_it_holds_for_all_devices_of_both(appliance):
    alice, bob = appliance.online(), appliance.open()
    second = appliance.open(alice.identity, device=2).settle()
    other = appliance.open(bob.identity, device=9)
    police(second, BLOCK, bob.user)
    for sender in (bob, other):
        expect.equal(outcome(sender, alice), BLOCKED)
        expect.equal(outcome(sender, alice, device=2), BLOCKED)


def test_only_those_allowed_and_ones_own_devices(appliance):
    alice, bob, carol = appliance.online(), appliance.open(), appliance.open()
    second = appliance.open(alice.identity, device=2).settle()
    police(alice, ALLOW, bob.user)
    police(alice, ONLY)
    expect.equal(outcome(bob, alice), (DELIVERED, 0))
    expect.equal(outcome(carol, alice), BLOCKED)
    expect.equal(outcome(second, alice), (DELIVERED, 0))
    expect.equal(outcome(alice, alice, device=2), (DELIVERED, 0))
    police(alice, EVERYONE)
    expect.equal(outcome(carol, alice), (DELIVERED, 0))


def test_a_resumed_session_is_protected_as_well(appliance):
    alice, bob = appliance.open(), appliance.open()
    police(alice, BLOCK, bob.user)
    token = alice.welcome.token
    alice.close()
    again = appliance.open(alice.identity, token=token).settle()
    expect.equal(outcome(bob, again), BLOCKED)
    with Killed(appliance):
        pass
    expect.equal(outcome(bob, again), BLOCKED)


def test_read_is_not_kept_for_who_is_away_and_blocks_the_reader(appliance):
    alice, bob, carol = appliance.open(), appliance.online(), appliance.online()
    ids = {who: alice.send(who, b"seen?") for who in (bob, carol)}
    for who, ident in ids.items():
        alice.status(ident, DELIVERED)
    police(alice, BLOCK, bob.user)
    alice.close()
    for who, ident in ids.items():
        who.transport.send(waxproto.read([(alice.user, 1, ident)]))
    later = [carol.status(carol.send(alice, b"behind it")).kind for _ in range(2)]
    expect.equal(later, [ACCEPTED, ACCEPTED])
    again = appliance.open(alice.identity)
    again.status(ids[carol], READ_BY)
    again.delivery(1)
    again.quiet(0.3)
    expect.true(not any(s.kind == READ_BY and s.ident == ids[bob] for s in again.statuses), "no READ of who is blocked")
