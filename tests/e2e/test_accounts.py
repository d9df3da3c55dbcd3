# SPDX-License-Identifier: BSD-3-Clause
"""Who may have an account."""

import contextlib
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import expect
from test_restart import current_pid
from test_users import waxctl
from waxproto import ACCEPTED, NEW_ACCOUNT, REJECTED, Challenge, Identity, Welcome


def restart(appliance):
    """Ends the control plane, and starts it again with the configuration as it is now."""
    pids, command = appliance.need("pids", "restart_control")
    os.kill(current_pid(appliance.where) or pids["control"], signal.SIGKILL)
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=50, check=False)
    expect.equal(done.returncode, 0, done.stdout + done.stderr)


@contextlib.contextmanager
def accounts(appliance, **settings):
    """These are the settings of accounts inside the block."""
    (path,) = appliance.need("config")
    path = Path(path)
    before = path.read_text()
    path.write_text(before + "\naccounts:\n" + "".join(f"  {key}: {value}\n" for key, value in settings.items()))
    try:
        restart(appliance)
        yield
    finally:
        path.write_text(before)
        restart(appliance)


def status(appliance):
    """What waxctl status tells."""
    return waxctl(appliance, "status")[0]


def stranger(appliance, identity=None, plain=False, **options):
    """Someone without an account, whose proof is good, is not let in."""
    session = appliance.session(identity, plain=plain)
    session.hello(**options)
    session.challenge = session.receive()
    expect.true(isinstance(session.challenge, Challenge), f"CHALLENGE, not {session.challenge}")
    session.prove()
    expect.fatal(session, 5)
    return session


def test_a_closed_registration_is_error_5_to_who_has_no_account(appliance):
    appliance.need("waxctl")
    alice, bob = appliance.open(), appliance.known()
    with accounts(appliance, registration="closed"):
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


def invited(appliance, identity, code):
    """A session of someone who shows an invite."""
    session = appliance.session(identity)
    session.hello(invite=code.encode())
    session.challenge = session.receive()
    session.prove()
    session.welcome = session.receive()
    expect.true(isinstance(session.welcome, Welcome), f"WELCOME, not {session.welcome}")
    return session


def test_invites_let_in_as_many_as_they_say_and_a_full_mailbox_is_rejected_5(appliance):
    appliance.need("waxctl")
    alice, away = appliance.open(), appliance.known()
    with accounts(appliance, registration="invite", mailbox_messages=3):
        newcomers = [Identity() for _ in range(3)]
        code = waxctl(appliance, "invite", "create", "--uses", "2")[0]["code"]
        stranger(appliance)
        stranger(appliance, invite=b"x" * 32)
        for who in newcomers[:2]:
            expect.equal(invited(appliance, who, code).welcome.flags & NEW_ACCOUNT, NEW_ACCOUNT)
        restart(appliance)
        stranger(appliance, newcomers[2], invite=code.encode())
        appliance.open(newcomers[0], device=2)
        expect.equal([(one["uses"], one["used"]) for one in waxctl(appliance, "invite", "list")[0]["invites"]][-1:], [(2, 2)])
        answers = [alice.status(alice.send(away, b"%d" % n), wait=10) for n in range(5)]
        expect.equal([(a.kind, a.reason) for a in answers], [(ACCEPTED, 0)] * 3 + [(REJECTED, 5)] * 2)
        boxes, _ = waxctl(appliance, "mailbox", away.user.hex())
        expect.equal((boxes["account"]["messages"], boxes["quota"]["messages"]), (3, 3))
        expect.equal(status(appliance)["quotas"]["mailbox_full"], 2)
        session = appliance.open(away)
        session.delivery(2)
        session.settle()
        session.close()

        def room():
            return waxctl(appliance, "mailbox", away.user.hex())[0]["account"]["messages"] == 0
        end = time.monotonic() + 5
        while not room():
            expect.true(time.monotonic() < end, "what was acknowledged is there still")
        expect.equal(alice.status(alice.send(away, b"there is room again"), wait=10).kind, ACCEPTED)
