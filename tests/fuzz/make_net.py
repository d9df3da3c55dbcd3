#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the corpus of the fuzz target `net` (see fuzz_net.c for the format): make_net.py DIRECTORY"""
import pathlib
import struct
import sys

US, PEER, GATEWAY = bytes.fromhex("020000000001"), bytes.fromhex("020000000002"), bytes.fromhex("0200000000fe")
ALL = b"\xff" * 6
MEND_IP, MEND_ICMP, MINUTE = 1, 2, 4


def ip(text):
    return bytes(int(part) for part in text.split("."))


def record(frame, flags=MEND_IP):
    return struct.pack(">BH", flags, len(frame)) + frame


def arp(op, sender, target, to=ALL, sender_mac=PEER, kind=b"\0\1\x08\0\6\4"):
    packet = kind + struct.pack(">H", op) + sender_mac + ip(sender) + bytes(6) + ip(target)
    return (to + PEER + b"\x08\x06" + packet).ljust(60, b"\0")


def ip4(payload, src="198.18.0.2", dst="198.18.0.1", protocol=6, options=b"", fragment=0x4000, version=4, mac=PEER,
        total=None, ihl=None, to=US, tos=0):
    ihl = 5 + len(options) // 4 if ihl is None else ihl
    total = 20 + len(options) + len(payload) if total is None else total
    header = struct.pack(">BBHHHBBH", version << 4 | ihl, tos, total, 7, fragment, 64, protocol, 0)
    return (to + mac + b"\x08\0" + header + ip(src) + ip(dst) + options + payload).ljust(60, b"\0")


def tcp(sport=50000, dport=443, flags=0x02):
    return struct.pack(">HHIIBBHHH", sport, dport, 1000, 0, 0x50, flags, 65535, 0, 0)


def icmp(kind, code, rest, data):
    return struct.pack(">BBH", kind, code, 0) + rest + data


def quote(protocol=6, src="198.18.0.1", dst="198.18.0.2", cut=28):
    header = struct.pack(">BBHHHBBH", 0x45, 0, 1500, 0, 0x4000, 60, protocol, 0) + ip(src) + ip(dst)
    return (header + tcp(443, 50000, 0x10))[:cut]


def unreachable(code=4, mtu=1280, **of):
    return ip4(icmp(3, code, struct.pack(">HH", 0, mtu), quote(**of)), protocol=1)


