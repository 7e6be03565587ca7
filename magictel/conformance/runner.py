"""The runner: checks each law on a new case, with the result passed, broken or skipped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from magictel.clock import SystemClock
from magictel.conformance.case import Case
from magictel.conformance.law import Broken, Law, Level
from magictel.conformance.under_test import OWN_TIME, Subject


class LawVerdict(StrEnum):
    """The result of a law."""

    PASSED = "passed"
    BROKEN = "broken"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a law on an exporter. `message`: how it was broken, or why it was skipped; None if it passed."""

    law: Law
    seed: int
    verdict: LawVerdict
    message: str | None
    seconds: float
    reproduce: str

    @property
    def failed(self) -> bool:
        """Return whether a MUST law is broken."""
        return self.verdict is LawVerdict.BROKEN and self.law.level is Level.MUST


def run(subject: Subject, laws: Iterable[Law], seed: int = 0) -> Iterator[Result]:
    """Check every law and yield each result."""
    reported: set[str] = set()
    for law in laws:
        yield once(try_law(subject, law, seed), reported)


def once(result: Result, reported: set[str]) -> Result:
    """Report a problem of the emulator only for the first law that meets it, noted in `reported`; skip the other laws."""
    if result.message != OWN_TIME:
        return result
    if result.message in reported:
        return replace(result, verdict=LawVerdict.SKIPPED, message="needs an emulator that uses the given clock")
    reported.add(OWN_TIME)
    return result


def try_law(subject: Subject, law: Law, seed: int) -> Result:
    """Check a law. An exception of the exporter breaks it."""
    clock = SystemClock()
    started = clock.monotonic()
    verdict, message = _tried(subject, law, seed)
    command = f"{subject.reproduce.format(name=subject.name)} --law {law.id} --seed {seed}"
    return Result(law, seed, verdict, message, clock.monotonic() - started, command)


def _tried(subject: Subject, law: Law, seed: int) -> tuple[LawVerdict, str | None]:
    case = Case(subject, seed)
    try:
        with case:
            lacking = case.lacking(law.needs)
            if lacking is not None:
                return LawVerdict.SKIPPED, lacking
            law.check(case)
            message = None
    except Broken as broken:
        message = str(broken)
    except Exception as failure:
        # Only the type and the location: the message may contain a secret.
        message = f"raised {type(failure).__name__}{_place(failure)}"
    if message is None:
        return LawVerdict.PASSED, None
    return LawVerdict.BROKEN, OWN_TIME if case.own_time and law.level is Level.MUST else message


def _place(failure: BaseException) -> str:
    trace = failure.__traceback__
    where = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        where = f" in {code.co_name}, line {trace.tb_lineno} of {code.co_filename.rpartition('/')[2]}"
        trace = trace.tb_next
    return where
