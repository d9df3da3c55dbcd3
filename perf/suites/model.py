# SPDX-License-Identifier: BSD-3-Clause
"""
What a machine with 32 cores and a port of 100 Gbit/s should do, from costs measured on one core. A calculation, not a
measurement: every assumption is listed, and is in the JSON.
"""

CORES, PORT_BIT_PER_S = 32, 100e9
WORKERS, HANDSHAKE_CORES = 24, 4  # the rest: control plane, system
HOP_NS = 110      # a cache line that another core wrote, and a ring entry in a burst
LINE_SHARE = 0.8  # of the port's bits
FRAME_EXTRA = 24  # preamble, gap, checksum of each frame on the wire
PACKET_PER_S = 2 * 40e6  # both ways together, of a common 100 Gbit/s port with many queues
HEADERS = {"frame": 14 + 20 + 32, "record": 22}
PAYLOAD = {"in": 32 + 8 + 8 + 8, "out": 44 + 4 + 36}  # SEND and ACK with WebSocket headers; DELIVER and an entry of STATUS

ASSUMPTIONS = (
    "a core costs what the one measured here costs; another clock or cache changes all figures in proportion",
    f"{WORKERS} cores are workers, {HANDSHAKE_CORES} shake hands, {CORES - WORKERS - HANDSHAKE_CORES} are for control and system; no SMT",
    f"recipients are at random: of the items that a message makes for rings, (N-1)/N cross to another core, {HOP_NS} ns each",
    "memory bandwidth does not limit: each message touches some 40 cache lines, 2.5 KB, so 10 million a second are 25 GB/s",
    "flows are spread evenly over the queues by the port (RSS), and users over workers by a keyed hash",
    f"the port carries {LINE_SHARE:.0%} of its bits and {PACKET_PER_S / 1e6:.0f} million packets a second, both ways together",
    "every message is online traffic between sessions; what is stored is bounded by the disk (suite store)",
    "the port's checksum offload is not counted as a saving",
)


def stage(point, items):
    """The limits of one kind of traffic, messages a second."""
    hops = items * (WORKERS - 1) / WORKERS
    cost = point["worker_busy_ns_per_message"] + hops * HOP_NS
    packets = point["packets_in_per_message"] + point["packets_out_per_message"]
    frame = HEADERS["frame"] + HEADERS["record"] + FRAME_EXTRA
    bits = {way: 8 * (point[f"packets_{way}_per_message"] * frame + PAYLOAD[way] + point["payload"]) for way in ("in", "out")}
    limits = {"workers": WORKERS * 1e9 / cost, "line": LINE_SHARE * PORT_BIT_PER_S / max(bits.values()), "packets": PACKET_PER_S / packets}
    least = min(limits, key=limits.get)
    return {"traffic": f"{point['matrix']}, window {point['window']}, {point['sessions']} sessions",
            "measured_ns": point["worker_busy_ns_per_message"], "hops": round(hops, 2), "ns_with_hops": round(cost, 1),
            "limits": {name: round(value) for name, value in limits.items()}, "messages_per_s": round(limits[least]), "limited_by": least}


def large_machine(points, crossing):
    items = crossing[-1]["ring_items_per_message"]
    most = max(point["sessions"] for point in points)
    return {"cores": CORES, "port_bit_per_s": PORT_BIT_PER_S, "workers": WORKERS, "ring_items_per_message": items,
            "assumptions": list(ASSUMPTIONS), "stages": [stage(point, items) for point in points if point["sessions"] == most]}


def tell(found, measured):
    measured.table(f"a model of {found['cores']} cores ({found['workers']} workers) and 100 Gbit/s: messages a second",
                   ("traffic", "measured ns", "with hops", "workers allow", "line allows", "packets allow", "so"),
                   [(s["traffic"], s["measured_ns"], s["ns_with_hops"], *(f"{s['limits'][name]:,}" for name in ("workers", "line", "packets")),
                     f"{s['messages_per_s']:,} ({s['limited_by']})") for s in found["stages"]])
    for assumption in found["assumptions"]:
        measured.say(f"  - {assumption}")
