# SPDX-License-Identifier: BSD-3-Clause
"""Either process killed outright in the middle, and started again."""

import os
import shlex
import signal
import subprocess
import time

import expect
from waxproto import ACCEPTED, DELIVERED, RESUMED, Identity


class Killed:
    """The control plane is gone inside the block, and back behind it."""

    def __init__(self, appliance):
        pids, self.restart = appliance.need("pids", "restart_control")
        self.pid = current_pid(appliance.where) or pids["control"]

    def __enter__(self):
        os.kill(self.pid, signal.SIGKILL)
        return self

    def __exit__(self, *what):
        done = subprocess.run(shlex.split(self.restart), capture_output=True, text=True, timeout=50, check=False)
        expect.equal(done.returncode, 0, done.stdout + done.stderr)


def current_pid(where):
    """The process that has the control plane's configuration on its command line, for earlier tests may have
    replaced the one that the JSON names."""
    for entry in os.scandir("/proc"):
        try:
            with open(f"/proc/{entry.name}/cmdline", "rb") as file:
                words = file.read().decode(errors="replace").split("\0")
        except (OSError, ValueError):
            continue
        if entry.name.isdigit() and os.path.basename(words[0]) == "waxwire-control" and where.get("config") in words:
            return int(entry.name)
    return None


def test_online_messages_flow_on_while_the_control_plane_is_dead(appliance):
    alice, bob = appliance.open(), appliance.online()
    alice.status(alice.send(bob, b"before"), DELIVERED)
    with Killed(appliance):
        for n in range(20):
            ident = alice.send(bob, b"%d" % n)
            expect.equal(alice.status(ident).kind, DELIVERED)
    alice.status(alice.send(bob, b"after"), DELIVERED)
    expect.equal(len(bob.deliveries), 22)


def test_a_resumed_session_opens_and_sends_while_the_control_plane_is_dead(appliance):
    alice, bob = appliance.open(), appliance.online()
    token = alice.welcome.token
    alice.close()
    with Killed(appliance):
        back = appliance.open(alice.identity, token=token)
        expect.equal(back.welcome.flags, RESUMED)
        ident = back.send(bob, b"without control")
        expect.equal(back.status(ident).kind, DELIVERED)
        meanwhile = bob.send(back.identity, b"waits for the mailbox's confirmation")
    expect.equal(back.delivery(0, wait=10).payload, b"waits for the mailbox's confirmation")
    bob.status(meanwhile, wait=10)


def test_a_token_is_good_after_a_restart_of_the_data_plane(appliance):
    alice = appliance.open()
    data_plane_killed(appliance)
    back = appliance.open(alice.identity, token=alice.welcome.token)
    expect.equal(back.welcome.flags, RESUMED)


def test_what_was_accepted_survives(appliance):
    alice, bob = appliance.open(), appliance.known()
    idents = [alice.send(bob, b"%d" % n) for n in range(50)]
    for ident in idents:
        alice.status(ident, ACCEPTED)
    with Killed(appliance):
        pass
    session = appliance.open(bob)
    session.delivery(49, wait=10)
    expect.equal([d.ident for d in session.deliveries], idents)
    for ident in idents:
        alice.status(ident, DELIVERED, wait=10)


def test_what_is_sent_meanwhile_waits_and_is_then_accepted(appliance):
    alice, bob = appliance.open(), appliance.known()
    first = alice.send(bob, b"before")
    alice.status(first, ACCEPTED)
    with Killed(appliance):
        idents = [first] + [alice.send(bob, b"%d" % n) for n in range(20)]
        alice.quiet(0.5)
        expect.equal([s for s in alice.statuses if s.ident != first], [], "answers while nothing can be stored")
    for ident in idents:
        expect.equal(alice.status(ident, wait=20).kind, ACCEPTED)
    session = appliance.open(bob)
    session.delivery(20, wait=10)
    expect.equal([d.ident for d in session.deliveries], idents)


def test_killed_amid_a_stream_nothing_is_lost_and_order_holds(appliance):
    alice, bob = appliance.open(), appliance.known()
    idents = [alice.send(bob, os.urandom(500)) for _ in range(100)]
    with Killed(appliance):
        idents += [alice.send(bob, os.urandom(500)) for _ in range(50)]
    for ident in idents:
        expect.equal(alice.status(ident, wait=20).kind, ACCEPTED)
    session = appliance.open(bob)
    session.until(lambda: idents[-1] in [d.ident for d in session.deliveries], 20, "the last message")
    seen = []
    for d in session.deliveries:
        if not seen or d.ident > seen[-1]:
            seen.append(d.ident)
    expect.equal(seen, idents)


def test_a_drain_that_the_kill_interrupts_goes_on(appliance):
    alice, bob = appliance.open(), appliance.known()
    idents = [alice.send(bob, os.urandom(2000)) for _ in range(400)]
    for ident in idents:
        alice.status(ident, ACCEPTED, wait=20)
    session = appliance.open(bob)
    session.delivery(20)
    with Killed(appliance):
        pass
    session.until(lambda: len({d.ident for d in session.deliveries}) == 400, 20, "the rest")
    seen = []
    for d in session.deliveries:
        if not seen or d.ident > seen[-1]:
            seen.append(d.ident)
    expect.equal(seen, idents)


def test_an_account_made_just_before_is_still_known(appliance):
    identity = Identity()
    appliance.open(identity)
    with Killed(appliance):
        pass
    alice = appliance.open()
    end = time.monotonic() + 10
    ident = alice.send(identity, b"do you exist")
    expect.true(alice.status(ident, wait=end - time.monotonic()).kind in (ACCEPTED, DELIVERED), "known")


def data_plane_killed(appliance):
    """The data plane is killed, and another one serves."""
    restart, = appliance.need("restart_dataplane")
    done = subprocess.run(shlex.split(restart), capture_output=True, text=True, timeout=50, check=False)
    expect.equal(done.returncode, 0, done.stdout + done.stderr)
    appliance.end_sessions()


def test_what_was_accepted_survives_the_data_plane(appliance):
    alice, bob = appliance.open(), appliance.known()
    idents = [alice.send(bob, b"%d" % n) for n in range(50)]
    for ident in idents:
        alice.status(ident, ACCEPTED)
    data_plane_killed(appliance)
    sender, session = appliance.open(alice.identity), appliance.open(bob)
    session.delivery(49, wait=10)
    expect.equal([d.ident for d in session.deliveries], idents)
    for ident in idents:
        sender.status(ident, DELIVERED, wait=10)


def test_what_was_unanswered_when_the_data_plane_died_is_sent_again_and_seen_once(appliance):
    alice, bob = appliance.open(), appliance.online(auto_ack=False)
    idents = [alice.send(bob.identity, b"%d" % n) for n in range(30)]
    bob.delivery(29)
    bob.acknowledge(bob.deliveries[9].sequence)
    for ident in idents[:10]:
        alice.status(ident, DELIVERED)
    data_plane_killed(appliance)
    sender, session = appliance.open(alice.identity), appliance.open(bob.identity)
    answered = {s.ident for s in alice.statuses}
    for n, ident in enumerate(idents):
        if ident not in answered:
            sender.send(bob.identity, b"%d" % n, ident=ident)
    for ident in idents:
        if ident not in {s.ident for s in alice.statuses if s.kind == DELIVERED}:
            sender.status(ident, DELIVERED, wait=10)
    seen = [d.ident for d in bob.deliveries if d.ident <= idents[9]]
    for d in session.deliveries:
        if not seen or d.ident > seen[-1]:
            seen.append(d.ident)
    expect.equal(seen, idents)
