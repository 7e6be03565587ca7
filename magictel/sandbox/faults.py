"""Scripted faults of a backend, request by request: `[NAME:] STEP, then STEP`, each STEP `[probe|any] FAULT [xN | forever]`.

`magictel sandbox --help` says what each fault does, `GRAMMAR` what each accepts. A step applies to writes; with `probe` before it, to
requests that write nothing (rungs, read-backs); with `any`, to both. Other requests get the usual reply, and so do all requests after
the last step.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

from magictel.errors import UsageError

FaultKind = Literal[
    "ok",
    "status",
    "reset",
    "reset-after",
    "close",
    "truncated",
    "slow",
    "hang",
    "partial",
    "discard",
    "too-large",
    "wrong-json",
]
FaultScope = Literal["write", "probe", "any"]
GRAMMAR = (
    "steps are separated by ', then', each [probe|any] FAULT: STATUS [retry-after=S|date:S|'HTTP-date'] [body='…'], ok, reset, "
    "reset-after, close, truncated, slow SECONDS, hang, partial N% [KIND], discard [REASON], "
    "too-large, wrong-json; each may end with xN or forever; "
    "expired-certificate may come first"
)

_WORD = re.compile(r""",(?=\s*then(?:\s|$))|(?:[^\s'",]|,(?!\s*then(?:\s|$))|'[^']*'|"[^"]*")+""", re.IGNORECASE)
"""A word of a script, or the comma before `then`."""
_EXPIRED = "expired-certificate"


@dataclass(frozen=True, slots=True)
class Fault:
    """One step. `times` is the number of affected requests, None for all later ones; seconds are floats, share is 0 to 1.

    `retry_after` is the header's text, or `date:S` for the HTTP date S seconds from then.
    """

    kind: FaultKind
    times: int | None = 1
    status: int = 200
    retry_after: str | None = None
    body: bytes | None = None
    seconds: float = 0.0
    share: float = 0.0
    item_error: str | None = None
    scope: FaultScope = "write"

    def strikes(self, *, is_write: bool) -> bool:
        """Return whether the step applies to such a request."""
        return self.scope == "any" or (self.scope == "write") is is_write


class Faults:
    """A script that is consumed request by request; `fired` counts the applied faults by kind (a status by its number).

    Thread-safe. `emulator` is the name before the script, or None.
    """

    def __init__(self, steps: Iterable[Fault], *, emulator: str | None = None, expired: bool = False) -> None:
        self.steps: Sequence[Fault] = tuple(steps)
        self.emulator = emulator
        self.expired = expired
        """Whether the server uses an expired certificate."""
        self.fired: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._at = 0
        self._left = self.steps[0].times if self.steps else 0

    @property
    def exhausted(self) -> bool:
        """True after the last step."""
        with self._lock:
            return self._at >= len(self.steps)

    def strike(self, *, is_write: bool) -> Fault | None:
        """Return the fault for the next request, None where the backend replies as usual."""
        with self._lock:
            if self._at >= len(self.steps):
                return None
            step = self.steps[self._at]
            if not step.strikes(is_write=is_write):
                return None
            if self._left is not None:
                self._left -= 1
                if self._left <= 0:
                    self._at += 1
                    self._left = self.steps[self._at].times if self._at < len(self.steps) else 0
            self.fired[str(step.status) if step.kind == "status" else step.kind] += 1
            return None if step.kind == "ok" else step


def parse_faults(script: str) -> Faults:
    """Read a script. Raise `UsageError` naming the word that is wrong, and the grammar."""
    named = re.match(r"\s*([A-Za-z][\w.-]*)\s*:\s*(.*)", script, re.DOTALL)
    emulator, text = (named[1], named[2]) if named else (None, script)
    first, *rest = _split(text)
    expired = [word.lower() for word in first] == [_EXPIRED]
    return Faults(
        [_scoped(words) for words in (rest if expired else (first, *rest))], emulator=emulator, expired=expired
    )


def _split(text: str) -> list[list[str]]:
    """Return the words of each step; a quoted text is part of its word."""
    if rest := _WORD.sub("", text).strip():
        raise _wrong(rest[0], "the quote is not closed")
    steps: list[list[str]] = [[]]
    for word in _WORD.findall(text):
        if word.lower() == "then" and steps[-1][-1:] == [","]:
            steps[-1].pop()
            steps.append([])
        else:
            steps[-1].append(word)
    return steps


def _scoped(words: list[str]) -> Fault:
    scope = words[0].lower() if words else ""
    if scope not in ("probe", "any"):
        return _step(words)
    step = _step(words[1:])
    if step.kind in ("partial", "discard"):
        raise _wrong(words[0], f"{step.kind} applies to the items of a write only")
    return replace(step, scope=cast("FaultScope", scope))


def _step(words: list[str]) -> Fault:
    if not words:
        raise _wrong("''", "a step is missing")
    head, rest = words[0].lower(), words[1:]
    times: int | None = 1
    if counts := [word for word in rest if re.fullmatch(r"x\d+|forever", word.lower())]:
        rest.remove(counts[-1])
        times = None if counts[-1].lower() == "forever" else int(counts[-1][1:])
    if times == 0:
        raise _wrong("x0", "a step applies to at least one request")
    if re.fullmatch(r"[2-5]\d\d", head):
        return _status(int(head), rest, times)
    if head == "slow":
        return Fault("slow", times, seconds=_seconds(rest))
    if head == "partial":
        return _partial(rest, times)
    if head == "discard" and len(rest) < 2:
        return Fault("discard", times, item_error=rest[0] if rest else None)
    if head == "status" or head not in get_args(FaultKind):
        raise _wrong(words[0], "no such fault")
    if rest:
        raise _wrong(rest[0], f"{head} accepts only xN or forever")
    return Fault(cast("FaultKind", head), times)


def _status(status: int, words: Sequence[str], times: int | None) -> Fault:
    retry_after: str | None = None
    body: bytes | None = None
    for word in words:
        key, equals, value = word.partition("=")
        value = _unquoted(value)
        if not equals or key.lower() not in {"retry-after", "body"}:
            raise _wrong(word, f"{status} accepts only retry-after=, body=, xN and forever")
        if key.lower() == "body":
            body = value.encode()
        elif re.fullmatch(r"(date:)?[-+]?\d+(\.\d+)?", value) or re.search(r"\d{4} .*GMT", value):
            retry_after = value
        else:
            raise _wrong(word, "retry-after= accepts seconds, date:SECONDS or a quoted HTTP date")
    return Fault("status", times, status=status, retry_after=retry_after, body=body)


def _seconds(words: Sequence[str]) -> float:
    if len(words) == 1 and (number := re.fullmatch(r"(\d+(?:\.\d+)?)s?", words[0])):
        return float(number[1])
    raise _wrong(words[0] if words else "slow", "slow needs seconds, as in 'slow 2.5'")


def _partial(words: Sequence[str], times: int | None) -> Fault:
    number = re.fullmatch(r"(\d+(?:\.\d+)?)%", words[0]) if words else None
    if number is None or not 0 < float(number[1]) <= 100:
        wrong = words[0] if words else "partial"
        raise _wrong(wrong, "partial needs a share above 0% and up to 100%, as in 'partial 10%'")
    if len(words) > 2:
        raise _wrong(words[2], "partial accepts one kind of item error")
    return Fault("partial", times, share=float(number[1]) / 100, item_error=words[1] if len(words) == 2 else None)


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def _wrong(word: str, why: str) -> UsageError:
    return UsageError("sandbox.fault-script", f"wrong fault at {word!r}: {why}", GRAMMAR)
