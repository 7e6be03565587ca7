"""Decoding of escaped text, layer by layer: percent, HTML, JSON and repr escapes, and white space.

A server echoes text in its own encoding: form-encoded inside JSON, as HTML, wrapped. The mapping is kept, so that a position in
the decoded text is a position in the original. Everything takes time linear in the text.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator

Span = tuple[int, int]
_DEEPEST = 5
"""Maximum number of layers: an address in HTML in JSON in JSON, as `repr` shows it."""
_LONGEST = 4_194_304
"""Maximum length of a text that is decoded; a longer one is searched undecoded."""
_ESCAPE = re.compile(
    r"(?:%[cdefCDEF][0-9a-fA-F](?:%[89abAB][0-9a-fA-F])+)"
    r"|%[0-9a-fA-F]{2}"
    r"|&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\u[0-9a-fA-F]{4}"
    r"|\\x[cdefCDEF][0-9a-fA-F](?:\\x[89abAB][0-9a-fA-F])+"
    r"|\\x[0-9a-fA-F]{2}"
    r"|\\[^ux]",
    re.DOTALL,
)
_BLANKS = re.compile(r"[\s+]+")
"""Runs of white space, which servers collapse and wrap, and `+`, which is a space in forms."""
_NAMED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class View:
    """A text after replacing `pattern`, with the origin of its characters."""

    __slots__ = ("_ends", "_lengths", "_raw_ends", "_raw_starts", "_starts", "text")

    def __init__(self, pattern: re.Pattern[str], replacement: Callable[[str], str], text: str) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._raw_starts: list[int] = []
        self._raw_ends: list[int] = []
        shift = 0

        def replaced(match: re.Match[str]) -> str:
            nonlocal shift
            new = replacement(match.group())
            start, end = match.span()
            self._starts.append(start + shift)
            self._ends.append(start + shift + len(new))
            self._raw_starts.append(start)
            self._raw_ends.append(end)
            shift += len(new) - (end - start)
            return new

        self.text = pattern.sub(replaced, text)

    @classmethod
    def without_blanks(cls, text: str) -> View:
        """A text without its spaces."""
        return cls(_BLANKS, lambda _: "", text)

    def source(self, span: Span) -> Span:
        """Return the position of a part of this text in the original text."""
        return self._source(span[0])[0], self._source(span[1] - 1)[1]

    def _source(self, at: int) -> Span:
        number = bisect_right(self._starts, at) - 1
        if number < 0:
            return at, at + 1
        if at < self._ends[number]:
            return self._raw_starts[number], self._raw_ends[number]
        raw = self._raw_ends[number] + at - self._ends[number]
        return raw, raw + 1


def views(text: str) -> Iterator[tuple[str, Callable[[Span], Span]]]:
    """Yield every layer of a text with a function that maps its positions to `text`."""
    yield text, _same
    if len(text) > _LONGEST or not _ESCAPE.search(text):
        return
    layers = [text]

    @functools.cache
    def below(depth: int) -> View:
        return View(_ESCAPE, _decoded, layers[depth])

    def source(depth: int, span: Span) -> Span:
        for number in range(depth - 1, -1, -1):
            span = below(number).source(span)
        return span

    for depth in range(1, _DEEPEST):
        layers.append(_ESCAPE.sub(lambda match: _decoded(match.group()), layers[-1]))
        yield layers[-1], functools.partial(source, depth)
        if not _ESCAPE.search(layers[-1]):
            return


def _same(span: Span) -> Span:
    return span


def bare(text: str) -> str:
    """Return a text without spaces."""
    return _BLANKS.sub("", text)


def lower(text: str) -> str:
    """Return a text in lower case, of the same length: every position stays."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := character.lower()) == 1 else character for character in text)


def decodings(text: str) -> set[str]:
    """Return a text and each of its decoded layers: a secret may itself look escaped."""
    return {layer for layer, _ in views(text)}


@functools.lru_cache(4096)
def _decoded(escape: str) -> str:
    if escape[0] == "&":
        import html  # a table of two thousand names, for texts that contain one

        return html.unescape(escape)
    if escape[0] == "%":
        return _bytes(bytes.fromhex(escape.replace("%", "")))
    if escape[1] == "x":
        return _bytes(bytes.fromhex(escape.replace("\\x", "")))
    if escape[1] == "u":
        units = bytes.fromhex(escape.replace("\\u", ""))
        return units.decode("utf-16-be", "replace")
    return _NAMED.get(escape[1], escape[1])


def _bytes(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
