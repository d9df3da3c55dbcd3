# SPDX-License-Identifier: BSD-3-Clause
"""
Ways to the relay: python3-websockets over Python's TLS, and a WebSocket by hand that can also be wrong.
Both have send(frame), receive(wait), close() and cut().
"""

import asyncio
import base64
import hashlib
import os
import select
import socket
import ssl
import struct
import threading
import time

import websockets
from OpenSSL import SSL

from waxproto import EXPORTER, SUBPROTOCOL, Closed

BINARY, TEXT, CONTINUATION, CLOSE, PING, PONG = 2, 1, 0, 8, 9, 10
FIN = 0x80


def tls_context(where):
    context = ssl.create_default_context(cafile=where["ca"])
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


# ---- python3-websockets

_loop = asyncio.new_event_loop()
threading.Thread(target=_loop.run_forever, daemon=True).start()


def run(coroutine, wait):
    future = asyncio.run_coroutine_threadsafe(coroutine, _loop)
    try:
        return future.result(wait)
    except BaseException:
        future.cancel()
        raise


class Library:
    """python3-websockets; it offers permessage-deflate, which the relay must decline."""

    def __init__(self, where, plain=False):
        port = where["plain_port" if plain else "port"]
        scheme = "ws" if plain else "wss"
        extra = {} if plain else {"ssl": tls_context(where), "server_hostname": where["server_name"]}

        async def open_it():
            return await websockets.connect(
                f"{scheme}://{where['server_name']}:{port}/v1/relay", host=where["address"], port=port,
                max_size=1 << 21, subprotocols=[SUBPROTOCOL], ping_interval=None, max_queue=None, close_timeout=3,
                **extra)

        self.socket = run(open_it(), 10)
        if self.socket.subprotocol != SUBPROTOCOL or self.socket.extensions:
            raise AssertionError(f"subprotocol {self.socket.subprotocol}, extensions {self.socket.extensions}")

    def _do(self, coroutine, wait):
        try:
            return run(coroutine, wait)
        except websockets.ConnectionClosed as error:
            raise Closed(error.rcvd.code if error.rcvd else None) from error

    def send(self, frame):
        self._do(self.socket.send(frame), 10)

    def receive(self, wait=5):
        async def one():
            return await asyncio.wait_for(self.socket.recv(), max(wait, 0.001))
        try:
            return self._do(one(), wait + 5)
        except asyncio.TimeoutError as error:
            raise TimeoutError(f"no frame within {wait:.1f} s") from error

    def ping(self, payload=b"", wait=5):
        """Sends a ping and waits for its pong."""
        async def one():
            await asyncio.wait_for(await self.socket.ping(payload), wait)
        self._do(one(), wait + 5)

    def send_fragments(self, pieces, ping_between=False):
        async def produce():
            for piece in pieces:
                yield piece
                if ping_between:
                    await self.socket.ping()
        self._do(self.socket.send(produce()), 10)

    def close(self):
        self._do(self.socket.close(), 5)

    def cut(self):
        async def abort():
            self.socket.transport.abort()
        run(abort(), 5)


# ---- by hand

def connect(where, plain=False):
    """A connected socket, plain or TLS by Python's ssl."""
    raw = socket.create_connection((where["address"], where["plain_port" if plain else "port"]), timeout=10)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if plain:
        return raw
    return tls_context(where).wrap_socket(raw, server_hostname=where["server_name"], suppress_ragged_eofs=False)


class BoundSocket:
    """A socket by pyOpenSSL, which can export keying material as Python's ssl can't."""

    def __init__(self, where):
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.load_verify_locations(where["ca"])
        context.set_verify(SSL.VERIFY_PEER, lambda *arguments: arguments[-1])
        self.raw = socket.create_connection((where["address"], where["port"]), timeout=10)
        self.raw.settimeout(None)
        self.tls = SSL.Connection(context, self.raw)
        self.tls.set_tlsext_host_name(where["server_name"].encode())
        self.tls.set_connect_state()
        self.tls.do_handshake()
        self.binding = self.tls.export_keying_material(EXPORTER, 32, None)
        self.wait = None

    def settimeout(self, wait):
        self.wait = wait

    def sendall(self, data):
        self.tls.sendall(data)

    def recv(self, size):
        if not self.tls.pending() and not select.select([self.raw], [], [], self.wait)[0]:
            raise socket.timeout("no bytes")
        try:
            return self.tls.recv(size)
        except SSL.ZeroReturnError:
            return b""

    def close(self):
        self.raw.close()


