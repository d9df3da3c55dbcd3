#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the corpus of the fuzz target `proxy`: make_proxy.py CORPUS-DIRECTORY"""
import pathlib
import struct
import sys

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
IP4 = bytes([198, 18, 7, 9, 198, 18, 0, 1]) + struct.pack(">HH", 12345, 80)
IP6 = bytes.fromhex("20010002" + "00" * 11 + "09" + "20010002" + "00" * 11 + "01") + struct.pack(">HH", 12345, 80)


def note(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


def header(command, family, body=b"", length=None):
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(body) if length is None else length) + body


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def summed(*notes):
    """A header with a checksum behind these notes."""
    body = IP4 + b"".join(notes) + note(3, bytes(4))
    whole = header(0x21, 0x11, body)
    return whole[:-4] + struct.pack(">I", crc32c(whole))


CORPUS = {
    "ip4": header(0x21, 0x11, IP4),
    "ip6": header(0x21, 0x21, IP6),
    "local": header(0x20, 0),
    "local-addresses": header(0x20, 0x11, IP4),
    "unspec": header(0x21, 0, b"whatever"),
    "udp": header(0x21, 0x12, IP4),
    "unix": header(0x21, 0x31, bytes(216)),
    "version-1": b"PROXY TCP4 198.18.7.9 198.18.0.1 12345 80\r\n",
    "version-3": header(0x31, 0x11, IP4),
    "command": header(0x22, 0x11, IP4),
    "group": header(0x21, 0x11, bytes([224]) + IP4[1:]),
    "short": header(0x21, 0x11, IP4[:-1]),
    "cut": header(0x21, 0x11, IP4)[:20],
    "long": header(0x21, 0x11, IP4, 60000),
    "notes": header(0x21, 0x21, IP6 + note(1, b"h2") + note(2, b"relay.test") + note(4, bytes(7))),
    "note-cut": header(0x21, 0x11, IP4 + note(2, b"relay")[:-1]),
    "sum": summed(),
    "sum-notes": summed(note(2, b"relay.test"), note(0x20, bytes(20))),
    "sum-wrong": header(0x21, 0x11, IP4 + note(3, b"\1\2\3\4")),
    "sum-short": header(0x21, 0x11, IP4 + note(3, b"\1\2\3")),
    "request-behind": header(0x21, 0x11, IP4) + b"GET /healthz HTTP/1.1\r\n\r\n",
}

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name, data in CORPUS.items():
    (folder / name).write_bytes(data)
