# SPDX-License-Identifier: BSD-3-Clause
"""
Suite tcp: what the TCP engine costs for each segment, alone on a core, by perf/micro/bench_tcp.c. Times are the
least of several runs: whatever else the machine does can only add to them.
"""

import callgrind
from measure import build, run_json

SMALL, FULL = 128, 1448
FEW, MANY = 1000, 1000000

# Parts of the work, by the functions that do it; the rest is "input", "output" or "other".
PARTS = (
    ("checksum", ("checksum_",)),
    ("look-up (hash, flow table)", ("siphash", "engine_hash", "engine_find", "flow_", "tcp_lookup", "tcp_hash", "same_tuple",
                                    "tuple_key", "tcp_guess", "tcp_prefetch")),
    ("header", ("tcp_parse", "segment_", "option_", "options_")),
    ("timers", ("wheel_", "timer_", "conn_rto", "tcp_advance")),
    ("queues and copying", ("fifo_", "pool_", "mem", "__mem", "tcp_write", "tcp_reserve", "tcp_commit", "reassembly_")),
    ("acknowledgement, RTT, window", ("ack_", "rack_", "sack_", "recovery_", "rtt_")),
    ("congestion control", ("congestion_", "cubic_", "newreno_", "hystart_", "prr_", "pace_", "pacing_")),
    ("the benchmark's own loop", ("side_", "request_", "reply_", "write_all", "take", "payload_sum", "cycles_now", "must")),
    ("segment processing", ("tcp_input", "input_", "tcp_output", "output_", "conn_", "tcp_", "engine_")),
)


def least(bench, arguments, runs, timeout_s=120):
    """Run a case several times; each time figure is the least there was, each rate the most."""
    results = [run_json([bench, *arguments], timeout_s) for _ in range(runs)]
    best = dict(results[0])
    for key in results[0]:
        if key.endswith("_ns"):
            best[key] = min(result[key] for result in results)
            best[key + "_most"] = max(result[key] for result in results)
        elif key.endswith("_per_s"):
            best[key] = max(result[key] for result in results)
    return best


def echo(bench, connections, payload, exchanges, runs):
    return least(bench, ["echo", "--connections", connections, "--payload", payload, "--exchanges", exchanges], runs)


def part_of(function):
    return next((name for name, prefixes in PARTS if function.startswith(prefixes)), "other")


def instructions(bench, connections, payload, exchanges):
    """Instructions for each segment sent and received, with their parts."""
    command = [bench, "echo", "--connections", connections, "--payload", payload, "--exchanges", exchanges]
    found = {}
    for way, functions in (("rx", ("request_receive", "reply_receive")), ("tx", ("request_transmit", "reply_transmit"))):
        by_function = callgrind.instructions(command, functions, 300)
        segments = 2 * exchanges
        parts = {}
        for function, count in by_function.items():
            parts[part_of(function)] = parts.get(part_of(function), 0) + count / segments
        found[way] = {"all": round(sum(by_function.values()) / segments, 1),
                      "parts": {name: round(count, 1) for name, count in sorted(parts.items(), key=lambda item: -item[1])},
                      "functions": {name: round(count / segments, 1) for name, count in
                                    sorted(by_function.items(), key=lambda item: -item[1]) if count >= segments}}
    return found


def measure_costs(bench, quick, measured):
    runs = 3 if quick else 7
    exchanges = 300000 if quick else 2000000
    points = [echo(bench, connections, payload, exchanges, runs if connections == FEW else 2 if quick else 3)
              for connections in (FEW, MANY) for payload in (SMALL, FULL)]
    measured.keys["points"] = points
    measured.keys["rx_ns_per_segment"] = points[0]["rx_ns"]
    measured.keys["tx_ns_per_segment"] = points[0]["tx_ns"]
    measured.keys["rx_ns_per_segment_million"] = points[2]["rx_ns"]
    measured.keys["tx_ns_per_segment_million"] = points[2]["tx_ns"]
    measured.table("nanoseconds for each segment (in order, both ways; an ACK of its own for each second one)",
                   ("connections, payload", "received", "sent cold", "sent warm", "ACK received", "ACK sent", "timers"),
                   [(f"{p['connections']:,}, {p['payload']} B", p["rx_ns"], p["tx_cold_ns"], p["tx_warm_ns"], p["ack_rx_ns"],
                     p["ack_tx_ns"], p["timers_ns"]) for p in points])


def measure_instructions(bench, quick, measured):
    if not callgrind.available():
        for key in ("rx_instructions", "tx_instructions", "instructions"):
            measured.missing(key, "valgrind is not installed")
        return
    many = 50000 if quick else MANY
    points = [dict(connections=connections, payload=payload, **instructions(bench, connections, payload, exchanges))
              for connections, payload, exchanges in ((FEW, SMALL, 20000), (FEW, FULL, 20000), (many, SMALL, 50000))]
    measured.keys["instructions"] = points
    measured.keys["rx_instructions"] = points[0]["rx"]["all"]
    measured.keys["tx_instructions"] = points[0]["tx"]["all"]
    measured.table("instructions for each segment", ("connections, payload", "received", "sent"),
                   [(f"{p['connections']:,}, {p['payload']} B", p["rx"]["all"], p["tx"]["all"]) for p in points])
    for way, title in (("rx", "where they go: received"), ("tx", "where they go: sent")):
        names = sorted({name for p in points[:2] for name in p[way]["parts"]}, key=lambda n: -points[0][way]["parts"].get(n, 0))
        measured.table(title, ("part", f"{SMALL} B", f"{FULL} B"),
                       [(name, *(p[way]["parts"].get(name, 0) for p in points[:2])) for name in names])


def measure_rest(bench, quick, measured):
    scale = 1 if quick else 5
    opened = least(bench, ["open", "--connections", 65536, "--exchanges", 200000 * scale], 3)
    bulk = least(bench, ["bulk", "--exchanges", 300000 * scale], 3)
    loss = run_json([bench, "loss", "--exchanges", 20000 * scale], 120)
    memory = run_json([bench, "memory", "--connections", MANY], 10)
    measured.keys.update(
        opens_per_s=opened["opens_per_s"], open_close=opened, gbit_per_s=bulk["gbit_per_s"], bulk=bulk,
        loss_goodput_mbit_per_s=loss["goodput_mbit_per_s"], loss=loss,
        bytes_per_idle_connection=memory["bytes_per_idle_connection"], memory=memory)
    parts = ", ".join(f"{name.replace('_', ' ')} {size:g}" for name, size in memory["parts"].items())
    measured.table("the rest", ("what", "figure"), [
        ("handshakes with close, accepting side", f"{opened['opens_per_s']:,.0f} /s"),
        ("bulk, both engines on one core", f"{bulk['gbit_per_s']} Gbit/s"),
        ("bulk, sender alone", f"{bulk['sender_gbit_per_s']} Gbit/s"),
        ("bulk, receiver alone", f"{bulk['receiver_gbit_per_s']} Gbit/s"),
        (f"goodput at 1 % loss each way, {loss['link_mbit_per_s']} Mbit/s, {loss['rtt_ms']} ms",
         f"{loss['goodput_mbit_per_s']} Mbit/s"),
        ("an idle connection", f"{memory['bytes_per_idle_connection']} bytes"),
    ])
    measured.say(f"  of these: {parts}")


def measure(options, measured):
    (bench,) = build("perf/micro/bench-tcp")
    measure_costs(bench, options.quick, measured)
    measure_instructions(bench, options.quick, measured)
    measure_rest(bench, options.quick, measured)
