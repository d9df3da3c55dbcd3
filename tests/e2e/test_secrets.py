# SPDX-License-Identifier: BSD-3-Clause
"""What the data plane's memory holds of a session's secrets, while it is open and behind it."""

import os
import re
import socket
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key

import expect
from transports import tls_context

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
LARGEST = 4 << 30


def pid_of(where, program="waxwire-dataplane"):
    """The process of one of the relay's programs now: earlier tests may have started another one."""
    for entry in os.scandir("/proc"):
        try:
            words = Path(entry.path, "cmdline").read_bytes().decode(errors="replace").split("\0")
        except (OSError, ValueError):
            continue
        if entry.name.isdigit() and os.path.basename(words[0]) == program and where["config"] in words:
            return int(entry.name)
    raise AssertionError(f"there is no {program}")


def maps(pid):
    """[(from, to, flags)] of the writable mappings."""
    found, span = [], None
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S{4})", line)
        if head:
            span = (int(head[1], 16), int(head[2], 16)) if "w" in head[3] and "r" in head[3] else None
        elif line.startswith("VmFlags:") and span:
            found.append((*span, line.split()[1:]))
    return found


def look(pid, needles):
    """{name: [flags of the mapping, for each place]} of what is found in the memory of a process."""
    places = {name: [] for name in needles}
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end, flags in maps(pid):
            if end - begin > LARGEST:
                continue
            try:
                memory.seek(begin)
                data = memory.read(end - begin)
            except (OSError, OverflowError):
                continue
            for name, needle in needles.items():
                at = data.find(needle)
                while at >= 0:
                    places[name].append(flags)
                    at = data.find(needle, at + 1)
    return places


def keylog(path):
    return {line.split()[0]: bytes.fromhex(line.split()[2]) for line in Path(path).read_text().splitlines()
            if not line.startswith("#")}


def opened(where, log):
    context = tls_context(where)
    context.keylog_filename = log
    raw = socket.create_connection((where["address"], where["port"]), timeout=10)
    sock = context.wrap_socket(raw, server_hostname=where["server_name"])
    sock.sendall(REQUEST)
    expect.true(sock.recv(4096).startswith(b"HTTP/1.1 200"), "it answers")
    return sock


def test_the_data_plane_keeps_only_what_an_open_session_needs(appliance):
    appliance.need("config", "pids")
    where = appliance.where
    pid = pid_of(where)
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "keys")
        sock = opened(where, log)
        secrets = keylog(log)
    ours = {"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"}
    expect.true(ours < set(secrets), f"{sorted(secrets)}")
    places = look(pid, secrets)
    for name in sorted(secrets):
        expect.equal(bool(places[name]), name in ours, name)
    logs = b"".join(Path(path).read_bytes() for path in where["logs"].values())
    for name, secret in secrets.items():
        expect.true(secret.hex().encode() not in logs.lower() and secret not in logs, name)
    sock.close()
    for _ in range(50):
        left = {name for name, found in look(pid, secrets).items() if found}
        if not left:
            break
        time.sleep(0.1)
    expect.equal(left, set(), "left behind after its end")


def test_private_keys_lie_in_locked_memory_that_is_not_dumped(appliance):
    appliance.need("config", "pids", "ca")
    where = appliance.where
    pid = pid_of(where)
    text = (Path(where["ca"]).parent / "server.key").read_bytes()
    number = load_pem_private_key(text, None).private_numbers().private_value
    needles = {"little": number.to_bytes(32, "little"), "big": number.to_bytes(32, "big"),
               "text": b"".join(text.splitlines()[1:3])[:60]}
    places = look(pid, needles)
    expect.true(places["little"], "the key is found where it is used")
    for name, found in places.items():
        for flags in found:
            expect.true("lo" in flags and "dd" in flags, f"{name}: {flags}")
    expect.equal(places["text"], [], "nothing of the file is left")
    limits = Path(f"/proc/{pid}/limits").read_text()
    expect.true(re.search(r"Max core file size\s+0\s+0", limits), limits)
