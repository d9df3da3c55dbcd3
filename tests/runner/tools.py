# SPDX-License-Identifier: BSD-3-Clause
"""Running programs: with a time limit, their output kept, and all of their children ended."""

import os
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Done:
    """How a program ended: its exit code (None when the time was over), what it printed, the time it took."""

    def __init__(self, code, output, errors, seconds):
        self.code = code
        self.output = output
        self.errors = errors
        self.seconds = seconds


def run(command, timeout_s, env=None, cwd=ROOT, split=False):
    """
    Run a program in a process group of its own; after timeout_s the whole group is ended.
    With split, standard error is kept apart in errors; else it is in output too.
    """
    began = time.monotonic()
    process = subprocess.Popen(
        [str(part) for part in command], cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE if split else subprocess.STDOUT, start_new_session=True)
    try:
        output, errors = process.communicate(timeout=timeout_s)
        code = process.returncode
    except subprocess.TimeoutExpired:
        code = None
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                break
            try:
                process.wait(timeout=10)
                break
            except subprocess.TimeoutExpired:
                continue
        output, errors = process.communicate()
    seconds = time.monotonic() - began
    texts = [(part or b"").decode("utf-8", "replace") for part in (output, errors)]
    if code is None:
        texts[split] += f"\n[ended after {timeout_s} s]"
    return Done(code, *texts, seconds)


def check(results, name, command, timeout_s, env=None, cwd=ROOT):
    """Run a program as one test: it passes when it exits with 0."""
    done = run(command, timeout_s, env, cwd)
    line = " ".join(str(part) for part in command)
    log = f"$ {line[:300]}{' …' * (len(line) > 300)}\nexit code {done.code}\n{done.output}"
    results.add(name, "pass" if done.code == 0 else "fail", log, done.seconds)
    return done


def sources(*patterns):
    """Files of the tree that match, also those not committed yet; without git, all files."""
    try:
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z", "--", *patterns], cwd=ROOT,
                                check=True, capture_output=True).stdout.decode().split("\0")
        found = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        found = [path for pattern in patterns for path in ROOT.rglob(pattern) if not path.parts[len(ROOT.parts)].startswith("build")]
    return sorted({path for path in found if path.is_file()})
