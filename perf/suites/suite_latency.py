# SPDX-License-Identifier: BSD-3-Clause
"""
Suite latency: how long a message takes at a tenth, half and nine tenths of the highest rate at which nothing is lost.
Inside the appliance: from the poll of a SEND's packet to the hand-over of its DELIVER to the port, stamped by the
worker. End to end: from when the message was due at the generator (so a late generator counts as well) to its answer.
The loads take turns, several times; of each, the round with the median p99 is told.
"""

from appliance import Appliance
from steps import FAULTS, Steps, others
from suite_relay import limits
from suite_storm import stalls

SESSIONS, WINDOW = 1000, 64
LOADS = (0.1, 0.5, 0.9)


def median(points):
    return sorted(points, key=lambda point: point["inside_p99_us"])[len(points) // 2]


def measure(options, measured):
    core, rest = others()
    dataplane = {"idle": "performance"}
    if options.workers == 1:
        dataplane["cores"] = f"[{core}]"
    seconds, rounds = (2, 3) if options.quick else (8, 5)
    points, keys = {load: [] for load in LOADS}, measured.keys
    with Appliance(options.workers, limits(SESSIONS), {"heartbeat_s": 3600}, dataplane, cores=rest) as appliance:
        taken = stalls(appliance, core, rest, crowded=False)
        with Steps(appliance, SESSIONS) as generator:
            most, trials = generator.search(400000, 1 if options.quick else 3, 10 if options.quick else 3, window=WINDOW)
            for _ in range(rounds):
                for load in LOADS:
                    points[load].append({"load": load, **generator.measured(rate=int(most * load), seconds=seconds, window=WINDOW)})
    told = [median(points[load]) for load in LOADS]
    keys.update(sessions=SESSIONS, window=WINDOW, payload=told[0]["payload"], no_loss_per_s=most, trials=trials, stalls=taken,
                loads=told, points=[point for load in LOADS for point in points[load]], workers=options.workers)
    for name in ("p50_us", "p99_us", "p999_us", "max_us"):
        keys[name] = {f"{load:.0%}": point[f"inside_{name}"] for load, point in zip(LOADS, told)}
    for point in keys["points"]:
        for fault in FAULTS:
            if point[fault]:
                measured.errors.append(f"at {point['load']:.0%}: {fault} {point[fault]}")
    measured.table(f"{SESSIONS:,} sessions in pairs, {keys['payload']} B, of {most:,} a second without loss: microseconds",
                   ("load", "messages /s", "p50", "p99", "p99.9", "most", "end to end p50", "p99", "busy"),
                   [(f"{p['load']:.0%}", f"{p['messages_per_s']:,.0f}",
                     *(p[f"inside_{name}"] for name in ("p50_us", "p99_us", "p999_us", "max_us")),
                     p["end_to_end_p50_us"], p["end_to_end_p99_us"], f"{p['worker_busy_share']:.0%}") for p in told])
    calm = taken["calm"]
    measured.say(f"  the worker's core without the appliance: {calm['stalls_of_30_us_per_s']} stalls of 30 us and more a second, "
                 f"{calm['lost_percent']} % lost")
