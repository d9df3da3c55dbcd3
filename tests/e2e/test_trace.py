# SPDX-License-Identifier: BSD-3-Clause
"""waxctl trace: what an operator sees of a connection, and that it ends with the one who looks."""

import contextlib
import json
import re
import signal
import subprocess
import time

import expect
from test_http import curl
from transports import connect

WATCHES_MAX = 8  # WAX_TRACES_MAX


@contextlib.contextmanager
def traced(appliance, *arguments):
    """A running `waxctl trace` of the clients' address, once it is on; its output is to be read with ended()."""
    waxctl, admin = appliance.need("waxctl", "admin_socket")
    process = subprocess.Popen([waxctl, "--socket", admin, "trace", *arguments], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(0.6)
        expect.equal(process.poll(), None, "waxctl trace runs")
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process, number=None):
    """(exit code, lines of its output, what it said) after it has ended by itself, or by a signal."""
    if number is not None:
        process.send_signal(number)
    out, err = process.communicate(timeout=20)
    return process.returncode, out.splitlines(), err


def peer(appliance):
    return appliance.where["client_address"]


def test_a_trace_of_curl_shows_syn_data_and_fin(appliance):
    with traced(appliance, peer(appliance), "--for", "30") as process:
        expect.equal(curl(appliance.where, "/healthz", plain=True)[0], 200)
        time.sleep(0.6)
        code, lines, err = ended(process, signal.SIGINT)
    text = "\n".join(lines)
    expect.equal(code, 0, f"after ^C: {err}")
    for what, pattern in (("a SYN", r" in +SYN seq \d+ "), ("a SYN-ACK", r" out +SYN,ACK seq \d+ ack \d+ "),
                          ("the handshake's end", r" state +syn-received -> established"),
                          ("the request", r" in +PSH,ACK seq \d+ ack \d+ len [1-9]\d* "),
                          ("the answer", r" out +PSH,ACK seq \d+ ack \d+ len [1-9]\d* "),
                          ("a FIN in", r" in +(PSH,)?FIN(,PSH)?,ACK "), ("a FIN out", r" out +FIN(,PSH)?,ACK "),
                          ("windows and round trips", r" congestion +cwnd \d+ .* rto \d+ ms")):
        expect.true(re.search(pattern, text), f"{what} in\n{text}")
    expect.true(all(f" {peer(appliance)}:" in line for line in lines), f"each line names the peer:\n{text}")
    expect.true("0 missing" in err, err)


def test_json_lines_are_of_one_connection_when_its_port_is_given(appliance):
    sock = connect(appliance.where, plain=True)
    port = sock.getsockname()[1]
    with traced(appliance, f"{peer(appliance)}:{port}", "--json", "--count", "2") as process:
        expect.equal(curl(appliance.where, "/healthz", plain=True)[0], 200)
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        expect.true(sock.recv(4096), "an answer")
        code, lines, err = ended(process)
    sock.close()
    expect.equal(code, 0, err)
    expect.equal(len(lines), 2, "--count")
    events = [json.loads(line) for line in lines]
    expect.equal({event["port"] for event in events}, {port})
    expect.equal(events[0]["kind"], "in")
    expect.equal(events[0]["state"], "established")
    expect.true(abs(events[0]["time_us"] / 1e6 - time.time()) < 60, "the wall clock")


def test_a_trace_ends_by_its_own_time(appliance):
    began = time.monotonic()
    with traced(appliance, f"{peer(appliance)}:1", "--for", "1") as process:  # a port that nobody connects from
        code, lines, _ = ended(process)
    expect.equal((code, lines), (0, []))
    expect.true(time.monotonic() - began < 10, "it did not wait for anything")


def test_a_refusal_is_told_with_its_reason(appliance):
    with traced(appliance, peer(appliance), "--json") as process:
        try:
            connect({**appliance.where, "plain_port": 82}, plain=True).close()
            raise AssertionError("nobody listens there")
        except ConnectionRefusedError:
            pass
        time.sleep(0.6)
        _, lines, _ = ended(process, signal.SIGTERM)
    reasons = [event.get("status") for event in map(json.loads, lines)]
    expect.true("TCP_NO_LISTENER" in reasons, f"{reasons}")


def test_however_waxctl_ends_its_trace_is_off(appliance):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for _ in range(WATCHES_MAX):  # were any of them still on, there would be no room for the last
            with traced(appliance, peer(appliance)) as process:
                ended(process, number)
    with traced(appliance, peer(appliance), "--count", "1") as process:
        curl(appliance.where, "/healthz", plain=True)
        code, lines, err = ended(process)
    expect.equal((code, len(lines)), (0, 1), err)


def test_a_trace_says_that_the_control_plane_has_gone(appliance):
    restart, = appliance.need("restart_control")
    with traced(appliance, peer(appliance)) as process:
        subprocess.run(restart.split(), check=True, capture_output=True, timeout=50)
        code, _, err = ended(process)
    expect.equal(code, 3)
    expect.true("has gone" in err, err)
    with traced(appliance, peer(appliance), "--count", "1") as process:
        curl(appliance.where, "/healthz", plain=True)
        expect.equal(ended(process)[0], 0, "it can be traced again")


def ask(sock):
    sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    expect.true(sock.recv(4096), "an answer")


def test_two_traces_at_once_see_what_each_asked_for(appliance):
    sock = connect(appliance.where, plain=True)
    port = sock.getsockname()[1]
    ask(sock)  # so that nothing of the opening is still on its way
    time.sleep(0.2)
    with traced(appliance, peer(appliance), "--json") as everything, \
            traced(appliance, f"{peer(appliance)}:{port}", "--json") as one:
        ask(sock)
        curl(appliance.where, "/healthz", plain=True)
        time.sleep(0.6)
        of_one = [json.loads(line) for line in ended(one, signal.SIGINT)[1]]
        of_all = [json.loads(line) for line in ended(everything, signal.SIGINT)[1]]
    sock.close()
    expect.equal({event["port"] for event in of_one}, {port})
    expect.true(len({event["port"] for event in of_all}) >= 2, f"all connections: {of_all}")
    expect.equal([event for event in of_all if event["port"] == port], of_one)


def test_a_killed_data_plane_is_traced_again_when_it_is_back(appliance):
    restart, = appliance.need("restart_dataplane")
    with traced(appliance, peer(appliance), "--json") as process:
        subprocess.run(restart.split(), check=True, capture_output=True, timeout=50)
        expect.equal(curl(appliance.where, "/healthz", plain=True)[0], 200)
        time.sleep(0.6)
        _, lines, _ = ended(process, signal.SIGINT)
    kinds = {json.loads(line)["kind"] for line in lines}
    expect.true({"in", "out", "state"} <= kinds, f"events of the data plane that came after it: {kinds}")
