#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the corpus of the fuzz target `tcp` (see fuzz_tcp.c for the format): make_tcp.py DIRECTORY"""
import pathlib
import struct
import sys

SEGMENT, SEGMENT_TS, RAW, SLEEP, WRITE, READ, CLOSE, ABORT, RELEASE, CONNECT, SYN_OP, HOLD, SACKS, ICMP = range(14)
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
BURST = 16  # what 0..13 plus 14 stays the same instruction; bit 4 leaves output for later


def op(what, peer=0, flags=0, seq=0, ack=0, length=0, window=200):
    return struct.pack(">BBhhBB", what | peer << 5, flags, seq, ack, length, window)


def seg(flags=ACK, what=SEGMENT, **of):
    return op(what, flags=flags, **of)


def opened(peer=0, ts=False):
    return op(SYN_OP, peer, 2 | (4 if ts else 0), length=182) + seg(what=SEGMENT_TS if ts else SEGMENT, peer=peer)


def connected(peer=0):
    return op(CONNECT, peer) + op(SYN_OP, peer, ACK | 1, length=182)


def sacks(peer=0, count=1, ack=0, first=0, length=0, gap=0, ece=0):
    return op(SACKS, peer, count - 1 | ece, ack, first, length, gap)


def sleep(ms):
    return op(SLEEP, seq=ms if ms < 32768 else ms - 65536)


def raw(packet):
    return op(RAW, length=len(packet)) + packet


def header(flags, options=b"", port=1000, seq=0, ack=0, words=None):
    words = 5 + len(options) // 4 if words is None else words
    return struct.pack(">HHIIBBHHH", port, 443, seq, ack, words << 4, flags, 1000, 0, 0) + options


