"""What error replies of Prometheus' query API mean, the same for every exporter that reads back with it."""

from __future__ import annotations

from magictel.catalogue.retry import RetryClass
from magictel.http.error_rules import Rule


def read_rules(
    family: str, url: str = "query_url", credentials: str = "use credentials that may read as well"
) -> tuple[Rule, ...]:
    """Return the rules; their codes begin with `family`, as all codes of an exporter do.

    `url`: the option of the address. `credentials`: the remedy for refused ones.
    """
    return (
        Rule(
            f"{family}.read.forbidden",
            "the query API refuses these credentials ({status})",
            credentials,
            statuses=(401, 403),
        ),
        Rule(
            f"{family}.read.failed",
            "the query failed ({status}): {said}",
            retry=RetryClass.POLL,
            when=lambda error: error.status >= 500 or error.status == 429,
        ),
        Rule(
            f"{family}.read.no-query-api",
            "{endpoint} has no query API like Prometheus' ({status}): {said}",
            f"set {url} to the part of the URL before /api/v1/query",
        ),
    )
