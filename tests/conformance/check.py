#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
Checks the conformance tables against the tests: plays all scripts of packets, runs the Criterion programs that
rows name, and demands that each row's tests exist and pass; that the pages are current; and that every folder of
scripts is in the test run.

    tests/conformance/check.py --build BUILD    check
    tests/conformance/check.py --write          write docs/tcp-conformance.md and the others anew

Tests over a running appliance (e2e-...) can't be run here: those must exist, and are run by the stage `e2e`.
"""

import argparse
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import page
import rows

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "tests/packet"
# A table's name, and how many rows it has at the least.
TABLES = {"tcp": 150, "tls": 100, "protocol": 80}
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


def functions(path):
    """The tests of a file of end-to-end tests, all taken for passed; None when it isn't there."""
    if not path.exists():
        return None
    return {name: True for name in re.findall(r"^def (test_\w+)\(appliance", path.read_text(encoding="utf-8"), flags=re.M)}


def run_program(build, program):
    """{name: passed} of a program of tests, or None when it isn't there."""
    if program.startswith("e2e-"):
        return functions(ROOT / "tests/e2e" / f"test_{program.removeprefix('e2e-')}.py")
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


def faults_of_count(rfcs, least):
    count = sum(len(rfc.rows) for rfc in rfcs)
    return [] if count >= least else [f"only {count} rows of {least}"]


def page_of(table):
    return ROOT / f"docs/{table}-conformance.md"


def load(table):
    return rows.load(Path(__file__).parent / table)


def check_table(table, results):
    """Prints what is wrong with a table, and how long it is; returns the number of faults."""
    rfcs, faults = load(table)
    faults += faults_of_tests(rfcs, results) + faults_of_count(rfcs, TABLES[table])
    path = page_of(table)
    if not faults and (not path.exists() or path.read_text(encoding="utf-8") != page.make(table, rfcs)):
        faults.append(f"{path.relative_to(ROOT)} is not what the rows say: run tests/conformance/check.py --write")
    for fault in faults:
        print(fault)
    done = sum(bool(row.tests) for rfc in rfcs for row in rfc.rows)
    print(f"{table}: {sum(len(rfc.rows) for rfc in rfcs)} rows, {done} with tests, {len(faults)} faults")
    return len(faults)


def check(build):
    programs = sorted({program for table in TABLES for rfc in load(table)[0] for row in rfc.rows for program, _ in row.tests})
    with ThreadPoolExecutor(2) as pool:
        results = dict(zip(programs, pool.map(lambda program: run_program(build, program), programs)))
    count = sum(check_table(table, results) for table in TABLES)
    forgotten = faults_of_folders((SCRIPTS / "meson.build").read_text(), {folder.name for folder in script_folders()})
    for fault in forgotten:
        print(fault)
    return 1 if count or forgotten else 0


def write():
    wrong = False
    for table in TABLES:
        rfcs, faults = load(table)
        for fault in faults:
            print(fault)
        if not faults:
            page_of(table).write_text(page.make(table, rfcs), encoding="utf-8")
        wrong = wrong or bool(faults)
    return 1 if wrong else 0


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
