# SPDX-License-Identifier: BSD-3-Clause
"""Messages: online, offline, both; windows, refusals, ephemeral ones, reconnects."""

import os
import time

import expect
import waxproto
from waxproto import (ACCEPTED, AGAIN, D_EPHEMERAL, D_URGENT, DELIVERED, EPHEMERAL, MALFORMED, NOT_CONNECTED, REJECTED,
                      SEND_ONLY, SILENT, STORED, TOO_LARGE, UNKNOWN_DEVICE, UNKNOWN_USER, URGENT)


def kinds(session, ident):
    return [s.kind for s in session.statuses if s.ident == ident]


def test_online_it_is_delivered_and_then_delivered_is_said(appliance):
    alice, bob = appliance.open(), appliance.online()
    before, last = time.time(), bob.last_sequence
    ident = alice.send(bob, b"hello bob")
    got = bob.delivery(0)
    expect.equal((got.user, got.device, got.ident, got.payload), (alice.user, 1, ident, b"hello bob"))
    expect.equal((got.sequence, got.flags, got.head), (last + 1, 0, b""))
    expect.true(before - 60 < got.taken_ms / 1000 < time.time() + 60, f"taken at {got.taken_ms}")
    answer = alice.status(ident)
    expect.equal((answer.kind, answer.reason, answer.device, answer.user), (DELIVERED, 0, 1, bob.user))


def test_over_every_pair_of_listeners(appliance):
    for sender_plain in (False, True):
        for receiver_plain in (False, True):
            alice, bob = appliance.open(plain=sender_plain), appliance.online(plain=receiver_plain)
            ident = alice.send(bob, b"across")
            expect.equal(bob.delivery(0).payload, b"across")
            expect.equal(alice.status(ident).kind, DELIVERED)


def test_the_recipients_own_device_may_be_the_sender(appliance):
    alice = appliance.online()
    ident = alice.send(alice, b"note to self")
    expect.equal(alice.delivery(0).payload, b"note to self")
    expect.equal(alice.status(ident).kind, DELIVERED)


def test_without_an_ack_for_a_second_it_is_accepted_and_later_delivered(appliance):
    alice, bob = appliance.open(), appliance.online(auto_ack=False)
    began = time.monotonic()
    ident = alice.send(bob, b"no hurry")
    bob.delivery(0)
    expect.equal(alice.status(ident).kind, ACCEPTED)
    expect.true(0.8 < time.monotonic() - began < 3, f"ACCEPTED after {time.monotonic() - began:.2f} s")
    bob.acknowledge()
    alice.status(ident, DELIVERED)


def test_offline_messages_are_accepted_and_come_in_order(appliance):
    alice, bob = appliance.open(), appliance.known()
    idents = [alice.send(bob, b"%d" % n) for n in range(40)]
    for ident in idents:
        expect.equal(alice.status(ident).kind, ACCEPTED)
    session = appliance.open(bob)
    session.delivery(39)
    expect.equal([d.ident for d in session.deliveries], idents)
    expect.equal([d.payload for d in session.deliveries], [b"%d" % n for n in range(40)])
    expect.true(all(d.flags & STORED for d in session.deliveries), "stored is said of each")
    expect.true(session.welcome.waiting in (40, 0xFFFFFFFF), f"{session.welcome.waiting} waiting")
    for ident in idents:
        alice.status(ident, DELIVERED)
        expect.equal(kinds(alice, ident), [ACCEPTED, DELIVERED])


def test_delivered_reaches_a_sender_that_was_offline_when_it_happened(appliance):
    alice, bob = appliance.open(), appliance.known()
    ident = alice.send(bob, b"see you later")
    alice.status(ident, ACCEPTED)
    alice.close()
    session = appliance.open(bob)
    session.delivery(0)
    session.quiet(0.3)
    again = appliance.open(alice.identity)
    again.status(ident, DELIVERED)


def test_stored_and_fresh_messages_keep_their_order(appliance):
    alice, bob = appliance.open(), appliance.known()
    idents = [alice.send(bob, b"before %d" % n) for n in range(100)]
    alice.status(idents[-1])
    session = appliance.session(bob)
    session.hello()
    session.challenge = session.receive()
    idents += [alice.send(bob, b"during %d" % n) for n in range(50)]
    session.prove()
    session.welcome = session.receive()
    idents += [alice.send(bob, b"after %d" % n) for n in range(50)]
    session.delivery(199, wait=20)
    expect.equal([d.ident for d in session.deliveries], idents)
    for ident in idents:
        alice.status(ident, DELIVERED, wait=10)


