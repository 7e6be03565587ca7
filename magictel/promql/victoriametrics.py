"""Habits of VictoriaMetrics, which answers the same query API and keeps numbers as decimals."""

from __future__ import annotations

from collections.abc import Sequence

from magictel.http.wire import Reply
from magictel.model.verification import Expected, Seen, Value

VISIBLE_AFTER = 5.0
"""Seconds until it has flushed (measured: 1 to 2, 5 at worst)."""
_CUT = 1e-12


def is_victoriametrics(reply: Reply) -> bool:
    """True for a reply that VictoriaMetrics gave: every one of its replies names its host."""
    return "x-server-hostname" in reply.headers


def without_nan(expected: Sequence[Expected], seen: Sequence[Seen]) -> list[Seen]:
    """Return what VictoriaMetrics shows, and the points that it cannot show: nothing but NaN, which it answers with 204 and drops."""
    shown = {point.key for point in seen}
    empty = [
        Seen(point.key, {})
        for point in expected
        if point.key not in shown and all(value != value for value in point.fields.values())
    ]
    return [*seen, *empty]


def decimal(field: str, sent: Value, seen: Value) -> str | None:
    """VictoriaMetrics keeps numbers as decimals: what has more digits than it keeps comes back cut (measured: 1e-12 of the value).

    It has no NaN: a summary without observations, whose quantiles are NaN, is shown without them.
    """
    if "{" in field and sent != sent and seen is None:
        return "VictoriaMetrics keeps no NaN"
    if "{" not in field or not isinstance(sent, float) or not isinstance(seen, float):
        return None
    return "VictoriaMetrics keeps 12 digits" if abs(sent - seen) <= _CUT * abs(sent) else None
