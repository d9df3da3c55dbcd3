#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the seeds of the fuzz target `path` (see fuzz_path.c for the format): make_path.py DIRECTORY"""
import pathlib
import struct
import sys

(SEGMENT, SEGMENT_TS, SYN_OP, SACK, OPTIONS, CHANGED, RAW, ICMP, NEIGHBOUR, BAD_SUM, MARKED, SLEEP, USER, LISTEN) = range(14)
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128
CONNECT, HOLD, WRITE, RESERVE, READ, ABORT, RELEASE, AGAIN, CLOSE = 0, 1, 2, 5, 6, 8, 9, 10, 11
WAIT = 16
FIRST_IP6 = 4


def op(what, peer=0, flags=0, seq=0, ack=0, a=0, b=200, own=b""):
    return struct.pack(">BBhhBB", what | peer << 5, flags, seq, ack, a, b) + own


def seg(flags=ACK, what=SEGMENT, **of):
    return op(what, flags=flags, **of)


def user(call, peer=0, n=0, a=0):
    return op(USER, peer, call, seq=n, a=a)


def opened(peer=0, ts=False, ecn=False):
    flags = 1 | 2 | (4 if ts else 0) | (64 if ecn else 0)
    return op(SYN_OP, peer, flags, a=182, b=7) + seg(what=SEGMENT_TS if ts else SEGMENT, peer=peer)


def connected(peer=0, ts=False):
    return op(NEIGHBOUR, peer, 1, a=2) + user(CONNECT, peer) + op(SYN_OP, peer, 1 | 2 | 16 | (4 if ts else 0), a=182, b=7)


def sleep(ms):
    return op(SLEEP, seq=ms if ms < 32768 else ms - 65536)


def raw(frame, mend=True):
    return op(RAW, flags=int(mend), a=len(frame) & 255, b=len(frame) >> 8, own=frame)


def eth(kind, rest, to=b"\2\0\0\0\0\1"):
    return to + b"\2\0\0\0\1\2" + struct.pack(">H", kind) + rest


def ip4(rest, protocol=6, options=b"", offset=0x4000, total=None):
    words = 5 + len(options) // 4
    total = words * 4 + len(rest) if total is None else total
    return eth(0x800, struct.pack(">BBHHHBBHII", 0x40 | words, 0, total, 7, offset, 64, protocol, 0, 0xC6120002, 0xC6120001)
               + options + rest)


def ip6(rest, following=6):
    ends = bytes.fromhex("2001000200000000000000000000000220010002000000000000000000000001")
    return eth(0x86DD, struct.pack(">IHBB", 0x60000000, len(rest), following, 255) + ends + rest)


def tcp(flags, options=b"", port=1000, seq=0, ack=0, words=None, data=b""):
    words = 5 + len(options) // 4 if words is None else words
    return struct.pack(">HHIIBBHHH", port, 443, seq, ack, words << 4, flags, 1000, 0, 0) + options + data


SYN_OPTIONS = bytes.fromhex("020405b40103030804020000080a0000000100000000")[:20] + bytes(4)


