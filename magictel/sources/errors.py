"""What is wrong with a recording: one sentence that names the file, the line, the column and what was expected there."""

from __future__ import annotations

from magictel.errors import MagictelError


class SourceError(MagictelError):
    """A recording cannot be read (any further). `whole`: no line after this one can be read, so nothing can be skipped."""

    def __init__(self, code: str, message: str, remedy: str | None = None, *, whole: bool = False) -> None:
        super().__init__(code, message, remedy)
        self.whole = whole

    def __reduce__(self) -> tuple[object, ...]:
        return (SourceError, (self.code, self.message, self.remedy))


def broken(file: str, line: int, column: int | None, expected: str, unit: str = "line") -> SourceError:
    """One line (or message) cannot be read: `page.prom, line 7, column 12: expected a number`."""
    place = f"{file}, {unit} {line}" + (f", column {column}" if column is not None else "")
    return SourceError("source.broken-line", f"{place}: {expected}", f"fix the {unit}, or --on-error skip")


def impossible(file: str, line: int, column: int | None, why: str, unit: str = "line") -> SourceError:
    """A point of a line (or message) cannot be, though its syntax is sound: `r.jsonl, line 7, column 12: h: bounds must increase`."""
    failure = broken(file, line, column, why, unit)
    return SourceError("source.impossible-point", failure.message, failure.remedy)