BOTH = MEND_IP | MEND_ICMP
INPUTS = {
    "arp-request": record(arp(1, "198.18.0.2", "198.18.0.1")),
    "arp-probe": record(arp(1, "0.0.0.0", "198.18.0.1")),
    "arp-announce": record(arp(1, "198.18.0.2", "198.18.0.2")),
    "arp-conflict": record(arp(1, "198.18.0.1", "198.18.0.1")),
    "arp-reply": record(arp(2, "198.18.0.254", "198.18.0.1", to=US, sender_mac=GATEWAY)),
    "arp-reply-far": record(arp(2, "203.0.113.1", "198.18.0.1", to=US)),
    "arp-other": record(arp(1, "198.18.0.2", "198.18.0.9")),
    "arp-op": record(arp(3, "198.18.0.2", "198.18.0.1")),
    "arp-hardware": record(arp(1, "198.18.0.2", "198.18.0.1", kind=b"\0\6\x08\0\6\4")),
    "arp-group": record(arp(1, "198.18.0.2", "198.18.0.1", sender_mac=b"\1\0\0\0\0\1")),
    "arp-short": record(arp(1, "198.18.0.2", "198.18.0.1")[:41]),
    "tcp-syn": record(ip4(tcp())),
    "tcp-far": record(ip4(tcp(), src="192.0.2.9", mac=GATEWAY)),
    "tcp-ecn": record(ip4(tcp(), tos=3)),
    "tcp-second": record(ip4(tcp(), src="198.19.0.0", dst="198.19.0.1")),
    "tcp-options": record(ip4(tcp(), options=b"\x94\4\0\0\1\1\1\0")),
    "tcp-source-route": record(ip4(tcp(), options=b"\x83\x07\4\1\2\3\4\0")),
    "tcp-option-short": record(ip4(tcp(), options=b"\x07\1\0\0")),
    "tcp-option-long": record(ip4(tcp(), options=b"\x07\x28\4\0")),
    "tcp-fragment": record(ip4(tcp(), fragment=0x2000)),
    "tcp-fragment-last": record(ip4(tcp(), fragment=0x0010)),
    "tcp-padded": record(ip4(tcp()) + bytes(40)),
    "tcp-checksum": record(ip4(tcp()), 0),
    "tcp-other-host": record(ip4(tcp(), dst="198.18.0.7")),
    "tcp-land": record(ip4(tcp(), src="198.18.0.1")),
    "tcp-broadcast-source": record(ip4(tcp(), src="198.18.0.255")),
    "tcp-loopback": record(ip4(tcp(), src="127.0.0.1")),
    "tcp-group-source": record(ip4(tcp(), src="224.0.0.1")),
    "tcp-to-broadcast": record(ip4(tcp(), to=ALL)),
    "ip-version": record(ip4(tcp(), version=6)),
    "ip-ihl": record(ip4(tcp(), ihl=4)),
    "ip-ihl-long": record(ip4(tcp(), ihl=15)),
    "ip-total-long": record(ip4(tcp(), total=1500)),
    "ip-total-short": record(ip4(tcp(), total=19)),
    "udp": record(ip4(bytes(8), protocol=17)),
    "ping": record(ip4(icmp(8, 0, b"\0\1\0\1", bytes(range(56))), protocol=1), BOTH),
    "ping-options": record(ip4(icmp(8, 0, b"\0\1\0\1", b"data"), protocol=1, options=b"\x07\x07\4\0\0\0\0\0"), BOTH),
    "ping-code": record(ip4(icmp(8, 1, b"\0\1\0\1", b""), protocol=1), BOTH),
    "ping-checksum": record(ip4(icmp(8, 0, b"\0\1\0\1", b"data"), protocol=1)),
    "ping-reply": record(ip4(icmp(0, 0, b"\0\1\0\1", b""), protocol=1), BOTH),
    "icmp-short": record(ip4(b"\x08\0\0\0", protocol=1), BOTH),
    "icmp-too-big": record(unreachable(), BOTH),
    "icmp-too-big-no-mtu": record(unreachable(mtu=0), BOTH),
    "icmp-port": record(unreachable(code=3), BOTH),
    "icmp-quote-udp": record(unreachable(protocol=17), BOTH),
    "icmp-quote-other": record(unreachable(src="198.18.0.9"), BOTH),
    "icmp-quote-short": record(unreachable(cut=27), BOTH),
    "icmp-redirect": record(ip4(icmp(5, 1, ip("198.18.0.66"), quote()), protocol=1), BOTH),
    "icmp-time": record(ip4(icmp(11, 0, bytes(4), quote()), protocol=1), BOTH),
    "ethertype": record(US + PEER + b"\x81\0" + bytes(46)),
    "ip6": record(US + PEER + b"\x86\xdd" + b"\x60" + bytes(60)),
    "eth-source": record(US + US + b"\x08\0" + bytes(46)),
    "eth-short": record(US + PEER + b"\x08"),
    "talk": record(arp(1, "198.18.0.2", "198.18.0.1")) + record(ip4(tcp())) + record(ip4(tcp(flags=0x10)), 5)
    + record(arp(2, "198.18.0.2", "198.18.0.1", to=US)) + record(ip4(tcp(flags=0x18)), 5),
    "spoofed": b"".join(record(ip4(tcp(), src=f"198.18.0.{i}")) for i in range(2, 40)),
}

directory = pathlib.Path(sys.argv[1])
directory.mkdir(parents=True, exist_ok=True)
for name, data in INPUTS.items():
    (directory / name).write_bytes(data)
print(len(INPUTS), "inputs")
