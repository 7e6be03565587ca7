"""Check that a verdict and the page of its code have the same retry class."""

from __future__ import annotations

from magictel.catalogue.pages import explain
from magictel.conformance.law import Violation, broken_unless
from magictel.diagnose.diagnosis import STANDS_WITH, Verdict
from magictel.model.outcome import Outcome, Rejected, Throttled, TooLarge, Unavailable, Unconfirmed

_NAMES: dict[type[Outcome], Verdict] = {
    Throttled: "throttled",
    Unavailable: "unavailable",
    TooLarge: "too-large",
    Unconfirmed: "unconfirmed",
    Rejected: "rejected",
}


def against_its_page(
    what: str, outcome: Throttled | Unavailable | Unconfirmed | TooLarge | Rejected
) -> Violation | None:
    """Return a violation if they differ; a code of another package has no page."""
    page = explain(outcome.code)
    return broken_unless(
        page is None or _NAMES[type(outcome)] in STANDS_WITH[page.retry],
        f"{what} became {type(outcome).__name__} with {outcome.code}, whose page has a different retry class",
    )
