# SPDX-License-Identifier: BSD-3-Clause
"""Checks of the text: format, clang-tidy, cppcheck, and the tree's own rules."""

import json
from concurrent.futures import ThreadPoolExecutor

from builds import JOBS
from tools import ROOT, check, run, sources

PROGRAM_FOLDERS = ("dataplane", "control", "client", "perf")


def clang_format(results):
    """Every C file is as .clang-format says."""
    check(results, "clang-format", ["clang-format", "--dry-run", "-Werror", *sources("*.c", "*.h")], 120)


def shellcheck(results):
    """Shell scripts are sound."""
    scripts = [path for path in sources("deploy", "tests", ".ci", "perf") if path.open("rb").read(40).startswith(
        (b"#!/usr/bin/env bash", b"#!/bin/bash", b"#!/bin/sh"))] + sources("*.sh")
    check(results, f"shellcheck ({len(scripts)} files)", ["shellcheck", *scripts], 120)


def tree_rules(results):
    """The rules of the tree hold, and the check finds what is planted for it."""
    check(results, "tidy: finds what is planted", ["python3", ROOT / "tests/tidy/selftest.py"], 120)
    check(results, "tidy: the tree's rules", ["python3", ROOT / "tests/tidy/check.py"], 120)


def program_units(build):
    """Translation units of the programs (not of tests), as the compiler sees them."""
    commands = json.loads((build.folder / "compile_commands.json").read_text())
    files = {(build.folder / entry["file"]).resolve() for entry in commands}
    return sorted(path for path in files if path.relative_to(ROOT).parts[0] in PROGRAM_FOLDERS)


def clang_tidy(results, build):
    """clang-tidy's checks of .clang-tidy; all files together are one test."""
    def one(path):
        return run(["clang-tidy", "-p", build.folder, "--quiet", path], 300)

    with ThreadPoolExecutor(JOBS) as pool:
        ended = list(pool.map(one, program_units(build)))
    bad = [done.output for done in ended if done.code != 0]
    results.add(f"clang-tidy ({len(ended)} files)", "fail" if bad or not ended else "pass", "\n".join(bad))


def cppcheck(results, build):
    """cppcheck over the programs."""
    cache = build.folder / "cppcheck"
    cache.mkdir(exist_ok=True)
    includes = [f"-I{ROOT / folder}" for folder in ("include", "dataplane", "control", "client")]
    check(results, "cppcheck", [
        "cppcheck", "--enable=warning,performance,portability", "--inline-suppr", f"-j{JOBS}", "--quiet",
        "--error-exitcode=1", "--std=c11", "-D__x86_64__=1", "-D_GNU_SOURCE=1", f"--cppcheck-build-dir={cache}",
        f"--suppressions-list={ROOT / 'tests/runner/cppcheck.txt'}", *includes, *program_units(build)], 600)
