"""What a replay read stands in every report: a recording that broke off is a failure, whatever became of its points."""

from __future__ import annotations

import pytest

from magictel.errors import MagictelError
from magictel.reporters.formats import KINDS
from tests.reporters.cases import ACCEPTED
from tests.reporters.reporting import replay, report

BROKEN = MagictelError("source.broken-line", "traffic.jsonl:7:3: expected a value", "fix the line, or --on-error skip")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("nagios", "prometheus")])
def test_the_recording_stands_in_the_report(kind: str) -> None:
    text, _ = report(kind, replay(ACCEPTED))
    assert "traffic.jsonl" in text or kind == "tap"
    assert "quick" in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_recording_that_broke_off_is_a_failure_in_every_report(kind: str) -> None:
    text, beside = report(kind, replay(ACCEPTED, broken=BROKEN))
    assert "source.broken-line" in text
    whole, _ = report(kind, replay(ACCEPTED))
    assert "source.broken-line" not in whole
    if kind == "github":
        assert beside.startswith(
            "::error title=recording read%3A source.broken-line::traffic.jsonl:7:3: expected a value"
        )


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("tap", "ok 1 - recording read\n  ---\n  severity: warning"),
        ("nagios", "MAGICTEL WARNING - "),
        ("github", "skipped 2 lines"),
        ("html", "skipped 2 lines"),
        ("junit", "skipped 2 lines"),
    ],
)
def test_lines_that_were_passed_over_are_a_warning(kind: str, message: str) -> None:
    assert message in report(kind, replay(ACCEPTED, skipped=2))[0]
