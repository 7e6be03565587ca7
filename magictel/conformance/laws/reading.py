"""Laws on read-back: it must report what the backend lost, altered or duplicated, and nothing else."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.metrics.export import MetricsData

from magictel.conformance.case import Case
from magictel.conformance.law import LawRegistry, Need, points, require
from magictel.model.verification import Verification, verify
from magictel.plugin.exporter import Exporter
from magictel.sources.sample import sample

LAWS = LawRegistry(Need.BACKEND, Need.READ_BACK)
_A_BIT_MORE = 1 + 2**-22
"""The smallest difference that 32-bit floats can represent: smaller ones are altered, and read-back shows what is stored."""


@LAWS.law("read-back.true")
def true(case: Case) -> None:
    """Points that were stored unchanged are found equal, each once."""
    exporter, data = case.exporter(), _sample(case)
    exporter.deliver(data)
    verification = _verified(case, exporter, data)
    missing = ", ".join(verification.missing_points[:3])
    duplicated = points(verification.duplicated)
    require(verification.expected, "no point of the sample is expected back")
    require(not verification.missing, f"stored but not found: {missing}")
    require(not verification.altered, f"stored unchanged but reported as altered: {_differences(verification)}")
    require(not verification.duplicated, f"{duplicated} stored once but reported as duplicated")


@LAWS.law("read-back.lost")
def lost(case: Case) -> None:
    """A point that the backend lost is reported as missing."""
    exporter, data = case.exporter(), _sample(case)
    cut = copy.deepcopy(data)
    for metric in _metrics(cut)[:2]:
        metric.data.data_points.pop()
    exporter.deliver(cut)
    missing = _verified(case, exporter, data).missing
    require(missing == 2, f"2 points were lost, but {missing} reported as missing")


@LAWS.law("read-back.altered")
def altered(case: Case) -> None:
    """A point that differs from the sent one is reported as altered, even in a single bit."""
    for turn, (difference, name, change) in enumerate(_CHANGES):
        case.run_id = f"{case.run_id[:10]}{turn:02d}"
        exporter, data = case.exporter(), _sample(case)
        changed = copy.deepcopy(data)
        of_metric = next(metric for metric in _metrics(changed) if metric.name.endswith(name)).data.data_points
        of_metric[0] = dataclasses.replace(of_metric[0], **change(of_metric[0]))
        if difference == _BUCKETS and case.expected(exporter, changed) == case.expected(exporter, data):
            continue  # no query of this backend shows them
        exporter.deliver(changed)
        verification = _verified(case, exporter, data)
        require(verification.altered or verification.missing, f"{difference}: not detected")


@LAWS.law("read-back.doubled", Need.PUSH)
def doubled(case: Case) -> None:
    """A point that the backend shows twice is reported as duplicated."""
    exporter, data = case.exporter(), _sample(case)
    exporter.deliver(data)
    again = copy.deepcopy(data)
    metrics = _metrics(again)
    del metrics[1:]
    metrics[0].data.data_points[:] = [
        dataclasses.replace(point, time_unix_nano=point.time_unix_nano + 1_000_000_000)
        for point in metrics[0].data.data_points
    ]
    exporter.deliver(again)
    duplicated = _verified(case, exporter, data).duplicated
    require(duplicated, "a point that is stored twice is not reported as duplicated")


@LAWS.law("read-back.other-runs")
def other_runs(case: Case) -> None:
    """Points of other runs do not count as this run's."""
    exporter, data = case.exporter(), _sample(case)
    own_run = case.run_id
    case.run_id = own_run[::-1] if own_run[::-1] != own_run else own_run[1:] + "f"
    exporter.deliver(_sample(case))
    case.run_id = own_run
    verification = _verified(case, exporter, data)
    require(
        verification.found == 0 and not verification.altered,
        f"{points(verification.found)} of another run counted as this run's",
    )


def _swapped(counts: list[int]) -> list[int]:
    return [counts[1], counts[0], *counts[2:]]


_BUCKETS = "two buckets swapped"
_CHANGES: tuple[tuple[str, str, Callable[[Any], dict[str, Any]]], ...] = (
    ("an integer one higher", "requests", lambda point: {"value": point.value + 1}),
    ("one bit of a decimal", "temperature", lambda point: {"value": point.value * _A_BIT_MORE}),
    ("one bit of a histogram's sum", "latency", lambda point: {"sum": point.sum * _A_BIT_MORE}),
    (_BUCKETS, "latency", lambda point: {"bucket_counts": _swapped(point.bucket_counts)}),
    (
        "another attribute",
        "connections",
        lambda point: {"attributes": {**point.attributes, "magictel.sample.origin": "elsewhere"}},
    ),
)
"""How a point is changed: the difference, the end of its metric's name, and the changed fields."""


def _sample(case: Case) -> MetricsData:
    return case.preferred(sample(case.run_id, case.clock.now()).data)


def _verified(case: Case, exporter: Exporter[Any], data: MetricsData) -> Verification:
    expected = case.expected(exporter, data)
    return verify(expected, case.look(exporter, expected), exporter.readback.declared)


def _metrics(data: MetricsData) -> list[Any]:
    metrics: list[Any] = data.resource_metrics[0].scope_metrics[0].metrics  # type: ignore[assignment]
    return metrics


def _differences(verification: Verification) -> str:
    shown = [
        f"{difference.point} {difference.field}: {difference.sent!r} / {difference.seen!r}"
        for difference in verification.differences
        if not difference.declared
    ]
    return "; ".join(shown[:2])
