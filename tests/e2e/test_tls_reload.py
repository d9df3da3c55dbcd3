# SPDX-License-Identifier: BSD-3-Clause
"""Certificates by name and kind, and reloaded while sessions are open; tickets over restarts of either process."""

import contextlib
import json
import os
import re
import shlex
import ssl
import subprocess
import tempfile
from pathlib import Path

import expect
from test_tls import s_client
from transports import connect
from waxproto import DELIVERED


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=50, check=False)
    expect.equal(done.returncode, 0, done.stderr)


def issue(where, folder, name, names, key=("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"), days=2):
    """(certificate, key) of the appliance's own authority for names like DNS:a.example."""
    base, authority = Path(folder) / name, Path(where["ca"])
    openssl("req", "-new", *key, "-nodes", "-subj", f"/CN={name}", "-keyout", f"{base}.key", "-out", f"{base}.csr")
    extensions = Path(f"{base}.ext")
    extensions.write_text(f"subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n")
    openssl("x509", "-req", "-in", f"{base}.csr", "-CA", authority, "-CAkey", authority.parent / "ca.key", "-days", days,
            "-set_serial", f"0x{os.urandom(8).hex()}", "-out", f"{base}.pem", "-extfile", extensions)
    return f"{base}.pem", f"{base}.key"


def reload(where):
    """(exit code, output) of waxctl tls reload."""
    done = subprocess.run([where["waxctl"], "--socket", where["admin_socket"], "tls", "reload"], capture_output=True,
                          text=True, timeout=50, check=False)
    return done.returncode, done.stdout + done.stderr


@contextlib.contextmanager
def settings(where, lines):
    """The tls section of the configuration with more lines, loaded; afterwards it is as it was."""
    path = Path(where["config"])
    before = path.read_text()
    path.write_text(before.replace("\ntls:\n", "\ntls:\n" + "".join(f"  {line}\n" for line in lines)))
    try:
        code, said = reload(where)
        expect.equal(code, 0, said)
        yield said
    finally:
        path.write_text(before)
        code, said = reload(where)
        expect.equal(code, 0, said)


def subject_of(where, name, *options):
    """(common name, kind of signature) of the certificate that s_client gets; None when it gets none."""
    _, text = s_client({**where, "server_name": name}, *options)
    subject = re.search(r"subject=CN = (\S+)", text)
    kind = re.search(r"Peer signature type: (\S+)", text)
    return (subject[1], kind[1]) if subject and kind else None


def test_each_name_gets_its_certificate_and_each_client_its_kind(appliance):
    appliance.need("config", "waxctl")
    where = appliance.where
    with tempfile.TemporaryDirectory() as folder:
        pairs = [issue(where, folder, "second", "DNS:second.example,DNS:*.wide.example"),
                 issue(where, folder, "rsa", "DNS:second.example,DNS:*.wide.example", ("-newkey", "rsa:2048")),
                 issue(where, folder, "edwards", "DNS:edwards.example", ("-newkey", "ed25519"))]
        lines = ["certificates:"] + [f"  - {{certificate: {cert}, key: {key}}}" for cert, key in pairs]
        with settings(where, lines) as said:
            expect.true("4 certificates served" in said, said)
            ecdsa, rsa = ("-sigalgs", "ecdsa_secp256r1_sha256"), ("-sigalgs", "rsa_pss_rsae_sha256:RSA+SHA256")
            expect.equal(subject_of(where, "second.example", *ecdsa), ("second", "ECDSA"))
            expect.equal(subject_of(where, "second.example", *rsa), ("rsa", "RSA-PSS"))
            expect.equal(subject_of(where, "any.wide.example", *ecdsa), ("second", "ECDSA"))
            expect.equal(subject_of(where, "edwards.example"), ("edwards", "ed25519"))
            expect.equal(subject_of(where, "nobody.example"), (where["server_name"], "ECDSA"))
        expect.equal(subject_of(where, "edwards.example"), (where["server_name"], "ECDSA"), "as before")


def certificate_of(where):
    sock = connect(where)
    text = ssl.DER_cert_to_PEM_cert(sock.getpeercert(binary_form=True))
    sock.close()
    return text


