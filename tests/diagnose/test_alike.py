"""Answers and lines that were once read as what they are not: the verdict is delivery's, the sentence true, the rest alternatives."""

from __future__ import annotations

from pathlib import Path

import pytest

from magictel.operations.diagnose import Diagnosis, During, Pasted, diagnose
from tests.cli.running import magictel
from tests.diagnose.scripted import EXPORTERS, answering, climbed, delivered, made, raw

EXPORTER = {name: made(name, "http://localhost:9200") for name in EXPORTERS}
PRODUCT = {"x-elastic-product": "Elasticsearch"}


def codes(found: Diagnosis) -> list[str]:
    return [one.code for one in found.alternatives]


@pytest.mark.parametrize("during", [None, "auth", "write"])
@pytest.mark.parametrize("body", [None, b"Unauthorized"])
def test_a_401_without_an_error_of_elasticsearchs_is_nobodys(body: bytes | None, during: During | None) -> None:
    found = diagnose(EXPORTER["elasticsearch"], Pasted(401, {}, body, during=during))
    assert (found.outcome, found.code) == ("rejected", "http.unauthorized")
    assert "os.auth.unauthorized" in codes(found)
    found = diagnose(EXPORTER["opensearch"], Pasted(401, {}, body, during=during))
    assert found.code == "os.auth.unauthorized"


def test_delivery_and_ladder_call_that_401_the_same() -> None:
    for name, code in (("elasticsearch", "http.unauthorized"), ("opensearch", "os.auth.unauthorized")):
        with answering(name, {"": raw(401, {}, b"")}) as url:
            assert delivered(made(name, url)) == [code]
            assert climbed(made(name, url))[0] == code


@pytest.mark.parametrize("during", [None, "write"])
def test_a_2xx_that_names_elasticsearch_and_judges_no_item_gets_deliverys_verdict(during: During | None) -> None:
    found = diagnose(EXPORTER["elasticsearch"], Pasted(200, PRODUCT, during=during))
    assert (found.outcome, found.code, found.retry) == ("unavailable", "es.write.no-verdict", "backoff")
    assert found.message == "200 without item verdicts: its body is empty"
    assert "es.product.unknown" not in codes(found)
    with answering("elasticsearch", {"POST": raw(200, PRODUCT, b"")}) as url:
        assert delivered(made("elasticsearch", url)) == [found.code]


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
    found = diagnose(EXPORTER["elasticsearch"], Pasted(404, during="health"))
    assert found.code == "es.health.serverless"
    assert [(one.code, "prefix" in one.why) for one in found.alternatives] == [("http.not-found", True)]
    certain = b'{"error":{"type":"api_not_available_exception","reason":"not in serverless mode"},"status":410}'
    assert codes(diagnose(EXPORTER["elasticsearch"], Pasted(410, {}, certain, during="health"))) == []
