"""All laws, by subject, in the order they are tried."""

from __future__ import annotations

from collections.abc import Iterable

from magictel.conformance.law import Law
from magictel.conformance.laws import declared, delivery, encoding, faults, lifecycle, points, reading, system
from magictel.errors import UsageError

LAWS: tuple[Law, ...] = (
    *declared.LAWS.laws,
    *encoding.LAWS.laws,
    *points.LAWS.laws,
    *delivery.LAWS.laws,
    *faults.LAWS.laws,
    *system.LAWS.laws,
    *reading.LAWS.laws,
    *lifecycle.LAWS.laws,
)


def chosen(ids: Iterable[str]) -> tuple[Law, ...]:
    """The laws of these ids (all, without any), in their own order. Raises `UsageError` for an unknown one."""
    wanted = list(ids)
    known = {law.id for law in LAWS}
    for one in wanted:
        if one not in known:
            near = [law.id for law in LAWS if one.partition(".")[0] == law.id.partition(".")[0]]
            raise UsageError(
                "usage.unknown-law",
                f"no law is called {one}",
                f"near: {', '.join(near)}" if near else "magictel conformance shows every law",
            )
    return tuple(law for law in LAWS if not wanted or law.id in wanted)
