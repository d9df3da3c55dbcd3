# SPDX-License-Identifier: BSD-3-Clause
"""Holds waxproto.py, the client of these tests, to client/vectors.json. `vectors.py FILE`."""

import json
import sys
from pathlib import Path

import waxproto as w


def data(text):
    return bytes.fromhex(text)


MADE = {  # by a client
    "HELLO": lambda f: w.hello(data(f["account_key"]), f["device"], data(f["nonce"]), f["flags"], data(f["token"]), data(f["invite"])),
    "PROOF": lambda f: w.proof(data(f["signature"]), f["flags"]),
    "SEND": lambda f: w.send(data(f["user"]), f["device"], int(f["id"]), data(f["payload"]), f["flags"], f["ttl"]),
    "ACK": lambda f: w.ack(f["sequence"]),
    "KEYS_PUT": lambda f: w.keys_put(None, f["device"], data(f["bundle"]), [data(key) for key in f["keys"]], f["request"],
                                     bool(f["flags"]), data(f["signature"])),
    "KEYS_GET": lambda f: w.keys_get(data(f["user"]), f["device"], f["request"], bool(f["flags"])),
    "BLOCK": lambda f: w.block(f["what"], data(f["user"]), f["request"]),
    "DEVICE": lambda f: w.device(f["what"], f["device"], f["request"]),
}

READ = {  # by the relay: what the bytes must be read as
    "CHALLENGE": lambda f: w.Challenge(data(f["nonce"]), data(f["relay_id"]), int(f["time"])),
    "WELCOME": lambda f: w.Welcome(f["flags"], f["device"], f["largest"], int(f["time"]), data(f["user"]), f["window"], f["waiting"],
                                   f["heartbeat"], data(f["token"]), data(f["media_token"])),
    "DELIVER": lambda f: w.Deliver(f["flags"], f["device"], f["sequence"], int(f["id"]), data(f["user"]), int(f["taken"]),
                                   data(f["head"]), data(f["payload"])),
    "STATUS": lambda f: [w.Entry(e["kind"], e["reason"], e["device"], int(e["id"]), data(e["user"])) for e in f["entries"]],
    "ERROR": lambda f: w.Error(f["code"], f["request"], f["text"]),
    "OK": lambda f: w.Answer(w.OK, f["request"]),
    "KEYS_OK": lambda f: w.Answer(w.KEYS_OK, f["request"], device=f["device"], number=f["held"]),
    "KEYS": lambda f: w.Answer(w.KEYS, f["request"], flags=f["flags"], user=data(f["user"]), account_key=data(f["account_key"]), devices={
        d["device"]: (data(d["bundle"]), data(d["signature"]), data(d["key"])) for d in f["devices"]}),
    "KEYS_LOW": lambda f: w.Answer(w.KEYS_LOW, 0, device=f["device"], number=f["left"]),
    "DEVICES": lambda f: w.Answer(w.DEVICES, f["request"], devices={d["device"]: (d["flags"], int(d["last_seen"])) for d in f["devices"]}),
}


def check_frame(vector):
    """Whether this is a frame that waxproto.py knows; ends the program when it has it otherwise."""
    frame, fields = data(vector["bytes"]), vector["fields"]
    if vector["type"] in MADE:
        seen, wanted = MADE[vector["type"]](fields), frame
    elif vector["type"] in READ:
        seen, wanted = w.parse(frame), READ[vector["type"]](fields)
    else:
        return False
    if seen != wanted:
        sys.exit(f"{vector['name']}: {seen}, expected {wanted}")
    return True


def check_key(told):
    key = w.Identity(data(told["seed"]))
    if (key.key.hex(), key.user.hex()) != (told["account_key"], told["user"]):
        sys.exit(f"{told['name']}: another key or user id")
    return key


def main():
    vectors = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    keys = {told["name"]: check_key(told) for told in vectors["keys"]}
    known = {vector["type"] for vector in vectors["frames"] if check_frame(vector)}
    if known != {*MADE, *READ}:
        sys.exit(f"no vector for {sorted({*MADE, *READ} - known)}")
    for s in vectors["signatures"]:
        if s["name"] == "keys":
            continue
        text = w.proof_text(data(s["relay_id"]), data(s["relay_nonce"]), data(s["nonce"]), s["device"], data(s["binding"]))
        if (text.hex(), keys[s["key"]].sign(text).hex()) != (s["signed"], s["signature"]):
            sys.exit(f"{s['name']}: another signature")


if __name__ == "__main__":
    main()
