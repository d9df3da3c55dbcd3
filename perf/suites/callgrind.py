# SPDX-License-Identifier: BSD-3-Clause
"""Instructions by callgrind: of the calls of some functions, everything below them included."""

import re
import shutil
import tempfile
from pathlib import Path

from measure import run

LINE = re.compile(r"^\s*([\d,]+) \(\s*[\d.]+%\)\s+\S*?:(\S+)")


def available():
    return shutil.which("valgrind") is not None and shutil.which("callgrind_annotate") is not None


def instructions(command, functions, timeout_s):
    """
    Run a program and collect while one of `functions` runs. Returns {function: instructions of its own}: the
    sum is everything that happened within them.
    """
    with tempfile.TemporaryDirectory(prefix="waxwire-perf-") as folder:
        out = Path(folder) / "callgrind"
        run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--collect-atstart=no",
             *(f"--toggle-collect={function}" for function in functions), *command], timeout_s)
        text = run(["callgrind_annotate", "--threshold=100", "--auto=no", out], 60)
    found = {}
    for line in text.splitlines():
        match = LINE.match(line)
        if match:
            found[match.group(2)] = found.get(match.group(2), 0) + int(match.group(1).replace(",", ""))
    return found
