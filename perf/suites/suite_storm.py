# SPDX-License-Identifier: BSD-3-Clause
"""
Suite storm: sessions relay at a fifth of a worker's capacity while others connect, shake hands, log in and leave as
fast as the handshake thread lets them. The worker has a core of its own, everything else shares the others: those that
relay and those that storm are two generators, each with a memif of its own, and the first goes before everything else on
its core, or it would get its turn late and send in bursts, whose last messages wait for the first. Calm and storm
alternate, so that whatever else the machine does meets both; and beside them a calm while a loop of bare OpenSSL takes
what it can of the other cores, so that one sees what is the appliance's doing and what is the machine's. What one handshake costs is told by the thread's
processor time, beside a loop of bare OpenSSL (perf/micro/bench_handshake.c) on the same machine.
"""

import contextlib
import subprocess
import time

import latency
from appliance import Appliance, cpu_seconds
from measure import Failed, build, run_json
from steps import difference, look, others

SESSIONS, WINDOW, STORM, SHARE = 1000, 8, 64, 0.2
OVERLAP_S = 6  # that a storm lasts longer than the messages in it, for the sessions to open and to close
SHARED_RATE = 50000  # messages a second that the generator can do beside handshakes, both sides of them on one core
LIMITS = {"connections": 32768, "half_open": 4096, "handshakes": 512}


def ended(appliance, generator, door=0):
    code, report = generator.wait(300), appliance.report(door)
    if code != 0 or not report.get("ok"):
        raise Failed(f"a generator failed: {appliance.log('waxgen' + str(door or ''))[-800:]}")
    return report


def relay(appliance, messages, *arguments):
    """Sessions relay so many messages: the generator's report, the metrics before and after, and the time in between."""
    before, began = look(appliance), time.monotonic()
    generator = appliance.generator("--sessions", SESSIONS, "--window", WINDOW, "--messages", messages, "--opening", 64,
                                    "--patience", 60, *arguments, first=True)
    report = ended(appliance, generator)
    return report, before, look(appliance), time.monotonic() - began


def storm_begin(appliance, seconds, resume):
    """Clients come and go at the second memif for so long; returns when they do."""
    generator = appliance.generator("--sessions", 2, "--rate", 10, "--messages", 10 * seconds, "--storm", STORM, "--patience", 60,
                                    *(("--resume",) if resume else ()), door=1)
    until = time.monotonic() + 30
    while "messages complete" not in appliance.log("waxgen1") and time.monotonic() < until:
        time.sleep(0.1)
    return generator


def capacity(appliance, messages):
    """Messages a second that a worker could relay, by its busy time while messages flow as windows allow."""
    relay(appliance, 2 * SESSIONS)  # the accounts exist from here on
    report, before, after, _ = relay(appliance, messages)
    busy = difference(before, after, "busy_cycles") / after[0]["cycles_per_s"]
    return report["completed"] / busy


def phase(appliance, rate, seconds, storm, resume=False):
    storming = storm_begin(appliance, seconds + OVERLAP_S, resume) if storm else None
    spent = cpu_seconds(appliance.dataplane.pid, "handshake")
    report, before, after, lasted = relay(appliance, rate * seconds, "--rate", rate)
    spent = cpu_seconds(appliance.dataplane.pid, "handshake") - spent
    busy, idle = difference(before, after, "busy_cycles"), difference(before, after, "idle_cycles")
    point = {"storm": storm, "resume": resume, **latency.between(before, after), "messages_per_s": report["messages_per_s"],
             "busy": round(busy / max(busy + idle, 1), 3), "end_to_end_p99_us": report["p99_us"],
             "preemptions_per_s": round(difference(before, after, "preemptions") / lasted, 1),
             "turns_long_per_s": round(difference(before, after, "turns_long") / lasted, 2)}
    for fault in ("lost", "duplicated", "reordered", "closed", "wrong"):
        point[fault] = report[fault]
    if storm:
        handshakes, stormed = difference(before, after, "handshakes"), ended(appliance, storming, 1)
        point.update(opened_per_s=round(handshakes / lasted, 1), handshakes=handshakes,
                     login_cpu_us=round(spent * 1e6 / max(handshakes, 1), 1), storm_opened=stormed["storm"]["opened"],
                     tickets_taken=stormed.get("resumed", {}).get("tickets", 0), tokens_taken=stormed.get("resumed", {}).get("tokens", 0))
    return point


def bench(appliance, handshakes):
    (program,) = build("perf/micro/bench-handshake")
    return [program, "--certificate", appliance.folder / "certificate.pem", "--key", appliance.folder / "key.pem",
            "--handshakes", handshakes]


def bare(appliance, quick):
    return run_json(bench(appliance, 1600 if quick else 8000), 120)


@contextlib.contextmanager
def crowd(appliance, cores):
    """Somebody else has these cores."""
    command = ["taskset", "-c", cores, "nice", "-n", "5", *map(str, bench(appliance, 10000000))]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as hog:
        try:
            yield
        finally:
            hog.kill()


def stalls(appliance, core, cores, crowded=True):
    """What the machine itself takes of the worker's core, while the others are at rest and while they are not."""
    (program,) = build("perf/micro/bench-stalls")
    command = ["taskset", "-c", core, program, 3]
    calm = run_json(command, 30)
    if not crowded:
        return {"calm": calm}
    with crowd(appliance, cores):
        return {"calm": calm, "crowded": run_json(command, 30)}


