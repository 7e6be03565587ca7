"""Secrets planted in every place a setting can come from; nothing that is printed, logged, written or raised holds one.

Spellings are looked for by code of this file alone: plain, percent-encoded, JSON, repr, and base64 wherever it begins.
"""

from __future__ import annotations

import base64
import contextlib
import html
import json
import logging
import os
import pickle
import socket
import threading
import time
import traceback
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from magictel.cli.main import run
from magictel.registry.entry_points import load
from magictel.reporters.formats import KINDS
from magictel.sandbox.server import Server
from tests.emulators.elasticsearch import ElasticsearchEmulator, Security

_KINDS = (
    "table",
    "variable",
    "fallback",
    "file",
    "address",
    "header",
    "own",
    "option",
    "optionaddress",
    "optionheader",
)
POINT = {"timeUnixNano": "1795000000000000000", "asDouble": 1.5}
_OURS = (
    "ELASTICSEARCH_",
    "PROMETHEUS_",
    "OPENSEARCH_",
    "MAGICTEL_",
    "ENABLED_",
    "OTEL_",
    "DD_",
    "DATADOG_",
    "NEW_RELIC_",
)
_TAIL = '/+="&%{~'


def secret(place: str) -> str:
    """One secret for each place, with characters that change in every spelling."""
    return f"hunter2-{place}{_TAIL}-tail"


def spellings(value: str) -> set[str]:
    raw = value.encode()
    spellings = {value, urllib.parse.quote(value, safe=""), urllib.parse.quote_plus(value), json.dumps(value)[1:-1]}
    spellings |= {repr(value)[1:-1], urllib.parse.quote(value), value.replace('"', "&quot;").replace("&", "&amp;")}
    for before in range(3):
        # Whatever stands before it, these characters of its base64 are always the same.
        encoded = base64.b64encode(b"\0" * before + raw).decode()
        core = encoded[(0, 2, 3)[before] : len(encoded) - 4]
        spellings |= {core, core.replace("+", "-").replace("/", "_")}
    return spellings


def leaks(text: str, places: list[str]) -> list[str]:
    """The places whose secret stands in a text, with what stands around it. The common stem alone counts as well."""
    leaks = []
    for place in places:
        for needle in spellings(secret(place)):
            at = text.find(needle)
            if at >= 0:
                leaks.append(f"{place}: …{text[max(0, at - 120) : at + len(needle) + 20]}…")
                break
    if "hunter2" in text and not leaks:
        at = text.find("hunter2")
        leaks.append(f"a part of one: …{text[max(0, at - 120) : at + 60]}…")
    return leaks


@pytest.mark.parametrize(
    "shape",
    [
        lambda value: value,
        lambda value: f"http://ada:{urllib.parse.quote(value, safe='')}@host/",
        lambda value: base64.b64encode(f"ada:{value}".encode()).decode(),
        lambda value: base64.b64encode(f"a:{value}".encode()).decode(),
        lambda value: base64.urlsafe_b64encode(f"ab:{value}".encode()).decode().rstrip("="),
        lambda value: json.dumps({"a": value}),
        lambda value: repr({"a": value}),
        lambda value: json.dumps(json.dumps({"a": value})),
    ],
)
def test_the_sweep_finds_a_secret_in_every_spelling(shape: Callable[[str], str]) -> None:
    assert leaks(f"before {shape(secret('table'))} after", ["table", "file"])
    assert not leaks("before *** after", ["table", "file"])


# ---- roads: what stands at the other end ---------------------------------------------------------------------------------


class Echo:
    """A server that says back what it was sent, as raw bytes or inside a reply: the worst that a backend can do."""

    def __init__(self, reply: Callable[[bytes], bytes]) -> None:
        self._reply = reply
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.origin = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.heard = b""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            got = connection.recv(65536)
            self.heard += got
            connection.sendall(self._reply(got))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _http(
    status: str, kind: str, body: Callable[[bytes], bytes], more: Callable[[bytes], bytes] = lambda got: b""
) -> Callable[[bytes], bytes]:
    def reply(got: bytes) -> bytes:
        text = body(got)
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n".encode()
        return head + more(got) + b"\r\n" + text

    return reply


