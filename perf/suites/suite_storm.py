# SPDX-License-Identifier: BSD-3-Clause
"""
Suite storm: sessions relay at a fifth of a worker's capacity while others connect, shake hands, log in and leave as
fast as the handshake thread lets them. The worker has a core of its own, everything else shares the others. Calm and
storm alternate, so that whatever else the machine does meets both. What one handshake costs is told by the thread's
processor time, beside a loop of bare OpenSSL (perf/micro/bench_handshake.c) on the same machine.
"""

import os
import time

import latency
from appliance import Appliance, cpu_seconds
from measure import Failed, build, run_json

SESSIONS, WINDOW, STORM, SHARE = 1000, 8, 64, 0.2
SHARED_RATE = 50000  # messages a second that the generator can do beside handshakes, both sides of them on one core
LIMITS = {"connections": 32768, "half_open": 4096, "handshakes": 512}


def look(appliance):
    """The workers' metrics, from a page that every worker has written since we began to look."""
    def ask():
        return appliance.ask("workers").get("workers") or []
    first, until = ask(), time.monotonic() + 10
    while time.monotonic() < until:
        time.sleep(0.1)
        seen = ask()
        if first and len(seen) == len(first) and all(new["polls"] != old["polls"] for new, old in zip(seen, first)):
            return seen
        first = first or seen
    raise Failed("the workers' metrics stand still: something else has their cores")


def difference(before, after, name):
    return sum(worker[name] for worker in after) - sum(worker[name] for worker in before)


def relay(appliance, messages, *arguments):
    """Sessions relay so many messages: the generator's report, the metrics before and after, the threads' time."""
    before, spent = look(appliance), cpu_seconds(appliance.dataplane.pid, "handshake")
    generator = appliance.generator("--sessions", SESSIONS, "--window", WINDOW, "--messages", messages, "--opening", 64,
                                    "--patience", 60, *arguments)
    code, report = generator.wait(300), appliance.report()
    after, spent = look(appliance), cpu_seconds(appliance.dataplane.pid, "handshake") - spent
    if code != 0 or not report.get("ok"):
        raise Failed(f"{' '.join(map(str, arguments)) or 'relay'}: {appliance.log('waxgen')[-800:]}")
    return report, before, after, spent


def capacity(appliance, messages):
    """Messages a second that a worker could relay, by its busy time while messages flow as windows allow."""
    relay(appliance, 2 * SESSIONS)  # the accounts exist from here on
    report, before, after, _ = relay(appliance, messages)
    busy = difference(before, after, "busy_cycles") / after[0]["cycles_per_s"]
    return report["completed"] / busy


def phase(appliance, rate, seconds, storm):
    report, before, after, spent = relay(appliance, rate * seconds, "--rate", rate, *(("--storm", STORM) if storm else ()))
    busy, idle = difference(before, after, "busy_cycles"), difference(before, after, "idle_cycles")
    point = {"storm": storm, **latency.between(before, after), "messages_per_s": report["messages_per_s"],
             "busy": round(busy / max(busy + idle, 1), 3), "end_to_end_p99_us": report["p99_us"]}
    for fault in ("lost", "duplicated", "reordered", "closed", "wrong"):
        point[fault] = report[fault]
    if storm:
        handshakes = difference(before, after, "handshakes")
        point.update(opened_per_s=report["storm"]["opened_per_s"], opened=report["storm"]["opened"],
                     handshakes=handshakes, login_cpu_us=round(spent * 1e6 / max(handshakes, 1), 1))
    return point


def bare(appliance, quick):
    (bench,) = build("perf/micro/bench-handshake")
    return run_json([bench, "--certificate", appliance.folder / "certificate.pem", "--key", appliance.folder / "key.pem",
                     "--handshakes", 1600 if quick else 8000], 120)


