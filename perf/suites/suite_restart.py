# SPDX-License-Identifier: BSD-3-Clause
"""
Suite restart: the data plane is killed under many idle sessions and started again; all clients come back at once, with
their TLS tickets and resume tokens, and each sends a message as soon as it may. How long until the last one relays
again? The control plane lives on, and with it the keys of tickets and tokens. Beside it the same without either: every
handshake in full, every login by a signature.
"""

import time

from appliance import Appliance
from measure import Failed

QUICK, FULL = 3000, 100000
OPENING = 512  # clients on their way in at a time
IDLE = "are open and idle"


def wait_idle(appliance, generator, measured):
    told = time.monotonic()
    while IDLE not in appliance.log("waxgen"):
        if generator.poll() is not None:
            raise Failed(f"the generator ended: {appliance.log('waxgen')[-1000:]}")
        time.sleep(0.2)
        if time.monotonic() - told > 10:
            told = time.monotonic()
            measured.say(f"  {appliance.log('waxgen').strip().splitlines()[-1:]}")


def comeback(options, sessions, resume, measured):
    limits = {"connections": sessions + 4096, "half_open": 4096, "recipients": sessions + 16, "handshakes": 512, "blocks": 65536,
              "messages": 65536}
    with Appliance(options.workers, limits, {"heartbeat_s": 3600}) as appliance:
        generator = appliance.generator("--sessions", sessions, "--messages", sessions, "--opening", OPENING, "--restart",
                                        "--patience", 60, *(("--resume",) if resume else ()))
        wait_idle(appliance, generator, measured)
        time.sleep(1)
        down = time.monotonic()
        appliance.restart_dataplane()
        up = time.monotonic()
        code, report = generator.wait(1200), appliance.report()
        if code != 0 or not report.get("ok"):
            raise Failed(f"{sessions} sessions: {appliance.log('waxgen')[-1500:]}{appliance.log('dataplane')[-500:]}")
    for fault in ("lost", "duplicated", "reordered", "closed", "wrong"):
        if report[fault]:
            measured.errors.append(f"{'resumed' if resume else 'in full'}: {fault} {report[fault]}")
    return {"resume": resume, "restart_seconds": round(up - down, 3), **report["comeback"], **report.get("resumed", {}),
            "stored_on_the_way": report["accepted"], "opened_per_s": round(sessions / report["comeback"]["opened_seconds"], 1)}


def measure(options, measured):
    sessions = options.sessions or (QUICK if options.quick else FULL)
    points = [comeback(options, sessions, resume, measured) for resume in (True, False)]
    resumed, whole = points
    if min(resumed["tickets"], resumed["tokens"]) < sessions:
        measured.errors.append(f"{resumed['tickets']} tickets and {resumed['tokens']} tokens were taken, of {sessions}")
    measured.keys.update(sessions=sessions, opening=OPENING, points=points, last_relaying_seconds=resumed["relaying_seconds"],
                         last_relaying_seconds_in_full=whole["relaying_seconds"])
    measured.table(f"{sessions:,} sessions come back after the data plane was killed, seconds",
                   ("", "process back", "last open", "last relaying", "opened /s", "stored on the way"),
                   [("tickets and tokens" if p["resume"] else "in full", p["restart_seconds"], f"{p['opened_seconds']:.1f}",
                     f"{p['relaying_seconds']:.1f}", f"{p['opened_per_s']:,.0f}", f"{p['stored_on_the_way']:,}") for p in points])
