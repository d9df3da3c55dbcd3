# SPDX-License-Identifier: BSD-3-Clause
"""
The relay protocol (docs/protocol.md), written from its page alone and sharing nothing with the
programs under test: Ed25519 by `cryptography`, BLAKE2b by Python itself.
"""

import hashlib
import os
import struct
import time
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HELLO, PROOF, SEND, SEND_MULTI, ACK, READ = 0x01, 0x02, 0x10, 0x11, 0x12, 0x13
KEYS_PUT, KEYS_GET, BLOCK, DEVICE = 0x20, 0x21, 0x30, 0x31
CHALLENGE, WELCOME, DELIVER, STATUS, ERROR = 0x81, 0x82, 0x90, 0x92, 0xFF
KEYS_OK, KEYS, KEYS_LOW, OK, DEVICES = 0xA0, 0xA1, 0xA2, 0xB0, 0xB1

RESUME, BINDING, SEND_ONLY = 1, 2, 4              # flags of HELLO
EPHEMERAL, URGENT, SILENT = 1, 2, 4               # flags of SEND
AGAIN, D_URGENT, D_EPHEMERAL, MULTI, STORED = 1, 2, 4, 8, 16  # flags of DELIVER
NEW_ACCOUNT, RESUMED = 1, 2                       # flags of WELCOME
ACCEPTED, DELIVERED, READ_BY, REJECTED = 1, 2, 3, 4
UNKNOWN_USER, UNKNOWN_DEVICE, RATE_LIMITED, TOO_LARGE, MALFORMED, NOT_CONNECTED = 1, 2, 4, 6, 9, 10

EXPORTER = b"EXPORTER-waxwire-v1"
SUBPROTOCOL = "waxwire.v1"
PATIENCE_S = 15  # for what must come, on a machine that does other things as well


class ProtocolError(Exception):
    """The relay said something that the page does not allow."""


class Identity:
    """An account key and the user id that it certifies."""

    def __init__(self, seed=None):
        self.private = Ed25519PrivateKey.from_private_bytes(seed or os.urandom(32))
        self.key = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.user = hashlib.blake2b(self.key, digest_size=16).digest()

    def sign(self, text):
        return self.private.sign(text)


# ---- frames of a client

def hello(key, device, nonce, flags=0, token=b"", invite=b"", version=1):
    return (struct.pack(">BBHI", HELLO, version, device, flags) + key + nonce + struct.pack(">H", len(token)) + token
            + struct.pack(">H", len(invite)) + invite)


def proof_text(relay_id, relay_nonce, nonce, device, binding=bytes(32)):
    return b"waxwire v1 proof\0" + relay_id + relay_nonce + nonce + struct.pack(">H", device) + binding


def proof(signature, flags=0):
    return struct.pack(">BB6x", PROOF, flags) + signature


def send(user, device, ident, payload=b"", flags=0, ttl=0):
    return struct.pack(">BBHIQ", SEND, flags, device, ttl, ident) + user + payload


def send_multi(recipients, ident, shared=b"", flags=0, ttl=0):
    """`recipients` are (user, device, head)."""
    entries = b"".join(user + struct.pack(">HH", device, len(head)) + head for user, device, head in recipients)
    return struct.pack(">BBHIQI4x", SEND_MULTI, flags, len(recipients), ttl, ident, len(shared)) + entries + shared


def read(entries):
    """`entries` are (user, device, id) of senders' messages."""
    return (struct.pack(">BxH4x", READ, len(entries))
            + b"".join(struct.pack(">2xHQ", device, ident) + user for user, device, ident in entries))


def ack(sequence):
    return struct.pack(">B3xI", ACK, sequence)


def device(what, number=0, request=0):
    return struct.pack(">BBHI", DEVICE, what, number, request)


def block(what, user=bytes(16), request=0):
    return struct.pack(">BBHI", BLOCK, what, 0, request) + user


def keys_put(identity, number, bundle, keys=(), request=0, replace=False, signature=None):
    if signature is None:
        signature = identity.sign(b"waxwire v1 keys\0" + identity.user + struct.pack(">H", number) + bundle)
    return (struct.pack(">BBHIHH", KEYS_PUT, replace, number, request, len(bundle), len(keys)) + bundle + signature
            + b"".join(struct.pack(">H", len(key)) + key for key in keys))


