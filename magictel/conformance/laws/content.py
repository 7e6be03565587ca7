"""Laws on points and their bytes: input is not changed, every point has a fate, and encoding is repeatable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opentelemetry.sdk.metrics.export import MetricsData

from magictel.conformance.case import Case
from magictel.conformance.law import LawRegistry, Need, points, require
from magictel.conformance.points import collection, odd, payloads_of, shapes, together
from magictel.encoding.prepared import Prepared
from magictel.model.outcome import Fate
from magictel.plugin.exporter import Exporter

LAWS = LawRegistry()
_GENERAL = ("http.", "internal.", "delivery.")
"""The codes of magictel for replies that the exporter does not know: they explain nothing about a type of point."""


@LAWS.law("encode.template", Need.PUSH)
def template(case: Case) -> None:
    """A template's bytes equal those of encode, cold and warm."""
    fast, plain = case.exporter(), case.exporter()
    plain.encoder.columns = lambda stream, points: None  # type: ignore[method-assign] # the reference encoding only
    for name, data in _collections(case):
        for turn in ("cold", "warm", "warm again"):
            same = _body(fast, data) == _body(plain, data)
            require(same, f"{name}, {turn}: the template's bytes differ from those of encode")


@LAWS.law("encode.items", Need.PUSH)
def items(case: Case) -> None:
    """A payload's body is the sequence of its items, and can be split into them."""
    exporter = case.exporter()
    for name, data in _collections(case):
        for payload in payloads_of(exporter, data):
            payload = payload.cut(exporter.encoder.split)
            items = payload.items()
            require(
                len(items) == payload.points, f"{name}: {points(payload.points)}, but {len(items)} items in the body"
            )
            require(b"".join(items) == payload.body, f"{name}: the joined items differ from the body")
            require(
                payload.points < 2 or payload.only([1]).body == items[1],
                f"{name}: a payload reduced to its second item has other content",
            )


@LAWS.law("encode.repeatable", Need.PUSH)
def repeatable(case: Case) -> None:
    """The same prepared points always give the same bytes, in every exporter with the same settings."""
    earlier, later = case.exporter(), case.exporter()
    prepared = [(name, earlier.prepare(data)) for name, data in _collections(case)]
    bodies = [_body(earlier, data) for _, data in prepared]
    case.clock.wait(86_400.0)
    for (name, data), body in zip(prepared, bodies, strict=True):
        require(_body(later, data) == body, f"{name}: two exporters encode the same points differently, a day apart")


@LAWS.law("input.not-mutated", Need.PUSH, Need.BACKEND)
def not_mutated(case: Case) -> None:
    """Exporting does not change the points: other readers get the same objects."""
    now = case.clock.now()
    data = together(group for named in (shapes, odd) for _, group in named(case.run_id, now))
    before = _as_text(data)
    case.exporter().export(data)
    case.exporter(redact_attributes=["text"], drop_attributes=["list"]).export(data)
    require(_as_text(data) == before, "exporting changed the collection")


@LAWS.law("input.shapes", Need.BACKEND)
def every_shape(case: Case) -> None:
    """Every type of point is delivered, or is withheld or rejected for a backend-specific reason."""
    exporter = case.exporter()
    for name, data in shapes(case.run_id, case.clock.now()):
        receipt = exporter.deliver(case.preferred(data))
        final = [reason for reason in receipt.reasons if reason.fate in (Fate.WITHHELD, Fate.REJECTED)]
        specific = sum(reason.count for reason in final if not reason.code.startswith(_GENERAL))
        explained = all(reason.code and reason.message for reason in final)
        codes = ", ".join(reason.code for reason in receipt.reasons) or "no reason"
        settled = case.accepted(receipt) + specific == receipt.sent
        require(settled, f"{name}: neither delivered, nor withheld or rejected for a backend-specific reason ({codes})")
        require(explained, f"{name}: withheld or rejected without a code or a message")


@LAWS.law("input.odd-values", Need.BACKEND)
def odd_values(case: Case) -> None:
    """No unusual value breaks an export: each has a fate with a reason, and does not affect other points."""
    exporter = case.exporter()
    for turn, (name, data) in enumerate(odd(case.run_id, case.clock.now())):
        everyday = case.collection(3, first=3 * turn)
        receipt = exporter.deliver(together([everyday, case.preferred(data)]))
        accepted = case.accepted(receipt)
        bugs = [reason.code for reason in receipt.reasons if reason.code.startswith("internal.")]
        require(not bugs, f"{name}: {', '.join(bugs)}")
        require(receipt.balanced, f"{name}: the receipt does not add up")
        require(accepted >= 3, f"{name}: only {accepted} of 3 ordinary points with it were delivered")
        require(receipt.dropped == 0, f"{name}: dropped")


@LAWS.law("input.redacted", Need.PUSH)
def redacted(case: Case) -> None:
    """Dropped or redacted attributes are not sent."""
    data = case.collection(6)
    for settings in ({"drop_attributes": ["zone"]}, {"redact_attributes": ["zo*"]}):
        body = b"".join(payload.body for payload in payloads_of(case.exporter(**settings), data))
        sent = any(f"zone-{n}".encode() in body for n in range(1, 5))
        require(not sent, f"an attribute is sent despite {next(iter(settings))}")


@LAWS.law("input.fates", Need.PUSH, Need.AWAY)
def fates(case: Case) -> None:
    """Rejected and dropped points are reported to callbacks."""
    lost: list[int] = []
    case.away()
    data = case.collection(3)
    dropped = case.exporter().deliver(data, seconds=1.0, on_dropped=lost.extend).dropped
    require(len(lost) == dropped, f"{points(dropped, 'was', 'were')} dropped, but {len(lost)} reported")
    if not case.stage.replies:
        return
    case.script("400 forever")
    gone: list[int] = []
    data = case.collection(1)
    receipt = case.exporter().deliver(data, on_refused=lambda at, _: gone.extend(at))
    rejected = receipt.rejected
    reasons = [reason for reason in receipt.reasons if reason.fate is Fate.REJECTED]
    require(len(gone) == rejected, f"{points(rejected, 'was', 'were')} rejected, but {len(gone)} reported")
    require(not rejected or (reasons and reasons[0].message), "points were rejected without a reason")


def _as_text(data: MetricsData) -> str:
    """Return the whole collection as text, in which NaN equals itself."""
    return repr([(data, dict(resource_metrics.resource.attributes)) for resource_metrics in data.resource_metrics])


def _collections(case: Case) -> Iterator[tuple[str, MetricsData]]:
    for name, data in _every_collection(case):
        yield name, case.preferred(data)


def _every_collection(case: Case) -> Iterator[tuple[str, MetricsData]]:
    now = case.clock.now()
    yield "everyday points", collection(case.run_id, 30, now)
    yield "the same series later", collection(case.run_id, 30, now + 60)
    yield from shapes(case.run_id, now)
    yield from odd(case.run_id, now)
    several = [collection(case.run_id, case.dice.randint(1, 9), now + n, first=n) for n in range(4)]
    yield "several resources", together(several)


def _body(exporter: Exporter[Any], data: MetricsData | Prepared) -> bytes:
    return b"".join(payload.body for payload in payloads_of(exporter, data))