CASES = {
    "open_data_close": opened() + seg(length=50) + op(WRITE, seq=1000) + seg() + seg(ACK | FIN) + op(CLOSE) + seg(),
    "active_close": opened() + op(CLOSE) + seg() + seg(FIN | ACK) + seg(FIN | ACK, seq=-1) + sleep(30000) + sleep(30001),
    "simultaneous_close": opened() + op(CLOSE) + seg(FIN | ACK, ack=-1) + seg(),
    "simultaneous_open": op(CONNECT) + op(SYN_OP, flags=1, length=182) + op(SYN_OP, flags=ACK, length=182) + seg(),
    "connect_data": connected() + op(WRITE, seq=4000) + seg() + seg(length=200) + op(ABORT),
    "connect_refused": op(CONNECT) + seg(RST | ACK),
    "connect_timeout": op(CONNECT) + b"".join(sleep(30000) for _ in range(8)),
    "reorder": opened() + seg(seq=200, length=50) + seg(seq=600, length=50) + seg(length=50) + seg(seq=200, length=60)
    + seg(length=255),
    "reorder_fin": opened() + seg(FIN | ACK, seq=400, length=10) + seg(length=100) + op(CLOSE) + seg(),
    "overlaps": opened() + b"".join(seg(seq=s, length=n) for s, n in ((100, 40), (90, 60), (300, 5), (50, 80), (-5, 90))),
    "holes": opened() + b"".join(seg(seq=s, length=1) for s in range(1000, 10, -10)) + seg(length=255) + seg(length=255),
    "timestamps": opened(ts=True) + b"".join(seg(what=SEGMENT_TS, length=n) for n in (1, 2, 3)) + seg(length=9),
    "retransmit": opened() + op(WRITE, seq=4000) + b"".join(sleep(m) for m in (250, 500, 1000, 2000)) + seg(),
    "fast_retransmit": opened() + op(WRITE, seq=4095) + b"".join(seg(ack=-4095) for _ in range(6)) + seg(ack=-1000)
    + seg(ack=-500) + seg(),
    "timeout_recovery": opened() + op(WRITE, seq=4095) + sleep(300) + seg(ack=-3000) + seg(ack=-2000) + sleep(800) + seg(),
    "give_up": opened() + op(WRITE, seq=100) + b"".join(sleep(30000) for _ in range(8)),
    "zero_window": opened() + seg(length=1) + seg(window=0) + op(WRITE, seq=3000) + b"".join(sleep(m) + seg(window=0) for m in (
        250, 500, 1000)) + seg(ack=0, window=0) + seg(window=100) + sleep(500) + seg(),
    "small_window": opened() + seg(length=1) + seg(window=5) + op(WRITE, seq=3000) + sleep(300) + seg(window=9) + sleep(300),
    "shrunk_window": opened() + op(WRITE, seq=4000) + seg(ack=-3000, window=3) + sleep(300) + sleep(600) + seg(window=3),
    "hold_and_read": op(HOLD, flags=1) + opened() + b"".join(seg(length=255) for _ in range(4)) + op(READ, seq=500)
    + op(READ, seq=4000) + seg(length=255),
    "hold_shut": op(HOLD, flags=1) + opened() + b"".join(seg(length=255) for _ in range(12)) + op(READ, seq=4095) + seg(FIN | ACK),
    "abort_early": opened() + op(WRITE, seq=2000) + op(ABORT) + seg(RST) + opened(),
    "release_open": opened() + op(RELEASE) + seg(length=5),
    "release_closing": opened() + op(WRITE, seq=500) + op(CLOSE) + op(RELEASE) + seg() + seg(FIN | ACK) + opened(),
    "release_orphan": opened() + op(CLOSE) + op(RELEASE) + seg() + seg(length=20),
    "fin_wait_2": opened() + op(CLOSE) + seg() + sleep(30000) + seg(length=5) + sleep(30000) + sleep(32000),
    "half_closed": opened() + seg(FIN | ACK, length=10) + op(WRITE, seq=3000) + seg() + op(CLOSE) + seg(),
    "rst_in_window": opened() + seg(RST, seq=5) + seg(RST, seq=-5) + seg(RST),
    "syn_in_window": opened() + seg(SYN, seq=5) + op(SYN_OP, flags=0, seq=9) + seg(RST),
    "ack_beyond": opened() + seg(ack=1000, length=5) + seg(ack=-30000, length=5) + seg(length=5),
    "time_wait_reuse": opened() + op(CLOSE) + seg() + seg(FIN | ACK) + op(SYN_OP, flags=1, seq=500) + seg(),
    "time_wait_rst": opened(ts=True) + op(CLOSE) + seg(what=SEGMENT_TS) + seg(FIN | ACK, what=SEGMENT_TS) + seg(RST)
    + op(SYN_OP, flags=5, length=100) + seg(what=SEGMENT_TS),
    "half_open_flood": b"".join(op(SYN_OP, p, 2, length=100) for p in range(8)) + sleep(5000) + sleep(30000),
    "many": b"".join(opened(p) for p in range(8)) + b"".join(seg(peer=p, length=30) for p in range(8)) + b"".join(
        op(CLOSE, p) + seg(FIN | ACK, peer=p) for p in range(8)),
    "out_of_blocks": op(HOLD, flags=1) + b"".join(opened(p) + op(WRITE, p, seq=4095) * 4 + seg(peer=p, length=255) * 8
                                                  for p in range(6)),
    "keepalive": opened() + b"".join(sleep(5000) for _ in range(14)),
    "icmp": opened() + op(WRITE, seq=4000) + op(ICMP, flags=1, length=150) + op(ICMP, flags=2) + op(ICMP, flags=1) + seg()
    + op(CONNECT, 1) + op(ICMP, 1) + op(ICMP, 1, flags=2),
    "black_hole": opened() + op(WRITE, seq=4000) + b"".join(sleep(m) for m in (250, 500, 1000, 2000, 4000, 8000)) + seg(),
    "burst": opened() + op(SEGMENT, 0, ACK, seq=100, length=10) * 5 + seg(length=90),
    "no_ack": opened() + seg(PSH, length=5) + seg(0) + seg(URG | ACK, length=5),
    "raw_syn": raw(header(SYN, bytes.fromhex("020405b40103030804020000080a0000000100000000"), words=11)[:44]),
    "raw_options": raw(header(SYN, bytes.fromhex("0200"[:4]) + b"\0\0")) + raw(header(ACK, bytes.fromhex("0101050a0000000100000002")))
    + raw(header(ACK, bytes.fromhex("0101080a0000000100000002"))),
    "raw_short": raw(b"\0" * 19) + raw(header(SYN, words=4)) + raw(header(SYN, words=15)) + raw(header(SYN)),
    "sack_holes": opened() + op(WRITE, seq=4095) * 4 + sleep(20) + sacks(ack=0, first=1460, length=91) + sacks(
        ack=0, first=4380, length=91) + sacks(ack=0, first=5840, length=255) + sleep(20) + sacks(ack=5840, first=0, length=1)
    + seg(),
    "sack_many": opened() + op(WRITE, seq=4095) * 4 + b"".join(
        sacks(count=4, ack=0, first=at, length=1, gap=3) for at in range(16000, 0, -200)) + sleep(300) + seg(),
    "sack_reneged": opened() + op(WRITE, seq=4095) * 2 + sacks(ack=0, first=1460, length=255) + sleep(20)
    + sacks(ack=1460, first=0, length=1) + sleep(300) + sleep(600) + seg(),
    "sack_senseless": opened(ts=True) + op(WRITE, seq=4095) + sacks(ack=0, first=-3000, length=255, gap=1) + sacks(
        count=4, ack=0, first=30000, length=9) + sacks(count=2, ack=-9, first=0, length=0) + sleep(50) + seg(what=SEGMENT_TS),
    "sack_probe": opened(ts=True) + op(WRITE, seq=4000) + sleep(60) + sacks(ack=0, first=2900, length=60) + sleep(40)
    + op(WRITE, seq=4000) + sleep(60) + sleep(250) + sacks(ack=500, first=900, length=3, gap=3, count=4) + sleep(900),
    "ecn_echo": opened() + op(WRITE, seq=4095) + seg(ACK | 0x40, ack=-3000) + sacks(ack=0, first=1460, length=91, ece=0x40) + seg(),
    "empty": b"",
}


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name, body in CASES.items():
        configs = (0,) if "reorder" not in name and "hold" not in name else (0, 1 | 4)
        if name in ("open_data_close", "timestamps", "many", "half_open_flood", "release_closing", "time_wait_reuse"):
            configs += (64, 128, 64 | 128)  # SYN cookies, limits of addresses
        for config in configs:
            extra = 8 if name == "keepalive" else 0
            (out / (name + (f"_{config}" if config else ""))).write_bytes(bytes([config | extra]) + body)


main()
