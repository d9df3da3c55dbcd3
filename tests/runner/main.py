# SPDX-License-Identifier: BSD-3-Clause
"""Everything that tests/run does, stage by stage."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import appliance
import checks
import javascript
from builds import builds, installs
from results import Results

STAGES = ("build", "unit", "checks", "javascript", "install", "kernel", "e2e", "quickstart", "unprivileged")

EPILOG = """stages, in this order:
  build         gcc and clang (warnings are errors), ASan+UBSan, TSan
  unit          Meson's tests: units, scripts of packets, simulations, fuzz corpora, races
  checks        clang-format, the tree's rules, shellcheck, clang-tidy, cppcheck
  javascript    the JavaScript client library: its packages, its types, its units
  install       meson install into an empty folder
  kernel        our TCP against the kernel's, through a middle box that harms packets
  e2e           running appliances with foreign clients: 1 worker and 2, side by side; floods; DPDK's own tools
  quickstart    deploy/quickstart --once on each kind of port, and after a kill
  unprivileged  the same command as an ordinary user
As root a skipped test is a failure."""


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tests/run", epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="STAGE[,STAGE]", default=",".join(STAGES), help="run only these stages")
    parser.add_argument("--builds", metavar="NAME[,NAME]", default="release,clang,asan,tsan", help="only these builds")
    parser.add_argument("--verbose", action="store_true", help="name the tests that pass, too")
    options = parser.parse_args(arguments)
    options.only = options.only.split(",")
    options.builds = options.builds.split(",")
    unknown = set(options.only) - set(STAGES)
    if unknown:
        parser.error(f"no such stage: {', '.join(sorted(unknown))}")
    return options


def text_checks(results, made):
    for function in (checks.clang_format, checks.tree_rules, checks.shellcheck):
        results.stage(f"checks: {function.__name__}", function, results)
    if "clang" in made:
        results.stage("checks: clang-tidy", checks.clang_tidy, results, made["clang"])
        results.stage("checks: cppcheck", checks.cppcheck, results, made["clang"])


def programs_stages(results, only, release, scratch):
    """What needs the release build's programs."""
    programs = None
    if {"install", "unprivileged"} & set(only):
        box = []
        results.stage("install", lambda: box.append(installs(results, release, scratch / "root")))
        programs = box[0] if box else None
    if "kernel" in only:
        results.stage("kernel", appliance.against_the_kernel, results, release)
    if "e2e" in only:
        results.together("e2e, 1 and 2 workers", [(appliance.end_to_end, release, workers) for workers in (1, 2)])
        for workers in (1, 2):
            results.stage(f"flood, {workers} worker{'s' * (workers > 1)}", appliance.flood, results, release, scratch, workers)
        results.stage("e2e, VLAN", appliance.vlans, results, release)
        results.stage("e2e, DPDK's tools", appliance.operator_tools, results, release, scratch)
        results.stage("e2e, segmentation by the port", appliance.cuts, results, release, scratch)
    if "quickstart" in only:
        results.stage("quickstart", appliance.quickstarts, results, release)
    if "unprivileged" in only:
        results.stage("unprivileged", appliance.unprivileged, results, programs, scratch)


def main(arguments):
    options = parse(arguments)
    results = Results(skip_fails=os.geteuid() == 0, verbose=options.verbose)
    made = {}
    for build in builds():
        if build.name not in options.builds:
            continue
        good = (build.folder / "build.ninja").exists()
        if "build" in options.only:
            good = results.stage(f"build {build.name}", build.build, results)
        if good:
            made[build.name] = build
            if "unit" in options.only and build.suites:
                results.stage(f"tests {build.name}", build.test, results)
    if "checks" in options.only:
        text_checks(results, made)
    if {"javascript", "e2e"} & set(options.only):
        results.stage("javascript: packages", javascript.packages, results)
    if "javascript" in options.only:
        results.stage("javascript", javascript.units, results)
    with tempfile.TemporaryDirectory(prefix="waxwire-tests-") as scratch:
        os.chmod(scratch, 0o755)
        if "release" in made:
            programs_stages(results, options.only, made["release"], Path(scratch))
        elif {"install", "kernel", "e2e", "quickstart", "unprivileged"} & set(options.only):
            results.add("the programs' tests: there is no release build", "fail")
    return results.summary()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