def cases(p):
    """Histories of one connection, with peer p: the same for both families."""
    def s(*flags, **of):
        return seg(*flags, peer=p, **of)

    def o(what, **of):
        return op(what, p, **of)

    def u(call, n=0, **of):
        return user(call, p, n, **of)

    return {
        "open-data-close": opened(p) + s(a=50) + u(WRITE, 1000) + s() + s(ACK | FIN) + u(CLOSE) + s(),
        "active-close": opened(p) + u(CLOSE) + s() + s(FIN | ACK) + s(FIN | ACK, seq=-1) + sleep(60001),
        "simultaneous-close": opened(p) + u(CLOSE) + s(FIN | ACK, ack=-1) + s(),
        "simultaneous-open": u(CONNECT) + o(SYN_OP, flags=1, a=182) + o(SYN_OP, flags=17, a=182) + s(),
        "connect": connected(p) + u(RESERVE, 2000) + s() + s(a=200) + u(CLOSE) + s(FIN | ACK),
        "connect-refused": u(CONNECT) + s(RST | ACK),
        "reorder": opened(p) + s(seq=200, a=50) + s(seq=600, a=50) + s(a=50) + s(seq=200, a=60) + s(a=255),
        "timestamps": opened(p, ts=True) + b"".join(s(what=SEGMENT_TS, a=n) for n in (1, 2, 3)) + s(a=9)
        + s(what=SEGMENT_TS, a=3, seq=-400),
        "sack": opened(p) + u(WRITE, 4095) * 3 + o(SACK, flags=0, a=23, b=181) + o(SACK, flags=1, a=23, b=90)
        + o(SACK, flags=2, a=10, b=90) + s(ack=-3000) + sleep(300) + s(),
        "sack-timestamps": opened(p, ts=True) + u(WRITE, 4095) * 3 + o(SACK, flags=3, a=23, b=181) * 3
        + s(ack=-1, what=SEGMENT_TS) + s(what=SEGMENT_TS),
        "sack-odd": opened(p) + u(WRITE, 4095) + o(SACK, a=0, b=0) + o(SACK, a=0, b=255) + o(SACK, a=255, b=255, flags=3) + s(),
        "d-sack": opened(p) + u(WRITE, 4095) + s(ack=-2000) + o(SACK, a=0, b=100) + sleep(250) + s(),
        "reno": opened(p) + u(WRITE, 4095) + b"".join(s(ack=-4095) for _ in range(6)) + s(ack=-1000) + s(ack=-500) + s(),
        "time-out": opened(p) + u(WRITE, 4095) + sleep(300) + s(ack=-3000) + sleep(800) + s(ack=-2000) + s(),
        "give-up": opened(p) + u(WRITE, 100) + sleep(30000) * 8,
        "zero-window": opened(p) + s(a=1, b=0) + u(WRITE, 3000) + b"".join(sleep(m) + s(b=0) for m in (250, 500, 1000))
        + s(b=100) + sleep(500) + s(),
        "shrunk-window": opened(p) + u(WRITE, 4000) + s(ack=-3000, b=3) + sleep(300) + sleep(600) + s(b=3),
        "hold": u(HOLD, a=1) + opened(p) + s(a=255) * 12 + u(READ, 500) + u(READ, 4000) + s(FIN | ACK, a=255),
        "abort": opened(p) + u(WRITE, 2000) + u(ABORT) + s(RST) + opened(p),
        "release": opened(p) + u(CLOSE) + u(RELEASE) + s() + s(a=20),
        "release-open": opened(p) + s(a=3) + u(RELEASE) + s(a=5),
        "blind": opened(p) + s(RST, seq=5) + s(SYN, seq=5) + s(ack=30000, a=1) + s(RST, seq=-5) + s(RST),
        "time-wait-reuse": opened(p) + u(CLOSE) + s() + s(FIN | ACK) + o(SYN_OP, flags=1, seq=500, a=100) + s(),
        "keepalive": opened(p) + sleep(5000) * 10,
        "wrong-sums": opened(p) + o(BAD_SUM, ack=1, a=5) + o(BAD_SUM, ack=-1, a=5) + s(a=5),
        "ecn": opened(p, ecn=True) + o(MARKED, flags=ACK, a=9, b=3) + u(WRITE, 3000) + s(ACK | ECE) + s(ACK | CWR, a=7),
        "errors": opened(p) + u(WRITE, 4000) + o(ICMP, flags=3, a=4, b=160) + o(ICMP, flags=2, b=160) + o(ICMP, flags=3, a=3)
        + o(ICMP, flags=1, a=4) + o(ICMP, flags=3, a=4, b=0, ack=2000) + o(ICMP, flags=11, a=64) + s() + s(ack=-4000) * 3,
        "errors-connect": connected(p) + u(ABORT) + u(CONNECT) + o(ICMP, flags=3, a=1) + o(ICMP, flags=1) + sleep(1000),
        "options": opened(p) + b"".join(o(OPTIONS, flags=ACK, a=len(x), own=x) for x in (
            b"\1\1\1\0", b"\2\4\5\xb4", b"\5\x0a" + bytes(8), b"\x22\2\1\1", b"\x08\x0a" + bytes(8), b"\3\2", b"\xfe\0")),
        "changed": opened(p) + b"".join(o(CHANGED, flags=ACK, a=0, own=bytes((at, 1 << at % 8))) for at in range(0, 54, 3)),
        "changed-sums": opened(p) + b"".join(o(CHANGED, flags=ACK, a=128, own=bytes((at, 1))) for at in range(14, 54, 5)),
        "neighbour": b"".join(o(NEIGHBOUR, flags=f, a=a) for f in range(4) for a in (0, 1, 2, 0x60, 0xE0)) + u(CONNECT)
        + sleep(1500) + o(NEIGHBOUR, flags=1, a=2) + sleep(1500) + o(NEIGHBOUR, flags=1, a=0x60) + sleep(1500),
        "burst": opened(p) + op(SEGMENT | WAIT, p, ACK, seq=100, a=10) * 5 + s(a=90) + op(USER | WAIT, p, AGAIN) + s(),
        "no-listener": op(LISTEN, flags=1) + opened(p) + op(LISTEN) + opened(p),
    }


