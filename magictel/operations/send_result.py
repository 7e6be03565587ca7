"""The result of a send: its outcome with the code and message that explain it, and the settings that decide its time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from magictel.encoding.payload import Payload
from magictel.http.wire import Reply
from magictel.model.events import ReadFrom, SendOutcome, SendResult
from magictel.model.finding import Finding
from magictel.model.outcome import Fate, Reason, Receipt
from magictel.model.timing import Tuning
from magictel.operations.target_run import Job
from magictel.plugin.any_exporter import AnyExporter
from magictel.plugin.exporter import Exporter
from magictel.plugin.http_exporter import HttpExporter
from magictel.verify import advice

_LOST = (
    "check whether they arrive late with --within 120s; if not, check that the key writes to the account that is queried, "
    "then pipelines, filters, failure store and quotas"
)
_UNAUTHORIZED = "http.unauthorized"
_DUPLICATED = (
    "look for a second pipeline to the same destination: another collector, a pipeline, replicas that are not merged"
)


def judged(result: SendResult, *, verify: bool) -> SendResult:
    """Return the result with the first outcome that applies, and its code and message."""
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
            message = f"all points are withheld ({rules}): nothing was sent, and nothing can be verified"
            return replace(result, outcome=SendOutcome.UNVERIFIED, code="verify.nothing-sent", message=message)
        if not verify or not receipt.delivered:
            return replace(result, outcome=SendOutcome.ACCEPTED)
        points = "1 point was" if receipt.delivered == 1 else f"{receipt.delivered} points were"
        why = f"the run was interrupted: {points} accepted, and only the verification is missing"
        return replace(result, outcome=SendOutcome.UNVERIFIED, code="verify.unverified", message=why)
    if verification.missing and not verification.code:
        names = ", ".join(verification.missing_points[:3]) + (", …" if verification.missing > 3 else "")
        message = (
            f"{verification.missing} of {verification.expected} accepted points did not become visible in time: {names}"
        )
        if verification.why_missing is not None:
            report = verification.why_missing
            message, remedy = f"{report.message} ({message})", f"magictel explain {report.code}"
            return replace(result, outcome=SendOutcome.LOST, code=report.code, message=message, remedy=remedy)
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
        message = f"the backend shows {verification.duplicated} points more than once"
        return replace(
            result, outcome=SendOutcome.DUPLICATED, code="verify.duplicated", message=message, remedy=_DUPLICATED
        )
    if verification.code or verification.unverified:
        message = verification.message or f"{verification.unverified} points have fields that the backend cannot show"
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


def read_from(exporter: AnyExporter) -> ReadFrom | None:
    """Return the target that reads back for this one, or None."""
    reader = exporter.readback.exporter
    return None if reader is exporter else ReadFrom(reader.target, reader.name, reader.endpoint())


def verifiable(
    result: SendResult, exporter: AnyExporter, others: Callable[[], Sequence[str]], command: str
) -> SendResult:
    """Return an unverified result with the remedy that would verify it: another target that can be queried.

    `others`: names of such targets; `command`: the command that was run, without options.
    """
    if (
        result.outcome is not SendOutcome.UNVERIFIED
        or not isinstance(exporter, Exporter)
        or exporter.writes_to != "network"
    ):
        return result
    why = exporter.readback.cannot_query()
    if why is None:
        return result
    names = others()
    if names:
        remedy = f"if {names[0]} stores what {result.target} forwards: {command} --verify-with {names[0]}"
    else:
        given = f"{why.remedy}; otherwise " if why.remedy else ""
        remedy = f"{given}name the target that stores what {result.target} forwards: {command} --verify-with NAME"
    seen = result.verification
    return replace(result, remedy=remedy, verification=seen and replace(seen, remedy=remedy))


def with_sent_credentials(result: SendResult, exporter: AnyExporter | None) -> SendResult:
    """Return the result of a 401 without a reason with the remedy that names the credentials that were sent."""
    if not isinstance(exporter, HttpExporter) or result.remedy or not _unauthorized(result, exporter):
        return result
    remedy = exporter.sent_credentials().remedy
    if result.code == _UNAUTHORIZED:
        remedy += "; if the message names a proxy, set headers with its credentials"
    return replace(result, remedy=remedy)


def _unauthorized(result: SendResult, exporter: HttpExporter[Any]) -> bool:
    """Return whether the result is that of a 401 whose code gives no other reason than the status itself."""
    if not any(attempts.status == 401 and attempts.code == result.code for attempts in result.receipt.failed):
        return False
    return result.code in (_UNAUTHORIZED, getattr(exporter.judge(Payload(b"", 1), Reply(401)), "code", None))


def undelivered(
    job: Job,
    points: int,
    stop: Finding,
    findings: tuple[Finding, ...],
    seconds: float,
    endpoint: str = "",
    unusable: bool = False,
) -> SendResult:
    """Return the result of a target to which nothing was sent; `stop` is why."""
    why = Reason(stop.code or "internal.probe", stop.message, points, Fate.DROPPED)
    return SendResult(
        job.target,
        job.exporter,
        SendOutcome.UNDELIVERED,
        Receipt(sent=points, dropped=points, reasons=(why,) if points else ()),
        code=stop.code,
        message=stop.message,
        remedy=stop.remedy,
        endpoint=endpoint,
        unusable=unusable,
        seconds=seconds,
        findings=findings,
    )


def tuning(exporter: Exporter[Any], points: int, together: int | None = None) -> Tuning:
    """Return the settings during a send of `points`, at most `together` of them at once."""
    settings = exporter.settings
    return Tuning(
        points,
        settings.max_batch_points,
        settings.max_batch_bytes,
        together,
        settings.rate_limit,
        settings.in_flight,
        exporter.in_time_order,
        getattr(settings, "compression", None),
    )
