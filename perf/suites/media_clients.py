# SPDX-License-Identifier: BSD-3-Clause
"""
The clients of suite media, run by it inside the clients' network namespace: curl for blobs, and the test suite's own
sessions for tokens and messages. Prints one JSON object.
"""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "perf/suites")]
sys.dont_write_bytecode = True

import harness  # noqa: E402
import latency  # noqa: E402
from appliance import memory_bytes  # noqa: E402
from transports import connect  # noqa: E402

MIB = 1 << 20
UPLOADS = 16  # that one account may have at a time
MESSAGES = 400


def cpu_seconds(pid):
    """Processor time of a process, threads that have ended included."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Clients:
    def __init__(self, where, folder):
        self.where, self.folder = where, Path(folder)
        self.appliance = harness.Appliance(where)
        self.tokens = []
        name, port = where["server_name"], where["port"]
        self.url = f"https://{name}:{port}/v1/media"
        self.curl = ["curl", "--silent", "--show-error", "--max-time", "300", "--cacert", where["ca"], "--connect-to",
                     f"{name}:{port}:{where['address']}:{port}", "-H", "Expect:"]

    def token(self, n):
        while len(self.tokens) <= n // UPLOADS:
            self.tokens.append("Authorization: Bearer " + self.appliance.open().welcome.media_token.decode())
        return self.tokens[n // UPLOADS]

    def blob(self, size):
        path = self.folder / f"blob-{size}"
        if not path.exists():
            with open(path, "wb") as file:
                for _ in range(0, size, MIB):
                    file.write(os.urandom(MIB))
        return path

    def look(self):
        """The workers' metrics, from a page that was written since."""
        def ask():
            done = subprocess.run([self.where["waxctl"], "--socket", self.where["admin_socket"], "workers", "--json"],
                                  capture_output=True, check=True)
            return json.loads(done.stdout)["workers"]
        first = seen = ask()
        while any(new["polls"] == old["polls"] for new, old in zip(seen, first)):
            time.sleep(0.02)
            seen = ask()
        return seen

    def all_of(self, commands):
        """Seconds that they took together, and what each printed."""
        began = time.monotonic()
        running = [subprocess.Popen(self.curl + command, stdout=subprocess.PIPE) for command in commands]
        printed = [process.communicate()[0] for process in running]
        seconds = time.monotonic() - began
        assert all(process.returncode == 0 for process in running), [process.returncode for process in running]
        return seconds, printed

    def timed(self, commands, total):
        """The figures of some transfers, and what curl printed."""
        pid = self.where["pids"]["control"]
        before, spent = self.look(), cpu_seconds(pid)
        seconds, printed = self.all_of(commands)
        after, spent = self.look(), cpu_seconds(pid) - spent
        busy = sum((b["busy_cycles"] - a["busy_cycles"]) / b["cycles_per_s"] for a, b in zip(before, after))
        return {"mb_per_s": round(total / 1e6 / seconds, 1), "worker_busy_ns_per_mib": round(busy * 1e9 / (total / MIB)),
                "control_cpu_ns_per_mib": round(spent * 1e9 / (total / MIB))}, printed

    def put(self, n, path):
        return ["-H", self.token(n), "-T", str(path), self.url]

    def delete(self, idents):
        self.all_of([["-X", "DELETE", "-H", self.token(n), f"{self.url}/{ident}"] for n, ident in enumerate(idents)])

    def transfers(self, streams, size):
        path, total = self.blob(size), streams * size
        commands = [self.put(n, path) for n in range(streams)]
        up, printed = self.timed(commands, total)
        idents = [json.loads(text)["id"] for text in printed]
        down, printed = self.timed([["-o", "/dev/null", "-w", "%{size_download} %{http_code}", f"{self.url}/{ident}"]
                                    for ident in idents], total)
        assert all(text == b"%d 200" % size for text in printed), printed
        digest = hashlib.sha256(path.read_bytes()).digest()
        same = self.all_of([[f"{self.url}/{idents[-1]}"]])[1][0]
        assert hashlib.sha256(same).digest() == digest, "other bytes than were uploaded"
        self.delete(idents)
        return {"streams": streams, "blob_bytes": size, "upload": up, "download": down}

    def memory(self):
        time.sleep(0.5)
        sizes = {name: memory_bytes(pid) for name, pid in self.where["pids"].items()}
        return {**sizes, "blocks": -2048 * sum(worker["blocks_free_now"] for worker in self.look())}

    def slow_readers(self, count, size):
        """What is held for readers of one blob who read next to nothing; and one beside them who reads all of it."""
        (text,) = self.all_of([self.put(0, self.blob(size))])[1]
        ident, readers = json.loads(text)["id"], []
        before = self.memory()
        for _ in range(count):
            reader = connect(self.where)
            reader.sendall(f"GET /v1/media/{ident} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            readers.append(reader)
        for _ in range(20):
            for reader in readers:
                reader.recv(1024)
            time.sleep(0.2)
        after = self.memory()
        seconds, printed = self.all_of([["-o", "/dev/null", "-w", "%{size_download}", f"{self.url}/{ident}"]])
        assert int(printed[0]) == size, printed
        for reader in readers:
            reader.close()
        self.delete([ident])
        return {"readers": count, "blob_bytes": size, "beside_mb_per_s": round(size / 1e6 / seconds, 1),
                **{f"{name}_bytes": after[name] - before[name] for name in before}}

    def messages(self, seconds):
        """Percentiles of the relay's latency while one session sends to another, stamped by the workers."""
        alice, bob = self.appliance.open(), self.appliance.online()
        before = self.look()
        for n in range(MESSAGES):
            alice.status(alice.send(bob, b"%d" % n))
            time.sleep(seconds / MESSAGES)
        return latency.between(before, self.look())

    def beside(self, size):
        """The same while two upload and two download without a pause."""
        path, stop, moved = self.blob(size), threading.Event(), []
        (text,) = self.all_of([self.put(0, path)])[1]
        ident, delete = json.loads(text)["id"], ["-X", "DELETE", "-H", self.token(0)]

        def move(upload):
            while not stop.is_set():
                if upload:
                    made = json.loads(self.all_of([self.put(0, path)])[1][0])["id"]
                    self.all_of([[*delete, f"{self.url}/{made}"]])
                else:
                    self.all_of([["-o", "/dev/null", f"{self.url}/{ident}"]])
                moved.append(size)

        threads = [threading.Thread(target=move, args=(n < 2,)) for n in range(4)]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        found = self.messages(4)
        stop.set()
        for thread in threads:
            thread.join()
        found["media_mb_per_s"] = round(sum(moved) / 1e6 / (time.monotonic() - began), 1)
        self.delete([ident])
        return found


def main(where, folder, quick):
    with open(where, encoding="utf-8") as file:
        clients = Clients(json.load(file), folder)
    size = (16 if quick else 64) * MIB
    found = {"slow": clients.slow_readers(64, (256 if quick else 1024) * MIB),  # first: what processes have, they keep
             "points": [clients.transfers(1, 64 * MIB), clients.transfers(64, size)],
             "relay_calm": clients.messages(4), "relay_beside": clients.beside(64 * MIB)}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3] == "quick")