def keys_get(user, number=0, request=0, take=False):
    return struct.pack(">BBHI", KEYS_GET, take, number, request) + user


# ---- frames of the relay

@dataclass
class Challenge:
    nonce: bytes
    relay_id: bytes
    time_ms: int


@dataclass
class Welcome:
    flags: int
    device: int
    payload_max: int
    time_ms: int
    user: bytes
    window: int
    waiting: int
    heartbeat: int
    token: bytes
    media_token: bytes


@dataclass
class Deliver:
    flags: int
    device: int
    sequence: int
    ident: int
    user: bytes
    taken_ms: int
    head: bytes
    payload: bytes


@dataclass
class Entry:
    kind: int
    reason: int
    device: int
    ident: int
    user: bytes


@dataclass
class Error:
    code: int
    request: int
    text: str


@dataclass
class Answer:
    """OK, KEYS_OK, KEYS, DEVICES, KEYS_LOW: what answers a request, or is said unasked (KEYS_LOW)."""
    type: int
    request: int
    flags: int = 0
    device: int = 0
    number: int = 0          # of one-time keys held or left
    user: bytes = b""
    account_key: bytes = b""
    devices: dict = field(default_factory=dict)  # device: (bundle, signature, one-time key) or (flags, last seen)


@dataclass
class Unknown:
    type: int
    frame: bytes = field(repr=False)


def need(condition, frame):
    if not condition:
        raise ProtocolError(f"a frame whose layout is broken: {frame[:80].hex()}")


def parse_welcome(frame):
    need(len(frame) >= 46, frame)
    flags, device, payload_max, time_ms, user, window, waiting, heartbeat, size = struct.unpack(
        ">xBHIQ16sIIHH", frame[:44])
    need(len(frame) >= 46 + size, frame)
    token = frame[44:44 + size]
    (size2,) = struct.unpack(">H", frame[44 + size:46 + size])
    need(len(frame) == 46 + size + size2, frame)
    return Welcome(flags, device, payload_max, time_ms, user, window, waiting, heartbeat, token, frame[46 + size:])


def parse_deliver(frame):
    need(len(frame) >= 44, frame)
    flags, device, sequence, ident, user, taken_ms, head = struct.unpack(">xBHIQ16sQI", frame[:44])
    need(head <= len(frame) - 44, frame)
    return Deliver(flags, device, sequence, ident, user, taken_ms, frame[44:44 + head], frame[44 + head:])


def parse_status(frame):
    need(len(frame) >= 8, frame)
    (count,) = struct.unpack(">xxH4x", frame[:8])
    need(count > 0 and len(frame) == 8 + 28 * count, frame)
    return [Entry(*struct.unpack(">BBHQ16s", frame[at:at + 28])) for at in range(8, len(frame), 28)]


def parse_keys(frame):
    need(len(frame) >= 56, frame)
    flags, count, request, user, key = struct.unpack(">xBHI16s32s", frame[:56])
    at, devices = 56, {}
    for _ in range(count):
        need(len(frame) >= at + 4, frame)
        number, size = struct.unpack(">HH", frame[at:at + 4])
        at += 4 + size + 64
        need(len(frame) >= at + 2 and number not in devices, frame)
        (one,) = struct.unpack(">H", frame[at:at + 2])
        devices[number] = (frame[at - 64 - size:at - 64], frame[at - 64:at], frame[at + 2:at + 2 + one])
        at += 2 + one
    need(at == len(frame), frame)
    return Answer(KEYS, request, flags=flags, user=user, account_key=key, devices=devices)


def parse_answer(frame):
    need(len(frame) >= 8, frame)
    flags, number, request = struct.unpack(">xBHI", frame[:8])
    if frame[0] == KEYS:
        return parse_keys(frame)
    if frame[0] == OK:
        need(len(frame) == 8, frame)
        return Answer(OK, request)
    if frame[0] == KEYS_LOW:
        need(len(frame) == 8, frame)
        return Answer(KEYS_LOW, 0, device=number, number=request)
    if frame[0] == KEYS_OK:
        need(len(frame) == 12, frame)
        return Answer(KEYS_OK, request, device=number, number=int.from_bytes(frame[8:12], "big"))
    need(len(frame) == 8 + 12 * number, frame)
    entries = [struct.unpack(">HHQ", frame[at:at + 12]) for at in range(8, len(frame), 12)]
    return Answer(DEVICES, request, flags=flags, devices={entry[0]: entry[1:] for entry in entries})


