"""A diagnosis as a value, and what was pasted for it.

The retry class is that of the code's page. The outcomes that each class may have:

    no                rejected, partial, unavailable (no usable backend answers), delivered (with a warning), none
    backoff           unavailable, throttled, partial, unconfirmed (a repeat gave no more information)
    after-header      throttled, unavailable, partial
    split             too-large
    slow              throttled, partial
    verify            delivered, unconfirmed
    poll              delivered, unavailable, throttled (a failed read proves nothing about the points)
    downgrade         rejected
    treat-as-success  delivered
    unknown           none (not recognised)
    (no code)         delivered, none

"none" is for errors in the settings (no request happened), and for what is not recognised: there the class is the one that the
line itself names, or none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from magictel.catalogue.pages import explain
from magictel.catalogue.retry import RetryClass

During = Literal["auth", "health", "write", "read"]
Verdict = Literal["delivered", "partial", "throttled", "unavailable", "too-large", "rejected", "unconfirmed"]

STANDS_WITH: Mapping[str | None, frozenset[Verdict | None]] = {
    RetryClass.NO: frozenset({"rejected", "partial", "unavailable", "delivered", None}),
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
"""The table above: every diagnosis has one of these pairs."""

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
"""The default outcome of a code."""
ANY_BACKEND = frozenset({"config", "delivery", "http", "net", "tls", "usage", "verify"})
"""Families of codes for every exporter; others belong to the exporters that list them in `code_families`."""


@dataclass(frozen=True, slots=True)
class Pasted:
    """Input from a production log: a reply (`status`, lower-case `headers`, `body`), a `text`, or both; `during`: the step."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    text: str | None = None
    during: During | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing was pasted, or only white space."""
        return self.status is None and not (self.body or b"").strip() and not (self.text or "").strip()


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another fault that one reply or log line cannot distinguish: its code, and what suggests it or distinguishes it."""

    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The verdict: outcome (None: no request happened), the code with its class, seconds to wait, and alternatives."""

    exporter: str
    outcome: Verdict | None
    code: str | None
    message: str
    remedy: str | None = None
    after: float | None = None
    alternatives: tuple[Alternative, ...] = ()
    answered_by: str | None = None
    guessed: str | None = None
    """Why this exporter was guessed, if none was named."""
    stated: Literal["no"] | None = None
    """The retry class that an unrecognised line states itself."""

    @property
    def retry(self) -> str | None:
        """The retry class of the code's page; if not recognised, the one that the line states."""
        if self.code == UNRECOGNISED:
            return self.stated
        page = explain(self.code) if self.code else None
        return page.retry if page else None


def title_of(code: str) -> str:
    """The title of the code's page."""
    page = explain(code)
    return page.title if page else code


def is_own(code: str | None, families: Collection[str]) -> bool:
    """Return whether only backends of these families use a code."""
    return (code or "").partition(".")[0] in families


def look_alikes(
    code: str | None, families: Collection[str], known: Collection[Alternative] = ()
) -> tuple[Alternative, ...]:
    """Return the alternatives to `code` for an exporter of these families: `known` first, each once, without `code` itself."""
    page = explain(code) if code else None
    alike = [Alternative(other, why) for other, why in page.alike] if page else []
    alike = [other for other in alike if is_own(other.code, (*ANY_BACKEND, *families))]
    others: dict[str, Alternative] = {}
    for other in (*known, *alike):
        if other.code != code:
            others.setdefault(other.code, other)
    return tuple(others.values())
