# SPDX-License-Identifier: BSD-3-Clause
"""Sessions that an operator finds, ends, and drains; and the restart of the data plane behind a drain."""

import json
import random
import shlex
import subprocess
import time

import expect
from waxproto import ACCEPTED, DELIVERED, REJECTED, Closed

SECONDS = 120
PEOPLE = 12
OVER_S = 3


def waxctl_command(appliance, *arguments):
    program, admin = appliance.need("waxctl", "admin_socket")
    return [program, *arguments, "--socket", admin]


def waxctl(appliance, *arguments, code=0):
    done = subprocess.run(waxctl_command(appliance, *arguments), capture_output=True, text=True, timeout=60, check=False)
    expect.equal(done.returncode, code, done.stdout + done.stderr)
    return done.stdout


def test_sessions_are_found_and_closed(appliance):
    alice, bob = appliance.open(), appliance.open()
    user = alice.identity.user.hex()
    found = json.loads(waxctl(appliance, "sessions", "--user", user, "--json"))
    expect.equal([(s["user"], s["device"]) for s in found["sessions"]], [(user, 1)])
    peer = found["sessions"][0]["peer"]
    expect.equal(peer, appliance.where["client_address"])
    expect.true(bob.identity.user.hex() in waxctl(appliance, "sessions", "--address", peer + "/30"), "found by its network")
    waxctl(appliance, "sessions", "close", "--user", user, "--device", "2", code=1)
    waxctl(appliance, "sessions", "close", "--user", user)
    expect.equal(alice.fatal(), (None, 1012))
    again = appliance.open(alice.identity)
    bob.status(bob.send(again.identity, b"back"))


def test_a_drain_that_is_called_off(appliance):
    alice, bob = appliance.open(), appliance.online()
    waxctl(appliance, "drain", "--status", code=1)
    waxctl(appliance, "drain", "--over", "600", "--detach")
    expect.true("draining" in waxctl(appliance, "drain", "--status", code=1), "it is under way")
    try:
        refused = False
        appliance.open()
    except (OSError, Closed, TimeoutError):
        refused = True
    expect.true(refused, "no connection is taken")
    waxctl(appliance, "drain", "--cancel")
    waxctl(appliance, "drain", "--status", code=1)
    carol = appliance.open()
    for session in (alice, bob):
        session.status(session.send(carol.identity, b"it goes on"))


def ended(session):
    """Whether a session has ended; what has come is filed."""
    if session.ended:
        return True
    try:
        while True:
            session.pump(0)
    except TimeoutError:
        return False
    except Closed as closed:
        session.ended = closed
        return True


class Person:
    """Somebody who sends to others at random, over several sessions, and keeps the rules of clients."""

    def __init__(self, session):
        self.session = session
        self.unanswered = {}  # id: (to, payload)
        self.answered = set()
        self.seen = {}  # sender: ids in the order in which they are shown to the person

    def send(self, to, payload):
        """One message, or none when the session ends at this very moment; returns how many."""
        try:
            self.unanswered[self.session.send(to.session.identity, payload)] = (to, payload)
        except Closed as closed:
            self.session.ended = closed
            return 0
        return 1

    def take(self):
        """What has come since; the close code when the session has ended."""
        over = ended(self.session)
        for status in self.session.statuses:
            expect.true(status.kind != REJECTED, f"refused: {status}")
            if status.kind in (ACCEPTED, DELIVERED) and self.unanswered.pop(status.ident, None):
                self.answered.add(status.ident)
        for d in self.session.deliveries:
            shown = self.seen.setdefault(d.user, [])
            if not shown or d.ident > shown[-1]:
                shown.append(d.ident)
        self.session.statuses, self.session.deliveries = [], []
        return self.session.ended.code if over else None

    def come_again(self, appliance):
        before = self.session
        self.session = appliance.open(before.identity, token=before.welcome.token)
        self.session.next_ident = before.next_ident
        for ident, (to, payload) in sorted(self.unanswered.items()):
            self.session.send(to.session.identity, payload, ident=ident)


def test_messages_flow_through_a_drain_and_the_restart_behind_it(appliance):
    restart, = appliance.need("restart_dataplane")
    people = [Person(appliance.online()) for _ in range(PEOPLE)]
    began, ends, number = time.monotonic(), [], 0
    drain = subprocess.Popen(waxctl_command(appliance, "drain", "--over", str(OVER_S), "--json"), stdout=subprocess.PIPE, text=True)
    live = list(people)
    while live and time.monotonic() < began + 60:
        for person in list(live):
            code = person.take()
            if code is not None:
                expect.equal(code, 1012)
                ends.append(time.monotonic() - began)
                live.remove(person)
            elif len(person.unanswered) < 20:
                number += person.send(random.choice(people), b"%d" % number)
        time.sleep(0.002)
    told, _ = drain.communicate(timeout=60)
    expect.equal(drain.returncode, 0, told)
    last = json.loads(told.splitlines()[-1])
    expect.equal((last["state"], last["connections_now"], last["sessions_now"], last["custody_now"]), ("drained", 0, 0, 0))
    expect.true(last["closed"] >= PEOPLE and last["closed_late"] == 0, f"{last}")
    expect.true(ends[-1] - ends[0] > OVER_S * 0.6, f"spread over the time: {ends}")
    done = subprocess.run(shlex.split(restart), capture_output=True, text=True, timeout=50, check=False)
    expect.equal(done.returncode, 0, done.stdout + done.stderr)
    for person in people:
        person.come_again(appliance)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for person in people:
            person.take()
        read = sum(len(shown) for person in people for shown in person.seen.values())
        if read == number and not any(person.unanswered for person in people):
            break
        time.sleep(0.01)
    for person in people:
        expect.equal(person.unanswered, {}, "left unanswered")
    shown = sorted((user, ident) for person in people for user, idents in person.seen.items() for ident in idents)
    sent = sorted((person.session.identity.user, ident) for person in people for ident in person.answered)
    expect.equal(len(shown), len(set(shown)), "read twice")
    expect.equal(shown, sent, "what was accepted was read, once")
    print(f"    {number} messages, sessions ended within {ends[0]:.1f} to {ends[-1]:.1f} s of {OVER_S} s, "
          f"drained after {last['elapsed_ms']} ms")
