"""Laws: rules that every exporter must (or should) obey, each with a function that checks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from magictel.conformance.requirements import Need

if TYPE_CHECKING:
    from magictel.conformance.case import Case


class Level(StrEnum):
    """`must`: an exporter that breaks it loses or leaks something. `should`: it is worse than necessary."""

    MUST = "must"
    SHOULD = "should"


@dataclass(frozen=True, slots=True)
class Violation:
    """How a law was broken, as a sentence."""

    message: str


Check = Callable[["Case"], Violation | None]


@dataclass(frozen=True, slots=True)
class Law:
    """A law. `id` is stable and dotted; `sentence` is true for an exporter that obeys it."""

    id: str
    sentence: str
    check: Check = field(repr=False)
    level: Level = Level.MUST
    needs: tuple[Need, ...] = ()


class LawRegistry:
    """The laws of a subject, in order of definition: `@LAWS.law(id, sentence)` on each check."""

    def __init__(self) -> None:
        self.laws: list[Law] = []

    def law(
        self,
        id: str,  # noqa: A002 # the field's own name
        sentence: str,
        *needs: Need,
        level: Level = Level.MUST,
    ) -> Callable[[Check], Check]:
        """Register a law; its check stays a plain function."""

        def add(check: Check) -> Check:
            self.laws.append(Law(id, sentence, check, level, needs))
            return check

        return add


def broken_unless(passed: object, message: str) -> Violation | None:
    """Return a violation unless the condition is true."""
    return None if passed else Violation(message)


def points(count: int, singular: str = "", plural: str = "") -> str:
    """Return the number of points with a matching verb: `1 point is`, `2 points are`."""
    return f"{count} point {singular}".rstrip() if count == 1 else f"{count} points {plural}".rstrip()


def first(*violations: Violation | None) -> Violation | None:
    """Return the first violation among several."""
    return next((violation for violation in violations if violation is not None), None)