def measure(options, measured):
    seconds, rounds = (3, 2) if options.quick else (10, 4)
    core, rest = others()
    dataplane = {"idle": "performance", "cores": f"[{core}]"}
    idle = Appliance(options.workers, LIMITS)  # never started: only its certificate is needed
    try:
        taken = stalls(idle, core, rest)
    finally:
        idle.stop()
    with Appliance(options.workers, LIMITS, {"heartbeat_s": 3600}, dataplane, cores=rest, doors=2) as appliance:
        alone = bare(appliance, options.quick)
        most = capacity(appliance, 200000 if options.quick else 1000000)
        rate = max(1000, int(most * SHARE) // 100 * 100)
        if rate > SHARED_RATE and len(rest.split(",")) < 2:
            measured.missing("messages_per_s_wanted", f"{rate} a second: the generator shares its core with the handshakes")
            rate = SHARED_RATE
        points, beside = [], []
        for _ in range(rounds):
            points += [phase(appliance, rate, seconds, storm) for storm in (False, True)]
            with crowd(appliance, rest):
                beside.append(phase(appliance, rate, seconds, False))
        resumed = phase(appliance, rate, seconds, True, resume=True)
    judge([*points, *beside, resumed], measured)
    calm = min((point for point in points if not point["storm"]), key=lambda point: point["p99_us"])
    storm = min((point for point in points if point["storm"]), key=lambda point: point["p99_us"])
    occupied = min(beside, key=lambda point: point["p99_us"])
    fastest = max(point["opened_per_s"] for point in points if point["storm"])
    keys = measured.keys
    keys.update(points=points, crowded=beside, resumed=resumed, resumed_per_s=resumed["opened_per_s"], sessions=SESSIONS,
                capacity_per_core=round(most), messages_per_s=rate, handshakes_per_s=fastest, handshake_cpu_us=alone["full_us"],
                login_cpu_us=min(point["login_cpu_us"] for point in points if point["storm"]),
                core_handshakes_per_s=round(1e6 / alone["full_us"]), core_resumptions_per_s=round(1e6 / alone["resumed_us"]),
                bare_handshakes_per_s=round(1e6 / alone["bare_full_us"]),
                bare_resumptions_per_s=round(1e6 / alone["bare_resumed_us"]),
                ratio_to_bare=round(alone["bare_full_us"] / alone["full_us"], 3),
                ratio_to_bare_resumed=round(alone["bare_resumed_us"] / alone["resumed_us"], 3), bare=alone,
                share_of_capacity=round(rate / most, 3), relay_p99_us_calm=calm["p99_us"], relay_p99_us_storm=storm["p99_us"],
                relay_p99_us_crowded=occupied["p99_us"], ratio=round(storm["p99_us"] / calm["p99_us"], 3),
                ratio_to_crowded=round(storm["p99_us"] / occupied["p99_us"], 3), stalls=taken)
    tell(keys, calm, occupied, storm, measured)


def judge(points, measured):
    for point in points:
        for fault in ("lost", "duplicated", "reordered", "closed", "wrong"):
            if point[fault]:
                measured.errors.append(f"{'storm' if point['storm'] else 'calm'}: {fault} {point[fault]}")


def tell(keys, calm, occupied, storm, measured):
    measured.table(f"{SESSIONS:,} sessions, {keys['messages_per_s']:,} messages a second ({100 * keys['share_of_capacity']:.0f} % of {keys['capacity_per_core']:,}): "
                   "in the worker, microseconds (the best round)",
                   ("", "p50", "p99", "p99.9", "busy", "opened /s"), [
                       ("calm", calm["p50_us"], calm["p99_us"], calm["p999_us"], f"{100 * calm['busy']:.0f} %", 0),
                       ("calm, the other cores crowded", occupied["p50_us"], occupied["p99_us"], occupied["p999_us"],
                        f"{100 * occupied['busy']:.0f} %", 0),
                       ("storm", storm["p50_us"], storm["p99_us"], storm["p999_us"], f"{100 * storm['busy']:.0f} %",
                        f"{storm['opened_per_s']:,.0f}"),
                       ("with tickets and tokens", *(keys["resumed"][name] for name in ("p50_us", "p99_us", "p999_us")),
                        f"{100 * keys['resumed']['busy']:.0f} %", f"{keys['resumed_per_s']:,.0f}"),
                   ])
    measured.say(f"  p99 of storm to calm: {keys['ratio']}, to calm with the other cores crowded: {keys['ratio_to_crowded']}")
    measured.table("the worker's core without the appliance: what is taken from a loop that only looks at the clock",
                   ("other cores", "stalls /s", "of 30 us and more", "lost"),
                   [(name, found["stalls_per_s"], found["stalls_of_30_us_per_s"], f"{found['lost_percent']} %")
                    for name, found in keys["stalls"].items()])
    alone = keys["bare"]
    measured.table("a handshake on one core: processor time of the server, microseconds", ("", "ours", "bare OpenSSL", "to bare"), [
        ("full", alone["full_us"], alone["bare_full_us"], keys["ratio_to_bare"]),
        ("resumed", alone["resumed_us"], alone["bare_resumed_us"], keys["ratio_to_bare_resumed"]),
        ("a login in the storm (full, and its signature checked)", keys["login_cpu_us"],
         round(alone["bare_full_us"] + alone["verify_us"], 1), round((alone["bare_full_us"] + alone["verify_us"]) / keys["login_cpu_us"], 3)),
    ])
