"""The retries of a delivery as a line of text."""

from __future__ import annotations

from magictel.model.outcome import FailedAttempts, Receipt
from magictel.reporters.humanize import many, span


def retried(receipt: Receipt) -> str | None:
    """Return `5 attempts: 3× 429, 1 reset; 13 s`: attempts, failures by status or error, and time waited; None if none failed."""
    if not receipt.failed:
        return None
    waited = f"; {span(receipt.waited)}" if receipt.waited else ""
    return f"{many(receipt.attempts, 'attempt')}: {', '.join(map(_failed, receipt.failed))}{waited}"


def _failed(attempts: FailedAttempts) -> str:
    if attempts.status is not None:
        return f"{attempts.count}× {attempts.status}"
    return f"{attempts.count} {attempts.code.rpartition('.')[2].replace('-', ' ')}"
