# SPDX-License-Identifier: BSD-3-Clause
"""The relays that waxwire is compared with: each started from its package, on the loopback, in a folder that goes with it."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from appliance import cpu_seconds
from measure import Failed

NAME = "peers.waxwire.test"

# A listener for WebSocket alone is refused by version 2.0.11.
MOSQUITTO = """\
allow_anonymous true
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true
persistence false
user root
log_type error
listener {spare} 127.0.0.1
listener {port} 127.0.0.1
protocol websockets
certfile {folder}/certificate.pem
keyfile {folder}/key.pem
tls_version tlsv1.3
"""

NATS = """\
listen: 127.0.0.1:{spare}
jetstream {{ store_dir: {folder}/js, max_mem: 4G }}
websocket {{
  listen: "127.0.0.1:{port}"
  compression: false
  tls {{ cert_file: {folder}/certificate.pem, key_file: {folder}/key.pem }}
}}
"""

EJABBERD = """\
hosts: [localhost]
loglevel: error
certfiles: ["{folder}/both.pem"]
ca_file: "{folder}/certificate.pem"
auth_method: anonymous
anonymous_protocol: login_anon
allow_multiple_connections: true
listen:
  - port: {port}
    ip: "127.0.0.1"
    module: ejabberd_http
    tls: true
    protocol_options: [no_sslv3, no_tlsv1, no_tlsv1_1]
    request_handlers:
      /mqtt: mod_mqtt
modules:
  mod_mqtt:
    max_queue: 100000
    access_publish: {{"#": all}}
    access_subscribe: {{"#": all}}
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def processes(pid):
    """A process and all below it."""
    found, again = [pid], [pid]
    while again:
        pid = again.pop()
        try:
            children = [int(word) for task in Path(f"/proc/{pid}/task").iterdir()
                        for word in (task / "children").read_text(encoding="utf-8").split()]
        except OSError:
            continue
        found += children
        again += children
    return found


class Peer:
    """A server, started and stopped with a block."""

    program = version_flag = None

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="waxwire-perf-"))
        self.port, self.spare = free_port(), free_port()
        self.where = ("127.0.0.1", self.port, NAME)
        done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                               "2", "-subj", f"/CN={NAME}", "-keyout", self.folder / "key.pem", "-out", self.folder / "certificate.pem"],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"no certificate: {done.stderr[-300:]}")
        (self.folder / "both.pem").write_text((self.folder / "key.pem").read_text() + (self.folder / "certificate.pem").read_text())
        os.chmod(self.folder, 0o755)
        os.chmod(self.folder / "key.pem", 0o644)

    def spawn(self, command, env=None):
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, **(env or {})}, cwd=self.folder)

    def __enter__(self):
        try:
            self.start()
            self.await_port()
        except BaseException:
            self.__exit__()
            raise
        return self

    def await_port(self):
        until = time.monotonic() + 40
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise Failed(f"{type(self).__name__} did not come up: {(self.folder / 'log').read_text(errors='replace')[-500:]}")

    def __exit__(self, *error):
        if getattr(self, "process", None) is not None and self.process.poll() is None:
            self.stop()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self):
        self.process.terminate()

    def cpu_seconds(self):
        """User and system time of all its processes, so far."""
        return sum(cpu_seconds(pid) for pid in processes(self.process.pid))

    def memory_bytes(self):
        """Memory of its own, of all its processes."""
        total = 0
        for pid in processes(self.process.pid):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines():
                if line.startswith("Private_"):
                    total += int(line.split()[1]) * 1024
        return total


class Mosquitto(Peer):
    program, kind = "/usr/sbin/mosquitto", "mosquitto"

    def start(self):
        (self.folder / "conf").write_text(MOSQUITTO.format(port=self.port, spare=self.spare, folder=self.folder))
        self.spawn([self.program, "-c", self.folder / "conf"])


class Nats(Peer):
    program, kind = "/usr/sbin/nats-server", "nats"

    def start(self):
        (self.folder / "conf").write_text(NATS.format(port=self.port, spare=self.spare, folder=self.folder))
        self.spawn([self.program, "-c", self.folder / "conf"])


class Ejabberd(Peer):
    """Without its script: that would start Erlang's port mapper, which stays."""

    program, kind = "/usr/sbin/ejabberdctl", "ejabberd"

    def start(self):
        (self.folder / "ejabberd.yml").write_text(EJABBERD.format(port=self.port, folder=self.folder))
        for name in ("logs", "spool", "home"):
            (self.folder / name).mkdir()
        self.spawn(["erl", "-noinput", "+K", "true", "+P", "250000", "-mnesia", "dir", f'"{self.folder}/spool"', "-s", "ejabberd"],
                   {"EJABBERD_CONFIG_PATH": str(self.folder / "ejabberd.yml"), "EJABBERD_LOG_PATH": str(self.folder / "logs/ejabberd.log"),
                    "HOME": str(self.folder / "home"), "SPOOL_DIR": str(self.folder / "spool"), "ERL_MAX_PORTS": "32000",
                    "ERL_LIBS": "/usr/lib/x86_64-linux-gnu"})


PEERS = (Mosquitto, Nats, Ejabberd)
