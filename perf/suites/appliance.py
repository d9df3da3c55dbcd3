# SPDX-License-Identifier: BSD-3-Clause
"""An appliance of our own over memif, with the generator as its clients: no privilege, no network."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from measure import ROOT, Failed, build

TARGETS = ("dataplane/worker/waxwire-dataplane", "control/waxwire-control", "control/waxctl", "perf/waxgen")
NAME = "relay.waxwire.test"


def memory_bytes(pid):
    """Resident pages of a process, and the huge pages of hugetlbfs beside them."""
    total = 0
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key in ("VmRSS", "HugetlbPages"):
            total += int(value.split()[0]) * 1024
    return total


def cpu_seconds(pid, threads=None):
    """Processor time of a process; of the threads whose names begin so."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            name = (task / "comm").read_text(encoding="utf-8").strip()
            fields = (task / "stat").read_text(encoding="utf-8").rsplit(") ", 1)[1].split()
        except OSError:
            continue
        if threads is None or name.startswith(threads):
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


class Appliance:
    """Both processes and a memif (or one for each generator), in a folder that goes with them."""

    def __init__(self, workers, limits, protocol=None, dataplane=None, prefix=15, gateway=None, cores=None, doors=1):
        self.paths = build(*TARGETS)
        self.folder = Path(tempfile.mkdtemp(prefix="waxwire-perf-"))
        self.processes = []
        self.workers = workers
        self.cores = cores  # of everything but the workers, as taskset wants them; None: any
        self.doors = [(self.folder / f"memif{door or ''}.sock", f"198.{18 + door}.0.1", prefix if doors == 1 else 16)
                      for door in range(doors)]
        self.gateway = [f'    gateway: "{gateway}"'] if gateway else []
        self.certificate()
        self.configuration(limits, protocol or {}, dataplane or {})

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error):
        self.stop()

    def certificate(self):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                   "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", self.folder / "key.pem",
                   "-out", self.folder / "certificate.pem"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"no certificate: {done.stderr[-500:]}")

    def configuration(self, limits, protocol, dataplane):
        sections = {
            "control": {"socket": self.folder / "control.sock", "admin_socket": self.folder / "admin.sock"},
            "store": {"directory": self.folder / "store"},
            "log": {"level": "warn"},
            "dataplane": {"workers": self.workers, "hugepages": "off", "memory_mib": 128, **dataplane},
            "tls": {"certificate": self.folder / "certificate.pem", "key": self.folder / "key.pem"},
            # The clients of waxgen share few addresses, and each sends more than people do.
            "limits": {"per_address": 0, "opens_per_s": 0, "device_sends_per_s": 0, "account_sends_per_s": 0, **limits},
            "protocol": protocol,
        }
        lines = []
        for section, keys in sections.items():
            if keys:
                lines += [f"{section}:", *(f"  {key}: {value}" for key, value in keys.items())]
        lines.append("ports:")
        for socket, address, prefix in self.doors:
            lines += ["  - kind: memif", f"    device: {socket}", "    memif_server: true",
                      f'    addresses: ["{address}/{prefix}"]', *self.gateway]
        lines += ["listeners:", "  - port: 443", "    tls: true"]
        self.config = self.folder / "waxwire.yaml"
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def spawn(self, name, command, first=False, **streams):
        prefix = ("taskset", "-c", self.cores) if self.cores and name != "dataplane" else ()
        prefix += ("nice", "-n", "-20") if first and os.geteuid() == 0 else ()
        with open(self.folder / f"{name}.log", "wb") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **streams}
            process = subprocess.Popen([str(part) for part in (*prefix, *command)], cwd=ROOT, **streams)
        self.processes.append((name, process))
        return process

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def start(self):
        self.control = self.spawn("control", [self.paths[1], "--config", self.config])
        self.start_dataplane()

    def start_dataplane(self):
        self.dataplane = self.spawn("dataplane", [self.paths[0], "--config", self.config])
        until = time.monotonic() + 120
        while time.monotonic() < until:
            for name, process in self.processes:
                if not name.startswith("waxgen") and process.poll() is not None:
                    raise Failed(f"{name} ended: {self.log(name)[-1000:]}")
            if all(socket.exists() for socket, _, _ in self.doors) and self.status().get("attached"):
                return
            time.sleep(0.1)
        raise Failed("the appliance did not come up")

    def restart_dataplane(self):
        """Kill it and start it again; returns when it has attached."""
        self.dataplane.kill()
        self.dataplane.wait()
        self.processes = [(name, process) for name, process in self.processes if process is not self.dataplane]
        for socket, _, _ in self.doors:
            socket.unlink(missing_ok=True)
        self.start_dataplane()

    def ask(self, *arguments):
        """What waxctl answers, as an object; empty when it doesn't."""
        done = subprocess.run([self.paths[2], "--socket", self.folder / "admin.sock", *arguments, "--json"],
                              capture_output=True, text=True, check=False)
        try:
            return json.loads(done.stdout)
        except json.JSONDecodeError:
            return {}

    def status(self):
        return self.ask("status").get("data_plane") or {}

    def generator(self, *arguments, door=0, first=False, **streams):
        """Start clients at one of the memifs; first: before all else on their core, where we may say so."""
        socket, address, prefix = self.doors[door]
        return self.spawn(f"waxgen{door or ''}",
                          [self.paths[3], "--memif", socket, "--ca", self.folder / "certificate.pem", "--server-name", NAME,
                           "--peer", address, "--address", f"{address[:-1]}2/{prefix}", "--seed", door + 1, "--json",
                           self.folder / f"waxgen{door or ''}.json", *arguments], first, **streams)

    def report(self, door=0):
        """What the generator wrote at its end."""
        try:
            return json.loads((self.folder / f"waxgen{door or ''}.json").read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            return {}

    def stop(self):
        for _, process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.processes = []
        shutil.rmtree(self.folder, ignore_errors=True)
