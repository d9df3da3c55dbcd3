# SPDX-License-Identifier: BSD-3-Clause
"""Sessions that are opened once and then relay one step after the other, and what the workers spent on each."""

import json
import os
import select
import subprocess
import time

import latency
from measure import Failed

FAULTS = ("lost", "duplicated", "reordered", "wrong", "rejected", "closed")


def look(appliance):
    """The workers' metrics, from a page that every worker has written since we began to look."""
    def ask():
        return appliance.ask("workers").get("workers") or []
    first, until = ask(), time.monotonic() + 10
    while time.monotonic() < until:
        time.sleep(0.06)
        seen = ask()
        if first and len(seen) == len(first) and all(new["polls"] != old["polls"] for new, old in zip(seen, first)):
            return seen
        first = first or seen
    raise Failed("the workers' metrics stand still: something else has their cores")


def difference(before, after, name):
    return sum(worker[name] for worker in after) - sum(worker[name] for worker in before)


def others():
    """The cores for the workers of one, and those that are left."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], ",".join(map(str, cores[1:] or cores))


class Steps:
    """The generator, as it waits for commands."""

    def __init__(self, appliance, sessions, *arguments, patience_s=60, door=0):
        self.appliance, self.sessions, self.log = appliance, sessions, "waxgen" + str(door or "")
        self.process = appliance.generator("--sessions", sessions, "--opening", min(sessions, 128), "--patience", patience_s,
                                           "--commands", "--performance", *arguments, door=door, stdin=subprocess.PIPE,
                                           stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.terminate()

    def failed(self):
        return Failed(f"the generator: {self.appliance.log(self.log)[-800:]}")

    def run(self, timeout_s=600, **options):
        """A step; returns the generator's report of it."""
        words = []
        for name, value in options.items():
            if value is not None and value is not False:
                words += [f"--{name}"] + ([] if value is True else [str(value)])
        try:
            self.process.stdin.write((" ".join(words) + "\n").encode())
            self.process.stdin.flush()
        except OSError as error:
            raise self.failed() from error
        return self.read(timeout_s)

    def read(self, timeout_s):
        text, until = b"", time.monotonic() + timeout_s
        while not text.endswith(b"\n}\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))
            some = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not some:
                raise self.failed()
            text += some
        report = json.loads(text)
        if not report["ok"]:
            raise self.failed()
        return report

    def measured(self, **options):
        """A step, and what the workers did meanwhile: a point."""
        before = look(self.appliance)
        report = self.run(**options)
        return self.point(report, before, look(self.appliance))

    def point(self, report, before, after):
        second = after[0]["cycles_per_s"]
        busy = difference(before, after, "busy_cycles") * 1e9 / second / max(report["completed"], 1)
        times = latency.between(before, after)
        bursts = difference(before, after, "rx_bursts")
        return {"sessions": self.sessions, "window": report["window"], "payload": report["payload"], "matrix": report["matrix"],
                "silent": report["silent"], "rate": report["rate"], "messages": report["completed"],
                "messages_per_s": report["messages_per_s"], "worker_busy_ns_per_message": round(busy, 1),
                "capacity_per_core": round(1e9 / busy), "mean_burst": round(difference(before, after, "rx_packets") / max(bursts, 1), 2),
                "packets_in_per_message": round(difference(before, after, "rx_packets") / max(report["completed"], 1), 3),
                "packets_out_per_message": round(difference(before, after, "tx_packets") / max(report["completed"], 1), 3),
                "worker_busy_share": round(busy * report["messages_per_s"] / 1e9, 3), "retransmits": difference(before, after, "retransmits"),
                "stored": report["accepted"], **{fault: report[fault] for fault in FAULTS},
                **{f"inside_{name}": value for name, value in times.items()},
                **{f"end_to_end_{name}": report[name] for name in ("p50_us", "p99_us", "p999_us", "max_us")}}

    def search(self, messages, seconds, percent, **options):
        """The highest rate at which nothing is lost, of the whole set-up, and how many trials that took."""
        report = self.run(messages=messages, seconds=seconds, search=percent, **options)
        if report["no_loss_per_s"] == 0:
            raise Failed("no rate was low enough")
        return report["no_loss_per_s"], report["trials"]
