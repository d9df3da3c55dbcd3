# SPDX-License-Identifier: BSD-3-Clause
"""
Rows of the conformance tables. A file of tcp/ or tls/ is one RFC:

    rfc 9293 Transmission Control Protocol

    row 3.1 MUST-2
    ask  the sender computes the checksum
    do   every segment has one; the port may finish it
    test packet rfc9293_3_1_must_2_...
    test unit-tcp-open rfc9293_3_5_...

The statements of docs/protocol.md are in protocol/, a file for each of its parts, which begins with `chapter 1 Transport`.

A row has `ask`, `do` and one `test` or more; `but` says where we differ from what is asked. Or it has `ask`
and `not`: not done, and why; then it has no test. `test PROGRAM NAME`: a scenario of tests/packet, a test
of a Criterion program, or `e2e-FILE NAME`: a function of tests/e2e/test_FILE.py. A long line goes on in the next one, indented.
"""

import re
from pathlib import Path

FIELDS = ("ask", "do", "but", "not", "test")


class Row:
    def __init__(self, rfc, place, line):
        self.rfc, self.line = rfc, line
        self.clause, _, self.number = place.partition(" ")
        self.text = {}  # ask, do, but, not
        self.tests = []  # (program, name)

    def name(self):
        return " ".join(filter(None, (f"{self.rfc.word} {self.rfc.number}" if self.rfc else "", self.clause, self.number)))

    def status(self):
        return "no" if "not" in self.text else "differs" if "but" in self.text else "yes"


class Rfc:
    def __init__(self, number, title, path, word="RFC"):
        self.number, self.title, self.path, self.word, self.rows = number, title, path, word, []


def joined(text):
    """(line number, line) with continuations joined; no comments, no empty lines."""
    out = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        if line[0] == " " and out:
            out[-1] = (out[-1][0], f"{out[-1][1]} {line.strip()}")
        else:
            out.append((number, line.strip()))
    return out


def parse(path, text):
    """(Rfc, [fault]) of one file."""
    rfc, faults = None, []
    for number, line in joined(text):
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        where = f"{path}:{number}"
        if word in ("rfc", "chapter") and rfc is None:
            rfc_number, _, title = rest.partition(" ")
            rfc = Rfc(rfc_number, title.strip(), path, "RFC" if word == "rfc" else "chapter")
        elif rfc is None:
            faults.append(f"{where}: the first line is 'rfc NUMBER TITLE'")
            return None, faults
        elif word == "row" and rest:
            rfc.rows.append(Row(rfc, rest, where))
        elif word not in FIELDS or not rfc.rows or not rest:
            faults.append(f"{where}: can't read '{line}'")
        elif word == "test":
            if not re.fullmatch(r"(packet|unit-[\w-]+|e2e-\w+) \w+", rest):
                faults.append(f"{where}: a test is 'packet NAME', 'unit-… NAME' or 'e2e-… NAME'")
            else:
                rfc.rows[-1].tests.append(tuple(rest.split(" ")))
        elif word in rfc.rows[-1].text:
            faults.append(f"{where}: '{word}' twice in a row")
        else:
            rfc.rows[-1].text[word] = rest
    if rfc is None:
        faults.append(f"{path}: no RFC")
    return rfc, faults + [fault for row in (rfc.rows if rfc else []) for fault in row_faults(row)]


def row_faults(row):
    """What is wrong with a row by itself."""
    faults = []
    done = "do" in row.text
    if "ask" not in row.text:
        faults.append(f"{row.line}: {row.name()} doesn't say what is asked")
    if done == ("not" in row.text):
        faults.append(f"{row.line}: {row.name()} has either 'do' or 'not'")
    if done and not row.tests:
        faults.append(f"{row.line}: {row.name()} has no test")
    if not done and (row.tests or "but" in row.text):
        faults.append(f"{row.line}: {row.name()} isn't done and can't have a test or 'but'")
    return faults


def load(folder):
    """([Rfc], [fault]) of all files of a folder, in order of the RFCs' numbers."""
    rfcs, faults = [], []
    for path in sorted(Path(folder).glob("*.rows")):
        rfc, found = parse(path.name, path.read_text(encoding="utf-8"))
        faults += found
        if rfc:
            rfcs.append(rfc)
    seen = {}
    for rfc in rfcs:
        for row in rfc.rows:
            if row.name() in seen:
                faults.append(f"{row.line}: {row.name()} is at {seen[row.name()]} already")
            seen[row.name()] = row.line
    return sorted(rfcs, key=lambda rfc: (len(rfc.number), rfc.number)), faults
