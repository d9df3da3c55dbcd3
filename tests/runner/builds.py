# SPDX-License-Identifier: BSD-3-Clause
"""The builds, and the tests that Meson knows."""

import json
import os
import re
import shutil

from tools import ROOT, run

JOBS = os.cpu_count() or 1

# Meson's own abnormal exit codes: 77 is a skip, 99 a hard error.
OUTCOMES = {"OK": "pass", "EXPECTEDFAIL": "pass", "SKIP": "skip", "IGNORED": "skip"}


class Build:
    """A build directory: build-NAME in the tree."""

    def __init__(self, name, compiler, options=(), suites=(), targets=()):
        self.name = name
        self.folder = ROOT / f"build-{name}"
        self.compiler = compiler
        self.options = list(options)
        self.suites = suites
        self.targets = targets  # all, when there is none
        self.reports = self.folder / "sanitizer"

    def build(self, results):
        """Configure and compile; one test. Returns whether it went well."""
        env = {"CC": self.compiler}
        if shutil.which("ccache"):
            env["CC"] = f"ccache {self.compiler}"
        setup = ["meson", "setup", self.folder, *self.options]
        if (self.folder / "build.ninja").exists():
            setup.insert(2, "--reconfigure")
        done = run(setup, 300, env)
        if done.code != 0 and self.folder.exists():
            shutil.rmtree(self.folder)  # a configuration of another time or machine
            done = run(["meson", "setup", self.folder, *self.options], 300, env)
        log = done.output
        if done.code == 0:
            done = run(["ninja", "--quiet", "-C", self.folder, "-k", "0", f"-j{JOBS}", *self.targets], 1800)
            log += done.output
        results.add(f"build {self.name}", "pass" if done.code == 0 else "fail", log, done.seconds)
        return done.code == 0

    def test(self, results):
        """Run the suites; each of Meson's tests is one test, each sanitizer report a failed one."""
        shutil.rmtree(self.reports, ignore_errors=True)
        self.reports.mkdir(parents=True)
        log = self.folder / "meson-logs" / "testlog.json"
        log.unlink(missing_ok=True)
        command = ["meson", "test", "--no-rebuild", "-C", self.folder, f"--num-processes={JOBS}",
                   "--timeout-multiplier=6"]
        for suite in self.suites:
            command += ["--suite", suite]
        done = run(command, 1200, self.sanitizer_env())
        ran = self.read_log(results, log)
        reports = self.read_reports(results)
        if ran == 0:
            results.add(f"{self.name}: no test ran", "fail", done.output)
        elif done.code != 0 and not reports and not results.failures:
            results.add(f"{self.name}: meson test", "fail", done.output)
        elif done.code is None:
            results.add(f"{self.name}: meson test took too long", "fail", done.output)

    def read_log(self, results, path):
        """Count the tests of Meson's log; returns how many there were."""
        if not path.exists():
            return 0
        ran = 0
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            entry = json.loads(line)
            if entry["name"].split(" / ")[-1].startswith("packet "):
                ran += self.read_scenarios(results, entry)
                continue
            text = "\n".join(filter(None, (" ".join(map(str, entry.get("command") or [])), entry.get("stdout"),
                                           entry.get("stderr"), f"result: {entry['result']}")))
            results.add(f"{self.name}: {entry['name'].split(' / ')[-1]}",
                        OUTCOMES.get(entry["result"], "fail"), text, entry.get("duration"))
            ran += 1
        return ran

    def read_scenarios(self, results, entry):
        """Scripts of packets tell each scenario's outcome in a line of TAP; returns how many there were."""
        name, told = entry["name"].split(" / ")[-1], entry.get("stdout") or ""
        tests = re.findall(r"^(ok|not ok) \d+ - (\S+)\n((?:# [^\n]*\n)*)", told, flags=re.M)
        for word, scenario, text in tests:
            results.add(f"{self.name}: {name}: {scenario}", "pass" if word == "ok" else "fail", text)
        failed = any(word != "ok" for word, _, _ in tests)
        if not tests or (OUTCOMES.get(entry["result"]) != "pass" and not failed):
            text = "\n".join((told, entry.get("stderr") or "", f"result: {entry['result']}"))
            results.add(f"{self.name}: {name}: the run itself", "fail", text, entry.get("duration"))
        return max(1, len(tests))

    def sanitizer_env(self):
        """Reports go to files: Criterion's processes hide a leak that is found when they end."""
        files = f"log_path={self.reports}/report:log_exe_name=1"
        return {
            "ASAN_OPTIONS": f"{files}:detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
            "UBSAN_OPTIONS": f"{files}:print_stacktrace=1:halt_on_error=1",
            "TSAN_OPTIONS": f"{files}:halt_on_error=1:second_deadlock_stack=1",
        }

    def read_reports(self, results):
        """Each report of a sanitizer is a failed test. Returns how many there were."""
        reports = sorted(self.reports.iterdir()) if self.reports.exists() else []
        for report in reports:
            results.add(f"{self.name}: {report.name}", "fail", report.read_text(errors="replace"))
        return len(reports)


def installs(results, build, destination):
    """meson install puts every program into a folder. Returns the folder of the programs, or None."""
    done = run(["meson", "install", "-C", build.folder, "--no-rebuild", "--destdir", destination], 120)
    programs = sorted(path for path in destination.rglob("bin/*") if path.is_file())
    missing = {"waxwire-dataplane", "waxwire-control", "waxctl", "waxcat", "waxgen"} - {path.name for path in programs}
    log = f"{done.output}\ninstalled: {[path.name for path in programs]}\nmissing: {sorted(missing)}"
    results.add("meson install", "pass" if done.code == 0 and not missing else "fail", log, done.seconds)
    return programs[0].parent if programs else None


def builds():
    """All builds of a whole run, in the order they are made."""
    # Sanitizers make gcc warn of conversions in code they add; the release builds are the judges of warnings.
    sanitize = ["-Dbuildtype=custom", "-Ddebug=true", "-Doptimization=1", "-Db_lundef=false", "-Dwerror=false"]
    release = ["-Dbuildtype=release", "-Dtests=true"]
    return [
        Build("release", "gcc", release, ["unit", "packet", "conformance", "sim", "fuzz"]),
        Build("clang", "clang", release),
        Build("asan", "gcc", [*sanitize, "-Db_sanitize=address,undefined"], ["unit", "packet", "sim", "fuzz"]),
        Build("tsan", "clang", [*sanitize, "-Db_sanitize=thread"], ["race"], ["races"]),
    ]
