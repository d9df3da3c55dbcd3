# SPDX-License-Identifier: BSD-3-Clause
"""Signal's protocol over the relay, which must never see what is said."""

import contextlib
import json
import secrets
import socket
import struct
import subprocess
import threading
from pathlib import Path

import expect
from test_secrets import look, pid_of

SECONDS = 120  # a group of 256 on a busy machine
ETH_P_ALL, SOL_PACKET, PACKET_STATISTICS, SO_RCVBUFFORCE = 3, 263, 6, 33
TALK = Path(__file__).with_name("signal.mjs")


def on_disk(store, needles):
    """{name: files of the store that hold it}."""
    files = [path for path in Path(store).rglob("*") if path.is_file()]
    expect.true(files, "the store has files")
    held = {path: path.read_bytes() for path in files}
    return {name: [str(path) for path, data in held.items() if needle in data] for name, needle in needles.items()}


class Capture:
    """All packets of this network namespace's interfaces while the block runs, but those of the loopback."""

    def __enter__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.settimeout(0.2)
        self.packets, self.ended = [], False
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()
        return self

    def _listen(self):
        while not self.ended:
            with contextlib.suppress(TimeoutError):
                packet, address = self.socket.recvfrom(65536)
                if address[0] != "lo":
                    self.packets.append(packet)

    def __exit__(self, *_):
        self.ended = True
        self.thread.join()
        packets, drops = struct.unpack("II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        self.socket.close()
        expect.equal(drops, 0, f"packets missed, of {packets}")

    def holds(self, needle):
        return sum(needle in packet for packet in self.packets)


def test_people_talk_and_the_relay_sees_ciphertext_only(appliance):
    """
    Text both ways with ticks, two devices, a photo, programs that end and begin again, safety numbers and a swapped key, a group of 256, a message
    that waits in a mailbox. What is said is on no packet (those to Bob and the group go without TLS: they are what the relay sees), in no
    memory of the relay's processes and in none of its files. What must be there is found by the same searches: on the wire a canary that was not
    sealed, and in memory and files the name of who has the mailbox.
    """
    names = ("address", "port", "plain_port", "server_name", "ca")
    where = json.dumps(dict(zip(names, appliance.need(*names))))
    store, _, _ = appliance.need("store", "config", "pids")
    secret, canary = f"plain-{secrets.token_hex(12)}", f"canary-{secrets.token_hex(12)}"
    with Capture() as wire:
        talk = subprocess.Popen(["node", TALK, where, secret, canary], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)
        try:
            told = talk.stdout.readline()
            expect.true(told.startswith("done "), told + ("" if told.startswith("done ") else talk.communicate(timeout=20)[0]))
            needles = {"said": secret.encode(), "recipient": bytes.fromhex(told.split()[1])}
            for program in ("waxwire-dataplane", "waxwire-control"):
                places = look(pid_of(appliance.where, program), needles)
                expect.equal(places["said"], [], f"what was said, in the memory of {program}")
                expect.true(places["recipient"], f"the recipient's name is in the memory of {program}")
            places = on_disk(store, needles)
            expect.equal(places["said"], [], "what was said, on the disk")
            expect.true(places["recipient"], "the recipient's name is on the disk")
            talk.stdin.close()
            expect.equal(talk.wait(20), 0)
        finally:
            talk.kill()
            talk.wait()
    expect.equal(wire.holds(secret.encode()), 0, "packets with what was said")
    expect.true(wire.holds(canary.encode()), "the canary is on the wire")
