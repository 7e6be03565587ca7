"""The verdict over a whole run: as a sentence, and as a status."""

from __future__ import annotations

from magictel.model.events import CheckOutcome, CheckResult, ReplayFinished, SendOutcome, SendResult
from magictel.model.finding import Status
from magictel.reporters import check_page, send_verdict
from magictel.reporters.humanize import many, named
from magictel.reporters.results import Results
from magictel.reporters.testcases import report_cases


def operation(results: Results) -> str:
    """Return the command's name."""
    if results.check:
        return "check"
    return "replay" if isinstance(results.send, ReplayFinished) else "send-sample"


def sentence(results: Results) -> str:
    """Return the sentence of the terminal's last line."""
    words = []
    if results.check:
        words.append(check_page.overall(results.targets, results.check))
    if isinstance(results.send, ReplayFinished) and results.send.broken is not None:
        words.append(f"reading the recording failed: {results.send.broken.code}")
    if results.send:
        words.append(send_verdict.overall(results.targets, results.send))
    if results.cleaned:
        left = [run.target for run in results.cleaned if not run.complete]
        gone = many(sum(run.deleted for run in results.cleaned), "item")
        words.append(f"not cleaned: {named(left)}" if left else f"cleaned, {gone} deleted")
    return "; ".join(words) or "nothing was checked"


def status_of(result: CheckResult | SendResult) -> Status:
    """Return a target's outcome as a status: unverified is a warning."""
    good = (CheckOutcome.PASS, SendOutcome.VERIFIED, SendOutcome.ACCEPTED)
    doubtful = (CheckOutcome.WARN, CheckOutcome.UNVERIFIED, SendOutcome.UNVERIFIED)
    return Status.PASS if result.outcome in good else Status.WARN if result.outcome in doubtful else Status.FAIL


def worst(results: Results) -> Status:
    """Return the worst status of a run, of its cases and its targets."""
    statuses = {case.status for case in report_cases(results)}
    statuses |= {status_of(result) for result in (results.send.results if results.send else ())}
    if results.interrupted or Status.FAIL in statuses:
        return Status.FAIL
    return Status.WARN if Status.WARN in statuses else Status.PASS
