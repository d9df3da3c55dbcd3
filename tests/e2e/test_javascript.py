# SPDX-License-Identifier: BSD-3-Clause
"""The JavaScript client library in Node: each scene of javascript.mjs."""

import json
import subprocess
from pathlib import Path

import expect

SCENES = Path(__file__).with_name("javascript.mjs")


def play(appliance, scene):
    names = ("address", "port", "server_name", "ca")
    where = json.dumps(dict(zip(names, appliance.need(*names))))
    done = subprocess.run(["node", SCENES, where, scene], capture_output=True, text=True, timeout=50, check=False)
    expect.equal(done.returncode, 0, f"{scene}\n{done.stdout}{done.stderr}")


def test_a_session_by_proof_then_by_token(appliance):
    play(appliance, "a session by proof with channel binding, then by the token")


def test_messages_both_ways(appliance):
    play(appliance, "messages both ways, in order, each answered")


def test_messages_for_who_is_offline(appliance):
    play(appliance, "who is offline finds the messages later, and the sender hears of it")


def test_connections_that_break(appliance):
    play(appliance, "connections that break in the middle lose, double and reorder nothing")


def test_ephemeral_messages_refusals_and_displacement(appliance):
    play(appliance, "ephemeral messages, refusals, and a second session of the same device")


def test_keys_devices_and_blocks(appliance):
    play(appliance, "keys: published, got and checked, each one-time key once; devices; blocks")


def test_a_sealed_photo(appliance):
    play(appliance, "a sealed photo goes up and down, with progress")


def test_every_scene_is_played(_appliance):
    done = subprocess.run(["node", SCENES, '{"ca": "/dev/null"}', "--list"], capture_output=True, text=True, check=True)
    played = Path(__file__).read_text(encoding="utf-8")
    expect.equal([scene for scene in json.loads(done.stdout) if f'"{scene}"' not in played], [])
