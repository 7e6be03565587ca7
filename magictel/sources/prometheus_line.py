"""Samples of a Prometheus page, text 0.0.4 and OpenMetrics 1.0, as accepted by Prometheus' own parser (model/textparse).

A valid sample is a match of a single pattern, in time linear in its length. The error of another line is the first thing that
Prometheus would reject, with its byte position.
"""

from __future__ import annotations

import re

from magictel.sources.prometheus_grammar import (
    NAME,
    NO_SPACE,
    QUOTE,
    QUOTED,
    SPACE,
    LineError,
    OpenQuoteError,
    labels,
    past,
)

_LABELS = rb"\{((?:[^\"}]++|" + QUOTED + rb")*+)\}"
_TEXT = re.compile(
    rb"[ \t]*+(" + NAME + rb")?+[ \t]*+(?:" + _LABELS + rb"[ \t]*+)?+([^{ \t\n]++)[ \t]*+(?:(\d++)[ \t]*+)?+"
)
_OPENMETRICS = re.compile(
    rb"(" + NAME + rb")?+(?:" + _LABELS + rb")?+ ([^ \n]++)(?: (?!# \{)([^ \n]++))?+"
    rb"(?: # " + _LABELS + rb" ([^ \n]++)(?: ([^ \n]++))?+)?+"
)
_NAME = re.compile(NAME)
_PLAIN = re.compile(rb'[^"}]*+')
_TEXT_WORD = re.compile(rb"[^ \t]++")

SampleMatch = re.Match[bytes]
"""A sample's line with its words in groups; the name is None if it is between the braces."""
NAMED, LABELS, VALUE, TIME = 1, 2, 3, 4
EXEMPLAR_LABELS, EXEMPLAR_VALUE, EXEMPLAR_TIME = 5, 6, 7
"""OpenMetrics only."""


def sample(line: bytes, *, openmetrics: bool) -> SampleMatch:
    """Return a sample's words. Raises `LineError`."""
    match = (_OPENMETRICS if openmetrics else _TEXT).fullmatch(line)
    if match is None or (match[1] is None and match[2] is None):
        raise _fault(line, openmetrics=openmetrics)
    return match


def is_sample(line: bytes) -> bool:
    """Return whether a line is a sample in one of the formats."""
    return bool(_TEXT.fullmatch(line) or _OPENMETRICS.fullmatch(line))


def _fault(line: bytes, *, openmetrics: bool) -> LineError:
    """Return the error of a line that is not a sample."""
    space = NO_SPACE if openmetrics else SPACE
    at = past(space, line, 0)
    name = _NAME.match(line, at)
    at = past(space, line, name.end() if name else at)
    if line[at : at + 1] == b"{":
        end = _labels_end(line, at + 1, openmetrics=openmetrics)
        if isinstance(end, LineError):
            return end
        at = end
    elif name is None:
        return LineError(at, "expected a metric's name")
    return _openmetrics_rest(line, at) if openmetrics else _text_rest(line, at)


def _labels_end(line: bytes, begin: int, *, openmetrics: bool) -> int | LineError:
    """Return the end of the labels that begin at a byte, or their error."""
    at = begin
    while (at := past(_PLAIN, line, at)) < len(line):
        if line[at : at + 1] == b"}":
            return at + 1
        text = QUOTE.match(line, at)
        if text is None:
            error = OpenQuoteError(at, "expected a quote that closes this one")
            return _earlier(line[begin:at], begin, openmetrics=openmetrics) or error
        at = text.end()
    return LineError(at, "expected } after the labels")


def _earlier(raw: bytes, begin: int, *, openmetrics: bool) -> LineError | None:
    """Return the error of the labels before an unclosed quote: an extra quote means that an earlier one lacks a backslash."""
    try:
        labels(raw + b'""', openmetrics=openmetrics)
    except LineError as error:
        if error.at < len(raw):
            return LineError(begin + error.at, error.expected)
    return None


def _text_rest(line: bytes, at: int) -> LineError:
    """Return the error after the labels."""
    words = [match for match, _ in zip(_TEXT_WORD.finditer(line, at), range(3), strict=False)]
    if not words:
        return LineError(len(line), "expected a value")
    if b"{" in words[0][0]:
        return LineError(words[0].start(), "expected a value")
    if len(words) == 1:
        return LineError(words[0].start(), "expected a value and a time")
    if words[1][0].startswith(b"#"):
        why = "expected the line's end: only OpenMetrics has exemplars, and its pages end with # EOF"
        return LineError(words[1].start(), why)
    if not words[1][0].isdigit() or len(words) == 2:
        return LineError(words[1].start(), f"expected a time in milliseconds, got {shown(words[1][0])}")
    return LineError(words[2].start(), "expected the line's end after value and time")


def _openmetrics_rest(line: bytes, at: int) -> LineError:
    for expected in ("a value", "a time or an exemplar", "an exemplar"):
        if at == len(line) and expected != "a value":
            break
        if line[at : at + 1] != b" ":
            return LineError(at, f"expected one space and {expected}")
        at += 1
        if line.startswith(b"# {", at) and expected != "a value":
            return _exemplar(line, at + 3)
        end = line.find(b" ", at)
        end = len(line) if end < 0 else end
        if end == at or expected == "an exemplar":
            return LineError(at, f"expected {expected}{'' if end > at else ', and no more than one space before it'}")
        at = end
    return LineError(at, "expected the line's end")


def _exemplar(line: bytes, at: int) -> LineError:
    end = _labels_end(line, at, openmetrics=True)
    if isinstance(end, LineError):
        return end
    return LineError(end, "expected an exemplar's value, and at most a time, each after one space")


def shown(word: bytes) -> str:
    """Return a word of a line for a message."""
    return repr(word[:40].decode(errors="replace"))
