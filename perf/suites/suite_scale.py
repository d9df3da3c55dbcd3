# SPDX-License-Identifier: BSD-3-Clause
"""
Suite scale: how the cost of a message grows with the number of sessions, at windows 1 and 64; what crosses between
workers when there are several (logical ones: they share the cores there are, so only counts are told, no times); and
a model of a large machine from these costs, with its assumptions.
"""

import model
from appliance import Appliance
from steps import FAULTS, Steps, others
from suite_relay import STEPS, limits, name, step_measured

FEW = 1000
WORKERS = (1, 2, 4)


def by_sessions(options):
    """Points of both windows in pairs, and at random, for each number of sessions."""
    core, rest = others()
    points = []
    for sessions in (FEW, 10000) if options.quick else (FEW, 10000, 100000):
        with Appliance(1, limits(sessions), {"heartbeat_s": 3600}, {"idle": "performance", "cores": f"[{core}]"},
                       cores=rest) as appliance, Steps(appliance, sessions) as generator:
            points += [step_measured(generator, step, options) for step in (STEPS[0], STEPS[1], STEPS[2])]
    return points


def by_workers(options):
    """What a message makes of items for rings, by how many workers there are; recipients at random."""
    points = []
    for workers in WORKERS[:2] if options.quick else WORKERS:
        with Appliance(workers, limits(FEW)) as appliance, Steps(appliance, 256) as generator:
            before = appliance.ask("workers")["workers"]
            point = generator.measured(messages=100000, window=8, matrix="uniform")
            after = appliance.ask("workers")["workers"]
            items = sum(new[key] - old[key] for old, new in zip(before, after) for key in ("mesh_sends", "mesh_returns"))
            point.update(workers=workers, ring_items_per_message=round(items / point["messages"], 3))
            points.append(point)
    return points


def measure(options, measured):
    points, crossing, keys = by_sessions(options), by_workers(options), measured.keys
    for point in [*points, *crossing]:
        for fault in FAULTS:
            if point[fault]:
                measured.errors.append(f"{point['sessions']} sessions, {name(point)}: {fault} {point[fault]}")
    cost = {(p["matrix"], p["window"], p["sessions"]): p["worker_busy_ns_per_message"] for p in points}
    most = max(p["sessions"] for p in points)
    growth = {f"{matrix}, window {window}": round(cost[matrix, window, most] / cost[matrix, window, FEW], 3)
              for matrix, window in (("pairs", 64), ("uniform", 64), ("pairs", 1))}
    keys.update(points=points, growth=growth, growth_from=FEW, growth_to=most, workers=crossing,
                model=model.large_machine(points, crossing))
    measured.table("what a message costs the worker, nanoseconds", ("sessions", *growth),
                   [(f"{sessions:,}", *(cost[matrix, window, sessions] for matrix, window in (("pairs", 64), ("uniform", 64), ("pairs", 1))))
                    for sessions in sorted({p["sessions"] for p in points})])
    measured.say("  growth: " + ", ".join(f"{title} {ratio}" for title, ratio in growth.items()))
    measured.table("items in rings for each message, recipients at random", ("workers", "items", "packets in", "packets out"),
                   [(p["workers"], p["ring_items_per_message"], p["packets_in_per_message"], p["packets_out_per_message"])
                    for p in crossing])
    model.tell(keys["model"], measured)
