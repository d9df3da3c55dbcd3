# SPDX-License-Identifier: BSD-3-Clause
"""testssl.sh: no finding worse than "info", but for those that a private authority and a relay without DNS bring along."""

import json
import subprocess
import tempfile
from pathlib import Path

import expect

SECONDS = 240

# Each with the reason why it says nothing about the relay.
ALLOWED = {
    "engine_problem": "the scanner's own OpenSSL has no GOST",
    "cert_chain_of_trust": "the authority is private",
    "cert_trust": "the same",
    "cert_revocation": "a private authority without CRL or OCSP",
    "OCSP_stapling": "the same",
    "DNS_CAArecord": "the name is in no DNS",
    "certificate_transparency": "private certificates are in no log",
}
SECTIONS = ("--protocols", "--std", "--fs", "--server-preference", "--server-defaults", "--header", "--vulnerable")


def test_testssl_finds_nothing(appliance):
    where = appliance.where
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = subprocess.run(["testssl", "--quiet", "--color", "0", "--ip", where["address"], "--warnings", "off", "--nodns", "none",
                               "--add-ca", where["ca"], "--jsonfile", str(report), *SECTIONS, f"{where['server_name']}:{where['port']}"],
                              cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=220, check=False)
        expect.true(report.exists(), done.stdout[-2000:] + done.stderr[-2000:])
        findings = {finding["id"]: finding for finding in json.loads(report.read_text())}
    for name in ("TLS1_3", "heartbleed", "ROBOT", "ticketbleed", "secure_renego", "cert_subjectAltName", "HTTP_status_code"):
        expect.true(name in findings, f"looked at {name}: {sorted(findings)}")
    expect.true(findings["TLS1_3"]["severity"] == "OK" and findings["TLS1_2"]["severity"] in ("OK", "INFO"), "the versions")
    bad = [f"{name}: {finding['severity']}: {finding['finding']}" for name, finding in findings.items()
           if finding["severity"] not in ("OK", "INFO") and name not in ALLOWED]
    expect.equal(bad, [])
