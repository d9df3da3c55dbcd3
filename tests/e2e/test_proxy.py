# SPDX-License-Identifier: BSD-3-Clause
"""The listener behind a terminator: the PROXY protocol, version 2, by hand."""

import ipaddress
import json
import socket
import struct
import subprocess
import time

import expect
from transports import ByHand
from waxproto import Identity, Session

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n"


def header(client, port=12345, command=0x21):
    """A header that names a client."""
    address = ipaddress.ip_address(client)
    body = 2 * address.packed + struct.pack(">HH", port, 81)
    return SIGNATURE + struct.pack(">BBH", command, 0x11 if address.version == 4 else 0x21, len(body)) + body


def connected(appliance, *pieces):
    (port,) = appliance.need("proxy_port")
    sock = socket.create_connection((appliance.where["address"], port), timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for piece in pieces:
        sock.sendall(piece)
        time.sleep(0.02)
    return sock


def read(sock):
    """All that comes until the end; a reset is an end."""
    data = b""
    try:
        while more := sock.recv(4096):
            data += more
    except ConnectionError:
        pass
    return data


def peers(appliance):
    """What waxctl says of the sessions' clients: user -> (address, port)."""
    done = subprocess.run([appliance.where["waxctl"], "--socket", appliance.where["admin_socket"], "sessions", "--json"],
                          capture_output=True, text=True, check=True)
    return {entry["user"]: (entry["peer"], entry["port"]) for entry in json.loads(done.stdout)["sessions"]}


def test_a_session_is_its_clients_and_not_the_terminators(appliance):
    for client in ("198.18.99.7", "2001:2::99:7"):
        transport = ByHand(appliance.where, sock=connected(appliance, header(client)))
        session = Session(transport, Identity()).open()
        session.settle()
        expect.equal(peers(appliance).get(session.identity.user.hex()), (client, 12345))
        session.close()


def test_a_health_check_of_the_terminators_own(appliance):
    local = SIGNATURE + struct.pack(">BBH", 0x20, 0, 0)
    expect.true(b" 200 " in read(connected(appliance, local + HEALTH)), "LOCAL and a request in one segment")


def test_the_header_may_come_in_pieces(appliance):
    whole = header("198.18.99.8") + HEALTH
    reply = read(connected(appliance, whole[:5], whole[5:13], whole[13:20], whole[20:40], whole[40:]))
    expect.true(b" 200 " in reply, "a reply")


def test_what_is_no_header_is_closed_without_a_word(appliance):
    wrong = bytearray(header("198.18.99.9"))
    wrong[13] = 0x12
    for first in (HEALTH, b"PROXY TCP4 198.18.99.9 198.18.0.1 1 81\r\n", bytes(wrong), header("224.0.0.1")):
        expect.equal(read(connected(appliance, first + HEALTH)), b"", f"after {first[:20]}")


def test_an_unfinished_header_is_closed_in_time(appliance):
    sock = connected(appliance, SIGNATURE)
    began = time.monotonic()
    expect.equal(read(sock), b"")
    expect.true(2 < time.monotonic() - began < 6, f"after {time.monotonic() - began:.1f} s")
