# SPDX-License-Identifier: BSD-3-Clause
"""
Makes client/vectors.json: frames, signatures and user ids with fixed contents, written from docs/protocol.md alone.
It shares nothing with the programs and libraries that are held to them. `make.py FILE` checks that FILE is what it
makes; without an argument it prints it. In the file bytes are hexadecimal, numbers of 64 bits are decimal text.
"""

import hashlib
import json
import sys
from pathlib import Path
from struct import pack

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ABOUT = ("Test vectors of the waxwire protocol, version 1 (docs/protocol.md, docs/clients.md). Bytes are hexadecimal, "
         "numbers of 64 bits are decimal text. Made by tests/vectors/make.py.")


class Key:
    """An account key out of a seed."""

    def __init__(self, name, seed):
        self.name, self.seed = name, seed
        self.private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.user = hashlib.blake2b(self.public, digest_size=16).digest()

    def told(self):
        return {"name": self.name, "seed": self.seed.hex(), "account_key": self.public.hex(), "user": self.user.hex()}


ALICE, BOB = Key("alice", bytes(range(32))), Key("bob", bytes(range(32, 64)))
NONCE, RELAY_NONCE, RELAY_ID = bytes(range(0x40, 0x50)), bytes(range(0xA0, 0xC0)), bytes(range(0xD0, 0xE0))
BINDING = bytes(range(0x10, 0x30))
DEVICE, REQUEST, SEQUENCE = 0x0203, 0x01020304, 0x04050607
IDENT, NOW = 0x0123456789ABCDEF, 0x0000018BCFE56800
BUNDLE = b"a bundle of public keys"


def proof_text(device, binding):
    return b"waxwire v1 proof\0" + RELAY_ID + RELAY_NONCE + NONCE + pack(">H", device) + binding


def keys_text(key, device, bundle):
    return b"waxwire v1 keys\0" + key.user + pack(">H", device) + bundle


PROOF = ALICE.private.sign(proof_text(DEVICE, bytes(32)))
BOUND_PROOF = ALICE.private.sign(proof_text(DEVICE, BINDING))
KEYS = ALICE.private.sign(keys_text(ALICE, DEVICE, BUNDLE))


