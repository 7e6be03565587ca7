"""Laws on read-back: it must report what the backend lost, altered or duplicated, and nothing else."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from opentelemetry.sdk.metrics.export import MetricsData

from magictel.conformance.case import Case
from magictel.conformance.law import LawRegistry, Violation, broken_unless, first, points
from magictel.conformance.requirements import Need
from magictel.model.verification import Verification, verify
from magictel.plugin.exporter import Exporter
from magictel.sources.sample import sample

LAWS = LawRegistry()
_A_BIT_MORE = 1 + 2**-22
"""The smallest difference that 32-bit floats can represent: smaller ones are altered, and read-back shows what is stored."""


@LAWS.law(
    "read-back.true", "Points that were stored unchanged are found equal, each once.", Need.BACKEND, Need.READ_BACK
)
def true(case: Case) -> Violation | None:
    """Send the sample of `send-sample`."""
    exporter, data = case.exporter(), _sample(case)
    exporter.deliver(data)
    verification = _verified(case, exporter, data)
    return first(
        broken_unless(verification.expected, "no point of the sample is expected back"),
        broken_unless(not verification.missing, f"stored but not found: {', '.join(verification.missing_points[:3])}"),
        broken_unless(
            not verification.altered, f"stored unchanged but reported as altered: {_differences(verification)}"
        ),
        broken_unless(
            not verification.duplicated, f"{points(verification.duplicated)} stored once but reported as duplicated"
        ),
    )


@LAWS.law("read-back.lost", "A point that the backend lost is reported as missing.", Need.BACKEND, Need.READ_BACK)
def lost(case: Case) -> Violation | None:
    """Lose a point of each of the first two metrics; the others arrive and are found."""
    exporter, data = case.exporter(), _sample(case)
    cut = copy.deepcopy(data)
    for metric in (_metrics(cut)[0], _metrics(cut)[1]):
        metric.data.data_points.pop()
    exporter.deliver(cut)
    missing = _verified(case, exporter, data).missing
    return broken_unless(missing == 2, f"2 points were lost, but {missing} reported as missing")


@LAWS.law(
    "read-back.altered",
    "A point that differs from the sent one is reported as altered, even in a single bit.",
    Need.BACKEND,
    Need.READ_BACK,
)
def altered(case: Case) -> Violation | None:
    """Send points that differ from the expected ones in one place at a time."""
    for turn, (name, change) in enumerate(_CHANGES):
        case.run_id = f"{case.run_id[:10]}{turn:02d}"
        exporter, data = case.exporter(), _sample(case)
        changed = copy.deepcopy(data)
        change(changed)
        exporter.deliver(changed)
        verification = _verified(case, exporter, data)
        if not verification.altered and not verification.missing:
            return Violation(f"{name}: not detected")
    return None


@LAWS.law(
    "read-back.doubled", "A point that the backend shows twice is reported as duplicated.", Need.BACKEND, Need.READ_BACK
)
def doubled(case: Case) -> Violation | None:
    """Send the same point again, a second later."""
    exporter, data = case.exporter(), _sample(case)
    exporter.deliver(data)
    again = copy.deepcopy(data)
    metrics = _metrics(again)
    del metrics[1:]
    for metric in metrics:
        metric.data.data_points[:] = [_later(point) for point in metric.data.data_points]
    exporter.deliver(again)
    verification = _verified(case, exporter, data)
    return broken_unless(verification.duplicated >= 1, "a point that is stored twice is not reported as duplicated")


@LAWS.law("read-back.other-runs", "Points of other runs do not count as this run's.", Need.BACKEND, Need.READ_BACK)
def other_runs(case: Case) -> Violation | None:
    """Store only another run's sample."""
    exporter, data = case.exporter(), _sample(case)
    own_run = case.run_id
    case.run_id = own_run[::-1] if own_run[::-1] != own_run else own_run[1:] + "f"
    exporter.deliver(_sample(case))
    case.run_id = own_run
    verification = _verified(case, exporter, data)
    return broken_unless(
        verification.found == 0 and not verification.altered,
        f"{points(verification.found)} of another run counted as this run's",
    )


def _sample(case: Case) -> MetricsData:
    return sample(case.run_id, case.clock.now()).data


def _verified(case: Case, exporter: Exporter[Any], data: MetricsData) -> Verification:
    expected = case.expected(exporter, data)
    return verify(expected, case.look(exporter, expected), exporter.readback.declared)


def _metrics(data: MetricsData) -> list[Any]:
    metrics: list[Any] = data.resource_metrics[0].scope_metrics[0].metrics  # type: ignore[assignment]
    return metrics


def _points(data: MetricsData) -> Iterator[Any]:
    for metric in _metrics(data):
        yield from metric.data.data_points


def _named(data: MetricsData, ending: str) -> Any:
    return next(metric for metric in _metrics(data) if metric.name.endswith(ending)).data.data_points


def _replaced(points: list[Any], at: int, **fields: Any) -> None:
    points[at] = dataclasses.replace(points[at], **fields)


def _later(point: Any) -> Any:
    return dataclasses.replace(point, time_unix_nano=point.time_unix_nano + 1_000_000_000)


def _whole(data: MetricsData) -> None:
    points = _named(data, "requests")
    _replaced(points, 1, value=points[1].value + 1)


def _last_bit(data: MetricsData) -> None:
    points = _named(data, "temperature")
    _replaced(points, 0, value=points[0].value * _A_BIT_MORE)


def _sum(data: MetricsData) -> None:
    points = _named(data, "latency")
    _replaced(points, 0, sum=points[0].sum * _A_BIT_MORE)


def _buckets(data: MetricsData) -> None:
    points = _named(data, "latency")
    counts = list(points[0].bucket_counts)
    counts[0], counts[1] = counts[1], counts[0]
    _replaced(points, 0, bucket_counts=counts)


def _attribute(data: MetricsData) -> None:
    points = _named(data, "connections")
    _replaced(points, 0, attributes={**points[0].attributes, "magictel.sample.origin": "elsewhere"})


_CHANGES: tuple[tuple[str, Callable[[MetricsData], None]], ...] = (
    ("an integer one higher", _whole),
    ("one bit of a decimal", _last_bit),
    ("one bit of a histogram's sum", _sum),
    ("two buckets swapped", _buckets),
    ("another attribute", _attribute),
)


def _differences(verification: Verification) -> str:
    shown = [
        f"{difference.point} {difference.field}: {difference.sent!r} / {difference.seen!r}"
        for difference in verification.differences
        if not difference.declared
    ]
    return "; ".join(shown[:2])
