#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
One client for all relays that are compared: kernel sockets, TLS 1.3, WebSocket, and on it the relay's own protocol.
Sessions talk in pairs, one way, at least once: a message is done when its receiver has it, has acknowledged it, and its
sender has been told. What a window allows is written at once: a WebSocket message each, records as full as can be.

    peer_clients.py KIND ADDRESS PORT NAME relay PAIRS WINDOW MESSAGES PAYLOAD
    peer_clients.py KIND ADDRESS PORT NAME idle SESSIONS

Prints an object of JSON. `idle` waits for a line on standard input once all are open, and then closes them.
"""

import json
import os
import selectors
import socket
import ssl
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/e2e"))

STUCK_S = 20
READ_BYTES = 1 << 18


def websocket(payload):
    """A binary message of a client; its mask is four zero bytes, which a server takes off all the same."""
    size = len(payload)
    if size < 126:
        return struct.pack(">BBI", 0x82, 0x80 | size, 0) + payload
    return struct.pack(">BBHI", 0x82, 0xFE, size, 0) + payload


class Link:
    """TLS and WebSocket; `take` gets the payload of each message."""

    path, subprotocol = "/", None

    def __init__(self, where, number):
        self.number, self.buffer, self.out = number, b"", []
        self.sent = self.answered = self.received = self.wrong = 0
        address, port, name = where
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.socket = context.wrap_socket(socket.create_connection((address, port), 20), server_hostname=name)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.upgrade(name)
        self.login()

    def upgrade(self, name):
        lines = [f"GET {self.path} HTTP/1.1", f"Host: {name}", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                 "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
        lines += [f"Sec-WebSocket-Protocol: {self.subprotocol}"] if self.subprotocol else []
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.buffer:
            some = self.socket.recv(4096)
            if not some:
                raise RuntimeError("no upgrade")
            self.buffer += some
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(f"no upgrade: {head[:200]}")

    def messages(self, some):
        """Payloads of whole frames; pings are answered."""
        data = self.buffer + some
        at, size = 0, len(data)
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                if size - at < 4:
                    break
                length, start = int.from_bytes(data[at + 2:at + 4], "big"), at + 4
            elif length == 127:
                if size - at < 10:
                    break
                length, start = int.from_bytes(data[at + 2:at + 10], "big"), at + 10
            if size - start < length:
                break
            kind, payload, at = data[at] & 15, data[start:start + length], start + length
            if kind == 9:
                self.out.append(struct.pack(">BBI", 0x8A, 0x80 | length, 0) + payload)
            elif kind == 8:
                raise RuntimeError(f"closed: {payload[:60]}")
            else:
                yield payload
        self.buffer = data[at:]

    def wait(self):
        """Block for one batch of payloads (during login)."""
        self.flush()
        got = list(self.messages(b""))
        while not got:
            some = self.socket.recv(READ_BYTES)
            if not some:
                raise RuntimeError("closed during login")
            got = list(self.messages(some))
        return got

    def flush(self):
        if self.out:
            self.socket.sendall(b"".join(self.out))
            self.out = []

    def readable(self):
        """Everything that has come."""
        while True:
            some = self.socket.recv(READ_BYTES)
            if not some:
                raise RuntimeError("the relay closed a session")
            for payload in self.messages(some):
                self.take(payload)
            if self.socket.pending() == 0:
                return

    def say(self, payload):
        self.out.append(websocket(payload))

    def check(self, payload, number):
        """Each payload begins with its number, which must be the next."""
        self.wrong += payload[:8] != number.to_bytes(8, "big")


class Mqtt(Link):
    """MQTT 3.1.1, quality of service 1."""

    path, subprotocol = "/mqtt", "mqtt"

    def login(self):
        self.rest = b""
        user = b"peer"
        body = b"\0\4MQTT\4\xC2" + struct.pack(">H", 600)
        for text in (b"c%d" % self.number, user, b"secret"):
            body += struct.pack(">H", len(text)) + text
        self.say(self.packet(0x10, body))
        self.expect(0x20)
        topic = b"t/%d" % self.number
        self.say(self.packet(0x82, b"\0\1" + struct.pack(">H", len(topic)) + topic + b"\1"))
        self.expect(0x90)

    def expect(self, kind):
        while True:
            for payload in self.wait():
                if payload[0] & 0xF0 == kind:
                    if kind == 0x20 and payload[3] != 0:
                        raise RuntimeError(f"CONNACK {payload[3]}")
                    return

    @staticmethod
    def packet(kind, body):
        size, length = len(body), b""
        while True:
            size, low = size >> 7, size & 127
            length += bytes([low | (128 if size else 0)])
            if not size:
                return bytes([kind]) + length + body

    def send(self, to, number, payload):
        topic = b"t/%d" % to.number
        self.say(self.packet(0x32, struct.pack(">H", len(topic)) + topic + struct.pack(">H", number % 65535 + 1) + payload))

    def take(self, payload):
        data = self.rest + payload
        at = 0
        while len(data) - at >= 2:
            length, shift, start = 0, 0, at + 1
            while start < len(data):
                byte = data[start]
                length, shift, start = length | (byte & 127) << shift, shift + 7, start + 1
                if byte < 128:
                    break
            else:
                break
            if len(data) - start < length:
                break
            kind, body = data[at] & 0xF0, data[start:start + length]
            at = start + length
            if kind == 0x40:
                self.answered += 1
            elif kind == 0x30:
                topic = int.from_bytes(body[:2], "big")
                self.check(body[topic + 4:], self.received)
                self.received += 1
                self.say(b"\x40\2" + body[topic + 2:topic + 4])
        self.rest = data[at:]


class Nats(Link):
    """NATS with JetStream: a stream in memory, explicit acknowledgements."""

    def login(self):
        self.rest = b""
        self.wait()  # INFO
        self.out.append(websocket(b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\nPING\r\n'))
        self.until(b"PONG")
        n = self.number
        self.say(b"SUB in.%d 1\r\nSUB ack.%d 2\r\nSUB api.%d 3\r\n" % (n, n, n))

    def until(self, word):
        got = b""
        while word not in got:
            got += b"".join(self.wait())
        return got

    def ask(self, subject, body):
        text = json.dumps(body).encode()
        self.say(b"PUB $JS.API.%s api.%d %d\r\n%s\r\n" % (subject.encode(), self.number, len(text), text))
        got = self.until(b"}")
        if b'"error"' in got:
            raise RuntimeError(got[-300:].decode())

    def prepare(self, first):
        if first:
            self.ask("STREAM.CREATE.S", {"name": "S", "subjects": ["t.*"], "storage": "memory", "retention": "workqueue"})

    def listen(self):
        n = self.number
        self.ask(f"CONSUMER.DURABLE.CREATE.S.d{n}", {"stream_name": "S", "config": {
            "durable_name": f"d{n}", "deliver_subject": f"in.{n}", "filter_subject": f"t.{n}", "ack_policy": "explicit",
            "max_ack_pending": 10000, "mem_storage": True, "num_replicas": 1}})

    def send(self, to, number, payload):
        self.say(b"PUB t.%d ack.%d %d\r\n%s\r\n" % (to.number, self.number, len(payload), payload))

    def take(self, payload):
        data = self.rest + payload
        at = 0
        while True:
            end = data.find(b"\r\n", at)
            if end < 0:
                break
            line = data[at:end]
            if not line.startswith(b"MSG"):
                if line.startswith(b"PING"):
                    self.say(b"PONG\r\n")
                elif line.startswith(b"-ERR"):
                    raise RuntimeError(line.decode())
                at = end + 2
                continue
            words = line.split(b" ")
            size = int(words[-1])
            if len(data) - end - 2 < size + 2:
                break
            body, at = data[end + 2:end + 2 + size], end + 4 + size
            if words[2] == b"1":
                self.check(body, self.received)
                self.received += 1
                self.say(b"PUB %s 0\r\n\r\n" % words[3])
            else:
                self.wrong += b"error" in body
                self.answered += 1
        self.rest = data[at:]


class Waxwire(Link):
    """The relay protocol of docs/protocol.md."""

    path, subprotocol = "/v1/relay", "waxwire.v1"

    def login(self):
        import waxproto  # needs python3-cryptography, the others don't
        self.identity, self.nonce, self.sequence, self.acked = waxproto.Identity(), os.urandom(16), 0, 0
        self.base = int(time.time() * 1000) << 20
        self.say(waxproto.hello(self.identity.key, 1, self.nonce))
        challenge = self.wait()[0]
        relay_nonce, relay_id = challenge[8:40], challenge[40:56]
        signature = self.identity.sign(waxproto.proof_text(relay_id, relay_nonce, self.nonce, 1))
        self.say(waxproto.proof(signature))
        if self.wait()[0][0] != 0x82:
            raise RuntimeError("no WELCOME")

    def send(self, to, number, payload):
        self.say(struct.pack(">BBHIQ", 0x10, 0, 1, 0, self.base + number) + to.identity.user + payload)

    def take(self, payload):
        if payload[0] == 0x90:
            self.check(payload[44:], self.received)
            self.received += 1
            self.sequence = int.from_bytes(payload[4:8], "big")
        elif payload[0] == 0x92:
            kinds = payload[8::28]
            self.answered += kinds.count(2)
            self.wrong += kinds.count(4)

    def flush(self):
        if self.out or getattr(self, "sequence", 0) != getattr(self, "acked", 0):
            if self.sequence != self.acked:
                self.acked = self.sequence
                self.out.insert(0, websocket(struct.pack(">B3xI", 0x12, self.acked)))
            super().flush()


KINDS = {"mosquitto": Mqtt, "ejabberd": Mqtt, "nats": Nats, "waxwire": Waxwire}


class Pair:
    def __init__(self, sender, receiver, messages, payload):
        self.sender, self.receiver, self.messages, self.payload = sender, receiver, messages, payload

    def go_on(self, window):
        sender = self.sender
        while sender.sent < self.messages and sender.sent - sender.answered < window:
            sender.send(self.receiver, sender.sent, sender.sent.to_bytes(8, "big") + self.payload[8:])
            sender.sent += 1

    def done(self):
        return self.sender.answered == self.messages == self.receiver.received


def opened(kind, where, count):
    """Sessions, many being opened at a time: some servers look for new bytes a few times a second only."""
    with ThreadPoolExecutor(64) as pool:
        return list(pool.map(lambda number: KINDS[kind](where, number), range(count)))


def relay(kind, where, pairs, window, messages, payload):
    links = opened(kind, where, 2 * pairs)
    if kind == "nats":
        links[0].prepare(True)
        for link in links[1::2]:
            link.listen()
    left = {links[2 * n]: Pair(links[2 * n], links[2 * n + 1], messages // pairs, b"x" * payload) for n in range(pairs)}
    of = {link: pair for pair in left.values() for link in (pair.sender, pair.receiver)}
    poll = selectors.DefaultSelector()
    for link in links:
        link.flush()
        poll.register(link.socket, selectors.EVENT_READ, link)
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    for pair in left.values():
        pair.go_on(window)
        pair.sender.flush()
    while left:
        ready = poll.select(STUCK_S)
        if not ready:
            raise RuntimeError("nothing goes forward")
        for key, _ in ready:
            key.data.readable()
            pair = of[key.data]
            pair.go_on(window)
            for link in (pair.sender, pair.receiver):
                link.flush()
            if pair.done():
                left.pop(pair.sender, None)
    took = time.monotonic() - began
    return {"messages": messages // pairs * pairs, "seconds": round(took, 3), "wrong": sum(link.wrong for link in links),
            "client_cpu_us_per_message": round(time.process_time() * 1e6 / messages, 2)}


def idle(kind, where, sessions):
    links = opened(kind, where, sessions)
    for link in links:
        link.flush()
    print("ready", flush=True)
    sys.stdin.readline()
    return {"sessions": len(links)}


def main(arguments):
    kind, where, what = arguments[0], (arguments[1], int(arguments[2]), arguments[3]), arguments[4]
    numbers = [int(text) for text in arguments[5:]]
    print(json.dumps(relay(kind, where, *numbers) if what == "relay" else idle(kind, where, *numbers)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
