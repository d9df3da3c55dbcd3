# SPDX-License-Identifier: BSD-3-Clause
"""Blobs of /v1/media: up, down, in part, while they still come, and everything that is refused."""

import base64
import hashlib
import http.client
import json
import os
import socket
import subprocess
import threading
import time

import expect
from test_restart import Killed, data_plane_killed
from transports import connect

PATH = "/v1/media"
MIB = 1 << 20


class Http:
    """A connection of Python's http.client, over TLS unless `plain`."""

    def __init__(self, appliance, plain=False, timeout=20):
        self.connection = http.client.HTTPConnection(appliance.where["server_name"])
        self.connection.sock = connect(appliance.where, plain)
        self.connection.sock.settimeout(timeout)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.connection.close()

    def ask(self, method, path, body=None, **fields):
        """The response, not read; underscores in the names of fields are hyphens."""
        self.connection.request(method, path, body, {k.replace("_", "-"): v for k, v in fields.items()},
                                encode_chunked="Transfer_Encoding" in fields)
        return self.connection.getresponse()

    def get(self, path, **fields):
        response = self.ask("GET", path, **fields)
        return response, response.read()


def bearer(session):
    return "Bearer " + session.welcome.media_token.decode()


def new_id():
    return base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")


def put(appliance, token, body, **fields):
    """The JSON of an upload that is taken."""
    with Http(appliance) as http_:
        response = http_.ask("PUT", PATH, body, Authorization=token, **fields)
        text = response.read()
        expect.equal(response.status, 201, text)
        return json.loads(text)


def code(appliance, method, path, body=None, **fields):
    """The status code of a request."""
    with Http(appliance) as http_:
        response = http_.ask(method, path, body, **fields)
        response.read()
        return response.status


def test_what_was_put_is_got(appliance):
    token, began = bearer(appliance.open()), time.time()
    for size in (0, 1, 1000, 16384, 65536, 65537, 3 * MIB + 1):
        body = os.urandom(size)
        created = put(appliance, token, body)
        expect.equal(created["size"], size)
        expect.equal(len(created["id"]), 43)
        expect.true(abs(created["expires"] - began - 30 * 86400) < 100, f"expires {created['expires']}")
        for plain in (False, True):
            with Http(appliance, plain) as http_:
                response, got = http_.get(f"{PATH}/{created['id']}")
                expect.equal(response.status, 200)
                expect.equal(response.getheader("Content-Length"), str(size))
                expect.equal(response.getheader("ETag"), f'"{created["id"]}"')
                expect.true(got == body, f"{size} bytes are the same")


def test_one_connection_does_it_all(appliance):
    token, body = bearer(appliance.open()), os.urandom(200000)
    with Http(appliance) as http_:
        for _ in range(5):
            response = http_.ask("PUT", PATH, body, Authorization=token)
            ident = json.loads(response.read())["id"]
            response, got = http_.get(f"{PATH}/{ident}")
            expect.true(got == body, "the same bytes")
            response = http_.ask("HEAD", f"{PATH}/{ident}")
            expect.equal((response.status, response.read()), (200, b""))
            expect.equal(response.getheader("Content-Length"), "200000")
            response = http_.ask("DELETE", f"{PATH}/{ident}", Authorization=token)
            expect.equal((response.status, response.read()), (204, b""))
    expect.equal(code(appliance, "GET", f"{PATH}/{ident}"), 404)


def test_chunks_and_an_id_of_ones_own(appliance):
    token, ident = bearer(appliance.open()), new_id()
    pieces = [os.urandom(n) for n in (1, 5000, 70000, 16384, 3)]
    created = put(appliance, token, iter(pieces), Waxwire_Id=ident, Waxwire_TTL="600", Transfer_Encoding="chunked")
    expect.equal((created["id"], created["size"]), (ident, sum(map(len, pieces))))
    expect.true(abs(created["expires"] - time.time() - 600) < 60, "in ten minutes")
    with Http(appliance) as http_:
        expect.true(http_.get(f"{PATH}/{ident}")[1] == b"".join(pieces), "the same bytes")


