#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the corpus of fuzz_envelope: each frame, sound and slightly wrong."""
import pathlib
import struct

folder = pathlib.Path(__file__).parent / "corpus" / "envelope"
folder.mkdir(parents=True, exist_ok=True)
user, key = bytes(range(16)), bytes(range(32))


def frame(name, data):
    (folder / name).write_bytes(data)


def hello(token=b"", invite=b"", version=1, device=1):
    return (struct.pack(">BBHI", 1, version, device, 0) + key + user +
            struct.pack(">H", len(token)) + token + struct.pack(">H", len(invite)) + invite)


def status(count, said=None):
    entry = struct.pack(">BBHQ", 1, 0, 1, 77) + user
    return struct.pack(">BBHI", 0x92, 0, count if said is None else said, 0) + entry * count


def welcome(token=b"", media=b""):
    return (struct.pack(">BBHIQ", 0x82, 1, 1, 65536, 1700000000000) + user +
            struct.pack(">IIHH", 256, 0xFFFFFFFF, 240, len(token)) + token +
            struct.pack(">H", len(media)) + media)


def deliver(payload, head=0):
    return (struct.pack(">BBHIQ", 0x90, 0x11, 1, 5, 77) + user +
            struct.pack(">QI", 1700000000000, head) + payload)


def read(count, said=None):
    entry = struct.pack(">HHQ", 0, 1, 77) + user
    return struct.pack(">BBHI", 0x13, 0, count if said is None else said, 0) + entry * count


def multi(heads, shared=b"shared", said=None):
    entries = b"".join(user + struct.pack(">HH", n + 1, len(head)) + head for n, head in enumerate(heads))
    return struct.pack(">BBHIQII", 0x11, 0, len(heads) if said is None else said, 60, 77, len(shared), 0) + entries + shared


send = struct.pack(">BBHIQ", 0x10, 0, 1, 60, 77) + user
sound = {
    "hello": hello(), "hello-token": hello(b"t" * 40), "hello-invite": hello(b"", b"invite"),
    "hello-both": hello(b"t" * 512, b"i" * 128), "proof": bytes([2, 1]) + bytes(6) + bytes(64),
    "send": send + b"hello", "send-empty": send, "send-silent": bytes([0x10, 5]) + send[2:],
    "ack": struct.pack(">II", 0x12000000, 16), "ack-0": struct.pack(">II", 0x12000000, 0),
    "challenge": bytes([0x81, 1]) + bytes(6) + key + user + bytes(8),
    "welcome": welcome(), "welcome-tokens": welcome(b"r" * 100, b"m" * 43),
    "deliver": deliver(b"payload"), "deliver-head": deliver(b"payload", 3), "deliver-empty": deliver(b""),
    "status-0": status(0), "status-1": status(1), "status-20": status(20),
    "read-0": read(0), "read-3": read(3), "multi-1": multi([b"head"]), "multi-3": multi([b"", b"a" * 300, b"b"]),
    "multi-bare": multi([b""], b""),
    "error": struct.pack(">BBHI", 0xFF, 9, 4, 0) + b"text", "error-130": struct.pack(">BBHI", 0xFF, 130, 0, 7),
}
wrong = {
    "empty": b"", "hello-version": hello(version=2), "hello-device-0": hello(device=0),
    "hello-token-long": hello(b"t" * 513), "hello-invite-long": hello(b"", b"i" * 129),
    "hello-short": hello()[:59], "hello-left": hello() + b"x", "proof-short": bytes([2]) + bytes(70),
    "send-short": send[:31], "ack-long": bytes([0x12]) + bytes(8), "status-more": status(2, 3),
    "status-less": status(2, 1), "deliver-head-long": deliver(b"abc", 4), "welcome-short": welcome()[:45],
    "read-more": read(2, 3), "read-less": read(2, 1), "multi-nobody": multi([]), "multi-more": multi([b"a"], said=2),
    "multi-1025": multi([b""] * 1025), "multi-left": multi([b"a"]) + b"x", "multi-short": multi([b"abc"], b"")[:-1],
    "error-left": struct.pack(">BBHI", 0xFF, 1, 1, 0) + b"xy", "unknown": bytes([0x55]) + bytes(20),
}
for name, data in sound.items():
    frame(name, data)
for name, data in wrong.items():
    frame("bad-" + name, data)
