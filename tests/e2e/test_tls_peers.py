# SPDX-License-Identifier: BSD-3-Clause
"""TLS 1.3 with the clients that people have: each suite and group, tickets, KeyUpdate, early data, whole sessions."""

import json
import os
import re
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path

import bridges
import expect
from test_tls import REQUEST, s_client
from transports import tls_context
from waxproto import Identity, Session

SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
GROUPS = ("X25519", "P-256", "P-384")
OK = "HTTP/1.1 200"


def program(where, command, say=REQUEST, wait=15):
    """(exit code, everything printed) of a client."""
    done = subprocess.run([str(part) for part in command], input=say, capture_output=True, timeout=wait, check=False)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def test_s_client_in_each_suite_and_group(appliance):
    for suite in SUITES:
        for group in GROUPS:
            code, text = s_client(appliance.where, "-ciphersuites", suite, "-groups", group)
            expect.true(code == 0 and OK in text and f"Cipher is {suite}" in text, f"{suite}, {group}: {text}")


def elements(der):
    """The elements of a DER sequence, whole."""
    def length(at):
        if der[at] < 0x80:
            return der[at], at + 1
        count = der[at] & 0x7F
        return int.from_bytes(der[at + 1:at + 1 + count], "big"), at + 1 + count
    _, at = length(1)
    while at < len(der):
        size, body = length(at + 1)
        yield der[at:body + size]
        at = body + size


def allow_early_data(ticket):
    """A session file of OpenSSL's that believes early data is welcome (max_early_data, tag 15)."""
    lines = Path(ticket).read_text().split("-----\n")
    der = ssl.PEM_cert_to_DER_cert("-----BEGIN CERTIFICATE-----\n" + lines[1].split("-----")[0] + "-----END CERTIFICATE-----\n")
    parts = list(elements(der))
    place = next((i for i, part in enumerate(parts) if part[0] > 0xAF), len(parts))
    parts = [part for part in parts[:place] if part[0] != 0xAF] + [bytes.fromhex("af0402024000")] + parts[place:]
    body = b"".join(parts)
    Path(f"{ticket}.der").write_bytes(b"\x30\x82" + len(body).to_bytes(2, "big") + body)
    done = subprocess.run(["openssl", "sess_id", "-inform", "DER", "-in", f"{ticket}.der", "-outform", "PEM", "-out", f"{ticket}.early"],
                          capture_output=True, check=False)
    expect.equal(done.returncode, 0, done.stderr)
    return f"{ticket}.early"


def test_early_data_of_s_client_is_refused_and_the_session_goes_on(appliance):
    with tempfile.TemporaryDirectory() as folder:
        ticket, early = os.path.join(folder, "ticket"), os.path.join(folder, "early")
        Path(early).write_bytes(REQUEST.replace(b"healthz", b"early"))
        code, text = s_client(appliance.where, "-sess_out", ticket)
        expect.equal(code, 0, text)
        code, text = s_client(appliance.where, "-sess_in", allow_early_data(ticket), "-early_data", early)
        expect.true("Early data was rejected" in text and "Reused, TLSv1.3" in text, f"offered, refused, resumed: {text}")
        expect.true(code == 0 and text.count(OK) == 1, f"what was early is not answered, what follows is: {text}")


def gnutls(where, *options, say=REQUEST):
    command = ["gnutls-cli", "--x509cafile", where["ca"], "--sni-hostname", where["server_name"], "--verify-hostname",
               where["server_name"], "--port", where["port"], *options, where["literal"]]
    return program(where, command, say)


def test_gnutls_in_each_suite_and_group(appliance):
    base = "NONE:+VERS-TLS1.3:+SIGN-ALL:+COMP-NULL:+MAC-ALL"
    for cipher in ("AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305"):
        for group in ("X25519", "SECP256R1", "SECP384R1"):
            code, text = gnutls(appliance.where, "--priority", f"{base}:+{cipher}:+GROUP-{group}")
            expect.true(code == 0 and OK in text and "TLS1.3" in text and cipher in text, f"{cipher}, {group}: {text}")


def test_gnutls_resumes(appliance):
    _, text = gnutls(appliance.where, "--resume", "--waitresumption")
    expect.true("This is a resumed session" in text and OK in text, text)


def test_gnutls_changes_keys(appliance):
    """^rekey^ changes its own keys, ^rekey1^ asks the relay to change its keys too."""
    code, text = gnutls(appliance.where, "--inline-commands", say=b"^rekey^\n^rekey1^\n" + REQUEST)
    expect.true(code == 0 and OK in text and text.count("Rekey was completed") == 2, text)


