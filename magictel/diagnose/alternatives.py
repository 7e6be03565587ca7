"""Faults that look alike: one reply or log line cannot distinguish them, so a diagnosis lists the others too.

The ladder's second probe decides between them. The page of each code in the catalogue lists its look-alikes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from magictel.catalogue.pages import explain

_ANY_BACKEND = frozenset({"config", "delivery", "http", "net", "tls", "usage", "verify"})
"""Families of codes for every exporter; others belong to the exporters that list them in `code_families`."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another fault with the same symptoms: its code, and what suggests it or distinguishes it."""

    code: str
    why: str


def is_own(code: str | None, families: Collection[str]) -> bool:
    """Return whether only backends of these families use a code."""
    return (code or "").partition(".")[0] in families


def look_alikes(
    code: str | None, families: Collection[str], known: Collection[Alternative] = ()
) -> tuple[Alternative, ...]:
    """Return the alternatives to `code` for an exporter of these families: `known` first, each once, without `code` itself."""
    page = explain(code) if code else None
    alike = [Alternative(other, why) for other, why in page.alike] if page else []
    alike = [other for other in alike if is_own(other.code, (*_ANY_BACKEND, *families))]
    others: dict[str, Alternative] = {}
    for other in (*known, *alike):
        if other.code != code:
            others.setdefault(other.code, other)
    return tuple(others.values())