def _head(got: bytes) -> bytes:
    return got.partition(b"\r\n\r\n")[0]


def _text(got: bytes) -> str:
    return _head(got).decode(errors="replace")  # the hello of a second probe is no text


def _authorization(got: bytes) -> bytes:
    lines = [line.partition(b":")[2].strip() for line in _head(got).split(b"\r\n") if b":" in line]
    return b" ".join(line for line in lines if b" " in line or b"hunter2" in line) or b"nothing"


def _spelled(got: bytes) -> bytes:
    """Every header's value, and what is encoded in it, in the spellings of many servers, cut short here and there."""
    values = [
        line.partition(b":")[2].strip().decode("latin-1")
        for line in _head(got).split(b"\r\n")
        if b"hunter2" in line or b" " in line
    ]
    for value in list(values):
        with contextlib.suppress(ValueError):
            decoded = base64.b64decode(value.rpartition(" ")[2], validate=True).decode()
            values += [decoded, decoded.partition(":")[2]]
    texts = []
    for value in values:
        texts += [
            html.escape(value), html.escape(html.escape(value)), value.replace("+", "%2b").replace("&", "&amp;"),
            urllib.parse.quote(value, safe=""), f"/path/{urllib.parse.quote(value, safe='')}/more", urllib.parse.quote_plus(value),
            json.dumps(value), json.dumps(json.dumps(value)), json.dumps(html.escape(value)).replace("&", "\\u0026"), repr(value.encode()),
            "".join(f"&#{ord(letter)};" for letter in value), "".join(f"\\u{ord(letter):04x}" for letter in value),
            base64.b64encode(f"x{value}".encode()).decode(), value[:-7] + "…", "   ".join(value.split()),
        ]  # fmt: skip
    return " | ".join(texts).encode()


ECHOES: dict[str, Callable[[bytes], bytes]] = {
    "web page": _http("200 OK", "text/html", lambda got: b"<html><pre>" + _head(got) + b"</pre></html>"),
    "refusal": _http(
        "401 Unauthorized", "application/json",
        lambda got: json.dumps({"error": {"type": "security_exception", "reason": _text(got)}, "status": 401}).encode(),
        lambda got: b"WWW-Authenticate: Basic realm=" + _authorization(got) + b"\r\n",
    ),
    "spelled": _http(
        "403 Forbidden", "application/json",
        lambda got: json.dumps({"error": {"type": "security_exception", "reason": _spelled(got).decode()}, "status": 403}).encode(),
    ),
    "spelled page": _http("500 Oops", "text/plain", _spelled),
    "taken": _http("200 OK", "application/json", lambda got: json.dumps({"message": _spelled(got).decode()}).encode()),
    "accepted": _http(
        "202 Accepted", "application/json",
        lambda got: json.dumps({"valid": True, "status": "error", "errors": [{"message": _spelled(got).decode()}]}).encode(),
    ),
    "crash": _http("500 Internal Server Error", "text/plain", _head),
    "redirect": _http(
        "302 Found", "text/plain", lambda got: b"", lambda got: b"Location: http://elsewhere/?" + _authorization(got) + b"\r\n"
    ),
    "no http": lambda got: _head(got)[::-1] + b"\r\n" + _head(got) + b"\r\n\r\n",
    "half": lambda got: b"HTTP/1.1 200 OK\r\nX-Echo: " + _authorization(got) + b"\r\nContent-Length: 9999\r\n\r\n" + _head(got),
}  # fmt: skip


