"""Every remedy can be followed: the real command line parses its command, with the target of the run, and no blank is left."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from magictel import sandbox
from magictel.catalogue import pages as catalogue
from magictel.catalogue.pages import codes
from magictel.cli import commands
from magictel.model.events import ClimbStarted, RungClimbed
from magictel.model.finding import Finding, Rung
from magictel.operations.remedies import Blanks
from magictel.reporters.remedies import segments
from tests.cli.running import magictel, refused

FILE = """
[targets.prod-es]
exporter = "elasticsearch"
url = "{es}"

[targets.prod-os]
exporter = "opensearch"
url = "{os}"

[targets.prod-prom]
exporter = "prometheus-remote-write"
url = "{prom}"

[targets.prod-dd]
exporter = "datadog"
url = "{dd}"
api_key = "0123456789abcdef0123456789abcdef"
app_key = "0123456789abcdef0123456789abcdef01234567"

[targets.prod-nr]
exporter = "newrelic"
url = "{nr}"
query_url = "{nr}"
license_key = "0123456789abcdef0123456789abcdef0123NRAL"
user_key = "NRAK-0123456789ABCDEF0123456789A"
account_id = 1234567
"""
TARGETS = {
    "prod-es": "elasticsearch",
    "prod-os": "opensearch",
    "prod-prom": "prometheus-remote-write",
    "prod-dd": "datadog",
    "prod-nr": "newrelic",
}
BY_PAGE = TARGETS | {"prod-otlp": "otlp", "prod-page": "prometheus", "prod-statsd": "statsd"}
_BLANK = re.compile(r"\b(?:TARGET|EXPORTER|HOST|PORT)\b")
NOT_OF_A_TARGET = ("usage.", "source.", "sandbox.", "foreign.", "es.product.other")
"""Pages whose command is about no target, or about another exporter on purpose."""
ANOTHER_EXPORTER = dict.fromkeys(("es.product.unknown", "es.write.require-data-stream-old"), "opensearch")
"""Pages whose remedy is to use another exporter."""
_OF_NO_TARGET_HERE = ("file.", "console.")
_SERVERS = ("es.", "os.", "page.", "prom.", "otlp.", "mimir.", "vm.")
_SERVICES = {"datadog": "dd.", "newrelic": "nr.", "statsd": "statsd."}
OTHERS = {
    "elasticsearch": ("page.", "prom.", "mimir.", "vm.", "os.", "otlp."),
    "opensearch": ("page.", "prom.", "mimir.", "vm.", "es.", "otlp."),
    "prometheus-remote-write": ("es.", "os.", "otlp.", "page.", "prom.page.", "prom.otlp."),
    "otlp": ("es.", "os.", "page.", "prom.page.", "prom.rw.", "prom.read.", "prom.health.", "mimir.", "vm."),
    "prometheus": ("es.", "os.", "otlp.", "prom.rw.", "prom.otlp.", "prom.health.", "prom.read.", "mimir.", "vm."),
}
FAULTS = [
    *(f"any {status} forever" for status in (400, 401, 403, 404, 405, 413, 418, 429, 500, 502, 503)),
    *(f"{status} forever" for status in (400, 401, 403, 404, 413, 429, 500, 503)),
    "expired-certificate",
    "any reset forever",
    "any close forever",
    "any truncated forever",
    "any wrong-json forever",
    "wrong-json forever",
    "any 200 body='<html>login</html>' forever",
    'any 403 body=\'{"message":"Forbidden"}\' forever',
]


def remedies(value: Any) -> Iterator[str]:
    """Every remedy in a document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "remedy" and isinstance(inner, str):
                yield inner
            else:
                yield from remedies(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from remedies(inner)


def problems(remedy: str, target: str) -> Iterator[str]:
    """What keeps a person from following it."""
    if _BLANK.search(remedy):
        yield f"a blank is left: {remedy}"
    for text, is_command in segments(remedy):
        if not is_command or not text.startswith("magictel "):
            continue
        words = shlex.split(text)
        if words[1].startswith("-"):
            continue
        command: Any = commands.load(next(command for command in commands.COMMANDS if command.name == words[1]))
        rest = words[2:]
        while getattr(command, "commands", None) and rest and rest[0] in command.commands:
            command, rest = command.commands[rest[0]], rest[1:]
        try:
            context = command.make_context(words[1], list(rest))
        except Exception as failure:
            yield f"{text}: {failure!r}"
            continue
        named = context.params.get("targets") or context.params.get("target")
        given = [named] if isinstance(named, str) else list(named or ())
        if given and target not in given:
            yield f"{text}: names another target than {target}"


@contextlib.contextmanager
def pointed_at(script: str, folder: Path) -> Iterator[None]:
    """A file of targets that point at a sandbox in which this fault strikes every backend."""
    names = list(TARGETS.values())
    with sandbox.start(names, faults=[f"{name}: {script}" for name in names]) as running:
        environment = running.environment()
        text = FILE.format(
            es=environment["ELASTICSEARCH_URL"],
            os=environment["OPENSEARCH_URL"],
            prom=environment["PROMETHEUS_REMOTE_WRITE_URL"],
            dd=environment["DD_DD_URL"],
            nr=environment["NEW_RELIC_URL"],
        )
        if "ELASTICSEARCH_CA_FILE" in environment:
            text = re.sub(r'(\nurl = "https.*)', rf'\1\nca_file = "{environment["ELASTICSEARCH_CA_FILE"]}"', text)
        (folder / "magictel.toml").write_text(text)
        yield


def followed(ran: Any) -> list[str]:
    document = json.loads(ran.out)
    wrong = []
    for target in document["targets"]:
        for remedy in remedies(target):
            wrong += [f"{target['target']}: {problem}" for problem in problems(remedy, target["target"])]
    return wrong


@pytest.mark.parametrize("script", FAULTS)
def test_every_remedy_of_a_check_can_be_followed(script: str, tmp_path: Path) -> None:
    with pointed_at(script, tmp_path):
        ran = magictel("check", *TARGETS, "--format", "json", "--config", "magictel.toml", folder=tmp_path)
    assert followed(ran) == []


@pytest.mark.parametrize("script", FAULTS)
def test_every_remedy_of_a_send_can_be_followed(script: str, tmp_path: Path) -> None:
    with pointed_at(script, tmp_path):
        options = ("--format", "json", "--config", "magictel.toml", "--deadline", "1s", "--within", "1s", "--force")
        ran = magictel("send-sample", *TARGETS, *options, folder=tmp_path)
    assert followed(ran) == []


@pytest.mark.parametrize(
    "url", ["localhost:9200", "http://127.0.0.1:{dead}", "https://127.0.0.1:{dead}", "http://no-such-host.invalid:9200"]
)
def test_every_remedy_of_a_wrong_address_can_be_followed(url: str, tmp_path: Path) -> None:
    address = url.format(dead=refused())
    (tmp_path / "magictel.toml").write_text(FILE.format(es=address, os=address, prom=address, dd=address, nr=address))
    for command in ("check", "send-sample"):
        ran = magictel(command, *TARGETS, "--format", "json", "--config", "magictel.toml", folder=tmp_path)
        assert ran.code in (1, 78)
        assert followed(ran) == []


@pytest.mark.parametrize(
    "code",
    [code for code in codes() if not code.startswith(NOT_OF_A_TARGET)],
)
def test_what_a_page_says_first_can_be_followed_for_any_target(code: str, tmp_path: Path) -> None:
    page = catalogue.explain(code)
    assert page is not None
    finding = Finding.failed(Rung.HTTP, code, "it failed", page.first)
    for target, exporter in BY_PAGE.items():
        services = [family for name, family in _SERVICES.items() if name != exporter]
        if code.startswith((*OTHERS.get(exporter, _SERVERS), *services, *_OF_NO_TARGET_HERE)):
            continue
        blanks = Blanks({target: exporter})
        blanks.fill(ClimbStarted(target, exporter, "https://es.example.net:9243", final=True))
        event = blanks.fill(RungClimbed(target, finding))
        assert isinstance(event, RungClimbed)
        assert event.finding.remedy is not None
        assert list(problems(event.finding.remedy, ANOTHER_EXPORTER.get(code, target))) == []


def test_a_blank_is_found() -> None:
    assert list(problems("magictel check TARGET", "prod-es"))
    assert list(problems("magictel check staging", "prod-es"))
    assert list(problems("magictel check prod-es --no-such", "prod-es"))
    assert not list(problems("magictel check prod-es --until write", "prod-es"))