def plain(value):
    """A field as JSON has it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: str(item) if name in ("id", "time", "taken", "last_seen") else plain(item)
                for name, item in value.items()}
    return value


# ---- layouts: the table of docs/protocol.md, a function a frame

def short(data):
    """A length of 2 bytes, and the bytes."""
    return pack(">H", len(data)) + data


def hello(f):
    return pack(">BBHI", 0x01, 1, f["device"], f["flags"]) + f["account_key"] + f["nonce"] + short(f["token"]) + short(f["invite"])


def proof(f):
    return pack(">BB6x", 0x02, f["flags"]) + f["signature"]


def send(f):
    return pack(">BBHIQ", 0x10, f["flags"], f["device"], f["ttl"], f["id"]) + f["user"] + f["payload"]


def send_multi(f):
    head = pack(">BBHIQI4x", 0x11, f["flags"], len(f["recipients"]), f["ttl"], f["id"], len(f["shared"]))
    return head + b"".join(r["user"] + pack(">H", r["device"]) + short(r["head"]) for r in f["recipients"]) + f["shared"]


def ack(f):
    return pack(">B3xI", 0x12, f["sequence"])


def read(f):
    return pack(">BxH4x", 0x13, len(f["entries"])) + b"".join(pack(">xxHQ", e["device"], e["id"]) + e["user"] for e in f["entries"])


def keys_put(f):
    return (pack(">BBHIHH", 0x20, f["flags"], f["device"], f["request"], len(f["bundle"]), len(f["keys"])) + f["bundle"]
            + f["signature"] + b"".join(short(key) for key in f["keys"]))


def keys_get(f):
    return pack(">BBHI", 0x21, f["flags"], f["device"], f["request"]) + f["user"]


def block(f):
    return pack(">BBxxI", 0x30, f["what"], f["request"]) + f["user"]


def device(f):
    return pack(">BBHI", 0x31, f["what"], f["device"], f["request"])


def challenge(f):
    return pack(">BB6x", 0x81, 1) + f["nonce"] + f["relay_id"] + pack(">Q", f["time"])


def welcome(f):
    return (pack(">BBHIQ", 0x82, f["flags"], f["device"], f["largest"], f["time"]) + f["user"]
            + pack(">IIH", f["window"], f["waiting"], f["heartbeat"]) + short(f["token"]) + short(f["media_token"]))


def deliver(f):
    return (pack(">BBHIQ", 0x90, f["flags"], f["device"], f["sequence"], f["id"]) + f["user"]
            + pack(">QI", f["taken"], len(f["head"])) + f["head"] + f["payload"])


def status(f):
    return pack(">BxH4x", 0x92, len(f["entries"])) + b"".join(
        pack(">BBHQ", e["kind"], e["reason"], e["device"], e["id"]) + e["user"] for e in f["entries"])


def keys_ok(f):
    return pack(">BxHII", 0xA0, f["device"], f["request"], f["held"])


def keys(f):
    return (pack(">BBHI", 0xA1, f["flags"], len(f["devices"]), f["request"]) + f["user"] + f["account_key"] + b"".join(
        pack(">H", d["device"]) + short(d["bundle"]) + d["signature"] + short(d["key"]) for d in f["devices"]))


def keys_low(f):
    return pack(">BxHI", 0xA2, f["device"], f["left"])


def okay(f):
    return pack(">B3xI", 0xB0, f["request"])


def devices(f):
    return pack(">BxHI", 0xB1, len(f["devices"]), f["request"]) + b"".join(
        pack(">HHQ", d["device"], d["flags"], d["last_seen"]) for d in f["devices"])


def error(f):
    text = f["text"].encode()
    return pack(">BBHI", 0xFF, f["code"], len(text), f["request"]) + text


TO_BOB = {"user": BOB.user, "device": 1}
FRAMES = [  # (name, type, layout, fields)
    ("hello", "HELLO", hello, {"device": DEVICE, "flags": 0, "account_key": ALICE.public, "nonce": NONCE, "token": b"", "invite": b""}),
    ("hello with everything", "HELLO", hello, {"device": 65535, "flags": 7, "account_key": ALICE.public, "nonce": NONCE,
                                               "token": b"token", "invite": b"invite"}),
    ("proof", "PROOF", proof, {"flags": 0, "signature": PROOF}),
    ("proof with channel binding", "PROOF", proof, {"flags": 1, "signature": BOUND_PROOF}),
    ("send", "SEND", send, {**TO_BOB, "flags": 2, "ttl": 0x01020304, "id": IDENT, "payload": b"payload"}),
    ("send without a payload", "SEND", send, {**TO_BOB, "flags": 0, "ttl": 0, "id": 1, "payload": b""}),
    ("send to many", "SEND_MULTI", send_multi, {
        "flags": 0, "ttl": 60, "id": IDENT, "shared": b"shared",
        "recipients": [{**TO_BOB, "head": b"for bob"}, {"user": BOB.user, "device": 2, "head": b""},
                       {"user": ALICE.user, "device": 65535, "head": b"\0\xff"}]}),
    ("ack", "ACK", ack, {"sequence": 0xFEDCBA98}),
    ("read", "READ", read, {"entries": [{"user": BOB.user, "device": 1, "id": IDENT}, {"user": BOB.user, "device": DEVICE, "id": 1}]}),
    ("put keys", "KEYS_PUT", keys_put, {"flags": 1, "device": DEVICE, "request": REQUEST, "bundle": BUNDLE, "signature": KEYS,
                                        "keys": [b"one-time key 1", b"2"]}),
    ("put a bundle alone", "KEYS_PUT", keys_put, {"flags": 0, "device": DEVICE, "request": 1, "bundle": BUNDLE, "signature": KEYS,
                                                  "keys": []}),
    ("get keys", "KEYS_GET", keys_get, {"flags": 1, "device": 0, "request": REQUEST, "user": ALICE.user}),
    ("block", "BLOCK", block, {"what": 1, "request": REQUEST, "user": BOB.user}),
    ("accept everyone", "BLOCK", block, {"what": 5, "request": REQUEST, "user": bytes(16)}),
    ("list devices", "DEVICE", device, {"what": 1, "device": 0, "request": REQUEST}),
    ("remove a device", "DEVICE", device, {"what": 2, "device": DEVICE, "request": REQUEST}),
    ("challenge", "CHALLENGE", challenge, {"nonce": RELAY_NONCE, "relay_id": RELAY_ID, "time": NOW}),
    ("welcome", "WELCOME", welcome, {"flags": 3, "device": DEVICE, "largest": 65536, "time": NOW, "user": ALICE.user, "window": 256,
                                     "waiting": 0xFFFFFFFF, "heartbeat": 240, "token": b"token", "media_token": b"media"}),
    ("deliver", "DELIVER", deliver, {"flags": 0x11, "user": BOB.user, "device": 1, "sequence": SEQUENCE, "id": IDENT, "taken": NOW,
                                     "head": b"", "payload": b"payload"}),
    ("deliver from a send to many", "DELIVER", deliver, {"flags": 0x08, "user": BOB.user, "device": 1, "sequence": 1, "id": IDENT,
                                                         "taken": NOW, "head": b"for alice", "payload": b"shared"}),
    ("deliver a silent one", "DELIVER", deliver, {"flags": 0x04, "user": BOB.user, "device": 1, "sequence": 0, "id": 7, "taken": NOW,
                                                  "head": b"", "payload": b""}),
    ("status", "STATUS", status, {"entries": [{"kind": 2, "reason": 0, **TO_BOB, "id": IDENT},
                                              {"kind": 4, "reason": 8, "user": BOB.user, "device": DEVICE, "id": IDENT + 1}]}),
    ("keys taken", "KEYS_OK", keys_ok, {"device": DEVICE, "request": REQUEST, "held": 100}),
    ("keys", "KEYS", keys, {"flags": 0, "request": REQUEST, "user": ALICE.user, "account_key": ALICE.public, "devices": [
        {"device": DEVICE, "bundle": BUNDLE, "signature": KEYS, "key": b"one-time key 1"},
        {"device": DEVICE + 1, "bundle": b"another", "signature": ALICE.private.sign(keys_text(ALICE, DEVICE + 1, b"another")),
         "key": b""}]}),
    ("keys of nobody", "KEYS", keys, {"flags": 1, "request": REQUEST, "user": BOB.user, "account_key": bytes(32), "devices": []}),
    ("keys run low", "KEYS_LOW", keys_low, {"device": DEVICE, "left": 19}),
    ("ok", "OK", okay, {"request": REQUEST}),
    ("devices", "DEVICES", devices, {"request": REQUEST, "devices": [{"device": 1, "flags": 1, "last_seen": NOW},
                                                                     {"device": DEVICE, "flags": 0, "last_seen": NOW - 1000}]}),
    ("error", "ERROR", error, {"code": 130, "request": REQUEST, "text": "unknown \u2713"}),
    ("fatal error", "ERROR", error, {"code": 1, "request": 0, "text": ""}),
]


def made(name):
    """The bytes and type of a frame above."""
    return next((layout(fields), kind) for each, kind, layout, fields in FRAMES if each == name)


def broken():
    """Frames whose layout is broken, with what is wrong."""
    def frame(name):
        return made(name)[0]
    cut = [(f"{name}, cut off", made(name)[1], made(name)[0][:-1], "a byte is missing") for name in (
        "hello", "proof", "send to many", "ack", "read", "put keys", "get keys", "block", "list devices", "challenge", "welcome", "status",
        "keys taken", "keys", "keys run low", "ok", "devices", "error")]
    longer = [(f"{name}, too long", made(name)[1], made(name)[0] + b"\0", "a byte is left over") for name in (
        "hello", "proof", "send to many", "ack", "read", "put keys", "get keys", "block", "list devices", "challenge", "welcome", "status",
        "keys taken", "keys", "keys run low", "ok", "devices", "error")]
    return cut + longer + [
        ("a SEND without its fixed part", "SEND", frame("send")[:31], "shorter than 32 bytes"),
        ("a DELIVER without its fixed part", "DELIVER", frame("deliver")[:43], "shorter than 44 bytes"),
        ("a DELIVER with too long a head", "DELIVER", frame("deliver")[:40] + pack(">I", 8) + frame("deliver")[44:], "the head is longer than what follows"),
        ("a SEND_MULTI to nobody", "SEND_MULTI", send_multi({"flags": 0, "ttl": 0, "id": 1, "recipients": [], "shared": b"x"}), "a count of 0"),
        ("a HELLO of device 0", "HELLO", frame("hello")[:2] + bytes(2) + frame("hello")[4:], "devices begin at 1"),
        ("a KEYS_PUT with a bundle too long", "KEYS_PUT", keys_put({"flags": 0, "device": 1, "request": 1, "bundle": bytes(8193),
                                                                  "signature": bytes(64), "keys": []})[:400], "more than 8192 bytes of bundle"),
    ]


def client_frame(kind):
    return kind in ("HELLO", "PROOF", "SEND", "SEND_MULTI", "ACK", "READ", "KEYS_PUT", "KEYS_GET", "BLOCK", "DEVICE")


def vectors():
    return {
        "about": ABOUT,
        "keys": [ALICE.told(), BOB.told()],
        "signatures": [
            {"name": "proof", "key": "alice", "relay_id": RELAY_ID.hex(), "relay_nonce": RELAY_NONCE.hex(), "nonce": NONCE.hex(),
             "device": DEVICE, "binding": bytes(32).hex(), "signed": proof_text(DEVICE, bytes(32)).hex(), "signature": PROOF.hex()},
            {"name": "proof with channel binding", "key": "alice", "relay_id": RELAY_ID.hex(), "relay_nonce": RELAY_NONCE.hex(),
             "nonce": NONCE.hex(), "device": DEVICE, "binding": BINDING.hex(), "signed": proof_text(DEVICE, BINDING).hex(),
             "signature": BOUND_PROOF.hex()},
            {"name": "keys", "key": "alice", "device": DEVICE, "bundle": BUNDLE.hex(), "signed": keys_text(ALICE, DEVICE, BUNDLE).hex(),
             "signature": KEYS.hex()},
        ],
        "frames": [{"name": name, "type": kind, "from": "client" if client_frame(kind) else "relay", "fields": plain(fields),
                    "bytes": layout(fields).hex()} for name, kind, layout, fields in FRAMES],
        "broken": [{"name": name, "type": kind, "from": "client" if client_frame(kind) else "relay", "why": why, "bytes": frame.hex()}
                   for name, kind, frame, why in broken()],
        "first_ids": [{"time": str(time), "id": str(time << 20)} for time in (1, NOW, 1764063600123)],
        "sequences": [{"sequence": one, "next": two} for one, two in ((0, 1), (1, 2), (0xFFFFFFFE, 0xFFFFFFFF), (0xFFFFFFFF, 1))],
    }


def text():
    """As JSON, a vector a line, so that differences can be read."""
    parts = [f'"about": {json.dumps(ABOUT)}']
    for name, value in vectors().items():
        if isinstance(value, list):
            rows = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in value)
            parts.append(f'"{name}": [\n  {rows}\n]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main():
    if len(sys.argv) < 2:
        sys.stdout.write(text())
    elif Path(sys.argv[1]).read_text(encoding="utf-8") != text():
        sys.exit(f"{sys.argv[1]} is not what {sys.argv[0]} makes")


if __name__ == "__main__":
    main()
