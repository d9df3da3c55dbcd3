#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the corpus of fuzz_request: requests and their answers, sound and slightly wrong."""
import pathlib
import struct

folder = pathlib.Path(__file__).parent / "corpus" / "request"
folder.mkdir(parents=True, exist_ok=True)
user, key, signature = bytes(range(16)), bytes(range(32)), bytes(range(64))


def put(bundle=b"bundle", keys=(), count=None, flags=0, said=None):
    size = len(bundle) if said is None else said
    return (struct.pack(">BBHIHH", 0x20, flags, 1, 7, size, len(keys) if count is None else count) + bundle + signature
            + b"".join(struct.pack(">H", len(k)) + k for k in keys))


def keys(devices, count=None, flags=0):
    body = b"".join(struct.pack(">HH", device, len(bundle)) + bundle + signature + struct.pack(">H", len(one)) + one
                    for device, bundle, one in devices)
    return struct.pack(">BBHI", 0xA1, flags, len(devices) if count is None else count, 7) + user + key + body


get = struct.pack(">BBHI", 0x21, 1, 0, 7) + user
block = struct.pack(">BBHI", 0x30, 1, 0, 7) + user
sound = {
    "put": put(), "put-keys": put(keys=[b"k" * 32] * 5), "put-replace": put(keys=[b"k"], flags=1), "put-empty": put(b""),
    "put-large": put(b"b" * 8192, [b"k" * 4096]), "put-most": put(keys=[b"k"] * 200), "put-empty-key": put(keys=[b""]),
    "get": get, "get-one": struct.pack(">BBHI", 0x21, 0, 5, 7) + user, "device": struct.pack(">BBHI", 0x31, 1, 0, 7),
    "block": block, "keys": keys([(1, b"b" * 40, b"o" * 32), (2, b"b", b"")]), "keys-unknown": keys([], flags=1),
}
wrong = {
    "empty": b"", "put-short": put()[:11], "put-cut": put()[:-1], "put-left": put() + b"x", "put-long": put(b"b" * 8193),
    "put-many": put(keys=[b"k"] * 201), "put-count": put(keys=[b"k"], count=2), "put-said": put(said=7),
    "put-key-cut": put(keys=[b"kkkk"])[:-1], "get-short": get[:-1], "get-left": get + b"x", "device-short": b"\x31\x01",
    "block-left": block + b"x", "keys-count": keys([(1, b"b", b"o")], 2), "keys-left": keys([(1, b"b", b"o")]) + b"x",
}
for name, data in sound.items():
    (folder / name).write_bytes(data)
for name, data in wrong.items():
    (folder / f"bad-{name}").write_bytes(data)
