"""Whether a verdict and the page of its code say the same of sending again."""

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
    """None where they agree, or the code is another's and has no page here."""
    page = explain(outcome.code)
    return broken_unless(
        page is None or _NAMES[type(outcome)] in STANDS_WITH[page.retry],
        f"{what} was judged {type(outcome).__name__} with {outcome.code}, whose page says another class of retry",
    )
