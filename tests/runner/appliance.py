# SPDX-License-Identifier: BSD-3-Clause
"""Tests against a whole appliance, which deploy/quickstart starts."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from tools import ROOT, check, run, sources

QUICKSTART = ROOT / "deploy/quickstart"
DPDK_PREFIX = "waxwire-test"
NAME = "test"  # of the instance, so that one which somebody has running is left alone
ONE_STARTS = threading.Lock()  # each counts the free hugepages first, and takes its own then


def command(*arguments, name=NAME):
    return [QUICKSTART, "--name", name, *arguments]


def environment(programs):
    return {"WAXWIRE_PROGRAMS": str(programs)}


@contextlib.contextmanager
def serving(results, build, what, *arguments, name=NAME):
    """
    An appliance by quickstart --serve, ended with the block; that it starts and ends are two tests, `what` in their
    names. The block gets where it is, as text of JSON, or None when it didn't start.
    """
    env = environment(build.folder)
    with ONE_STARTS:
        served = run(command("--serve", "--json", *arguments, name=name), 120, env, split=True)
    good = served.code == 0
    results.add(f"quickstart --serve{what}", "pass" if good else "fail", served.errors + served.output)
    yield served.output if good else None
    check(results, f"quickstart --stop{what}", command("--stop", name=name), 60, env)


def end_to_end(results, build, workers):
    """Start an appliance of its own name, for others run beside it, run the end-to-end tests against it, end it."""
    if os.geteuid() != 0:
        results.add(f"e2e with {workers} worker(s): needs root", "skip")
        return
    arguments = ("--workers", str(workers), "--port", "afxdp")
    with serving(results, build, f", {workers} worker(s)", *arguments, name=f"{NAME}{workers}w") as served:
        if served:
            where = build.folder / f"e2e-{workers}.json"
            where.write_text(served)
            run_end_to_end(results, where, workers)
            if workers == 1:
                run_end_to_end(results, where, workers, "scan")


def run_end_to_end(results, where, workers, kind="test"):
    run_lines(results, f"e2e {workers}w", [ROOT / "tests/e2e/run", "--json", where, "--kind", kind], 900)


def against_the_kernel(results, build):
    """Transfers between our TCP and the kernel's, short ones."""
    run_lines(results, "kernel", [ROOT / "tests/kernel/run", "--programs", build.folder / "tests/kernel"], 900)


def run_lines(results, prefix, command, timeout_s):
    """Each line 'ok NAME', 'not ok NAME' or 'skip NAME' of a program is one test; what it tells is indented below."""
    done = run(command, timeout_s)
    tests = re.findall(r"^(ok|not ok|skip) ([^\n]*)\n((?:    [^\n]*\n)*)", done.output, flags=re.M)
    for word, name, told in tests:
        results.add(f"{prefix}: {name}", {"ok": "pass", "not ok": "fail", "skip": "skip"}[word], told)
    failed = any(word == "not ok" for word, _, _ in tests)
    if not tests or done.code is None or (done.code != 0 and not failed):
        results.add(f"{prefix}: the run itself (exit code {done.code})", "fail", done.output)


