"""The climb of the ladder: the ten rungs in order, each exactly once, none hidden."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from msgspec.structs import replace

from magictel.catalogue.pages import explain
from magictel.clock import Clock, SystemClock
from magictel.errors import MagictelError, WireError
from magictel.model.finding import AFTER_UNTIL, NEEDS, NO_STEP, Finding, Rung, Status

Steps = Mapping[Rung, Callable[[], Finding]]
"""The step of each rung; a rung without a step is reported as skipped."""

_WRITE_DECIDES = ("http.forbidden", ".aws.unsigned")
"""Ends of the codes of a 403 to a GET: a path may accept only POST, which the next write shows."""
_OPT_IN = {
    Rung.ROUND_TRIP: "skipped (add --round-trip)",
}


def climb(
    steps: Steps,
    *,
    until: Rung | None = None,
    skip: Collection[str] = (),
    clock: Clock | None = None,
) -> Iterator[Finding]:
    """Yield ten findings in the ladder's order. Expected errors become findings, and so does a bug in a probe (`internal.probe`).

    `until`: later rungs are skipped. `skip` contains names of rungs to skip, and codes: a finding with such a code becomes a
    skipped one that keeps code, message and evidence, and blocks nothing.
    """
    clock = clock or SystemClock()
    findings: dict[Rung, Finding] = {}
    beyond = False
    for rung in Rung:
        finding = _blocked(rung, findings)
        if beyond:
            finding = Finding.skipped(rung, f"skipped ({AFTER_UNTIL} {until})")
        elif rung.value in skip:
            finding = Finding.skipped(rung, f"skipped (--skip {rung})")
        elif rung in _OPT_IN and rung not in steps:
            finding = Finding.skipped(rung, _OPT_IN[rung])  # an unrequested rung is not blocked either
        elif finding is None:
            finding = _step(rung, steps.get(rung), clock)
            if finding.code in skip and finding.outcome in (Status.FAIL, Status.WARN):
                finding = replace(finding, outcome=Status.SKIPPED, message=f"--skip {finding.code}: {finding.message}")
        findings[rung] = finding
        beyond = beyond or rung == until
        yield finding


def _step(rung: Rung, step: Callable[[], Finding] | None, clock: Clock) -> Finding:
    if step is None:
        return Finding.skipped(rung, NO_STEP)
    started = clock.monotonic()
    try:
        finding = step()
    except WireError as failure:
        finding = failed_by(rung, failure)
    except MagictelError as failure:
        finding = Finding.failed(rung, failure.code, failure.message, failure.remedy)
    except Exception as failure:  # a bug in a probe must not hide the rungs above it
        # Only the type: the message of a foreign exception may contain a secret.
        finding = Finding.failed(
            rung,
            "internal.probe",
            f"the probe failed with a bug: {type(failure).__name__}",
            "this is a bug in magictel or the exporter: please report it",
            exception=type(failure).__name__,
        )
    seconds = clock.monotonic() - started
    # A probe may return a finding for another rung; the ladder shows each rung once.
    return replace(
        finding,
        rung=rung,
        seconds=finding.seconds if finding.seconds is not None else seconds,
        remedy=finding.remedy or _page_remedy(finding),
    )


def _page_remedy(finding: Finding) -> str | None:
    """Return the first fix of the code's page, for a finding without a remedy."""
    if finding.outcome not in (Status.FAIL, Status.WARN) or finding.code is None:
        return None
    page = explain(finding.code)
    return page.first if page else f"look up {finding.code} in the exporter's own documentation"


def failed_by(rung: Rung, failure: WireError) -> Finding:
    """Return the finding of a rung whose request got no complete reply."""
    return Finding(rung, Status.FAIL, failure.message, failure.code, failure.remedy, failure.evidence)


def _blocked(rung: Rung, findings: Mapping[Rung, Finding]) -> Finding | None:
    """Return a blocked finding if a rung that this one needs failed or was blocked."""
    for need in NEEDS[rung]:
        finding = findings[need]
        if finding.outcome is Status.FAIL:
            return Finding(rung, Status.BLOCKED, f"blocked by {need}", blocked_by=need)
        if finding.outcome is Status.BLOCKED:
            cause = finding.blocked_by or need
            return Finding(rung, Status.BLOCKED, f"blocked by {cause}", blocked_by=cause)
    return None


def write_decides(finding: Finding) -> Finding:
    """Return a 403 to a GET as a warning if a write comes next; return any other finding unchanged."""
    decided = finding.outcome is Status.FAIL and finding.rung in (Rung.HTTP, Rung.AUTH)
    if decided and (finding.code or "").endswith(_WRITE_DECIDES):
        return replace(finding, outcome=Status.WARN)
    return finding
