# SPDX-License-Identifier: BSD-3-Clause
"""What has passed, failed and been skipped, and how it is told."""

import resource
import threading
import time
import traceback

MARKS = {"pass": "ok  ", "fail": "FAIL", "skip": "skip"}


def cpu_seconds():
    """Processor time of all programs that have run and ended so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Results:
    """Counts every test once, keeps the logs of those that failed."""

    def __init__(self, skip_fails, verbose=False):
        self.skip_fails = skip_fails
        self.verbose = verbose
        self.counts = {"pass": 0, "fail": 0, "skip": 0}
        self.failures = []  # (name, log)
        self.stages = []  # (name, seconds, processor seconds, passed, failed, skipped)
        self.started = time.monotonic()

    def add(self, name, outcome, log="", seconds=None):
        """One test: outcome is 'pass', 'fail' or 'skip'. A skip counts as failed where none may be."""
        if outcome == "skip" and self.skip_fails:
            outcome, log = "fail", "skipped, which is a failure here (run as root)\n" + log
        self.counts[outcome] += 1
        if outcome == "fail":
            self.failures.append((name, log))
        if self.verbose or outcome != "pass":
            took = f" ({seconds:.1f} s)" if seconds is not None else ""
            print(f"  {MARKS[outcome]} {name}{took}", flush=True)

    def stage(self, name, function, *arguments):
        """Run one stage; whatever it raises is a failed test of its own."""
        print(f"== {name}", flush=True)
        before, began, cpu = dict(self.counts), time.monotonic(), cpu_seconds()
        good = True
        try:
            good = function(*arguments) is not False
        except Exception as error:  # a broken stage must not hide the others
            self.add(f"{name}: broke off", "fail", traceback.format_exc())
            print(f"     {error}", flush=True)
            good = False
        seconds = time.monotonic() - began
        numbers = [self.counts[key] - before[key] for key in ("pass", "fail", "skip")]
        self.stages.append((name, seconds, cpu_seconds() - cpu, *numbers))
        print(f"   {numbers[0]} passed, {numbers[1]} failed, {numbers[2]} skipped in {seconds:.1f} s", flush=True)
        return good and numbers[1] == 0

    def together(self, name, parts):
        """One stage of several functions at a time, for those that mostly wait: each part is (function, *arguments)."""
        own = [Results(self.skip_fails, self.verbose) for _ in parts]

        def work(results, function, *arguments):
            try:
                function(results, *arguments)
            except Exception:  # a broken part must not hide the others
                results.add(f"{name}: broke off", "fail", traceback.format_exc())

        def all_parts():
            threads = [threading.Thread(target=work, args=(results, *part)) for results, part in zip(own, parts)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for results in own:
                for outcome, count in results.counts.items():
                    self.counts[outcome] += count
                self.failures += results.failures

        return self.stage(name, all_parts)

    def summary(self, log_lines=80):
        """Print failures with the ends of their logs, a table of stages, and the closing line."""
        for name, log in self.failures:
            print(f"\n---- FAILED: {name}")
            lines = log.rstrip().splitlines()
            if len(lines) > log_lines:
                print(f"[… {len(lines) - log_lines} lines before]")
            print("\n".join(lines[-log_lines:]))
        print()
        for name, seconds, cpu, passed, failed, skipped in self.stages:
            print(f"{name:<24} {seconds:7.1f} s {cpu:7.1f} s of processors "
                  f"{passed:5d} passed {failed:4d} failed {skipped:4d} skipped")
        print(f"{'all':<24} {time.monotonic() - self.started:7.1f} s {cpu_seconds():7.1f} s of processors")
        counts = self.counts
        print(f"{counts['pass']} passed, {counts['fail']} failed, {counts['skip']} skipped", flush=True)
        return 0 if counts["fail"] == 0 and counts["pass"] > 0 else 1
