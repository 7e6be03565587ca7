"""Verdicts as sentences and as statuses: on a target, on all targets of an operation, and on a whole run."""

from __future__ import annotations

from collections.abc import Sequence

from magictel.model.events import (
    INTERRUPTED,
    CheckFinished,
    CheckOutcome,
    CheckResult,
    ReplayFinished,
    RunCleaned,
    SendFinished,
    SendOutcome,
    SendResult,
)
from magictel.model.finding import AFTER_UNTIL, UNPROVEN, Finding, Rung, Status
from magictel.reporters.humanize import every, many, named
from magictel.reporters.results import Result, Results
from magictel.reporters.testcases import counted_only, report_cases

_LONGEST = 200
"""Maximum length of a message in a verdict; the rung shows the whole."""
_STATUS: dict[CheckOutcome | SendOutcome, Status] = {
    CheckOutcome.PASS: Status.PASS,
    CheckOutcome.WARN: Status.WARN,
    CheckOutcome.UNVERIFIED: Status.WARN,
    SendOutcome.VERIFIED: Status.PASS,
    SendOutcome.ACCEPTED: Status.PASS,
    SendOutcome.UNVERIFIED: Status.WARN,
}


def status_of(outcome: CheckOutcome | SendOutcome) -> Status:
    """Return an outcome as a status: unverified is a warning."""
    return _STATUS.get(outcome, Status.FAIL)


def worst(results: Results) -> Status:
    """Return the worst status of a run, of its cases and its targets."""
    statuses = {case.status for case in report_cases(results)}
    statuses |= {status_of(result.outcome) for result in results.results}
    if results.interrupted or Status.FAIL in statuses:
        return Status.FAIL
    return Status.WARN if Status.WARN in statuses else Status.PASS


def run_verdict(results: Results) -> str:
    """Return the verdict on a whole run: the terminal's last line, and why a recording could not be read to its end."""
    sentences = []
    if results.check:
        sentences.append(check_overall(results.targets, results.check))
    if isinstance(results.send, ReplayFinished) and results.send.broken is not None:
        sentences.append(f"reading the recording failed: {results.send.broken.code}")
    if results.send:
        sentences.append(send_overall(results.targets, results.send))
    if results.cleaned:
        sentences.append(clean_overall(results.cleaned))
    return "; ".join(sentences) or "nothing was checked"


def target_verdict(result: Result) -> str:
    """Return the verdict on a target, which begins with its name."""
    return check_verdict(result) if isinstance(result, CheckResult) else f"{result.target}: {send_verdict(result)}"


def with_code(message: str, code: str | None) -> str:
    """Return the message followed by its code: `the certificate expired 3 days ago (tls.expired)`."""
    text = " ".join(message.split())
    if len(text) > _LONGEST:
        text = text[:_LONGEST].rpartition(" ")[0] + "…"
    return f"{text} ({code})" if code else text


def check_verdict(result: CheckResult) -> str:
    """Return `elasticsearch OK, 1 warning` or `prod-es FAILED at tls: the certificate expired 3 days ago (tls.expired)`."""
    failed = _failed(result)
    warned = sum(finding.outcome is Status.WARN for finding in result.rungs)
    cut = _cut(result)
    if cut and not failed:
        return f"{result.target} was interrupted at {cut.rung}"
    if failed:
        more = f"; also at {', '.join(finding.rung for finding in failed[1:])}" if len(failed) > 1 else ""
        return f"{result.target} FAILED at {failed[0].rung}: {with_code(failed[0].message, failed[0].code)}{more}"
    if result.outcome is CheckOutcome.UNVERIFIED:
        why = next((rung for rung in result.rungs if rung.code == UNPROVEN), None)
        reason = with_code(why.message, why.code) if why else "skipped steps leave open whether it accepts data"
        return f"{result.target} UNVERIFIED: {reason}"
    ok = f"{result.target} OK{_up_to(result)}"
    return f"{ok}, {many(warned, 'warning')}" if warned else ok


def check_overall(targets: Sequence[str], finished: CheckFinished) -> str:
    """Return the verdict: `all 3 targets OK, warnings for canary`, `1 of 2 targets FAILED: prod-es at tls (tls.expired)`."""
    done = finished.results
    if finished.interrupted:
        whole = sum(_cut(result) is None for result in done)
        return f"interrupted: {whole} of {many(len(targets), 'target')} checked"
    if len(done) == 1:
        return check_verdict(done[0])
    failed = [_where(result) for result in done if result.outcome is CheckOutcome.FAIL]
    unverified = [result.target for result in done if result.outcome is CheckOutcome.UNVERIFIED]
    if unverified and not failed:
        return f"{len(unverified)} of {len(done)} targets UNVERIFIED: {named(unverified)}"
    warned = [result.target for result in done if result.outcome is CheckOutcome.WARN]
    text = f"{every(len(done))} OK" if not failed else f"{len(failed)} of {len(done)} targets FAILED: {named(failed)}"
    return text + (f"{';' if failed else ','} warnings for {named(warned)}" if warned else "")


