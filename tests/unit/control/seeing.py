#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
What an operator sees: seeing.py WAXWIRE-CONTROL. A control plane is started on a UNIX socket and a loopback port of its
own; promtool judges its metrics and the rules, every metric that a rule or a panel names must be among them, and the
page is loaded in Chromium, light, dark and as small as a phone.
"""

import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TREE = Path(__file__).resolve().parents[3]
FOREIGN = {"probe_ssl_earliest_cert_expiry"}  # the blackbox exporter's


def need(truth, what):
    """End the test with a line unless something is so."""
    if not truth:
        sys.exit(f"seeing: {what}")


def ask(path, request):
    """What a UNIX socket answers to a request, whole."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(5)
        link.connect(str(path))
        link.sendall(request.encode())
        answer = b""
        while piece := link.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body.decode()


def get(path, page):
    """The body of a page."""
    head, body = ask(path, f"GET {page} HTTP/1.1\r\nHost: localhost\r\n\r\n")
    need(head.startswith("HTTP/1.1 200 OK"), f"{page}: {head}")
    return body


def promtool(*arguments, text=None):
    """promtool must be content, and say nothing of standard input."""
    done = subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True, cwd=TREE / "deploy/prometheus")
    need(done.returncode == 0, f"promtool {arguments}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def names_in(expression):
    """Names of metrics in an expression of PromQL, without the endings of histograms."""
    found = re.findall(r"\b(?:waxwire|probe)_[a-z0-9_]+", re.sub(r'"[^"]*"', "", expression))
    return {re.sub(r"_bucket$", "", name) for name in found}


def check_metrics(path):
    """Format, and the names that rules and panels use."""
    text = get(path, "/metrics")
    need(promtool("check", "metrics", text=text) == "", "promtool finds fault with the metrics")
    known = set(re.findall(r"^# TYPE (\S+)", text, flags=re.M))
    need(len(known) > 60, f"only {len(known)} metrics")
    promtool("check", "rules", "waxwire.rules.yml")
    promtool("test", "rules", "waxwire.rules.test.yml")
    promtool("check", "config", "prometheus.yml")
    rules = (TREE / "deploy/prometheus/waxwire.rules.yml").read_text()
    board = json.loads((TREE / "deploy/grafana/waxwire.json").read_text())
    expressions = re.findall(r'expr: "((?:[^"\\]|\\.)*)"', rules)
    expressions = [e.replace('\\"', '"') for e in expressions]
    need(len(expressions) > 10 and len(board["panels"]) >= 12, "rules or panels are missing")
    need(len({p["id"] for p in board["panels"]}) == len(board["panels"]), "panels have the same id")
    expressions += [t["expr"] for p in board["panels"] for t in p["targets"]]
    missing = set().union(*map(names_in, expressions)) - known - FOREIGN
    need(not missing, f"no such metrics: {sorted(missing)}")
    statuses = set(re.findall(r'reason="(\w+)"', text))
    wanted = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", " ".join(re.findall(r'reason=~?"([^"]*)"', " ".join(expressions)))))
    need(wanted and wanted <= statuses, f"no such reasons: {sorted(wanted - statuses)}")
    runbook = (TREE / "docs/operations.md").read_text()
    untold = [name for name in re.findall(r"alert: (\w+)", rules) if name not in runbook]
    need(not untold, f"the runbook does not tell of {untold}")


def check_http(path):
    """What else the address answers."""
    need(json.loads(get(path, "/api/now"))["attached"] is False, "nothing is attached")
    need(json.loads(get(path, "/api/history"))["step_ms"] == 10000, "the history's step")
    for request, code in (("POST / HTTP/1.1\r\n\r\n", "405"), ("GET /x HTTP/1.1\r\n\r\n", "404"), ("nonsense\r\n\r\n", "400")):
        need(ask(path, request)[0].startswith(f"HTTP/1.1 {code}"), f"{request!r} is not answered {code}")
    head, body = ask(path, "HEAD / HTTP/1.1\r\n\r\n")
    need("default-src 'self'" in head and body == "", f"HEAD: {head}")


def check_page(port, folder):
    """The page in Chromium; pictures must differ in light and dark, and nothing may come from outside."""
    sizes = []
    for name, more in (("light", ["--window-size=1280,1000"]), ("dark", ["--window-size=1280,1000", "--blink-settings=preferredColorScheme=0"]),
                       ("phone", ["--window-size=390,1800"])):
        picture = folder / f"{name}.png"
        chromium = ["chromium-headless-shell", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=3000", *more]
        done = subprocess.run([*chromium, f"--screenshot={picture}", f"http://127.0.0.1:{port}/"], capture_output=True, text=True, timeout=60)
        need(done.returncode == 0 and picture.stat().st_size > 10000, f"{name}: {done.stderr}")
        sizes.append(picture.read_bytes())
    need(sizes[0] != sizes[1], "dark is as light")
    done = subprocess.run(["chromium-headless-shell", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000", "--dump-dom",
                           f"http://127.0.0.1:{port}/"], capture_output=True, text=True, timeout=60)
    need("NO DATA PLANE IS ATTACHED" in done.stdout, f"the page does not tell the state: {done.stdout[:400]}{done.stderr[-400:]}")
    need(done.stdout.count("<svg") == 8, "charts are missing")
    sources = "".join((TREE / "control/dashboard" / name).read_text() for name in ("index.html", "dashboard.js", "dashboard.css"))
    outside = set(re.findall(r"https?://[^\s\"']+", sources)) - {"http://www.w3.org/2000/svg"}
    need(not outside, f"the page names {outside}")


def free_port():
    """A port of loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def with_control(program, folder, listen, what):
    """Run a check while a control plane of its own is up."""
    config = folder / "waxwire.yaml"
    config.write_text(f"control: {{socket: {folder}/c.sock, admin_socket: {folder}/a.sock}}\nstore: {{directory: {folder}/store}}\n"
                      f"management: {{listen: \"{listen}\"}}\nports: [{{kind: tap, device: x, addresses: [198.18.0.2/24]}}]\n"
                      "listeners: [{port: 80, tls: false}]\n")
    process = subprocess.Popen([program, "--config", config], stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            if 'area=main msg="ready"' in line:
                break
        else:
            sys.exit("seeing: control did not start")
        what()
    finally:
        process.terminate()
        process.stderr.close()
        need(process.wait(20) == 0, "control did not end well")


def main():
    """Everything, in a folder that goes away."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, port = folder / "m.sock", free_port()
        with_control(sys.argv[1], folder, f"unix:{path}", lambda: (check_metrics(path), check_http(path)))
        need(not path.exists(), "the socket stays behind")
        with_control(sys.argv[1], folder, f"127.0.0.1:{port}", lambda: check_page(port, folder))
    print(f"seeing: all is there ({time.monotonic() - began:.1f} s)")


main()