def test_parts(appliance):
    token, body = bearer(appliance.open()), os.urandom(100000)
    path = f"{PATH}/{put(appliance, token, body)['id']}"
    with Http(appliance) as http_:
        for field, first, last in (("bytes=0-0", 0, 0), ("bytes=500-999", 500, 999), ("bytes=99000-", 99000, 99999),
                                   ("bytes=-1", 99999, 99999), ("bytes=-200000", 0, 99999),
                                   ("bytes=7-2000000", 7, 99999)):
            response, got = http_.get(path, Range=field)
            expect.equal((response.status, response.getheader("Content-Range")),
                         (206, f"bytes {first}-{last}/100000"), field)
            expect.true(got == body[first:last + 1], field)
        for field in ("bytes=5-2", "lines=1-2", "bytes=0-1,5-6", "bytes=x-"):
            expect.equal(http_.get(path, Range=field)[0].status, 200, field)
    with Http(appliance) as http_:
        response, _ = http_.get(path, Range="bytes=100000-")
        expect.equal((response.status, response.getheader("Content-Range")), (416, "bytes */100000"))


def test_if_none_match(appliance):
    token = bearer(appliance.open())
    ident = put(appliance, token, b"x" * 1000)["id"]
    with Http(appliance) as http_:
        for tag in (f'"{ident}"', f'W/"{ident}"', f'"other", "{ident}"', "*"):
            response, got = http_.get(f"{PATH}/{ident}", If_None_Match=tag)
            expect.equal((response.status, got), (304, b""), tag)
        expect.equal(http_.get(f"{PATH}/{ident}", If_None_Match='"other"')[1], b"x" * 1000)


def test_if_range(appliance):
    token = bearer(appliance.open())
    ident = put(appliance, token, b"x" * 1000)["id"]
    with Http(appliance) as http_:
        expect.equal(http_.get(f"{PATH}/{ident}", Range="bytes=1-2", If_Range=f'"{ident}"')[0].status, 206)
        expect.equal(http_.get(f"{PATH}/{ident}", Range="bytes=1-2", If_Range='"other"')[0].status, 200)


def test_a_page_of_another_origin_may_do_all_this(appliance):
    """What a browser looks for, before the request and in its answer, a refusal's too."""
    with Http(appliance) as http_:
        response = http_.ask("OPTIONS", PATH, Origin="https://chat.example", Access_Control_Request_Method="PUT",
                             Access_Control_Request_Headers="authorization,waxwire-id")
        expect.equal((response.status, response.read()), (204, b""))
        expect.true("PUT" in response.getheader("Access-Control-Allow-Methods"), "PUT")
        for name in ("Authorization", "Waxwire-Id", "Waxwire-TTL", "Range"):
            expect.true(name in response.getheader("Access-Control-Allow-Headers"), name)
        for method, path in (("PUT", PATH), ("GET", f"{PATH}/{new_id()}"), ("POST", PATH)):
            with Http(appliance) as other:
                expect.equal(other.ask(method, path, b"").getheader("Access-Control-Allow-Origin"), "*", method)


def test_waxctl_tells_what_there_is(appliance):
    waxctl, admin = appliance.need("waxctl", "admin_socket")

    def ask(*more):
        return subprocess.run([waxctl, "--socket", admin, "media", *more], capture_output=True, text=True, check=True).stdout

    before = json.loads(ask("--json"))
    put(appliance, bearer(appliance.open()), b"x" * 1000)
    after = json.loads(ask("--json"))
    for key, more in (("blobs", 1), ("bytes", 1000), ("accounts", 1), ("uploads", 1), ("bytes_in", 1000)):
        expect.equal(after[key] - before[key], more, key)
    expect.true("4096.0 MiB for an account" in ask(), ask())


