"""The verdict on a delivery as a sentence: for a target, and over all targets."""

from __future__ import annotations

from collections.abc import Sequence

from magictel.model.events import ReplayFinished, SendFinished, SendOutcome, SendResult
from magictel.model.finding import Status
from magictel.reporters.check_page import sentence
from magictel.reporters.humanize import every, many, named
from magictel.reporters.testcases import counted_only

_STATUS = {
    SendOutcome.VERIFIED: Status.PASS,
    SendOutcome.ACCEPTED: Status.PASS,
    SendOutcome.UNVERIFIED: Status.WARN,
}


def status_of(outcome: SendOutcome) -> Status:
    """Return the status of an outcome."""
    return _STATUS.get(outcome, Status.FAIL)


def overall(targets: Sequence[str], finished: SendFinished) -> str:
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
        return verdict(finished.results[0])
    good = [result for result in finished.results if status_of(result.outcome) is Status.PASS]
    if len(good) == len(finished.results):
        return f"{every(len(good))} {finished.outcome}"
    worst = sorted(finished.results, key=lambda result: list(SendOutcome).index(result.outcome))
    failed = [_failure(result) for result in worst if status_of(result.outcome) is Status.FAIL]
    unsure = [result.target for result in worst if status_of(result.outcome) is Status.WARN]
    if not failed:
        return f"{len(unsure)} of {len(worst)} targets unverified: {named(unsure)}"
    rest = f"; unverified: {named(unsure)}" if unsure else ""
    return f"{len(failed)} of {len(worst)} targets FAILED: {named(failed)}{rest}"


def _cut_off(result: SendResult) -> bool:
    """Return whether the read-back was interrupted."""
    return result.verification is None and result.code == "verify.unverified"


def _failure(result: SendResult) -> str:
    """Return `prod-es undelivered (tls.expired)`."""
    return f"{result.target} {result.outcome}" + (f" ({result.code})" if result.code else "")


def verdict(result: SendResult) -> str:
    """Return `verified`, `unverified: the key may not read (es.read.forbidden)` or `FAILED: 1 rejected (es.write.mapping-type)`."""
    match result.outcome:
        case SendOutcome.VERIFIED:
            seen = result.verification
            return f"verified, {counted_only(seen)}" if seen is not None and seen.counted else "verified"
        case SendOutcome.ACCEPTED:
            if result.receipt.delivered:
                return "accepted, but not verified: no read-back"
            return (
                "nothing to send: all points are withheld" if result.receipt.withheld else "no points were left to send"
            )
        case SendOutcome.UNVERIFIED:
            return f"unverified: {sentence(result.message or 'the backend cannot be queried', result.code)}"
    receipt, seen = result.receipt, result.verification
    if not receipt.attempts and receipt.undelivered:
        return f"FAILED: nothing was sent: {sentence(_why(result), result.code)}"
    counts = [
        (receipt.undelivered, "undelivered"),
        (receipt.rejected, "rejected"),
        (seen.missing if seen else 0, "lost"),
        (seen.altered if seen else 0, "altered"),
        (seen.duplicated if seen else 0, "duplicated"),
    ]
    text = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f"FAILED: {sentence(text or str(result.outcome), result.code)}"


def _why(result: SendResult) -> str:
    """Return the message of the rung that stopped the target, or of the whole result."""
    failed = next((finding.message for finding in result.findings if finding.outcome is Status.FAIL), None)
    return failed or result.message or "the backend is unreachable"
