"""The grammar of Prometheus lines in both formats: names, quoted texts and labels, with error positions."""

from __future__ import annotations

import re

NAME = rb"[A-Za-z_:][\w:]*+"
QUOTED = rb'"(?:[^"\\]++|\\[^\n\0])*+"'
SPACE, NO_SPACE = re.compile(rb"[ \t]*+"), re.compile(rb"")
QUOTE = re.compile(QUOTED)
_LABEL_NAME = re.compile(rb"[A-Za-z_]\w*+")
_PAIR = rb'([A-Za-z_]\w*+)="([^"\\\n]*+)"'
_PAIRS = re.compile(_PAIR)
_PLAIN_LABELS = re.compile(rb"(?:" + _PAIR + rb",)*+(?:" + _PAIR + rb")?+")
"""Labels as programs write them, without white space, quoted names and escapes."""
ESCAPE = re.compile(r'\\([\\n"])')
_ESCAPED = {"n": "\n", "\\": "\\", '"': '"'}
NO_NUL = "expected a name without the character NUL"
_AFTER_VALUE = r"expected , or } after this quote, which ends the label's value (a quote within one is written \")"


class LineError(ValueError):
    """What was expected in a line, and its byte position (from 0)."""

    def __init__(self, at: int, expected: str) -> None:
        super().__init__(expected)
        self.at = at
        self.expected = expected


class OpenQuoteError(LineError):
    """A quoted text does not end in its line, and may continue in the next one."""


def labels(raw: bytes, *, openmetrics: bool, exemplar: bool = False) -> tuple[str | None, dict[str, str]]:
    """Return the metric's name, if it is between the braces, and the labels. Raise `LineError`.

    A label with an empty value is omitted, as in Prometheus.
    """
    plain = None if exemplar else _plain(raw)
    if plain is not None:
        return None, plain
    space = NO_SPACE if openmetrics else SPACE
    metric: str | None = None
    names: set[str] = set()
    values: dict[str, str] = {}
    at = past(space, raw, 0)
    while at < len(raw):
        begin = at
        key = _LABEL_NAME.match(raw, at) or QUOTE.match(raw, at)
        if key is None:
            raise LineError(at, "expected a label's name")
        quoted = raw[begin : begin + 1] == b'"'
        name = _name(key[0], begin) if quoted else key[0].decode()
        at = past(space, raw, key.end())
        if quoted and not exemplar and raw[at : at + 1] in (b",", b""):
            if metric is not None or not name:
                got = "a second one" if name else "an empty one"
                raise LineError(begin, f"expected the metric's name, got {got}")
            metric = name
        else:
            if raw[at : at + 1] != b"=":
                raise LineError(at, "expected a label's value in quotes")
            at = past(space, raw, at + 1)
            value = QUOTE.match(raw, at)
            if value is None or (openmetrics and b"\n" in value[0]):
                raise LineError(at, "expected a label's value in quotes")
            text = unquoted(value[0], at)
            if not exemplar:
                _allowed(name, text, names, begin)
            elif "\0" in text:
                raise LineError(at, "expected an exemplar's label without the character NUL")
            names.add(name)
            if text:
                values[name] = text
            at = past(space, raw, value.end())
            if at < len(raw) and raw[at : at + 1] != b"," and (openmetrics or not _begins_label(raw, at)):
                raise LineError(value.end() - 1, _AFTER_VALUE)
        if raw[at : at + 1] == b",":
            at = past(space, raw, at + 1)
    return metric, values


def _plain(raw: bytes) -> dict[str, str] | None:
    """Return plain labels, or None for others and for invalid ones."""
    if not _PLAIN_LABELS.fullmatch(raw):
        return None
    pairs = _PAIRS.findall(raw)
    try:
        values = {name.decode(): value.decode() for name, value in pairs}
    except UnicodeDecodeError:
        return None
    if len(values) < len(pairs) or "__name__" in values:
        return None
    return values if all(values.values()) else {name: text for name, text in values.items() if text}


def past(space: re.Pattern[bytes], raw: bytes, at: int) -> int:
    """Return the end of optional white space at a byte."""
    return space.match(raw, at).end()  # type: ignore[union-attr] # it also matches nothing


def unquoted(raw: bytes, at: int) -> str:
    """Return the quoted text at byte `at` of a line. Raise `LineError` for invalid UTF-8."""
    return unescaped(decoded(raw[1:-1], at + 1), ESCAPE)


def decoded(raw: bytes, at: int) -> str:
    """Return the bytes at byte `at` of a line as text. Raise `LineError` with the position of invalid UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError as failure:
        wrong = failure.start
        raise LineError(at + wrong, f"expected UTF-8, got the byte 0x{raw[wrong]:02X}") from None


def unescaped(text: str, escape: re.Pattern[str]) -> str:
    """Return a text with its escapes decoded; other backslashes are literal."""
    return escape.sub(lambda match: _ESCAPED[match[1]], text) if "\\" in text else text


def _name(raw: bytes, at: int) -> str:
    name = unquoted(raw, at)
    if "\0" in name:
        raise LineError(at, NO_NUL)
    return name


def _allowed(name: str, text: str, names: set[str], at: int) -> None:
    if name == "__name__":
        raise LineError(at, "expected a label, got __name__: a sample has one name")
    if name in names:
        raise LineError(at, f"expected labels of different names, got {name[:80]!r} twice")
    if not name and text:
        raise LineError(at, "expected a label's name, got an empty one")


def _begins_label(raw: bytes, at: int) -> bool:
    """Return whether a label, or the metric's name, begins here: text 0.0.4 needs no comma between them."""
    key = _LABEL_NAME.match(raw, at)
    if key is not None:
        return raw.startswith(b"=", past(SPACE, raw, key.end()))
    key = QUOTE.match(raw, at)
    if key is None:
        return False
    end = past(SPACE, raw, key.end())
    return end == len(raw) or raw.startswith((b"=", b","), end)
