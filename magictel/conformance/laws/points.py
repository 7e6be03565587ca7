"""Laws on what is handed in: it is not changed, every shape has a fate, and no odd value costs its neighbours."""

from __future__ import annotations

from opentelemetry.sdk.metrics.export import MetricsData

from magictel.conformance.case import Case
from magictel.conformance.law import LawRegistry, Violation, broken_unless, first, points
from magictel.conformance.points import accepted, collection, odd, payloads_of, shapes, together
from magictel.conformance.requirements import Need
from magictel.model.outcome import Fate

LAWS = LawRegistry()


@LAWS.law(
    "input.not-mutated", "What is exported is not changed: other readers are handed the same objects.", Need.BACKEND
)
def not_mutated(case: Case) -> Violation | None:
    """All shapes and odd values, compared by their text before and after."""
    now = case.clock.now()
    data = together([*(one for _, one in shapes(case.run_id, now)), *(one for _, one in odd(case.run_id, now))])
    before = _told(data)
    case.exporter().export(data)
    case.exporter(redact_attributes=["text"], drop_attributes=["list"]).export(data)
    return broken_unless(_told(data) == before, "the collection was changed by exporting it")


@LAWS.law("input.shapes", "Every shape of point is delivered, or withheld by a named rule.", Need.BACKEND)
def every_shape(case: Case) -> Violation | None:
    """One by one."""
    exporter = case.exporter()
    for name, data in shapes(case.run_id, case.clock.now()):
        receipt = exporter.deliver(data)
        if accepted(exporter, receipt) + receipt.withheld != receipt.sent:
            why = receipt.reasons[0].code if receipt.reasons else "no reason"
            return Violation(f"{name}: neither delivered nor withheld ({why})")
        if receipt.withheld and not all(one.code and one.message for one in receipt.reasons):
            return Violation(f"{name}: withheld without a reason")
    return None


@LAWS.law(
    "input.odd-values",
    "No odd value breaks an export: each has a fate with a reason, and no neighbour shares it.",
    Need.BACKEND,
)
def odd_values(case: Case) -> Violation | None:
    """Each beside everyday points."""
    exporter = case.exporter()
    for turn, (name, data) in enumerate(odd(case.run_id, case.clock.now())):
        everyday = collection(case.run_id, 3, case.clock.now(), first=3 * turn)
        receipt = exporter.deliver(together([everyday, data]))
        bugs = [one.code for one in receipt.reasons if one.code.startswith("internal.")]
        found = first(
            broken_unless(not bugs, f"{name}: {', '.join(bugs)}"),
            broken_unless(receipt.balanced, f"{name}: the receipt does not add up"),
            broken_unless(
                accepted(exporter, receipt) >= 3,
                f"{name}: only {accepted(exporter, receipt)} of 3 everyday points beside it were delivered",
            ),
            broken_unless(receipt.dropped == 0, f"{name}: dropped"),
        )
        if found is not None:
            return found
    return None


@LAWS.law("input.scrubbed", "Attributes to be dropped or redacted do not travel.")
def scrubbed(case: Case) -> Violation | None:
    """Looked for in the payloads themselves."""
    data = collection(case.run_id, 6, case.clock.now())
    wanted = {"zone-1", "zone-2", "zone-3", "zone-4"}
    for settings in ({"drop_attributes": ["zone"]}, {"redact_attributes": ["zo*"]}):
        body = b"".join(payload.body for payload in payloads_of(case.exporter(**settings), data))
        if any(text.encode() in body for text in wanted):
            return Violation(f"an attribute travels in spite of {next(iter(settings))}")
    return None


@LAWS.law("input.fates", "A point that is refused or given up is named to whoever asks.", Need.AWAY)
def fates(case: Case) -> Violation | None:
    """Nobody takes anything in time; where there is somebody to refuse, a request that is refused for good."""
    lost: list[int] = []
    case.away()
    given_up = case.exporter().deliver(
        collection(case.run_id, 3, case.clock.now()), seconds=1.0, on_dropped=lost.extend
    )
    found = broken_unless(
        len(lost) == given_up.dropped, f"{points(given_up.dropped, 'was', 'were')} given up, {len(lost)} named"
    )
    if found is not None or not case.served:
        return found
    case.script("400 forever")
    gone: list[int] = []
    exporter = case.exporter()
    receipt = exporter.deliver(collection(case.run_id, 1, case.clock.now()), on_refused=lambda at, _: gone.extend(at))
    reasons = [one for one in receipt.reasons if one.fate is Fate.REJECTED]
    return first(
        broken_unless(
            len(gone) == receipt.rejected, f"{points(receipt.rejected, 'was', 'were')} refused, {len(gone)} named"
        ),
        broken_unless(not receipt.rejected or (reasons and reasons[0].message), "points were refused without a reason"),
    )


def _told(data: MetricsData) -> str:
    """All there is to a collection, as text: NaN equals itself there."""
    return repr([(data, dict(one.resource.attributes)) for one in data.resource_metrics])
