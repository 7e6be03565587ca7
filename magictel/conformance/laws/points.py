"""Laws on input: it is not changed, every type of point has a fate, and no unusual value affects other points."""

from __future__ import annotations

from opentelemetry.sdk.metrics.export import MetricsData

from magictel.conformance.case import Case
from magictel.conformance.law import LawRegistry, Violation, broken_unless, first, points
from magictel.conformance.points import accepted, collection, odd, payloads_of, shapes, together
from magictel.conformance.requirements import Need
from magictel.model.outcome import Fate

LAWS = LawRegistry()


@LAWS.law(
    "input.not-mutated", "Exporting does not change the points: other readers get the same objects.", Need.BACKEND
)
def not_mutated(case: Case) -> Violation | None:
    """Compare all types and unusual values as text before and after."""
    now = case.clock.now()
    data = together([*(group for _, group in shapes(case.run_id, now)), *(group for _, group in odd(case.run_id, now))])
    before = _as_text(data)
    case.exporter().export(data)
    case.exporter(redact_attributes=["text"], drop_attributes=["list"]).export(data)
    return broken_unless(_as_text(data) == before, "exporting changed the collection")


@LAWS.law("input.shapes", "Every type of point is delivered, or withheld with a reason.", Need.BACKEND)
def every_shape(case: Case) -> Violation | None:
    """Export each one separately."""
    exporter = case.exporter()
    for name, data in shapes(case.run_id, case.clock.now()):
        receipt = exporter.deliver(data)
        if accepted(exporter, receipt) + receipt.withheld != receipt.sent:
            why = receipt.reasons[0].code if receipt.reasons else "no reason"
            return Violation(f"{name}: neither delivered nor withheld ({why})")
        if receipt.withheld and not all(reason.code and reason.message for reason in receipt.reasons):
            return Violation(f"{name}: withheld without a reason")
    return None


@LAWS.law(
    "input.odd-values",
    "No unusual value breaks an export: each has a fate with a reason, and does not affect other points.",
    Need.BACKEND,
)
def odd_values(case: Case) -> Violation | None:
    """Export each one together with ordinary points."""
    exporter = case.exporter()
    for turn, (name, data) in enumerate(odd(case.run_id, case.clock.now())):
        everyday = collection(case.run_id, 3, case.clock.now(), first=3 * turn)
        receipt = exporter.deliver(together([everyday, data]))
        bugs = [reason.code for reason in receipt.reasons if reason.code.startswith("internal.")]
        violation = first(
            broken_unless(not bugs, f"{name}: {', '.join(bugs)}"),
            broken_unless(receipt.balanced, f"{name}: the receipt does not add up"),
            broken_unless(
                accepted(exporter, receipt) >= 3,
                f"{name}: only {accepted(exporter, receipt)} of 3 ordinary points with it were delivered",
            ),
            broken_unless(receipt.dropped == 0, f"{name}: dropped"),
        )
        if violation is not None:
            return violation
    return None


@LAWS.law("input.scrubbed", "Dropped or redacted attributes are not sent.")
def scrubbed(case: Case) -> Violation | None:
    """Search the payloads."""
    data = collection(case.run_id, 6, case.clock.now())
    wanted = {"zone-1", "zone-2", "zone-3", "zone-4"}
    for settings in ({"drop_attributes": ["zone"]}, {"redact_attributes": ["zo*"]}):
        body = b"".join(payload.body for payload in payloads_of(case.exporter(**settings), data))
        if any(text.encode() in body for text in wanted):
            return Violation(f"an attribute is sent despite {next(iter(settings))}")
    return None


@LAWS.law("input.fates", "Rejected and dropped points are reported to callbacks.", Need.AWAY)
def fates(case: Case) -> Violation | None:
    """Use an unavailable backend and, if it can be scripted, a permanent rejection."""
    lost: list[int] = []
    case.away()
    given_up = case.exporter().deliver(
        collection(case.run_id, 3, case.clock.now()), seconds=1.0, on_dropped=lost.extend
    )
    violation = broken_unless(
        len(lost) == given_up.dropped, f"{points(given_up.dropped, 'was', 'were')} dropped, but {len(lost)} reported"
    )
    if violation is not None or not case.served:
        return violation
    case.script("400 forever")
    gone: list[int] = []
    exporter = case.exporter()
    receipt = exporter.deliver(collection(case.run_id, 1, case.clock.now()), on_refused=lambda at, _: gone.extend(at))
    reasons = [reason for reason in receipt.reasons if reason.fate is Fate.REJECTED]
    return first(
        broken_unless(
            len(gone) == receipt.rejected,
            f"{points(receipt.rejected, 'was', 'were')} rejected, but {len(gone)} reported",
        ),
        broken_unless(
            not receipt.rejected or (reasons and reasons[0].message), "points were rejected without a reason"
        ),
    )


def _as_text(data: MetricsData) -> str:
    """Return the whole collection as text, in which NaN equals itself."""
    return repr([(data, dict(resource_metrics.resource.attributes)) for resource_metrics in data.resource_metrics])
