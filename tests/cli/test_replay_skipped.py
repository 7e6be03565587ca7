"""What a recording holds and is not sent stands in every report with its reason, and nothing adds up to less than there was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import magictel
from tests.cli.test_replay import replayed, request

TIME = 1_700_000_000_000_000_000


def line(kind: str = "gauge", **point: Any) -> str:
    """One line with one point of the metric m."""
    data = {"dataPoints": [{"timeUnixNano": str(TIME), **point}]}
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", kind: data}]}]}]})


ENDED = line(asDouble=0, flags=1)
UNSORTED = line("histogram", count=7, bucketCounts=[1, 2, 4], explicitBounds=[5, 1])
SPANS = '{"resourceSpans":[]}'


def test_every_reason_is_counted_and_all_of_them_add_up(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("\n".join([request(1, 2), ENDED, UNSORTED, SPANS, "{broken", request(3, name="other")]))
    ran = replayed(tmp_path, "r", "--on-error", "skip", "--verify")
    assert ran.code == 0, ran
    source = ran.document["source"]
    assert (source["points"], source["skipped"], source["ended"]) == (3, 4, 1)
    assert {
        (reason["code"], reason["count"], reason["unit"], reason["lost"]) for reason in source["skipped_reasons"]
    } == {
        ("broken-line", 1, "line", True),
        ("impossible-point", 1, "point", True),
        ("ended", 1, "point", False),
        ("other-signal", 1, "line", False),
    }
    assert "r, line 3, column" in source["examples"][0]


def test_the_page_says_what_was_skipped_and_why(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("\n".join([request(1), ENDED, UNSORTED, SPANS]))
    arguments = ("r", "--to", "file", "--set", "path=out", "--on-error", "skip")
    ran = magictel("replay", *arguments, folder=tmp_path)
    assert ran.code == 0, ran
    for text in (
        "skipped 3",
        "source.impossible-point",
        "1 point: impossible",
        "1 point: ended series (no recorded value)",
        "1 line: resourceSpans, not metrics",
        "for example r, line 3, column",
    ):
        assert text in ran.out
    dry = magictel("replay", *arguments, "--dry-run", folder=tmp_path)
    assert "skipped 1 point: impossible" in dry.out
    assert magictel("replay", *arguments, "--strict", folder=tmp_path).code == 3


@pytest.mark.parametrize(
    ("text", "code"), [(ENDED, 0), (SPANS, 0), (line(timeUnixNano=str(TIME // 10**6), asInt=1), 3)]
)
def test_strict_minds_doubtful_times_but_not_what_has_nothing_to_send(tmp_path: Path, text: str, code: int) -> None:
    (tmp_path / "r").write_text(f"{request(1)}\n{text}\n")
    ran = magictel("replay", "r", "--to", "file", "--set", "path=out", "--strict", folder=tmp_path)
    assert ran.code == code, ran
    assert ("written in milliseconds? OTLP has nanoseconds (1 point)" in ran.out) == (code == 3)


def test_an_impossible_point_stops_by_name_and_nothing_is_sent_as_something_else(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(UNSORTED)
    ran = replayed(tmp_path, "r", "--verify")
    assert (ran.code, ran.document["code"]) == (1, "source.impossible-point"), ran
    assert "m: explicitBounds[1] is 1 after 5: bounds must increase" in ran.document["message"]


@pytest.mark.parametrize("text", [ENDED, SPANS])
def test_a_recording_of_nothing_to_send_says_what_it_holds(tmp_path: Path, text: str) -> None:
    (tmp_path / "r").write_text(text)
    ran = replayed(tmp_path, "r")
    assert (ran.code, ran.document["code"]) == (1, "source.empty"), ran
    assert "contains no point (skipped: 1 " in ran.document["message"]


def test_record_says_what_it_skips(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(f"{request(1)}\n{ENDED}\n{SPANS}\n")
    ran = magictel("record", "--from", "r", "--out", "o.jsonl", "--format", "json", folder=tmp_path)
    assert (ran.code, ran.document["points"], ran.document["skipped"]) == (0, 1, 2), ran
    assert [reason["code"] for reason in ran.document["skipped_reasons"]] == ["ended", "other-signal"]
    run = magictel("record", "--from", "r", "--out", "p.jsonl", folder=tmp_path)
    assert "skipped 1 point: ended series (no recorded value), 1 line: resourceSpans, not metrics" in run.out
    assert "flags" not in (tmp_path / "o.jsonl").read_text()
