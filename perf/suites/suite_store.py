# SPDX-License-Identifier: BSD-3-Clause
"""
Suite store: messages made durable by the mailbox store beside databases, on the same device, one engine after the
other in turns, so that whatever else the disk does meets all. So many senders have a message under way each; a
database takes all that wait in one transaction and syncs it. perf/micro/bench_store.c has the engines.
"""

import os
import shutil
import tempfile
from pathlib import Path

from measure import Failed, build, run_json

ENGINES = ("waxwire", "lmdb", "rocksdb", "sqlite")
QUICK = ((1000, 256),)
FULL = ((1, 256), (64, 256), (1000, 256), (10000, 256), (1000, 1024))
HEADLINE = (1000, 256)


def one(bench, folder, engine, senders, payload, seconds, again=False):
    """One run of an engine in a folder of its own."""
    where = folder / "run"
    try:
        return run_json([bench, engine, where, "--senders", senders, "--payload", payload, "--seconds", seconds,
                         "--again", int(again)], 120 + 10 * seconds)
    finally:
        shutil.rmtree(where, ignore_errors=True)


def median(results):
    return sorted(results, key=lambda result: result["stored_per_s"])[len(results) // 2]


def measure(options, measured):
    bench = build("perf/micro/bench-store")[0]
    seconds, rounds, points = (2, 2, QUICK) if options.quick else (5, 3, FULL)
    base = os.environ.get("WAXWIRE_STORE_FOLDER", "/var/tmp")  # a real disk: /tmp may be memory
    folder = Path(tempfile.mkdtemp(prefix="waxwire-store-", dir=base))
    absent, results = {}, []
    try:
        disk = one(bench, folder, "disk", 1, 1024, seconds)
        for senders, payload in points:
            runs = {engine: [] for engine in ENGINES if engine not in absent}
            for _ in range(rounds):
                for engine in list(runs):
                    try:
                        runs[engine].append(one(bench, folder, engine, senders, payload, seconds))
                    except Failed as failed:
                        if "no such engine" not in str(failed):
                            raise
                        absent[engine] = "its library is not installed"
                        del runs[engine]
            results += [median(some) for some in runs.values()]
        again = one(bench, folder, "waxwire", *HEADLINE, seconds, again=True)
        churn = one(bench, folder, "churn", 1000, 1024, 12 if options.quick else 60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tell(measured, results, disk, again, absent)
    keys = {key: churn[key] for key in ("living_mb", "written_per_byte", "copied_per_byte", "keys_per_byte", "log_per_living",
                                        "unreadable_after_ms")}
    measured.keys["churn"] = keys
    measured.say(f"  {keys['living_mb']} MB of 1 KiB messages live, 1 % of them go each second at random, keys within a second: each byte that "
                 f"comes is written {keys['written_per_byte']} times,\n  {keys['copied_per_byte']} of it copies, {keys['keys_per_byte']} keys; "
                 f"the log is {keys['log_per_living']} times what lives; unreadable after {keys['unreadable_after_ms']} ms at most")


def tell(measured, results, disk, again, absent):
    measured.table("messages on stable storage (1 sender waits for each; 10,000 fill large commits)",
                   ("senders, payload, engine", "per second", "p50 ms", "p99 ms", "messages a commit", "CPU us each"),
                   [(f"{r['senders']:,}, {r['payload']} B, {r['engine']}", f"{r['stored_per_s']:,}", r["p50_ms"], r["p99_ms"],
                     round(r["messages"] / max(r["commits"], 1), 1), r["cpu_us_per_message"]) for r in results])
    head = {r["engine"]: r for r in results if (r["senders"], r["payload"]) == HEADLINE}
    ours = head["waxwire"]
    measured.keys.update({
        "points": results, "stored_per_s": ours["stored_per_s"], "stored_mb_per_s": ours["stored_mb_per_s"],
        "accept_p99_ms": ours["p99_ms"], "disk_mb_per_s": disk["stored_mb_per_s"],
        "index_bytes_per_message": again["index_bytes_per_message"], "recovery_mb_per_s": again["recovery_mb_per_s"],
        "recovery_mb_per_cpu_s": again["recovery_mb_per_cpu_s"],
        "drained_per_s": again["drained_per_s"]})
    for engine in ("lmdb", "rocksdb", "sqlite"):
        if engine in head:
            measured.keys[f"{engine}_stored_per_s"] = head[engine]["stored_per_s"]
        else:
            measured.missing(f"{engine}_stored_per_s", absent.get(engine, "not measured"))
    measured.missing("appliance_stored_per_s", "only the engines are measured, not clients over the network")
    better = max((r["stored_per_s"] for name, r in head.items() if name != "waxwire"), default=None)
    measured.keys["ratio_to_the_better"] = round(ours["stored_per_s"] / better, 2) if better else None
    measured.say(f"\n  {measured.keys['ratio_to_the_better']} times the better database at {HEADLINE[0]} senders; the disk alone writes "
                 f"{disk['stored_mb_per_s']} MB/s;\n  a start reads {again['recovery_mb_per_s']} MB/s of log, a drain gives "
                 f"{again['drained_per_s']:,} messages/s, a message takes {again['index_bytes_per_message']} bytes of memory")
