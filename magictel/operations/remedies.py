"""The remedies in events: rewritten for a run, and the placeholders of the catalogue filled for its targets."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from magictel.model.events import (
    CheckFinished,
    CheckResult,
    ClimbStarted,
    Event,
    RunCleaned,
    RungClimbed,
    SendFinished,
    SendResult,
    TargetChecked,
    TargetSent,
)
from magictel.model.finding import Finding

_BLANK = re.compile(r"\b(?:TARGET|EXPORTER|HOST|PORT)\b")
_COMMAND = re.compile(r"\b(magictel (?:check|send-sample|prepare|config show) )([a-z][\w-]*)")
_PORTS = {"http": 80, "https": 443}


def rewritten(event: Event, rewrite: Callable[[str, str], str]) -> Event:
    """Return the event with every remedy replaced by `rewrite(target, remedy)`."""

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


class Blanks:
    """The values of each target's placeholders. `exporters`: each target's exporter; hosts and ports come from events."""

    def __init__(self, exporters: Mapping[str, str]) -> None:
        self._values = {
            target: {"TARGET": target, "EXPORTER": exporter.replace("_", "-")} for target, exporter in exporters.items()
        }

    def fill(self, event: Event) -> Event:
        """Return the event with the placeholders of every remedy filled."""
        match event:
            case ClimbStarted():
                self._at(event.target, event.endpoint)
            case TargetChecked() | TargetSent():
                self._at(event.result.target, event.result.endpoint)
            case CheckFinished() | SendFinished():
                for result in event.results:
                    self._at(result.target, result.endpoint)
            case _:
                pass
        return rewritten(event, self.filled)

    def filled(self, target: str, remedy: str) -> str:
        """Return the remedy with the target's values in its placeholders."""
        values = self._values.get(target)
        if values is None:
            return remedy
        filled = _BLANK.sub(lambda blank: values.get(blank[0], blank[0]), remedy)
        # A page about a backend-specific code names the exporter: replace it with the run's target.
        return _COMMAND.sub(lambda named: named[1] + (target if named[2] == values["EXPORTER"] else named[2]), filled)

    def _at(self, target: str, endpoint: str) -> None:
        """Take host and port from an endpoint's text; the first of several nodes."""
        try:
            parts = urllib.parse.urlsplit(endpoint.split(", ")[0])
            port = parts.port or _PORTS.get(parts.scheme)
        except ValueError:
            return
        if parts.hostname and port and target in self._values:
            self._values[target] |= {"HOST": parts.hostname, "PORT": str(port)}
