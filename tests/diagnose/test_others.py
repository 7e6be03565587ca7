"""Other backends' answers, other clients' words, the system's own errors: read by rules on shape, and how many come out right."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from magictel.diagnose.diagnose import diagnose
from magictel.diagnose.diagnosis import STANDS_WITH, UNRECOGNISED, Diagnosis, Pasted
from magictel.diagnose.log_parsing import body_after
from magictel.exporters.console import ConsoleExporter
from magictel.exporters.file import FileExporter, FileSettings
from magictel.http.classify import judge_status
from magictel.http.wire import Reply
from magictel.model.outcome import Delivered
from tests.diagnose.logs import LINES
from tests.diagnose.rows import BACKENDS, REFERENCE
from tests.diagnose.scripted import EXPORTERS, exporter_at

EXPORTER = {name: exporter_at(name, "http://localhost:9200") for name in EXPORTERS}
ANSWERS = REFERENCE / "fault_responses.json"
SAFE = {"backoff", "after-header"}
READ = ("elasticsearch", "opensearch", "prometheus-remote-write")
"""The exporters that other backends' answers are given to."""
UNTOLD = {
    "prom.otlp.delta": "a 500 whose text alone says that it is for good; remote write knows the words",
    "otlp.grpc.plain-to-tls": "a reset like any other: the second probe tells",
    "kafka.sasl": "a number of another protocol",
    "gw.es.retry-all": "about a program, not an answer",
    "scrape.port-in-use": "about the port of a page, which other exporters do not have",
    "scrape.gzip-unasked": "what a scraper says about a page",
    "scrape.blank-content-type": "what a scraper says about a page",
}
"""Rows whose class nothing in the answer's shape tells; each gets a class that loses nothing."""


def others() -> list[dict[str, Any]]:
    if not ANSWERS.exists():
        return []
    return [row for row in json.loads(ANSWERS.read_text())["rows"] if BACKENDS.get(row["backend"]) not in READ]


def pasted(row: dict[str, Any]) -> Pasted:
    status = re.match(r"(\d{3})\b", row["seen"])
    if status is None:
        return Pasted(text=f"{row['seen']}: {row['body']}")
    return Pasted(int(status[1]), {"content-type": "text/plain"} if "text" in row["seen"] else {}, row["body"].encode())


def right(diagnosis: Diagnosis, row: dict[str, Any]) -> bool:
    """A class that keeps what the row's keeps: waiting with or without a header; a 2xx of nobody's own delivers, and proves nothing."""
    accepted = {
        "after-header": SAFE,
        "backoff": SAFE,
        "verify": {"verify", None},
        "no": {"no", "verify", None} if row["id"] == "otlp.partial-warning" else {"no"},
    }.get(row["retry"], {row["retry"]})
    unlike = row["retry"] == "verify" and diagnosis.code in ("es.product.unknown", "es.write.no-verdict")
    return diagnosis.retry in accepted or unlike  # without items a 2xx is no answer of Elasticsearch's at all


@pytest.mark.skipif(not ANSWERS.exists(), reason=f"the fault catalogue is not here: {ANSWERS}")
@pytest.mark.parametrize("name", READ)
def test_other_backends_answers_get_the_class_of_their_row(name: str) -> None:
    rows = others()
    wrong = {row["id"] for row in rows if not right(diagnose(EXPORTER[name], pasted(row)), row)}
    assert len(rows) >= 48
    known = (
        {"prom.otlp.delta", "scrape.gzip-unasked", "scrape.blank-content-type"}
        if name == "prometheus-remote-write"
        else set()
    )
    assert wrong == set(UNTOLD) - known  # 83 of 100; the rest keeps the points and tries again
    for row in rows:
        diagnosis = diagnose(EXPORTER[name], pasted(row))
        assert diagnosis.outcome in STANDS_WITH[diagnosis.retry]
        assert diagnosis.message.strip()
        assert diagnosis.code is None or diagnosis.remedy
        if row["id"] in wrong:
            assert diagnosis.retry in SAFE or diagnosis.code == UNRECOGNISED


@pytest.mark.parametrize(("text", "code"), LINES, ids=[f"{code} {text[:40]}" for text, code in LINES])
def test_each_client_s_words_for_a_fault_are_understood(text: str, code: str) -> None:
    for name, exporter in EXPORTER.items():
        if (name, text) != (
            "prometheus-remote-write",
            "unexpected EOF",
        ):  # a receiver's words for protobuf that was cut
            assert diagnose(exporter, Pasted(text=text)).code == code


STATUSES = [
    ("rpc error: code = PermissionDenied desc = no", "no"),
    ("rpc error: code = Unauthenticated desc = missing", "no"),
    ("rpc error: code = Unavailable desc = try later", "backoff"),
    ("StatusCode.RESOURCE_EXHAUSTED: slow down", "after-header"),
    ("RESOURCE_EXHAUSTED: grpc: received message larger than max (5000000 vs. 4194304)", "split"),
    ("INVALID_ARGUMENT: bad metric", "no"),
    ("UNIMPLEMENTED: unknown service", "no"),
    ("INTERNAL: unexpected HTTP status code received from server: 400 (Bad Request)", "no"),
    ("Broker: Topic authorization failed", "no"),
]


