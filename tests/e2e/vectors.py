# SPDX-License-Identifier: BSD-3-Clause
"""
One frame of each kind with fixed contents. `vectors.py FILE` checks that waxproto.py makes and reads the frames
of FILE (lines "name hexadecimal"); tests/unit/client/test_vectors.c holds the C codec to the same file. Without
an argument the lines are printed.
"""

import sys
from pathlib import Path

import waxproto as w

KEY, NONCE, USER = bytes(range(32)), bytes(range(0x40, 0x50)), bytes(range(0x80, 0x90))
RELAY_NONCE, RELAY_ID, SIGNATURE = bytes(range(0xA0, 0xC0)), bytes(range(0xD0, 0xE0)), bytes(range(64))
BINDING = bytes(range(0x10, 0x30))
IDENT, NOW = 0x0123456789ABCDEF, 0x0000018BCFE56800

MADE = {  # by a client
    "hello": w.hello(KEY, 5, NONCE),
    "hello_resume": w.hello(KEY, 0xFFFF, NONCE, w.RESUME | w.BINDING | w.SEND_ONLY, b"token", b"invite"),
    "proof": w.proof(SIGNATURE, 1),
    "proof_text": w.proof_text(RELAY_ID, RELAY_NONCE, NONCE, 0x0203, BINDING),
    "send": w.send(USER, 0x0203, IDENT, b"payload", w.URGENT, 0x01020304),
    "send_empty": w.send(USER, 1, 1),
    "ack": w.ack(0xFEDCBA98),
}

READ = {  # by the relay: what the bytes must be read as
    "challenge": w.Challenge(RELAY_NONCE, RELAY_ID, NOW),
    "welcome": w.Welcome(3, 0x0203, 65536, NOW, USER, 256, 0xFFFFFFFF, 240, b"token", b"media"),
    "deliver": w.Deliver(0x18, 0x0203, 0x04050607, IDENT, USER, NOW, b"he", b"ad and shared"),
    "status": [w.Entry(2, 0, 0x0203, IDENT, USER), w.Entry(4, 8, 1, IDENT + 1, USER)],
    "error": w.Error(130, 0x01020304, "unknown"),
}

SAID = {  # the same as bytes, written from the page's table
    "challenge": "8101 000000000000" + RELAY_NONCE.hex() + RELAY_ID.hex() + "0000018bcfe56800",
    "welcome": "82 03 0203 00010000 0000018bcfe56800" + USER.hex() + "00000100 ffffffff 00f0 0005" + b"token".hex()
               + "0005" + b"media".hex(),
    "deliver": "90 18 0203 04050607 0123456789abcdef" + USER.hex() + "0000018bcfe56800 00000002"
               + b"head and shared".hex(),
    "status": "92 00 0002 00000000" + "02 00 0203 0123456789abcdef" + USER.hex() + "04 08 0001 0123456789abcdf0"
              + USER.hex(),
    "error": "ff 82 0007 01020304" + b"unknown".hex(),
}


def lines():
    frames = {**MADE, **{name: bytes.fromhex(text) for name, text in SAID.items()}}
    return [f"{name} {frame.hex()}" for name, frame in frames.items()]


def main():
    for name, wanted in READ.items():
        seen = w.parse(bytes.fromhex(SAID[name]))
        if seen != wanted:
            sys.exit(f"{name}: read as {seen}, expected {wanted}")
    if len(sys.argv) < 2:
        print("\n".join(lines()))
    elif Path(sys.argv[1]).read_text().splitlines() != lines():
        sys.exit(f"{sys.argv[1]} is not what waxproto.py makes")


if __name__ == "__main__":
    main()
