# SPDX-License-Identifier: BSD-3-Clause
"""Finds the tests of this folder, goes into the clients' network namespace, and runs them one by one."""

import argparse
import importlib
import inspect
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENTERED = "WAXWIRE_E2E_ENTERED"
TEST_SECONDS = 60  # a file of tests may name its own SECONDS


class Skip(Exception):
    """The appliance lacks what a test needs."""


class TooLong(Exception):
    """A test has run out of time."""


class Appliance:
    """Where the appliance is, and the sessions that a test has opened with it."""

    def __init__(self, where):
        self.where = {"literal": where["address"], **where}
        self.sessions = []

    def session(self, identity=None, device=1, auto_ack=True, plain=False, by_hand=False):
        """A session that has not said HELLO yet, over python3-websockets unless `by_hand`."""
        from transports import ByHand, Library
        from waxproto import Identity, Session
        transport = (ByHand if by_hand else Library)(self.where, plain)
        session = Session(transport, identity or Identity(), device, auto_ack)
        self.sessions.append(session)
        session.peers = self.sessions
        return session

    def open(self, identity=None, device=1, flags=0, token=b"", **options):
        """A session that is open."""
        return self.session(identity, device, **options).open(flags, token)

    def online(self, *arguments, **options):
        """A session that is open, and to which messages are delivered directly."""
        return self.open(*arguments, **options).settle()

    def web_socket(self, plain=True):
        """A WebSocket by hand, without a session; plain, for that is quicker."""
        from transports import ByHand
        return ByHand(self.where, plain)

    def known(self, device=1):
        """An identity that the relay knows, and that has no session now."""
        session = self.open(device=device)
        session.close()
        self.sessions.remove(session)
        return session.identity

    def over_ip6(self):
        """The same appliance by its IPv6 address; its sessions end with ours."""
        (address,) = self.need("address6")
        other = Appliance({**self.where, "address": address, "literal": f"[{address}]"})
        other.sessions = self.sessions
        return other

    def need(self, *names):
        """The values of `where` for those names; skips the test when one is missing."""
        missing = [name for name in names if self.where.get(name) is None]
        if missing:
            raise Skip(f"the appliance's JSON has no {', '.join(missing)}")
        return [self.where[name] for name in names]

    def end_sessions(self):
        for session in self.sessions:
            try:
                session.cut()
            except Exception:  # noqa: BLE001: it has ended already
                pass
        self.sessions = []


def tests(kind):
    """(name, function) of all tests in files KIND_*.py, in the order they are written."""
    sys.path.insert(0, str(HERE))
    found = []
    for path in sorted(HERE.glob(f"{kind}_*.py")):
        module = importlib.import_module(path.stem)
        area = path.stem.removeprefix(f"{kind}_")
        functions = [f for name, f in inspect.getmembers(module, inspect.isfunction)
                     if name.startswith("test_") and f.__module__ == path.stem]
        functions.sort(key=lambda f: f.__code__.co_firstlineno)
        found += [(f"{area}: {f.__name__.removeprefix('test_').replace('_', ' ')}", f) for f in functions]
    return found


def on_alarm(number, stack):
    raise TooLong("not done in time")


def told():
    """The exception at hand: what it says, and our lines on the way to it."""
    kind, error, where = sys.exc_info()
    lines = [f"{Path(f.filename).name}:{f.lineno}: {f.line}" for f in traceback.extract_tb(where)
             if Path(f.filename).parent == HERE and Path(f.filename).name != "harness.py"]
    return "\n".join([*lines, f"{kind.__name__}: {error}"])


def run_one(name, function, appliance):
    """'ok', 'not ok' or 'skip'."""
    began = time.monotonic()
    signal.alarm(getattr(sys.modules[function.__module__], "SECONDS", TEST_SECONDS))
    try:
        function(appliance)
        outcome, words = "ok", ""
    except Skip as why:
        outcome, words = "skip", f" ({why})"
    except Exception:  # noqa: BLE001: whatever it is, the test has failed
        outcome, words = "not ok", ""
        trouble = told()
    finally:
        signal.alarm(0)
    print(f"{outcome} {name}{words} [{time.monotonic() - began:.2f} s]", flush=True)
    if outcome == "not ok":
        print("    " + trouble.replace("\n", "\n    ").rstrip(), flush=True)
    appliance.end_sessions()
    return outcome


def enter(namespace, where_file):
    """Runs this program again inside the clients' network namespace."""
    command = ["ip", "netns", "exec", namespace, sys.executable, __file__, *sys.argv[1:]]
    return subprocess.run(command, env={**os.environ, ENTERED: "1"}, check=False).returncode


def main():
    parser = argparse.ArgumentParser(prog="tests/e2e/run", description=__doc__)
    parser.add_argument("--json", metavar="FILE", required=True,
                        help="where the appliance is: the output of `deploy/quickstart --serve --json`")
    parser.add_argument("--list", action="store_true", help="only name the tests")
    parser.add_argument("--kind", default="test",
                        help="of tests: test (the default), scan, which take long, or operator, which need DPDK's tools let in")
    parser.add_argument("names", nargs="*", help="only tests whose names hold one of these")
    options = parser.parse_args()
    where = json.loads(Path(options.json).read_text())
    if where.get("namespace") and ENTERED not in os.environ and not options.list:
        return enter(where["namespace"], options.json)
    chosen = [(name, f) for name, f in tests(options.kind) if not options.names or any(n in name for n in options.names)]
    if options.list:
        print("\n".join(name for name, _ in chosen))
        return 0
    signal.signal(signal.SIGALRM, on_alarm)
    appliance = Appliance(where)
    outcomes = [run_one(name, f, appliance) for name, f in chosen]
    passed, failed, skipped = (outcomes.count(kind) for kind in ("ok", "not ok", "skip"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