@pytest.mark.parametrize(("text", "retry"), STATUSES, ids=[case[0] for case in STATUSES])
def test_a_status_that_is_named_counts_as_its_number(text: str, retry: str) -> None:
    assert diagnose(EXPORTER["prometheus-remote-write"], Pasted(text=text)).retry == retry


BODIES = [
    ({"code": 14, "message": "data refused due to high memory usage", "details": []}, "backoff"),
    ({"code": 16, "message": "no token"}, "no"),
    ({"code": 8, "message": "quota"}, "after-header"),
    ({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "no"}}, "no"),
    ({"statusCode": 429, "message": "Rate limit is exceeded"}, "after-header"),
]


@pytest.mark.parametrize(("body", "retry"), BODIES, ids=[str(case[0]) for case in BODIES])
def test_a_body_alone_tells_its_status(body: dict[str, Any], retry: str) -> None:
    diagnosis = diagnose(EXPORTER["prometheus-remote-write"], Pasted(body=json.dumps(body).encode()))
    assert diagnosis.retry == retry


@pytest.mark.parametrize(
    "body",
    [
        {"partialSuccess": {"rejectedDataPoints": "2", "errorMessage": "unsupported type"}},
        {"partialSuccess": {"rejectedLogRecords": 1}},
        [{"status": 202}, {"status": 400, "error": "too old"}],
    ],
    ids=str,
)
def test_a_2xx_that_refuses_some_is_not_delivered(body: Any) -> None:
    diagnosis = diagnose(EXPORTER["prometheus-remote-write"], Pasted(200, {}, json.dumps(body).encode()))
    assert (diagnosis.outcome, diagnosis.retry) == ("rejected", "no")


@pytest.mark.parametrize(
    "body", [{"partialSuccess": {}}, {"partialSuccess": {"errorMessage": "deprecated"}}, []], ids=str
)
def test_a_2xx_that_only_warns_is_delivered_unless_the_backend_answers_otherwise(body: Any) -> None:
    reply = Reply(200, {}, json.dumps(body).encode())
    assert isinstance(judge_status(reply, 0.0), Delivered)
    diagnosis = diagnose(EXPORTER["prometheus-remote-write"], Pasted(200, {}, reply.body))
    assert (diagnosis.outcome, diagnosis.code) == ("unconfirmed", "http.unconfirmed")


SYSTEM = [
    (errno.ENOSPC, "file.full", "slow"),
    (errno.EDQUOT, "file.full", "slow"),
    (errno.EFBIG, "file.full", "slow"),
    (errno.EACCES, "file.permission", "slow"),
    (errno.EPERM, "file.permission", "slow"),
    (errno.EROFS, "file.permission", "slow"),
    (errno.ENOENT, "file.no-directory", "slow"),
    (errno.ENOTDIR, "file.no-directory", "slow"),
    (errno.EISDIR, "file.is-directory", "slow"),
    (errno.EIO, "file.failed", "backoff"),
    (errno.EMFILE, "file.failed", "backoff"),
]
WORDS = [
    "[Errno {number}] {words}: '/var/x'",
    "write /var/x: {lower}",
    "Error: {symbol}: it failed",
    "{words} (os error {number})",
]


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize(("number", "code", "retry"), SYSTEM, ids=[errno.errorcode[case[0]] for case in SYSTEM])
def test_an_error_of_the_file_system_is_read_as_the_file_exporter_meets_it(
    number: int, code: str, retry: str, words: str, tmp_path: Path
) -> None:
    message = os.strerror(number)
    text = words.format(number=number, words=message, lower=message.lower(), symbol=errno.errorcode[number])
    diagnosis = diagnose(FileExporter(FileSettings(path=str(tmp_path / "m.jsonl"))), Pasted(text=text))
    assert (diagnosis.code, diagnosis.retry) == (code, retry)
    assert diagnosis.outcome in STANDS_WITH[diagnosis.retry]
    assert diagnosis.remedy


@pytest.mark.parametrize(
    "text", ["BrokenPipeError: [Errno 32] Broken pipe", "write stdout: EPIPE", "write: broken pipe"]
)
def test_a_closed_pipe_is_the_console_s(text: str) -> None:
    diagnosis = diagnose(ConsoleExporter(), Pasted(text=text))
    assert (diagnosis.code, diagnosis.outcome, diagnosis.retry) == ("console.closed", "throttled", "slow")


@pytest.mark.parametrize("name", ["elasticsearch", "opensearch"])
def test_an_item_refused_for_an_unknown_reason_is_still_an_answer_of_elasticsearchs(name: str) -> None:
    refused = {"create": {"status": 400, "error": {"type": "new_exception", "reason": "something else"}}}
    reply = json.dumps({"errors": True, "items": [refused, {"create": {"status": 201}}]}).encode()
    diagnosis = diagnose(EXPORTER[name], Pasted(200, {"content-type": "application/json"}, reply))
    assert (diagnosis.outcome, diagnosis.code, diagnosis.retry) == ("partial", "es.write.refused", "no")
    assert "something else" in diagnosis.message


def test_a_long_word_before_the_status_is_read_in_time_linear_in_its_length() -> None:
    """As of a key or a body in base64; a quadratic reading would not end here."""
    word = "x" * 2_000_000
    assert body_after(f"{word} 503", 503) == word
