# SPDX-License-Identifier: BSD-3-Clause
"""
Suite peers: the same relaying, 128 B over WebSocket and TLS 1.3, at least once and nothing forced to disk, on what
users would otherwise run: mosquitto (MQTT, quality of service 1), nats-server (JetStream in memory, explicit
acknowledgements), ejabberd (MQTT, 1). One client on kernel sockets drives all (peer_clients.py). What counts is the
server's processor time for a message (user and system, all its processes; of waxwire the workers' busy time, which
holds their system calls, and all of its other threads), and its memory for an idle session. The peers are on the
loopback, waxwire on a veth by AF_XDP. Needs root, and the packages of deploy/setup peers; who is missing is null.
"""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import peer_servers
import suite_idle
from appliance import TARGETS, cpu_seconds
from measure import BUILD, ROOT, Failed, build, run
from steps import difference, others

NAME, PAIRS, PAYLOAD, WINDOWS = "perfpeers", 16, 128, (1, 64)
MESSAGES = {"mosquitto": (4000, 8000), "ejabberd": (8000, 20000), "nats": (20000, 100000), "waxwire": (20000, 200000)}
SETTINGS = "dataplane:\n  idle: performance\n  cores: [{core}]\nlimits:\n  device_sends_per_s: 0\n  account_sends_per_s: 0\n"
MEMORY_FEW = 20


def client(prefix, kind, where, *arguments):
    """A client that is ready: its sessions are open."""
    command = [*prefix, "/usr/bin/python3", ROOT / "perf/suites/peer_clients.py", kind, *where, *arguments]
    process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    if process.stdout.readline().strip() != "ready":
        raise Failed(f"{kind}: {process.communicate()[1][-600:]}")
    return process


def ended(process, kind):
    out, error = process.communicate("\n", timeout=170)
    if process.returncode != 0:
        raise Failed(f"{kind}: {error[-600:]}")
    return json.loads(out)


def relayed(prefix, kind, where, window, messages, spent):
    """`spent` gives processor seconds of the server so far."""
    process = client(prefix, kind, where, "relay", PAIRS, window, messages, PAYLOAD)
    before = spent()
    report = ended(process, kind)
    used = spent() - before
    report.update(window=window, cpu_us_per_message=round(used * 1e6 / report["messages"], 3),
                  messages_per_s=round(report["messages"] / report["seconds"]))
    return report


