"""The verdict over a whole run as a sentence."""

from __future__ import annotations

from magictel.model.events import ReplayFinished
from magictel.reporters import check_page, send_verdict
from magictel.reporters.humanize import many, named
from magictel.reporters.results import Results


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
