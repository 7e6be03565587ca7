"""A wheel of another package, built here and installed into a fresh environment: listed, checked, verified, or named as broken."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.foreign.fresh import Fresh, fresh, missing_tools, outside_tmp, wheel

pytestmark = pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools()))
SOURCE = (Path(__file__).parent / "acme_exporter.py").read_text()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with outside_tmp() as folder:
        yield folder


@pytest.fixture(scope="module")
def acme(folder: Path) -> Path:
    return wheel(folder, "acme-exporter", "acme_exporter", SOURCE, {"acme": "acme_exporter:AcmeExporter"})


@pytest.fixture
def environment(folder: Path, installed_magictel: Path, request: pytest.FixtureRequest) -> Fresh:
    return fresh(folder / request.node.name, installed_magictel)


@pytest.fixture
def backend() -> Iterator[str]:
    stored: list[dict[str, Any]] = []

    class Acme(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            import gzip

            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            stored.extend(json.loads(line) for line in body.splitlines())
            self._say(b"")

        def do_GET(self) -> None:
            run = parse_qs(urlsplit(self.path).query).get("run", [""])[0]
            if not self.path.startswith("/points"):
                self._say(b"well")
                return
            mine = [document for document in stored if document["attributes"].get("magictel.run.id") == run]
            self._say("\n".join(map(json.dumps, mine)).encode())

        do_HEAD = do_GET  # noqa: N815 # the name is the protocol of http.server

        def _say(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *message: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Acme)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(100)


def test_a_plugin_is_listed_checked_and_proven(environment: Fresh, acme: Path, backend: str) -> None:
    environment.install(acme)
    (row,) = environment.exporters()["acme"]
    assert (row["package"], row["version"], row["summary"]) == (
        "acme-exporter", "0.3", "Acme's collector of everything",
    )  # fmt: skip
    assert (row["state"], row["reason"]) == ("needs", "ACME_URL")
    (ready,) = environment.exporters(ACME_URL=backend)["acme"]
    assert ready["state"] == "ready"
    described = environment.magictel("describe", "acme")
    assert "ACME_TOKEN" in described.stdout

    # It has no probe of its own for http or write: what a GET says there proves no write, a round trip does.
    checked = environment.magictel("check", "acme", "--format", "json", ACME_URL=backend)
    assert checked.returncode == 3, checked.stdout + checked.stderr
    checked = environment.magictel("check", "acme", "--round-trip", "--format", "json", ACME_URL=backend)
    document = json.loads(checked.stdout)
    rungs = {rung["rung"]: rung["outcome"] for rung in document["targets"][0]["rungs"]}
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert rungs["tcp"] == rungs["health"] == rungs["round-trip"] == "pass"
    assert rungs["http"] == "warn"

    sent = environment.magictel("send-sample", "acme", "--format", "json", ACME_URL=backend)
    assert sent.returncode == 0, sent.stdout + sent.stderr
    (target,) = json.loads(sent.stdout)["targets"]
    assert target["outcome"] == "verified"
    assert target["receipt"]["sent"] == target["receipt"]["delivered"] == target["verification"]["found"] == 12


def test_what_is_wrong_with_a_plugin_is_said_and_the_others_work(environment: Fresh, folder: Path, acme: Path) -> None:
    broken = wheel(folder, "acme-broken", "acme_broken", "import acme_sdk\n", {"acme-broken": "acme_broken:Exporter"})
    future = wheel(
        folder, "acme-future", "acme_future", SOURCE.replace("interface = 2", "interface = 3"),
        {"acme-future": "acme_future:AcmeExporter"},
    )  # fmt: skip
    twin = wheel(folder, "acme-twin", "acme_twin", SOURCE, {"acme": "acme_twin:AcmeExporter"}, "9.1")
    environment.install(acme, broken, future, twin)
    shown = environment.exporters()
    assert shown["elasticsearch"][0]["state"] == "ready"
    assert (shown["acme-broken"][0]["state"], shown["acme-broken"][0]["reason"]) == (
        "broken", "No module named 'acme_sdk'",
    )  # fmt: skip
    assert shown["acme-future"][0]["reason"] == "built for interface 3"
    (row,) = shown["acme"]
    assert row["state"] == "broken"
    assert "acme-exporter 0.3" in row["reason"]
    assert "acme-twin 9.1" in row["reason"]
    text = environment.magictel("list").stdout
    assert "broken: No module named 'acme_sdk'" in text
    assert "broken: built for interface 3" in text
    for name in ("acme-broken", "acme-future", "acme"):
        done = environment.magictel("check", name, ACME_URL="http://127.0.0.1:9")
        assert done.returncode in (1, 78), done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def test_a_second_plugin_is_seen_at_once(environment: Fresh, folder: Path, acme: Path) -> None:
    assert "acme" not in environment.exporters()
    environment.install(acme)
    assert "acme" in environment.exporters()
    second = wheel(
        folder, "acme-second", "acme_second", SOURCE.replace('name = "acme"', 'name = "second"'),
        {"second": "acme_second:AcmeExporter"},
    )  # fmt: skip
    environment.install(second)
    assert {"acme", "second"} <= environment.exporters().keys()
    done = environment.magictel("check", "second", "--until", "config", ACME_URL="http://127.0.0.1:9")
    assert done.returncode == 0, done.stdout + done.stderr