def test_what_was_acknowledged_does_not_come_again(appliance):
    alice, bob = appliance.open(), appliance.open()
    alice.status(alice.send(bob, b"once"))
    bob.delivery(0)
    bob.close()
    alice.status(alice.send(bob, b"stored"), ACCEPTED)
    session = appliance.open(bob.identity)
    expect.equal(session.delivery(0).payload, b"stored")
    session.quiet(0.3)
    session.close()
    again = appliance.open(bob.identity)
    expect.equal(again.quiet(0.7), 0, "deliveries")


def test_what_was_not_acknowledged_comes_again_with_again_set(appliance):
    alice, bob = appliance.open(), appliance.open(auto_ack=False)
    idents = [alice.send(bob, b"%d" % n) for n in range(5)]
    bob.delivery(4)
    bob.acknowledge(2)
    alice.status(idents[1], DELIVERED)
    bob.cut()
    session = appliance.open(bob.identity)
    session.delivery(2)
    expect.equal([d.ident for d in session.deliveries], idents[2:])
    expect.true(all(d.flags & AGAIN for d in session.deliveries), "again is said of each")
    for ident in idents:
        alice.status(ident, DELIVERED)


def test_a_displaced_receiver_loses_nothing(appliance):
    alice, bob = appliance.open(), appliance.open(auto_ack=False)
    idents = [alice.send(bob, b"%d" % n) for n in range(10)]
    bob.delivery(9)
    second = appliance.open(bob.identity)
    expect.fatal(bob, 9)
    idents += [alice.send(bob, b"%d" % n) for n in range(10, 20)]
    second.delivery(19)
    expect.equal([d.ident for d in second.deliveries], idents)


def test_sent_again_after_a_reconnect_with_the_same_ids(appliance):
    alice, bob = appliance.open(), appliance.known()
    idents = [alice.send(bob, b"%d" % n) for n in range(30)]
    alice.cut()  # whatever the relay had taken by then
    again = appliance.open(alice.identity, token=alice.welcome.token)
    for n, ident in enumerate(idents):
        again.send(bob, b"%d" % n, ident=ident)
    for ident in idents:
        expect.true(again.status(ident).kind in (ACCEPTED, DELIVERED), "taken")
    session = appliance.open(bob)
    session.until(lambda: idents[-1] in [d.ident for d in session.deliveries], what="the last message")
    session.quiet(0.5)
    seen, last = [], 0
    for d in session.deliveries:  # the receiver's rule: an id not above the last one is dropped
        if d.ident > last:
            seen.append(d.ident)
            last = d.ident
    expect.equal(seen, idents)


def test_each_device_has_its_own_mailbox(appliance):
    alice = appliance.open()
    phone = appliance.online()
    laptop = appliance.open(phone.identity, device=2)
    laptop.close()
    one, two = alice.send(phone, b"phone", device=1), alice.send(phone, b"laptop", device=2)
    expect.equal(alice.status(one).kind, DELIVERED)
    expect.equal(alice.status(two).kind, ACCEPTED)
    expect.equal(phone.delivery(0).payload, b"phone")
    laptop = appliance.open(phone.identity, device=2)
    expect.equal(laptop.delivery(0).payload, b"laptop")
    alice.status(two, DELIVERED)


def test_the_senders_device_is_told(appliance):
    bob = appliance.open()
    alice = appliance.open(device=65535)
    alice.send(bob, b"from far")
    expect.equal(bob.delivery(0).device, 65535)


def test_a_send_only_session_gets_no_deliveries(appliance):
    alice = appliance.online()
    bob = appliance.open(flags=SEND_ONLY)
    ident = alice.send(bob, b"later")
    expect.equal(alice.status(ident).kind, ACCEPTED)
    expect.equal(bob.quiet(0.5), 0, "deliveries")
    expect.equal(bob.status(bob.send(alice, b"but it sends")).kind, DELIVERED)
    bob.close()
    expect.equal(appliance.open(bob.identity).delivery(0).payload, b"later")