def frame(payload, opcode=BINARY, fin=True, mask=True, reserved=0, length_bytes=None, length=None):
    """One WebSocket frame; the arguments beyond `fin` are for being wrong."""
    size = len(payload) if length is None else length
    first = (FIN if fin else 0) | reserved << 4 | opcode
    flag = 0x80 if mask else 0
    if length_bytes == 8 or (length_bytes is None and size > 0xFFFF):
        head = struct.pack(">BBQ", first, flag | 127, size)
    elif length_bytes == 2 or (length_bytes is None and size > 125):
        head = struct.pack(">BBH", first, flag | 126, size)
    else:
        head = struct.pack(">BB", first, flag | size)
    if not mask:
        return head + payload
    key = os.urandom(4)
    stream = key * (len(payload) // 4 + 1)
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(stream[:len(payload)], "big")
    return head + key + masked.to_bytes(len(payload), "big")


def upgrade_request(where, key, path="/v1/relay", **changes):
    """The lines of an upgrade; changes={"Header-Name": value or None} by keyword with _ for -."""
    fields = {"Host": where["server_name"], "Upgrade": "websocket", "Connection": "Upgrade",
              "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": SUBPROTOCOL}
    for name, value in changes.items():
        fields[name.replace("_", "-")] = value
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


class ByHand:
    """A WebSocket of our own."""

    def __init__(self, where, plain=False, sock=None):
        self.sock = sock or connect(where, plain)
        self.held = b""
        self.close_code = None
        self.pongs = []
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(upgrade_request(where, key))
        end = time.monotonic() + 10
        while b"\r\n\r\n" not in self.held:
            self._more(end)
        head, self.held = self.held.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        fields = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
        wanted = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        good = (lines[0].split(" ")[1] == "101" and fields["sec-websocket-accept"] == wanted.decode()
                and fields["sec-websocket-protocol"] == SUBPROTOCOL and "sec-websocket-extensions" not in fields)
        if not good:
            raise AssertionError(f"not a sound 101: {head}")

    def _more(self, end):
        self.sock.settimeout(max(end - time.monotonic(), 0.01))
        try:
            data = self.sock.recv(65536)
        except (ConnectionError, ssl.SSLEOFError, SSL.SysCallError) as error:
            raise Closed(self.close_code) from error
        except socket.timeout as error:
            raise TimeoutError("no bytes in time") from error
        if not data:
            raise Closed(self.close_code)
        self.held += data

    def _take(self, size, end):
        while len(self.held) < size:
            self._more(end)
        taken, self.held = self.held[:size], self.held[size:]
        return taken

    def receive_frame(self, wait=5):
        """(first byte, payload) of the next frame, whatever it is."""
        end = time.monotonic() + wait
        while len(self.held) < 2:
            self._more(end)
        kind = self.held[1]
        extra = {126: 2, 127: 8}.get(kind & 0x7F, 0)
        while len(self.held) < 2 + extra:
            self._more(end)
        size = int.from_bytes(self.held[2:2 + extra], "big") if extra else kind & 0x7F
        if kind & 0x80:
            raise AssertionError("the relay masks its frames")
        while len(self.held) < 2 + extra + size:
            self._more(end)
        whole = self._take(2 + extra + size, end)
        return whole[0], whole[2 + extra:]

    def receive(self, wait=5):
        end = time.monotonic() + wait
        message = b""
        while True:
            first, payload = self.receive_frame(max(end - time.monotonic(), 0.01))
            opcode = first & 0x0F
            if first & 0x70 or opcode not in (BINARY, CONTINUATION, CLOSE, PING, PONG):
                raise AssertionError(f"a frame that begins with {first:#x}")
            if opcode == CLOSE:
                self.close_code = int.from_bytes(payload[:2], "big") if payload else 1005
                self._quietly(frame(payload[:2], CLOSE))
                raise Closed(self.close_code)
            if opcode == PING:
                self.raw(frame(payload, PONG))
            elif opcode == PONG:
                self.pongs.append(payload)
            else:
                message += payload
                if first & FIN:
                    return message

    def _quietly(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            pass

    def raw(self, data):
        try:
            self.sock.sendall(data)
        except (ConnectionError, ssl.SSLError, SSL.Error):
            pass  # the relay has ended it: what it said is still to be read

    def send(self, data):
        self.raw(frame(data))

    def end_code(self, wait=5):
        """The close code that the relay ends with."""
        end = time.monotonic() + wait
        try:
            while True:
                self.receive(max(end - time.monotonic(), 0.01))
        except Closed as closed:
            return closed.code

    def close(self):
        self._quietly(frame(struct.pack(">H", 1000), CLOSE))
        self.end_code()
        self.sock.close()

    def cut(self):
        self.sock.close()
