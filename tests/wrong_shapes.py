"""Real answers of the emulators with one thing changed in each, and everything that the commands ask, over them."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from magictel.http.wire import Reply, Request
from magictel.sandbox.emulator import Emulator

DEEP = 100_000
BODIES = {
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "list of null": b"[null]",
    "text": b'"x"',
    "number": b"1.5",
    "true": b"true",
    "object": b"{}",
    "NaN": b'{"a": NaN}',
    "infinite": b"1e999",
    "huge": b"9" * 5000,
    "latin-1": b'{"error": "\xfcberlastet"}',
    "deep list": b"[" * DEEP + b"]" * DEEP,
    "causes": b'{"error":' + b'{"type":"x","caused_by":' * 900 + b"{}" + b"}" * 901,
    "deep object": b'{"error":' * DEEP + b"1" + b"}" * DEEP,
    "duplicates": b'{"status": 1, "status": {}, "items": [], "items": null, "errors": false}',
    "page": b"<html>no</html>",
    "zero bytes": b"\0\0\0",
    "utf-16": '{"a": "ü"}'.encode("utf-16"),
}
"""Whole bodies of other shapes."""
VALUES: tuple[Any, ...] = (
    None, [], {}, "x", "", "9" * 5000, 1.5, -1, 10**30, float("nan"), True, [None], [[]], {"x": None}, ["x"], [{"x": 1}], {"": {"": []}}
)  # fmt: skip
"""What stands in the place of a value that a real answer has; and a key goes away, an item comes twice."""


@dataclass(frozen=True)
class Change:
    """One thing that is different in the response to one question."""

    asked: str
    name: str
    body: bytes = field(repr=False)


@dataclass
class Changing:
    """An emulator's transport: notes what it answers, and gives one answer changed."""

    emulator: Emulator
    change: Change | None = None
    answers: dict[str, Reply] = field(default_factory=dict)

    def send(self, request: Request, timeout: float) -> Reply:
        reply = self.emulator.handle(request)
        asked = f"{request.method} {request.path}"
        self.answers.setdefault(asked, reply)
        if self.change is not None and self.change.asked == asked:
            return replace(reply, body=self.change.body)
        return reply

    def close(self) -> None:
        pass


def changes(answers: dict[str, Reply], seed: int = 1) -> list[Change]:
    """Every change of every answer, in a random order that is always the same."""
    changes = []
    for asked, reply in answers.items():
        changes += [Change(asked, name, body) for name, body in BODIES.items()]
        changes += [Change(asked, "cut", reply.body[: len(reply.body) // 2])]
        changes += [
            Change(asked, "bad byte", reply.body[:at] + b"\xfc" + reply.body[at:]) for at in (1, len(reply.body) // 2)
        ]
        value = reply.json()
        if isinstance(value, dict | list):
            changes += [Change(asked, name, json.dumps(other).encode()) for name, other in _mutated(value)]
    random.Random(seed).shuffle(changes)
    return changes


def _mutated(value: Any) -> Iterator[tuple[str, Any]]:
    for path in list(_paths(value))[:80]:
        name = "/".join(map(str, path))
        for other in VALUES:
            yield (
                f"{name} = {str(other)[:20]!r}",
                _with(value, path, lambda parent, key, other=other: parent.__setitem__(key, other)),
            )
        yield f"{name} gone", _with(value, path, lambda parent, key: parent.__delitem__(key))
        if isinstance(path[-1], int):
            yield f"{name} twice", _with(value, path, lambda parent, key: parent.append(parent[key]))


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """To every value inside; of a list the first item stands for all."""
    inside = value.items() if isinstance(value, dict) else list(enumerate(value))[:1] if isinstance(value, list) else ()
    for key, item in inside:
        yield (*path, key)
        yield from _paths(item, (*path, key))


def _with(value: Any, path: tuple[Any, ...], change: Any) -> Any:
    other = copy.deepcopy(value)
    parent = other
    for key in path[:-1]:
        parent = parent[key]
    change(parent, path[-1])
    return other