def test_refusals(appliance):
    alice, mallory = appliance.open(), appliance.open()
    token, ident = bearer(alice), new_id()
    put(appliance, token, b"hers", Waxwire_Id=ident)
    path = f"{PATH}/{ident}"
    flipped = token[:-20] + ("A" if token[-20] != "A" else "B") + token[-19:]
    for expected, method, where, fields in (
            (401, "PUT", PATH, {}), (401, "PUT", PATH, {"Authorization": "Bearer abc"}),
            (401, "PUT", PATH, {"Authorization": flipped}), (401, "DELETE", path, {}),
            (401, "PUT", PATH, {"Authorization": "Bearer " + alice.welcome.token.decode()}),
            (403, "DELETE", path, {"Authorization": bearer(mallory)}),
            (409, "PUT", PATH, {"Authorization": token, "Waxwire_Id": ident}),
            (409, "PUT", PATH, {"Authorization": bearer(mallory), "Waxwire_Id": ident}),
            (400, "PUT", PATH, {"Authorization": token, "Waxwire_Id": "short"}),
            (400, "PUT", PATH, {"Authorization": token, "Waxwire_TTL": "soon"}),
            (404, "GET", f"{PATH}/{new_id()}", {}), (404, "GET", f"{PATH}/../etc/passwd", {}),
            (404, "DELETE", f"{PATH}/{new_id()}", {"Authorization": token}),
            (405, "GET", PATH, {}), (405, "PUT", path, {"Authorization": token}), (405, "POST", PATH, {})):
        body = b"body" if method == "PUT" else None
        expect.equal(code(appliance, method, where, body, **fields), expected, f"{method} {where} {fields}")
    expect.equal(code(appliance, "GET", path), 200)


def test_curl_uploads_and_downloads(appliance):
    where, token = appliance.where, bearer(appliance.open())
    body = os.urandom(8 * MIB)
    base = ["curl", "--silent", "--show-error", "--max-time", "30", "--cacert", where["ca"], "--connect-to",
            f"{where['server_name']}:{where['port']}:{where['address']}:{where['port']}"]
    url = f"https://{where['server_name']}:{where['port']}{PATH}"
    for more in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]):
        up = subprocess.run([*base, *more, "-H", f"Authorization: {token}", "-T", "-", url], input=body,
                            capture_output=True, check=True)
        created = json.loads(up.stdout)
        expect.equal(created["size"], len(body))
        down = subprocess.run([*base, f"{url}/{created['id']}"], capture_output=True, check=True)
        expect.true(down.stdout == body, "the same bytes")


# ---- while it still comes

