#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the corpora of the fuzz targets `config` and `log`: make_control.py CORPUS-DIRECTORY"""
import pathlib
import struct
import sys


# Segments of a log: way, then records (fuzz_log.c). Checksums are mended by the target.

def record(kind, body, sequence, commit, epoch=1, length=None):
    size = 40 + len(body)
    head = struct.pack(">4sBBBBIIQIIQ", b"wxlg", 2, kind, 1, 0, size if length is None else length, 0, sequence,
                       (sequence - commit) & 0xffffffff, sequence & 0x7fff, epoch)
    return head + body + bytes(-size % 8)


def name(user, device=1):
    return bytes([user]) * 16 + struct.pack(">H", device)


# Bodies are as log_read takes them; log_open sees in them what no key opens.
def message(position, payload=b"hello", head=0):
    first = name(1) + name(2) + bytes(4) + struct.pack(">QQQIIQ", position, 5, 6, 60, head, 0) + bytes(16)
    return first + (payload + bytes(16) if payload else b"")


def receipt(position, retire=0):
    return name(2) + name(1) + bytes([2, 0, 0, 0]) + struct.pack(">QQQQ", position, 5, retire, 6) + bytes(16)


def retire(*positions):
    return name(1) + bytes(6) + b"".join(struct.pack(">Q", p) for p in positions) + bytes(16)


def segment(shard=1, number=9):
    return struct.pack(">IIQ", shard, 0, number)


def whole(first=1):
    return [record(1, segment(), first, first), record(2, message(10), first + 1, first),
            record(3, receipt(11, 10), first + 2, first), record(4, retire(10, 11), first + 3, first + 3),
            record(2, message(12, b""), first + 4, first + 4), record(2, message(13, b"x" * 100), first + 5, first + 4)]


def logs():
    records = whole()
    both = b"".join(records)
    for way in range(8):
        yield f"whole-{way}", bytes([way]) + both
        yield f"zeros-{way}", bytes([way]) + both + bytes(200)
    for i in range(len(records)):
        hole = b"".join(bytes(len(r)) if j == i else r for j, r in enumerate(records))
        yield f"hole-{i}", bytes([6]) + hole
        yield f"hole-closed-{i}", bytes([5]) + hole
    yield "cut", bytes([6]) + both[:-30]
    yield "gap", bytes([6]) + b"".join(whole() + whole(90))
    yield "again", bytes([6]) + both + both
    yield "length-0", bytes([6]) + record(2, message(1), 1, 1, length=0)
    yield "length-large", bytes([6]) + record(2, message(1), 1, 1, length=0xffffffff)
    yield "length-short", bytes([6]) + record(2, message(1), 1, 1, length=60)
    yield "payload-none", bytes([6]) + record(2, message(1, b"")[:-16], 1, 1)
    yield "payload-tag", bytes([6]) + record(2, message(1, b"") + bytes(16), 1, 1)
    yield "head-long", bytes([6]) + record(2, message(1, head=6), 1, 1)
    yield "retire-none", bytes([6]) + record(4, retire(), 1, 1)
    yield "retire-odd", bytes([6]) + record(4, retire(1, 2) + bytes(4), 1, 1)
    yield "retire-most", bytes([6]) + record(4, retire(*range(1, 1025)), 1, 1)
    yield "retire-many", bytes([6]) + record(4, retire(*range(1, 1026)), 1, 1)
    yield "type-0", bytes([6]) + record(0, b"", 1, 1)
    yield "type-99", bytes([6]) + record(99, b"abc", 1, 1)
    yield "sequence-0", bytes([6]) + record(2, message(1), 0, 0)
    yield "sequence-max", bytes([4]) + record(2, message(1), (1 << 64) - 1, 1) + record(2, message(2), 1, 1)
    yield "commit-ahead", bytes([6]) + record(2, message(1), 1, 2)
    yield "empty", bytes([6])


CONFIGS = {
    "empty": "",
    "scalars": "dataplane: {workers: 4, idle: performance}\nlog: {level: debug, format: json}\n",
    "cores": "dataplane:\n  cores: [0, 1, 2]\n",
    "cores-many": "dataplane: {cores: [" + ", ".join("1" for _ in range(65)) + "]}\n",
    "port": "ports:\n- kind: memif\n  device: /run/m.sock\n  memif_server: true\n  mac: 02:00:00:00:00:01\n"
            "  mtu: 9000\n  queues: 2\n  addresses: [198.18.0.2/24, '2001:2::2/64']\n  gateway: 198.18.0.1\n"
            "  gateway6: fe80::1\n  vlan: 7\n  router_discovery: false\n",
    "ports-none": "ports: []\nlisteners: []\n",
    "listeners": "listeners: [{port: 443, tls: true}, {port: 80, tls: false}]\n",
    "listener-empty": "listeners: [{}]\n",
    "quotes": "store: {directory: \"/a \\\"b\\\" \\\\ c: #\"}\n",
    "control-char": "store: {directory: \"a\\nb\"}\n",
    "utf8": "store: {directory: /\u00e4\u2713}\n",
    "nul": "store: {directory: \"a\\0b\"}\n",
    "section-unknown": "stores: {}\n",
    "key-unknown": "store: {path: /x}\n",
    "key-repeated": "store: {directory: /a, directory: /b}\n",
    "key-list": "? [a]\n: b\n",
    "key-map": "? {a: b}\n: c\n",
    "anchor": "a: &a [*a]\n",
    "alias": "dataplane: &d {workers: 2}\nlimits: *d\n",
    "merge": "dataplane: {<<: {workers: 2}}\n",
    "documents": "store: {}\n---\nstore: {}\n",
    "sequence": "- a\n- b\n",
    "scalar": "hello\n",
    "tabs": "store:\n\tdirectory: /x\n",
    "unfinished": "store: {directory: [\n",
    "number-large": "dataplane: {workers: 99999999999999999999}\n",
    "number-negative": "dataplane: {workers: -1}\n",
    "number-empty": "dataplane: {workers: }\n",
    "prefix": "ports: [{addresses: [198.18.0.1/33]}]\n",
    "mapped": "ports: [{device: x, addresses: ['::ffff:198.18.0.1/24']}]\n",
    "zone": "ports: [{addresses: ['fe80::1%eth0/64']}]\n",
    "mac": "ports: [{mac: '01:00:00:00:00:01'}]\n",
    "long": "store: {directory: " + "a" * 300 + "}\n",
    "tag": "store: !!str {directory: !!int /x}\n",
    "directive": "%YAML 1.1\n---\nstore: {directory: /x}\n...\n",
}


def main():
    root = pathlib.Path(sys.argv[1])
    for target, inputs in (("log", dict(logs())), ("config", {k: v.encode() for k, v in CONFIGS.items()})):
        (root / target).mkdir(parents=True, exist_ok=True)
        for label, data in inputs.items():
            (root / target / label).write_bytes(data)


main()
