# SPDX-License-Identifier: BSD-3-Clause
"""
Suite idle: what a session costs while nothing happens. The appliance is started twice with pools for as many
sessions as are then opened, few and many; the difference of the memory of its processes is what the sessions take.
Then some of them relay messages among the others. All sessions are authenticated, over TLS 1.3.
"""

import time

from appliance import Appliance, cpu_seconds, memory_bytes
from measure import Failed, build, run_json

FEW, QUICK, FULL = 1000, 50000, 1000000
ALLOWED = 1024  # bytes of a session in the data plane, by its own account
SETTLE_S = 4
PARTS = ("tcp", "tls", "ws", "session", "tables")


def observe(appliance, generator, sessions, measured):
    """Wait for the end; returns the memory of each process while all sessions idle, and the processor time."""
    seen, told = None, time.monotonic()
    while generator.poll() is None:
        time.sleep(0.2)
        log = appliance.log("waxgen")
        if seen is None and "are open and idle" in log:
            before = cpu_seconds(appliance.dataplane.pid)
            time.sleep(1)
            seen = {name: memory_bytes(process.pid) for name, process in appliance.processes}
            seen["idle_cpu"] = cpu_seconds(appliance.dataplane.pid) - before
            seen["metrics"] = (appliance.ask("workers").get("workers") or [{}])[0]
        elif seen is None and time.monotonic() - told > 10:
            told = time.monotonic()
            measured.say(f"  {log.strip().splitlines()[-1] if log.strip() else 'opening'}")
    report = appliance.report()
    if generator.returncode != 0 or not report.get("ok") or seen is None:
        raise Failed(f"{sessions} sessions: {appliance.log('waxgen')[-1500:]}{appliance.log('dataplane')[-500:]}")
    if seen["metrics"].get("sessions_now") != sessions:
        measured.errors.append(f"{seen['metrics'].get('sessions_now')} sessions were open, not {sessions}")
    return seen, report


def session_run(options, sessions, measured):
    active = max(2, sessions // 200 * 2)
    limits = {"connections": sessions + 16, "half_open": 512, "recipients": sessions + 16, "handshakes": 256,
              "blocks": 16384, "messages": 16384}
    with Appliance(options.workers, limits, {"heartbeat_s": 3600}) as appliance:
        generator = appliance.generator("--sessions", sessions, "--active", active, "--messages", active * 20,
                                        "--window", 4, "--settle", SETTLE_S, "--opening", 128, "--patience", 60)
        seen, report = observe(appliance, generator, sessions, measured)
    return seen, report, active


def each(few, many, name, sessions):
    return round((many[name] - few[name]) / (sessions - FEW), 1)


def measure(options, measured):
    sessions = options.sessions or (QUICK if options.quick else FULL)
    (account,) = build("perf/micro/session-memory")
    parts = run_json([account, "--sessions", sessions], 10)
    few, _, _ = session_run(options, FEW, measured)
    many, report, active = session_run(options, sessions, measured)
    appliance = [name for name in ("dataplane", "control")]
    keys = measured.keys
    keys["sessions"] = sessions
    keys["bytes_per_session"] = round(sum(each(few, many, name, sessions) for name in appliance), 1)
    for name in (*appliance, "waxgen"):
        keys[f"{name}_bytes_per_session"] = each(few, many, name, sessions)
        keys[f"{name}_mib"] = many[name] >> 20
    keys["parts"] = {name: parts[name] for name in PARTS}
    keys["accounted_bytes"] = parts["session_bytes"]
    keys["opened_per_s"] = report["opened_per_s"]
    keys["opening_seconds"] = report["opening_seconds"]
    keys["idle_cpu_percent"] = round(100 * many["idle_cpu"], 1)
    keys["active_sessions"] = active
    keys["relayed"] = report["completed"]
    keys["relay_p99_us"] = report["p99_us"]
    keys["relay_ok"] = bool(report["ok"] and report["completed"] == report["messages"] and report["lost"] == 0)
    if not keys["relay_ok"]:
        measured.errors.append("not every message among the idle sessions had its whole cycle")
    if parts["session_bytes"] > ALLOWED:
        measured.errors.append(f"a session takes {parts['session_bytes']} bytes in the data plane, more than {ALLOWED}")
    tell(keys, parts, measured)


def tell(keys, parts, measured):
    measured.table(f"{keys['sessions']:,} idle sessions over TLS 1.3", ("bytes of a session", "measured", "of its own account"), [
        ("data plane", keys["dataplane_bytes_per_session"], parts["session_bytes"]),
        ("control plane", keys["control_bytes_per_session"], ""),
        ("both", keys["bytes_per_session"], ""),
        ("generator", keys["waxgen_bytes_per_session"], ""),
    ])
    measured.say("  its account: " + ", ".join(f"{name} {parts[name]:g}" for name in PARTS))
    measured.table("around them", ("what", "figure"), [
        ("opened", f"{keys['opened_per_s']:,.0f} /s ({keys['opening_seconds']:.1f} s)"),
        ("data plane, control plane, generator", f"{keys['dataplane_mib']}, {keys['control_mib']}, {keys['waxgen_mib']} MiB"),
        ("processor of the data plane while all idle", f"{keys['idle_cpu_percent']} %"),
        (f"relayed among {keys['active_sessions']} of them", f"{keys['relayed']:,} messages, {'all good' if keys['relay_ok'] else 'NOT good'}"),
    ])
