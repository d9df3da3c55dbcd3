# SPDX-License-Identifier: BSD-3-Clause
"""
Suite fanout: messages to groups by SEND_MULTI, 32 B of its own for each recipient and 512 B that all share, over TLS.
A delivery counts when it has been acknowledged and its sender knows. Few send, everybody receives.
"""

from appliance import Appliance
from steps import FAULTS, Steps, others
from suite_relay import SHARE, limits

SESSIONS, SENDERS, SHARED = 1100, 32, 512
GROUPS = (256, 1024)


def measure(options, measured):
    core, rest = others()
    dataplane = {"idle": "performance"}
    if options.workers == 1:
        dataplane["cores"] = f"[{core}]"
    points, keys = [], measured.keys
    seconds, percent = (1, 15) if options.quick else (2, 4)
    with Appliance(options.workers, limits(SESSIONS), {"heartbeat_s": 3600}, dataplane, cores=rest) as appliance:
        with Steps(appliance, SESSIONS) as generator:
            for group in GROUPS:
                step = {"group": group, "senders": SENDERS, "payload": SHARED, "window": max(1, 1024 // group)}
                most, _ = generator.search(300000 // group, seconds, percent, **step)
                point = generator.measured(rate=max(1, int(most * SHARE)), seconds=3 if options.quick else 8, **step)
                busy = point["worker_busy_ns_per_message"] / group
                point.update(group=group, head=32, no_loss_deliveries_per_s=most * group,
                             deliveries_per_s=round(point["messages_per_s"] * group), worker_busy_ns_per_delivery=round(busy, 1),
                             capacity_deliveries_per_core=round(1e9 / busy))
                points.append(point)
    keys.update(points=points, sessions=SESSIONS, senders=SENDERS, deliveries_per_s=points[-1]["no_loss_deliveries_per_s"],
                worker_busy_ns_per_delivery=points[-1]["worker_busy_ns_per_delivery"],
                capacity_deliveries_per_core=points[-1]["capacity_deliveries_per_core"])
    for point in points:
        for fault in FAULTS:
            if point[fault]:
                measured.errors.append(f"groups of {point['group']}: {fault} {point[fault]}")
    measured.table(f"{SENDERS} of {SESSIONS:,} sessions send to groups: acknowledged deliveries",
                   ("recipients", "capacity /s", "ns", "without loss /s", "busy", "stored", "p50, p99 us"),
                   [(p["group"], f"{p['capacity_deliveries_per_core']:,}", p["worker_busy_ns_per_delivery"],
                     f"{p['no_loss_deliveries_per_s']:,}", f"{p['worker_busy_share']:.0%}", p["stored"],
                     f"{p.get('inside_p50_us')}, {p.get('inside_p99_us')}") for p in points])