def more():
    """What is about several connections, or about frames."""
    every = range(8)
    frames = {
        "syn": ip4(tcp(SYN, SYN_OPTIONS)), "syn6": ip6(tcp(SYN, SYN_OPTIONS, port=1004)),
        "data": ip4(tcp(ACK | PSH, data=b"x" * 30)), "short": ip4(tcp(ACK)[:19]), "words": ip4(tcp(SYN, words=15)),
        "options": ip4(tcp(SYN), options=b"\x07\x07\x04\0\0\0\0\0"), "route": ip4(tcp(SYN), options=b"\x83\x07\x04\1\2\3\4\0"),
        "fragment": ip4(tcp(SYN) + bytes(4), offset=0x2000), "fragment-2": ip4(bytes(24), offset=0x0003),
        "total": ip4(tcp(SYN), total=60), "udp": ip4(bytes(12), protocol=17), "padding": ip4(tcp(SYN)) + bytes(6),
        "echo": ip4(b"\x08\0\0\0\0\1\0\1hello!", protocol=1), "echo6": ip6(b"\x80\0\0\0\0\1\0\1hello!", 58),
        "hop-by-hop": ip6(b"\6\0\1\4\0\0\0\0" + tcp(SYN, port=1004), 0), "route6": ip6(b"\6\0\0\1\0\0\0\0" + tcp(SYN, port=1004), 43),
        "fragment6": ip6(b"\6\0\0\1\0\0\0\7" + tcp(SYN, port=1004), 44), "atomic6": ip6(b"\6\0\0\0\0\0\0\7" + tcp(SYN, port=1004), 44),
        "destination6": ip6(b"\6\0\1\4\0\0\0\0" + tcp(SYN, port=1004), 60), "none6": ip6(b"", 59),
        "vlan": eth(0x8100, b"\0\1" + ip4(tcp(SYN))[12:]), "advert6": ip6(b"\x86\0\0\0\x40\0\0\x1e" + bytes(8), 58),
        "query": ip6(b"\x82\0\0\0\0\1\0\0" + bytes(16), 58), "cut": ip4(tcp(SYN))[:30], "cut6": ip6(tcp(SYN))[:50],
    }
    return {
        "half-open": b"".join(op(SYN_OP, p, 3, a=100) for p in every) + sleep(5000) + b"".join(seg(peer=p) for p in every)
        + sleep(30000),
        "many": b"".join(opened(p, ts=p % 2 == 0) for p in every) + b"".join(seg(peer=p, a=30) for p in every)
        + b"".join(user(CLOSE, p) + seg(FIN | ACK, peer=p) for p in every),
        "blocks": user(HOLD, a=1) + b"".join(opened(p) + user(WRITE, p, 4095) * 4 + seg(peer=p, a=255) * 8 for p in range(6))
        + sleep(400) + b"".join(seg(peer=p, ack=-2000) for p in range(6)),
        "cookies": b"".join(op(SYN_OP, p, 7, a=182, b=7) for p in every) + b"".join(
            seg(peer=p, what=SEGMENT_TS) + seg(peer=p, what=SEGMENT_TS, a=5) for p in every),
        **{f"frame-{name}": raw(frame) + raw(frame, mend=False) for name, frame in frames.items()},
        "empty": b"",
    }


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name, body in more().items():
        (out / name).write_bytes(bytes([128 * name.startswith("frame"), name == "cookies"]) + body)
    for family, peer in ((4, 0), (6, FIRST_IP6)):
        for name, body in cases(peer).items():
            if name.startswith(("open", "time-wait", "release", "blind", "timestamps", "ecn")):
                (out / f"ip{family}-{name}-cookie").write_bytes(bytes([0, 1]) + body)
            configs = {"reorder": (0, 5), "hold": (0, 1, 4), "keepalive": (8,), "time-out": (0, 64)}.get(name, (0,))
            for config in configs:
                (out / (f"ip{family}-{name}" + (f"-{config}" if len(configs) > 1 else ""))).write_bytes(
                    bytes([config, 0]) + body)


main()
