# SPDX-License-Identifier: BSD-3-Clause
"""
Three network namespaces in a row: hosts a and b, and the middle box between them. They have no names: each
lives as long as a process of ours, which ends with us, so nothing stays behind whatever happens.
"""

import os
import subprocess
import time

ADDRESSES = {4: ("198.18.0.1", "198.18.0.2"), 6: ("2001:2::1", "2001:2::2")}
PREFIX = {4: 24, 6: 64}


def call(*command):
    subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


class Namespace:
    """A network namespace, held by a sleeping process."""

    def __init__(self):
        before = os.readlink("/proc/self/ns/net")
        self.prefix = []  # of the programs that run inside
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"],
                                        stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while os.readlink(f"/proc/{self.process.pid}/ns/net") == before or self.program() != "sleep":
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("no network namespace")
            time.sleep(0.005)

    def program(self):
        with open(f"/proc/{self.process.pid}/comm", encoding="ascii") as file:
            return file.read().strip()

    def enter(self, *command):
        """The command line that runs a program inside, and ends it when this program ends."""
        return ["nsenter", f"--net=/proc/{self.process.pid}/ns/net", "setpriv", "--pdeathsig", "KILL",
                *self.prefix, *[str(part) for part in command]]

    def call(self, *command):
        call(*self.enter(*command))

    def close(self):
        self.process.kill()
        self.process.wait()


class Host(Namespace):
    """A namespace with the interface `eth`, for the kernel's stack or for ours."""

    def __init__(self, middle, outside, index, family):
        super().__init__()
        self.address = ADDRESSES[family][index]
        self.kernel = None
        self.family = family
        middle.call("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth", "netns", self.process.pid)
        for place, name in ((middle, outside), (self, "eth")):
            # Whole frames with whole checksums, as on a wire.
            place.call("ethtool", "-K", name, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off")
        # Only the kernel's stack where it is the host, and nothing of its own in the middle, may speak.
        middle.call("sysctl", "-qw", f"net.ipv6.conf.{outside}.disable_ipv6=1")
        middle.call("ip", "link", "set", outside, "up")
        self.call("ip", "link", "set", "lo", "up")
        self.call("sysctl", "-qw", "net.ipv6.conf.eth.disable_ipv6=1")
        self.call("ip", "link", "set", "eth", "up")

    def use(self, kernel):
        """Give the interface to the kernel's stack, or take it away from it."""
        if kernel == self.kernel:
            return
        self.kernel = kernel
        self.call("ip", "addr", "flush", "dev", "eth")
        if self.family == 6:
            self.call("sysctl", "-qw", f"net.ipv6.conf.eth.disable_ipv6={int(not kernel)}")
        if kernel:
            extra = ["nodad"] if self.family == 6 else []
            self.call("ip", "addr", "add", f"{self.address}/{PREFIX[self.family]}", "dev", "eth", *extra)
            self.call("sysctl", "-qw", "net.ipv4.tcp_no_metrics_save=1", "net.ipv4.tcp_ecn=1")


class Network:
    """All three."""

    def __init__(self, family, prefix=()):
        self.middle = Namespace()
        self.hosts = []
        for index, outside in enumerate(("to-a", "to-b")):
            self.hosts.append(Host(self.middle, outside, index, family))
        for namespace in (*self.hosts, self.middle):
            namespace.prefix = list(prefix)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for namespace in (*self.hosts, self.middle):
            namespace.close()
