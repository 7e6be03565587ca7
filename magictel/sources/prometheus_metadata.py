"""Metadata of a Prometheus page: its lines as accepted by Prometheus' own parser (model/textparse), and what they say of each name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from magictel.sources.prometheus_grammar import (
    ESCAPE,
    NAME,
    NO_NUL,
    QUOTE,
    QUOTED,
    LineError,
    OpenQuoteError,
    decoded,
    unescaped,
)

_SUBJECT = rb"(" + NAME + rb"|" + QUOTED + rb")"
_TEXT_KEYWORD = re.compile(rb"[ \t]*+#[ \t]++(HELP|TYPE)[ \t]++")
_TEXT_SUBJECT = re.compile(_SUBJECT + rb"[^\n\0]?+([^\n]*+)")
"""A single arbitrary byte separates the name and the metadata."""
_OPENMETRICS_KEYWORD = re.compile(rb"# (HELP|TYPE|UNIT) ")
_OPENMETRICS_SUBJECT = re.compile(_SUBJECT + rb" ([^\n]*+)")
_UNIT_COMMENT = re.compile(rb"# UNIT " + _SUBJECT + rb" (\w++)[ \t]*+")
_HELP_ESCAPE = re.compile(r"\\([\\n])")
_TEXT_TYPES = frozenset({"counter", "gauge", "histogram", "summary", "untyped"})
_OPENMETRICS_TYPES = frozenset(
    {"counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"}
)
_SUFFIXES = {
    "counter": ("_total", "_created"),
    "histogram": ("_bucket", "_sum", "_count", "_created"),
    "gaugehistogram": ("_bucket", "_gsum", "_gcount"),
    "summary": ("_sum", "_count", "_created"),
    "info": ("_info",),
}
_LONGEST_FIRST = sorted({suffix for suffixes in _SUFFIXES.values() for suffix in suffixes}, key=len, reverse=True)


class MetadataLine(NamedTuple):
    """A line of metadata: `TYPE`, `HELP` or `UNIT`, the metric's name, and the text."""

    keyword: str
    name: str
    text: str


def metadata(line: bytes, *, openmetrics: bool, strict: bool) -> MetadataLine | None:
    """Return the metadata of a line that begins with `#`, or None for a comment. Raise `LineError`.

    Not `strict`: text 0.0.4 may also use the types of OpenMetrics.
    """
    keyed = (_OPENMETRICS_KEYWORD if openmetrics else _TEXT_KEYWORD).match(line)
    if keyed is None:
        if openmetrics:
            raise LineError(
                0, "expected # HELP, # TYPE, # UNIT or # EOF and single spaces: OpenMetrics has no comments"
            )
        return _unit_comment(line)
    match = (_OPENMETRICS_SUBJECT if openmetrics else _TEXT_SUBJECT).fullmatch(line, keyed.end())
    if match is None:
        if line.startswith(b'"', keyed.end()) and not QUOTE.match(line, keyed.end()):
            raise OpenQuoteError(keyed.end(), "expected a quote that closes this one")
        raise LineError(keyed.end(), "expected a metric's name" + (" and one space" if openmetrics else ""))
    keyword, name, raw, at = keyed[1].decode(), _subject(match[1]), match[2], match.start(2)
    if "\0" in name:
        raise LineError(keyed.end(), NO_NUL)
    if keyword == "HELP":
        text = decoded(raw, at) if openmetrics or raw.strip(b" \t") else ""
        return MetadataLine(keyword, name, unescaped(text, ESCAPE if openmetrics else _HELP_ESCAPE))
    text = raw.decode(errors="replace")
    if keyword == "TYPE":
        types = _OPENMETRICS_TYPES if openmetrics else _TEXT_TYPES if strict else _TEXT_TYPES | _OPENMETRICS_TYPES
        if text not in types:
            raise LineError(at, f"expected one of the types {', '.join(sorted(types))}, got {text[:40]!r}")
    if keyword == "UNIT" and text and not name.endswith(f"_{text}"):
        raise LineError(at, f"expected the unit that the metric's name ends with, got {text[:40]!r}")
    return MetadataLine(keyword, name, text)


def _unit_comment(line: bytes) -> MetadataLine | None:
    """Return the unit of a comment in text 0.0.4 if the metric's name ends with it."""
    match = _UNIT_COMMENT.fullmatch(line)
    if match is None:
        return None
    name, unit = _subject(match[1]), match[2].decode()
    return MetadataLine("UNIT", name, unit) if name.endswith(f"_{unit}") else None


def _subject(raw: bytes) -> str:
    """Return the name in a line of metadata; a name that is not UTF-8 belongs to no sample."""
    return unescaped(raw[1:-1].decode(errors="surrogateescape"), ESCAPE) if raw[:1] == b'"' else raw.decode()


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