def test_a_reload_keeps_every_session(appliance):
    appliance.need("config", "waxctl")
    where = appliance.where
    alice, bob = appliance.open(), appliance.online()
    before = certificate_of(where)
    served = [Path(where["ca"]).parent / f"server.{end}" for end in ("pem", "key")]
    kept = [path.read_text() for path in served]
    with tempfile.TemporaryDirectory() as folder:
        fresh = issue(where, folder, "fresh", f"DNS:{where['server_name']},IP:{where['address']}")
        try:
            for path, new in zip(served, fresh):
                path.write_text(Path(new).read_text())
            code, said = reload(where)
            expect.equal((code, said.strip()), (0, "1 certificate served"))
            after = certificate_of(where)
            expect.true(after != before, "newcomers get the new one")
            served[1].write_text(kept[1])  # the old key with the new certificate
            code, said = reload(where)
            expect.equal(code, 1, said)
            expect.true("the key is not that of the certificate" in said and str(served[0]) in said, said)
            expect.equal(certificate_of(where), after, "the last good one is still served")
            for path, old in zip(served, issue(where, folder, "old", f"DNS:{where['server_name']}", days=-1)):
                path.write_text(Path(old).read_text())
            code, said = reload(where)
            expect.equal((code, said.strip()), (0, "1 certificate served, 1 expired: no client will take it"))
            served[1].write_text("nothing")
            code, said = reload(where)
            expect.true(code == 1 and "there is no private key in PEM" in said, said)
        finally:
            for path, text in zip(served, kept):
                path.write_text(text)
            code, said = reload(where)
            expect.equal(code, 0, said)
    expect.equal(certificate_of(where), before)
    alice.status(alice.send(bob, b"still here"), DELIVERED)


def test_a_bad_configuration_changes_nothing(appliance):
    appliance.need("config", "waxctl")
    where = appliance.where
    path, before = Path(where["config"]), certificate_of(where)
    text = path.read_text()
    for broken, why in ((text.replace("\ntls:\n", "\ntls:\n  tickets: many\n"), "'tickets': 'many' is not a decimal number"),
                        (text.replace("server.pem", "nowhere.pem"), "No such file")):
        try:
            path.write_text(broken)
            code, said = reload(where)
        finally:
            path.write_text(text)
        expect.true(code == 1 and why in said, said)
    expect.equal(certificate_of(where), before)
    done = subprocess.run([where["waxctl"], "--socket", where["admin_socket"], "--json", "tls", "reload"],
                          capture_output=True, text=True, timeout=50, check=False)
    expect.true(done.returncode == 0 and json.loads(done.stdout)["done"], done.stdout)


def test_certificates_of_clients(appliance):
    appliance.need("config", "waxctl")
    where = appliance.where
    with tempfile.TemporaryDirectory() as folder:
        cert, key = issue(where, folder, "client", "DNS:client.example")
        shown = ("-cert", cert, "-key", key)
        with settings(where, ["client_certificates: required", f"client_ca: {where['ca']}"]):
            code, text = s_client(where)
            expect.true("certificate required" in text and "HTTP/1.1" not in text, text)
            code, text = s_client(where, *shown)
            expect.true(code == 0 and "HTTP/1.1 200" in text, text)
        with settings(where, ["client_certificates: optional", f"client_ca: {where['ca']}"]):
            for options in ((), shown):
                code, text = s_client(where, *options)
                expect.true(code == 0 and "HTTP/1.1 200" in text, text)


def test_a_ticket_resumes_after_a_restart_of_either_process(appliance):
    appliance.need("restart_control", "restart_dataplane")
    where = appliance.where
    with tempfile.TemporaryDirectory() as folder:
        ticket = os.path.join(folder, "ticket")
        code, text = s_client(where, "-sess_out", ticket)
        expect.true(code == 0 and os.path.exists(ticket), text)
        for process in ("dataplane", "control", "dataplane"):
            done = subprocess.run(shlex.split(where[f"restart_{process}"]), capture_output=True, text=True, timeout=50, check=False)
            expect.equal(done.returncode, 0, done.stdout + done.stderr)
            # the control plane's keys are in its memory alone: once both have ended the ticket is worth nothing
            code, text = s_client(where, "-sess_in", ticket, "-sess_out", ticket)
            expect.true(code == 0 and "HTTP/1.1 200" in text, text)
            expect.true("Reused, TLSv1.3" in text, f"after a restart of {process}: {text}")
