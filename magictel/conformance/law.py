"""Laws: rules that every exporter must (or should) obey, each with a function that checks it and raises `Broken`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from magictel.conformance.case import Case


class Level(StrEnum):
    """`must`: an exporter that breaks it loses or leaks something. `should`: it is worse than necessary."""

    MUST = "must"
    SHOULD = "should"


class Need(StrEnum):
    """What a law needs from the exporter or its backend. The value says why an exporter without it skips the law."""

    PUSH = "is scraped, and sends nothing"
    PAGE = "sends, and is not scraped"
    BACKEND = "needs an emulator of the backend, but there is none"
    REPLIES = "needs a backend with scripted replies"
    TOO_LARGE = "needs a backend that can reject a payload as too large"
    AWAY = "needs a backend, file or stream that can become unavailable"
    STALL = "needs a backend, file or stream that can block"
    SYSTEM = "needs a file or stream whose faults can be simulated"
    ITEMS = "needs a backend with a result per item"
    READ_BACK = "needs a read-back"
    STORED = "needs a read-back, or an emulator that counts points"
    FORK = "needs a system with fork"
    SECRETS = "needs a secret option"


class Broken(Exception):  # noqa: N818 # a verdict on the exporter, not an error of the suite
    """A law is broken; the message is a sentence that says how."""


Check = Callable[["Case"], None]


@dataclass(frozen=True, slots=True)
class Law:
    """A law. `id` is stable and dotted; `sentence` is true for an exporter that obeys it; `check` raises `Broken` for any other."""

    id: str
    sentence: str
    check: Check = field(repr=False)
    level: Level = Level.MUST
    needs: tuple[Need, ...] = ()


class LawRegistry:
    """The laws of a subject, in order of definition: `@LAWS.law(id)` on each check. All of them have the given needs."""

    def __init__(self, *needs: Need) -> None:
        self.laws: list[Law] = []
        self._needs = needs

    def law(self, law_id: str, *needs: Need, level: Level = Level.MUST) -> Callable[[Check], Check]:
        """Register a law, whose sentence is the first paragraph of its check's docstring."""

        def add(check: Check) -> Check:
            sentence = (check.__doc__ or "").partition("\n\n")[0]
            self.laws.append(Law(law_id, sentence, check, level, (*self._needs, *needs)))
            return check

        return add


def require(passed: object, message: str) -> None:
    """Raise `Broken` unless the condition is true."""
    if not passed:
        raise Broken(message)


def points(count: int, singular: str = "", plural: str = "") -> str:
    """Return the number of points with a matching verb: `1 point is`, `2 points are`."""
    return f"{count} point {singular}".rstrip() if count == 1 else f"{count} points {plural}".rstrip()
