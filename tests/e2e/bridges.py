# SPDX-License-Identifier: BSD-3-Clause
"""
Ways to the relay through programs that nobody here wrote: Node's `ws`, and a page in headless Chromium. Both have
send(frame), receive(wait), close() and cut(), as those of transports.py, so that a whole session runs over them.
"""

import base64
import contextlib
import hashlib
import http.server
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading

import expect
from waxproto import SUBPROTOCOL, Closed

NODE_MODULES = "/usr/share/nodejs:/usr/lib/nodejs"

NODE = r"""
const fs = require("fs"), readline = require("readline"), WebSocket = require("ws");
const where = JSON.parse(process.argv[1]);
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const socket = new WebSocket(`wss://${where.server_name}:${where.port}/v1/relay`, [where.subprotocol], {
    ca: fs.readFileSync(where.ca), minVersion: "TLSv1.3",
    lookup: (name, options, done) => options.all ? done(null, [{address: where.address, family: 4}])
                                                 : done(null, where.address, 4)});
socket.on("open", () => say({open: socket.protocol, extensions: socket.extensions,
                             tls: socket._socket.getProtocol(), authorized: socket._socket.authorized}));
socket.on("message", (data) => say({frame: data.toString("hex")}));
socket.on("error", (error) => say({error: String(error)}));
socket.on("close", (code) => { say({closed: code}); process.exit(0); });
readline.createInterface({input: process.stdin})
    .on("line", (line) => line === "close" ? socket.close(1000) : socket.send(Buffer.from(line, "hex")))
    .on("close", () => socket.close(1000));
"""

PAGE = """<!doctype html><title>a client</title><script>
const say = (what) => fetch("/said", {method: "POST", body: JSON.stringify(what)});
const hex = (data) => Array.from(new Uint8Array(data), (byte) => byte.toString(16).padStart(2, "0")).join("");
const bytes = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
const socket = new WebSocket("%s", ["%s"]);
let chain = Promise.resolve();
const tell = (what) => { chain = chain.then(() => say(what)); };
socket.binaryType = "arraybuffer";
socket.onopen = async () => {
    tell({open: socket.protocol, extensions: socket.extensions});
    for (;;) {
        const order = await (await fetch("/order")).text();
        if (order === "close")
            return socket.close(1000);
        if (order !== "")
            socket.send(bytes(order));
    }
};
socket.onmessage = (event) => tell({frame: hex(event.data)});
socket.onerror = () => tell({error: "the WebSocket failed"});
socket.onclose = (event) => tell({closed: event.code});
</script>"""


class Bridge:
    """What a program says, in order, and its process."""

    process = None

    def __init__(self):
        self.said = queue.Queue()

    def next(self, wait):
        try:
            what = self.said.get(timeout=max(wait, 0.001))
        except queue.Empty as error:
            raise TimeoutError(f"nothing within {wait:.1f} s") from error
        if "closed" in what:
            raise Closed(what["closed"])
        if "error" in what:
            raise AssertionError(what["error"])
        return what

    def receive(self, wait=5):
        return bytes.fromhex(self.next(wait)["frame"])

    def send(self, frame):
        self.order(frame.hex())

    def close(self):
        self.order("close")
        try:
            while True:
                self.next(5)
        except Closed:
            self.cut()

    def cut(self):
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # a browser is many processes
        self.process.wait()


class Node(Bridge):
    """Node's `ws` over Node's TLS."""

    def __init__(self, where):
        super().__init__()
        about = {name: where[name] for name in ("address", "port", "server_name", "ca")}
        self.process = subprocess.Popen(["node", "-e", NODE, json.dumps({**about, "subprotocol": SUBPROTOCOL})],
                                        env={**os.environ, "NODE_PATH": NODE_MODULES}, text=True, bufsize=1,
                                        start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=self._listen, daemon=True).start()
        self.opened = self.next(15)

    def _listen(self):
        for line in self.process.stdout:
            try:
                self.said.put(json.loads(line))
            except json.JSONDecodeError:
                self.said.put({"error": line})

    def order(self, line):
        self.process.stdin.write(line + "\n")


def spki(certificate):
    """What Chromium wants to know a certificate by: the hash of its public key, in base64."""
    public = subprocess.run(["openssl", "x509", "-in", certificate, "-pubkey", "-noout"], capture_output=True, check=True)
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=public.stdout, capture_output=True, check=True)
    return base64.b64encode(hashlib.sha256(der.stdout).digest()).decode()


class Chromium(Bridge):
    """A page in headless Chromium, from a server of ours on the loopback, which also takes what it says."""

    def __init__(self, where, page=None, files=None):
        """`page` instead of one that carries frames; it may import modules from under the folder `files`, as /files/."""
        super().__init__()
        self.orders, self.files = queue.Queue(), files
        page = (page or PAGE % (f"wss://{where['server_name']}:{where['port']}/v1/relay", SUBPROTOCOL)).encode()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler(page))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.folder = tempfile.mkdtemp(prefix="waxwire-chromium-")
        program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
        expect.true(program is not None, "there is no Chromium")
        server = os.path.join(os.path.dirname(where["ca"]), "server.pem")
        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--remote-debugging-port=0", f"--user-data-dir={self.folder}",
             f"--ignore-certificate-errors-spki-list={spki(server)}",
             f"--host-resolver-rules=MAP {where['server_name']} {where['address']}",
             f"http://127.0.0.1:{self.server.server_port}/"],
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.opened = self.next(40)

    def order(self, line):
        self.orders.put(line)

    def cut(self):
        super().cut()
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _handler(self, page):
        bridge = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """The page, what it says, and what it is to do."""

            def answer(self, body, kind="text/plain"):
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):  # noqa: N802: its name is the library's
                if bridge.files and self.path.startswith("/files/") and ".." not in self.path:
                    return self.answer((bridge.files / self.path.removeprefix("/files/")).read_bytes(), "text/javascript")
                if self.path != "/order":
                    return self.answer(page, "text/html")
                try:
                    return self.answer(bridge.orders.get(timeout=2).encode())
                except queue.Empty:
                    return self.answer(b"")

            def do_POST(self):  # noqa: N802
                bridge.said.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                return self.answer(b"")

            def log_message(self, *arguments):
                """Nobody wants to know."""

        return Handler
