"""Fills in what a page of the catalogue leaves blank in a remedy: the target, its exporter, its host and port."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping

from magictel.model.events import CheckFinished, ClimbStarted, Event, SendFinished, TargetChecked, TargetSent
from magictel.operations.remedies import rewritten

_BLANK = re.compile(r"\b(?:TARGET|EXPORTER|HOST|PORT)\b")
_COMMAND = re.compile(r"\b(magictel (?:check|send-sample|prepare|config show) )([a-z][\w-]*)")
_PORTS = {"http": 80, "https": 443}


class Blanks:
    """What stands in each target's blanks. `exporters`: each target's exporter; hosts and ports come with the events."""

    def __init__(self, exporters: Mapping[str, str]) -> None:
        self._values = {
            target: {"TARGET": target, "EXPORTER": exporter.replace("_", "-")} for target, exporter in exporters.items()
        }

    def fill(self, event: Event) -> Event:
        """Return the event with every remedy as it can be followed."""
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
        """Return the remedy with the target's names in its blanks."""
        values = self._values.get(target)
        if values is None:
            return remedy
        filled = _BLANK.sub(lambda blank: values.get(blank[0], blank[0]), remedy)
        # A page of one backend's own code names the exporter: the run's target is an instance of it.
        return _COMMAND.sub(lambda named: named[1] + (target if named[2] == values["EXPORTER"] else named[2]), filled)

    def _at(self, target: str, endpoint: str) -> None:
        """Learn host and port from an endpoint's text; of several nodes the first."""
        try:
            parts = urllib.parse.urlsplit(endpoint.split(", ")[0])
            port = parts.port or _PORTS.get(parts.scheme)
        except ValueError:
            return
        if parts.hostname and port and target in self._values:
            self._values[target] |= {"HOST": parts.hostname, "PORT": str(port)}