def parse(frame):
    """A frame of the relay as an object; a STATUS as the list of its entries."""
    need(len(frame) > 0, frame)
    if frame[0] == CHALLENGE:
        need(len(frame) == 64 and frame[1] == 1, frame)
        return Challenge(frame[8:40], frame[40:56], int.from_bytes(frame[56:64], "big"))
    if frame[0] == WELCOME:
        return parse_welcome(frame)
    if frame[0] == DELIVER:
        return parse_deliver(frame)
    if frame[0] == STATUS:
        return parse_status(frame)
    if frame[0] == ERROR:
        need(len(frame) >= 8, frame)
        code, size, request = struct.unpack(">xBHI", frame[:8])
        need(len(frame) == 8 + size, frame)
        return Error(code, request, frame[8:].decode())
    if frame[0] in (KEYS_OK, KEYS, KEYS_LOW, OK, DEVICES):
        return parse_answer(frame)
    return Unknown(frame[0], frame)


# ---- a session

class Closed(Exception):
    """The WebSocket has ended; `code` is the relay's close code, None when there was none."""

    def __init__(self, code):
        super().__init__(f"closed with code {code}")
        self.code = code


class Session:
    """
    One session over a transport (transports.py). What comes is filed: `deliveries`, `statuses`, `errors`.
    Nothing is acknowledged unless `auto_ack` is set. Waits are in seconds.
    """

    def __init__(self, transport, identity, device=1, auto_ack=True):
        self.transport, self.identity, self.device, self.auto_ack = transport, identity, device, auto_ack
        self.deliveries, self.statuses, self.errors, self.unknown = [], [], [], []
        self.answers = []    # to requests, and KEYS_LOW
        self.requests = 0    # asked so far
        self.welcome = self.challenge = None
        self.last_sequence = 0
        self.next_ident = int(time.time() * 1000) << 20
        self.peers = []      # sessions that are pumped while this one waits, for they must acknowledge
        self.ended = None    # the Closed that a pump as a peer has met

    @property
    def user(self):
        return self.identity.user

    def receive(self, wait=PATIENCE_S):
        """The next frame, parsed. Raises Closed, or TimeoutError."""
        return parse(self.transport.receive(wait))

    def hello(self, flags=0, token=b"", **fields):
        self.nonce = os.urandom(16)
        if token:
            flags |= RESUME
        self.transport.send(hello(self.identity.key, self.device, self.nonce, flags, token, **fields))

    def prove(self, binding=None, flags=None, identity=None):
        """Answers the challenge; `identity` signs instead of the session's own."""
        text = proof_text(self.challenge.relay_id, self.challenge.nonce, self.nonce, self.device, binding or bytes(32))
        if flags is None:
            flags = 1 if binding else 0
        self.transport.send(proof((identity or self.identity).sign(text), flags))

    def open(self, flags=0, token=b"", binding=None):
        """From HELLO to WELCOME, by the token where there is one that is still good."""
        self.hello(flags | (BINDING if binding else 0), token)
        frame = self.receive()
        if isinstance(frame, Challenge):
            self.challenge = frame
            self.prove(binding)
            frame = self.receive()
        if not isinstance(frame, Welcome):
            raise ProtocolError(f"not WELCOME but {frame}")
        if frame.user != self.user or frame.device != self.device:
            raise ProtocolError(f"WELCOME for somebody else: {frame}")
        self.welcome = frame
        return self

    def pump(self, wait=PATIENCE_S):
        """Takes one frame and files it."""
        if self.ended:
            raise self.ended
        frame = self.receive(wait)
        if isinstance(frame, Deliver):
            self.file_delivery(frame)
        elif isinstance(frame, list):
            self.statuses += frame
        elif isinstance(frame, Error):
            self.errors.append(frame)
        elif isinstance(frame, Answer):
            self.answers.append(frame)
        elif isinstance(frame, Unknown):
            self.unknown.append(frame)
        elif isinstance(frame, Challenge) and self.welcome is None:
            self.challenge = frame
        else:
            raise ProtocolError(f"out of place: {frame}")

    def file_delivery(self, frame):
        if frame.sequence != 0:
            if frame.sequence != self.last_sequence + 1:
                raise ProtocolError(f"sequence {frame.sequence} after {self.last_sequence}")
            self.last_sequence = frame.sequence
            if self.auto_ack:
                self.transport.send(ack(frame.sequence))
        self.deliveries.append(frame)

    def until(self, done, wait=PATIENCE_S, what="what was waited for"):
        """Pumps until done() is true; its value."""
        end = time.monotonic() + wait
        while not (value := done()):
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{what} did not come within {wait} s; statuses {self.statuses[-4:]}, "
                                   f"deliveries {len(self.deliveries)}, errors {self.errors}")
            self.pump_peers()
            try:
                self.pump(min(left, 0.02 if self.peers else left))
            except TimeoutError:
                pass
        return value

    def pump_peers(self):
        """Takes what has come for the peers that acknowledge by themselves."""
        for peer in self.peers:
            try:
                while peer is not self and peer.auto_ack and peer.welcome and not peer.ended:
                    peer.pump(0)
            except TimeoutError:
                pass
            except Closed as closed:
                peer.ended = closed

    def settle(self, wait=PATIENCE_S):
        """
        Waits until messages for this device are delivered directly: after WELCOME the relay may still take them by
        way of the mailbox. What that took is forgotten.
        """
        acknowledges, self.auto_ack = self.auto_ack, True
        end = time.monotonic() + wait
        while self.status(self.send(self, flags=EPHEMERAL, device=self.device)).kind != DELIVERED:
            if time.monotonic() > end:
                raise TimeoutError(f"deliveries are not direct {wait} s after WELCOME")
            time.sleep(0.02)
        self.deliveries, self.statuses, self.auto_ack = [], [], acknowledges
        return self

    def quiet(self, seconds):
        """Whatever comes in the next `seconds` is filed; returns how many deliveries that were."""
        before = len(self.deliveries)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self.pump(left)
            except TimeoutError:
                break
        return len(self.deliveries) - before

    def send(self, to, payload=b"", device=1, flags=0, ttl=0, ident=None):
        """Sends to an identity, session or user id; returns the message id."""
        if ident is None:
            ident, self.next_ident = self.next_ident, self.next_ident + 1
        user = to if isinstance(to, bytes) else to.user
        self.transport.send(send(user, device, ident, payload, flags, ttl))
        return ident

    def send_multi(self, recipients, shared=b"", flags=0, ttl=0):
        """Sends to (identity, session or user id, device, head); returns the message id."""
        ident, self.next_ident = self.next_ident, self.next_ident + 1
        users = [(to if isinstance(to, bytes) else to.user, device, head) for to, device, head in recipients]
        self.transport.send(send_multi(users, ident, shared, flags, ttl))
        return ident

    def read(self, *deliveries):
        """Says that these have been read."""
        self.transport.send(read([(d.user, d.device, d.ident) for d in deliveries]))

    def status(self, ident, kind=None, wait=PATIENCE_S):
        """The first answer about a message (of one kind)."""
        def found():
            return next((s for s in self.statuses if s.ident == ident and kind in (None, s.kind)), None)
        return self.until(found, wait, f"a status {kind or ''} of {ident}")

    def delivery(self, number, wait=PATIENCE_S):
        """The delivery of that number (from 0) in this session."""
        return self.until(lambda: self.deliveries[number] if len(self.deliveries) > number else None, wait,
                          f"delivery {number}")

    def ask(self, make, *arguments, wait=PATIENCE_S, **options):
        """Sends a request, made by one of the functions above with a fresh number; its answer, perhaps an Error."""
        self.requests += 1
        number = self.requests
        self.transport.send(make(*arguments, request=number, **options))

        def found():
            return next((a for a in self.answers + self.errors if a.request == number), None)
        return self.until(found, wait, f"the answer to request {number}")

    def acknowledge(self, sequence=None):
        self.transport.send(ack(self.last_sequence if sequence is None else sequence))

    def fatal(self, wait=PATIENCE_S):
        """Waits for the end; (code of the fatal ERROR or None, close code)."""
        end = time.monotonic() + wait
        try:
            while True:
                self.pump(max(end - time.monotonic(), 0.01))
        except Closed as closed:
            self.ended = closed
            codes = [e.code for e in self.errors if e.code < 128]
            return (codes[-1] if codes else None), closed.code

    def close(self):
        """A clean end."""
        self.transport.close()

    def cut(self):
        """The end without a word."""
        self.transport.cut()
