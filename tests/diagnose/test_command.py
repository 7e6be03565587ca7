"""`magictel diagnose` as it is typed: its document, its page, wrong usage, settings that cannot be used; it never sends anything."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from magictel.catalogue.retry import RETRY
from magictel.diagnose import diagnosis as operation
from magictel.diagnose.diagnosis import STANDS_WITH
from tests.cli.running import magictel

FLOOD = {
    "items": [
        {
            "create": {
                "status": 429,
                "error": {
                    "type": "cluster_block_exception",
                    "reason": "index [m] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark];",
                },
            }
        }
    ],
    "errors": True,
}


def test_the_document_has_its_keys_and_the_wait_that_the_answer_names(tmp_path: Path) -> None:
    ran = magictel(
        "diagnose",
        "elasticsearch",
        "--status",
        "429",
        "--header",
        "Retry-After: 5",
        "--format",
        "json",
        folder=tmp_path,
    )
    assert ran.code == 0
    document = ran.document
    assert list(document)[:9] == [
        "schema",
        "exporter",
        "outcome",
        "retry",
        "after",
        "code",
        "message",
        "remedy",
        "alternatives",
    ]
    assert (document["schema"], document["outcome"], document["after"]) == ("magictel.diagnose/1", "throttled", 5.0)
    assert (document["code"], document["retry"]) == ("http.throttled", "after-header")


def test_a_body_comes_from_a_file_or_standard_input(tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text(json.dumps(FLOOD))
    words = ["diagnose", "elasticsearch", "--status", "200", "--format", "json", "--body"]
    of_file = magictel(*words, "answer.json", folder=tmp_path).document
    with patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(FLOOD).encode()))):
        of_input = magictel(*words, "-", folder=tmp_path).document
    assert of_file == of_input
    assert (of_file["outcome"], of_file["code"], of_file["retry"]) == ("partial", "es.write.flood-stage", "slow")


def test_items_of_several_kinds_name_the_commonest_and_the_others(tmp_path: Path) -> None:
    def item(status: int, kind: str) -> dict[str, object]:
        return {"create": {"status": status, "error": {"type": kind, "reason": "r"}}}

    mixed = {"items": [item(429, "es_rejected_execution_exception"), *[item(403, "security_exception")] * 2]}
    (tmp_path / "b").write_text(json.dumps(mixed))
    document = magictel(
        "diagnose", "elasticsearch", "--status", "200", "--body", "b", "--format", "json", folder=tmp_path
    ).document
    assert (document["outcome"], document["code"]) == ("partial", "es.authz.bulk")
    assert {alternative["code"] for alternative in document["alternatives"]} == {"es.write.queue-full"}


def test_the_page_fits_a_terminal_and_says_what_to_do(tmp_path: Path) -> None:
    ran = magictel("diagnose", "elasticsearch", "--text", "[Errno 104] Connection reset by peer", folder=tmp_path)
    assert ran.code == 0
    assert ran.out.startswith("elasticsearch  unavailable")
    for part in ("net.tcp.reset", "fix:", "again:", "or:     http.tls-port: ", "magictel explain net.tcp.reset"):
        assert part in ran.out


def test_stored_points_have_no_code(tmp_path: Path) -> None:
    (tmp_path / "b").write_text('{"errors": false, "items": [{"create": {"status": 201}}]}')
    document = magictel(
        "diagnose", "elasticsearch", "--status", "200", "--body", "b", "--format", "json", folder=tmp_path
    ).document
    assert (document["outcome"], document["code"], document["retry"]) == ("delivered", None, None)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--status", "ninety"],
        ["--header", "no colon", "--status", "400"],
        ["--body", "not-there", "--status", "400"],
        ["--during", "lunch", "--status", "400"],
    ],
)
def test_wrong_usage_is_exit_2_in_one_document(words: list[str], tmp_path: Path) -> None:
    ran = magictel("diagnose", "elasticsearch", "--format", "json", *words, folder=tmp_path)
    assert (ran.code, ran.document["schema"], ran.document["code"]) == (2, "magictel.error/1", "usage.command-line")
    assert ran.document["remedy"]


def test_an_unknown_exporter_is_wrong_usage(tmp_path: Path) -> None:
    assert magictel("diagnose", "elasticsaerch", "--status", "400", folder=tmp_path).code == 2


def test_settings_that_cannot_be_used_are_the_diagnosis_where_nothing_is_pasted(tmp_path: Path) -> None:
    ran = magictel("diagnose", "elasticsearch", "--set", "url=http://h:abc", "--format", "json", folder=tmp_path)
    assert (ran.code, ran.document["outcome"], ran.document["code"]) == (0, None, "config.url.bad-port")


def test_settings_that_cannot_be_used_are_an_alternative_to_what_is_pasted(tmp_path: Path) -> None:
    words = ["--set", "url=http://h:abc", "--text", "Connection refused", "--format", "json"]
    document = magictel("diagnose", "elasticsearch", *words, folder=tmp_path).document
    assert document["code"] == "net.tcp.refused"
    assert document["alternatives"][0]["code"] == "config.url.bad-port"


def test_an_exporter_without_settings_still_reads(tmp_path: Path) -> None:
    words = ["--text", "HTTP status 400: out of order sample", "--format", "json"]
    document = magictel("diagnose", "prometheus-remote-write", *words, folder=tmp_path).document
    assert (document["outcome"], document["code"]) == ("rejected", "prom.rw.out-of-order")


def test_a_target_of_the_file_is_read_as_its_exporter(tmp_path: Path) -> None:
    (tmp_path / "magictel.toml").write_text('[targets.prod]\nexporter = "opensearch"\n')
    document = magictel("diagnose", "prod", "--status", "401", "--format", "json", folder=tmp_path).document
    assert (document["exporter"], document["code"]) == ("opensearch", "os.auth.unauthorized")


@pytest.mark.parametrize(
    ("status", "outcome", "code"), [("red", "unavailable", "es.health.red"), ("green", "delivered", None)]
)
def test_a_health_answer_is_read_by_the_health_probe(status: str, outcome: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "b").write_text(json.dumps({"status": status, "number_of_data_nodes": 3, "unassigned_shards": 1}))
    words = ["--status", "200", "--body", "b", "--during", "health", "--format", "json"]
    document = magictel("diagnose", "elasticsearch", *words, folder=tmp_path).document
    assert (document["outcome"], document["code"]) == (outcome, code)


def test_the_published_table_is_the_one_that_holds() -> None:
    """The docstring's rows and `STANDS_WITH` are the same, over every class of the catalogue."""
    assert set(STANDS_WITH) == {*RETRY, None}
    text = str(operation.__doc__)
    for retry, outcomes in STANDS_WITH.items():
        line = re.search(rf"^    {re.escape(retry or '(no code)')} +(.+)$", text, re.MULTILINE)
        assert line, retry
        words = {word.strip() for word in re.sub(r"\(.*?\)", "", line.group(1)).split(",")}
        assert words == {outcome or "none" for outcome in outcomes}, retry


