#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the corpora of the fuzz targets `ws`, `http`, `body`, `tls` and `shake`: make_upper.py CORPUS-DIRECTORY"""
import pathlib
import ssl
import struct
import sys

MASK = b"\x37\xfa\x21\x3d"


# WebSocket: role, step, stream (fuzz_ws.c).

def frame(first, payload=b"", masked=True, length=None, form=None):
    n = len(payload) if length is None else length
    form = form or (7 if n < 126 else 16 if n < 65536 else 64)
    bit = 0x80 if masked else 0
    head = {7: lambda: bytes([first, bit | n]), 16: lambda: bytes([first, bit | 126]) + struct.pack(">H", n),
            64: lambda: bytes([first, bit | 127]) + struct.pack(">Q", n)}[form]()
    if not masked:
        return head + payload
    return head + MASK + bytes(b ^ MASK[i % 4] for i, b in enumerate(payload))


def server(*frames, step=3):
    return bytes([0, step]) + b"".join(frames)


def client(*frames, step=3):
    return bytes([1, step]) + b"".join(frames)


WS = {
    "one": server(frame(0x82, b"sealed bytes")),
    "empty": server(frame(0x82)),
    "two": server(frame(0x82, b"one"), frame(0x82, b"two"), step=1),
    "medium": server(frame(0x82, bytes(200)), step=50),
    "large": server(frame(0x82, bytes(66000)), step=255),
    "too-big": server(frame(0x82, b"x", length=70001)),
    "too-big-together": server(frame(0x02, bytes(40000)), frame(0x80, b"x", length=40000), step=255),
    "fragments": server(frame(0x02, b"Hel"), frame(0x00, b"l"), frame(0x80, b"o")),
    "fragments-empty": server(frame(0x02), frame(0x00), frame(0x80)),
    "ping-between": server(frame(0x02, b"Hel"), frame(0x89, b"ping payload"), frame(0x80, b"lo"), step=2),
    "pong": server(frame(0x8A)),
    "ping-full": server(frame(0x89, bytes(125)), step=7),
    "ping-long": server(frame(0x89, bytes(126))),
    "ping-fragment": server(frame(0x09)),
    "close": server(frame(0x88, b"\x03\xe8bye")),
    "close-empty": server(frame(0x88)),
    "close-one": server(frame(0x88, b"\x03")),
    "close-code": server(frame(0x88, b"\x03\xed")),
    "close-4000": server(frame(0x88, b"\x0f\xa1")),
    "close-utf8": server(frame(0x88, b"\x03\xe8gr\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80")),
    "close-bad-utf8": server(frame(0x88, b"\x03\xe8\xed\xa0\x80")),
    "behind-close": server(frame(0x88, b"\x03\xe8"), frame(0x82, b"late")),
    "text": server(frame(0x81, b"text")),
    "unmasked": server(frame(0x82, b"x", masked=False)),
    "reserved-bit": server(frame(0xC2, b"x")),
    "reserved-opcode": server(frame(0x83, b"x")),
    "continuation-first": server(frame(0x80, b"x")),
    "binary-within": server(frame(0x02, b"a"), frame(0x82, b"b")),
    "long-form-16": server(frame(0x82, b"x", form=16)),
    "long-form-64": server(frame(0x82, b"x", form=64)),
    "length-63": server(frame(0x82, b"x", length=1 << 63, form=64)),
    "client-one": client(frame(0x82, b"deliver", masked=False)),
    "client-masked": client(frame(0x82, b"deliver")),
    "client-mixed": client(frame(0x02, b"a" * 300, masked=False), frame(0x89, b"p", masked=False),
                           frame(0x80, b"b", masked=False), frame(0x88, b"\x03\xf4", masked=False), step=9),
}