class Upload:
    """A PUT whose body is sent piece by piece; `announced` is None for chunks."""

    def __init__(self, appliance, token, announced, **fields):
        self.socket, self.chunked = connect(appliance.where), announced is None
        self.socket.settimeout(20)
        framing = "Transfer-Encoding: chunked" if self.chunked else f"Content-Length: {announced}"
        more = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in fields.items())
        self.socket.sendall(f"PUT {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n{more}{framing}\r\n\r\n".encode())

    def send(self, data):
        self.socket.sendall(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def end(self):
        """The status code of the reply, and its text."""
        if self.chunked:
            self.socket.sendall(b"0\r\n\r\n")
        response = http.client.HTTPResponse(self.socket, method="PUT")
        response.begin()
        text = response.read()
        self.socket.close()
        return response.status, text

    def cut(self):
        self.socket.close()


def until(appliance, method, path, expected, seconds=10, **fields):
    """A request again and again, until its code is the expected one."""
    end = time.monotonic() + seconds
    while (seen := code(appliance, method, path, **fields)) != expected:
        expect.true(time.monotonic() < end, f"{method} {path} is {expected} in time, not {seen}")
        time.sleep(0.05)


def test_a_running_upload_can_be_followed(appliance):
    token = bearer(appliance.open())
    for announced in (300000, None):
        ident, body = new_id(), os.urandom(300000)
        upload = Upload(appliance, token, announced, Waxwire_Id=ident)
        upload.send(body[:1000])
        until(appliance, "HEAD", f"{PATH}/{ident}", 200)
        with Http(appliance) as http_, Http(appliance, plain=True) as other:
            response, late = http_.ask("GET", f"{PATH}/{ident}"), other.ask("GET", f"{PATH}/{ident}")
            expect.equal((response.status, response.getheader("Content-Length")),
                         (200, str(announced) if announced else None))
            expect.true(response.read(1000) == body[:1000], "what has come is there at once")
            for at in range(1000, 250000, 24900):
                upload.send(body[at:at + 24900])
                expect.true(response.read(24900) == body[at:at + 24900], "and the rest as it comes")
            upload.send(body[250000:])
            expect.equal(upload.end()[0], 201)
            expect.true(response.read() == body[250000:], "to the end")
            expect.true(late.read() == body, "all of it, read late")
            expect.true(http_.get(f"{PATH}/{ident}")[1] == body, "and the connection goes on")


def test_who_follows_an_upload_that_breaks_off_is_not_told_that_it_was_all(appliance):
    token = bearer(appliance.open())
    for announced in (300000, None):
        ident = new_id()
        upload = Upload(appliance, token, announced, Waxwire_Id=ident)
        upload.send(b"x" * 100000)
        until(appliance, "HEAD", f"{PATH}/{ident}", 200)
        with Http(appliance) as http_:
            response = http_.ask("GET", f"{PATH}/{ident}")
            expect.equal(response.read(100000), b"x" * 100000)
            upload.cut()
            try:
                got = response.read()
                raise AssertionError(f"{len(got)} bytes more, and then an end as if that were all")
            except (http.client.IncompleteRead, ConnectionError, OSError):
                pass


def test_a_broken_upload_leaves_nothing(appliance):
    token, ident = bearer(appliance.open()), new_id()
    upload = Upload(appliance, token, 5 * MIB, Waxwire_Id=ident)
    upload.send(os.urandom(MIB))
    until(appliance, "HEAD", f"{PATH}/{ident}", 200)
    expect.equal(code(appliance, "PUT", PATH, b"too early", Authorization=token, Waxwire_Id=ident), 409)
    expect.equal(code(appliance, "DELETE", f"{PATH}/{ident}", Authorization=token), 409)
    upload.cut()
    until(appliance, "HEAD", f"{PATH}/{ident}", 404)
    expect.equal(put(appliance, token, b"anew", Waxwire_Id=ident)["size"], 4)


# ---- limits

def test_too_large(appliance):
    token = bearer(appliance.open())
    upload = Upload(appliance, token, (1 << 30) + 1)
    expect.equal(upload.end()[0], 413)
    upload = Upload(appliance, token, None)
    upload.socket.sendall(b"%x\r\n" % ((1 << 30) + 1))
    status = http.client.HTTPResponse(upload.socket, method="PUT")
    status.begin()
    expect.equal(status.status, 413)
    upload.cut()


def test_the_quota_of_an_account(appliance):
    """4 GiB by default: what is announced counts."""
    token, other = bearer(appliance.open()), bearer(appliance.open())
    running = [Upload(appliance, token, 1 << 30, Waxwire_Id=new_id()) for _ in range(4)]
    end = time.monotonic() + 10
    while (seen := code(appliance, "PUT", PATH, b"x", Authorization=token)) != 507:
        expect.equal(seen, 201)
        expect.true(time.monotonic() < end, "507 in time")
    upload = Upload(appliance, token, None)
    upload.send(b"y")
    expect.equal(upload.end()[0], 507)
    expect.equal(code(appliance, "PUT", PATH, b"x", Authorization=other), 201)
    for upload in running:
        upload.cut()
    end = time.monotonic() + 10
    while (seen := code(appliance, "PUT", PATH, b"x", Authorization=token)) != 201:
        expect.equal(seen, 507)
        expect.true(time.monotonic() < end, "201 in time")


def test_blobs_expire(appliance):
    token = bearer(appliance.open())
    ident = put(appliance, token, b"soon gone", Waxwire_TTL="2")["id"]
    expect.equal(code(appliance, "GET", f"{PATH}/{ident}"), 200)
    until(appliance, "GET", f"{PATH}/{ident}", 404, 6)


# ---- either process killed

def test_the_control_plane_killed_amid_an_upload(appliance):
    session = appliance.open()
    token, ident, kept = bearer(session), new_id(), os.urandom(3 * MIB)
    whole = put(appliance, token, kept)["id"]
    upload = Upload(appliance, token, 64 * MIB, Waxwire_Id=ident)
    upload.send(os.urandom(2 * MIB))
    until(appliance, "HEAD", f"{PATH}/{ident}", 200)
    with Http(appliance) as http_:
        response = http_.ask("GET", f"{PATH}/{ident}")
        response.read(MIB)
        with Killed(appliance):
            expect.equal(upload.end()[0], 503)
            expect.equal(code(appliance, "GET", f"{PATH}/{whole}"), 503)
            try:
                response.read()
                raise AssertionError("half of a blob is told for the whole")
            except (http.client.IncompleteRead, ConnectionError, OSError):
                pass
    until(appliance, "GET", f"{PATH}/{whole}", 200)
    with Http(appliance) as http_:
        expect.true(http_.get(f"{PATH}/{whole}")[1] == kept, "what was confirmed is there")
    expect.equal(code(appliance, "HEAD", f"{PATH}/{ident}"), 404)
    fresh = appliance.open(session.identity)
    expect.equal(code(appliance, "DELETE", f"{PATH}/{whole}", Authorization=bearer(fresh)), 204)


def test_the_data_plane_killed_amid_an_upload(appliance):
    session = appliance.open()
    token, ident = bearer(session), new_id()
    whole = put(appliance, token, b"kept" * 1000)["id"]
    upload = Upload(appliance, token, 64 * MIB, Waxwire_Id=ident)
    upload.send(os.urandom(2 * MIB))
    until(appliance, "HEAD", f"{PATH}/{ident}", 200)
    data_plane_killed(appliance)
    upload.cut()
    until(appliance, "HEAD", f"{PATH}/{ident}", 404)
    with Http(appliance) as http_:
        expect.equal(http_.get(f"{PATH}/{whole}")[1], b"kept" * 1000)


# ---- fairness

def test_messages_flow_beside_media(appliance):
    """Uploads and downloads at full speed, and a message every few ms that waits for none of them."""
    alice, bob = appliance.open(), appliance.online()
    token, body, stop = bearer(alice), os.urandom(16 * MIB), threading.Event()
    ident, moved = put(appliance, token, body)["id"], [0]

    def move(method):
        with Http(appliance) as http_:
            while not stop.is_set():
                if method == "GET":
                    expect.true(http_.get(f"{PATH}/{ident}")[1] == body, "the same bytes")
                else:
                    made = json.loads(http_.ask("PUT", PATH, body, Authorization=token).read())["id"]
                    http_.ask("DELETE", f"{PATH}/{made}", Authorization=token).read()
                moved[0] += len(body)

    threads = [threading.Thread(target=move, args=(method,)) for method in ("GET", "GET", "PUT")]
    for thread in threads:
        thread.start()
    slowest = 0
    try:
        for n in range(100):
            began = time.monotonic()
            alice.status(alice.send(bob, b"%d" % n))
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.01)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    expect.true(moved[0] > 0, "media moved meanwhile")
    expect.true(slowest < 2, f"no message waits: {slowest:.3f} s")


def test_slow_readers_of_a_large_blob_hold_little(appliance):
    """64 readers who have read nothing yet, and one who reads all of it beside them."""
    token, body = bearer(appliance.open()), os.urandom(64 * MIB)
    path = f"{PATH}/{put(appliance, token, body)['id']}"
    slow = []
    try:
        for _ in range(64):
            sock = connect(appliance.where, plain=True)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            slow.append(sock)
        time.sleep(1)
        with Http(appliance) as http_:
            digest = hashlib.sha256(http_.get(path)[1]).digest()
        expect.true(digest == hashlib.sha256(body).digest(), "who reads gets it")
    finally:
        for sock in slow:
            sock.close()
