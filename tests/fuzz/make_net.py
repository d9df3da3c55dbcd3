#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the corpus of the fuzz target `net` (see fuzz_net.c for the format): make_net.py DIRECTORY"""
import ipaddress
import pathlib
import struct
import sys

US, PEER, GATEWAY = bytes.fromhex("020000000001"), bytes.fromhex("020000000002"), bytes.fromhex("0200000000fe")
ALL = b"\xff" * 6
MEND_IP, MEND_ICMP, MINUTE, VLAN, TIGHT = 1, 2, 4, 8, 16


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


def six(text):
    return ipaddress.IPv6Address(text).packed


def group_of(text):
    return six("ff02::1:ff00:0")[:13] + six(text)[13:]


def ip6(payload, src="2001:2::2", dst="2001:2::1", protocol=6, chain=b"", hops=64, version=6, length=None, mac=PEER):
    dst = dst if isinstance(dst, bytes) else six(dst)
    to = b"\x33\x33" + dst[12:] if dst[0] == 0xFF else US
    length = len(chain) + len(payload) if length is None else length
    header = struct.pack(">IHBB", version << 28 | 0x00200000, length, protocol, hops)
    return to + mac + b"\x86\xdd" + header + six(src) + dst + chain + payload


def tagged(frame, tci=42):
    return frame[:12] + struct.pack(">HH", 0x8100, tci) + frame[12:]


def station(kind, mac):
    return bytes((kind, 1)) + mac


def ask(target="2001:2::1", src="2001:2::2", options=None, to=None, **of):
    options = (b"" if src == "::" else station(1, PEER)) if options is None else options
    message = icmp(135, 0, bytes(4), six(target) + options)
    return ip6(message, src, group_of(target) if to is None else to, 58, hops=of.pop("hops", 255), **of)


def advertise(target="2001:2::2", flags=0x60, dst="2001:2::1", options=None, src=None, mac=PEER):
    options = station(2, mac) if options is None else options
    return ip6(icmp(136, 0, bytes((flags, 0, 0, 0)), six(target) + options), src or target, dst, 58, hops=255)


def router(lifetime=1800, src="fe80::fe", options=station(1, GATEWAY), hops=255):
    body = struct.pack(">BBHII", 64, 0, lifetime, 0, 0)[:4] + bytes(8) + options
    return ip6(icmp(134, 0, body[:4], body[4:]), src, "ff02::1", 58, hops=hops, mac=GATEWAY)


def prefix(text, bits, flags=0xC0, valid=3600):
    return struct.pack(">BBBBIII", 3, 4, bits, flags, valid, valid, 0) + six(text)


def error6(kind, code, word, src="2001:2::1", protocol=6, cut=60):
    inner = struct.pack(">IHBB", 6 << 28 | 5, 1440, protocol, 60) + six(src) + six("2001:db8:9::9") + tcp(443, 50000, 0x10)
    return ip6(icmp(kind, code, struct.pack(">I", word), inner[:cut]), "fe80::fe", protocol=58, mac=GATEWAY)


def query(group="::", code=0, src="fe80::fe", alert=b"\x3a\0\5\2\0\0\1\0"):
    message = icmp(130, 0, struct.pack(">HH", code, 0), six(group) + bytes(4))
    return ip6(message, src, "ff02::1", 0, alert, hops=1, mac=GATEWAY)