def rejected(session, ident, reason):
    answer = session.status(ident)
    expect.equal((answer.kind, answer.reason), (REJECTED, reason))


def test_refusals_leave_the_session_open(appliance):
    alice, bob = appliance.open(), appliance.online()
    largest = alice.welcome.payload_max
    rejected(alice, alice.send(bob, bytes(largest + 1)), TOO_LARGE)
    rejected(alice, alice.send(bob, b"nameless", ident=0), MALFORMED)
    rejected(alice, alice.send(bob, b"nowhere", device=0), MALFORMED)
    ident = alice.send(bob, os.urandom(largest))
    expect.equal(len(bob.delivery(0).payload), largest)
    expect.equal(alice.status(ident).kind, DELIVERED)


def test_who_is_unknown_is_refused(appliance):
    alice, bob = appliance.open(), appliance.online()
    rejected(alice, alice.send(os.urandom(16), b"who"), UNKNOWN_USER)
    rejected(alice, alice.send(bob, b"which", device=77), UNKNOWN_DEVICE)
    expect.equal(alice.status(alice.send(bob, b"you")).kind, DELIVERED)


def test_a_frame_of_a_mebibyte_is_refused_and_the_session_goes_on(appliance):
    alice, bob = appliance.open(), appliance.online()
    rejected(alice, alice.send(bob, bytes((1 << 20) - 32)), TOO_LARGE)
    expect.equal(alice.status(alice.send(bob, b"small")).kind, DELIVERED)


def test_empty_and_odd_payloads_arrive_as_they_are(appliance):
    alice, bob = appliance.open(), appliance.open()
    payloads = [b"", b"\0", bytes(range(256)), *(os.urandom(size) for size in (125, 126, 127, 1400, 2047, 2048, 2049,
                                                                               16383, 16384, 16385, 65535, 65536))]
    payloads = [p for p in payloads if len(p) <= alice.welcome.payload_max]
    for payload in payloads:
        alice.send(bob, payload)
    bob.delivery(len(payloads) - 1)
    expect.true([d.payload for d in bob.deliveries] == payloads, "all payloads are the same")


def test_odd_payloads_come_out_of_the_store_as_they_went_in(appliance):
    alice, bob = appliance.open(), appliance.known()
    payloads = [b"", bytes(range(256)), *(os.urandom(size) for size in (1, 4096, 30000, 65536))]
    idents = [alice.send(bob, p) for p in payloads]
    alice.status(idents[-1], ACCEPTED)
    session = appliance.open(bob)
    session.delivery(len(payloads) - 1)
    expect.true([d.payload for d in session.deliveries] == payloads, "all payloads are the same")


def test_urgent_is_passed_on(appliance):
    alice, bob = appliance.open(), appliance.online()
    alice.send(bob, b"now", flags=URGENT)
    expect.true(bob.delivery(0).flags & D_URGENT, "urgent")
    carol = appliance.known()
    alice.status(alice.send(carol, b"now", flags=URGENT), ACCEPTED)
    expect.true(appliance.open(carol).delivery(0).flags & D_URGENT, "urgent out of the store")


def test_an_ephemeral_message_is_delivered_or_refused_never_stored(appliance):
    alice, bob = appliance.open(), appliance.online()
    last = bob.last_sequence
    ident = alice.send(bob, b"typing", flags=EPHEMERAL)
    got = bob.delivery(0)
    expect.equal((got.flags & D_EPHEMERAL, got.flags & STORED, got.sequence), (D_EPHEMERAL, 0, last + 1))
    expect.equal(alice.status(ident).kind, DELIVERED)
    bob.close()
    rejected(alice, alice.send(bob, b"typing", flags=EPHEMERAL), NOT_CONNECTED)
    expect.equal(appliance.open(bob.identity).quiet(0.5), 0, "deliveries")


def test_an_ephemeral_message_without_an_ack_is_refused_after_a_second(appliance):
    alice, bob = appliance.open(), appliance.online(auto_ack=False)
    ident = alice.send(bob, b"typing", flags=EPHEMERAL)
    bob.delivery(0)
    rejected(alice, ident, NOT_CONNECTED)


