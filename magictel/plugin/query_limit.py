"""Limits on the queries of a read-back: backends count them, and refuse those of everybody in the account when there are too many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from msgspec.structs import replace

from magictel.clock import Clock
from magictel.model.verification import Unreadable

T = TypeVar("T")


class QueryLimit:
    """Asks at most `most` questions, and none while the backend has said to wait."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = self._left = most
        self._wait_until = 0.0
        self._refusal: Unreadable | None = None

    def ask(self, question: Callable[[], T | Unreadable]) -> T | Unreadable:
        """Return the answer to a question, or why there is none."""
        wait = self._wait_until - self._clock.monotonic()
        if self._refusal is not None and wait > 0:
            return replace(self._refusal, retry_after=wait)
        if self._left <= 0:
            message = f"the read-back has used its {self._most} queries: the other points were not compared"
            return Unreadable(
                "verify.too-many-queries",
                message,
                "verify a shorter recording, or only some metrics of it: --filter name=PATTERN",
            )
        self._left -= 1
        answer = question()
        if isinstance(answer, Unreadable) and answer.retry_after is not None:
            self._refusal, self._wait_until = answer, self._clock.monotonic() + answer.retry_after
        return answer


def portions(items: Iterable[T], longest: int, length: Callable[[T], int]) -> Iterator[list[T]]:
    """Yield the items of each query: one at least, and no more than `longest` characters of them."""
    portion: list[T] = []
    size = 0
    for item in items:
        if portion and size + length(item) > longest:
            yield portion
            portion, size = [], 0
        portion.append(item)
        size += length(item)
    if portion:
        yield portion