BOTH = MEND_IP | MEND_ICMP
INPUTS6 = {
    "ip6-syn": record(ip6(tcp())),
    "ip6-padded": record(ip6(tcp()) + bytes(9)),
    "ip6-local": record(ip6(tcp(), "fe80::2", "fe80::ff:fe00:1")),
    "ip6-far": record(router(), BOTH) + record(ip6(tcp(), "2001:db8:9::9", mac=GATEWAY)),
    "ip6-version": record(ip6(tcp(), version=4)),
    "ip6-length": record(ip6(tcp(), length=21)),
    "ip6-short": record(ip6(b"")[:53]),
    "ip6-group-source": record(ip6(tcp(), "ff02::2")),
    "ip6-no-source": record(ip6(tcp(), "::")),
    "ip6-mapped": record(ip6(tcp(), "::ffff:198.18.0.2", "::ffff:198.18.0.1")),
    "ip6-to-group": record(ip6(tcp(), dst="ff02::1")),
    "ip6-none-next": record(ip6(tcp(), protocol=59)),
    "ip6-udp": record(ip6(bytes(8), protocol=17)),
    "ip6-udp-tight": record(ip6(bytes(8), protocol=17), TIGHT),
    "ip6-chain": record(ip6(tcp(), protocol=0, chain=b"\x3c\0\1\4\0\0\0\0" b"\x2b\0\1\4\0\0\0\0"
                            b"\x2c\0\4\0\0\0\0\0" b"\6\0\0\0\0\0\0\1")),
    "ip6-hop-late": record(ip6(tcp(), protocol=60, chain=b"\0\0\1\4\0\0\0\0\6\0\1\4\0\0\0\0")),
    "ip6-option-drop": record(ip6(tcp(), protocol=60, chain=b"\6\0\x5e\4\0\0\0\0")),
    "ip6-option-tell": record(ip6(tcp(), protocol=60, chain=b"\6\0\x9e\4\0\0\0\0")),
    "ip6-option-group": record(ip6(bytes(8), dst="ff02::1", protocol=60, chain=b"\x3a\0\x9e\4\0\0\0\0")),
    "ip6-option-beyond": record(ip6(tcp(), protocol=60, chain=b"\6\0\1\5\0\0\0\0")),
    "ip6-jumbo": record(ip6(tcp(), protocol=0, chain=b"\6\0\xc2\4\0\1\0\0", length=0)),
    "ip6-routing": record(ip6(tcp(), protocol=43, chain=b"\6\2\0\1" + bytes(20))),
    "ip6-chain-long": record(ip6(tcp(), protocol=60, chain=b"\x3c\0\1\4\0\0\0\0" * 7)),
    "ip6-chain-cut": record(ip6(b"", protocol=60, chain=b"\6\1\1\4\0\0\0\0")),
    "ip6-fragment": record(ip6(tcp(), protocol=44, chain=b"\6\0\0\1\0\0\0\1")),
    "ip6-fragment-last": record(ip6(tcp(), protocol=44, chain=b"\6\0\0\x10\0\0\0\1")),
    "ip6-atomic": record(ip6(tcp(), protocol=44, chain=b"\6\0\0\0\0\0\0\1")),
    "ping6": record(ip6(icmp(128, 0, b"\0\1\0\1", bytes(range(56))), protocol=58), BOTH),
    "ping6-chain": record(ip6(icmp(128, 0, b"\0\1\0\1", b"data"), protocol=60, chain=b"\x3a\0\1\4\0\0\0\0"), BOTH),
    "ping6-group": record(ip6(icmp(128, 0, b"\0\1\0\1", b""), dst="ff02::1", protocol=58), BOTH),
    "ping6-checksum": record(ip6(icmp(128, 0, b"\0\1\0\1", b"data"), protocol=58)),
    "icmp6-too-big": record(error6(2, 0, 1280), BOTH),
    "icmp6-unreachable": record(error6(1, 4, 0), BOTH),
    "icmp6-time": record(error6(3, 0, 0), BOTH),
    "icmp6-parameter": record(error6(4, 1, 6), BOTH),
    "icmp6-quote-other": record(error6(1, 0, 0, src="2001:2::2"), BOTH),
    "icmp6-quote-udp": record(error6(1, 0, 0, protocol=17), BOTH),
    "icmp6-quote-short": record(error6(1, 0, 0, cut=47), BOTH),
    "icmp6-redirect": record(ip6(icmp(137, 0, bytes(4), bytes(32)), "fe80::fe", protocol=58, hops=255), BOTH),
    "nd-ask": record(ask(), BOTH),
    "nd-ask-tight": record(ask(options=b""), BOTH | TIGHT),
    "nd-ask-unicast": record(ask(to="2001:2::1"), BOTH),
    "nd-probe": record(ask(src="::"), BOTH),
    "nd-probe-station": record(ask(src="::", options=station(1, PEER)), BOTH),
    "nd-ask-far": record(ask(hops=254), BOTH),
    "nd-option-zero": record(ask(options=bytes(8)), BOTH),
    "nd-option-long": record(ask(options=b"\1\2" + PEER), BOTH),
    "nd-advertise": record(ip6(tcp())) + record(advertise(), BOTH) + record(advertise(flags=0x20, mac=GATEWAY), BOTH)
    + record(advertise(flags=0x40), BOTH) + record(advertise(options=b""), BOTH),
    "nd-advertise-ours": record(advertise("2001:2::1", src="2001:2::9"), BOTH),
    "nd-duplicate": record(tagged(advertise("2001:2::1", 0x20, "ff02::1")), BOTH | VLAN),
    "nd-claimed": record(tagged(ask("2001:2::1", "::")), BOTH | VLAN) + record(tagged(ip6(tcp())), VLAN),
    "nd-settled": record(tagged(ask()), BOTH | VLAN | MINUTE) + record(tagged(ip6(tcp())), VLAN | MINUTE)
    + record(tagged(ip6(tcp())), VLAN),
    "ra": record(router(options=station(1, GATEWAY) + b"\5\1\0\0\0\0\5\0" + prefix("2001:db8:9::", 64)), BOTH)
    + record(ip6(tcp(), "2001:db8:9::9")) + record(ip6(tcp(), "2001:db8:8::9", mac=GATEWAY), MINUTE)
    + record(router(0), BOTH) + record(ip6(tcp(), "2001:db8:8::9", mac=GATEWAY)),
    "ra-many": b"".join(record(router(src=f"fe80::{i:x}", options=prefix(f"2001:db8:{i:x}::", 48)), BOTH) for i in range(1, 12)),
    "ra-global": record(router(src="2001:2::fe"), BOTH),
    "ra-prefix-long": record(router(options=prefix("2001:db8:9::", 129)), BOTH),
    "ra-no-router": record(router(), BOTH) + record(advertise("fe80::fe", 0x60, mac=GATEWAY), BOTH),
    "mld-query": record(query(), BOTH) + record(query("ff02::1:ff00:1", 0x8001), BOTH),
    "mld-no-alert": record(query(alert=b"\x3a\0\1\4\0\0\0\0"), BOTH),
    "vlan": record(tagged(ip4(tcp())), MEND_IP | VLAN) + record(tagged(arp(1, "198.18.0.2", "198.18.0.1")), VLAN),
    "vlan-other": record(tagged(ip4(tcp()), 43), MEND_IP | VLAN) + record(ip4(tcp()), MEND_IP | VLAN),
    "vlan-priority": record(tagged(ip4(tcp()), 0xE000)) + record(tagged(arp(1, "198.18.0.2", "198.18.0.1"), 0)),
    "vlan-twice": record(tagged(tagged(ip4(tcp()))), VLAN),
    "vlan-short": record(tagged(ip4(tcp()))[:17], VLAN),
    "vlan-ping6": record(tagged(ask()), BOTH | VLAN | MINUTE)
    + record(tagged(ip6(icmp(128, 0, b"\0\1\0\1", b"data"), protocol=58)), BOTH | VLAN),
}
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
INPUTS |= INPUTS6
for name, data in INPUTS.items():
    (directory / name).write_bytes(data)
print(len(INPUTS), "inputs")