def test_a_429_that_names_no_time_is_not_said_to_name_one(tmp_path: Path) -> None:
    ran = magictel("diagnose", "429 Too Many Requests", folder=tmp_path)
    assert "again:  with backoff: the response names no time" in ran.out
    assert "says to wait" not in ran.out


@pytest.mark.parametrize(
    ("words", "target"),
    [
        (["elasticsearch", "--status", "401"], "elasticsearch"),
        (["es2", "--status", "401", "--config", "t.toml"], "es2"),
        (["elasticsearch: 401 Unauthorized"], "elasticsearch"),
    ],
)
def test_commands_name_the_target(words: list[str], target: str, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text('[targets.es2]\nexporter = "elasticsearch"\n')
    ran = magictel("diagnose", *words, folder=tmp_path)
    assert f"magictel config show {target} --origin" in " ".join(ran.out.split())
    assert "TARGET" not in ran.out


@pytest.mark.parametrize(
    "words", [[""], ["-"], ["--text", ""], ["elasticsearch", " "], ["elasticsearch", "--text", ""]]
)
def test_an_empty_text_is_nothing_to_diagnose(words: list[str], tmp_path: Path) -> None:
    with patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(b""))):
        ran = magictel("diagnose", *words, folder=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert "nothing to diagnose" in ran.err


@pytest.mark.parametrize("words", [["hello world"], ["elasticsearch", "hello world"]])
def test_what_is_not_recognised_is_exit_1(words: list[str], tmp_path: Path) -> None:
    assert magictel("diagnose", *words, folder=tmp_path).code == 1
    assert magictel("diagnose", *words, "--format", "json", folder=tmp_path).code == 1


@pytest.mark.parametrize(
    "text", ["401 Unauthorized", "Connection refused", "certificate has expired", "503 Service Unavailable"]
)
def test_a_text_that_names_no_backend_gets_none(text: str, tmp_path: Path) -> None:
    ran = magictel("diagnose", text, folder=tmp_path)
    assert ran.out.startswith(("unavailable", "request rejected, points wait"))
    assert "as:" not in ran.out
    document = magictel("diagnose", text, "--format", "json", folder=tmp_path).document
    assert (document["exporter"], document["guessed"]) == (None, "no backend is named in it")
    assert document["code"].partition(".")[0] in {"http", "net", "tls"}


@pytest.mark.parametrize(
    ("text", "renewed"),
    [("401 Unauthorized", "credentials"), ("403 Forbidden", "credentials"), ("certificate has expired", "TLS files")],
)
def test_points_that_wait_for_an_operator_are_not_said_to_be_lost(text: str, renewed: str, tmp_path: Path) -> None:
    page = " ".join(magictel("diagnose", text, folder=tmp_path).out.split())
    assert f"keeps the points waiting, and reads the {renewed} again" in page
    assert "never" not in page


@pytest.mark.parametrize(
    "text",
    ["elasticsearch: 401 Unauthorized", "Connection refused", "[Errno 28] No space left on device", "hello world"],
)
def test_commands_are_on_lines_of_their_own(text: str, tmp_path: Path) -> None:
    commands = [line for line in magictel("diagnose", text, folder=tmp_path).out.splitlines() if COMMAND.search(line)]
    assert commands
    for line in commands:
        assert COMMAND.match(line.removeprefix("  more:   ").lstrip()), line


def test_a_request_in_the_text_is_no_command_of_a_remedy(tmp_path: Path) -> None:
    ran = magictel(
        "diagnose", "elasticsearch: it failed: POST http://es:9200/_bulk 503 Service Unavailable", folder=tmp_path
    )
    assert "  503: elasticsearch: it failed: POST http://es:9200/_bulk\n" in ran.out


COMMAND = re.compile(r"(?:magictel|ss|df) \S")


def test_the_default_path_of_the_file_exporter_is_not_named(tmp_path: Path) -> None:
    words = ["[Errno 28] No space left on device", "--format", "json"]
    assert magictel("diagnose", *words, folder=tmp_path).document["message"] == "No space is left for the file."
    words = ["file", *words, "--set", "path=out.jsonl"]
    assert magictel("diagnose", *words, folder=tmp_path).document["message"] == "no space left for out.jsonl"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("opensearch: HTTPError(401, 'Unauthorized')", "401: opensearch"),
        ("Response(status_code=403, text='forbidden by policy')", "403: forbidden by policy"),
        ("HTTPError('503 Server Error: no upstream for x')", "503: Server Error: no upstream for x"),
    ],
)
def test_no_fragment_of_a_python_repr_is_left(text: str, message: str, tmp_path: Path) -> None:
    assert magictel("diagnose", text, "--format", "json", folder=tmp_path).document["message"] == message
