# SPDX-License-Identifier: BSD-3-Clause
"""
Where a worker's time goes, by perf's samples of its thread: each function belongs to the library of ours, or of
others, that it lies in. What an idle worker does is sampled as well, and taken off in proportion to the idle time.
"""

import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from measure import BUILD, run
from steps import difference, look

OTHERS = (("libIPSec_MB", "crypto"), ("libcrypto", "crypto"), ("libsodium", "crypto"), ("librte", "port (DPDK)"), ("libc", "libc"),
          ("[kernel", "kernel"), ("[vdso", "kernel"))
LINE = re.compile(r"^\s*([\d.]+)%\s+(\S+)\s+\[[.k]\]\s+(\S+)")
IDLE_S = 2


def available():
    return shutil.which("perf") is not None and shutil.which("nm") is not None


def libraries():
    """Functions of our libraries: which one they are in. A name that several have is left to the first."""
    found = {}
    for path in sorted((BUILD / "dataplane").glob("*/lib*.a")):
        part = path.parent.name
        for line in run(["nm", path], 30).splitlines():
            fields = line.split()
            if len(fields) == 3 and fields[1] in "tT":
                found.setdefault(fields[2].split(".")[0], part)
    return found


def thread_of(pid, name="worker"):
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text(encoding="utf-8").strip().startswith(name):
            return task.name
    return str(pid)


class Samples:
    """Shares of a thread's time, function by function, while a block runs."""

    def __init__(self, appliance, known):
        self.thread, self.known = thread_of(appliance.dataplane.pid), known

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="waxwire-perf-")
        self.data = Path(self.folder.name) / "perf.data"
        self.process = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999", "-t", self.thread, "-o", self.data],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.3)
        return self

    def __exit__(self, *error):
        self.process.send_signal(2)
        self.process.wait(30)
        self.functions = {}
        if error[0] is None:
            text = run(["perf", "report", "-i", self.data, "--stdio", "-q", "--no-children", "-F", "overhead,dso,symbol"], 60)
            for line in text.splitlines():
                match = LINE.match(line)
                if match:
                    key = (self.part(match.group(2), match.group(3)), match.group(3))
                    self.functions[key] = self.functions.get(key, 0) + float(match.group(1)) / 100
        self.folder.cleanup()

    def part(self, dso, symbol):
        if dso.startswith("waxwire"):
            return self.known.get(symbol.split(".")[0], "worker")
        return next((part for prefix, part in OTHERS if dso.startswith(prefix)), dso)


def steps(generator, wanted, points, measured):
    """The parts of each step's cost, {step: {part: ns}}; None with a reason where there is no perf."""
    if not available():
        measured.missing("breakdown", "perf or nm is not installed")
        return None
    known, found = libraries(), {}
    with Samples(generator.appliance, known) as idle:
        time.sleep(IDLE_S)
    for step, point in zip(wanted, points):
        before = look(generator.appliance)
        with Samples(generator.appliance, known) as busy:
            report = generator.run(rate=point["rate"], seconds=3, **step)
        after = look(generator.appliance)
        title = f"{step['matrix']}, window {step['window']}{', silent' if step.get('silent') else ''}"
        found[title] = parts(busy.functions, idle.functions, report, before, after)
    return found


def parts(busy, idle, report, before, after):
    spent = {name: difference(before, after, name) / after[0]["cycles_per_s"] for name in ("busy_cycles", "idle_cycles")}
    sampled = sum(spent.values())
    by_part, by_function = {}, {}
    for key in {*busy, *idle}:
        ns = (busy.get(key, 0) * sampled - idle.get(key, 0) * spent["idle_cycles"]) * 1e9 / report["completed"]
        by_part[key[0]] = by_part.get(key[0], 0) + ns
        by_function[f"{key[0]}: {key[1]}"] = ns
    whole = spent["busy_cycles"] * 1e9 / report["completed"]
    listed = {name: round(ns, 1) for name, ns in sorted(by_part.items(), key=lambda item: -item[1]) if ns >= 1}
    most = {f"  {name}": round(ns, 1) for name, ns in sorted(by_function.items(), key=lambda item: -item[1])[:25] if ns >= 1}
    return {"all": round(whole, 1), **listed, **most}
