"""Laws on encoding: a template gives the reference bytes, items can be separated, and encoding is repeatable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opentelemetry.sdk.metrics.export import MetricsData

from magictel.conformance.case import Case
from magictel.conformance.law import LawRegistry, points, require
from magictel.conformance.points import collection, odd, payloads_of, shapes, together
from magictel.plugin.exporter import Exporter

LAWS = LawRegistry()


@LAWS.law("encode.template", "A template's bytes equal those of encode, cold and warm.")
def template(case: Case) -> None:
    """Encode the same collections in both ways; the second and third time the caches are warm."""
    fast, plain = case.exporter(), case.exporter()
    plain.template = lambda: None  # type: ignore[method-assign] # the reference encoding only
    for name, data in _collections(case):
        for turn in ("cold", "warm", "warm again"):
            same = _body(fast, data) == _body(plain, data)
            require(same, f"{name}, {turn}: the template's bytes differ from those of encode")


@LAWS.law("encode.items", "A payload's body is the sequence of its items, and can be split into them.")
def items(case: Case) -> None:
    """Split by the lengths or with `split`, and join again."""
    exporter = case.exporter()
    for name, data in _collections(case):
        for payload in payloads_of(exporter, data):
            payload = payload.cut(exporter.split)
            items = payload.items()
            require(
                len(items) == payload.points, f"{name}: {points(payload.points)}, but {len(items)} items in the body"
            )
            require(b"".join(items) == payload.body, f"{name}: the joined items differ from the body")
            require(
                payload.points < 2 or payload.only([1]).body == items[1],
                f"{name}: a payload reduced to its second item has other content",
            )


@LAWS.law("encode.repeatable", "The same points always give the same bytes, in every exporter with the same settings.")
def repeatable(case: Case) -> None:
    """Encode in another exporter, a day later: the backend must recognise a retry by another process."""
    earlier, later = case.exporter(), case.exporter()
    bodies = [(name, data, _body(earlier, data)) for name, data in _collections(case)]
    case.clock.wait(86_400.0)
    for name, data, body in bodies:
        require(_body(later, data) == body, f"{name}: two exporters encode the same points differently, a day apart")


def _collections(case: Case) -> Iterator[tuple[str, MetricsData]]:
    now = case.clock.now()
    yield "everyday points", collection(case.run_id, 30, now)
    yield "the same series later", collection(case.run_id, 30, now + 60)
    yield from shapes(case.run_id, now)
    yield from odd(case.run_id, now)
    several = [collection(case.run_id, case.dice.randint(1, 9), now + n, first=n) for n in range(4)]
    yield "several resources", together(several)


def _body(exporter: Exporter[Any], data: MetricsData) -> bytes:
    return b"".join(payload.body for payload in payloads_of(exporter, data))
