"""A replay to Datadog is compared second by second: with what queries show, in few of them, and never taken for equal without."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from magictel.exporters.datadog import DatadogExporter, readback
from magictel.exporters.datadog.probes import QUERY
from magictel.exporters.datadog.settings import DatadogSettings
from magictel.http.wire import Reply, Request
from magictel.model.events import SendOutcome
from magictel.sandbox.datadog import API_KEY, APP_KEY, DatadogEmulator, Stored
from magictel.sandbox.server import Server
from magictel.secrets.secret import Secret
from tests.exporters.recorded import recording, replayed
from tests.exporters.test_silent_drops import Later

Change = Callable[[DatadogEmulator], None]


@contextmanager
def serving(
    change: Change | None = None, limited: bool = False, **options: Any
) -> Iterator[tuple[Server, DatadogExporter]]:
    """An emulator that changes what it stores after each write."""
    clock = options.pop("clock", None)
    emulator = DatadogEmulator(clock=clock)
    handle = emulator.handle

    def handled(request: Request) -> Any:
        if limited and "rollup" in request.url:
            return Reply(429, {"x-ratelimit-reset": "3600"})
        reply = handle(request)
        if change is not None and emulator.is_write(request):
            change(emulator)
        return reply

    emulator.handle = handled  # type: ignore[method-assign] # a backend of its own kind
    with Server(emulator, record=True) as server:
        keys = {"api_key": Secret(API_KEY), "app_key": Secret(APP_KEY)}
        yield server, DatadogExporter(DatadogSettings(url=server.origin, **keys, **options), clock=clock)


def queries(server: Server) -> int:
    """How many queries asked for points."""
    return sum(QUERY in request.url and "rollup" in request.url for request in server.requests)


def stored(emulator: DatadogEmulator, metric: str) -> tuple[Any, Stored]:
    """The first stored point of a metric."""
    return next((place, point) for place, point in emulator._stored.items() if point.metric == metric)


@pytest.mark.parametrize("histograms", ["distributions", "counters", "aggregates"])
def test_what_is_stored_is_verified_with_its_expected_losses(histograms: Any, tmp_path: Path) -> None:
    with serving(histograms=histograms) as (server, exporter):
        result = replayed(exporter, recording(tmp_path))
    assert (result.outcome, result.receipt.delivered) == (SendOutcome.VERIFIED, 18)
    assert result.verification is not None
    assert (result.verification.found, result.verification.as_declared) == (18, 18)
    assert {"times have whole seconds", "buckets are not read back"} <= {
        difference.declared for difference in result.verification.differences
    }
    assert queries(server) <= 2


def test_an_hour_needs_a_query_for_each_part_that_datadog_shows_by_the_second(tmp_path: Path) -> None:
    with serving() as (server, exporter):
        result = replayed(exporter, recording(tmp_path, moments=230))
    assert result.outcome is SendOutcome.VERIFIED, result
    assert result.verification is not None
    assert result.verification.found == 230 * 6
    assert queries(server) <= 8


def lose(emulator: DatadogEmulator) -> None:
    place, _ = stored(emulator, "orders")
    del emulator._stored[place]


def alter(emulator: DatadogEmulator) -> None:
    place, point = stored(emulator, "temperature")
    emulator._stored[place] = replace_number(point, "value")


def alter_a_distribution(emulator: DatadogEmulator) -> None:
    if any(point.metric == "latency" for point in emulator.points):
        place, point = stored(emulator, "latency")
        emulator._stored[place] = replace_number(point, "sum")


def replace_number(point: Stored, part: str) -> Stored:
    return point._replace(numbers={**point.numbers, part: point.numbers[part] + 1})


@pytest.mark.parametrize(
    ("change", "outcome", "name"),
    [(lose, SendOutcome.LOST, "orders"), (alter, SendOutcome.ALTERED, "temperature"),
     (alter_a_distribution, SendOutcome.ALTERED, "latency")],
)  # fmt: skip
def test_what_is_lost_or_altered_is_named(change: Change, outcome: SendOutcome, name: str, tmp_path: Path) -> None:
    with serving(change, max_batch_points=10_000) as (_, exporter):
        result = replayed(exporter, recording(tmp_path, moments=1))
    assert result.outcome is outcome
    assert result.message is not None
    assert name in result.message


def join(emulator: DatadogEmulator) -> None:
    """Another process writes the same series with a tag more."""
    _, point = stored(emulator, "temperature")
    other = replace_number(point, "value")._replace(tags=(*point.tags, "pod:7"))
    emulator._stored["temperature", other.tags, "", point.seconds] = other


def merge(emulator: DatadogEmulator) -> None:
    """Another process writes to the same distribution."""
    if any(point.metric == "latency" for point in emulator.points):
        place, point = stored(emulator, "latency")
        emulator._stored[place] = replace_number(replace_number(point, "count"), "sum")


@pytest.mark.parametrize("change", [join, merge])
def test_what_datadog_adds_up_with_other_writers_is_unverified(change: Change, tmp_path: Path) -> None:
    with serving(change) as (_, exporter):
        result = replayed(exporter, recording(tmp_path, moments=1))
    assert (result.outcome, result.code) == (SendOutcome.UNVERIFIED, "verify.unreadable")


def test_edges_that_only_some_points_of_a_metric_have_are_compared_for_these(tmp_path: Path) -> None:
    path = Path(recording(tmp_path, moments=1))
    path.write_text(path.read_text().replace('"min": 0.5, "max": 2.5, ', "", 1))
    with serving() as (_, exporter):
        result = replayed(exporter, str(path))
    assert result.outcome is SendOutcome.VERIFIED, result


def test_a_key_with_two_values_is_grouped_by_no_query(tmp_path: Path) -> None:
    with serving(tags=["zone:test"]) as (_, exporter):
        result = replayed(exporter, recording(tmp_path, moments=1))
    assert result.outcome is SendOutcome.UNVERIFIED


def test_a_limit_of_queries_is_kept(tmp_path: Path) -> None:
    with serving(limited=True) as (server, exporter):
        result = replayed(exporter, recording(tmp_path, moments=1_400), within=1.0)
    assert (result.outcome, result.code) == (SendOutcome.UNVERIFIED, "dd.query.rate")
    assert queries(server) == 1


def test_a_command_has_a_number_of_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readback, "_MOST_QUERIES", 1)
    with serving() as (_, exporter):
        result = replayed(exporter, recording(tmp_path, moments=230))
    assert (result.outcome, result.code) == (SendOutcome.UNVERIFIED, "verify.too-many-queries")


def test_points_that_became_too_old_meanwhile_are_not_taken_for_verified(tmp_path: Path) -> None:
    clock = Later()

    def later(emulator: DatadogEmulator) -> None:
        clock.ahead = 3_590.0 if len({point.metric for point in emulator.points}) == 3 else 0.0

    with serving(later, clock=clock) as (_, exporter):
        result = replayed(exporter, recording(tmp_path))
    assert (result.outcome, result.code, result.receipt.delivered) == (SendOutcome.UNVERIFIED, "verify.unverified", 18)
    assert result.verification is not None
    assert 0 < result.verification.unverified < 18


def test_counts_that_were_moved_are_found_where_they_are(tmp_path: Path) -> None:
    path = Path(recording(tmp_path, moments=1))
    path.write_text(path.read_text() + path.read_text().replace('"asInt": "1"', '"asInt": "2"'))
    with serving() as (server, exporter):
        result = replayed(exporter, str(path))
    moved = [point for point in server.emulator.points if point.metric == "orders"]  # type: ignore[attr-defined]
    assert sorted(point.numbers["value"] for point in moved) == [0, 1, 2]
    assert result.verification is not None
    assert (result.verification.missing, result.verification.altered) == (0, 0)


def lose_a_distribution(emulator: DatadogEmulator) -> None:
    """The second write of a second never arrives: it is taken out of what the first one was added to."""
    for place, point in emulator._stored.items():
        if point.metric == "latency" and point.numbers["count"] == 8:
            numbers = {**point.numbers, "count": 3.0, "sum": 4.5}
            emulator._stored[place] = point._replace(numbers=numbers)


def alter_a_sum(emulator: DatadogEmulator) -> None:
    for place, point in emulator._stored.items():
        if point.metric == "latency" and point.numbers["count"] == 8:
            emulator._stored[place] = replace_number(point, "sum")


def merge_more(emulator: DatadogEmulator) -> None:
    for place, point in emulator._stored.items():
        if point.metric == "latency" and point.numbers["count"] == 8:
            emulator._stored[place] = replace_number(replace_number(point, "count"), "sum")


@pytest.mark.parametrize(
    ("change", "outcome", "wrong"),
    [(None, SendOutcome.VERIFIED, (0, 0, 0)), (lose_a_distribution, SendOutcome.LOST, (2, 0, 0)),
     (alter_a_sum, SendOutcome.ALTERED, (0, 4, 0)), (merge_more, SendOutcome.UNVERIFIED, (0, 0, 4))],
)  # fmt: skip
def test_distributions_of_a_second_are_compared_with_their_sum(
    change: Change | None, outcome: SendOutcome, wrong: tuple[int, int, int], tmp_path: Path
) -> None:
    path = Path(recording(tmp_path, moments=1))
    first = json.loads(path.read_text())
    (scope,) = first["resourceMetrics"][0]["scopeMetrics"]
    scope["metrics"] = [metric for metric in scope["metrics"] if metric["name"] == "latency"]
    later = copy.deepcopy(first)
    for point in later["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["histogram"]["dataPoints"]:
        point |= {
            "timeUnixNano": str(int(point["timeUnixNano"]) + 7),
            "count": "5",
            "sum": 0.1,
            "bucketCounts": ["3", "2"],
        }
    path.write_text(f"{json.dumps(first)}\n{json.dumps(later)}\n")
    with serving(change, max_batch_points=10_000) as (_, exporter):
        result = replayed(exporter, str(path))
    verification = result.verification
    assert verification is not None
    assert (result.outcome, verification.expected) == (outcome, 4), result
    assert (verification.missing, verification.altered, verification.unverified) == wrong
