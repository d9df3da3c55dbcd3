# SPDX-License-Identifier: BSD-3-Clause
"""
Suite directory: a directory of many accounts on a real disk, opened with nothing of it in memory, and asked by one
core. perf/micro/bench_directory.c does it.
"""

import os
import shutil
import tempfile
from pathlib import Path

from measure import build, run_json

ROWS = (
    ("look-ups, while it comes from the disk", "cold_look_ups"),
    ("look-ups of an account", "look_ups"),
    ("may this account write to that device?", "permissions"),
    ("bundles, without one-time keys", "bundles"),
)


def measure(options, measured):
    bench = build("perf/micro/bench-directory")[0]
    accounts, seconds = (200000, 2) if options.quick else (10000000, 5)
    base = os.environ.get("WAXWIRE_STORE_FOLDER", "/var/tmp")  # a real disk: /tmp may be memory
    folder = Path(tempfile.mkdtemp(prefix="waxwire-directory-", dir=base))
    try:
        keys = run_json([bench, "--directory", folder, "--accounts", accounts, "--seconds", seconds], 600)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    measured.keys.update(keys)
    measured.table(f"one core asks a directory of {accounts:,} accounts ({keys['file_mb']:,.0f} MB)",
                   ("what", "per second", "per second of its processor time"),
                   [(text, f"{keys[key + '_per_s']:,.0f}", f"{keys[key + '_per_cpu_s']:,.0f}") for text, key in ROWS])
    measured.say(f"\n  opened in {keys['opened_ms']} ms with nothing of it in memory, the first look-up {keys['first_look_up_ms']} ms later;\n"
                 f"  {keys['one_time_keys_per_s']:,.0f} one-time keys a second, each durably taken before it is given, to {keys['askers']} askers: "
                 f"p50 {keys['one_time_keys_p50_ms']} ms, p99 {keys['one_time_keys_p99_ms']} ms")
