# SPDX-License-Identifier: BSD-3-Clause
"""Push gateways: the example of deploy/ is told of devices that are offline and have something waiting."""

import os
import queue
import subprocess
import threading
from pathlib import Path

import expect
from waxproto import ACCEPTED, DELIVERED, EPHEMERAL, NOT_CONNECTED, REJECTED, URGENT

GATEWAY = Path(__file__).resolve().parents[2] / "deploy/push-gateway"


class Gateway:
    """deploy/push-gateway inside the block, and what it prints."""

    def __init__(self, appliance):
        self.path, = appliance.need("push_socket")

    def __enter__(self):
        self.process = subprocess.Popen(["/usr/bin/python3", GATEWAY, "--socket", self.path], stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=lambda: [self.lines.put(line) for line in self.process.stdout], daemon=True).start()
        return self

    def __exit__(self, *what):
        self.process.terminate()
        self.process.wait(10)
        if os.path.exists(self.path):
            os.unlink(self.path)

    def told(self, identity, wait):
        """The next line about this person (others may be told of by what came before), or None."""
        user = identity.user.hex()
        try:
            while True:
                line = self.lines.get(timeout=wait)
                if user in line:
                    return line.strip()
        except queue.Empty:
            return None


def test_offline_devices_are_told_of_once_and_connected_ones_are_not(appliance):
    alice, bob, carol = appliance.open(), appliance.known(), appliance.online()
    quiet, urgent = (f"wake {bob.user.hex()} device 1{how}" for how in ("", " urgently"))
    first = alice.send(bob, b"before there is a gateway")
    expect.equal(alice.status(first).kind, ACCEPTED)
    with Gateway(appliance) as gateway:
        expect.equal(gateway.told(bob, 5), quiet, "it is told again until it is heard")
        for n in range(5):
            alice.status(alice.send(bob, b"%d" % n), ACCEPTED)
        expect.equal(gateway.told(bob, 1), None, "not for those behind the first")
        for n in range(5):
            alice.status(alice.send(bob, b"%d" % n, flags=URGENT), ACCEPTED)
        expect.equal(gateway.told(bob, 5), urgent)
        alice.status(alice.send(carol, b"here she is", flags=URGENT), DELIVERED)
        expect.equal(gateway.told(carol.identity, 1), None)


def test_a_call_wakes_who_is_not_there(appliance):
    alice, bob = appliance.open(), appliance.known()
    with Gateway(appliance) as gateway:
        ident = alice.send(bob, b"ring", flags=EPHEMERAL | URGENT)
        status = alice.status(ident)
        expect.equal((status.kind, status.reason), (REJECTED, NOT_CONNECTED))
        expect.equal(gateway.told(bob, 5), f"wake {bob.user.hex()} device 1 urgently")
        ident = alice.send(bob, b"typing", flags=EPHEMERAL)
        expect.equal(alice.status(ident).kind, REJECTED)
        expect.equal(gateway.told(bob, 1), None)
