"""Laws on input: it is not changed, every type of point has a fate, and no unusual value affects other points."""

from __future__ import annotations

from opentelemetry.sdk.metrics.export import MetricsData

from magictel.conformance.case import Case
from magictel.conformance.law import LawRegistry, Need, points, require
from magictel.conformance.points import collection, odd, payloads_of, shapes, together
from magictel.model.outcome import Fate

LAWS = LawRegistry()


@LAWS.law(
    "input.not-mutated", "Exporting does not change the points: other readers get the same objects.", Need.BACKEND
)
def not_mutated(case: Case) -> None:
    """Compare all types and unusual values as text before and after."""
    now = case.clock.now()
    data = together(group for named in (shapes, odd) for _, group in named(case.run_id, now))
    before = _as_text(data)
    case.exporter().export(data)
    case.exporter(redact_attributes=["text"], drop_attributes=["list"]).export(data)
    require(_as_text(data) == before, "exporting changed the collection")


@LAWS.law("input.shapes", "Every type of point is delivered, or withheld with a reason.", Need.BACKEND)
def every_shape(case: Case) -> None:
    """Export each one separately."""
    exporter = case.exporter()
    for name, data in shapes(case.run_id, case.clock.now()):
        receipt = exporter.deliver(data)
        why = receipt.reasons[0].code if receipt.reasons else "no reason"
        explained = all(reason.code and reason.message for reason in receipt.reasons)
        settled = case.accepted(receipt) + receipt.withheld == receipt.sent
        require(settled, f"{name}: neither delivered nor withheld ({why})")
        require(not receipt.withheld or explained, f"{name}: withheld without a reason")


@LAWS.law(
    "input.odd-values",
    "No unusual value breaks an export: each has a fate with a reason, and does not affect other points.",
    Need.BACKEND,
)
def odd_values(case: Case) -> None:
    """Export each one together with ordinary points."""
    exporter = case.exporter()
    for turn, (name, data) in enumerate(odd(case.run_id, case.clock.now())):
        everyday = collection(case.run_id, 3, case.clock.now(), first=3 * turn)
        receipt = exporter.deliver(together([everyday, data]))
        accepted = case.accepted(receipt)
        bugs = [reason.code for reason in receipt.reasons if reason.code.startswith("internal.")]
        require(not bugs, f"{name}: {', '.join(bugs)}")
        require(receipt.balanced, f"{name}: the receipt does not add up")
        require(accepted >= 3, f"{name}: only {accepted} of 3 ordinary points with it were delivered")
        require(receipt.dropped == 0, f"{name}: dropped")


@LAWS.law("input.scrubbed", "Dropped or redacted attributes are not sent.")
def scrubbed(case: Case) -> None:
    """Search the payloads."""
    data = collection(case.run_id, 6, case.clock.now())
    for settings in ({"drop_attributes": ["zone"]}, {"redact_attributes": ["zo*"]}):
        body = b"".join(payload.body for payload in payloads_of(case.exporter(**settings), data))
        sent = any(f"zone-{n}".encode() in body for n in range(1, 5))
        require(not sent, f"an attribute is sent despite {next(iter(settings))}")


@LAWS.law("input.fates", "Rejected and dropped points are reported to callbacks.", Need.PUSH, Need.AWAY)
def fates(case: Case) -> None:
    """Use an unavailable backend and, if it can be scripted, a permanent rejection."""
    lost: list[int] = []
    case.away()
    data = collection(case.run_id, 3, case.clock.now())
    dropped = case.exporter().deliver(data, seconds=1.0, on_dropped=lost.extend).dropped
    require(len(lost) == dropped, f"{points(dropped, 'was', 'were')} dropped, but {len(lost)} reported")
    if not case.stage.replies:
        return
    case.script("400 forever")
    gone: list[int] = []
    data = collection(case.run_id, 1, case.clock.now())
    receipt = case.exporter().deliver(data, on_refused=lambda at, _: gone.extend(at))
    rejected = receipt.rejected
    reasons = [reason for reason in receipt.reasons if reason.fate is Fate.REJECTED]
    require(len(gone) == rejected, f"{points(rejected, 'was', 'were')} rejected, but {len(gone)} reported")
    require(not rejected or (reasons and reasons[0].message), "points were rejected without a reason")


def _as_text(data: MetricsData) -> str:
    """Return the whole collection as text, in which NaN equals itself."""
    return repr([(data, dict(resource_metrics.resource.attributes)) for resource_metrics in data.resource_metrics])
