# SPDX-License-Identifier: BSD-3-Clause
"""The JavaScript client library: each scene of javascript.mjs in Node, and a page in Chromium."""

import functools
import json
import subprocess
from pathlib import Path

import bridges
import expect

SECONDS = 150  # all scenes on a busy machine
SCENES = Path(__file__).with_name("javascript.mjs")
LIBRARY = Path(__file__).resolve().parents[2] / "client/js"

# The page runs twice: the second time it has only what IndexedDB kept.
PAGE = """<!doctype html><title>the library</title>
<script type="importmap">{"imports": {
    "#sodium": "/files/node_modules/libsodium-wrappers/dist/modules-esm/libsodium-wrappers.mjs",
    "libsodium": "/files/node_modules/libsodium/dist/modules-esm/libsodium.mjs"}}</script>
<script type="module">
const say = (what) => fetch("/said", {method: "POST", body: JSON.stringify(what)});
try {
    const w = await import("/files/src/index.js");
    const host = "%s", wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const kept = (name) => w.Identity.fromSeed(w.fromHex(localStorage[name] ??= w.toHex(crypto.getRandomValues(new Uint8Array(32)))));
    const made = async (name) => new w.Client({identity: await kept(name), connect: w.webSocket(`wss://${host}/v1/relay`),
        storage: new w.IndexedDbStorage(name), http: w.browserHttp, mediaUrl: `https://${host}/v1/media`});
    const alice = await made("alice"), bob = await made("bob"), got = [], opens = [];
    bob.on("message", (message) => { got.push(w.textOf(message.payload)); });
    alice.on("open", (open) => { opens.push(open.resumed); });
    if (sessionStorage.again === undefined) {
        await Promise.all([alice.start(), bob.start()]);
        await Promise.all([alice.opened(), bob.opened()]);
        await alice.putKeys(w.utf8("bundle"));
        const keys = w.textOf((await bob.getKeys(alice.user)).devices[0].bundle);
        for (const text of ["one", "two"]) await (await alice.send({user: bob.user}, w.utf8(text))).answered;
        const photo = crypto.getRandomValues(new Uint8Array(60000)), {sealed, key, hash} = w.sealMedia(photo), steps = [];
        const {id} = await alice.upload(sealed, {onProgress: (done) => steps.push(done)});
        const same = w.sameBytes(w.openMedia(await bob.download(id), key, hash), photo);
        await bob.close();
        await alice.close();
        await wait(50);
        const later = await made("alice");
        await later.storage.open();
        later.running = true;
        await later.send({user: bob.user}, w.utf8("kept in the browser"));
        await say({first: got, keys, same, progress: steps.at(-1) === sealed.length});
        sessionStorage.again = "yes";
        location.reload();
    } else {
        await bob.start();
        await alice.start();
        await alice.drained();
        for (let n = 0; n < 500 && got.length === 0; n++) await wait(10);
        await say({second: got, resumed: opens});
    }
} catch (error) {
    await say({error: `${error.stack}`});
}
</script>"""


@functools.cache
def played(where):
    """What each scene told. All of them are played at once: a start of Node costs more than most of them."""
    done = subprocess.run(["node", SCENES, where], capture_output=True, text=True, timeout=140, check=False)
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"scene"')]
    return {each["scene"]: each["failed"] for each in told}, done.stdout + done.stderr


def where_of(appliance):
    names = ("address", "port", "server_name", "ca")
    return json.dumps(dict(zip(names, appliance.need(*names))))


def play(appliance, scene):
    told, output = played(where_of(appliance))
    expect.true(scene in told, f"{scene} was played\n{output}")
    expect.equal(told[scene], None, scene)


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


def test_a_message_to_many_and_who_has_read_it(appliance):
    play(appliance, "a message to many, each with its own head; and who has read it")


def test_a_device_is_removed_and_an_account_deleted(appliance):
    play(appliance, "a device is removed; an account is deleted, and made anew")


def test_a_sealed_photo(appliance):
    play(appliance, "a sealed photo goes up and down, with progress")


def test_a_page_in_chromium(appliance):
    page = bridges.Chromium(appliance.where, PAGE % f"{appliance.where['server_name']}:{appliance.where['port']}", LIBRARY)
    try:
        expect.equal(page.opened, {"first": ["one", "two"], "keys": "bundle", "same": True, "progress": True})
        expect.equal(page.next(20), {"second": ["kept in the browser"], "resumed": [True]})
    finally:
        page.cut()


def test_every_scene_is_looked_at(appliance):
    told, _ = played(where_of(appliance))
    looked_at = Path(__file__).read_text(encoding="utf-8")
    expect.equal([scene for scene in told if f'"{scene}"' not in looked_at], [])
