"""A self-contained HTML page with the ladder, the ledger and the timing. It loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from importlib.resources import files

from magictel.errors import MagictelError
from magictel.model.events import SendResult
from magictel.model.finding import Status
from magictel.reporters.humanize import bound, many, span
from magictel.reporters.remedies import segments
from magictel.reporters.results import ClosingReporter, Result, Results
from magictel.reporters.symbols import DRAWN, printable
from magictel.reporters.testcases import (
    ACCEPTED,
    VERIFIED,
    ReportCase,
    deleted,
    ledger,
    read_back,
    reason_text,
    source_cases,
    target_cases,
    undeclared,
)
from magictel.reporters.timing import advice
from magictel.reporters.verdict import run_verdict, status_of, target_verdict, worst

_WORDS = {
    Status.PASS: "OK",
    Status.WARN: "warning",
    Status.FAIL: "FAILED",
    Status.SKIPPED: "skipped",
    Status.BLOCKED: "blocked",
}
_DIFFERENCES = 200
_CALM = frozenset({"sent", "delivered", "found", "equal", "counted", "withheld"})


class HtmlReporter(ClosingReporter):
    """A reporter that writes an HTML document."""

    def text(self, results: Results) -> str:
        """Return the page of a run."""
        facts = [*_facts(results), *self._about()]
        return _page(f"magictel {self._command}", run_verdict(results), worst(results), _body(results), facts)

    def failure(self, failure: MagictelError) -> str:
        """Return the page of a run without results."""
        origin = f"<p>from {_text(failure.origin)}</p>" if failure.origin else ""
        body = [f"<section>{origin}{_way_out(failure.code, failure.remedy)}</section>"]
        return _page("magictel", failure.message, Status.FAIL, body, [failure.code, *self._about()])

    def _about(self) -> list[str]:
        return [] if self.info is None else [str(self.info)]


def _page(title: str, verdict: str, status: Status, body: Iterator[str] | list[str], facts: list[str]) -> str:
    style = files("magictel.reporters").joinpath("page.css").read_text("utf-8")
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_text(title)}: {_text(verdict)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f'<header class="{status.value}"><p class="what">{_text(title)}</p>'
        f"<h1>{_sign(status)} {_text(verdict)}</h1><p>{' · '.join(map(_text, facts))}</p></header>\n<main>\n"
        f"{''.join(body)}</main>\n</body>\n</html>\n"
    )


def _facts(results: Results) -> list[str]:
    run = [f"run {results.send.run_id}"] if results.send and results.send.run_id else []
    return [many(len(results.targets), "target"), *run, *([span(results.seconds)] if results.seconds else [])]


def _body(results: Results) -> Iterator[str]:
    if source := source_cases(results):
        yield f"<section><h2>Recording</h2>{_steps(source)}</section>\n"
    for result in results.results:
        parts = [_head(result), _steps(target_cases(result))]
        if isinstance(result, SendResult):
            parts.insert(1, _ledger(result))
            parts += [_timing(result), _reasons(result), _differences(result)]
        yield f"<section>{''.join(parts)}</section>\n"
    for run in results.cleaned:
        status = Status.PASS if run.complete else Status.FAIL
        body = f"<p>{_text(deleted(run, ' items'))}</p>{_way_out(run.code, run.remedy)}"
        yield f"<section><h2>{_sign(status)} {_text(run.target)}: clean-up</h2>{body}</section>\n"
    for left in results.left:
        yield f"<section><h2>{_sign(Status.FAIL)} {_text(left)}</h2><p>The run was interrupted before it.</p></section>\n"


def _head(result: Result) -> str:
    where = f" at <code>{_exact(result.endpoint)}</code>" if result.endpoint else ""
    took = _text(span(result.seconds))
    title = f"<h2>{_sign(status_of(result.outcome))} {_text(target_verdict(result))}</h2>"
    return f"{title}<p class='where'>{_text(result.exporter)}{where} · {took}</p>"


def _steps(cases: list[ReportCase]) -> str:
    """Return the ladder: a row per rung with a bar for its share of the time; problems are expanded below it."""
    longest = max((case.seconds or 0.0 for case in cases), default=0.0)
    rows = []
    for case in cases:
        asked = case.status in (Status.PASS, Status.WARN, Status.FAIL)
        seconds = case.seconds if asked and case.seconds else None
        share = 100 * seconds / longest if seconds and longest else 0.0
        time = _time(seconds, share) if seconds else ""
        detail = _detail(case) if case.code else ""
        rows.append(
            f"<li class='{case.status.value}'><span class='name'>{_sign(case.status)} {_text(case.name)}</span>"
            f"<div class='said'><p>{_text(case.message)}</p>{detail}</div><span class='time'>{time}</span></li>"
        )
    return f"<ol class='steps'>{''.join(rows)}</ol>"


def _time(seconds: float, share: float) -> str:
    bar = f"<span class='track'><span class='bar' style='width:{share:.1f}%'></span></span>"
    return f"{bar}<b>{_text(span(seconds))}</b>"


def _detail(case: ReportCase) -> str:
    details = case.details if case.name not in (ACCEPTED, VERIFIED) else ()  # these have their own tables
    lines = "".join(f"<p class='told'>{_text(line)}</p>" for line in details)
    return lines + _way_out(case.code, case.remedy)


def _way_out(code: str | None, remedy: str | None) -> str:
    parts = segments(remedy or "")
    markup = " ".join(f"<code>{_exact(text)}</code>" if command else _text(text) for text, command in parts)
    fix = f"<dt>fix</dt><dd>{markup}</dd>" if remedy else ""
    more = f"<dt>more</dt><dd><code>magictel explain {_exact(code)}</code></dd>" if code else ""
    return f"<dl>{fix}{more}</dl>" if fix or more else ""


def _ledger(result: SendResult) -> str:
    """Return the points by fate; then the accepted ones by read-back."""
    figures = _figures("ledger", ledger(result.receipt))
    if seen := read_back(result.verification):
        figures += _figures("read back", seen)
    return f"<div class='counts'>{figures}</div>"


def _figures(name: str, counts: Mapping[str, int]) -> str:
    def mark(word: str, count: int) -> str:
        return "zero" if not count else "" if word in _CALM else "bad"

    cells = "".join(
        f"<td class='{mark(word, count)}'><b>{count}</b> <span>{word}</span></td>" for word, count in counts.items()
    )
    return f"<table class='figures'><caption>{name}</caption><tr>{cells}</tr></table>"


def _timing(result: SendResult) -> str:
    """Return a bar for each step of the delivery."""
    if result.timing is None:
        return ""
    steps = result.timing.steps()
    longest = max(seconds for _, seconds in steps) or 1.0
    rows = "".join(
        f"<li><span class='name'>{name}</span><span class='time'>{_time(seconds, 100 * seconds / longest)}</span></li>"
        for name, seconds in steps
    )
    return f"<h3>Timing</h3><ol class='steps spent'>{rows}</ol><p class='told'>{_text(advice(result.timing))}</p>"


def _reasons(result: SendResult) -> str:
    rows = "".join(f"<li>{_text(reason_text(reason))}</li>" for reason in result.receipt.reasons)
    return f"<h3>Reasons</h3><ul>{rows}</ul>" if rows else ""


def _differences(result: SendResult) -> str:
    seen = result.verification
    if seen is None:
        return ""
    rows = [
        f"<tr><td>{_text(difference.point)}</td><td>{_text(difference.field)}</td>"
        f"<td data-name='sent'><code>{_exact(repr(difference.sent))}</code></td>"
        f"<td data-name='queries see'><code>{_exact(repr(difference.seen))}</code></td></tr>"
        for difference in undeclared(seen)[:_DIFFERENCES]
    ]
    head = "<tr><th>point</th><th>field</th><th>sent</th><th>queries see</th></tr>"
    table = f"<h3>Altered</h3><div class='wide'><table>{head}{''.join(rows)}</table></div>" if rows else ""
    lost = "".join(f"<li>{_text(point)}</li>" for point in seen.missing_points[:_DIFFERENCES])
    table += f"<h3>Not shown in time</h3><ul>{lost}</ul>" if lost else ""
    forms = ", ".join(dict.fromkeys(str(difference.declared) for difference in seen.differences if difference.declared))
    return table + (f"<p class='told'>Expected loss: {_text(forms)}</p>" if forms else "")


def _sign(status: Status) -> str:
    """Return a sign with its word for screen readers."""
    return f"<span class='sign {status.value}' role='img' aria-label='{_WORDS[status]}'>{DRAWN[status]}</span>"


def _text(text: str) -> str:
    return bound(_exact(text), "\u00a0")


def _exact(text: str) -> str:
    """Return text for copying, with plain spaces."""
    return escape(printable(str(text)), quote=True)
