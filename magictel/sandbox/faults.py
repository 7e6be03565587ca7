"""Scripted faults: what a backend does wrong, request by request.

    [NAME:] STEP, then STEP, then STEP …
    STEP is [probe|any] FAULT

    429 [xN] [retry-after=S | retry-after=date:S | retry-after='HTTP-date'] [body='…']   any status, not stored
    ok [xN]                 answers as the backend does
    reset [xN]              takes the request, stores nothing, resets the connection
    reset-after [xN]        stores, then resets the connection instead of answering
    close [xN]              stores nothing, closes the connection without an answer
    truncated [xN]          stores, announces a longer body than it sends, closes
    slow SECONDS [xN]       waits, then stores and answers: after the client gave up, a late write
    hang [xN]               holds the request until the client gives up, then stores it
    partial N% [KIND] [xN]  refuses this share of the items (at least one), with KIND or in turn (`mixed`)
    too-large [xN]          413 without a body
    wrong-json [xN]         200 with JSON that is not the backend's; nothing is stored
    … forever               in place of xN: until the end
    expired-certificate     first of all steps: serves TLS with a certificate that expired in 2020

A step strikes writes; with `probe` before it, requests that write nothing (rungs, read-backs); with `any`, both. What it does
not strike passes. After the last step everything is ok.
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
    "ok", "status", "reset", "reset-after", "close", "truncated", "slow", "hang", "partial", "too-large", "wrong-json"
]
FaultScope = Literal["write", "probe", "any"]
GRAMMAR = (
    "steps are separated by ', then', each [probe|any] FAULT: STATUS [retry-after=S|date:S|'HTTP-date'] [body='…'], ok, reset, "
    "reset-after, close, truncated, slow SECONDS, hang, partial N% [KIND], too-large, wrong-json; each may end with xN or forever; "
    "expired-certificate may come first"
)

_TOKEN = re.compile(r"""(?:[^\s'"]|'[^']*'|"[^"]*")+""")
_EXPIRED = "expired-certificate"
_THEN = re.compile(r"\s*,\s*then\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fault:
    """One step. `times` is how many requests it strikes, None for every later one; seconds are floats, share is 0 to 1.

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
        """Return whether it concerns such a request."""
        return self.scope == "any" or (self.scope == "write") is is_write


class Faults:
    """A script that is consumed request by request; `fired` counts what struck, by kind (a status as its number).

    Thread-safe. `emulator` is the name that stood before the script, if one did.
    """

    def __init__(self, steps: Iterable[Fault], *, emulator: str | None = None, expired: bool = False) -> None:
        self.steps: Sequence[Fault] = tuple(steps)
        self.emulator = emulator
        self.expired = expired
        """Whether the server shows a certificate that has expired."""
        self.fired: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._at = 0
        self._left = self.steps[0].times if self.steps else 0

    @property
    def exhausted(self) -> bool:
        """True when every step has struck as often as it says."""
        with self._lock:
            return self._at >= len(self.steps)

    def strike(self, *, is_write: bool) -> Fault | None:
        """The fault for the next request, None where the backend answers as it does."""
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
    """Read a script; raises `UsageError` naming the word that is wrong, and the grammar."""
    named = re.match(r"\s*([A-Za-z][\w.-]*)\s*:\s*(.*)", script, re.DOTALL)
    emulator, text = (named[1], named[2]) if named else (None, script)
    first, *rest = _split(text)
    if first.strip().lower() == _EXPIRED:
        return Faults([_scoped(part) for part in rest], emulator=emulator, expired=True)
    return Faults([_scoped(part) for part in (first, *rest)], emulator=emulator)


def _scoped(text: str) -> Fault:
    head, _, rest = text.strip().partition(" ")
    if head.lower() in ("probe", "any"):
        step = _step(rest)
        if step.kind == "partial":
            raise _wrong(head, "partial strikes the items of a write")
        return replace(step, scope=cast("FaultScope", head.lower()))
    return _step(text)


def _split(text: str) -> list[str]:
    parts, start, quote, at = [], 0, "", 0
    while at < len(text):
        if quote:
            quote = "" if text[at] == quote else quote
        elif text[at] in "'\"":
            quote = text[at]
        elif separator := _THEN.match(text, at):
            parts.append(text[start:at])
            start = at = separator.end()
            continue
        at += 1
    if quote:
        raise _wrong(quote, "the quote is not closed")
    return [*parts, text[start:]]


def _step(text: str) -> Fault:
    words: list[str] = _TOKEN.findall(text)
    if not words:
        raise _wrong(text.strip() or "''", "a step is missing")
    head, rest = words[0].lower(), words[1:]
    times: int | None = 1
    if rest and (counted := re.fullmatch(r"x(\d+)|forever", rest[-1].lower())):
        times = int(counted[1]) if counted[1] else None
        rest = rest[:-1]
    elif (
        rest
        and head.isdigit()
        and (at := next((i for i, word in enumerate(rest) if re.fullmatch(r"x\d+|forever", word)), -1)) >= 0
    ):
        times = None if rest[at] == "forever" else int(rest[at][1:])
        rest = rest[:at] + rest[at + 1 :]
    if times == 0:
        raise _wrong("x0", "a step strikes at least once")
    if re.fullmatch(r"[1-5]\d\d", head):
        return _status(int(head), rest, times)
    if head == "slow":
        return Fault("slow", times, seconds=_seconds(rest, text))
    if head == "partial":
        return _partial(rest, times, text)
    for kind in get_args(FaultKind):
        if head == kind != "status":
            if rest:
                raise _wrong(rest[0], f"{head} accepts only xN or forever")
            return Fault(kind, times)
    raise _wrong(words[0], "no such fault")


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


def _seconds(words: Sequence[str], text: str) -> float:
    if len(words) == 1 and (number := re.fullmatch(r"(\d+(?:\.\d+)?)s?", words[0])):
        return float(number[1])
    raise _wrong(words[0] if words else text.strip(), "slow needs seconds, as in 'slow 2.5'")


def _partial(words: Sequence[str], times: int | None, text: str) -> Fault:
    if words and (number := re.fullmatch(r"(\d+(?:\.\d+)?)%", words[0])) and 0 < float(number[1]) <= 100:
        if len(words) > 2:
            raise _wrong(words[2], "partial accepts one kind of item error")
        return Fault("partial", times, share=float(number[1]) / 100, item_error=words[1] if len(words) == 2 else None)
    raise _wrong(
        words[0] if words else text.strip(), "partial needs a share above 0% and up to 100%, as in 'partial 10%'"
    )


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def _wrong(word: str, why: str) -> UsageError:
    return UsageError("sandbox.fault-script", f"wrong fault at {word!r}: {why}", GRAMMAR)
