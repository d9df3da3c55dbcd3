# SPDX-License-Identifier: BSD-3-Clause
"""One transfer through the middle box, and what has to be true of it."""

import json
import subprocess
import time

STACKS = {"L": "kernel-peer", "W": "wax-peer"}


class Trial:
    """Which stack connects to which, what is sent, and over what path."""

    def __init__(self, name, stacks, send, receive=0, connections=1, there=None, back=None, seed=1, seconds=60,
                 window=256 << 10, buffer=512 << 10, cookies=False, ecn=False):
        self.name = name
        self.stacks = stacks  # of the client and of the server: "WL", "LW", "LL"
        self.send, self.receive, self.connections = send, receive, connections
        self.there, self.back = dict(there or {}), dict(back or there or {})
        self.seed, self.seconds = seed, seconds
        self.window, self.buffer = window, buffer
        self.cookies, self.ecn = cookies, ecn

    def peer(self, network, programs, index):
        """The command of the client (0) or server (1)."""
        host = network.hosts[index]
        command = [programs / STACKS[self.stacks[index]], "--server" if index else "--client", "--local", host.address,
                   "--peer", network.hosts[1 - index].address, "--interface", "eth", "--connections", self.connections,
                   "--seed", self.seed, "--window", self.window, "--buffer", self.buffer,
                   "--seconds", self.seconds + 3 * index, *(["--cookies"] if self.cookies else []), *(["--ecn"] if self.ecn else [])]
        if index == 0:
            command += ["--send", self.send, "--receive", self.receive]
        return host.enter(*command)

    def path(self, network, programs, pcap):
        def settings(values):
            return ",".join(f"{key}={value}" for key, value in values.items()) or "loss=0"

        return network.middle.enter(programs / "middle-box", "--ab", "to-a", settings(self.there), "--ba", "to-b",
                                    settings(self.back), "--seed", self.seed, *(["--pcap", pcap] if pcap else []))

    def run(self, network, programs, pcap=None):
        """Returns what client, server and middle box reported: three dictionaries."""
        for index in (0, 1):
            network.hosts[index].use(self.stacks[index] == "L")
        running = []
        try:
            box = start(self.path(network, programs, pcap), running)
            server = start(self.peer(network, programs, 1), running)
            client = start(self.peer(network, programs, 0), running, ready=False)
            texts = [client.communicate(timeout=self.seconds + 20)[0], server.communicate(timeout=20)[0]]
            box.terminate()
            texts.append(box.communicate(timeout=20)[0])
            return [json.loads(text) for text in texts]
        finally:
            for process in running:
                process.kill()
                process.wait()

    def faults(self, client, server, box):
        """What is wrong with the outcome, a list of texts."""
        found = []
        sides = [{each["seed"]: each for each in report["connections"]} for report in (client, server)]
        if set(sides[0]) != set(sides[1]) or len(sides[0]) != self.connections:
            return [f"the sides know different connections: {sorted(sides[0])}, {sorted(sides[1])}"]
        for seed, mine in sides[0].items():
            other = sides[1][seed]
            for side, each in (("client", mine), ("server", other)):
                if each["error"] is not None:
                    found.append(f"{side} of {seed}: {each['error']} after {each['sent']} bytes sent, "
                                 f"{each['received']} received")
            if (mine["sent"], mine["sent_hash"]) != (other["received"], other["received_hash"]):
                found.append(f"{seed}: the server has other bytes than the client sent")
            if (mine["received"], mine["received_hash"]) != (other["sent"], other["sent_hash"]):
                found.append(f"{seed}: the client has other bytes than the server sent")
            if (mine["sent"], mine["received"]) != (self.send, self.receive):
                found.append(f"{seed}: {mine['sent']} and {mine['received']} bytes")
        for way, wanted in (("ab", self.there), ("ba", self.back)):
            for key, count in (("loss", "lost"), ("burst", "lost"), ("duplicate", "duplicated"), ("reorder", "reordered"),
                               ("corrupt", "corrupted")):
                if wanted.get(key, 0) * box[way]["in"] > 5000 and box[way][count] == 0:
                    found.append(f"the middle box did nothing: {way} {count}")
        for report in (client, server):
            if self.ecn and report["stack"] and (report["stack"]["ecn_marks"] == 0 or report["stack"]["ecn_reductions"] == 0):
                found.append("marks had no effect")
        if "mtu" in self.there and box["ab"]["too_big"] == 0:
            found.append("no packet was too big")
        if self.cookies and server["stack"]["cookies"] < self.connections:
            found.append(f"{server['stack']['cookies']} connections were opened by a cookie")
        if box["refused"]:
            found.append(f"the middle box could not send {box['refused']} packets")
        return found


def start(command, running, ready=True):
    """A program of ours; one that says so is ready when this returns."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE if ready else None, text=True)
    running.append(process)
    if ready:
        deadline = time.monotonic() + 10
        line = process.stderr.readline()
        if line != "ready\n" or time.monotonic() > deadline:
            raise RuntimeError(f"{command}: {line}{process.stderr.read()}")
    return process
