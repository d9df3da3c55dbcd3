# SPDX-License-Identifier: BSD-3-Clause
"""Signal's protocol over the relay, which must never see what is said."""

import json
import secrets
import subprocess
from pathlib import Path

import expect
from test_secrets import look, pid_of

TALK = Path(__file__).with_name("signal.mjs")


def on_disk(store, needles):
    """{name: files of the store that hold it}."""
    files = [path for path in Path(store).rglob("*") if path.is_file()]
    expect.true(files, "the store has files")
    held = {path: path.read_bytes() for path in files}
    return {name: [str(path) for path, data in held.items() if needle in data] for name, needle in needles.items()}


def test_two_people_talk_and_the_relay_sees_ciphertext_only(appliance):
    """
    Text both ways, two devices, a photo, a message that waits in a mailbox: what is said is neither in the memory of the relay's
    processes nor in its files; what must be there, the name of who has the mailbox, is found by the same search.
    """
    names = ("address", "port", "server_name", "ca")
    where = json.dumps(dict(zip(names, appliance.need(*names))))
    store, _, _ = appliance.need("store", "config", "pids")
    secret = f"plain-{secrets.token_hex(12)}"
    talk = subprocess.Popen(["node", TALK, where, secret], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        told = talk.stdout.readline()
        expect.true(told.startswith("done "), told + ("" if told.startswith("done ") else talk.communicate(timeout=20)[0]))
        needles = {"said": secret.encode(), "recipient": bytes.fromhex(told.split()[1])}
        for program in ("waxwire-dataplane", "waxwire-control"):
            places = look(pid_of(appliance.where, program), needles)
            expect.equal(places["said"], [], f"what was said, in the memory of {program}")
            expect.true(places["recipient"], f"the recipient's name is in the memory of {program}")
        places = on_disk(store, needles)
        expect.equal(places["said"], [], "what was said, on the disk")
        expect.true(places["recipient"], "the recipient's name is on the disk")
        talk.stdin.close()
        expect.equal(talk.wait(20), 0)
    finally:
        talk.kill()
        talk.wait()
