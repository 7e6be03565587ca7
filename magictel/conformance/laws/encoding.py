"""Laws on bytes: a template equals the plain encoding, items can be told apart, and encoding is the same every time."""

from __future__ import annotations

from collections.abc import Iterator

from opentelemetry.sdk.metrics.export import MetricsData

from magictel.conformance.case import Case
from magictel.conformance.law import LawRegistry, Violation, points
from magictel.conformance.points import collection, odd, payloads_of, shapes, together
from magictel.plugin.exporter import Exporter

LAWS = LawRegistry()


@LAWS.law("encode.template", "A template's bytes equal those of encode, cold and warm.")
def template(case: Case) -> Violation | None:
    """The same collections by both ways; the second and third time the layouts are warm."""
    fast, plain = case.exporter(), case.exporter()
    plain.template = lambda: None  # type: ignore[method-assign] # the plain truth alone
    for name, data in _collections(case):
        for turn in ("cold", "warm", "warm again"):
            if _body(fast, data) != _body(plain, data):
                return Violation(f"{name}, {turn}: the template's bytes are not those of encode")
    return None


@LAWS.law("encode.items", "A payload's body is its items one after the other, and can be cut into them again.")
def items(case: Case) -> Violation | None:
    """Cut by the lengths or by `split`, put together again."""
    exporter = case.exporter()
    for name, data in _collections(case):
        for payload in payloads_of(exporter, data):
            payload = payload.cut(exporter.split)
            found = payload.items()
            if len(found) != payload.points:
                return Violation(f"{name}: {points(payload.points)}, and items cut from the body: {len(found)}")
            if b"".join(found) != payload.body:
                return Violation(f"{name}: the items put together are not the body")
            if payload.points > 1 and payload.only([1]).body != found[1]:
                return Violation(f"{name}: a payload shrunk to its second item holds something else")
    return None


@LAWS.law(
    "encode.repeatable", "The same points give the same bytes whenever, in every exporter made with the same settings."
)
def repeatable(case: Case) -> Violation | None:
    """A repeat by another process, a day later, must be recognised by the backend."""
    one, other = case.exporter(), case.exporter()
    collections = list(_collections(case))
    made = [_body(one, data) for _, data in collections]
    case.clock.wait(86_400.0)
    for (name, data), before in zip(collections, made, strict=True):
        if _body(other, data) != before:
            return Violation(f"{name}: two exporters give the same points different bytes, a day apart")
    return None


def _collections(case: Case) -> Iterator[tuple[str, MetricsData]]:
    now = case.clock.now()
    yield "everyday points", collection(case.run_id, 30, now)
    yield "the same series later", collection(case.run_id, 30, now + 60)
    yield from shapes(case.run_id, now)
    yield from odd(case.run_id, now)
    several = [collection(case.run_id, case.dice.randint(1, 9), now + n, first=n) for n in range(4)]
    yield "several resources", together(several)


def _body(exporter: Exporter[object], data: MetricsData) -> bytes:  # type: ignore[type-var]
    return b"".join(payload.body for payload in payloads_of(exporter, data))
