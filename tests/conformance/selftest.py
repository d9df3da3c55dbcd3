#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The check of the conformance table finds what is planted for it."""

import sys
import tempfile
from pathlib import Path

import check
import page
import rows

GOOD = """# comment
rfc 9293 Transmission Control Protocol

row 3.1 MUST-2
ask  the sender computes
     the checksum
do   it does
test packet right
test unit-tcp-open right_too

row 3.9.1 MUST-48
ask  Diffserv
not  one class is enough

row 3.8.1
ask  a minimum of 1 s
do   200 ms
but  a second is long
test packet right
"""
RESULTS = {"packet": {"right": True, "wrong": False}, "unit-tcp-open": {"right_too": True}}

failures = []


def expect(what, good):
    if not good:
        failures.append(what)


def faults(text):
    rfc, found = rows.parse("x.rows", text)
    return found + (check.faults_of_tests([rfc], RESULTS) if rfc else [])


def planted(what, old, new, message):
    """GOOD with `old` replaced must give a fault with `message`."""
    expect(f"{what}: nothing to plant", old in GOOD)
    found = faults(GOOD.replace(old, new, 1))
    expect(f"{what}: found {found}", any(message in fault for fault in found))


def main():
    expect(f"the good rows: {faults(GOOD)}", faults(GOOD) == [])
    planted("a row without a test", "test packet right\ntest unit-tcp-open right_too\n", "", "has no test")
    planted("a test that failed", "packet right", "packet wrong", "packet wrong failed")
    planted("a test that isn't there", "packet right", "packet none", "packet has no test none")
    planted("a program that isn't there", "unit-tcp-open", "unit-tcp-shut", "there is no program unit-tcp-shut")
    planted("a test of another program", "unit-tcp-open right_too", "unit-tcp-open right", "has no test right")
    planted("a program of another kind", "unit-tcp-open right_too", "make all", "a test is")
    planted("an end-to-end test of no file", "unit-tcp-open right_too", "e2e-nothing test_right", "there is no program e2e-nothing")
    known = check.run_program(None, "e2e-messages") or {}
    expect("end-to-end tests are known", known.get("test_who_is_unknown_is_refused") and "test_nothing" not in known)
    expect("a file of them that isn't there", check.run_program(None, "e2e-nothing") is None)
    planted("neither done nor not", "do   it does\n", "", "either 'do' or 'not'")
    planted("done and not", "do   it does", "do   it does\nnot  it doesn't", "either 'do' or 'not'")
    planted("not done with a test", "not  one class is enough", "not  so\ntest packet right", "can't have a test")
    planted("nothing asked", "ask  Diffserv\n", "", "doesn't say what is asked")
    planted("a field twice", "do   it does", "do   it does\ndo   it again", "'do' twice")
    planted("an unknown field", "ask  Diffserv", "asks Diffserv", "can't read")
    planted("no RFC", "rfc 9293 Transmission Control Protocol\n", "", "the first line is")
    expect("too few rows", check.faults_of_count([rows.parse("x.rows", GOOD)[0]], 4) != [])
    tap = "ok 1 - right\nnot ok 2 - wrong\n# a\nok - open::right_too  (0.01s)\n"
    expect(f"TAP: {check.outcomes(tap)}", check.outcomes(tap) == {"right": True, "wrong": False, "right_too": True})
    expect("TAP: twice", check.outcomes("ok 1 - a\nnot ok 2 - a\n") == {"a": False})
    expect("folders", check.faults_of_folders("packet_folders = ['a',\n  'b']", {"a", "b"}) == [])
    expect("folders: one forgotten", check.faults_of_folders("packet_folders = ['a']", {"a", "b"}) != [])
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.rows").write_text(GOOD)
        rfcs, found = rows.load(folder)
        expect(f"load: {found}", found == [] and len(rfcs) == 1 and len(rfcs[0].rows) == 3)
        (Path(folder) / "b.rows").write_text(GOOD)
        expect("load: rows twice", any("already" in fault for fault in rows.load(folder)[1]))
    chapter, found = rows.parse("x.rows", GOOD.replace("rfc 9293", "chapter 1"))
    expect(f"a chapter: {found}", found == [] and chapter.rows[0].name() == "chapter 1 3.1 MUST-2")
    expect("its page", "## Chapter 1: Transmission" in page.make("protocol", [chapter]))
    text = page.make("tcp", rfcs)
    for part in ("| 3.1 MUST-2 |", "| yes |", "| no | Not done: one class", "Differs: a second", "`right`<br>unit-tcp-open"):
        expect(f"the page lacks {part}", part in text)
    for failure in failures:
        print(f"FAILED: {failure}")
    print("selftest:", "failed" if failures else "all faults are found")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
