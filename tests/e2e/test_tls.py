# SPDX-License-Identifier: BSD-3-Clause
"""TLS 1.3 as OpenSSL's own client sees it."""

import os
import re
import socket
import ssl
import subprocess
import tempfile

import expect
from transports import connect, tls_context

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def s_client(where, *options, say=REQUEST, wait=10):
    """(exit code, everything printed) of openssl s_client."""
    command = ["openssl", "s_client", "-connect", f"{where['literal']}:{where['port']}", "-servername",
               where["server_name"], "-CAfile", where["ca"], "-verify_hostname", where["server_name"], "-ign_eof", *options]
    done = subprocess.run(command, input=say, capture_output=True, timeout=wait, check=False)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def test_s_client_shakes_hands_and_verifies(appliance):
    code, text = s_client(appliance.where)
    expect.equal(code, 0, text)
    for line in ("TLSv1.3", "Verification: OK", "HTTP/1.1 200", "Verify return code: 0 (ok)"):
        expect.true(line in text, f"'{line}' in {text}")
    expect.true(re.search(r"Cipher is TLS_(AES_128_GCM_SHA256|AES_256_GCM_SHA384|CHACHA20_POLY1305_SHA256)", text),
                f"a suite of TLS 1.3: {text}")


def test_each_curve_shakes_hands(appliance):
    for group in ("X25519", "P-256"):
        code, text = s_client(appliance.where, "-groups", group)
        expect.true(code == 0 and "HTTP/1.1 200" in text, f"{group}: {text}")


def test_a_hello_retry_request_leads_on(appliance):
    code, text = s_client(appliance.where, "-groups", "P-521:X25519:P-256", "-msg")
    expect.true(code == 0 and "HTTP/1.1 200" in text, text)


def test_tls_1_2_and_older_are_refused(appliance):
    for version in ("-tls1_2", "-tls1_1"):
        code, text = s_client(appliance.where, version, "-cipher", "ALL:@SECLEVEL=0")
        expect.true(code != 0, text)
        expect.true("protocol version" in text or "no protocols available" in text, f"an alert that says why: {text}")


def test_a_ticket_resumes(appliance):
    with tempfile.TemporaryDirectory() as folder:
        ticket = os.path.join(folder, "ticket")
        code, text = s_client(appliance.where, "-sess_out", ticket)
        expect.true(code == 0 and os.path.exists(ticket), text)
        code, text = s_client(appliance.where, "-sess_in", ticket)
        expect.equal(code, 0, text)
        expect.true("Reused, TLSv1.3" in text, f"resumed: {text}")
        expect.true("HTTP/1.1 200" in text, text)


def test_no_early_data_is_offered(appliance):
    _, text = s_client(appliance.where)
    limits = re.findall(r"Max Early Data: (\d+)", text)
    expect.true(all(limit == "0" for limit in limits), f"{limits}")


def test_key_updates_of_the_client_are_followed(appliance):
    # a line "k" rekeys our side, "K" asks the relay to rekey too; the pauses keep the lines apart
    shell = ("sleep 0.5; printf 'k\\n'; sleep 0.3; printf 'K\\n'; sleep 0.3; printf 'K\\n'; sleep 0.3; "
             "printf 'GET /healthz HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n'; sleep 2")
    where = appliance.where
    command = (f"({shell}) | timeout 10 openssl s_client -connect {where['address']}:{where['port']} "
               f"-servername {where['server_name']} -CAfile {where['ca']} -no_ign_eof -msg")
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    text = (done.stdout + done.stderr).decode(errors="replace")
    expect.true(text.count("KEYUPDATE") >= 2 or text.count("KeyUpdate") >= 4, f"key updates both ways: {text[-3000:]}")
    expect.true("HTTP/1.1 200" in text, text[-3000:])


def test_bytes_of_many_records_in_one_write(appliance):
    sock = connect(appliance.where)
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 4000 + b"\r\n\r\n"
    sock.sendall(one * 20)
    sock.settimeout(5)
    answer = b""
    while answer.count(b"HTTP/1.1 200") < 20:
        data = sock.recv(65536)
        expect.true(data, f"{answer.count(b'200')} of 20 answered")
        answer += data
    sock.close()


def test_the_end_is_a_close_notify(appliance):
    sock = connect(appliance.where)
    sock.sendall(REQUEST)
    sock.settimeout(5)
    while sock.recv(4096):  # a cut would raise SSLEOFError
        pass
    sock.close()


def test_garbage_instead_of_a_hello_is_refused(appliance):
    where = appliance.where
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(300), b"\x16\x03\x01\xff\xff" + bytes(300),
                    b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"):
        sock = socket.create_connection((where["address"], where["port"]), timeout=5)
        sock.sendall(garbage)
        sock.settimeout(13)
        answer = b""
        try:
            while data := sock.recv(4096):
                answer += data
        except ConnectionResetError:
            pass
        expect.true(answer == b"" or answer[0] == 21, f"an alert or nothing: {answer!r}")
        sock.close()


def test_a_record_that_was_tampered_with_ends_the_connection(appliance):
    where = appliance.where
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = tls_context(where).wrap_bio(incoming, outgoing, server_hostname=where["server_name"])
    sock = socket.create_connection((where["address"], where["port"]), timeout=5)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(65536))
    sock.sendall(outgoing.read())
    tls.write(REQUEST)
    record = bytearray(outgoing.read())
    record[-1] ^= 1
    sock.sendall(record)
    try:
        while data := sock.recv(65536):
            incoming.write(data)
    except ConnectionResetError:
        return
    error = expect.raises(ssl.SSLError, tls.read)
    expect.true("BAD_RECORD_MAC" in str(error).upper().replace(" ", "_"), f"the alert: {error}")
