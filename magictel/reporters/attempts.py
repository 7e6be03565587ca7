"""The attempts of a delivery as a line of text."""

from __future__ import annotations

from magictel.model.outcome import FailedAttempts, Receipt
from magictel.reporters.humanize import span


def attempts(receipt: Receipt) -> str | None:
    """Return `5, 4 failed (3× 429, 1 reset); waited 13 s`: attempts, failures by status or error; None if none failed."""
    if not receipt.failed:
        return None
    failures = sum(failed.count for failed in receipt.failed)
    waited = f"; waited {span(receipt.waited)}" if receipt.waited else ""
    return f"{receipt.attempts}, {failures} failed ({', '.join(map(_failed, receipt.failed))}){waited}"


def _failed(attempts: FailedAttempts) -> str:
    if attempts.status is not None:
        return f"{attempts.count}× {attempts.status}"
    return f"{attempts.count} {attempts.code.rpartition('.')[2].replace('-', ' ')}"
