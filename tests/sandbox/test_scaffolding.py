"""What every emulator is made of: replies, logins, bodies, and the table of end points."""

from __future__ import annotations

import base64
import gzip
import zlib

import cramjam
import pytest

from magictel.http.wire import Reply, Request
from magictel.sandbox.endpoints import Routes, dated, decompressed, json_reply, text_reply
from tests.emulators.logins import Logins
from tests.fake_clock import FakeClock


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("logins", "header", "accepted"),
    [
        (Logins(), "", True),
        (Logins({"me": "word"}), "", False),
        (Logins({"me": "wo:rd"}), basic("me:wo:rd"), True),
        (Logins({"me": "word"}), basic("me:other"), False),
        (Logins({"me": "word"}), basic("you:word"), False),
        (Logins({"me": "word"}), "Basic !", False),
        (Logins({"me": "word"}), "Bearer word", False),
        (Logins(token="t0k3n"), "Bearer t0k3n", True),
        (Logins(token="t0k3n"), "Bearer other", False),
    ],
)
def test_logins(logins: Logins, header: str, accepted: bool) -> None:
    assert logins.accept(Request("GET", "http://x/", {"authorization": header})) is accepted
    assert logins.challenge == ("Basic" if logins.users else "Bearer")


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", b"text"),
        ("gzip", gzip.compress(b"text", mtime=0)),
        ("deflate", zlib.compress(b"text")),
        ("snappy", bytes(cramjam.snappy.compress_raw(b"text"))),
    ],
)
def test_bodies(encoding: str, body: bytes) -> None:
    assert decompressed(Request("POST", "http://x/", {"Content-Encoding": encoding}, body)) == b"text"
    if encoding:
        assert decompressed(Request("POST", "http://x/", {"Content-Encoding": encoding}, b"\xff?")) is None


def test_replies() -> None:
    assert json_reply({"a": "é"}, 201, www_authenticate="Basic") == Reply(
        201, {"content-type": "application/json", "www-authenticate": "Basic"}, '{"a":"é"}'.encode()
    )
    reply = dated(text_reply("well\n"), FakeClock(0.0))
    assert (reply.status, reply.text, reply.headers["date"]) == (200, "well\n", "Thu, 01 Jan 1970 00:00:00 GMT")


def test_the_table_of_end_points() -> None:
    routes: Routes[str] = Routes(any="[^/]+")
    routes.on("GET POST", "/a", "/b/{name}/c")("read")
    routes.on("PUT", "/a")("write")
    routes.on("*", "/d/{any}")("all")
    assert routes.find("GET", "/a") == ("read", {})
    assert routes.find("HEAD", "/a") == ("read", {})
    assert routes.find("PUT", "/a") == ("write", {})
    assert routes.find("DELETE", "/a") == ["GET", "POST", "PUT"]
    assert routes.find("POST", "/b/x/c") == ("read", {"name": "x"})
    assert routes.find("POST", "/b/_x/c") == []
    assert routes.find("TRACE", "/d/_x") == ("all", {"any": "_x"})