@contextlib.contextmanager
def road(name: str) -> Iterator[str]:
    if name in ECHOES:
        echo = Echo(ECHOES[name])
        try:
            yield echo.origin
            assert b"ada" in echo.heard or echo.heard, "nobody came"
        finally:
            echo.close()
    elif name == "refused":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield origin
    elif name == "tls":
        echo = Echo(ECHOES["crash"])
        yield echo.origin.replace("http:", "https:")
        echo.close()
    else:
        security = Security.of({"users": {}}) if name == "wrong password" else None
        emulator = ElasticsearchEmulator()
        emulator.security = security
        with Server(emulator).start() as server:
            yield server.origin


ROADS = ["good", "wrong password", "refused", "tls", *ECHOES]


# ---- the places ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Plants everything for an origin; the `--set` options that go with it."""
    for name in list(os.environ):
        if name.startswith(_OURS):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")

    def plant(origin: str) -> list[str]:
        scheme, _, host = origin.partition("://")
        quoted = {place: urllib.parse.quote(secret(place), safe="") for place in _KINDS}
        (tmp_path / "token").write_text(secret("file") + "\n")
        (tmp_path / "token").chmod(0o600)
        monkeypatch.setenv("SWEEP_KEY", f"id:{secret('variable')}")
        monkeypatch.setenv("MAGICTEL_OWN__BEARER_TOKEN", secret("own"))
        text = json.dumps
        hidden = "${UNSET_SWEEP:-" + secret("fallback") + "}"
        header = f"X-Token = {text(secret('header'))}, Cookie = {text('a=' + secret('header'))}"
        common = 'exporter = "elasticsearch"\ntimeout = 1\nbackoff_initial = 0.01\nbackoff_max = 0.02\nbreaker_failures = 3\n'
        urls = f'url = "{origin}"\n'
        monkeypatch.setenv("MAGICTEL_CONFIG", "magictel.toml")  # a person named it: else it would not get these secrets
        (tmp_path / "magictel.toml").write_text(
            f"[targets.table]\n{common}{urls}api_key = {text('id:' + secret('table'))}\n"
            f"[targets.variable]\n{common}{urls}api_key = '${{SWEEP_KEY}}'\n"
            f"[targets.fallback]\n{common}{urls}username = 'ada'\npassword = {text(hidden)}\n"
            f"[targets.file]\n{common}{urls}bearer_token = 'file:token'\n"
            f"[targets.address]\n{common}url = '{scheme}://ada:{quoted['address']}@{host}'\n"
            f"[targets.header]\n{common}{urls}headers = {{ {header} }}\n"
            f"[targets.own]\n{common}{urls}\n"
            f"[targets.option]\n{common}{urls}\n"
            f"[targets.optionaddress]\n{common}{urls}\n"
            f"[targets.optionheader]\n{common}{urls}\n"
        )
        return [
            f"--set=option.api_key=id:{secret('option')}",
            f"--set=optionaddress.url={scheme}://ada:{quoted['optionaddress']}@{host}",
            f"--set=optionheader.headers.X-Token={secret('optionheader')}",
        ]

    return plant


class Printed:
    """Everything that a command shows to anybody: both streams, logs at DEBUG of all loggers, report files."""

    def __init__(self, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, folder: Path) -> None:
        self._capfd = capfd
        self._caplog = caplog
        self._folder = folder
        caplog.set_level(logging.DEBUG)
        self.codes: dict[str, int] = {}

    def by(self, *arguments: str) -> str:
        reports = [self._folder / f"report.{kind}" for kind in KINDS]
        asked = []
        if arguments[0] in ("check", "send-sample") and "--dry-run" not in arguments:
            asked = [f"--report={kind}={report}" for kind, report in zip(KINDS, reports, strict=True)]
        self._caplog.clear()
        self._capfd.readouterr()
        code = run([*arguments, *asked])
        out, err = self._capfd.readouterr()
        written = ""
        for report in reports:
            if report.exists():
                written += report.read_text()
                report.unlink()
        self.codes[" ".join(arguments[:2])] = code
        logs = "\n".join(f"{record.getMessage()} {record.exc_text or ''}" for record in self._caplog.records)
        # What was redacted inside the reports is JSON in JSON at most.
        return f"{out}\n{err}\n{logs}\n{written}"


