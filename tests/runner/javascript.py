# SPDX-License-Identifier: BSD-3-Clause
"""The JavaScript client library: its packages, its types, its unit tests."""

import re

from tools import ROOT, check, run

LIBRARY = ROOT / "client/js"


def packages(results):
    """What the lock file names, where it is not there yet."""
    check(results, "javascript: npm packages", [LIBRARY / "setup"], 300, cwd=LIBRARY)


def units(results):
    """Types by tsc, ours and those that a program in TypeScript gets; then each test of node's runner is one test."""
    for what, project in (("types", "tsconfig.json"), ("its .d.ts are written", "tsconfig.types.json"),
                          ("a program in TypeScript uses them", "test/types/tsconfig.json")):
        check(results, f"javascript: {what}", ["node_modules/.bin/tsc", "-p", project], 120, cwd=LIBRARY)
    tests = sorted([*LIBRARY.glob("test/*.test.js"), *LIBRARY.glob("examples/*/*.test.js")])
    done = run(["node", "--test", "--test-reporter=tap", *tests], 300, cwd=LIBRARY)
    told = re.findall(r"^ *(ok|not ok) \d+ - ([^\n]*)\n((?:(?! *(?:ok|not ok|# Subtest)\b)[^\n]*\n)*)", done.output, flags=re.M)
    for word, name, text in told:
        results.add(f"javascript: {name}", "pass" if word == "ok" else "fail", text)
    failed = any(word != "ok" for word, _, _ in told)
    if len(told) < len(tests) or (done.code != 0 and not failed):
        results.add(f"javascript: the run itself (exit code {done.code})", "fail", done.output)
