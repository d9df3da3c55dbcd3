# SPDX-License-Identifier: BSD-3-Clause
"""Makes the corpus of fuzz_client.c: what a relay says, soundly and not."""

import struct
import sys
from pathlib import Path

HTTP, STREAM, FRAMES, OPEN_STREAM, OPEN_FRAMES = range(5)
USER = bytes(range(16))
CHALLENGE = bytes([0x81, 1]) + bytes(62)
ERROR = b"\xff\x09\0\x05\0\0\0\0hello"


def deliver(sequence, ident, flags=0, payload=b"hello", head=0):
    return struct.pack(">BBHIQ16sQI", 0x90, flags, 7, sequence, ident, USER, 1, head) + payload


def status(*entries):
    """Entries (kind, reason, id) about the recipient that the fuzzed client sends to."""
    recipient = b"\1" + bytes(15)
    return struct.pack(">BBH4x", 0x92, 0, len(entries)) + b"".join(
        struct.pack(">BBHQ", kind, reason, 1, ident) + recipient for kind, reason, ident in entries)


def frame(payload, opcode=2, fin=True):
    first = (0x80 if fin else 0) | opcode
    if len(payload) > 125:
        return struct.pack(">BBH", first, 126, len(payload)) + payload
    return bytes([first, len(payload)]) + payload


def framed(*frames):
    return b"".join(struct.pack(">H", len(f)) + f for f in frames)


FIRST_ID = 1 << 20
REPLY = (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: waxwire.v1\r\n\r\n")
INPUTS = {
    "http-wrong-key": (HTTP, 0, REPLY),
    "http-404": (HTTP, 3, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    "http-endless": (HTTP, 0, b"HTTP/1.1 101 x\r\n" + b"A: b\r\n" * 1500),
    "http-not": (HTTP, 0, b"SSH-2.0-x\r\n\r\n"),
    "stream-challenge": (STREAM, 0, frame(CHALLENGE)),
    "stream-ping-close": (STREAM, 1, frame(b"ping", 9) + frame(b"\x03\xe8bye", 8)),
    "stream-text": (STREAM, 0, frame(b"text", 1)),
    "frames-challenge-twice": (FRAMES, 0, framed(CHALLENGE, CHALLENGE)),
    "frames-error": (FRAMES, 0, framed(CHALLENGE, ERROR)),
    "frames-early-deliver": (FRAMES, 0, framed(deliver(1, 5))),
    "open-deliver": (OPEN_FRAMES, 0, framed(deliver(1, 5), deliver(2, 6, 0x10), deliver(3, 6, 1))),
    "open-deliver-head": (OPEN_FRAMES, 5, framed(deliver(1, 5, 8, b"head and shared", 4), deliver(2, 6, 8, b"", 0))),
    "open-deliver-head-too-long": (OPEN_FRAMES, 0, framed(deliver(1, 5, 8, b"short", 6))),
    "open-deliver-gap": (OPEN_FRAMES, 0, framed(deliver(1, 5), deliver(3, 6))),
    "open-deliver-silent": (OPEN_FRAMES, 0, framed(deliver(0, 5, 4), deliver(1, 5))),
    "open-deliver-id-0": (OPEN_FRAMES, 0, framed(deliver(1, 0))),
    "open-deliver-many": (OPEN_FRAMES, 0, framed(*(deliver(n, n) for n in range(1, 40)))),
    "open-status": (OPEN_FRAMES, 0, framed(status((1, 0, FIRST_ID), (2, 0, FIRST_ID), (4, 8, FIRST_ID + 1)),
                                           status((3, 0, 99), (1, 0, FIRST_ID + 2)))),
    "open-status-empty": (OPEN_FRAMES, 0, framed(status())),
    "open-error": (OPEN_FRAMES, 0, framed(b"\xff\x82\0\0\0\0\0\0", ERROR)),
    "open-unknown": (OPEN_FRAMES, 0, framed(b"\xa2whatever", b"\x03", b"")),
    "open-welcome-again": (OPEN_FRAMES, 0, framed(bytes([0x82]) + bytes(45))),
    "open-fragments": (OPEN_STREAM, 0, frame(deliver(1, 5)[:9], 2, False) + frame(b"", 9) + frame(b"", 0, False)
                       + frame(deliver(1, 5)[9:], 0)),
    "open-close": (OPEN_STREAM, 2, frame(ERROR) + frame(b"\x0f\xa9", 8) + frame(b"late")),
    "open-masked": (OPEN_STREAM, 0, b"\x82\x81\1\2\3\4x"),
    "open-too-big": (OPEN_STREAM, 0, b"\x82\x7f" + struct.pack(">Q", (1 << 20) + 1)),
}


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "corpus/client"
    folder.mkdir(parents=True, exist_ok=True)
    for name, (stage, step, data) in INPUTS.items():
        (folder / name).write_bytes(bytes([stage, step]) + data)


if __name__ == "__main__":
    main()