@pytest.fixture
def printed(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, tmp_path: Path) -> Printed:
    return Printed(capfd, caplog, tmp_path)


COMMANDS = [
    ["check"],
    ["check", "--format=json", "--debug"],
    ["send-sample", "--no-verify", "--deadline=1s", "--force"],
    ["send-sample", "--within=300ms", "--deadline=1s", "--force", "--format=json"],
    ["send-sample", "--dry-run"],
    ["send-sample", "--dry-run", "--format=json"],
]


@pytest.mark.parametrize("name", ROADS)
def test_no_secret_is_shown_on_any_road(name: str, planted: Callable[[str], list[str]], printed: Printed) -> None:
    with road(name) as origin:
        sets = planted(origin)
        for command in COMMANDS:
            if (
                name == "good"
            ):  # what arrives needs the time of a busy machine; elsewhere a retry more shows nothing new
                command = [word.replace("--deadline=1s", "--deadline=300s") for word in command]
            text = printed.by(*command, *sets)
            assert not leaks(text, list(_KINDS)), command
            assert "optionheader" in text, "every target was worked on"
        line = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "gauge": {"dataPoints": [POINT]}}]}]}]}
        Path("r.jsonl").write_text(json.dumps(line) + "\n")
        for target in ("table", "fallback", "address", "header"):
            for command in (
                ["replay", "r.jsonl", "--deadline=300ms", "--verify", "--within=300ms"],
                ["prepare"],
                ["diagnose", "--status=403", f"--text=you sent id:{secret(target)} and {html.escape(secret(target))}"],
            ):
                named = [*command[:1], target, *command[1:]] if command[0] != "replay" else [*command, "--to", target]
                assert not leaks(printed.by(*named), list(_KINDS)), named
        if name == "good":
            assert printed.codes["send-sample --no-verify"] == 0
        elif name == "refused":
            assert printed.codes["send-sample --no-verify"] == 1


OFFLINE = [
    ["list"],
    ["list", "--format=json", "--all"],
    ["config", "show"],
    ["config", "show", "--origin"],
    ["config", "show", "--origin", "--format=json"],
    ["config", "check"],
    ["config", "check", "--format=json"],
    *(["describe", target, f"--format={how}"] for target in ("table", "address") for how in ("text", "json", "toml", "json-schema")),
    ["disable", "table", "--dry-run"],
    ["remove", "address", "--dry-run"],
    ["remove", "header", "--dry-run", "--format=json"],
    ["enable", "nobody"],
    ["prepare", "table"],
    ["prepare", "address", "--format=json"],
    ["add", "elasticsearch", "--as=more", "--dry-run", "--set=api_key=id:" + secret("option")],
    ["add", "elasticsearch", "--as=more", "--dry-run", "--format=json", "--set=bearer_token=" + secret("option")],
    ["add", "elasticsearch", "--as=more", "--dry-run", "--set=headers.X-Token=" + secret("option")],
    ["add", "elasticsearch", "--as=more", "--dry-run", f"--set=url=http://ada:{urllib.parse.quote(secret('option'), safe='')}@host:9200"],
    ["init", "--dry-run", "--config=other.toml"],
    ["init", "--dry-run", "--config=other.toml", "--format=json"],
]  # fmt: skip