@contextlib.contextmanager
def hugetlbfs():
    """A mounted hugetlbfs: the machine's own, or one for as long as it is needed; and no page of ours left in it."""
    pages = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    before = pages.read_text()
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    own = [mount[1] for mount in mounts if mount[2] == "hugetlbfs"]
    with tempfile.TemporaryDirectory(prefix="waxwire-huge-") as folder:
        if not own:
            subprocess.run(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", folder], check=True)
        try:
            yield
        finally:
            for place in own:
                for path in Path(place).glob(f"{DPDK_PREFIX}map_*"):
                    path.unlink()
            if not own:
                subprocess.run(["umount", folder], check=True)
            pages.write_text(before)  # those in the files were still in use when the appliance gave its pages back


def operator_tools(results, build, scratch):
    """The telemetry socket and dpdk-dumpcap at an appliance that lets them in, with two workers."""
    if os.geteuid() != 0:
        results.add("DPDK's tools: needs root", "skip")
        return
    overlay = scratch / "operator.yaml"
    overlay.write_text(f"dataplane:\n  dpdk_prefix: {DPDK_PREFIX}\n  telemetry: on\n  capture: on\n")
    arguments = ("--workers", "2", "--port", "afxdp", "--config", overlay)
    with hugetlbfs(), serving(results, build, ", with telemetry and capture", *arguments) as served:
        if served:
            where = scratch / "operator.json"
            where.write_text(json.dumps({**json.loads(served), "dpdk_prefix": DPDK_PREFIX}))
            run_end_to_end(results, where, 2, "operator")
    shutil.rmtree(f"/run/dpdk/{DPDK_PREFIX}", ignore_errors=True)


def counters(build, served):
    """The metrics of the appliance's workers together, by name."""
    done = run([build.folder / "control/waxctl", "counters", "--json", "--socket", json.loads(served)["admin_socket"]], 30,
               split=True)
    try:
        return json.loads(done.output)["metrics"]
    except (json.JSONDecodeError, KeyError):
        return {}


CUTS_OVERLAY = """\
ports:
  - kind: tap
    device: wax0
    mtu: 1400
    addresses: ["198.18.0.1/15", "2001:2::1/48"]
"""


def cuts(results, build, scratch):
    """Large messages through a port that cuts frames into segments: they arrive, and it had something to cut."""
    if os.geteuid() != 0:
        results.add("segmentation by the port: needs root", "skip")
        return
    overlay = scratch / "cuts.yaml"
    overlay.write_text(CUTS_OVERLAY)
    with serving(results, build, ", with segmentation by the port", "--port", "tap", "--config", overlay) as served:
        if not served:
            return
        where = scratch / "cuts.json"
        where.write_text(served)
        names = ("large messages", "odd payloads", "every pair of listeners")
        check(results, "large messages through a port that cuts", [ROOT / "tests/e2e/run", "--json", where, *names], 120)
        counted = counters(build, served)
        results.add("the port has cut", "pass" if counted.get("tx_joined", 0) > 0 else "fail", json.dumps(counted))


FLOOD_OVERLAY = """\
ports:
  - kind: memif
    device: {socket}
    memif_server: true
    addresses: ["198.18.0.1/24"]
    gateway: "198.18.0.2"
  - kind: memif
    device: {socket}.down
    memif_server: true
    addresses: ["198.19.0.1/24"]
"""


def flood(results, build, scratch, workers):
    """
    Sessions relay while SYNs, ACKs, RSTs and garbage pour in: nothing is lost, doubled or reordered; and right
    afterwards new sessions open. All the while another port is down, which must not keep latencies from being noted.
    """
    if os.geteuid() != 0:
        results.add(f"a flood, {workers} worker(s): needs root", "skip")
        return
    socket = f"/run/waxwire-{NAME}/memif.sock"
    overlay = scratch / "flood.yaml"
    overlay.write_text(FLOOD_OVERLAY.format(socket=socket))
    arguments = ("--port", "memif", "--workers", str(workers), "--config", overlay)
    with serving(results, build, f" for a flood, {workers} worker(s)", *arguments) as served:
        if not served:
            return
        generator = [build.folder / "perf/waxgen", "--memif", socket, "--address", "198.18.0.2/24", "--sessions", "16",
                     "--window", "8", "--rate", "5000"]
        check(results, f"sessions relay through a flood, {workers} worker(s)",
              [*generator, "--messages", "15000", "--flood", "mixed", "--flood-seconds", "3"], 90)
        steps = ("--messages 1000", "--messages 1000 --matrix uniform", "--messages 4000 --silent --window 64", "end")
        check(results, f"sessions open after a flood and relay in pairs, at random, silently, {workers} worker(s)",
              ["bash", "-c", 'printf "%s\\n" "${@:1:4}" | "${@:5}"', "steps", *steps, *generator, "--commands"], 60)
        counted = counters(build, served)
        timed = counted.get("deliveries", 0) >= 16000 and counted.get("untimed", 16000) < 1600
        results.add(f"latencies are noted while another port is down, {workers} worker(s)", "pass" if timed else "fail",
                    json.dumps(counted))


def vlans(results, build):
    """Ports of a VLAN, seen from the wire: each line 'ok NAME' or 'not ok NAME' is one test."""
    if os.geteuid() != 0:
        results.add("e2e vlan: needs root", "skip")
        return
    done = run([ROOT / "tests/e2e/vlan", build.folder], 120)
    tests = re.findall(r"^(ok|not ok) ([^\n]*)$", done.output, flags=re.M)
    for word, name in tests:
        results.add(f"e2e vlan: {name}", "pass" if word == "ok" else "fail", done.output)
    if not tests or (done.code != 0 and all(word == "ok" for word, _ in tests)):
        results.add(f"e2e vlan: the run itself (exit code {done.code})", "fail", done.output)


def quickstarts(results, build):
    """The main job on every kind of port, with two workers, and after a kill in the middle."""
    env = environment(build.folder)
    if os.geteuid() != 0:
        results.add("quickstart on network ports: needs root", "skip")
        return
    once = check(results, "quickstart --once --demo", command("--once", "--demo"), 180, env)
    for what, sign in (("✓✓", "✓✓"), ("a Signal chat", "safety number, the same on both sides"), ("the browser chat's address", "?as=alice")):
        if sign not in once.output:
            results.add(f"quickstart --once --demo shows {what}", "fail", once.output)
    for port in ("afpacket", "tap", "memif"):
        check(results, f"quickstart --once --port {port}", command("--once", "--port", port), 120, env)
    check(results, "quickstart --once --workers 2", command("--once", "--workers", "2"), 120, env)
    killed_in_the_middle(results, env)
    refusals(results, env)


def killed_in_the_middle(results, env):
    """A run that is killed outright leaves nothing that hinders the next."""
    process = subprocess.Popen(command("--once"), env={**os.environ, **env}, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    check(results, "quickstart --once after a kill in the middle", command("--once"), 120, env)


def refusals(results, env):
    """Bad options and a bad configuration are refused, with the reason."""
    for name, arguments, reason in (
            ("an unknown option", ["--nonsense"], "--nonsense"),
            ("an unknown port", ["--port", "carrier-pigeon", "--once"], "carrier-pigeon"),
            ("a configuration that isn't there", ["--config", "/nonexistent.yaml", "--once"], "/nonexistent.yaml")):
        done = run(command(*arguments), 60, env)
        good = done.code not in (0, None) and reason in done.output
        results.add(f"quickstart refuses {name}", "pass" if good else "fail", f"exit code {done.code}\n{done.output}")


def unprivileged(results, programs, scratch):
    """quickstart as a user who may nothing, in a tree that is somebody else's: with the installed programs, and
    with programs that it builds."""
    if programs is None:
        results.add("unprivileged quickstart: nothing was installed", "fail")
        return
    user = []
    tree = scratch / "tree"
    for path in sources("."):
        target = tree / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    own = scratch / "own"
    own.mkdir()
    own.chmod(0o777)
    if os.geteuid() == 0:
        (tree / "build-release").mkdir()
        user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs",
                "--bounding-set=-all", "--inh-caps=-all", "env", "-u", "XDG_RUNTIME_DIR", "HOME=/nonexistent"]
    done = check(results, "quickstart --once without privileges",
                 [*user, tree / "deploy/quickstart", "--name", NAME, "--once"], 180, environment(programs), cwd=tree)
    if "memif" not in done.output:
        results.add("unprivileged quickstart says which way it chose", "fail", done.output)
    check(results, "quickstart --once without privileges, built in a tree of another's",
          [*user, "env", f"TMPDIR={own}", tree / "deploy/quickstart", "--name", f"{NAME}2", "--once"], 300, cwd=tree)