def test_gnutls_is_refused_below_tls_1_3(appliance):
    code, text = gnutls(appliance.where, "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2")
    expect.true(code != 0 and "alert" in text.lower(), text)


def test_python_resumes(appliance):
    where, context = appliance.where, tls_context(appliance.where)
    session = None
    for _ in range(2):
        raw = socket.create_connection((where["address"], where["port"]), timeout=10)
        with context.wrap_socket(raw, server_hostname=where["server_name"], session=session) as sock:
            expect.equal(sock.session_reused, session is not None)
            sock.sendall(REQUEST)
            answer = b""
            while data := sock.recv(4096):
                answer += data
            expect.true(answer.startswith(OK.encode()), f"{answer!r}")
            session = sock.session


def test_curl_in_each_suite_and_group(appliance):
    where = appliance.where
    for suite in SUITES:
        for group in GROUPS:
            code, text = program(where, ["curl", "-sv", "--max-time", 10, "--tlsv1.3", "--tls13-ciphers", suite, "--curves", group,
                                         "--cacert", where["ca"], "--resolve",
                                         f"{where['server_name']}:{where['port']}:{where['literal']}",
                                         f"https://{where['server_name']}:{where['port']}/healthz"])
            expect.true(code == 0 and OK in text and suite in text and "ALPN: server accepted http/1.1" in text,
                        f"{suite}, {group}: {text}")


def test_node_asks_and_resumes(appliance):
    script = """
const https = require("https"), fs = require("fs"), where = JSON.parse(process.argv[1]);
const agent = new https.Agent({maxCachedSessions: 4, ca: fs.readFileSync(where.ca), minVersion: "TLSv1.3"});
const ask = (then) => https.get({host: where.address, port: where.port, servername: where.server_name, path: "/healthz",
                                 agent, headers: {Connection: "close"}}, (reply) => {
    const socket = reply.socket;
    console.log(reply.statusCode, socket.getProtocol(), socket.authorized, socket.isSessionReused());
    reply.on("data", () => {}).on("end", () => setTimeout(then, 100));
});
ask(() => ask(() => {}));
"""
    where = {name: appliance.where[name] for name in ("address", "port", "server_name", "ca")}
    code, text = program(where, ["node", "-e", script, json.dumps(where)], b"")
    expect.equal((code, text.split("\n")[:2]), (0, ["200 TLSv1.3 true false", "200 TLSv1.3 true true"]), text)


def whole_session(appliance, transport):
    """A session over it: it opens, sends itself messages small and large, gets them in order, and ends well."""
    session = Session(transport, Identity(), 1, True)
    appliance.sessions.append(session)
    session.peers = appliance.sessions
    session.open().settle()
    sizes = (1, 128, 5000, 60000)
    for size in sizes:
        session.send(session, bytes([size % 251]) * size)
    session.delivery(len(sizes) - 1)
    expect.equal([len(delivery.payload) for delivery in session.deliveries], list(sizes))
    session.close()


def test_a_session_of_node(appliance):
    node = bridges.Node(appliance.where)
    expect.equal((node.opened["tls"], node.opened["authorized"], node.opened["extensions"]), ("TLSv1.3", True, ""))
    whole_session(appliance, node)


def test_a_session_of_a_page_in_chromium(appliance):
    page = bridges.Chromium(appliance.where)
    expect.equal((page.opened["open"], page.opened["extensions"]), ("waxwire.v1", ""))
    whole_session(appliance, page)


def test_sslscan_finds_nothing(appliance):
    where = appliance.where
    code, text = program(where, ["sslscan", "--no-colour", f"--sni-name={where['server_name']}", f"{where['address']}:{where['port']}"], b"", 40)
    expect.equal(code, 0, text)
    enabled = re.findall(r"^((?:SSL|TLS)v[\d.]+) +enabled", text, flags=re.M)
    expect.equal(enabled, ["TLSv1.3"], text)
    for line in ("renegotiation not supported", "TLSv1.3 not vulnerable to heartbleed"):
        expect.true(line in text, f"'{line}' in {text}")
    suites = re.findall(r"^(?:Preferred|Accepted) +TLSv1.3 +\d+ bits +(\S+)", text, flags=re.M)
    expect.equal(sorted(suites), sorted(SUITES), text)
    weak = re.findall(r"^TLSv1.3 +(\d+) bits +(\S+)", text, flags=re.M)
    expect.true(weak and all(int(bits) >= 112 for bits, _ in weak), f"groups: {weak}")
