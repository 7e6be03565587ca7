"""Translation of msgspec's JSON errors to errors of a broken line: what was expected, and where."""

from __future__ import annotations

import re
from json import JSONDecoder

import msgspec

from magictel.sources.errors import SourceError, broken

_AT = re.compile(r"\(byte (\d+)\)")
_PATH = re.compile(r"at `\$\.?(.*)`")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_SPACE = re.compile(r"[ \t\r\n]*")
_VALUE = JSONDecoder()
_HALF = re.compile(rb"\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f])|(?<!\\ud[89ab]..)\\ud[c-f][0-9a-f]{2}", re.IGNORECASE)
"""Half a surrogate pair."""


def undecoded(name: str, number: int, text: bytes, failure: msgspec.DecodeError) -> SourceError:
    """Return the error for line `number` that is not JSON (with its column), or JSON of another structure (with its member)."""
    message = str(failure)
    if isinstance(failure, msgspec.ValidationError):
        path = _PATH.search(message)
        return broken_at(name, number, text, column_of(text, path[1] if path else ""), _expected(message))
    try:
        msgspec.json.decode(text)  # attributes are decoded separately, and the position is within them
    except msgspec.DecodeError as whole:
        message = str(whole)
    if "UTF-8" in message or (("truncated" in message or "surrogate" in message) and _HALF.search(text)):
        return undecodable(name, number, text)
    return broken_at(name, number, text, _column(text, message), _syntax(message))


def broken_at(name: str, number: int, text: bytes, column: int | None, expected: str) -> SourceError:
    """Return the error for a value that begins on line `number`; `column` counts from there, and may be on a later line."""
    return broken(name, *place(number, text, column), expected)


def place(number: int, text: bytes, column: int | None) -> tuple[int, int | None]:
    """Return line and column for a column of a value that begins on line `number`."""
    if column is None:
        return number, None
    return number + text.count(b"\n", 0, column - 1), column - 1 - text.rfind(b"\n", 0, column - 1)


def undecodable(name: str, number: int, text: bytes) -> SourceError:
    """Return the error for a line that neither decoder accepts, usually because it is not UTF-8."""
    try:
        text.decode()
    except UnicodeDecodeError as failure:
        why = f"expected UTF-8, got the byte 0x{text[failure.start]:02x}"
        return broken_at(name, number, text, failure.start + 1, why)
    half = _HALF.search(text)
    if half:
        return broken_at(
            name, number, text, half.start() + 1, f"expected a character, got half of one: {half[0].decode()}"
        )
    return broken_at(name, number, text, None, "expected an OTLP request in JSON")


def column_of(text: bytes, path: str) -> int | None:
    """Return the position of the value at a path (`resourceMetrics[0].resource`, empty: the whole) in a line of JSON, or None.

    A path within attributes is relative to them (they are decoded separately), so it is not found.
    """
    try:
        line = text.decode()
        at = _after(line, 0)
        for step in _STEP.finditer(path):
            at = _inside(line, at, step[1] if step[1] is not None else int(step[2]))
    except (ValueError, LookupError, RecursionError):
        return None
    return len(line[:at].encode()) + 1


def _inside(line: str, at: int, wanted: str | int) -> int:
    """Return the position of a member of the object, or an element of the array, at `at`."""
    if line[at] != ("[" if isinstance(wanted, int) else "{"):
        raise LookupError
    at, number = _after(line, at + 1), 0
    while line[at] not in "]}":
        if isinstance(wanted, str):
            key, at = _VALUE.raw_decode(line, at)
            at = _after(line, _after(line, at) + 1)
            matches = key == wanted
        else:
            matches = number == wanted
        if matches:
            return at
        _, at = _VALUE.raw_decode(line, at)
        at, number = _after(line, at), number + 1
        if line[at] == ",":
            at = _after(line, at + 1)
    raise LookupError


def _after(line: str, at: int) -> int:
    """Return the position after white space."""
    return _SPACE.match(line, at).end()  # type: ignore[union-attr] # it also matches nothing


def _expected(message: str) -> str:
    """Translate msgspec's `Expected `int`, got `str` - at `$.a``."""
    path = _PATH.search(message)
    text = message.split(" - at ")[0].replace("`", "").replace("Object missing required field", "expected the member")
    text = text[:1].lower() + text[1:]
    if path and path[1].endswith("imeUnixNano") and text.startswith("expected int "):
        text = "expected a time of the years 1970 to 2262"
    return f"{text}, in {path[1]}" if path and path[1] else text


def _column(text: bytes, message: str) -> int | None:
    at = _AT.search(message)
    if at:
        return int(at[1]) + 1
    return len(text) + 1 if "truncated" in message else None


def _syntax(message: str) -> str:
    if "truncated" in message:
        return "expected the rest of the JSON value, got the line's end"
    why = message.partition(":")[2].split("(")[0].strip() or message
    return (
        f"expected JSON, got {'an ' if why[:1] in 'aeiou' else 'a '}{why}"
        if why.startswith(("invalid", "obj"))
        else f"expected JSON: {why}"
    )
