# SPDX-License-Identifier: BSD-3-Clause
"""perf/run: one suite, a table for people, one object of JSON for programs."""

import argparse
import json
import time

import suite_crypto
import suite_directory
import suite_fanout
import suite_flood
import suite_idle
import suite_latency
import suite_media
import suite_peers
import suite_relay
import suite_restart
import suite_scale
import suite_store
import suite_storm
import suite_tcp
from measure import Failed, Measured, machine, version

SUITES = {
    "crypto": (suite_crypto.measure, "records and handshakes on one core, beside openssl speed"),
    "directory": (suite_directory.measure, "the directory of 10,000,000 accounts: its opening, look-ups, one-time keys"),
    "fanout": (suite_fanout.measure, "messages to groups of 256 and 1,024"),
    "flood": (suite_flood.measure, "sessions relay while SYNs, ACKs, RSTs and garbage pour in"),
    "idle": (suite_idle.measure, "sessions that do nothing: their memory, and the relay among them"),
    "latency": (suite_latency.measure, "how long a message takes at 10, 50 and 90 % of the highest rate without loss"),
    "media": (suite_media.measure, "blobs up and down, slow readers of a large one, and the relay beside them"),
    "peers": (suite_peers.measure, "the same relaying on mosquitto, nats-server and ejabberd, and here"),
    "relay": (suite_relay.measure, "messages' whole cycles: what one costs a worker, in pairs and at random"),
    "restart": (suite_restart.measure, "the data plane is killed, and all sessions come back at once"),
    "scale": (suite_scale.measure, "cost by the number of sessions and of workers, and a model of a large machine"),
    "store": (suite_store.measure, "messages made durable: the mailbox store beside LMDB, RocksDB, SQLite"),
    "storm": (suite_storm.measure, "sessions relay while others connect, log in and leave as fast as they can"),
    "tcp": (suite_tcp.measure, "the TCP engine alone: two of them back to back"),
}

EPILOG = "suites:\n" + "\n".join(f"  {name:10} {text}" for name, (_, text) in SUITES.items()) + """

A suite fails when something is lost, reordered or wrong, never because a figure is low. Figures belong to
the machine they were measured on: compare ratios. A figure that can't be measured is null in the JSON, and
its reason stands under "reasons"."""


def parse(arguments):
    parser = argparse.ArgumentParser(prog="perf/run", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", choices=sorted(SUITES), metavar="SUITE", help="what to measure")
    parser.add_argument("--quick", action="store_true", help="end within 50 s, with rougher figures")
    parser.add_argument("--json", metavar="FILE", help="write one JSON object there (-: to standard output)")
    parser.add_argument("--workers", metavar="N", type=int, default=1, help="of the appliance, where there is one")
    parser.add_argument("--sessions", metavar="N", type=int, help="idle: how many (50,000 with --quick, else 1,000,000);"
                        " restart: 3,000 or 100,000")
    options = parser.parse_args(arguments)
    if options.sessions is not None and not 2000 <= options.sessions <= 4000000:
        parser.error("--sessions: 2000 to 4000000")
    if not 1 <= options.workers <= 64:
        parser.error("--workers: 1 to 64")
    return options


def write(options, measured, seconds):
    report = {"suite": options.suite, "version": version(), "machine": machine(), "quick": options.quick,
              "seconds": round(seconds, 1), "errors": measured.errors, **measured.keys, "reasons": measured.reasons}
    text = json.dumps(report, indent=2) + "\n"
    if options.json == "-":
        print(text, end="")
    elif options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            file.write(text)


def main(arguments):
    options = parse(arguments)
    measured = Measured(quiet=options.json == "-")
    began = time.monotonic()
    try:
        SUITES[options.suite][0](options, measured)
    except Failed as failed:
        measured.errors.append(str(failed))
    write(options, measured, time.monotonic() - began)
    for error in measured.errors:
        measured.say(f"✗ {error}")
    return 1 if measured.errors else 0
