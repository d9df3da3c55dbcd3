# SPDX-License-Identifier: BSD-3-Clause
"""DPDK's own tools at a running appliance that allows them: the telemetry socket, and dpdk-dumpcap."""

import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import expect
from test_http import curl, raw


class Telemetry:
    """A client of DPDK's telemetry socket."""

    def __init__(self, where):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(5)
        self.socket.connect(f"/run/dpdk/{where['dpdk_prefix']}/dpdk_telemetry.v2")
        self.greeting = json.loads(self.socket.recv(4096))

    def ask(self, command):
        self.socket.sendall(command.encode())
        return json.loads(self.socket.recv(self.greeting["max_output_len"]))[command.split(",")[0]]

    def close(self):
        self.socket.close()


def test_telemetry_lists_ports_and_workers(appliance):
    telemetry = Telemetry(appliance.where)
    expect.equal(telemetry.greeting["pid"], appliance.where["pids"]["dataplane"])
    expect.equal(telemetry.ask("/ethdev/list"), [0])
    expect.equal(telemetry.ask("/waxwire/workers"), list(range(appliance.where["workers"])))
    expect.true("/waxwire/statuses" in telemetry.ask("/"), "our commands are listed")
    telemetry.close()


def summed(telemetry, command):
    """What all workers tell, added up."""
    total = {}
    for worker in telemetry.ask("/waxwire/workers"):
        for name, value in telemetry.ask(f"{command},{worker}").items():
            total[name] = total.get(name, 0) + value
    return total


def test_telemetry_shows_the_metrics_of_workers(appliance):
    telemetry = Telemetry(appliance.where)
    before = summed(telemetry, "/waxwire/worker")
    expect.equal(curl(appliance.where, "/healthz", plain=True)[0], 200)
    after = summed(telemetry, "/waxwire/worker")
    expect.equal(after["connections_opened"], before["connections_opened"] + 1)
    expect.true(after["rx_packets"] >= before["rx_packets"] + 4, "SYN, ACK, request and FIN were polled")
    telemetry.close()


def test_telemetry_names_what_was_refused(appliance):
    telemetry = Telemetry(appliance.where)
    before = summed(telemetry, "/waxwire/statuses")
    expect.true(raw(appliance.where, b"GET\r\n\r\n").startswith(b"HTTP/1.1 400"), "refused")
    after = summed(telemetry, "/waxwire/statuses")
    more = [name for name in after if after[name] > before.get(name, 0)]
    expect.true(any(name.startswith("HTTP_") for name in more), f"a status of HTTP is counted: {more}")
    for wrong in ("/waxwire/worker,1000", "/waxwire/worker", "/waxwire/worker,x", "/waxwire/statuses,-1"):
        expect.equal(telemetry.ask(wrong), None, wrong)
    telemetry.close()


def segments(path):
    """(source port, destination port, flags, payload) of the TCP segments over IPv4 in a pcap file."""
    data = path.read_bytes()
    expect.true(data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"), f"a pcap file: {data[:4]}")
    at, found = 24, []
    while at + 16 <= len(data):
        length, = struct.unpack_from("<I", data, at + 8)
        frame = data[at + 16:at + 16 + length]
        at += 16 + length
        if frame[12:14] != b"\x08\x00" or frame[23] != 6:
            continue
        ip = frame[14:]
        tcp = ip[(ip[0] & 15) * 4:struct.unpack_from(">H", ip, 2)[0]]
        source, destination = struct.unpack_from(">HH", tcp)
        found.append((source, destination, tcp[13], tcp[(tcp[12] >> 4) * 4:]))
    return found


def capture(appliance, path):
    """What dpdk-dumpcap writes while curl asks once."""
    process = subprocess.Popen(
        ["dpdk-dumpcap", f"--file-prefix={appliance.where['dpdk_prefix']}", "-i", "0", "-P", "-a", "duration:30", "-w", path],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    told = b""
    try:
        deadline = time.monotonic() + 15
        while b"File:" not in told and time.monotonic() < deadline:
            told += os.read(process.stdout.fileno(), 4096) or b"File:"
        expect.equal(process.poll(), None, f"dpdk-dumpcap runs: {told.decode()}")
        time.sleep(0.2)  # the file is named a moment before the port is tapped
        code, body = curl(appliance.where, "/healthz", plain=True)
        expect.true(code == 200 and body.strip() == "ok", f"{code} {body!r}")
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=10)
        expect.equal(process.returncode, 0, (told + rest).decode())
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return segments(path)


def test_dumpcap_captures_a_connection_both_ways(appliance):
    with tempfile.TemporaryDirectory(prefix="waxwire-") as folder:
        found = capture(appliance, Path(folder) / "capture.pcap")
    port = appliance.where["plain_port"]
    there = [(flags, payload) for _, destination, flags, payload in found if destination == port]
    back = [(flags, payload) for source, _, flags, payload in found if source == port]
    expect.equal(there[0][0] & 0x3f, 0x02, f"first comes SYN: {found}")
    expect.equal(back[0][0] & 0x3f, 0x12, "then SYN-ACK")
    expect.true(any(payload.startswith(b"GET /healthz HTTP/1.1\r\n") for _, payload in there), "the request")
    expect.true(any(payload.startswith(b"HTTP/1.1 200") for _, payload in back), "the answer")
    expect.true(any(flags & 1 for flags, _ in there) and any(flags & 1 for flags, _ in back), "FIN both ways")


def test_dumpcap_can_attach_again_and_the_appliance_stays_whole(appliance):
    with tempfile.TemporaryDirectory(prefix="waxwire-") as folder:
        for i in range(2):
            expect.true(capture(appliance, Path(folder) / f"{i}.pcap"), "something is captured")
    expect.equal(curl(appliance.where, "/healthz")[0], 200)


def test_a_killed_data_plane_comes_back_with_its_tools(appliance):
    done = subprocess.run(appliance.where["restart_dataplane"].split(), capture_output=True, text=True, timeout=50, check=False)
    expect.equal(done.returncode, 0, done.stdout + done.stderr)
    telemetry = Telemetry(appliance.where)
    expect.true(telemetry.greeting["pid"] != appliance.where["pids"]["dataplane"], "another process answers")
    expect.equal(telemetry.ask("/ethdev/list"), [0])
    telemetry.close()
    with tempfile.TemporaryDirectory(prefix="waxwire-") as folder:
        expect.true(capture(appliance, Path(folder) / "again.pcap"), "something is captured")
