# SPDX-License-Identifier: BSD-3-Clause
"""What an operator does with accounts by waxctl, as their owners see it."""

import json
import subprocess

import expect
from waxproto import ACCEPTED, NEW_ACCOUNT, REJECTED, RESUMED


def waxctl(appliance, *words):
    """What waxctl answers, as JSON, and its exit code."""
    program, socket = appliance.need("waxctl", "admin_socket")
    done = subprocess.run([program, "--socket", socket, "--json", *words], capture_output=True, text=True, timeout=20,
                          check=False)
    return json.loads(done.stdout), done.returncode


def users(appliance, what, user):
    reply, code = waxctl(appliance, "users", what, user.hex())
    expect.equal(code, 0, reply)
    return reply


def kept_out(appliance, identity, device=1, **options):
    """Error 6 after a good proof."""
    session = appliance.session(identity, device)
    session.hello(**options)
    session.challenge = session.receive()
    session.prove()
    expect.fatal(session, 6)


def test_who_is_suspended_is_out_by_proof_and_by_token_until_restored(appliance):
    alice, bob = appliance.online(), appliance.open()
    identity, token = alice.identity, alice.welcome.token
    expect.equal(users(appliance, "show", alice.user)["state"], "active")
    users(appliance, "suspend", alice.user)
    expect.fatal(alice, 6)
    kept_out(appliance, identity)
    kept_out(appliance, identity, device=2)
    kept_out(appliance, identity, token=token)
    ident = bob.send(identity, b"for later")
    expect.equal(bob.status(ident).kind, ACCEPTED, "what is sent to it waits")
    shown = users(appliance, "show", identity.user)
    expect.equal((shown["state"], shown["devices"][0]["messages"]), ("suspended", 1))
    users(appliance, "restore", identity.user)
    again = appliance.open(identity, token=token)
    expect.equal(again.welcome.flags & (NEW_ACCOUNT | RESUMED), 0, "the token of before is dead")
    again.delivery(0)


def test_who_is_deleted_is_a_stranger_who_may_come_anew(appliance):
    alice, bob = appliance.online(), appliance.open()
    identity = alice.identity
    away = appliance.open(identity, device=2)
    away.close()
    waiting = bob.send(identity, b"waits", device=2)
    expect.equal(bob.status(waiting).kind, ACCEPTED)
    users(appliance, "delete", identity.user)
    expect.fatal(alice, 6)
    answer = bob.status(waiting, REJECTED)
    expect.equal(answer.reason, 1, "what waited is rejected, unknown user")
    answer = bob.status(bob.send(identity, b"too late"))
    expect.equal((answer.kind, answer.reason), (REJECTED, 1))
    again = appliance.open(identity)
    expect.equal(again.welcome.flags & NEW_ACCOUNT, NEW_ACCOUNT)
    reply, code = waxctl(appliance, "users", "delete", bytes(16).hex())
    expect.equal((reply["done"], code), (False, 1), "nobody's")


def test_accounts_are_listed(appliance):
    alice = appliance.open()
    listed, after = [], []
    while True:
        reply, code = waxctl(appliance, "users", "list", "--limit", "20", *after)
        expect.equal(code, 0)
        listed += [entry["user"] for entry in reply["users"]]
        if "next" not in reply:
            break
        after = ["--after", reply["next"]]
    expect.true(alice.user.hex() in listed, "who is here is listed")
    expect.equal(listed, sorted(set(listed)), "each once, in order")
