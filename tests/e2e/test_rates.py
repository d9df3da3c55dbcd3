# SPDX-License-Identifier: BSD-3-Clause
"""How much a device may send: 4,000 messages at once, 200 in a second (limits.device_sends_...)."""

import json
import os
import subprocess
import time

import expect
import waxproto
from waxproto import ACCEPTED, RATE_LIMITED, REJECTED, UNKNOWN_USER


def refused(appliance):
    """How often the limit of devices has refused, as `waxctl limits` tells."""
    waxctl, admin = appliance.need("waxctl", "admin_socket")
    done = subprocess.run([waxctl, "--socket", admin, "--json", "limits"], capture_output=True, text=True, check=True)
    limit = next(l for l in json.loads(done.stdout)["limits"] if l["name"] == "limits.device_sends_per_s")
    expect.equal(limit["value"], 200)
    return limit["refused"]


def test_beyond_its_rate_a_device_is_rejected_4_until_time_has_passed(appliance):
    alice, bob = appliance.open(), appliance.known()
    before = refused(appliance)
    crowd = [(os.urandom(16), 1, b"") for _ in range(1024)]
    for _ in range(4):
        alice.send_multi(crowd, b"to nobody in particular")
    late = alice.send_multi(crowd[:100], b"too much")
    expect.equal((alice.status(late).kind, alice.status(late).reason), (REJECTED, RATE_LIMITED))
    expect.equal(alice.status(alice.send(bob, b"nor this")).reason, RATE_LIMITED)
    expect.equal(alice.ask(waxproto.device, 1).code, 131, "and requests")
    alice.until(lambda: len([s for s in alice.statuses if s.reason == UNKNOWN_USER]) == 4096, 20,
                "what came before is answered")
    time.sleep(0.8)  # 4,096 less 4,000, at 200 in a second
    expect.equal(alice.status(alice.send(bob, b"and now")).kind, ACCEPTED)
    expect.equal(len([s for s in alice.statuses if s.reason == RATE_LIMITED]), 101)
    expect.true(refused(appliance) - before >= 101, "waxctl counts them")
    expect.equal(alice.quiet(0.1), 0, "and the session has gone on")
