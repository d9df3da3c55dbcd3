# SPDX-License-Identifier: BSD-3-Clause
"""What every suite uses: programs built and run, figures collected, tables."""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WAXWIRE_BUILD", ROOT / "build-release"))


class Failed(Exception):
    """A suite can't go on."""


class Measured:
    """The figures of a run: keys for the JSON, reasons for those that are missing, errors."""

    def __init__(self, quiet=False):
        self.keys = {}
        self.reasons = {}
        self.errors = []
        self.quiet = quiet

    def missing(self, key, reason):
        self.keys[key] = None
        self.reasons[key] = reason

    def say(self, text=""):
        if not self.quiet:
            print(text, flush=True)

    def table(self, title, head, rows):
        """Print rows of texts and numbers: the first column to the left, the others to the right."""
        cells = [[str(cell) for cell in row] for row in [head, *rows]]
        widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
        self.say(f"\n{title}")
        for row in cells:
            self.say("  " + row[0].ljust(widths[0]) + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:])))


def run(command, timeout_s, env=None):
    """The standard output of a program; Failed when it fails."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{' '.join(command)}: {error}") from error
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def run_json(command, timeout_s):
    """The object that a program prints."""
    text = run(command, timeout_s)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise Failed(f"{' '.join(map(str, command))}: no JSON: {text[:200]}") from error


def build(*targets):
    """Build targets of the release build; returns their paths."""
    if not (BUILD / "build.ninja").exists():
        compiler = {"CC": "ccache gcc"} if shutil.which("ccache") else {}
        run(["meson", "setup", BUILD, ROOT, "-Dbuildtype=release", "-Dtests=false"], 300, compiler)
    run(["ninja", "-C", BUILD, *targets], 1800)
    return [BUILD / target for target in targets]


def version():
    """Of the tree, by git, or the project's where there is none."""
    done = subprocess.run(["git", "describe", "--always", "--dirty", "--tags"], cwd=ROOT, capture_output=True, text=True,
                          check=False)
    return done.stdout.strip() or "unknown"


def machine():
    """What it was measured on."""
    model, memory = platform.machine(), 0
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("MemTotal"):
            memory = int(line.split()[1]) >> 10
    return {"cpu": model, "cores": os.cpu_count(), "memory_mib": memory, "kernel": platform.release(),
            "load_at_the_end": round(os.getloadavg()[0], 1), "python": sys.version.split()[0]}
