"""Rewriting of the remedies in an event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from magictel.model.events import (
    CheckFinished,
    CheckResult,
    Event,
    RunCleaned,
    RungClimbed,
    SendFinished,
    SendResult,
    TargetChecked,
    TargetSent,
)
from magictel.model.finding import Finding

Rewrite = Callable[[str, str], str]
"""A function (target, remedy) that returns the new remedy."""


def rewritten(event: Event, rewrite: Rewrite) -> Event:
    """Return the event with every remedy rewritten."""

    def remedy(target: str, text: str | None) -> str | None:
        return rewrite(target, text) if text else text

    def finding(target: str, before: Finding) -> Finding:
        return replace(before, remedy=remedy(target, before.remedy))

    def checked(result: CheckResult) -> CheckResult:
        return replace(result, rungs=tuple(finding(result.target, rung) for rung in result.rungs))

    def sent(result: SendResult) -> SendResult:
        target, seen = result.target, result.verification
        return replace(
            result,
            remedy=remedy(target, result.remedy),
            verification=seen and replace(seen, remedy=remedy(target, seen.remedy)),
            findings=tuple(finding(target, before) for before in result.findings),
        )

    match event:
        case RungClimbed():
            return replace(event, finding=finding(event.target, event.finding))
        case TargetChecked():
            return replace(event, result=checked(event.result))
        case CheckFinished():
            return replace(event, results=tuple(map(checked, event.results)))
        case TargetSent():
            return replace(event, result=sent(event.result))
        case SendFinished():
            return replace(event, results=tuple(map(sent, event.results)))
        case RunCleaned():
            return replace(event, remedy=remedy(event.target, event.remedy))
        case _:
            return event
