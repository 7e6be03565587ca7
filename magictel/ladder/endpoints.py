"""The finding of a rung over several nodes, with the evidence of each endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magictel.model.finding import Finding, Rung, Status
from magictel.net.endpoint import Endpoint

_WORST = (Status.FAIL, Status.WARN, Status.PASS, Status.SKIPPED, Status.BLOCKED)


def merge(rung: Rung, findings: Mapping[Endpoint, Finding], gone: Mapping[Endpoint, Finding] | None = None) -> Finding:
    """Return a single finding for the rung: failed if all nodes fail, a warning if some fail, with the first failure's code.

    `findings` are those of the checked nodes, in order; `gone` are nodes that failed on a lower rung and were not checked.
    """
    gone = gone or {}
    if len(findings) + len(gone) == 1:
        return next(iter(findings.values()))
    evidence = {"endpoints": [_row(endpoint, finding) for endpoint, finding in findings.items()]}
    evidence["endpoints"] += [_blocked(endpoint, finding) for endpoint, finding in gone.items()]
    failed = {endpoint: finding for endpoint, finding in findings.items() if finding.outcome is Status.FAIL}
    total = len(findings) + len(gone)
    if failed and len(failed) == len(findings):
        endpoint, first = next(iter(failed.items()))
        message = (
            f"all nodes failed; {endpoint}: {first.message}" if len(failed) > 1 else f"{endpoint}: {first.message}"
        )
        return Finding(rung, Status.FAIL, message, first.code, first.remedy, evidence)
    if failed:
        endpoint, first = next(iter(failed.items()))
        message = f"{len(failed)} of {total} nodes failed; {endpoint}: {first.message}"
        return Finding(rung, Status.WARN, message, first.code, first.remedy, evidence)
    worst = min(findings.values(), key=lambda finding: _WORST.index(finding.outcome))
    same = {finding.message for finding in findings.values()}
    if worst.outcome is Status.PASS and len(same) > 1:
        count = sum(finding.outcome is Status.PASS for finding in findings.values())
        message = f"{count} of {total} nodes OK; {next(iter(findings))}: {worst.message}"
    else:
        message = worst.message
    return Finding(rung, worst.outcome, message, worst.code, worst.remedy, evidence)


def _row(endpoint: Endpoint, finding: Finding) -> dict[str, Any]:
    return {
        "endpoint": str(endpoint),
        "outcome": finding.outcome.value,
        "code": finding.code,
        "message": finding.message,
        "remedy": finding.remedy,
        "evidence": dict(finding.evidence),
    }


def _blocked(endpoint: Endpoint, finding: Finding) -> dict[str, Any]:
    return {
        "endpoint": str(endpoint),
        "outcome": Status.BLOCKED.value,
        "code": None,
        "message": f"blocked by {finding.rung}",
        "remedy": None,
        "evidence": {},
    }
