# SPDX-License-Identifier: BSD-3-Clause
"""Our own client against the relay, and against a client that is not ours."""

import json
import os
import subprocess
import tempfile

import expect
from waxproto import DELIVERED, READ_BY


class Folder:
    """A place for key files."""

    def __enter__(self):
        self.place = tempfile.TemporaryDirectory()
        return self

    def __exit__(self, *what):
        self.place.cleanup()

    def key(self, name):
        return os.path.join(self.place.name, name)


def command(appliance, key, *arguments):
    (waxcat,) = appliance.need("waxcat")
    where = appliance.where
    return [waxcat, "--server", f"{where['address']}:{where['port']}", "--ca", where["ca"], "--name",
            where["server_name"], "--key", key, "--json", "--timeout", "15", *arguments]


def user_of(appliance, key):
    done = subprocess.run(command(appliance, key, "id"), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["user"]


def test_it_sends_to_a_foreign_client(appliance):
    bob = appliance.open()
    with Folder() as folder:
        key = folder.key("alice")
        user = user_of(appliance, key)
        process = subprocess.Popen(command(appliance, key, "send", bob.user.hex(), "grüße", "an bob", "--wait",
                                           "delivered"), stdout=subprocess.PIPE, text=True)
        got = bob.delivery(0)
        output, _ = process.communicate(timeout=20)
    expect.equal((got.payload.decode(), got.user.hex()), ("grüße an bob", user))
    expect.equal(process.returncode, 0, output)
    kinds = [event.get("kind") for event in map(json.loads, output.splitlines()) if event["event"] == "status"]
    expect.equal(kinds[-1], "delivered")


def test_it_receives_from_a_foreign_client(appliance):
    alice = appliance.open()
    with Folder() as folder:
        key = folder.key("bob")
        user = bytes.fromhex(user_of(appliance, key))
        process = subprocess.Popen(command(appliance, key, "listen", "--exit-after", "3"), stdout=subprocess.PIPE,
                                   text=True)
        expect.equal(json.loads(process.stdout.readline())["event"], "open")
        idents = [alice.send(user, text) for text in (b"one", "zwei ✓".encode(), b"\xff\0three")]
        for ident in idents:
            alice.status(ident, DELIVERED)
        output, _ = process.communicate(timeout=20)
    messages = [event for event in map(json.loads, output.splitlines()) if event["event"] == "message"]
    expect.equal([message["id"] for message in messages], [str(ident) for ident in idents])
    expect.equal([message.get("text") for message in messages], ["one", "zwei ✓", None])
    expect.equal((messages[2]["text_base64"], messages[2]["bytes"]), ("/wB0aHJlZQ==", 7))
    expect.equal(process.returncode, 0)


def test_its_exit_status_tells_a_refusal(appliance):
    bob = appliance.open()
    with Folder() as folder:
        done = subprocess.run(command(appliance, folder.key("alice"), "send", bob.user.hex(), "-"), input=bytes(100000),
                              capture_output=True, timeout=30, check=False)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    expect.equal(done.returncode, 3, str(events))
    expect.equal([e["reason"] for e in events if e["event"] == "status"], ["too large"])


def test_a_thousand_messages_all_arrive_in_order(appliance):
    bob = appliance.online()
    with Folder() as folder:
        with open(folder.key("output"), "w+", encoding="utf-8") as file:
            process = subprocess.Popen(command(appliance, folder.key("alice"), "send", bob.user.hex(), "again",
                                               "--count", "1000", "--wait", "delivered"), stdout=file)
            bob.delivery(999, wait=20)
            process.wait(20)
            file.seek(0)
            output = file.read()
    idents = [d.ident for d in bob.deliveries]
    expect.equal(idents, sorted(set(idents)), "ids")
    done = json.loads(output.splitlines()[-1])
    expect.equal((done["event"], done["sent"], done["delivered"], done["rejected"]), ("done", 1000, 1000, 0))


def test_an_unknown_authority_is_refused(appliance):
    with Folder() as folder:
        other = folder.key("other.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                        "1", "-subj", "/CN=other", "-keyout", folder.key("other.key"), "-out", other],
                       capture_output=True, check=True)
        done = subprocess.run([*command(appliance, folder.key("alice"), "listen"), "--ca", other],
                              capture_output=True, text=True, timeout=20, check=False)
    expect.equal(done.returncode, 2)
    expect.true("certificate verify failed" in done.stderr, done.stderr)


def test_it_lists_devices_blocks_and_says_read(appliance):
    alice = appliance.open()
    with Folder() as folder:
        key = folder.key("bob")
        bob = bytes.fromhex(user_of(appliance, key))

        def run(*arguments):
            done = subprocess.run(command(appliance, key, *arguments), capture_output=True, text=True, timeout=20, check=False)
            expect.equal(done.returncode, 0, done.stdout + done.stderr)
            return [json.loads(line) for line in done.stdout.splitlines()]

        devices = [event for event in run("devices", "--device", "7") if event["event"] == "device"]
        expect.equal([(event["device"], event["connected"]) for event in devices], [(7, True)])
        expect.equal([event["event"] for event in run("block", alice.user.hex(), "--device", "7")].count("ok"), 1)
        expect.equal(alice.status(alice.send(bob, b"to who blocks", device=7)).reason, 3, "blocked")
        run("unblock", alice.user.hex(), "--device", "7")
        ident = alice.send(bob, b"to who reads", device=7)
        run("listen", "--read", "--exit-after", "1", "--device", "7")
        alice.status(ident, READ_BY)
        expect.true(alice.status(ident, DELIVERED), "DELIVERED as well")
