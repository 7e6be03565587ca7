"""All laws, by subject, in the order they run."""

from __future__ import annotations

from collections.abc import Iterable

from magictel.conformance.law import Law
from magictel.conformance.laws import content, counts, declared, delivery, faults, lifecycle, pages, reading, system
from magictel.errors import UsageError

LAWS: tuple[Law, ...] = (
    *declared.LAWS.laws,
    *content.LAWS.laws,
    *delivery.LAWS.laws,
    *faults.LAWS.laws,
    *counts.LAWS.laws,
    *system.LAWS.laws,
    *reading.LAWS.laws,
    *lifecycle.LAWS.laws,
    *pages.LAWS.laws,
)


def chosen(ids: Iterable[str]) -> tuple[Law, ...]:
    """Return the laws with these ids (by default all) in their own order. Raise `UsageError` for an unknown one."""
    wanted = list(ids)
    known = {law.id for law in LAWS}
    for law_id in wanted:
        if law_id not in known:
            near = [law.id for law in LAWS if law_id.partition(".")[0] == law.id.partition(".")[0]]
            raise UsageError(
                "usage.unknown-law",
                f"no law is called {law_id}",
                f"did you mean {', '.join(near)}" if near else "magictel conformance lists the laws",
            )
    return tuple(law for law in LAWS if not wanted or law.id in wanted)
