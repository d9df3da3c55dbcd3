# SPDX-License-Identifier: BSD-3-Clause
"""
Suite crypto: what records and handshakes cost one core, by perf/micro/bench_crypto.c and bench_handshake.c, beside what
OpenSSL's own benchmark says of the same machine.
"""

import re
import tempfile
from pathlib import Path

from measure import build, run, run_json

PAIR = re.compile(r"(\d+)/(\d+)")
SPEED_SIZES = (64, 256, 1024, 16384)


def records(program, quick):
    """Nanoseconds to seal and to open, by backend and size."""
    text = run(["taskset", "-c", "0", program, "--rounds", 3 if quick else 15, "--states", 50000 if quick else 200000], 170)
    lines = text.splitlines()
    sizes = [int(word) for word in lines[0].split() if word.isdigit()]
    points, notes = [], {}
    for line in lines[1:]:
        pairs = PAIR.findall(line)
        if len(pairs) == len(sizes):
            backend = line[:44].strip()
            points += [{"backend": backend, "bytes": size, "seal_ns": int(seal), "open_ns": int(opened),
                        "records_per_s": round(1e9 / (int(seal) + int(opened)))} for size, (seal, opened) in zip(sizes, pairs)]
        elif ": " in line and line.endswith(" ns"):
            what, _, ns = line.rpartition(": ")
            notes[what] = int(ns.split()[0])
    return points, notes


def openssl_speed(quick):
    """OpenSSL's benchmark: bytes a second of AES-128-GCM, and operations a second of what a handshake does."""
    seconds = 1 if quick else 3
    found = {"aes_128_gcm_ns": {}}
    for size in SPEED_SIZES:
        text = run(["openssl", "speed", "-mr", "-seconds", seconds, "-evp", "aes-128-gcm", "-bytes", size], 60)
        rate = float(re.search(r"^\+F:\d+:AES-128-GCM:([\d.]+)", text, re.M).group(1))
        found["aes_128_gcm_ns"][str(size)] = round(size * 1e9 / rate)
    text = run(["openssl", "speed", "-mr", "-seconds", seconds, "ecdhx25519", "ecdsap256"], 60)
    found["x25519_us"] = round(1e6 / float(re.search(r"^\+F5:\d+:253:([\d.]+)", text, re.M).group(1)), 1)
    sign, verify = re.search(r"^\+F4:\d+:256:([\d.]+):([\d.]+)", text, re.M).groups()
    found["ecdsa_p256_sign_us"], found["ecdsa_p256_verify_us"] = round(1e6 / float(sign), 1), round(1e6 / float(verify), 1)
    return found


def handshakes(program, quick):
    """Of ours and of bare OpenSSL, with a key on P-256."""
    with tempfile.TemporaryDirectory(prefix="waxwire-perf-") as folder:
        key, certificate = Path(folder) / "key.pem", Path(folder) / "certificate.pem"
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
             "/CN=crypto.test", "-keyout", key, "-out", certificate], 20)
        return run_json([program, "--certificate", certificate, "--key", key, "--handshakes", 1600 if quick else 16000], 170)


def measure(options, measured):
    crypto, handshake = build("perf/micro/bench-crypto", "perf/micro/bench-handshake")
    points, notes = records(crypto, options.quick)
    speed, shaken = openssl_speed(options.quick), handshakes(handshake, options.quick)
    best = {p["bytes"]: p for p in points if p["backend"] == "tls_seal/tls_input"}
    measured.keys.update(points=points, cold=notes, openssl_speed=speed, handshake=shaken,
                         handshakes_per_s=round(1e6 / shaken["full_us"]), resumptions_per_s=round(1e6 / shaken["resumed_us"]),
                         ratio_to_bare=round(shaken["bare_full_us"] / shaken["full_us"], 3),
                         record_256_ns={"seal": best[256]["seal_ns"], "open": best[256]["open_ns"]})
    sizes = sorted(best)
    names = list(dict.fromkeys(p["backend"] for p in points))
    measured.table("nanoseconds to seal/open a record", ("bytes", *sizes),
                   [(name, *(next(f"{p['seal_ns']}/{p['open_ns']}" for p in points if (p["backend"], p["bytes"]) == (name, size))
                             for size in sizes)) for name in names])
    for what, ns in notes.items():
        measured.say(f"  {what}: {ns} ns")
    measured.table("a handshake on one core, microseconds of the server", ("", "ours", "bare OpenSSL", "to bare"), [
        ("full", shaken["full_us"], shaken["bare_full_us"], measured.keys["ratio_to_bare"]),
        ("resumed", shaken["resumed_us"], shaken["bare_resumed_us"], round(shaken["bare_resumed_us"] / shaken["resumed_us"], 3))])
    measured.say("  openssl speed: " + ", ".join(f"aes-128-gcm {size} B {ns} ns" for size, ns in speed["aes_128_gcm_ns"].items())
                 + f"; X25519 {speed['x25519_us']} us, ECDSA P-256 signs in {speed['ecdsa_p256_sign_us']} us")
