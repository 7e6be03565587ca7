"""The page of a send where there is much to say: differences that are alike, points with many attributes, a replay that was interrupted."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from magictel.model.events import ReplayFinished, SourceReport
from magictel.model.verification import Difference, Verification
from magictel.reporters.testcases import telling
from magictel.reporters.verdict import send_overall
from tests.reporters.cases import ACCEPTED, MIXED, send_events
from tests.reporters.reporting import report
from tests.reporters.test_terminal import text

ATTRIBUTES = (
    "provider=together, model=llama-3-70b-instruct, org_id=org_1, project_id=project_1, status=success, method=POST"
)


def altered(number: int, metric: str = "gateway.cost", field: str = "value_double") -> Difference:
    point = f"{metric}{{{ATTRIBUTES}}} at 2026-11-25T14:45:{number % 60:02d}.438000000Z"
    return Difference(point, field, 0.1 + number, 0.10000000149011612 + number)


DIFFERENCES = (*(altered(number) for number in range(24)), altered(30, "gateway.size"), altered(31, field="bounds"))
SENT = replace(MIXED, verification=Verification(40, 40, altered=26, differences=DIFFERENCES))


def test_a_field_that_differs_everywhere_does_not_hide_the_others() -> None:
    assert [(difference.point.split("{")[0], difference.field) for difference in telling(DIFFERENCES)] == [
        ("gateway.cost", "value_double"),
        ("gateway.size", "value_double"),
        ("gateway.cost", "bounds"),
    ]
    samples = [Difference(f"cost point-0{number}", "value", number, 0) for number in (3, 4)]
    assert telling(samples) == samples[:1]
    shown = text(send_events(SENT))
    assert shown.count("gateway.cost{") == 2
    assert "and 23 more differences (--format json shows all)" in shown


@pytest.mark.parametrize("kind", ["github", "tap"])
def test_reports_name_one_of_each_and_count_the_rest(kind: str) -> None:
    shown = report(kind, send_events(SENT))[0]
    assert "and 23 more differences in the JSON report" in shown
    assert "bounds" in shown


def test_of_many_attributes_the_first_are_shown_and_the_time() -> None:
    message = "gateway.cost{provider=together, model=llama-3-70b-instruct, …} at 2026-11-25T14:45:00.438000000Z: value_double was sent"
    assert message in text(send_events(SENT))
    long = replace(
        SENT,
        verification=Verification(1, 1, altered=1, differences=(Difference(f"m{{k={'v' * 90}}} at t", "f", 1, 2),)),
    )
    assert f"m{{k={'v' * 58}, …}} at t: f was sent as 1, queries see 2" in text(send_events(long))


@pytest.mark.parametrize(
    ("go_on", "message"),
    [
        (8000, "interrupted: the first 8000 points of the recording need not be sent again"),
        (0, "interrupted: start again from the beginning; some points will be sent twice"),
        (None, "interrupted during the read-back: the whole recording was sent"),
    ],
)
def test_an_interrupted_replay_says_how_far_it_came(go_on: int | None, message: str) -> None:
    finished = ReplayFinished("", (ACCEPTED, MIXED), 1.0, True, SourceReport(("f",), 9000, 2), go_on=go_on)
    assert send_overall(("quick", "staging-es"), finished) == message
