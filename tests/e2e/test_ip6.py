# SPDX-License-Identifier: BSD-3-Clause
"""The main jobs over IPv6, by the clients that do them over IPv4, and what only IPv6 has."""

import errno
import json
import re
import socket
import subprocess
import tempfile

import expect
from test_tls import s_client
from transports import tls_context


def test_curl_reaches_both_ports(appliance):
    six = appliance.over_ip6().where
    for url in (f"https://{six['literal']}:{six['port']}/healthz", f"http://{six['literal']}:{six['plain_port']}/healthz"):
        done = subprocess.run(["curl", "-6", "--silent", "--fail", "--globoff", "--max-time", "10", "--cacert", six["ca"],
                               "--write-out", "%{http_code} %{remote_ip}", "--output", "/dev/null", url],
                              capture_output=True, text=True, check=False)
        expect.equal((done.returncode, done.stdout), (0, f"200 {six['address']}"), url)


def test_s_client_shakes_hands_and_verifies(appliance):
    code, text = s_client(appliance.over_ip6().where)
    expect.equal(code, 0, text)
    for line in ("TLSv1.3", "HTTP/1.1 200", "Verify return code: 0 (ok)"):
        expect.true(line in text, f"'{line}' in {text}")


def test_python3_websockets_sends_across_the_families(appliance):
    alice, bob = appliance.over_ip6().online(), appliance.online()
    for session, other in ((alice, bob), (bob, alice)):
        session.status(session.send(other, b"across"))
        expect.equal(other.delivery(0).payload, b"across")


def test_messages_of_many_segments_both_ways(appliance):
    six = appliance.over_ip6()
    alice, bob = six.online(), six.online()
    payload = bytes(i * 7 % 251 for i in range(60000))
    for _ in range(5):
        alice.send(bob, payload)
    bob.delivery(4, wait=20)
    expect.equal([d.payload == payload for d in bob.deliveries], [True] * 5)


def test_waxcat_connects_to_a_literal_and_verifies_the_address(appliance):
    six = appliance.over_ip6()
    (waxcat,) = six.need("waxcat")
    bob = appliance.open()
    with tempfile.TemporaryDirectory() as folder:
        command = [waxcat, "send", bob.user.hex(), "by six", "--server", f"{six.where['literal']}:{six.where['port']}",
                   "--ca", six.where["ca"], "--key", f"{folder}/key", "--json", "--timeout", "15", "--wait", "delivered"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        payload = bob.delivery(0).payload
        output, _ = process.communicate(timeout=20)
    expect.equal((payload, process.returncode), (b"by six", 0), output)
    kinds = [event.get("kind") for event in map(json.loads, output.splitlines()) if event["event"] == "status"]
    expect.equal(kinds[-1], "delivered")


def ping(where, *options):
    """Three answers within five seconds, unless the options say otherwise."""
    done = subprocess.run(["ping", "-n", "-c", "3", "-i", "0.05", "-w", "5", *options, where["address"]],
                          capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_pings_of_all_sizes_are_answered(appliance):
    for where in (appliance.where, appliance.over_ip6().where):
        for size in ("0", "56", "1400", "1452"):
            text = ping(where, "-s", size, "-M", "do")
            expect.true(" 3 received" in text, text)


def test_a_ping_in_fragments_is_not_answered(appliance):
    for where in (appliance.where, appliance.over_ip6().where):
        text = ping(where, "-s", "4000", "-c", "1", "-w", "1", "-M", "dont")
        expect.true(" 0 received" in text, text)


def test_the_link_local_address_answers_as_well(appliance):
    six = appliance.over_ip6().where
    ping(six)
    text = subprocess.run(["ip", "-6", "neigh", "show", six["address"]], capture_output=True, text=True, check=True).stdout
    found = re.search(r"dev (\S+) lladdr (\S+)", text)
    expect.true(found, f"a neighbour: {text}")
    m = [int(part, 16) for part in found[2].split(":")]
    local = f"fe80::{(m[0] ^ 2) << 8 | m[1]:x}:{m[2] << 8 | 0xFF:x}:{0xFE00 | m[3]:x}:{m[4] << 8 | m[5]:x}"
    text = ping({"address": f"{local}%{found[1]}"})
    expect.true(" 3 received" in text, f"{local}: {text}")


def test_an_unknown_transport_is_told_so(appliance):
    six = appliance.over_ip6().where
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.settimeout(3)
    sock.connect((six["address"], 9))
    sock.send(b"anybody there?")
    error = expect.raises(OSError, lambda: sock.recv(100))
    sock.close()
    expect.equal(error.errno, errno.EPROTO, str(error))


def test_a_closed_port_is_refused(appliance):
    six = appliance.over_ip6().where
    expect.raises(ConnectionRefusedError, lambda: socket.create_connection((six["address"], 82), timeout=5))


def test_the_certificate_names_the_address(appliance):
    six = appliance.over_ip6().where
    raw = socket.create_connection((six["address"], six["port"]), timeout=10)
    tls = tls_context(six).wrap_socket(raw, server_hostname=six["address"])
    expect.equal(tls.version(), "TLSv1.3")
    tls.close()
