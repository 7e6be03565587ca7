"""Answers and lines that were once read as what they are not: the verdict is delivery's, the sentence true, the rest alternatives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magictel.diagnose.diagnose import diagnose
from magictel.diagnose.diagnosis import Diagnosis, During, Pasted
from tests.cli.running import magictel
from tests.diagnose.scripted import EXPORTERS, answering, climbed, delivered, exporter_at, raw

EXPORTER = {name: exporter_at(name, "http://localhost:9200") for name in EXPORTERS}
PRODUCT = {"x-elastic-product": "Elasticsearch"}


def codes(diagnosis: Diagnosis) -> list[str]:
    return [alternative.code for alternative in diagnosis.alternatives]


@pytest.mark.parametrize("during", [None, "auth", "write"])
@pytest.mark.parametrize("body", [None, b"Unauthorized"])
def test_a_401_without_an_error_of_elasticsearchs_is_nobodys(body: bytes | None, during: During | None) -> None:
    diagnosis = diagnose(EXPORTER["elasticsearch"], Pasted(401, {}, body, during=during))
    assert (diagnosis.outcome, diagnosis.code) == ("rejected", "http.unauthorized")
    assert "os.auth.unauthorized" in codes(diagnosis)
    diagnosis = diagnose(EXPORTER["opensearch"], Pasted(401, {}, body, during=during))
    assert diagnosis.code == "os.auth.unauthorized"


def test_delivery_and_ladder_call_that_401_the_same() -> None:
    for name, code in (("elasticsearch", "http.unauthorized"), ("opensearch", "os.auth.unauthorized")):
        with answering(name, {"": raw(401, {}, b"")}) as url:
            assert delivered(exporter_at(name, url)) == [code]
            assert climbed(exporter_at(name, url))[0] == code


@pytest.mark.parametrize("during", [None, "write"])
def test_a_2xx_that_names_elasticsearch_and_judges_no_item_gets_deliverys_verdict(during: During | None) -> None:
    diagnosis = diagnose(EXPORTER["elasticsearch"], Pasted(200, PRODUCT, during=during))
    assert (diagnosis.outcome, diagnosis.code, diagnosis.retry) == ("unavailable", "es.write.no-verdict", "backoff")
    assert diagnosis.message == "200 without item verdicts: its body is empty"
    assert "es.product.unknown" not in codes(diagnosis)
    with answering("elasticsearch", {"POST": raw(200, PRODUCT, b"")}) as url:
        assert delivered(exporter_at("elasticsearch", url)) == [diagnosis.code]


def test_a_2xx_of_nobody_may_answer_either_question() -> None:
    asked = diagnose(EXPORTER["elasticsearch"], Pasted(200))
    written = diagnose(EXPORTER["elasticsearch"], Pasted(200, during="write"))
    assert (asked.code, codes(asked)) == ("es.product.unknown", ["es.write.no-verdict"])
    assert (written.code, codes(written)) == ("es.write.no-verdict", ["es.product.unknown"])


@pytest.mark.parametrize("words", [["--status", "500"], ["--status", "503", "--header", "Retry-After: 5"]])
@pytest.mark.parametrize("name", ["file", "console"])
def test_who_speaks_no_http_is_given_no_answer_of_it(name: str, words: list[str], tmp_path: Path) -> None:
    given = ["--set", "path=m.jsonl"] if name == "file" else []
    ran = magictel("diagnose", name, "--format", "json", *given, *words, folder=tmp_path)
    assert (ran.code, ran.document["code"]) == (2, "usage.command-line")
    assert "no HTTP answers" in ran.document["message"]
    assert "--text" in ran.document["remedy"]


def test_a_health_that_is_not_there_may_be_a_path_that_is_not_there() -> None:
    diagnosis = diagnose(EXPORTER["elasticsearch"], Pasted(404, during="health"))
    assert diagnosis.code == "es.health.serverless"
    assert [(alternative.code, "prefix" in alternative.why) for alternative in diagnosis.alternatives] == [
        ("http.not-found", True)
    ]
    certain = b'{"error":{"type":"api_not_available_exception","reason":"not in serverless mode"},"status":410}'
    assert codes(diagnose(EXPORTER["elasticsearch"], Pasted(410, {}, certain, during="health"))) == []


DENIED = "no permissions for [indices:data/write/bulk] and User [name=x, roles=[a]]"
WRITE = "action [indices:data/write/bulk[s]] is unauthorized for user [ro]"


def wrappings(message: str) -> dict[str, Pasted]:
    """One refusal in the frames in which clients and proxies hand it on."""
    error = {"error": {"type": "security_exception", "reason": message}, "status": 403}
    return {
        "answer": Pasted(403, {"content-type": "application/json"}, json.dumps(error).encode()),
        "answer in plain text": Pasted(403, {"content-type": "text/plain"}, message.encode()),
        "answer with a bare error": Pasted(403, {}, json.dumps({"error": message, "status": 403}).encode()),
        "message alone": Pasted(text=f'TransportError(403, "{message}")'),
        "type and message": Pasted(text=f"AuthorizationException(403, 'security_exception', '{message}')"),
        "another class": Pasted(text=f'AuthorizationException(403, "{message}")'),
        "status line": Pasted(text=f"bulk failed: HTTP 403 Forbidden: {message}"),
    }


@pytest.mark.parametrize("message", [DENIED, WRITE])
@pytest.mark.parametrize("frame", wrappings(""))
def test_a_refused_action_is_the_same_in_every_frame(frame: str, message: str) -> None:
    diagnosis = diagnose(EXPORTER["opensearch"], wrappings(message)[frame])
    assert (diagnosis.outcome, diagnosis.code) == (
        "rejected",
        "os.authz.denied" if message is DENIED else "es.authz.bulk",
    )
    assert diagnosis.message.endswith(message)


def test_a_stranger_s_plain_words_are_no_engine_s() -> None:
    diagnosis = diagnose(EXPORTER["elasticsearch"], Pasted(400, {}, b"timestamp out of range"))
    assert (diagnosis.code, diagnosis.message) == ("http.refused", "400: timestamp out of range")


def test_delivery_reads_the_same_refusal_in_plain_text() -> None:
    with answering("opensearch", {"POST": raw(403, {}, DENIED.encode())}) as url:
        assert delivered(exporter_at("opensearch", url)) == ["os.authz.denied"]


UNNAMED = ["Name or service not known", "x509: certificate signed by unknown authority", "certificate has expired",
           "connection refused", "read timed out", "TLS handshake timeout", "HTTP/1.1 401"]  # fmt: skip


@pytest.mark.parametrize("text", UNNAMED)
@pytest.mark.parametrize("name", ["elasticsearch", "prometheus-remote-write", "file"])
def test_no_host_is_named_that_the_log_does_not_name(name: str, text: str, tmp_path: Path) -> None:
    given = ["--set", "path=m.jsonl"] if name == "file" else []
    document: dict[str, Any] = magictel(
        "diagnose", name, "--text", text, "--format", "json", *given, folder=tmp_path
    ).document
    assert not any(
        host in json.dumps(document) for host in ("localhost:", "example", "invalid", "getent hosts localhost")
    )


def test_a_name_that_nobody_told_is_the_backends() -> None:
    diagnosis = diagnose(EXPORTER["elasticsearch"], Pasted(text="Name or service not known"))
    assert diagnosis.message == "The host name does not resolve on this machine."
    assert (diagnosis.remedy or "").endswith("getent hosts HOST")
    named = diagnose(EXPORTER["elasticsearch"], Pasted(text="lookup es.prod on 10.0.0.1:53: no such host"))
    assert named.message.startswith("es.prod: the host name does not resolve")


QUOTED = [
    ("elasticsearch", "TransportError(429, 'circuit_breaking_exception', '[parent] Data too large, data for [<http_request>]')",
     "circuit_breaking_exception: [parent] Data too large, data for [<http_request>]"),
    ("elasticsearch", 'HTTP 418 "no tea (only [coffee])"', "no tea (only [coffee])"),
    ("prometheus-remote-write", "HTTP 429: the tenant is over its limit (err-mimir-tenant-max-ingestion-rate)",
     "429: the tenant is over its limit (err-mimir-tenant-max-ingestion-rate)"),
    ("prometheus-remote-write", "HTTP 400: err-mimir-max-series-per-user", "400: err-mimir-max-series-per-user"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "message"), QUOTED, ids=[case[1][:30] for case in QUOTED])
def test_a_quotation_keeps_its_brackets_and_is_told_once(name: str, text: str, message: str) -> None:
    sentence = diagnose(EXPORTER[name], Pasted(text=text)).message
    assert sentence.endswith(message)
    assert sentence.count("err-mimir") == message.count("err-mimir")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Der Server meldet 503 und will nicht", 503),
        ("le serveur dit: 429.", 429),
        ("es dauerte 500 ms", None),
        ("puerto :503 cerrado", None),
        ("took 500s", None),
        ("es waren 413 KiB", None),
        ("Zeile 443", None),
        ("erst 503 und dann 504", None),
        ("5.503 Punkte", None),
    ],
)
def test_a_lone_number_is_an_alternative_and_no_verdict(text: str, status: int | None) -> None:
    diagnosis = diagnose(EXPORTER["elasticsearch"], Pasted(text=text))
    assert (diagnosis.code, diagnosis.outcome) == ("diagnose.unrecognised", None)
    expected = [diagnose(EXPORTER["elasticsearch"], Pasted(status)).code] if status else []
    assert codes(diagnosis) == expected
    assert all(f"--status {status}" in alternative.why for alternative in diagnosis.alternatives)


CONFLICT = '{"type":"version_conflict_engine_exception","reason":"[x]: version conflict, document already exists (current version [1])"}'


@pytest.mark.parametrize("name", ["elasticsearch", "opensearch"])
@pytest.mark.parametrize(
    "pasted",
    [
        ("--text", "[409] version_conflict_engine_exception: [x]: version conflict, document already exists"),
        ("--text", CONFLICT),
        ("--text", f'{{"error":{CONFLICT},"status":409}}'),
        ("--text", f'failed: {{"_index":"m","_id":"x","status":409,"error":{CONFLICT}}}'),
        (
            "--text",
            "ConflictError(409, 'version_conflict_engine_exception', '[x]: version conflict, document already exists')",
        ),
        ("--status", "409", "--text", CONFLICT),
        ("--status", "409", "--text", f'{{"error":{CONFLICT},"status":409}}'),
        (
            "--text",
            "ElasticsearchStatusException[type=version_conflict_engine_exception, reason=[x]: version conflict]",
        ),
    ],
)
def test_a_version_conflict_is_our_own_repeat_by_any_road(name: str, pasted: tuple[str, ...], tmp_path: Path) -> None:
    document = magictel("diagnose", name, *pasted, "--format", "json", folder=tmp_path).document
    assert (document["code"], document["outcome"], document["retry"]) == (
        "es.write.duplicate",
        "delivered",
        "treat-as-success",
    )
