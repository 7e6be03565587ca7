"""Law after law, each on a fresh case: what was held, broken and skipped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from magictel.clock import SystemClock
from magictel.conformance.case import Case
from magictel.conformance.law import Law, Level
from magictel.conformance.requirements import Broken
from magictel.conformance.timekeeping import OWN_TIME
from magictel.conformance.under_test import Subject


class Verdict(StrEnum):
    """How a law came out."""

    HELD = "held"
    BROKEN = "broken"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """One law on one exporter. `message`: how it was broken, or why it was skipped; None where it held."""

    exporter: str
    law: Law
    seed: int
    verdict: Verdict
    message: str | None
    seconds: float
    reproduce: str

    @property
    def failed(self) -> bool:
        """True where a law that must hold is broken."""
        return self.verdict is Verdict.BROKEN and self.law.level is Level.MUST


def run(subject: Subject, laws: Iterable[Law], seed: int = 0) -> Iterator[Result]:
    """Try every law; yields a result as soon as there is one."""
    told: set[str] = set()
    for law in laws:
        yield once(try_law(subject, law, seed), told)


def once(result: Result, told: set[str]) -> Result:
    """A trouble of the emulator breaks the first law that meets it, and is noted in `told`; for it the others are skipped."""
    if result.message != OWN_TIME:
        return result
    if result.message in told:
        return replace(
            result, verdict=Verdict.SKIPPED, message="needs an emulator that keeps time by the clock it is given"
        )
    told.add(OWN_TIME)
    return result


def try_law(subject: Subject, law: Law, seed: int) -> Result:
    """Try one law. What the exporter raises breaks it."""
    clock = SystemClock()
    started = clock.monotonic()
    verdict, message = _tried(subject, law, seed)
    command = f"{subject.reproduce.format(name=subject.name)} --law {law.id} --seed {seed}"
    return Result(subject.name, law, seed, verdict, message, clock.monotonic() - started, command)


def _tried(subject: Subject, law: Law, seed: int) -> tuple[Verdict, str | None]:
    case = Case(subject, seed)
    try:
        with case:
            lacking = case.lacking(law.needs)
            if lacking is not None:
                return Verdict.SKIPPED, f"needs {lacking}"
            violation = law.check(case)
            message = violation.message if violation else None
    except Broken as broken:
        message = str(broken)
    except Exception as failure:
        # The type and the place, never the text: it may quote a secret.
        message = f"{type(failure).__name__} was raised{_place(failure)}"
    if message is None:
        return Verdict.HELD, None
    return Verdict.BROKEN, OWN_TIME if case.own_time and law.level is Level.MUST else message


def _place(failure: BaseException) -> str:
    trace = failure.__traceback__
    where = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        where = f" in {code.co_name}, line {trace.tb_lineno} of {code.co_filename.rpartition('/')[2]}"
        trace = trace.tb_next
    return where