def others():
    """The cores that are not the worker's."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], ",".join(map(str, cores[1:] or cores))


def measure(options, measured):
    seconds, rounds = (3, 2) if options.quick else (10, 4)
    core, rest = others()
    dataplane = {"idle": "performance", "cores": f"[{core}]"}
    with Appliance(options.workers, LIMITS, {"heartbeat_s": 3600}, dataplane, cores=rest) as appliance:
        alone = bare(appliance, options.quick)
        most = capacity(appliance, 200000 if options.quick else 1000000)
        rate = max(1000, int(most * SHARE) // 100 * 100)
        if rate > SHARED_RATE and len(rest.split(",")) < 2:
            measured.missing("messages_per_s_wanted", f"{rate} a second: the generator shares its core with the handshakes")
            rate = SHARED_RATE
        points = [phase(appliance, rate, seconds, storm) for _ in range(rounds) for storm in (False, True)]
    judge(points, measured)
    calm = min((point for point in points if not point["storm"]), key=lambda point: point["p99_us"])
    storm = min((point for point in points if point["storm"]), key=lambda point: point["p99_us"])
    fastest = max(point["opened_per_s"] for point in points if point["storm"])
    keys = measured.keys
    keys.update(points=points, sessions=SESSIONS, capacity_per_core=round(most), messages_per_s=rate,
                handshakes_per_s=fastest, handshake_cpu_us=alone["full_us"],
                login_cpu_us=min(point["login_cpu_us"] for point in points if point["storm"]),
                core_handshakes_per_s=round(1e6 / alone["full_us"]), core_resumptions_per_s=round(1e6 / alone["resumed_us"]),
                bare_handshakes_per_s=round(1e6 / alone["bare_full_us"]),
                bare_resumptions_per_s=round(1e6 / alone["bare_resumed_us"]),
                ratio_to_bare=round(alone["bare_full_us"] / alone["full_us"], 3),
                ratio_to_bare_resumed=round(alone["bare_resumed_us"] / alone["resumed_us"], 3), bare=alone,
                share_of_capacity=round(rate / most, 3), relay_p99_us_calm=calm["p99_us"], relay_p99_us_storm=storm["p99_us"],
                ratio=round(storm["p99_us"] / calm["p99_us"], 3))
    measured.missing("resumed_per_s", "the generator's clients don't resume; what a core does is core_resumptions_per_s")
    tell(keys, calm, storm, measured)


def judge(points, measured):
    for point in points:
        for fault in ("lost", "duplicated", "reordered", "closed", "wrong"):
            if point[fault]:
                measured.errors.append(f"{'storm' if point['storm'] else 'calm'}: {fault} {point[fault]}")


def tell(keys, calm, storm, measured):
    measured.table(f"{SESSIONS:,} sessions, {keys['messages_per_s']:,} messages a second ({100 * keys['share_of_capacity']:.0f} % of {keys['capacity_per_core']:,}): "
                   "in the worker, microseconds (the best round)",
                   ("", "p50", "p99", "p99.9", "busy", "opened /s"), [
                       ("calm", calm["p50_us"], calm["p99_us"], calm["p999_us"], f"{100 * calm['busy']:.0f} %", 0),
                       ("storm", storm["p50_us"], storm["p99_us"], storm["p999_us"], f"{100 * storm['busy']:.0f} %",
                        f"{storm['opened_per_s']:,.0f}"),
                   ])
    measured.say(f"  p99 of storm to calm: {keys['ratio']}")
    alone = keys["bare"]
    measured.table("a handshake on one core: processor time of the server, microseconds", ("", "ours", "bare OpenSSL", "to bare"), [
        ("full", alone["full_us"], alone["bare_full_us"], keys["ratio_to_bare"]),
        ("resumed", alone["resumed_us"], alone["bare_resumed_us"], keys["ratio_to_bare_resumed"]),
        ("a login in the storm (full, and its signature checked)", keys["login_cpu_us"],
         round(alone["bare_full_us"] + alone["verify_us"], 1), round((alone["bare_full_us"] + alone["verify_us"]) / keys["login_cpu_us"], 3)),
    ])
