"""Errors in a recording: a message with file, line, column and what was expected."""

from __future__ import annotations

from magictel.errors import MagictelError


class SourceError(MagictelError):
    """A recording cannot be read further. `whole`: no later line can be read either, so nothing can be skipped."""

    def __init__(self, code: str, message: str, remedy: str | None = None, *, whole: bool = False) -> None:
        super().__init__(code, message, remedy)
        self.whole = whole

    def __reduce__(self) -> tuple[object, ...]:
        return (SourceError, (self.code, self.message, self.remedy))


def broken(file: str, line: int, column: int | None, expected: str, unit: str = "line") -> SourceError:
    """Return the error for a broken line (or message): `page.prom, line 7, column 12: expected a number`."""
    place = f"{file}, {unit} {line}" + (f", column {column}" if column is not None else "")
    return SourceError("source.broken-line", f"{place}: {expected}", f"fix the {unit}, or --on-error skip")


def impossible(file: str, line: int, column: int | None, why: str, unit: str = "line") -> SourceError:
    """Return the error for an invalid point on a valid line (or message): `r.jsonl, line 7, column 12: h: bounds must increase`."""
    failure = broken(file, line, column, why, unit)
    return SourceError("source.impossible-point", failure.message, failure.remedy)
