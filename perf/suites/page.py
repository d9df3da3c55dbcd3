# SPDX-License-Identifier: BSD-3-Clause
"""perf/report: what the suites found, as one page of HTML that needs nothing else."""

import argparse
import json
import sys
from html import escape
from pathlib import Path

import plots

STYLE = """
:root { --paper: #fbfaf7; --ink: #1c2024; --soft: #667079; --line: #d9dcd8; --card: #fff; --a: #0b6e68; --aim: #c2410c;
  --c0: #0b6e68; --c1: #d97706; --c2: #4f6bd8; --c3: #b4427c; --c4: #5b8c2a; --c5: #8a5cc2; --c6: #c9a227; --c7: #3893b8; --c8: #a05a3c; --c9: #7c8590; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181b; --ink: #e8ebe9; --soft: #97a1a8; --line: #30383d; --card: #1b2125; --a: #35b3a8;
  --aim: #fb923c; --c0: #35b3a8; --c1: #f0a63c; --c2: #8aa0f5; --c3: #e07fb0; --c4: #8fc653; --c5: #b692e8; --c6: #e6c755; --c7: #6cc0e0;
  --c8: #d08c6a; --c9: #9aa4ad; } }
* { box-sizing: border-box } body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
main { max-width: 860px; margin: 0 auto; padding: 40px 24px 80px } h1 { font-size: 30px; margin: 0 0 4px; letter-spacing: -.01em }
h2 { font-size: 21px; margin: 52px 0 10px; border-top: 1px solid var(--line); padding-top: 26px } h3 { font-size: 15px; margin: 0 0 12px; font-weight: 600 }
p { margin: 8px 0 } .soft, figcaption { color: var(--soft); font-size: 14px } figure { margin: 18px 0; padding: 18px; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px } svg { width: 100%; height: auto; display: block; font: 13px system-ui, sans-serif }
figcaption { margin-top: 10px } text { fill: var(--ink) } text.key { fill: var(--soft); font-size: 12px } text.value { font-weight: 600; font-variant-numeric: tabular-nums }
text.inside { fill: var(--paper); font-size: 11px } .ours { fill: var(--a) } .theirs { fill: var(--c9) } .aim { stroke: var(--aim); stroke-width: 2; fill: none }
.grid { stroke: var(--line); fill: none } .line { fill: none; stroke-width: 2 } table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums }
td, th { padding: 6px 10px; border-bottom: 1px solid var(--line); text-align: right } td:first-child, th:first-child { text-align: left } th { color: var(--soft); font-weight: 500 }
.met { color: var(--a); font-weight: 600 } .missed { color: var(--aim); font-weight: 600 } details { margin: 10px 0 } pre { overflow: auto; font-size: 12px; max-height: 420px;
  background: var(--card); border: 1px solid var(--line); padding: 12px; border-radius: 8px } .wide { overflow-x: auto }
""" + "".join(f".c{i} {{ fill: var(--c{i}) }} .l{i} {{ stroke: var(--c{i}) }} " for i in range(10))

# What is aimed at: suite, key, words, aim, whether more is better.
AIMS = (
    ("relay", ("headline_capacity_per_core",), "full cycles a second on a core: 10,000 sessions in pairs, window 64", 1.5e6, True),
    ("relay", ("uniform_capacity_per_core",), "the same, recipients at random", 700e3, True),
    ("relay", ("unbatched_capacity_per_core",), "in pairs, window 1", 600e3, True),
    ("relay", ("silent_capacity_per_core",), "forwarding alone (silent)", 4e6, True),
    ("scale", ("growth", "pairs, window 64"), "growth of cost, 1,000 to the most sessions, window 64", 1.5, False),
    ("scale", ("growth", "pairs, window 1"), "the same, window 1", 1.5, False),
    ("latency", ("p50_us", "50%"), "latency inside at half of the rate without loss, p50, µs", 15, False),
    ("latency", ("p99_us", "50%"), "the same, p99, µs", 60, False),
    ("peers", ("ratio_cpu_window_1",), "processor of the best peer to ours, window 1", 10, True),
    ("peers", ("ratio_cpu_window_64",), "the same, window 64", 10, True),
    ("peers", ("ratio_memory",), "memory of the best peer's idle session to ours", 15, True),
    ("fanout", ("capacity_deliveries_per_core",), "acknowledged deliveries to groups a second on a core", 1.5e6, True),
    ("directory", ("look_ups_per_cpu_s",), "look-ups a second in a directory of 10,000,000 accounts, on a core", 1e5, True),
)


