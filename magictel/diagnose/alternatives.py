"""Faults that look alike: from one reply or one line of a log they cannot be told apart, so a diagnosis names the others too.

The ladder's second probe decides between them. Which look alike is in the catalogue, in the page of each code.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from magictel.catalogue.pages import explain

_ANY_BACKEND = frozenset({"config", "delivery", "http", "net", "tls", "usage", "verify"})
"""Families of codes that concern every exporter; the others belong to those that name them in `code_families`."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another fault that would look like this: its code, and what speaks for it or tells it apart."""

    code: str
    why: str


def is_own(code: str | None, families: Collection[str]) -> bool:
    """True for a code that only backends of these families give."""
    return (code or "").partition(".")[0] in families


def look_alikes(
    code: str | None, families: Collection[str], known: Collection[Alternative] = ()
) -> tuple[Alternative, ...]:
    """Return what else may be behind `code` at an exporter of these families: `known` first, each code once, never `code` itself."""
    page = explain(code) if code else None
    alike = [Alternative(other, why) for other, why in page.alike] if page else []
    alike = [other for other in alike if is_own(other.code, (*_ANY_BACKEND, *families))]
    others: dict[str, Alternative] = {}
    for other in (*known, *alike):
        if other.code != code:
            others.setdefault(other.code, other)
    return tuple(others.values())