def _failed(result: CheckResult) -> list[Finding]:
    return [finding for finding in result.rungs if finding.outcome is Status.FAIL and finding.code != INTERRUPTED]


def _cut(result: CheckResult) -> Finding | None:
    """Return the rung that was interrupted."""
    return next((finding for finding in result.rungs if finding.code == INTERRUPTED), None)


def _up_to(result: CheckResult) -> str:
    """Return ` up to dns` if --until skipped the steps that prove a write."""
    cut = next((number for number, finding in enumerate(result.rungs) if AFTER_UNTIL in finding.message), 0)
    asked_for = result.rungs[cut].rung is not Rung.ROUND_TRIP
    return f" up to {result.rungs[cut - 1].rung}" if cut and asked_for else ""


def _where(result: CheckResult) -> str:
    """Return `prod-es at tls (tls.expired)`."""
    failed = _failed(result)
    return f"{result.target} at {failed[0].rung} ({failed[0].code})" if failed else result.target


def send_overall(targets: Sequence[str], finished: SendFinished) -> str:
    """Return the verdict over all targets: `both targets verified`, `1 of 3 targets FAILED: staging-es rejected`."""
    if finished.interrupted and isinstance(finished, ReplayFinished):
        if finished.go_on is None:
            return "interrupted during the read-back: the whole recording was sent"
        if not finished.go_on:
            some = any(result.receipt.readable for result in finished.results)
            return "interrupted: start again from the beginning" + ("; some points will be sent twice" if some else "")
        return f"interrupted: the first {many(finished.go_on, 'point')} of the recording need not be sent again"
    if finished.interrupted:
        cut_off = [result.target for result in finished.results if _cut_off(result)]
        done = f"{len(finished.results) - len(cut_off)} of {many(len(targets), 'target')} done"
        if not cut_off:
            return f"interrupted: {done}"
        accepted = f"interrupted: {named(cut_off)} accepted the points, and only the verification is missing"
        return accepted if len(targets) == 1 else f"{accepted}; {done}"
    if len(finished.results) == 1:
        return send_verdict(finished.results[0])
    good = [result for result in finished.results if status_of(result.outcome) is Status.PASS]
    if len(good) == len(finished.results):
        return f"{every(len(good))} {finished.outcome}"
    worst = sorted(finished.results, key=lambda result: list(SendOutcome).index(result.outcome))
    failed = [_unsent(result) for result in worst if status_of(result.outcome) is Status.FAIL]
    unsure = [result.target for result in worst if status_of(result.outcome) is Status.WARN]
    if not failed:
        return f"{len(unsure)} of {len(worst)} targets unverified: {named(unsure)}"
    rest = f"; unverified: {named(unsure)}" if unsure else ""
    return f"{len(failed)} of {len(worst)} targets FAILED: {named(failed)}{rest}"


def _cut_off(result: SendResult) -> bool:
    """Return whether the read-back was interrupted."""
    return result.verification is None and result.code == "verify.unverified"


def _unsent(result: SendResult) -> str:
    """Return `prod-es undelivered (tls.expired)`."""
    return f"{result.target} {result.outcome}" + (f" ({result.code})" if result.code else "")


def send_verdict(result: SendResult) -> str:
    """Return `verified`, `unverified: the key may not read (es.read.forbidden)` or `FAILED: 1 rejected (es.write.mapping-type)`."""
    match result.outcome:
        case SendOutcome.VERIFIED:
            seen = result.verification
            verified = "verified" if result.read_from is None else f"verified with {result.read_from.target}"
            return f"{verified}, {counted_only(seen)}" if seen is not None and seen.counted else verified
        case SendOutcome.ACCEPTED:
            if result.receipt.delivered:
                return "accepted, but not verified: no read-back"
            return (
                "nothing to send: all points are withheld" if result.receipt.withheld else "no points were left to send"
            )
        case SendOutcome.UNVERIFIED:
            return f"unverified: {with_code(result.message or 'the backend cannot be queried', result.code)}"
    receipt, seen = result.receipt, result.verification
    if not receipt.attempts and receipt.undelivered:
        return f"FAILED: nothing was sent: {with_code(_why(result), result.code)}"
    counts = [
        (receipt.undelivered, "undelivered"),
        (receipt.rejected, "rejected"),
        (seen.missing if seen else 0, "lost"),
        (seen.altered if seen else 0, "altered"),
        (seen.duplicated if seen else 0, "duplicated"),
    ]
    text = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f"FAILED: {with_code(text or str(result.outcome), result.code)}"


def _why(result: SendResult) -> str:
    """Return the message of the rung that stopped the target, or of the whole result."""
    failed = next((finding.message for finding in result.findings if finding.outcome is Status.FAIL), None)
    return failed or result.message or "the backend is unreachable"


def clean_overall(cleaned: Sequence[RunCleaned]) -> str:
    """Return `cleaned, 12 items deleted` or `not cleaned: prod-es`."""
    left = [run.target for run in cleaned if not run.complete]
    return (
        f"not cleaned: {named(left)}"
        if left
        else f"cleaned, {many(sum(run.deleted for run in cleaned), 'item')} deleted"
    )
