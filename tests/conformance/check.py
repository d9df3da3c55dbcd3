#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
Checks the conformance table against the tests: plays all scripts of packets, runs the Criterion programs that
rows name, and demands that each row's tests exist and pass; that the page is current; and that every folder of
scripts is in the test run.

    tests/conformance/check.py --build BUILD    check
    tests/conformance/check.py --write          write docs/tcp-conformance.md anew
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import page
import rows

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/tcp-conformance.md"
ROWS = Path(__file__).parent / "rows"
SCRIPTS = ROOT / "tests/packet"
ROWS_MIN = 150
TAP = re.compile(r"^(ok|not ok)\s+(?:\d+\s+)?-\s+(\S+)", flags=re.M)


def outcomes(text):
    """{name: passed} of lines of TAP; Criterion's names lose their suite. Run twice, both must pass."""
    found = {}
    for word, name in TAP.findall(text):
        name = name.rstrip(":").split("::")[-1]
        found[name] = found.get(name, True) and word == "ok"
    return found


def script_folders():
    return sorted({path.parent for path in SCRIPTS.rglob("*.pkt")})


def run_program(build, program):
    """{name: passed} of a program of tests, or None when it isn't there."""
    if program == "packet":
        path = build / "tests/packet/packet"
        command = [path, *(folder for folder in script_folders() if folder.name != "selftest")]
    else:
        layer = program.split("-")[1]
        path = build / "tests/unit" / layer / program
        command = [path, "--tap=-"]
    if not path.exists():
        return None
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, errors="replace",
                          timeout=600, check=False)
    return outcomes(done.stdout)


def faults_of_tests(rfcs, results):
    """Rows whose tests don't exist or didn't pass. `results`: {program: {name: passed} or None}."""
    faults = []
    for rfc in rfcs:
        for row in rfc.rows:
            for program, name in row.tests:
                ran = results.get(program)
                if ran is None:
                    faults.append(f"{row.line}: {row.name()}: there is no program {program}")
                elif name not in ran:
                    faults.append(f"{row.line}: {row.name()}: {program} has no test {name}")
                elif not ran[name]:
                    faults.append(f"{row.line}: {row.name()}: {program} {name} failed")
    return faults


def faults_of_folders(meson, folders):
    """Folders of scripts that the test run doesn't know."""
    named = set(re.findall(r"'([\w-]+)'", re.search(r"packet_folders = \[(.*?)\]", meson, flags=re.S)[1]))
    return [f"tests/packet/{name} is not among packet_folders of tests/packet/meson.build" for name in folders - named]


def faults_of_count(rfcs):
    count = sum(len(rfc.rows) for rfc in rfcs)
    return [] if count >= ROWS_MIN else [f"only {count} rows of {ROWS_MIN}"]


def check(build):
    rfcs, faults = rows.load(ROWS)
    programs = sorted({program for rfc in rfcs for row in rfc.rows for program, _ in row.tests})
    results = {program: run_program(build, program) for program in programs}
    faults += faults_of_tests(rfcs, results) + faults_of_count(rfcs)
    faults += faults_of_folders((SCRIPTS / "meson.build").read_text(), {folder.name for folder in script_folders()})
    if not faults and (not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page.make(rfcs)):
        faults.append(f"{PAGE.relative_to(ROOT)} is not what the rows say: run tests/conformance/check.py --write")
    for fault in faults:
        print(fault)
    done = sum(bool(row.tests) for rfc in rfcs for row in rfc.rows)
    print(f"{sum(len(rfc.rows) for rfc in rfcs)} rows, {done} with tests, {len(faults)} faults")
    return 1 if faults else 0


def write():
    rfcs, faults = rows.load(ROWS)
    for fault in faults:
        print(fault)
    if not faults:
        PAGE.write_text(page.make(rfcs), encoding="utf-8")
    return 1 if faults else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, help="the build folder, built")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.write:
        return write()
    if options.build is None:
        parser.error("--build or --write")
    return check(options.build)


if __name__ == "__main__":
    sys.exit(main())
