"""Lines of a Prometheus page, text 0.0.4 and OpenMetrics 1.0, as accepted by Prometheus' own parser (model/textparse).

A valid sample is a match of a single pattern, in time linear in its length.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from magictel.sources.prometheus_fault import fault
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

_LABELS = rb"\{((?:[^\"}]++|" + QUOTED + rb")*+)\}"
_TEXT = re.compile(
    rb"[ \t]*+(" + NAME + rb")?+[ \t]*+(?:" + _LABELS + rb"[ \t]*+)?+([^{ \t\n]++)[ \t]*+(?:(\d++)[ \t]*+)?+"
)
_OPENMETRICS = re.compile(
    rb"(" + NAME + rb")?+(?:" + _LABELS + rb")?+ ([^ \n]++)(?: (?!# \{)([^ \n]++))?+"
    rb"(?: # " + _LABELS + rb" ([^ \n]++)(?: ([^ \n]++))?+)?+"
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


SampleMatch = re.Match[bytes]
"""A sample's line with its words in groups; the name is None if it is between the braces."""
NAMED, LABELS, VALUE, TIME = 1, 2, 3, 4
EXEMPLAR_LABELS, EXEMPLAR_VALUE, EXEMPLAR_TIME = 5, 6, 7
"""OpenMetrics only."""


class MetadataLine(NamedTuple):
    """A line of metadata: `TYPE`, `HELP` or `UNIT`, the metric's name, and the text."""

    keyword: str
    name: str
    text: str


def sample(line: bytes, *, openmetrics: bool) -> SampleMatch:
    """Return a sample's words. Raises `LineError`."""
    match = (_OPENMETRICS if openmetrics else _TEXT).fullmatch(line)
    if match is None or (match[1] is None and match[2] is None):
        raise fault(line, openmetrics=openmetrics)
    return match


def is_sample(line: bytes) -> bool:
    """Return whether a line is a sample in one of the formats."""
    return bool(_TEXT.fullmatch(line) or _OPENMETRICS.fullmatch(line))


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
