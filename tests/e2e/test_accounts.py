# SPDX-License-Identifier: BSD-3-Clause
"""Who may have an account."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
from pathlib import Path

import expect
from test_restart import current_pid
from waxproto import NEW_ACCOUNT, REJECTED, Challenge


def restart(appliance):
    """Ends the control plane, and starts it again with the configuration as it is now."""
    pids, command = appliance.need("pids", "restart_control")
    os.kill(current_pid(appliance.where) or pids["control"], signal.SIGKILL)
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=50, check=False)
    expect.equal(done.returncode, 0, done.stdout + done.stderr)


@contextlib.contextmanager
def closed(appliance):
    """Registration is closed inside the block, and open again behind it."""
    (path,) = appliance.need("config")
    path = Path(path)
    before = path.read_text()
    path.write_text(before + "\naccounts:\n  registration: closed\n")
    try:
        restart(appliance)
        yield
    finally:
        path.write_text(before)
        restart(appliance)


def status(appliance):
    """What waxctl status tells."""
    where = appliance.where
    done = subprocess.run([where["waxctl"], "--socket", where["admin_socket"], "--json", "status"], capture_output=True,
                          text=True, timeout=20, check=True)
    return json.loads(done.stdout)


def stranger(appliance, plain=False):
    """Someone without an account, whose proof is good, is not let in."""
    session = appliance.session(plain=plain)
    session.hello()
    session.challenge = session.receive()
    expect.true(isinstance(session.challenge, Challenge), f"CHALLENGE, not {session.challenge}")
    session.prove()
    expect.fatal(session, 5)
    return session


def test_a_closed_registration_is_error_5_to_who_has_no_account(appliance):
    appliance.need("waxctl")
    alice, bob = appliance.open(), appliance.known()
    with closed(appliance):
        nobody = stranger(appliance).identity
        stranger(appliance, plain=True)
        again = appliance.open(bob)
        expect.equal(again.welcome.flags & NEW_ACCOUNT, 0, "new account")
        appliance.open(bob, device=2)
        answer = alice.status(alice.send(again, b"who was here before goes on"))
        expect.true(answer.kind != REJECTED, f"taken, not {answer}")
        answer = alice.status(alice.send(nobody, b"to who was refused"))
        expect.equal((answer.kind, answer.reason), (REJECTED, 1), "unknown user")
        expect.equal(status(appliance)["not_invited"], 2, "refused logins that are counted")
    session = appliance.open(nobody)
    expect.equal(session.welcome.flags & NEW_ACCOUNT, NEW_ACCOUNT, "new account, for registration is open again")
