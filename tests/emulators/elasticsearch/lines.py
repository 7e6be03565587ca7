"""A document's line as JSON: repeated keys are refused, numbers keep their own spelling, problems have the engine's words."""

from __future__ import annotations

import json
from typing import Any

from tests.emulators.elasticsearch.answers import Refused
from tests.emulators.elasticsearch.dialect import Dialect


class Written(float):
    """A decimal that remembers how it was written: keywords keep `1e+300` as it came."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Written:
        """From its text."""
        literal = super().__new__(cls, text)
        literal.text = text
        return literal


def load(dialect: Dialect, line: bytes) -> dict[str, Any]:
    """The document of a line; raises `Refused` where it is not one JSON object without repeated keys."""
    if not line:
        where = "[0:0] " if dialect.modern else ""
        raise Refused(400, dialect.document_error, f"{where}failed to parse, document is empty")
    try:
        value = json.loads(line, object_pairs_hook=_pairs, parse_constant=_constant, parse_float=Written)
    except (ValueError, RecursionError) as problem:
        raise _unparsable(dialect, problem) from None
    if isinstance(value, dict):
        return value
    reason = "Compressor detection can only be called on some xcontent bytes or compressed xcontent bytes"
    if not dialect.modern:
        raise Refused(
            400, "mapper_parsing_exception", "failed to parse", {"type": "not_x_content_exception", "reason": reason}
        )
    if dialect.number < (9, 0):
        raise Refused(500, "not_x_content_exception", reason)
    raise Refused(400, dialect.document_error, "Malformed content, must start with an object")


class _DuplicateError(ValueError):
    pass


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _DuplicateError(f"Duplicate field '{name}'")
            seen.add(name)
    return members


def _constant(name: str) -> Any:
    raise ValueError(f"Non-standard token '{name}': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow")


def _unparsable(dialect: Dialect, problem: Exception) -> Refused:
    reason = _jackson(problem)
    inner = {"type": "json_parse_exception", "reason": reason}
    if not dialect.modern:
        return Refused(400, "mapper_parsing_exception", "failed to parse", inner)
    reason = f"[1:2] {reason}"
    cause = {"type": "x_content_parse_exception", "reason": reason, "caused_by": inner}
    return Refused(400, dialect.document_error, dialect.at(f"failed to parse: {reason}"), cause)


def _jackson(problem: Exception) -> str:
    """The JSON problem in the words of the engine's parser, as far as they are known."""
    if not isinstance(problem, json.JSONDecodeError):
        return str(problem)
    rest = problem.doc[problem.pos :].lstrip()
    if not rest:
        return "Unexpected end-of-input within/between Object entries"
    expected = (
        "expected a value"
        if problem.msg.startswith("Expecting value")
        else "was expecting comma to separate Object entries"
    )
    return f"Unexpected character ('{rest[0]}' (code {ord(rest[0])})): {expected}"