def value_of(suites, suite, keys):
    found = suites.get(suite)
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def table(head, rows):
    cells = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class=wide><table><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>{cells}</table></div>"


def summary(suites):
    rows = []
    for suite, keys, words, aim, more in AIMS:
        value = value_of(suites, suite, keys)
        if value is None:
            rows.append((words, "not measured", plots.number(aim), ""))
            continue
        met = value >= aim if more else value <= aim
        rows.append((words, plots.number(value), plots.number(aim), f'<span class={"met" if met else "missed"}>{"met" if met else "not met"}</span>'))
    return "<h2>Against the aims</h2>" + table(("", "measured", "aim", ""), rows)


def relay(s):
    aims = dict(zip(("headline_capacity_per_core", "uniform_capacity_per_core", "unbatched_capacity_per_core", "silent_capacity_per_core"),
                    (("pairs, window 64", 1.5e6), ("at random, window 64", 7e5), ("pairs, window 1", 6e5), ("silent", 4e6))))
    out = plots.bars("Messages a second that one core has time for", [(name, s.get(key), aim, "ours") for key, (name, aim) in aims.items()], "/s",
                     f"{s['sessions']:,} sessions, {s['payload']} B, TLS 1.3, every id and payload checked. The mark is the aim. Busy time at 90 % of the highest rate without loss.")
    parts = {title: {part: ns for part, ns in found.items() if part != "all" and not part.startswith(" ") and ns > 0}
             for title, found in (s.get("breakdown") or {}).items()}
    if parts:
        out += plots.stacked("Where a message's time goes", list(parts.items()), "ns", "Samples of the worker's thread by library.")
    return out + table(("sessions, recipients", "ns", "without loss /s", "burst", "packets in, out", "p50 µs", "p99 µs"),
                       [(f"{p['sessions']:,} {p['matrix']}, window {p['window']}{', silent' if p['silent'] else ''}", p["worker_busy_ns_per_message"],
                         f"{p['no_loss_per_s']:,}", p["mean_burst"], f"{p['packets_in_per_message']}, {p['packets_out_per_message']}",
                         p.get("inside_p50_us"), p.get("inside_p99_us")) for p in s["points"]])


def latency(s):
    series = [(name.split("_")[0], [(p["messages_per_s"], p[f"inside_{name}"]) for p in s["loads"]]) for name in ("p50_us", "p99_us", "p999_us")]
    return plots.lines("Latency inside the appliance by load", series, "messages a second", "µs",
                       "From the poll of a SEND's packet to the hand-over of its DELIVER, at 10, 50 and 90 % of the highest rate without loss.")


def scale(s):
    series = {}
    for p in s["points"]:
        series.setdefault(f"{p['matrix']}, window {p['window']}", []).append((p["sessions"], p["worker_busy_ns_per_message"]))
    m = s["model"]
    rows = [(stage["traffic"], stage["measured_ns"], stage["ns_with_hops"], *(plots.number(stage["limits"][n]) for n in ("workers", "line", "packets")),
             f"<b>{plots.number(stage['messages_per_s'])}</b>") for stage in m["stages"]]
    return (plots.lines("Cost of a message by the number of sessions", list(series.items()), "sessions", "ns")
            + f"<h3>A model: {m['cores']} cores, 100 Gbit/s, messages a second</h3>"
            + table(("traffic", "measured ns", "with hops", "workers allow", "line allows", "packets allow", "so"), rows)
            + "<ul class=soft>" + "".join(f"<li>{escape(words)}</li>" for words in m["assumptions"]) + "</ul>")


def peers(s):
    found = {**{name: one for name, one in s["peers"].items() if one}, "waxwire": s["waxwire"]}
    out = ""
    for at, window in enumerate((1, 64)):
        out += plots.bars(f"Server's processor time for an acknowledged message, window {window}",
                          [(name, one["points"][at]["cpu_us_per_message"], None, "ours" if name == "waxwire" else "theirs") for name, one in found.items()], "µs",
                          "The same client on kernel sockets for all, WebSocket and TLS 1.3, 128 B. Less is better.")
    return out + plots.bars("Memory of an idle session over TLS", [(name, one["bytes_per_idle_session"], None, "ours" if name == "waxwire" else "theirs")
                                                                  for name, one in found.items() if one["bytes_per_idle_session"] > 0], "B",
                            "Without the kernel's socket memory, which waxwire doesn't use.")


