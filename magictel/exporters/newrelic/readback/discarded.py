"""Requests that New Relic accepted and discarded later: it reports them as `NrIntegrationError` events, with the request's id."""

from __future__ import annotations

from collections.abc import Sequence

from magictel.exporters.newrelic.readback.recordings import Nrql, text
from magictel.model.outcome import ItemVerdict
from magictel.model.verification import Unreadable

_IDS = 80
"""Ids in a query, whose length is limited."""


def reported(nrql: Nrql, ids: Sequence[str], since: int) -> ItemVerdict | Unreadable | None:
    """Return why New Relic discarded requests with these ids; None: it reports none of them. Raise `WireError`.

    `since`: Unix milliseconds, before the first of them.
    """
    for start in range(0, len(ids), _IDS):
        rows = nrql(
            "SELECT category, rateLimitType, message, requestId FROM NrIntegrationError"
            f" WHERE newRelicFeature = 'Metrics' AND requestId IN ({', '.join(map(text, ids[start : start + _IDS]))})"
            f" SINCE {since} LIMIT MAX"
        )
        if isinstance(rows, Unreadable):
            return rows
        if rows:
            first = rows[0]
            kind = " ".join(str(first[key]) for key in ("category", "rateLimitType") if first.get(key))
            limited = str(first.get("category")).lower() == "ratelimit"
            code = "nr.loss.rate" if limited else "nr.loss.payload"
            message = f"New Relic accepted a request and discarded it later ({kind}): {first.get('message')}"
            return ItemVerdict(code, message)
    return None
