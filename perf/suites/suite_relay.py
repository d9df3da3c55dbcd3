# SPDX-License-Identifier: BSD-3-Clause
"""
Suite relay: what a message costs a worker, its whole cycle: SEND in, DELIVER out, ACK in, STATUS out, over TLS 1.3.
The generator's sessions are opened once, then steps follow: for each the highest rate at which nothing is lost is
searched (of the whole set-up, generator included), and the cost is taken at 90 % of it. Every id and payload is
checked. The worker has a core of its own, everything else shares the others.
"""

import breakdown
from appliance import Appliance, cpu_seconds
from steps import FAULTS, Steps, others

SHARE = 0.9
HEADLINE = 10000
# With a rate a session's whole window is due at once, as it is when windows are kept full.
STEPS = (
    {"matrix": "pairs", "window": 64, "burst": 64},
    {"matrix": "uniform", "window": 64, "burst": 64},
    {"matrix": "pairs", "window": 1, "burst": 1},
    {"matrix": "pairs", "window": 64, "burst": 64, "silent": True},
)
KEYS = ("headline_capacity_per_core", "uniform_capacity_per_core", "unbatched_capacity_per_core", "silent_capacity_per_core")


def limits(sessions):
    return {"connections": sessions + 1024, "half_open": 1024, "recipients": sessions + 1024, "handshakes": 512,
            "blocks": 1 << 17, "messages": 1 << 20}


def name(step):
    return f"{step['matrix']}, window {step['window']}{', silent' if step.get('silent') else ''}"


def step_measured(generator, step, options):
    """Search, then a longer step at less than what was found."""
    seconds, percent = (1, 10) if options.quick else (2, 3)
    most, trials = generator.search(max(200000, generator.sessions * 40), seconds, percent, **step)
    appliance = generator.appliance
    before = [cpu_seconds(appliance.control.pid), cpu_seconds(appliance.dataplane.pid, "handshake")]
    point = generator.measured(rate=max(1, int(most * SHARE)), seconds=2 if options.quick else 5, **step)
    after = [cpu_seconds(appliance.control.pid), cpu_seconds(appliance.dataplane.pid, "handshake")]
    messages = max(point["messages"], 1)
    point.update(no_loss_per_s=most, trials=trials, control_cpu_ns_per_message=round((after[0] - before[0]) * 1e9 / messages),
                 handshake_cpu_ns_per_message=round((after[1] - before[1]) * 1e9 / messages))
    return point


def measure(options, measured):
    core, rest = others()
    dataplane = {"idle": "performance"}
    if options.workers == 1:
        dataplane["cores"] = f"[{core}]"
    sizes = (HEADLINE,) if options.quick else (HEADLINE, 1000, 100000)
    points, keys = [], measured.keys
    with Appliance(options.workers, limits(max(sizes)), {"heartbeat_s": 3600}, dataplane, cores=rest) as appliance:
        for sessions in sizes:
            with Steps(appliance, sessions, "--address", "198.18.0.2/15") as generator:
                for step in STEPS:
                    points.append(step_measured(generator, step, options))
                if sessions == HEADLINE and not options.quick:
                    keys["breakdown"] = breakdown.steps(generator, STEPS, points, measured)
    keys.update(points=points, matrix="pairs, uniform", sessions=HEADLINE, payload=points[0]["payload"], workers=options.workers)
    for key, point in zip(KEYS, points):
        keys[key] = point["capacity_per_core"]
    for point in points:
        for fault in FAULTS:
            if point[fault]:
                measured.errors.append(f"{point['sessions']} sessions, {name(point)}: {fault} {point[fault]}")
    tell(points, keys, measured)


def tell(points, keys, measured):
    measured.table(f"{keys['payload']} B over TLS 1.3, {keys['workers']} worker(s): at {SHARE:.0%} of the highest rate without loss",
                   ("sessions, recipients", "capacity /s", "ns", "without loss /s", "busy", "burst", "in, out / message",
                    "p50, p99 us"),
                   [(f"{p['sessions']:,} {name(p)}", f"{p['capacity_per_core']:,}", p["worker_busy_ns_per_message"],
                     f"{p['no_loss_per_s']:,}", f"{100 * p['worker_busy_share']:.0f} %", p["mean_burst"],
                     f"{p['packets_in_per_message']}, {p['packets_out_per_message']}",
                     f"{p.get('inside_p50_us')}, {p.get('inside_p99_us')}") for p in points])
    for title, parts in (keys.get("breakdown") or {}).items():
        measured.table(f"where a message's time goes: {title}", ("part", "ns"), list(parts.items()))