def peer(server_class, quick, cores):
    kind, prefix = server_class.kind, ("taskset", "-c", cores)
    points = []
    with server_class() as server:
        for window, messages in zip(WINDOWS, MESSAGES[kind]):
            points.append(relayed(prefix, kind, server.where, window, messages // (2 if quick else 1), server.cpu_seconds))
    return {"points": points, "bytes_per_idle_session": idle_memory(server_class, 500 if quick else 3000, prefix)}


def idle_memory(server_class, sessions, prefix):
    """Of servers that have done nothing before: what others left behind would be used again, and hide it."""
    memory = {}
    for some in (MEMORY_FEW, sessions):
        with server_class() as server:
            process = client(prefix, server_class.kind, server.where, "idle", some)
            time.sleep(2)
            memory[some] = server.memory_bytes()
            ended(process, server_class.kind)
    return round((memory[sessions] - memory[MEMORY_FEW]) / (sessions - MEMORY_FEW))


def quickstart(*arguments):
    return run([ROOT / "deploy/quickstart", "--name", NAME, *arguments], 120, {"WAXWIRE_PROGRAMS": str(BUILD)})


def waxwire(quick, core, cores):
    with tempfile.TemporaryDirectory(prefix="waxwire-perf-") as name:
        settings = Path(name) / "settings.yaml"
        settings.write_text(SETTINGS.format(core=core), encoding="utf-8")
        served = json.loads(quickstart("--serve", "--json", "--port", "afxdp", "--config", settings))
        try:
            return waxwire_points(served, quick, cores)
        finally:
            quickstart("--stop")


def waxwire_points(served, quick, cores):
    prefix = ("taskset", "-c", cores, "ip", "netns", "exec", served["namespace"])
    where = (served["address"], served["port"], served["server_name"])
    pids = served["pids"]

    def look():
        return json.loads(run([BUILD / "control/waxctl", "--socket", served["admin_socket"], "workers", "--json"], 10))["workers"]

    def spent():
        workers = look()
        threads = cpu_seconds(pids["dataplane"]) - cpu_seconds(pids["dataplane"], "worker")
        parts.append(workers)
        return sum(w["busy_cycles"] / w["cycles_per_s"] for w in workers) + threads + cpu_seconds(pids["control"])

    points = []
    for window, messages in zip(WINDOWS, MESSAGES["waxwire"]):
        parts = []
        point = relayed(prefix, "waxwire", where, window, messages // (2 if quick else 1), spent)
        point["worker_busy_us_per_message"] = round(difference(parts[0], parts[1], "busy_cycles") * 1e6 / parts[0][0]["cycles_per_s"]
                                                    / point["messages"], 3)
        points.append(point)
    return {"points": points}


def idle_bytes(options, measured):
    """Of both processes, by the suite idle's way."""
    many = 12000 if options.quick else 50000  # of few, what the pages around them take hides it
    few_seen, _, _ = suite_idle.session_run(options, suite_idle.FEW, measured)
    many_seen, _, _ = suite_idle.session_run(options, many, measured)
    return round(sum(many_seen[name] - few_seen[name] for name in ("dataplane", "control")) / (many - suite_idle.FEW))


def ratios(keys):
    """The best of the peers to ours, at each window, and of memory."""
    peers = {name: found for name, found in keys["peers"].items() if found}
    if not peers:
        return
    for at, window in enumerate(WINDOWS):
        best = min(found["points"][at]["cpu_us_per_message"] for found in peers.values())
        keys[f"ratio_cpu_window_{window}"] = round(best / keys["waxwire"]["points"][at]["cpu_us_per_message"], 2)
    keys["ratio_cpu"] = min(keys[f"ratio_cpu_window_{window}"] for window in WINDOWS)
    keys["ratio_memory"] = round(min(found["bytes_per_idle_session"] for found in peers.values())
                                 / keys["waxwire"]["bytes_per_idle_session"], 1)


def measure(options, measured):
    if os.geteuid() != 0:
        raise Failed("suite peers makes network namespaces: it needs root")
    build(*TARGETS, "client/waxcat")
    core, cores = others()
    keys = measured.keys
    keys["peers"] = {}
    for server_class in peer_servers.PEERS:
        if not Path(server_class.program).exists():
            keys["peers"][server_class.kind] = None
            measured.reasons[server_class.kind] = "not installed: deploy/setup peers"
            continue
        try:
            keys["peers"][server_class.kind] = peer(server_class, options.quick, cores)
        except Failed as failed:
            keys["peers"][server_class.kind] = None
            measured.reasons[server_class.kind] = str(failed)
    keys["waxwire"] = waxwire(options.quick, core, cores)
    keys["waxwire"]["bytes_per_idle_session"] = idle_bytes(options, measured)
    ratios(keys)
    found = {**keys["peers"], "waxwire": keys["waxwire"]}
    for name, one in found.items():
        for point in one["points"] if one else ():
            if point["wrong"]:
                measured.errors.append(f"{name}: {point['wrong']} messages were wrong or out of order")
    measured.table(f"{PAYLOAD} B over WebSocket and TLS, acknowledged: the server's processor time, microseconds a message",
                   ("", *(f"window {window}" for window in WINDOWS), "messages /s at 64", "bytes of an idle session"),
                   [(name, *(point["cpu_us_per_message"] for point in one["points"]), f"{one['points'][1]['messages_per_s']:,}",
                     f"{one['bytes_per_idle_session']:,}") for name, one in found.items() if one])
    if "ratio_cpu" in keys:
        measured.say("  the best of them to waxwire: " + ", ".join(f"{keys[f'ratio_cpu_window_{window}']} at window {window}" for window in WINDOWS)
                     + f"; memory {keys['ratio_memory']}")
