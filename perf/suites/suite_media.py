# SPDX-License-Identifier: BSD-3-Clause
"""
Suite media: blobs of 64 MiB up and down over TLS, by one client and by 64 (16 MiB each with --quick). The clients are
curl on kernel sockets in a namespace of their own, joined to the appliance by a veth (AF_XDP). The worker has a core of
its own, on which the kernel does its work for the veth too, up to the clients' TCP; that is in its busy time. Clients
share the other cores with the control plane. Then 64 readers
of one blob of 1 GiB who read next to nothing, and what both processes hold for them; and the relay's latency beside
uploads and downloads without a pause. Needs root.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from appliance import TARGETS
from measure import BUILD, ROOT, Failed, build, run
from steps import others

NAME = "perfmedia"
SETTINGS = "media:\n  quota_mib: 0\ndataplane:\n  idle: performance\n  cores: [{core}]\n"


def quickstart(*arguments):
    return run([ROOT / "deploy/quickstart", "--name", NAME, *arguments], 120, {"WAXWIRE_PROGRAMS": str(BUILD)})


def clients(where, folder, quick, cores):
    command = ["taskset", "-c", cores, "ip", "netns", "exec", where["namespace"], "/usr/bin/python3", ROOT / "perf/suites/media_clients.py",
               folder / "where.json", folder, "quick" if quick else "whole"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=900, check=False)
    if done.returncode != 0:
        raise Failed(f"clients: {done.stderr[-1500:]}")
    return json.loads(done.stdout)


def measure(options, measured):
    if os.geteuid() != 0:
        raise Failed("suite media makes network namespaces: it needs root")
    build(*TARGETS, "client/waxcat")
    core, rest = others()
    with tempfile.TemporaryDirectory(prefix="waxwire-perf-", dir="/var/tmp") as name:
        folder = Path(name)
        (folder / "settings.yaml").write_text(SETTINGS.format(core=core), encoding="utf-8")
        served = quickstart("--serve", "--json", "--port", "afxdp", "--workers", str(options.workers), "--config",
                            folder / "settings.yaml")
        try:
            (folder / "where.json").write_text(served, encoding="utf-8")
            found = clients(json.loads(served), folder, options.quick, rest)
        finally:
            quickstart("--stop")
    one, many = found["points"]
    calm, beside = found["relay_calm"], found["relay_beside"]
    measured.keys.update(
        **found, upload_mb_per_s=one["upload"]["mb_per_s"], download_mb_per_s=one["download"]["mb_per_s"],
        worker_busy_ns_per_mib={way: one[way]["worker_busy_ns_per_mib"] for way in ("upload", "download")},
        relay_p99_us_calm=calm["p99_us"], relay_p99_us_media=beside["p99_us"])
    tell(measured, (one, many), found["slow"], calm, beside)


def tell(measured, points, slow, calm, beside):
    rows = [(f"{way}, {point['streams']} × {point['blob_bytes'] >> 20} MiB", point[way]["mb_per_s"],
             point[way]["worker_busy_ns_per_mib"], point[way]["control_cpu_ns_per_mib"])
            for point in points for way in ("upload", "download")]
    measured.table("Blobs over TLS", ("", "MB/s", "worker busy, ns/MiB", "control, ns/MiB"), rows)
    rows = [(name, f"{slow[f'{name}_bytes'] / (1 << 20):.1f} MiB") for name in ("control", "dataplane", "blocks")]
    measured.table(f"{slow['readers']} slow readers of {slow['blob_bytes'] >> 20} MiB hold", ("", "more"), rows)
    measured.say(f"  one who reads all of it beside them: {slow['beside_mb_per_s']} MB/s")
    rows = [(name, point["p50_us"], point["p99_us"], point["max_us"]) for name, point in
            (("calm", calm), (f"beside {beside['media_mb_per_s']} MB/s of media", beside))]
    measured.table("The relay meanwhile, SEND polled to DELIVER at the port", ("", "p50 µs", "p99 µs", "max µs"), rows)