@pytest.mark.parametrize("command", OFFLINE, ids=lambda command: " ".join(command)[:40])
def test_no_secret_is_shown_offline(
    command: list[str], planted: Callable[[str], list[str]], printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = planted("http://127.0.0.1:9")
    if command[0] == "init":
        monkeypatch.setenv(
            "ELASTICSEARCH_URL", f"http://ada:{urllib.parse.quote(secret('address'), safe='')}@127.0.0.1:9"
        )
        monkeypatch.setenv("ELASTICSEARCH_HEADERS", f"X-Token={secret('header').replace(',', '')}")
        monkeypatch.setenv(
            "PROMETHEUS_REMOTE_WRITE_URL", f"http://u:{urllib.parse.quote(secret('table'), safe='')}@127.0.0.1:9/w"
        )
    text = printed.by(*command, *(sets if command[0] == "config" else []))
    assert text.strip()
    assert not leaks(text, list(_KINDS))


ALONE = [
    ["check"],
    ["check", "--format=json"],
    ["send-sample", "--no-verify", "--force", "--deadline=300ms", "--format=json"],
    ["send-sample", "--within=100ms", "--force", "--deadline=300ms", "--debug"],
    ["send-sample", "--dry-run"],
    ["config", "show", "--origin"],
    ["init", "--dry-run", "--config=x.toml"],
]
VARIABLES = [
    ("elasticsearch", {"ELASTICSEARCH_API_KEY": "id:" + secret("variable")}),
    ("elasticsearch", {"ELASTICSEARCH_API_KEY": base64.b64encode(f"id:{secret('variable')}".encode()).decode()}),
    ("elasticsearch", {"ELASTICSEARCH_USERNAME": "ada", "ELASTICSEARCH_PASSWORD": secret("variable")}),
    ("elasticsearch", {"ELASTICSEARCH_BEARER_TOKEN": secret("variable")}),
    ("elasticsearch", {"ELASTICSEARCH_HEADERS": "X-Token=" + secret("variable")}),
    ("opensearch", {"OPENSEARCH_USERNAME": "ada", "OPENSEARCH_PASSWORD": secret("variable")}),
    ("prometheus-remote-write", {"PROMETHEUS_REMOTE_WRITE_USERNAME": "ada", "PROMETHEUS_REMOTE_WRITE_PASSWORD": secret("variable")}),
    ("prometheus-remote-write", {"PROMETHEUS_REMOTE_WRITE_BEARER_TOKEN": secret("variable")}),
    ("prometheus-remote-write", {"PROMETHEUS_REMOTE_WRITE_HEADERS": "X-Token=" + secret("variable")}),
    ("datadog", {"DD_API_KEY": secret("variable")}),
    ("datadog", {"DD_API_KEY": "0" * 32, "DD_APP_KEY": secret("variable")}),
    ("datadog", {"DD_API_KEY": "0" * 32, "DATADOG_HEADERS": "X-Token=" + secret("variable")}),
    ("newrelic", {"NEW_RELIC_LICENSE_KEY": secret("variable")}),
    ("newrelic", {"NEW_RELIC_LICENSE_KEY": "0" * 36 + "NRAL", "NEW_RELIC_USER_KEY": secret("variable"), "NEW_RELIC_ACCOUNT_ID": "7"}),
]  # fmt: skip
ADDRESSES = {"datadog": ("DD_DD_URL",), "newrelic": ("NEW_RELIC_URL", "NEW_RELIC_QUERY_URL")}


@pytest.mark.parametrize(
    ("exporter", "variables"), VARIABLES, ids=lambda value: value if isinstance(value, str) else "-".join(value)
)
@pytest.mark.parametrize("name", ["refusal", "accepted", "no http"])
def test_no_secret_of_a_variable_is_shown(
    exporter: str,
    variables: dict[str, str],
    name: str,
    planted: Callable[[str], list[str]],
    printed: Printed,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with road(name) as origin:
        planted(origin)
        (tmp_path / "magictel.toml").unlink()
        monkeypatch.delenv("MAGICTEL_CONFIG")
        prefix = exporter.upper().replace("-", "_")
        for variable in ADDRESSES.get(exporter, (f"{prefix}_URL",)):
            monkeypatch.setenv(variable, origin + ("/api/v1/write" if "remote" in exporter else ""))
        prefix = "NEW_RELIC" if exporter == "newrelic" else prefix
        monkeypatch.setenv(f"{prefix}_TIMEOUT", "1")
        monkeypatch.setenv(f"{prefix}_BACKOFF_INITIAL", "10ms")
        for key, value in variables.items():
            monkeypatch.setenv(key, value)
        for command in ALONE:
            named = [] if command[0] == "init" else [exporter]
            assert not leaks(printed.by(*command, *named), ["variable"]), command


PROXIES = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "ELASTICSEARCH_PROXY"]


@pytest.mark.parametrize("variable", PROXIES)
@pytest.mark.parametrize("name", ["refusal", "no http", "refused"])
def test_no_secret_of_a_proxy_is_shown(
    variable: str,
    name: str,
    planted: Callable[[str], list[str]],
    printed: Printed,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with road(name) as origin:
        planted(origin)
        (tmp_path / "magictel.toml").unlink()
        monkeypatch.delenv("MAGICTEL_CONFIG")
        host = origin.partition("://")[2]
        monkeypatch.setenv(variable, f"http://ada:{urllib.parse.quote(secret('address'), safe='')}@{host}")
        monkeypatch.setenv("ELASTICSEARCH_URL", "http://es.example.invalid:9200")
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("no_proxy", "")
        for command in (
            ["check"],
            ["check", "--format=json"],
            ["send-sample", "--no-verify", "--deadline=300ms"],
            ["config", "show", "--origin"],
        ):
            assert not leaks(printed.by(*command, "elasticsearch"), ["address"]), command


MISTAKES = [
    {"ELASTICSEARCH_URL": f"http://ada:{urllib.parse.quote(secret('address'), safe='')}@localhost:99999"},
    {"ELASTICSEARCH_URL": f"http://ada:{secret('address')}@localhost:9200"},
    {"ELASTICSEARCH_URL": f"htp://ada:{urllib.parse.quote(secret('address'), safe='')}@localhost:9200"},
    {"ELASTICSEARCH_URL": f"http://ada:{urllib.parse.quote(secret('address'), safe='')}@${{NOBODY}}:9200"},
    {"ELASTICSEARCH_URL": f"http://ada:{urllib.parse.quote(secret('address'), safe='')}@h ost:9200"},
    {"ELASTICSEARCH_PASSWORD": secret("address") + "\nX-Injected: 1", "ELASTICSEARCH_USERNAME": "ada"},
    {"ELASTICSEARCH_PASSWORD": secret("address")},
    {"ELASTICSEARCH_API_KEY": secret("address") + "ü"},
    {"ELASTICSEARCH_API_KEY": "id:" + secret("address"), "ELASTICSEARCH_BEARER_TOKEN": secret("file")},
    {"ELASTICSEARCH_HEADERS": secret("address").replace("=", "")},
    {"ELASTICSEARCH_HEADERS": f"X-Token={secret('address')}\r\nX-Injected: 1"},
    {"ELASTICSEARCH_PROXY": f"http://ada:{urllib.parse.quote(secret('address'), safe='')}@proxy:99999"},
    {"ELASTICSEARCH_PROXY": f"socks9://ada:{urllib.parse.quote(secret('address'), safe='')}@proxy:1"},
    {"ELASTICSEARCH_CA_FILE": "/nowhere", "ELASTICSEARCH_BEARER_TOKEN": secret("address"), "ELASTICSEARCH_URL": "https://localhost:9"},
    {"DD_API_KEY": "0" * 32, "DD_URL": "https://localhost:9/?api_key=" + secret("address")},
    {"DD_API_KEY": "0" * 32, "DD_URL": f"https://localhost:9/api/v1/series?api_key={urllib.parse.quote(secret('address'), safe='')}&x=1"},
    {"DD_API_KEY": secret("address") + "\nX-Injected: 1"},
    {"DD_API_KEY": "0" * 32, "DD_APP_KEY": secret("address") + "ü"},
    {"DD_API_KEY": secret("address"), "DD_SITE": "app.datadoghq.com"},
    {"NEW_RELIC_LICENSE_KEY": "NRAK-" + secret("address")},
    {"NEW_RELIC_LICENSE_KEY": secret("address"), "NEW_RELIC_USER_KEY": secret("file")},
    {"NEW_RELIC_LICENSE_KEY": "0" * 36 + "NRAL", "NEW_RELIC_QUERY_URL": "https://localhost:9/?Api-Key=" + secret("address")},
]  # fmt: skip


@pytest.mark.parametrize("variables", MISTAKES, ids=lambda variables: "-".join(variables))
def test_no_secret_is_shown_beside_a_mistake(
    variables: dict[str, str],
    planted: Callable[[str], list[str]],
    printed: Printed,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    planted("http://127.0.0.1:9")
    (tmp_path / "magictel.toml").unlink()
    monkeypatch.delenv("MAGICTEL_CONFIG")
    prefix = next(iter(variables)).partition("_")[0]
    exporter = {"DD": "datadog", "NEW": "newrelic"}.get(prefix, "elasticsearch")
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    for command in (
        ["check"],
        ["check", "--format=json"],
        ["config", "show", "--origin"],
        ["config", "check"],
        ["send-sample", "--no-verify", "--deadline=200ms"],
        ["send-sample", "--dry-run"],
    ):
        assert not leaks(printed.by(*command, exporter), ["address", "file"]), command
    for command in (["list"], ["init", "--dry-run"], ["init", "--dry-run", "--format=json"]):
        assert not leaks(printed.by(*command), ["address", "file"]), command
    caplog.clear()
    sender = load(exporter)(environment=variables)
    sender.shutdown(0)
    assert not leaks(caplog.text + repr(sender.unusable) + str(sender.unusable), ["address", "file"])


OBJECTS: dict[str, Callable[[], dict[str, Any]]] = {
    "elasticsearch": lambda: {"url": ["http://ada:" + urllib.parse.quote(secret("address"), safe="") + "@127.0.0.1:9"]},
    "datadog": lambda: {"url": "http://127.0.0.1:9", "api_key": _secret("address"), "app_key": _secret("option")},
    "newrelic": lambda: {
        "url": "http://127.0.0.1:9", "license_key": _secret("address"), "user_key": _secret("option"), "account_id": 7,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_show_no_secret_and_are_not_pickled(
    name: str, planted: Callable[[str], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    from tests.delivery.points import collection

    places = ["address", "header", "option"]
    caplog.set_level(logging.DEBUG)
    exporter_class = load(name)
    settings = exporter_class.Settings(**OBJECTS[name](), headers={"X-Token": _secret("header")}, retry_budget=0.0)
    exporter = exporter_class(settings)
    request, body = next(iter(exporter.requests(collection([0], time.time_ns()))))
    exporter.export(collection([1, 2]))
    shown: list[Any] = [
        exporter,
        settings,
        exporter.redact,
        request,
        exporter.wire(),
        exporter.transport,
        exporter.ledger,
        exporter.endpoints(),
    ]
    for document in shown:
        for text in (repr(document), str(document), f"{document}", f"{document!r:>10}"):
            assert not leaks(text, places), type(document)
    assert not leaks(body.decode("latin-1"), places)
    for part in (exporter, settings):
        with pytest.raises(TypeError):
            pickle.dumps(part)
    exporter.shutdown(0)
    quoting = ValueError(settings, exporter)
    assert not leaks("".join(traceback.format_exception(quoting)), places)
    assert not leaks(caplog.text, places)


def _secret(place: str) -> Any:
    from magictel.secrets.secret import Secret

    return Secret(secret(place))
