"""The outcome of a send: what the receipt and the verification together amount to, with the code and sentence that explain it."""

from __future__ import annotations

from dataclasses import replace

from magictel.model.events import SendOutcome, SendResult
from magictel.model.outcome import Fate, Reason
from magictel.verify import advice

_LOST = "see whether they come late, with --within 120s; else look for a filter, a pipeline, a failure store or a quota behind the receiver"
_DUPLICATED = "look for a second way to the same place: another collector, a pipeline, replicas that are not merged"


def judged(result: SendResult, *, verify: bool) -> SendResult:
    """Return the result with the first outcome that applies, the code and sentence that explain it."""
    receipt, verification = result.receipt, result.verification
    bad = [reason for reason in receipt.reasons if reason.fate in (Fate.DROPPED, Fate.KEPT)]
    refused = [reason for reason in receipt.reasons if reason.fate is Fate.REJECTED]
    if receipt.undelivered:
        return _because(result, SendOutcome.UNDELIVERED, bad)
    if receipt.rejected:
        return _because(result, SendOutcome.REJECTED, refused)
    if verification is None:
        unconfirmed = [reason for reason in receipt.reasons if reason.fate is Fate.UNCONFIRMED]
        if unconfirmed:
            return _because(result, SendOutcome.UNVERIFIED, unconfirmed)
        if verify and receipt.withheld and not receipt.delivered:
            rules = ", ".join(dict.fromkeys(reason.code for reason in receipt.reasons if reason.fate is Fate.WITHHELD))
            message = f"every point is withheld ({rules}): nothing was sent, and nothing can be verified"
            return replace(result, outcome=SendOutcome.UNVERIFIED, code="verify.nothing-sent", message=message)
        if not verify or not receipt.delivered:
            return replace(result, outcome=SendOutcome.ACCEPTED)
        points = "1 point was" if receipt.delivered == 1 else f"{receipt.delivered} points were"
        why = f"the run was interrupted: {points} accepted, and only the verification is missing"
        return replace(result, outcome=SendOutcome.UNVERIFIED, code="verify.unverified", message=why)
    if verification.missing and not verification.code:
        names = ", ".join(verification.missing_points[:3]) + (", …" if verification.missing > 3 else "")
        message = f"{verification.missing} of {verification.expected} accepted points were not shown in time: {names}"
        return replace(result, outcome=SendOutcome.LOST, code="verify.lost", message=message, remedy=_LOST)
    if verification.altered:
        first = next(difference for difference in verification.differences if difference.declared is None)
        message = f"{first.point}: sent {first.field} = {first.sent!r}, queries see {first.seen!r}"
        return replace(
            result,
            outcome=SendOutcome.ALTERED,
            code="verify.altered",
            message=message,
            remedy=advice.remedy(result.target, verification.differences),
        )
    if verification.duplicated:
        message = f"{verification.duplicated} points are shown more than once"
        return replace(
            result, outcome=SendOutcome.DUPLICATED, code="verify.duplicated", message=message, remedy=_DUPLICATED
        )
    if verification.code or verification.unverified:
        message = verification.message or f"{verification.unverified} points hold fields that the backend cannot show"
        return replace(
            result,
            outcome=SendOutcome.UNVERIFIED,
            code=verification.code or "verify.unreadable",
            message=message,
            remedy=verification.remedy,
        )
    return result


def _because(result: SendResult, outcome: SendOutcome, reasons: list[Reason]) -> SendResult:
    first = reasons[0] if reasons else None
    return replace(
        result,
        outcome=outcome,
        code=first.code if first else f"verify.{outcome}",
        message=first.message if first else str(outcome),
    )
