# SPDX-License-Identifier: BSD-3-Clause
"""HTTP by curl, and what curl would not send by hand."""

import socket
import subprocess
import time

import expect
from transports import connect, upgrade_request

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def curl(where, path, *options, plain=False):
    """(HTTP status, body) as curl sees them."""
    scheme, port = ("http", where["plain_port"]) if plain else ("https", where["port"])
    name = where["server_name"]
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", "10", "--cacert", where["ca"],
         "--connect-to", f"{name}:{port}:{where['address']}:{port}", "--write-out", "\n%{http_code}", *options,
         f"{scheme}://{name}:{port}{path}"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"curl ended with {done.returncode}: {done.stderr}")
    body, code = done.stdout.rsplit("\n", 1)
    return int(code), body


def raw(where, request, plain=True, wait=5):
    """Everything that the relay answers to these bytes, until it closes."""
    sock = connect(where, plain)
    sock.sendall(request)
    sock.settimeout(wait)
    answer = b""
    try:
        while data := sock.recv(65536):
            answer += data
    except ConnectionResetError:
        pass
    except socket.timeout as error:
        raise AssertionError(f"not closed after {wait} s; so far {answer!r}") from error
    finally:
        sock.close()
    return answer


def code_of(answer):
    expect.true(answer.startswith(b"HTTP/1.1 "), f"an HTTP/1.1 answer: {answer[:80]!r}")
    return int(answer.split(b" ")[1])


def test_healthz_says_ok(appliance):
    for plain in (False, True):
        code, body = curl(appliance.where, "/healthz", plain=plain)
        expect.true(code == 200 and body.strip() in ("ok", "200 ok"), f"{code} {body!r}")


def test_healthz_by_head_has_no_body(appliance):
    code, body = curl(appliance.where, "/healthz", "--head")
    expect.equal(code, 200)
    expect.true("Content-Length: " in body, "a length")


def test_a_connection_is_used_again(appliance):
    sock = connect(appliance.where, plain=True)
    for _ in range(3):
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while not answer.endswith(b"ok") and not answer.endswith(b"ok\n"):
            data = sock.recv(4096)
            expect.true(data, f"the connection stays open after {answer!r}")
            answer += data
        expect.equal(code_of(answer), 200)
    sock.close()


def test_requests_in_one_write_are_all_answered(appliance):
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    expect.equal(raw(appliance.where, one + one + last).count(b"HTTP/1.1 200"), 3)


def test_an_unknown_path_is_404(appliance):
    for path in ("/", "/healthz/", "/v1", "/v1/relay/x", "/favicon.ico"):
        code, body = curl(appliance.where, path)
        expect.equal(code, 404, path)
        expect.equal(body.count("\n"), 1 if body.endswith("\n") else 0, "lines of the body")


def test_another_method_is_405(appliance):
    for path in ("/healthz", "/v1/relay"):
        code, _ = curl(appliance.where, path, "--request", "DELETE")
        expect.equal(code, 405, path)


def test_relay_without_an_upgrade_is_426(appliance):
    code, head = curl(appliance.where, "/v1/relay", "--dump-header", "-")
    expect.equal(code, 426)
    expect.true("Sec-WebSocket-Version: 13" in head, f"the version that it speaks: {head}")


def test_another_websocket_version_is_426(appliance):
    request = upgrade_request(appliance.where, KEY, Sec_WebSocket_Version="8")
    expect.equal(code_of(raw(appliance.where, request)), 426)


def test_no_subprotocol_is_400(appliance):
    for value in (None, "chat", "waxwire.v2"):
        request = upgrade_request(appliance.where, KEY, Sec_WebSocket_Protocol=value)
        expect.equal(code_of(raw(appliance.where, request)), 400, str(value))


def test_our_subprotocol_among_others_is_chosen(appliance):
    sock = connect(appliance.where, plain=True)
    sock.sendall(upgrade_request(appliance.where, KEY, Sec_WebSocket_Protocol="chat, waxwire.v1 , x"))
    answer = sock.recv(4096)
    sock.close()
    expect.equal(code_of(answer), 101)
    expect.true(b"Sec-WebSocket-Protocol: waxwire.v1\r\n" in answer, f"{answer!r}")
    expect.true(b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer, "the RFC's own example")


def test_a_bad_websocket_key_is_400(appliance):
    for key in ("", "short", "dGhlIHNhbXBsZSBub25jZQ", "!" * 24, None):
        request = upgrade_request(appliance.where, KEY, Sec_WebSocket_Key=key)
        expect.equal(code_of(raw(appliance.where, request)), 400, str(key))


def test_a_head_above_8_kib_is_431(appliance):
    code, _ = curl(appliance.where, "/healthz", "--header", "X-Long: " + "x" * 9000)
    expect.equal(code, 431)
    endless = b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X-Y: z\r\n" * 2000
    expect.equal(code_of(raw(appliance.where, endless)), 431)


def test_a_head_of_almost_8_kib_is_taken(appliance):
    code, _ = curl(appliance.where, "/healthz", "--header", "X-Long: " + "x" * 7500)
    expect.equal(code, 200)


def test_what_is_no_http_is_400(appliance):
    for request in (b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n", b"GET /healthz\r\n\r\n", b"GET /healthz HTTP/1.1\r\n bad\r\n\r\n",
                    b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", b"GET /healthz HTTP/1.1\r\n\r\n",
                    b"GET /healthz HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n"):
        expect.equal(code_of(raw(appliance.where, request)), 400, repr(request))


def test_another_http_version_is_505(appliance):
    expect.equal(code_of(raw(appliance.where, b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n")), 505)


def test_a_head_that_is_not_finished_within_10_s_ends(appliance):
    sock = connect(appliance.where, plain=True)
    began = time.monotonic()
    sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
    sock.settimeout(15)
    for _ in range(4):  # bytes that trickle in give no respite
        time.sleep(2)
        sock.sendall(b"x")
    while sock.recv(4096):
        pass
    passed = time.monotonic() - began
    sock.close()
    expect.true(8.5 < passed < 13, f"closed after {passed:.1f} s")
