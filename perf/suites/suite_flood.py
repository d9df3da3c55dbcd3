# SPDX-License-Identifier: BSD-3-Clause
"""
Suite flood: established sessions relay while an attacker sends as fast as the port takes it. Latency is stamped
inside the worker, from the poll of a SEND's packet to its DELIVER at the port; calm and flood alternate, so that
whatever else the machine does meets both.
"""

import latency
from appliance import Appliance
from measure import Failed
from steps import difference, look

RATE, SESSIONS, WINDOW = 20000, 64, 4
KINDS = ("syn", "ack", "rst", "garbage", "mixed")
CLIENTS = "198.18.0.2"
LIMITS = {"connections": 16384, "half_open": 4096}


def phase(appliance, seconds, kind=None):
    """Sessions relay for so many seconds, perhaps under a flood: what it was like."""
    before = look(appliance)
    flood = ("--flood", kind, "--flood-seconds", seconds) if kind else ()
    generator = appliance.generator("--sessions", SESSIONS, "--window", WINDOW, "--rate", RATE, "--messages", RATE * seconds,
                                    "--address", f"{CLIENTS}/24", *flood)
    code, report = generator.wait(120), appliance.report()
    after = look(appliance)
    if code != 0 or not report.get("ok"):
        raise Failed(f"{kind or 'calm'}: {appliance.log('waxgen')[-500:]}")
    busy, idle = difference(before, after, "busy_cycles"), difference(before, after, "idle_cycles")
    return {"kind": kind, **latency.between(before, after), "messages": report["completed"], "lost": report["lost"],
            "duplicated": report["duplicated"], "reordered": report["reordered"], "closed": report["closed"],
            "flood_packets_per_s": report["flood"]["packets_per_s"] if kind else 0,
            "end_to_end_p99_us": report["p99_us"], "busy": round(busy / max(busy + idle, 1), 3),
            "cookies_sent": difference(before, after, "cookies_sent"),
            "answers_dropped": difference(before, after, "tx_dropped"),
            "half_open_after": sum(worker["half_open_now"] for worker in after)}


def measure(options, measured):
    seconds, rounds, kinds = (2, 2, ("syn", "mixed")) if options.quick else (5, 3, KINDS)
    points = {kind: [] for kind in (None, *kinds)}
    with Appliance(options.workers, LIMITS, dataplane={"idle": "performance"}, prefix=24, gateway=CLIENTS) as appliance:
        for _ in range(rounds):
            for kind in points:
                points[kind].append(phase(appliance, seconds, kind))
    rows, measured.keys["points"] = [], [point for some in points.values() for point in some]
    calm = min(point["p99_us"] for point in points[None])
    for kind, some in points.items():
        best = min(some, key=lambda point: point["p99_us"])
        rows.append((kind or "calm", f"{best['flood_packets_per_s']:,.0f}", best["p50_us"], best["p99_us"], best["p999_us"],
                     f"{best['p99_us'] / calm:.2f}", f"{100 * best['busy']:.0f} %",
                     f"{best['cookies_sent']:,}"))
        if kind:
            measured.keys[f"p99_us_{kind}"] = best["p99_us"]
            measured.keys[f"ratio_{kind}"] = round(best["p99_us"] / calm, 3)
        for point in some:
            for fault in ("lost", "duplicated", "reordered", "closed"):
                if point[fault]:
                    measured.errors.append(f"{kind or 'calm'}: {fault} {point[fault]}")
    measured.keys.update(p99_us_calm=calm, p99_us_flood=measured.keys["p99_us_syn"], ratio=measured.keys["ratio_syn"],
                         messages_per_s=RATE, sessions=SESSIONS, workers=options.workers)
    measured.table(f"{SESSIONS} sessions, {RATE:,} messages a second, {options.workers} worker(s): in the worker, "
                   f"microseconds (the best of {rounds} rounds)",
                   ("flood", "packets/s", "p50", "p99", "p99.9", "to calm", "busy", "cookies"), rows)
