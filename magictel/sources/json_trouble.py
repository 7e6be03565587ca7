"""What msgspec says of JSON that it cannot read, in the words of a broken line: what was expected, and where."""

from __future__ import annotations

import re

import msgspec

from magictel.sources.trouble import SourceError, broken

_AT = re.compile(r"\(byte (\d+)\)")
_PATH = re.compile(r"at `\$\.?(.*)`")


def undecoded(name: str, number: int, text: bytes, failure: msgspec.DecodeError) -> SourceError:
    """Line `number` of a recording is no JSON (its column is known then), or JSON of another kind (its member is)."""
    said = str(failure)
    if isinstance(failure, msgspec.ValidationError):
        return broken(name, number, None, _expected(said))
    return broken(name, number, _column(text, said), _syntax(said))


def _expected(said: str) -> str:
    """Msgspec's `Expected `int`, got `str` - at `$.a`` as ours."""
    path = _PATH.search(said)
    text = said.split(" - at ")[0].replace("`", "").replace("Object missing required field", "expected the member")
    text = text[:1].lower() + text[1:]
    if path and path[1].endswith("imeUnixNano") and text.startswith("expected int "):
        text = "expected a time of the years 1970 to 2262"
    return f"{text}, in {path[1]}" if path and path[1] else text


def _column(text: bytes, said: str) -> int | None:
    at = _AT.search(said)
    if at:
        return int(at[1]) + 1
    return len(text) + 1 if "truncated" in said else None


def _syntax(said: str) -> str:
    if "truncated" in said:
        return "expected the rest of the JSON value, got the line's end"
    why = said.partition(":")[2].split("(")[0].strip() or said
    return (
        f"expected JSON, got {'an ' if why[:1] in 'aeiou' else 'a '}{why}"
        if why.startswith(("invalid", "obj"))
        else f"expected JSON: {why}"
    )
