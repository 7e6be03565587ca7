"""An emulator of a StatsD daemon that reads DogStatsD's tags too. It decodes with its own code, not with the exporter's."""

from __future__ import annotations

import re
from typing import NamedTuple

from magictel.clock import Clock

_LINE = re.compile(
    r"(?P<name>[^:|@\s]+):(?P<values>[^|]+)\|(?P<kind>c|g|ms|h|s|d)(?:\|@(?P<rate>[\d.e-]+))?(?:\|#(?P<tags>[^|]*))?"
    r"(?:\|(?:[ce]:|card:|T\d)[^|]*)*"
)
"""The last part is what DogStatsD 1.2 to 1.4 add: container, external data, cardinality, time."""
_OTHERS = ("_e{", "_sc|")
"""Beginnings of DogStatsD's events and service checks, which are no metrics."""
_PARTS = (".sum", ".min", ".max")
"""Ends of the names that belong to the same histogram as a `.count`."""


class Line(NamedTuple):
    """A line: value (a text in a set), type, weight (one divided by the sample rate) and tags."""

    name: str
    value: float | str
    kind: str
    weight: int
    tags: tuple[str, ...]


class StatsdEmulator:
    """`lines` is what was received; `bad` what no daemon can read."""

    name = "statsd"

    def __init__(self, *, clock: Clock) -> None:
        self.lines: list[Line] = []
        self.bad: list[str] = []

    @property
    def stored(self) -> int:
        """The number of points: a histogram's aggregates are one."""
        return sum(not line.name.endswith(_PARTS) for line in self.lines)

    def environment(self, origin: str) -> dict[str, str]:
        """Return the variables that point the exporter here; the origin is `udp://HOST:PORT`."""
        host, _, port = origin.removeprefix("udp://").rpartition(":")
        return {"STATSD_HOST": host.strip("[]"), "STATSD_PORT": port}

    def receive(self, datagram: bytes) -> None:
        """Store what a datagram carries."""
        for text in datagram.decode().split("\n"):
            line = _LINE.fullmatch(text)
            if line is None:
                self.bad += [text] if text.strip() and not text.startswith(_OTHERS) else []
                continue
            weight = int(1 / float(line["rate"])) if line["rate"] else 1
            tags = tuple((line["tags"] or "").split(",")) if line["tags"] else ()
            kind, values = line["kind"], line["values"].split(":")
            self.lines += [
                Line(line["name"], value if kind == "s" else float(value), kind, weight, tags) for value in values
            ]
