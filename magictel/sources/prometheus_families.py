"""Metadata of a page by metric name, as in Prometheus: valid for samples anywhere on the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from magictel.sources.prometheus_line import MetadataLine

_SUFFIXES = {
    "counter": ("_total", "_created"),
    "histogram": ("_bucket", "_sum", "_count", "_created"),
    "gaugehistogram": ("_bucket", "_gsum", "_gcount"),
    "summary": ("_sum", "_count", "_created"),
    "info": ("_info",),
}
_LONGEST_FIRST = sorted({suffix for suffixes in _SUFFIXES.values() for suffix in suffixes}, key=len, reverse=True)


class Membership(NamedTuple):
    """The family of a sample's name, and the suffix that the name adds."""

    family: str
    suffix: str
    type: str
    help: str
    unit: str


@dataclass(slots=True)
class Families:
    """A page's metadata; later lines override. `openmetrics`: its `_created` lines are start times."""

    openmetrics: bool
    types: dict[str, str] = field(default_factory=dict)
    helps: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    _known: dict[str, Membership] = field(default_factory=dict)

    def take(self, line: MetadataLine) -> None:
        """Keep a line of metadata."""
        kept = {"TYPE": self.types, "HELP": self.helps, "UNIT": self.units}[line.keyword]
        kept[line.name] = "unknown" if line.text == "untyped" and line.keyword == "TYPE" else line.text

    def of(self, name: str) -> Membership:
        """Return the family of a sample's name: one with that name, otherwise one with the name without suffix."""
        known = self._known.get(name)
        if known is None:
            family, suffix = self._family(name)
            about = self.types.get(family, "unknown"), self.helps.get(family, ""), self.units.get(family, "")
            known = self._known[name] = Membership(family, suffix, *about)
        return known

    def _family(self, name: str) -> tuple[str, str]:
        if name not in self.types:
            for suffix in _LONGEST_FIRST:
                family = name.removesuffix(suffix)
                if family != name and suffix in _SUFFIXES.get(self.types.get(family, ""), ()):
                    return (name, "") if suffix == "_created" and not self.openmetrics else (family, suffix)
        return name, ""
