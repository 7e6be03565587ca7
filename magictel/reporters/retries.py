"""The attempts of a delivery that were made again, in one line."""

from __future__ import annotations

from magictel.model.outcome import FailedAttempts, Receipt
from magictel.reporters.humanize import many, span


def retried(receipt: Receipt) -> str | None:
    """`5 attempts: 3× 429, 1 reset; 13 s`: all attempts, those that failed by status or error, the seconds waited; None: none failed."""
    if not receipt.failed:
        return None
    waited = f"; {span(receipt.waited)}" if receipt.waited else ""
    return f"{many(receipt.attempts, 'attempt')}: {', '.join(map(_failed, receipt.failed))}{waited}"


def _failed(attempts: FailedAttempts) -> str:
    if attempts.status is not None:
        return f"{attempts.count}× {attempts.status}"
    return f"{attempts.count} {attempts.code.rpartition('.')[2].replace('-', ' ')}"
