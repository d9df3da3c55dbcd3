# SPDX-License-Identifier: BSD-3-Clause
"""
waxwire's TCP as a host in a network namespace, the kernel's in another, and between them a middle box that
drops, reorders, duplicates, delays and corrupts with a seed. Without --matrix: a short series of transfers in
which every byte must arrive (in tests/run). With it: the same bytes from Linux to Linux, from waxwire to Linux
and from Linux to waxwire over the same path, at each loss, with the goodput beside each other.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from network import Network
from trial import Trial

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
CASES = {"LL": "Linux to Linux", "WL": "waxwire to Linux", "LW": "Linux to waxwire"}


def parse():
    parser = argparse.ArgumentParser(prog="tests/kernel/run", description=__doc__)
    parser.add_argument("--programs", type=Path, default=ROOT / "build-release/tests/kernel", help="folder of the programs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--family", type=int, choices=(4, 6), help="IPv4 or IPv6 (default: 4, and in the short form some of 6)")
    parser.add_argument("--only", default="", help="run only trials whose name contains this")
    parser.add_argument("--pcap", help="the middle box writes what it receives to this file (of the last trial)")
    parser.add_argument("--verbose", action="store_true", help="print what all sides reported")
    parser.add_argument("--matrix", action="store_true", help="the goodput matrix")
    group = parser.add_argument_group("of the matrix")
    group.add_argument("--mib", type=int, default=1024, help="to be sent, of all connections together (default 1024)")
    group.add_argument("--connections", type=int, default=8, help="at a time (default 8)")
    group.add_argument("--loss", default="0,0.1,1,5", help="per cent, each direction (default 0,0.1,1,5)")
    group.add_argument("--cases", default="LL,WL,LW", help="sender and receiver: L is Linux, W waxwire")
    group.add_argument("--rtt-ms", type=float, default=10, help="of the path without its queue (default 10)")
    group.add_argument("--rate-mbit", type=float, default=200, help="of the path (default 200)")
    group.add_argument("--queue", type=int, default=256, help="packets that wait for the rate (default 256)")
    group.add_argument("--window-kib", type=int, default=256, help="receive window of both stacks (default 256)")
    group.add_argument("--realtime", action="store_true",
                       help="run peers and middle box before everything else on the machine, when others use it, too")
    group.add_argument("--json", type=Path, help="write the figures here")
    return parser.parse_args()


def short_trials(seed):
    """Every fault, both roles, both directions at once, several connections: within 20 s."""
    delay = {"delay_us": 1000}
    fast = {**delay, "rate_kbit": 400000, "queue": 300}
    harm = {**delay, "loss": 10, "reorder": 20, "duplicate": 10, "corrupt": 5, "jitter_us": 200}
    bursts = {**delay, "burst": 2, "burst_us": 2000}
    common = {"seed": seed, "seconds": 45}
    return [
        Trial("Linux to Linux, for comparison", "LL", MIB, MIB, 2, harm, **common),
        Trial("waxwire sends 8 MiB", "WL", 8 * MIB, 0, 1, fast, **common),
        Trial("Linux sends 8 MiB", "LW", 8 * MIB, 0, 1, fast, **common),
        Trial("waxwire connects, both send, everything goes wrong", "WL", 2 * MIB, 2 * MIB, 4, harm, **common),
        Trial("Linux connects, both send, everything goes wrong", "LW", 2 * MIB, 2 * MIB, 4, harm, **common),
        Trial("waxwire sends through bursts of loss", "WL", 2 * MIB, 0, 2, bursts, **common),
        Trial("Linux sends through bursts of loss", "LW", 2 * MIB, 0, 2, bursts, **common),
        Trial("32 short connections to Linux", "WL", 20000, 30000, 32, harm, **common),
        Trial("32 short connections to waxwire", "LW", 20000, 30000, 32, harm, **common),
        Trial("16 connections by SYN cookies, everything goes wrong", "LW", MIB // 4, MIB // 4, 16, harm, cookies=True, **common),
        Trial("a window of 8 KiB at Linux", "WL", MIB // 2, 0, 2, {**delay, "loss": 5}, window=8192, **common),
        Trial("a window of 8 KiB at waxwire", "LW", MIB // 2, 0, 2, {**delay, "loss": 5}, window=8192, **common),
        Trial("waxwire sends over a path that marks", "WL", 2 * MIB, MIB, 2, {**fast, "mark": 10}, ecn=True, **common),
        Trial("Linux sends over a path that marks", "LW", 2 * MIB, MIB, 2, {**fast, "mark": 10}, ecn=True, **common),
        Trial("everything through a narrow path, waxwire connects", "WL", MIB, MIB, 2, {**fast, "mtu": 1300, "told": 1}, **common),
        Trial("everything through a narrow path, Linux connects", "LW", MIB, MIB, 2, {**fast, "mtu": 1300, "told": 1}, **common),
        Trial("waxwire sends through a black hole", "WL", MIB // 4, 0, 2, {**fast, "mtu": 1300}, **common),
        Trial("only acknowledgements are harmed, waxwire sends", "WL", 4 * MIB, 0, 2, fast, harm, **common),
        Trial("only acknowledgements are harmed, Linux sends", "LW", 4 * MIB, 0, 2, fast, harm, **common),
    ]


def short(options):
    families = [options.family] if options.family else [4, 6]
    return sum(short_family(options, family, len(families) == 2 and family == 6) for family in families)


def short_family(options, family, some):
    failed = 0
    with Network(family) as network:
        for trial in short_trials(options.seed):
            if options.only not in trial.name or (some and "everything" not in trial.name):
                continue
            reports = []
            try:
                reports = trial.run(network, options.programs, options.pcap)
                found = trial.faults(*reports)
            except Exception as error:  # one broken trial must not hide the others
                found = [f"{type(error).__name__}: {error}"]
            failed += bool(found)
            print("not ok" if found else "ok", f"{trial.name} (IPv{family})", flush=True)
            told = [*found, *[json.dumps(report) for report in reports if options.verbose or found]]
            if found:
                told.append(f"again with: tests/kernel/run --seed {options.seed} --family {family} "
                            f"--only '{trial.name}'")
            print("".join(f"    {line}\n" for line in told), end="", flush=True)
    return failed


def matrix_trial(options, case, loss):
    each = options.mib * MIB // options.connections
    path = {"loss": loss * 10, "delay_us": int(options.rtt_ms * 500), "rate_kbit": int(options.rate_mbit * 1000),
            "queue": options.queue}
    return Trial(f"{CASES[case]}, {loss}% loss", case, each, 0, options.connections, path, seed=options.seed,
                 seconds=3600, window=options.window_kib << 10, buffer=2 * MIB)


def goodput_mbit(options, client):
    return options.mib * MIB * 8 / client["seconds"] / 1e6


def matrix(options):
    losses = [float(part) for part in options.loss.split(",")]
    cases = options.cases.split(",")
    results, failed = [], 0
    print(f"{options.mib} MiB over {options.connections} connection(s), IPv{options.family}, round trip {options.rtt_ms} ms, "
          f"{options.rate_mbit} Mbit/s, queue of {options.queue} packets, window of {options.window_kib} KiB, "
          f"seed {options.seed}; Mbit/s of payload, in brackets against Linux to Linux")
    print(f"{'loss':>6} " + " ".join(f"{CASES[case]:>24}" for case in cases))
    with Network(options.family, ["chrt", "--fifo", "1"] if options.realtime else []) as network:
        for loss in losses:
            row, base = [], None
            for case in cases:
                trial = matrix_trial(options, case, loss)
                reports = trial.run(network, options.programs, options.pcap)
                found = trial.faults(*reports)
                mbit = goodput_mbit(options, reports[0])
                base = mbit if case == "LL" else base
                ratio = mbit / base if base else None
                failed += bool(found)
                results.append({"case": case, "loss_percent": loss, "goodput_mbit": round(mbit, 2),
                                "ratio": ratio and round(ratio, 3), "seconds": reports[0]["seconds"], "faults": found,
                                "stack": reports[case.find("W")]["stack"] if "W" in case else None, "box": reports[2]})
                row.append(f"{mbit:9.1f}" + (f" ({ratio:4.2f})" if ratio else "       ") + (" WRONG" if found else ""))
            print(f"{loss:>5}% " + " ".join(f"{cell:>24}" for cell in row), flush=True)
    if options.json:
        settings = {key: value for key, value in vars(options).items() if isinstance(value, (int, float, str))}
        options.json.write_text(json.dumps({"settings": settings, "errors": failed, "results": results}, indent=1) + "\n")
    for result in results:
        for fault in result["faults"]:
            print(f"{result['case']} at {result['loss_percent']}%: {fault}")
        if options.verbose:
            print(json.dumps(result))
    return failed


def main():
    options = parse()
    if os.geteuid() != 0:
        print("skip transfers against the kernel's TCP: needs root")
        return 0
    options.programs = options.programs.resolve()
    if options.matrix:
        options.family = options.family or 4
    return 1 if (matrix(options) if options.matrix else short(options)) else 0


if __name__ == "__main__":
    sys.exit(main())
