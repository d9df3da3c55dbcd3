# SPDX-License-Identifier: BSD-3-Clause
"""The control plane is replaced under load: it is asked to end, another one attaches, and no client sees a refusal."""

import os
import shlex
import signal
import subprocess
import time

import expect
from test_restart import current_pid
from waxproto import ACCEPTED, DELIVERED, device

SECONDS = 120
LIST = 1


def pump(session):
    """Files what has come."""
    try:
        while True:
            session.pump(0)
    except TimeoutError:
        pass


def test_nothing_is_lost_or_refused_while_the_control_plane_is_replaced(appliance):
    restart, = appliance.need("restart_control")
    alice, bob, carol, dave = appliance.open(), appliance.online(), appliance.known(), appliance.open()
    known = {alice.identity.user, bob.identity.user, carol.user, dave.identity.user}
    expect.equal(len(known), 4)
    direct, stored, asked, longest = [], [], 0, {DELIVERED: 0, ACCEPTED: 0}
    last = {DELIVERED: time.monotonic(), ACCEPTED: time.monotonic()}
    replaced, asked_to_end, began, until = None, None, time.monotonic(), None
    while until is None or time.monotonic() < until:
        now = time.monotonic()
        if asked_to_end is None and now - began > 0.5:
            asked_to_end = now
            os.kill(current_pid(appliance.where), signal.SIGTERM)
        if asked_to_end and replaced is None and current_pid(appliance.where) is None:
            ended_after = now - asked_to_end
            replaced = subprocess.Popen(shlex.split(restart), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if until is None and replaced and replaced.poll() is not None:
            until = now + 1
        if len(direct) + len(stored) - len(alice.statuses) < 200:
            direct.append(alice.send(bob.identity, b"%d" % len(direct)))
            stored.append(alice.send(carol, b"%d" % len(stored)))
        if asked - len(dave.answers) - len(dave.errors) < 3:
            asked += 1
            dave.transport.send(device(LIST, request=asked))
        before = len(alice.statuses)
        for session in (alice, bob, dave):
            pump(session)
        for status in alice.statuses[before:]:
            longest[status.kind] = max(longest.get(status.kind, 0), time.monotonic() - last.get(status.kind, now))
            last[status.kind] = time.monotonic()
        time.sleep(0.003)
    expect.equal(replaced.returncode, 0, replaced.stdout.read())
    alice.until(lambda: len({s.ident for s in alice.statuses}) == len(direct) + len(stored), 20, "the rest of the answers")
    dave.until(lambda: len(dave.answers) == asked, 20, "the rest of the requests' answers")
    expect.equal({s.ident for s in alice.statuses if s.kind == DELIVERED}, set(direct))
    expect.equal({s.ident for s in alice.statuses if s.kind == ACCEPTED}, set(stored))
    expect.equal(dave.errors, [], "refused requests")
    expect.equal([d.ident for d in bob.deliveries], direct)
    back = appliance.open(carol)
    back.until(lambda: len({d.ident for d in back.deliveries}) == len(stored), 20, "what was stored")
    shown = []
    for d in back.deliveries:
        if not shown or d.ident > shown[-1]:
            shown.append(d.ident)
    expect.equal(shown, stored)
    print(f"    {len(direct)} direct, {len(stored)} stored, {asked} requests; ended after {ended_after * 1000:.0f} ms; the longest wait for an answer: direct "
          f"{longest[DELIVERED] * 1000:.0f} ms, stored {longest[ACCEPTED] * 1000:.0f} ms")
