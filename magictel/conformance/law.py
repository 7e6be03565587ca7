"""What a law is: something that every exporter must (or should) hold, and a function that tries it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from magictel.conformance.requirements import Need

if TYPE_CHECKING:
    from magictel.conformance.case import Case


class Level(StrEnum):
    """`must`: an exporter that breaks it loses or betrays something. `should`: it is worse than it could be."""

    MUST = "must"
    SHOULD = "should"


@dataclass(frozen=True, slots=True)
class Violation:
    """How a law was broken, in one sentence."""

    message: str


Check = Callable[["Case"], Violation | None]


@dataclass(frozen=True, slots=True)
class Law:
    """`id` is stable and dotted; `sentence` is true of an exporter that holds it."""

    id: str
    sentence: str
    check: Check = field(repr=False)
    level: Level = Level.MUST
    needs: tuple[Need, ...] = ()


class LawRegistry:
    """The laws of one subject, in the order they are written down: `@book.law(id, sentence)` on each check."""

    def __init__(self) -> None:
        self.laws: list[Law] = []

    def law(
        self,
        id: str,  # noqa: A002 # the field's own name
        sentence: str,
        *needs: Need,
        level: Level = Level.MUST,
    ) -> Callable[[Check], Check]:
        """Write down a law; its check stays a plain function."""

        def add(check: Check) -> Check:
            self.laws.append(Law(id, sentence, check, level, needs))
            return check

        return add


def broken_unless(held: object, message: str) -> Violation | None:
    """None where it held."""
    return None if held else Violation(message)


def points(count: int, one: str = "", more: str = "") -> str:
    """So many points, with the verb that goes with them: `1 point is`, `2 points are`."""
    return f"{count} point {one}".rstrip() if count == 1 else f"{count} points {more}".rstrip()


def first(*found: Violation | None) -> Violation | None:
    """The first violation among several."""
    return next((one for one in found if one is not None), None)
