"""One sentence over a whole run, whatever the operation."""

from __future__ import annotations

from magictel.model.events import ReplayFinished
from magictel.reporters import check_page, send_verdict
from magictel.reporters.humanize import many, named
from magictel.reporters.results import Results


def operation(results: Results) -> str:
    """The command's name."""
    if results.check:
        return "check"
    return "replay" if isinstance(results.send, ReplayFinished) else "send-sample"


def sentence(results: Results) -> str:
    """As in the terminal's last line."""
    words = []
    if results.check:
        words.append(check_page.overall(results.targets, results.check))
    if isinstance(results.send, ReplayFinished) and results.send.broken is not None:
        words.append(f"the recording broke off: {results.send.broken.code}")
    if results.send:
        words.append(send_verdict.overall(results.targets, results.send))
    if results.cleaned:
        left = [one.target for one in results.cleaned if not one.held]
        gone = many(sum(one.deleted for one in results.cleaned), "item")
        words.append(f"not cleaned: {named(left)}" if left else f"cleaned, {gone} deleted")
    return "; ".join(words) or "nothing was asked"