# HTTP: step, head (fuzz_http.c).

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
UPGRADE = ("Host: relay.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" + KEY
           + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, waxwire.v1\r\n")


def http(text, step=5):
    return bytes([step]) + text.encode("latin-1")


def get(line="GET / HTTP/1.1", fields="Host: a\r\n"):
    return http(f"{line}\r\n{fields}\r\n")


HTTP = {
    "upgrade": get("GET /v1/relay HTTP/1.1", UPGRADE),
    "upgrade-behind": http("GET /v1/relay?x HTTP/1.1\r\n" + UPGRADE + "\r\n\x82\x80abcd", 1),
    "upgrade-version": get("GET /v1/relay HTTP/1.1", UPGRADE.replace("13", "8")),
    "upgrade-1.0": get("GET /v1/relay HTTP/1.0", UPGRADE),
    "health": get("GET /healthz HTTP/1.1"),
    "head": get("HEAD /healthz HTTP/1.1"),
    "media-put": get("PUT /v1/media HTTP/1.1",
                     "Host: a\r\nAuthorization: Bearer t\r\nContent-Length: 5\r\nWaxwire-TTL: 60\r\nExpect: 100-continue\r\n"),
    "media-chunked": get("PUT /v1/media HTTP/1.1", "Host: a\r\nTransfer-Encoding: chunked\r\nWaxwire-Id: abc\r\n"),
    "media-get": get("GET /v1/media/AbC-_9 HTTP/1.1", "Host: a\r\nRange: bytes=0-9\r\nIf-None-Match: \"x\"\r\n"),
    "absolute": get("GET http://b/healthz?q HTTP/1.1"),
    "absolute-bare": get("GET https://b HTTP/1.1"),
    "asterisk": get("OPTIONS * HTTP/1.1"),
    "leading": http("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "leading-two": http("\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
    "bare-lf": http("GET / HTTP/1.1\nHost: a\n\n"),
    "bare-cr": get(fields="Host: a\rb\r\n"),
    "folded": get(fields="Host: a\r\nX: a\r\n b\r\n"),
    "no-host": get(fields=""),
    "two-hosts": get(fields="Host: a\r\nHost: a\r\n"),
    "smuggled": get("POST / HTTP/1.1", "Host: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
    "two-lengths": get("POST / HTTP/1.1", "Host: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n"),
    "length-long": get("POST / HTTP/1.1", "Host: a\r\nContent-Length: 99999999999999999999\r\n"),
    "version-2": get("PRI * HTTP/2.0"),
    "version-bad": get("GET / HTTP/1.10"),
    "space-name": get(fields="Host : a\r\n"),
    "control": get(fields="Host: a\r\nX: \x00\r\n"),
    "latin": get(fields="Host: a\r\nX: \xfc\r\n"),
    "long": get(fields="Host: a\r\nX: " + "y" * 8200 + "\r\n"),
    "garbage": http("\x16\x03\x01\x02\x00\x01\x00"),
    "reply-101": http("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: waxwire.v1\r\n\r\n"),
    "reply-503": http("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
}

# TLS records: flags, operations (fuzz_tls.c).

RAW, SEALED, TURNED, UPDATE, DATA = range(5)


def op(kind, payload=b"", more=0):
    return bytes([kind, more, len(payload)]) + payload


def tls(*ops, is_client=0, suite=0):
    return bytes([is_client | suite << 1]) + b"".join(ops)


APP, ALERT, HANDSHAKE, CCS = b"\x17", b"\x15", b"\x16", b"\x14"
NO, YES = b"\x18\0\0\1\0", b"\x18\0\0\1\1"
TICKET = b"\4\0\0\x20" + bytes(32)
TLS = {
    "data": tls(op(SEALED, b"hello" + APP), op(DATA, b"back"), op(SEALED, b"again" + APP)),
    "data-256": tls(op(SEALED, b"hello" + APP), op(DATA, b"back"), suite=1),
    "data-chacha": tls(op(SEALED, b"hello" + APP), op(DATA, b"back"), suite=2),
    "empty": tls(op(SEALED, APP), op(SEALED, APP)),
    "padded": tls(op(SEALED, b"hello" + APP, more=100)),
    "padding-only": tls(op(SEALED, b"", more=30)),
    "nothing": tls(op(SEALED)),
    "turned": tls(op(SEALED, b"a" + APP), op(TURNED, b"hello" + APP, more=3), op(SEALED, b"b" + APP)),
    "close": tls(op(SEALED, b"\1\0" + ALERT), op(SEALED, b"late" + APP), op(DATA, b"still")),
    "user-canceled": tls(op(SEALED, b"\1\x5a" + ALERT), op(SEALED, b"\1\0" + ALERT)),
    "alert": tls(op(SEALED, b"\2\x28" + ALERT), op(DATA, b"no more")),
    "alert-short": tls(op(SEALED, b"\2" + ALERT)),
    "alert-empty": tls(op(SEALED, ALERT)),
    "alert-long": tls(op(SEALED, b"\1\0\1\0" + ALERT)),
    "update": tls(op(SEALED, NO + HANDSHAKE), op(SEALED, b"new" + APP)),
    "update-asked": tls(op(SEALED, YES + HANDSHAKE), op(SEALED, b"new" + APP), op(DATA, b"new too")),
    "update-ours": tls(op(UPDATE, more=1), op(DATA, b"new"), op(SEALED, NO + HANDSHAKE), op(SEALED, b"x" + APP)),
    "update-split": tls(*[op(SEALED, YES[i:i + 1] + HANDSHAKE) for i in range(5)], op(SEALED, b"x" + APP)),
    "update-within": tls(op(SEALED, YES[:3] + HANDSHAKE), op(SEALED, b"x" + APP)),
    "update-behind": tls(op(SEALED, NO + NO + HANDSHAKE)),
    "update-value": tls(op(SEALED, b"\x18\0\0\1\2" + HANDSHAKE)),
    "update-length": tls(op(SEALED, b"\x18\0\0\2\0\0" + HANDSHAKE)),
    "update-many": tls(*[op(SEALED, NO + HANDSHAKE) for _ in range(40)]),
    "ticket": tls(op(SEALED, TICKET + HANDSHAKE), op(SEALED, b"x" + APP), is_client=1),
    "ticket-split": tls(op(SEALED, TICKET[:3] + HANDSHAKE), op(SEALED, TICKET[3:9] + HANDSHAKE),
                        op(SEALED, TICKET[9:] + YES + HANDSHAKE), op(SEALED, b"x" + APP), is_client=1),
    "ticket-to-server": tls(op(SEALED, TICKET + HANDSHAKE)),
    "handshake-empty": tls(op(SEALED, HANDSHAKE)),
    "client-hello": tls(op(SEALED, b"\1\0\0\0" + HANDSHAKE)),
    "inner-ccs": tls(op(SEALED, b"\1" + CCS)),
    "raw-ccs": tls(op(RAW, b"\x14\3\3\0\1\1")),
    "raw-alert": tls(op(RAW, b"\x15\3\3\0\2\2\x28")),
    "raw-short": tls(op(RAW, b"\x17\3\3\0\x10" + bytes(16))),
    "raw-long": tls(op(RAW, b"\x17\3\3\xff\xff")),
    "raw-part": tls(op(RAW, b"\x17\3\3")),
    "raw-garbage": tls(op(RAW, b"\x17\3\3\0\x20" + bytes(range(32)))),
}


# Handshakes: step (odd: to a client), bytes (fuzz_shake.c).

def client_hello(**of):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    for name, value in of.items():
        setattr(context, name, value)
    out = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="relay.example").do_handshake()
    except ssl.SSLWantReadError:
        return out.read()
    raise AssertionError


def split_record(record, at):
    body = record[5:]
    return b"".join(record[:3] + struct.pack(">H", len(part)) + part for part in (body[:at], body[at:]))


HELLO = client_hello()
FINISHED = b"\x14\3\3\0\1\1\x17\3\3\0\x35" + bytes(0x35)
SHAKE = {
    "hello": b"\x10" + HELLO,
    "hello-slow": b"\0" + HELLO,
    "hello-split": b"\x20" + split_record(HELLO, 100),
    "hello-fragments": b"\x20" + split_record(HELLO, 3),
    "hello-1.2": b"\x10" + client_hello(maximum_version=ssl.TLSVersion.TLSv1_2),
    "hello-twice": b"\x40" + HELLO + HELLO,
    "hello-finished": b"\xf0" + HELLO + FINISHED,
    "hello-garbage": b"\xf0" + HELLO + b"GET / HTTP/1.1\r\n",
    "hello-overlong": b"\xf0" + HELLO + b"\x17\3\3\xff\xff",
    "hello-data": b"\xf0" + HELLO + b"\x17\3\3\0\x20" + bytes(32),
    "hello-alert": b"\xf0" + HELLO + b"\x15\3\3\0\2\2\x28",
    "http": b"\x10GET / HTTP/1.1\r\n\r\n",
    "version": b"\x10\x16\2\0\0\5hello",
    "overlong": b"\x10\x16\3\1\x40\1",
    "empty-record": b"\x10\x16\3\1\0\0" + HELLO,
    "alert": b"\x10\x15\3\3\0\2\2\x28",
    "ccs": b"\x10\x14\3\3\0\1\1" + HELLO,
    "to-client-alert": b"\x11\x15\3\3\0\2\2\x28",
    "to-client-hello": b"\x11" + HELLO,
    "to-client-garbage": b"\x11HTTP/1.1 400 Bad Request\r\n",
    "to-client-data": b"\x11\x17\3\3\0\x20" + bytes(32),
    "to-client-server-hello": b"\x11\x16\3\3\0\x2c\2\0\0\x28\3\3" + bytes(32) + b"\0\x13\1\0\0\0",
    "to-client-overlong": b"\x11\x16\3\3\x7f\xff",
}

# Bodies of requests, and media: step, limit in units of 64 bytes, head and body (fuzz_body.c).

ID = b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"


def upload(fields, body, step=3, limit=4):
    return (bytes([step, limit]) + b"PUT /v1/media HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer abc\r\n"
            + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body)


def chunked(body, **more):
    return upload([b"Transfer-Encoding: chunked"], body, **more)


def download(value, method=b"GET"):
    return b"\1\4" + method + b" /v1/media/" + ID + b" HTTP/1.1\r\nHost: a\r\nRange: " + value + b"\r\n\r\n"


BODY = {
    "length": upload([b"Content-Length: 5"], b"helloGET / HTTP/1.1"),
    "length-short": upload([b"Content-Length: 50"], b"hello"),
    "length-large": upload([b"Content-Length: 257"], b"hello"),
    "id": upload([b"Content-Length: 5", b"Waxwire-Id: " + ID, b"Waxwire-TTL: 60"], b"hello"),
    "chunks": chunked(b"5\r\nhello\r\n00A\r\nwide world\r\n0\r\n\r\nGET"),
    "chunks-slow": chunked(b"5\r\nhello\r\n0\r\n\r\n", step=1),
    "chunks-large": chunked(b"ff\r\n" + bytes(255) + b"\r\n2\r\nxx\r\n0\r\n\r\n", step=50),
    "chunks-huge": chunked(b"fffffffffffffff\r\n"),
    "chunks-extension": chunked(b"1;a=b;c=\"d\"\r\nx\r\n0 ;last\r\n\r\n"),
    "chunks-trailer": chunked(b"1\r\nx\r\n0\r\nDigest: abc\r\n\r\n"),
    "chunks-bare-lf": chunked(b"1\nx\n0\n\n"),
    "chunks-sign": chunked(b"+1\r\nx\r\n"),
    "chunks-request": chunked(b"0\r\nGET / HTTP/1.1\r\n\r\n"),
    "range": download(b"bytes=10-19"),
    "range-suffix": download(b"bytes=-10", b"HEAD"),
    "range-beyond": download(b"bytes=99999999999999999999-"),
    "range-many": download(b"bytes=1-2,4-5"),
    "delete": b"\1\1DELETE /v1/media/" + ID + b" HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer abc\r\n\r\n",
}

for target, inputs in {"ws": WS, "http": HTTP, "body": BODY, "tls": TLS, "shake": SHAKE}.items():
    directory = pathlib.Path(sys.argv[1]) / target
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in inputs.items():
        (directory / name).write_bytes(data)
    print(target, len(inputs), "inputs")