def test_a_silent_message_has_sequence_0_and_no_answer(appliance):
    alice, bob = appliance.open(), appliance.online()
    ident = alice.send(bob, b"level 3", flags=EPHEMERAL | SILENT)
    got = bob.delivery(0)
    expect.equal((got.sequence, got.payload), (0, b"level 3"))
    alice.send(appliance.known(), b"to nobody", flags=EPHEMERAL | SILENT)
    alice.quiet(1.2)
    expect.equal(alice.statuses, [], f"answers (of {ident})")


def test_silent_without_ephemeral_is_ignored(appliance):
    alice, bob = appliance.open(), appliance.online()
    last = bob.last_sequence
    ident = alice.send(bob, b"not silent", flags=SILENT)
    expect.equal(bob.delivery(0).sequence, last + 1)
    expect.equal(alice.status(ident).kind, DELIVERED)


def test_an_expired_message_is_not_delivered(appliance):
    alice, bob = appliance.open(), appliance.known()
    short = alice.send(bob, b"for a second", ttl=1)
    alice.status(short, ACCEPTED)
    long = alice.send(bob, b"for an hour", ttl=3600)
    alice.status(long, ACCEPTED)
    time.sleep(2.1)
    session = appliance.open(bob)
    expect.equal(session.delivery(0).payload, b"for an hour")
    expect.equal(session.quiet(0.3), 0, "more deliveries")
    answer = alice.status(short, REJECTED)
    expect.equal(answer.reason, 7)


def test_a_receiver_that_never_acknowledges_holds_up_nobody(appliance):
    alice, bob = appliance.open(), appliance.online(auto_ack=False)
    idents = [alice.send(bob, b"%d" % n) for n in range(600)]
    for ident in idents:
        expect.equal(alice.status(ident, wait=10).kind, ACCEPTED)
    bob.quiet(0.3)
    expect.true(64 <= len(bob.deliveries) <= 600, f"{len(bob.deliveries)} unacknowledged deliveries")
    bob.auto_ack = True
    bob.acknowledge()
    bob.until(lambda: len(bob.deliveries) >= 600, 20, "the rest")
    expect.equal([d.ident for d in bob.deliveries], idents)
    alice.status(idents[-1], DELIVERED, wait=10)


def test_more_sends_than_the_window_are_all_answered_in_the_end(appliance):
    alice, bob = appliance.open(), appliance.online()
    idents = [alice.send(bob, os.urandom(200)) for _ in range(alice.welcome.window * 3)]
    bob.delivery(len(idents) - 1, wait=20)
    for ident in idents:
        alice.status(ident, wait=20)
    expect.equal([d.ident for d in bob.deliveries], idents)


def test_pings_behind_a_full_window_are_answered(appliance):
    alice, bob = appliance.open(), appliance.online(auto_ack=False)
    for n in range(alice.welcome.window):
        alice.send(bob, b"%d" % n)
    alice.transport.ping(b"still there")


def test_a_slow_stream_to_many_recipients(appliance):
    alice = appliance.open()
    others = [appliance.open(plain=True) for _ in range(20)]
    for round_number in range(20):
        for other in others:
            alice.send(other, b"%d" % round_number)
    for other in others:
        other.delivery(19, wait=10)
        expect.equal([d.payload for d in other.deliveries], [b"%d" % n for n in range(20)])


def test_large_messages_both_ways_at_once(appliance):
    alice, bob = appliance.open(), appliance.open()
    payload = os.urandom(60000)
    for _ in range(40):
        alice.send(bob, payload)
        bob.send(alice, payload)
    for session in (alice, bob):
        session.delivery(39, wait=20)
        expect.true(all(d.payload == payload for d in session.deliveries), "payloads are the same")


def test_statuses_name_the_recipient(appliance):
    alice, bob, carol = appliance.open(), appliance.open(device=3), appliance.known(device=4)
    one, two = alice.send(bob, b"1", device=3), alice.send(carol, b"2", device=4)
    for ident, user, device in ((one, bob.user, 3), (two, carol.user, 4)):
        answer = alice.status(ident)
        expect.equal((answer.user, answer.device), (user, device))


def test_hundreds_of_sessions_come_and_go(appliance):
    for _ in range(100):
        session = appliance.open(plain=True)
        session.status(session.send(session, waxproto.SUBPROTOCOL.encode()))
        session.cut()
