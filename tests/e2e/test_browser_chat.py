# SPDX-License-Identifier: BSD-3-Clause
"""The browser chat: two people in two windows of headless Chromium."""

import json
import subprocess
from pathlib import Path

import expect

PLAY = Path(__file__).with_name("browser_chat.mjs")
SECONDS = 180  # two windows of a browser on a busy machine


def test_two_people_in_two_windows(appliance):
    names = ("address", "port", "server_name", "ca")
    where = json.dumps(dict(zip(names, appliance.need(*names))))
    done = subprocess.run(["node", PLAY, where], capture_output=True, text=True, timeout=170, check=False)
    expect.equal(done.returncode, 0, done.stdout + done.stderr)
