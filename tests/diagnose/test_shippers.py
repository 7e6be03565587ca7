"""Shippers' log lines, read without naming a backend: who is meant, the code, the class; and what the command makes of bare text."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from magictel.diagnose.backend_guess import guess
from magictel.diagnose.diagnosis import STANDS_WITH, UNRECOGNISED, Pasted
from magictel.secrets.patterns import masked
from tests.cli.running import magictel
from tests.diagnose.scripted import EXPORTERS, exporter_at
from tests.diagnose.shippers import LINES, Shipped

READERS = [exporter_at(name, "http://localhost:9200") for name in EXPORTERS]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_a_line_of_a_shipper_is_read_as_it_is_meant(line: Shipped) -> None:
    guessed = guess(READERS, Pasted(text=line.text))
    if line.exporter:
        assert guessed.exporter == line.exporter, guessed
    assert re.fullmatch(line.code, guessed.code or ""), guessed
    assert re.fullmatch(line.retry, guessed.retry or "none"), guessed
    assert guessed.outcome in STANDS_WITH[guessed.retry]
    assert guessed.guessed


def test_there_are_many_kinds_and_each_is_named_once() -> None:
    assert len(LINES) >= 75
    assert len({line.name for line in LINES}) == len(LINES)


TEXT = "level=error component=remote err='server returned HTTP status 400 Bad Request: out of order sample'"


def test_a_text_is_an_argument_alone_behind_the_exporter_or_comes_from_standard_input(tmp_path: Path) -> None:
    alone = magictel("diagnose", TEXT, "--format", "json", folder=tmp_path).document
    named = magictel("diagnose", "prometheus-remote-write", TEXT, "--format", "json", folder=tmp_path).document
    by_option = magictel("diagnose", "prometheus-remote-write", "--text", TEXT, "--format", "json", folder=tmp_path)
    assert named == by_option.document
    assert alone == {**named, "guessed": alone["guessed"]}
    for words in ([], ["-"], ["prometheus-remote-write"], ["prometheus-remote-write", "-"]):
        with patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode()))):
            piped = magictel("diagnose", *words, "--format", "json", folder=tmp_path)
        assert piped.document["code"] == "prom.rw.out-of-order", words


@pytest.mark.parametrize(
    ("text", "exporter", "why"),
    [
        ("opensearch: 503", "opensearch", "it says 'opensearch'"),
        ("err-mimir-max-label-names-per-series", "prometheus-remote-write", "it says 'mimir'"),
        ("mapper_parsing_exception: failed to parse field [a] of type [long]", "elasticsearch", "it may be opensearch as well"),
        ("No space left on device: out.jsonl", "file", "it says 'jsonl'"),
    ],
)  # fmt: skip
def test_a_guess_says_why_and_who_else(text: str, exporter: str, why: str, tmp_path: Path) -> None:
    ran = magictel("diagnose", text, folder=tmp_path)
    assert ran.out.startswith(exporter)
    assert why in " ".join(ran.out.split())


@pytest.mark.parametrize(
    ("text", "retry", "says"),
    [
        ("something odd happened", None, ""),
        ("it broke. The error is not retryable. Dropping data.", "no", "the line itself says 'not retryable'"),
        ("odd: non-recoverable error", "no", "'non-recoverable'"),
        ("odd; will not be retried", "no", "'will not be retried'"),
        ("odd; retrying later", None, "the line itself says 'retrying'"),
    ],
)
def test_what_is_not_recognised_gets_no_verdict_but_the_lines_own(
    text: str, retry: str | None, says: str, tmp_path: Path
) -> None:
    for words in ([text], ["elasticsearch", text]):
        document = magictel("diagnose", *words, "--format", "json", folder=tmp_path).document
        assert (document["code"], document["outcome"], document["retry"]) == (UNRECOGNISED, None, retry)
        assert says in document["message"]
        page = magictel("diagnose", *words, folder=tmp_path).out
        assert "not recognised" in page
        assert "again:" not in page


@pytest.mark.parametrize(
    "words",
    [["one", "two", "three"], ["elastcsearch"], [], ["elasticsearch", "a text", "--text", "another"]],
)
def test_wrong_usage_is_said(words: list[str], tmp_path: Path) -> None:
    with patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(b""))):
        assert magictel("diagnose", *words, folder=tmp_path).code == 2


@pytest.mark.parametrize(
    "text",
    [
        "wrong user or password: unable to authenticate user [u]",
        "unexpected token: END_OBJECT",
        "Basic authentication required",
        "Bearer token missing",
        'Basic realm="security"',
        "password: incorrect",
        "authorization: denied",
        "invalid token: expired",
        "secret: missing",
    ],
)
def test_a_word_of_prose_is_not_masked(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Basic {}",
        "authorization: Bearer {}",
        "token={}",
        '"password": "{}"',
        "api_key: {}",
        "api-key={}",
        "https://user:{}@host/",
        "ApiKey {}",
        "Authorization=Basic {}",
        "DD-API-KEY: {}",
        "DD-APPLICATION-KEY: {}",
        "DD_API_KEY={}",
        "DD_APP_KEY={}",
        "POST https://api.datadoghq.com/api/v1/series?api_key={0}&application_key={0}",
        "Api-Key: {}",
        "X-License-Key: {}",
        "NEW_RELIC_LICENSE_KEY={}",
        "NEW_RELIC_USER_KEY={}",
    ],
)
@pytest.mark.parametrize("secret", ["dXNlcjpwYXNz", "Tr0ub4dor&3", "abcdef0123456789"])
def test_a_secret_is_masked(text: str, secret: str) -> None:
    assert secret not in masked(text.format(secret))


@pytest.mark.parametrize(
    "text", ["password: hunterword", "password=hunterword", 'passwd":"hunterword', "secret = hunterword"]
)
def test_a_password_that_is_a_word_is_masked(text: str) -> None:
    assert "hunterword" not in masked(text)