def idle(s):
    return plots.stacked(f"An idle session in the data plane, at {s['sessions']:,}", [("its own account", s["parts"])], "B",
                         f"Measured, both processes: {s['bytes_per_session']} B. Opened at {s['opened_per_s']:,.0f} a second.")


def fanout(s):
    return plots.bars("Acknowledged deliveries to groups that one core has time for", [(f"groups of {p['group']:,}", p["capacity_deliveries_per_core"], 1.5e6, "ours")
                                                                                      for p in s["points"]], "/s")


def crypto(s):
    wanted = ("tls_seal/tls_input", "openssl aes-128-gcm", "libsodium chacha20-poly1305")
    series = [(name, [(p["bytes"], p["seal_ns"]) for p in s["points"] if p["backend"] == name]) for name in wanted]
    return plots.lines("Sealing a record", [one for one in series if one[1]], "bytes", "ns")


def store(s):
    names = (("waxwire", "stored_per_s", "ours"), ("RocksDB", "rocksdb_stored_per_s", "theirs"), ("LMDB", "lmdb_stored_per_s", "theirs"))
    return plots.bars("Messages made durable a second, the same durability", [(name, s.get(key), None, kind) for name, key, kind in names], "/s")


SECTIONS = {"relay": ("Relaying", relay), "latency": ("Latency", latency), "scale": ("Scale", scale), "peers": ("Beside others", peers),
            "idle": ("Memory", idle), "fanout": ("Groups", fanout), "crypto": ("Cryptography", crypto), "store": ("The store", store)}


def page(suites):
    first = next(iter(suites.values()))
    machine = first["machine"]
    body = [f"<h1>waxwire: what it costs</h1><p class=soft>{escape(machine['cpu'])}, {machine['cores']} cores, {machine['memory_mib'] >> 10} GiB, "
            f"Linux {escape(machine['kernel'])}; version {escape(first['version'])}. Figures belong to this machine: compare ratios.</p>", summary(suites)]
    for suite in sorted(suites, key=lambda name: list(SECTIONS).index(name) if name in SECTIONS else 99):
        s = suites[suite]
        title, draw = SECTIONS.get(suite, (f"Suite {suite}", None))
        body.append(f"<h2>{escape(title)}</h2>")
        if s["errors"]:
            body.append(f"<p class=missed>{escape('; '.join(map(str, s['errors'])))}</p>")
        try:
            body.append(draw(s) if draw else "")
        except (KeyError, TypeError, ValueError) as error:  # of a run that ended early
            body.append(f"<p class=soft>Nothing to draw: {escape(repr(error))}</p>")
        body.append(f"<details><summary class=soft>perf/run {suite}{' --quick' if s.get('quick') else ''}, {s['version']}, {s['seconds']} s: all figures</summary>"
                    f"<pre>{escape(json.dumps(s, indent=1))}</pre></details>")
    return ("<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width, initial-scale=1'>"
            f"<title>waxwire: what it costs</title><style>{STYLE}</style><main>{''.join(body)}</main></html>\n")


def read(paths):
    """The suites of the files; of a suite that is there twice, the later file."""
    suites = {}
    for path in paths:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(found, dict) or "suite" not in found or "machine" not in found:
            raise ValueError(f"{path}: not a JSON of perf/run")
        suites[found["suite"]] = found
    return suites


def main(arguments):
    parser = argparse.ArgumentParser(prog="perf/report", description="One page of HTML, with plots, from the JSON files of perf/run.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="written by perf/run SUITE --json FILE")
    parser.add_argument("-o", "--output", metavar="PAGE", default="report.html", help="where it goes (report.html)")
    options = parser.parse_args(arguments)
    try:
        suites = read(options.files)
    except (OSError, ValueError) as error:
        print(f"perf/report: {error}", file=sys.stderr)
        return 1
    Path(options.output).write_text(page(suites), encoding="utf-8")
    print(f"{options.output}: {', '.join(suites)}")
    return 0
