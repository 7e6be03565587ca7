"""A diagnosis as a value, and what was pasted for it.

The retry class is the one of the code's page. Which outcomes each class may stand with:

    no                rejected, partial, unavailable (nobody usable answers), none
    backoff           unavailable, throttled, partial, unconfirmed (a repeat said no more)
    after-header      throttled, unavailable, partial
    split             too-large
    slow              throttled, partial
    verify            delivered, unconfirmed
    poll              delivered, unavailable, throttled (a read that fails says nothing of the points)
    downgrade         rejected
    treat-as-success  delivered
    unknown           none (not recognised)
    (no code)         delivered, none

"none" is for what the settings hold (no request happened), and for what is not recognised: there the class is the one that the line
itself names, or none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from magictel.catalogue.pages import explain
from magictel.catalogue.retry import RetryClass
from magictel.diagnose.alternatives import Alternative

During = Literal["auth", "health", "write", "read"]
Verdict = Literal["delivered", "partial", "throttled", "unavailable", "too-large", "rejected", "unconfirmed"]

STANDS_WITH: Mapping[str | None, frozenset[Verdict | None]] = {
    RetryClass.NO: frozenset({"rejected", "partial", "unavailable", None}),
    RetryClass.BACKOFF: frozenset({"unavailable", "throttled", "partial", "unconfirmed"}),
    RetryClass.AFTER_HEADER: frozenset({"throttled", "unavailable", "partial"}),
    RetryClass.SPLIT: frozenset({"too-large"}),
    RetryClass.SLOW: frozenset({"throttled", "partial"}),
    RetryClass.VERIFY: frozenset({"delivered", "unconfirmed"}),
    RetryClass.POLL: frozenset({"delivered", "unavailable", "throttled"}),
    RetryClass.DOWNGRADE: frozenset({"rejected"}),
    RetryClass.SUCCESS: frozenset({"delivered"}),
    RetryClass.UNKNOWN: frozenset({None}),
    None: frozenset({"delivered", None}),
}
"""The table above: every diagnosis is one of these pairs."""

UNRECOGNISED = "diagnose.unrecognised"
BY_CLASS: Mapping[str, Verdict | None] = {
    RetryClass.NO: "rejected",
    RetryClass.DOWNGRADE: "rejected",
    RetryClass.BACKOFF: "unavailable",
    RetryClass.AFTER_HEADER: "throttled",
    RetryClass.SLOW: "throttled",
    RetryClass.SPLIT: "too-large",
    RetryClass.VERIFY: "delivered",
    RetryClass.POLL: "delivered",
    RetryClass.SUCCESS: "delivered",
    RetryClass.UNKNOWN: None,
}
"""The outcome of a code where nothing else decides it."""


@dataclass(frozen=True, slots=True)
class Pasted:
    """What a production log shows: an answer (`status`, `headers` in lower case, `body`), a `text`, or both; `during` which step."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    text: str | None = None
    during: During | None = None

    @property
    def empty(self) -> bool:
        """True where nothing was pasted."""
        return self.status is None and self.body is None and self.text is None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The verdict: outcome (None: no request happened), the code with its class, seconds to wait, and what else it may be."""

    exporter: str
    outcome: Verdict | None
    code: str | None
    message: str
    remedy: str | None = None
    after: float | None = None
    alternatives: tuple[Alternative, ...] = ()
    answered_by: str | None = None
    guessed: str | None = None
    """Why it was read as this exporter's, where none was named."""
    stated: Literal["no"] | None = None
    """The class that a line that is not recognised names itself."""

    @property
    def retry(self) -> str | None:
        """The class of the code in the catalogue; of what is not recognised, what the line itself says."""
        if self.code == UNRECOGNISED:
            return self.stated
        page = explain(self.code) if self.code else None
        return page.retry if page else None


def title_of(code: str) -> str:
    """What the code's page is called."""
    page = explain(code)
    return page.title if page else code
