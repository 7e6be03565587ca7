"""What a law is: something that every exporter must (or should) hold, and a function that tries it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from magictel.conformance.case import Case


class Level(StrEnum):
    """`must`: an exporter that breaks it loses or betrays something. `should`: it is worse than it could be."""

    MUST = "must"
    SHOULD = "should"


class Need(StrEnum):
    """What a law needs of the exporter or its backend to be tried at all; without it the law is skipped, and says so."""

    SERVER = "a backend whose answers can be scripted"
    ITEMS = "a backend that judges item by item"
    READ_BACK = "a way to ask what the backend holds"
    FORK = "a system that forks"
    SECRETS = "a secret among its options"


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


class Broken(Exception):  # noqa: N818 # what a law raises where returning would be clumsy
    """A law is broken, found deep inside its check."""


class Book:
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


def first(*found: Violation | None) -> Violation | None:
    """The first violation among several."""
    return next((one for one in found if one is not None), None)
