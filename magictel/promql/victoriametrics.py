"""Differences of VictoriaMetrics, which has the same query API but stores numbers as decimals."""

from __future__ import annotations

from collections.abc import Sequence

from magictel.http.wire import Reply
from magictel.model.verification import Expected, Seen, Value

VISIBLE_AFTER = 5.0
"""Seconds until a flush (measured: 1 to 2, at most 5)."""
_CUT = 1e-12


def is_victoriametrics(reply: Reply) -> bool:
    """Return whether VictoriaMetrics sent a reply: all its replies name its host."""
    return "x-server-hostname" in reply.headers


def without_nan(expected: Sequence[Expected], seen: Sequence[Seen]) -> list[Seen]:
    """Return the visible points, and those that consist of NaN only, which VictoriaMetrics answers with 204 and drops."""
    shown = {point.key for point in seen}
    empty = [
        Seen(point.key, {})
        for point in expected
        if point.key not in shown and all(value != value for value in point.fields.values())
    ]
    return [*seen, *empty]


def decimal(field: str, sent: Value, seen: Value) -> str | None:
    """Return the lossy form of VictoriaMetrics, which stores decimals with limited digits (measured: 1e-12 of the value).

    It stores no NaN: a summary without observations, whose quantiles are NaN, is shown without them.
    """
    if "{" in field and sent != sent and seen is None:
        return "VictoriaMetrics stores no NaN"
    if "{" not in field or not isinstance(sent, float) or not isinstance(seen, float):
        return None
    return "VictoriaMetrics stores 12 digits" if abs(sent - seen) <= _CUT * abs(sent) else None
