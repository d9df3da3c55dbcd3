#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The parts of perf/ that measure nothing: the page of perf/report, percentiles, and the peers' client on cut frames."""

import json
import struct
import sys
import tempfile
import unittest
import xml.dom.minidom
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "perf/suites"))
sys.dont_write_bytecode = True

import latency  # noqa: E402
import model  # noqa: E402
import page  # noqa: E402
import peer_clients  # noqa: E402
import plots  # noqa: E402

MACHINE = {"cpu": "a <cpu>", "cores": 2, "memory_mib": 4096, "kernel": "6"}


def suite(name, **keys):
    return {"suite": name, "version": "v", "machine": MACHINE, "seconds": 1, "errors": [], **keys}


def point(**keys):
    return {"sessions": 1000, "matrix": "pairs", "window": 64, "payload": 128, "silent": False, "worker_busy_ns_per_message": 800.0,
            "no_loss_per_s": 900000, "mean_burst": 9.5, "packets_in_per_message": 0.15, "packets_out_per_message": 0.2, **keys}


class Page(unittest.TestCase):
    def make(self, *suites):
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for i, one in enumerate(suites):
                files.append(Path(folder) / f"{i}.json")
                files[-1].write_text(json.dumps(one))
            out = Path(folder) / "page.html"
            self.assertEqual(page.main([*map(str, files), "-o", str(out)]), 0)
            return out.read_text()

    def test_aims_are_judged(self):
        html = self.make(suite("relay", sessions=10000, payload=128, points=[point()], headline_capacity_per_core=2000000,
                               uniform_capacity_per_core=100000))
        self.assertIn('2.00 M</td><td>1.50 M</td><td><span class=met>met', html)
        self.assertIn('100 k</td><td>700 k</td><td><span class=missed>not met', html)
        self.assertIn("not measured", html)
        self.assertIn("a &lt;cpu&gt;", html)
        self.assertNotIn("http", html.replace("viewport", ""), "nothing comes from outside")

    def test_later_files_win_and_errors_are_shown(self):
        html = self.make(suite("flood", errors=["lost 1"]), suite("flood", errors=["lost 2"]))
        self.assertIn("lost 2", html)
        self.assertNotIn("lost 1", html)

    def test_what_is_no_report_is_refused(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write('{"ok": true}')
            file.flush()
            stderr, sys.stderr = sys.stderr, open("/dev/null", "w", encoding="utf-8")
            try:
                self.assertEqual(page.main([file.name, "-o", "/nonexistent/page"]), 1)
            finally:
                sys.stderr.close()
                sys.stderr = stderr

    def test_plots_are_sound(self):
        for figure in (plots.bars("b & c", [("x", 3, 4, "ours"), ("y", None, None, "ours")], "u"),
                       plots.stacked("s", [("r", {"a": 1, "b": 99})], "u"),
                       plots.lines("l", [("p", [(1000, 5.0), (100000, 80.0)])], "x", "y")):
            xml.dom.minidom.parseString(figure)

    def test_model_takes_the_least_limit(self):
        found = model.large_machine([point(), point(sessions=10, worker_busy_ns_per_message=1)], [{"ring_items_per_message": 4}])
        self.assertEqual(len(found["stages"]), 1, "of the most sessions only")
        stage = found["stages"][0]
        self.assertEqual(stage["limited_by"], "workers")
        self.assertEqual(stage["messages_per_s"], min(stage["limits"].values()))
        self.assertAlmostEqual(stage["ns_with_hops"], 800 + 4 * 23 / 24 * model.HOP_NS, places=0)


class Latency(unittest.TestCase):
    def test_percentiles_are_of_what_came_between(self):
        before = [{"latency_buckets": [[5, 100]]}]
        after = [{"latency_buckets": [[5, 100], [50, 98], [63, 2]]}]
        found = latency.between(before, after)
        self.assertEqual((found["count"], found["p50_us"], found["p999_us"]), (100, 0.05, 0.06))


class Cut(peer_clients.Waxwire):
    def __init__(self):  # without a socket
        self.buffer, self.out = b"", []


class PeerClient(unittest.TestCase):
    def test_frames_may_be_cut_anywhere(self):
        text = b"".join(struct.pack(">BB", 0x82, len(some)) + some for some in (b"a", b"bc" * 40))
        text += struct.pack(">BBH", 0x82, 126, 300) + b"d" * 300 + struct.pack(">BB", 0x89, 2) + b"hi"
        for step in (1, 2, 3, 7, 1000):
            link, got = Cut(), []
            for at in range(0, len(text), step):
                got += link.messages(text[at:at + step])
            self.assertEqual(got, [b"a", b"bc" * 40, b"d" * 300], f"{step} bytes at a time")
            self.assertEqual(link.out, [struct.pack(">BBI", 0x8A, 0x82, 0) + b"hi"], "the ping is answered")

    def test_frames_of_a_client_are_masked(self):
        for size in (0, 125, 126, 5000):
            frame = peer_clients.websocket(b"x" * size)
            self.assertEqual(frame[0], 0x82)
            self.assertTrue(frame[1] & 0x80)
            self.assertTrue(frame.endswith(b"x" * size))
            self.assertEqual(len(frame), size + (6 if size < 126 else 8))


if __name__ == "__main__":
    unittest.main()
