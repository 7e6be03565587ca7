"""`magictel record`: what is scraped or read can be replayed, and is what it was."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.cli.running import Ran, magictel, refused, started

PAGE = b'# TYPE hits counter\nhits_total{path="/"} 3\n# TYPE up gauge\nup 1\n# EOF\n'


def recorded(folder: Path, *arguments: str) -> Ran:
    return magictel("record", *arguments, "--format", "json", folder=folder)


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.zst", "r.jsonl.gz"])
def test_a_page_becomes_a_recording_packed_as_its_name_says(tmp_path: Path, httpserver: HTTPServer, name: str) -> None:
    asked: list[str] = []

    def page(request: Request) -> Response:
        asked.append(request.headers["Accept"])
        return Response(PAGE, content_type="application/openmetrics-text; version=1.0.0")

    httpserver.expect_request("/metrics").respond_with_handler(page)
    ran = recorded(tmp_path, "--from", httpserver.url_for("/metrics"), "--out", name)
    assert ran.code == 0, ran
    assert (ran.document["schema"], ran.document["points"], ran.document["scrapes"]) == ("magictel.record/1", 2, 1)
    assert "openmetrics" in asked[0]
    replayed = magictel("replay", name, "--to", "file", "--set", "path=out", "--shift", "keep", folder=tmp_path)
    assert replayed.code == 0, replayed
    text = (tmp_path / "out").read_text()
    assert '"name":"hits_total"' in text
    assert '"isMonotonic":true' in text


def test_a_pace_scrapes_again_and_a_scrape_that_fails_is_counted(tmp_path: Path, httpserver: HTTPServer) -> None:
    answers = iter([Response(PAGE), Response("busy", status=503), Response(PAGE)])
    httpserver.expect_request("/metrics").respond_with_handler(lambda _: next(answers))
    url = httpserver.url_for("/metrics")
    ran = recorded(tmp_path, "--from", url, "--out", "r.jsonl", "--every", "50ms", "--for", "100ms")
    assert (ran.code, ran.document["scrapes"], ran.document["failed"], ran.document["points"]) == (1, 2, 1, 4)
    assert ran.document["code"] == "source.scrape"


def test_redaction_passes_through_the_one_place(tmp_path: Path) -> None:
    ran = recorded(
        tmp_path, "--from", "@gateway", "--out", "r.jsonl", "--redact", "gen_ai.provider.*", "--drop", "*.model"
    )
    assert ran.code == 0, ran
    text = (tmp_path / "r.jsonl").read_text()
    assert "azure" not in text
    assert "gen_ai.request.model" not in text
    assert json.loads(text.splitlines()[0])["resourceMetrics"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--from", "@node", "--out", "there"), 2),
        (("--from", "@node", "--out", "no/folder"), 2),
        (("--from", "@node", "--out", "new", "--every", "1s"), 2),
        (("--from", "http://127.0.0.1:1/", "--out", "new", "--for", "1s"), 2),
        (("--from", "missing", "--out", "new"), 2),
        (("--from", "there", "--out", "new"), 1),
    ],
)
def test_what_cannot_be_recorded_leaves_nothing_behind(tmp_path: Path, arguments: tuple[str, ...], code: int) -> None:
    (tmp_path / "there").write_bytes(b"\x89PNG")
    ran = recorded(tmp_path, *arguments)
    assert ran.code == code, ran
    assert {path.name for path in tmp_path.iterdir()} == {"there"}


def test_nobody_at_the_address_is_exit_1(tmp_path: Path) -> None:
    ran = recorded(tmp_path, "--from", f"http://127.0.0.1:{refused()}/metrics", "--out", "r.jsonl")
    assert (ran.code, ran.document["code"]) == (1, "net.tcp.refused")
    assert not (tmp_path / "r.jsonl").exists()


def test_an_openmetrics_page_that_broke_off_is_no_recording(tmp_path: Path, httpserver: HTTPServer) -> None:
    whole = Response(PAGE.replace(b"# EOF\n", b""), content_type="application/openmetrics-text; version=1.0.0")
    httpserver.expect_request("/metrics").respond_with_response(whole)
    ran = recorded(tmp_path, "--from", httpserver.url_for("/metrics"), "--out", "r.jsonl")
    assert (ran.code, ran.document["code"], ran.document["points"]) == (1, "source.scrape", 0)
    assert "# EOF" in ran.document["message"]


def test_a_token_in_the_address_is_shown_to_nobody(tmp_path: Path, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/metrics").respond_with_data("<html>login</html>", content_type="text/html")
    httpserver.expect_request("/moved").respond_with_data("", status=302, headers={"Location": "/login"})
    for path, message in (("/metrics", "is in none of the supported formats"), ("/moved", "answers 302, to /login")):
        url = httpserver.url_for(path).replace("://", "://me:SECRET@") + "?token=SECRET"
        ran = magictel("record", "--from", url, "--out", "r.jsonl", folder=tmp_path)
        assert ran.code == 1, ran
        assert message in ran.err
        assert "SECRET" not in ran.out + ran.err, ran


BROKEN = b'# TYPE h histogram\nh_bucket{le="1"} 0.5\nh_count 1\na 1\nb{x="1" 2\nc 3\n'


def test_a_line_that_cannot_be_read_stops_unless_it_is_to_be_skipped(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(BROKEN)
    ran = magictel("record", "--from", "p", "--out", "r.jsonl", folder=tmp_path)
    assert ran.code == 1, ran
    assert ran.err.splitlines()[0] == "p, line 5, column 10: expected } after the labels"
    assert "--on-error skip" in ran.err
    ran = magictel("record", "--from", "p", "--out", "s.jsonl", "--on-error", "skip", folder=tmp_path)
    assert ran.code == 0, ran
    assert "recorded 2 points of 2 series" in ran.out
    assert "p, line 5, column 10: expected } after the labels" in ran.out
    assert 'p, line 2, column 18: h_bucket{le="1"} is 0.5: a count is whole' in ran.out
    ran = recorded(tmp_path, "--from", "p", "--out", "t.jsonl", "--on-error", "skip")
    assert (ran.document["points"], ran.document["skipped"], len(ran.document["examples"])) == (2, 2, 2)
    assert recorded(tmp_path, "--from", "p", "--out", "u.jsonl", "--on-error", "pass").code == 2


def test_the_page_of_a_program_is_for_its_author_to_fix(tmp_path: Path, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/metrics").respond_with_data(BROKEN)
    ran = magictel("record", "--from", httpserver.url_for("/metrics"), "--out", "r.jsonl", folder=tmp_path)
    assert ran.code == 1, ran
    assert "fix the program that serves the page, or --on-error skip" in ran.err


@pytest.mark.parametrize(
    ("content_type", "time"),
    [
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", 1_700_000_000),
        ("text/plain; version=0.0.4", 1_700_000),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", 1_700_000),
        ("application/octet-stream", 1_700_000_000),
    ],
)
def test_the_content_type_of_a_scrape_says_which_format_it_has(
    tmp_path: Path, httpserver: HTTPServer, content_type: str, time: int
) -> None:
    page = b'{"a b",x="1"} 1 1700000000\n# EOF\n'
    asked: list[str] = []

    def handler(request: Request) -> Response:
        asked.append(request.headers["Accept"])
        return Response(page, content_type=content_type)

    httpserver.expect_request("/metrics").respond_with_handler(handler)
    ran = recorded(tmp_path, "--from", httpserver.url_for("/metrics"), "--out", "r.jsonl")
    assert ran.code == 0, ran
    assert f'"timeUnixNano":"{time * 10**9}"' in (tmp_path / "r.jsonl").read_text()
    assert asked[0].count("escaping=allow-utf-8") == 2


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.zst", "r.jsonl.gz"])
def test_what_was_scraped_outlives_a_kill(tmp_path: Path, httpserver: HTTPServer, name: str) -> None:
    httpserver.expect_request("/metrics").respond_with_data(PAGE)
    arguments = ["record", "--from", httpserver.url_for("/metrics"), "--out", name, "--every", "100ms"]
    with started(*arguments, folder=tmp_path) as running:
        until = time.monotonic() + 300
        while len(httpserver.log) < 4 and time.monotonic() < until:
            time.sleep(0.02)
        running.kill()
        running.wait(timeout=300)
    replayed = magictel("replay", name, "--to", "file", "--set", "path=out", "--shift", "keep", folder=tmp_path)
    assert (tmp_path / "out").read_text().count('"timeUnixNano"') >= 4, replayed


@pytest.mark.parametrize("password", ["s3cret-word", "p/%+&=: ä"])
def test_a_login_in_the_address_travels_and_is_shown_nowhere(
    tmp_path: Path, httpserver: HTTPServer, password: str
) -> None:
    heard: list[str] = []

    def answer(request: Request) -> Response:
        heard.append(request.headers.get("Authorization", ""))
        return Response("a 1\n" if len(heard) == 1 else f"you sent {request.headers}", 200 if len(heard) == 1 else 401)

    httpserver.expect_request("/metrics").respond_with_handler(answer)
    url = httpserver.url_for("/metrics?x=1").replace("://", f"://me:{quote(password, safe='')}@")
    ran = recorded(tmp_path, "--from", url, "--out", "r.jsonl")
    assert ran.code == 0, ran
    assert base64.b64decode(heard[0].removeprefix("Basic ")).decode() == f"me:{password}"
    refused_ = recorded(tmp_path, "--from", url, "--out", "s.jsonl")
    assert refused_.code == 1
    written = (tmp_path / "r.jsonl").read_text()
    for text in (ran.out, ran.err, refused_.out, refused_.err, written):
        assert password not in text
        assert quote(password, safe="") not in text
        assert heard[0][-12:] not in text


@pytest.mark.parametrize("address", ["http://me:se/cret@h/", "http://me:secret@h:99999/", "http://me:secret@/"])
def test_an_address_that_is_none_is_wrong_usage_without_its_login(tmp_path: Path, address: str) -> None:
    ran = recorded(tmp_path, "--from", address, "--out", "r.jsonl")
    assert ran.code == 2
    assert "cret" not in ran.out + ran.err
