"""`magictel diagnose`: what a production log shows, as the exporter itself would have read it. Nothing is sent."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magictel.cli.output import Format
from magictel.cli.targets import ConfigOption, FormatOption, SetOption
from magictel.errors import MagictelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from magictel.diagnose.diagnose import Diagnosis, Pasted
    from magictel.plugin.exporter import Exporter

_FIX = "fix:    "
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
SCHEMA = "magictel.diagnose/1"
_MOST = 8 * 1024 * 1024


class Step(StrEnum):
    """What was being done when the answer or the error came."""

    AUTH = "auth"
    HEALTH = "health"
    WRITE = "write"
    READ = "read"


def command(
    about: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[EXPORTER] [TEXT]",
            show_default=False,
            help="An exporter or a target (guessed if left out), and the error as a log shows it; - reads standard input.",
        ),
    ] = None,
    status: Annotated[
        int | None, typer.Option("--status", min=100, max=999, help="The HTTP status of the answer.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", metavar="'NAME: VALUE'", help="A header of the answer; repeatable.")
    ] = None,
    body: Annotated[
        str | None, typer.Option("--body", metavar="FILE", help="The answer's body: a file, or - for standard input.")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="An error as a log shows it.")] = None,
    during: Annotated[Step | None, typer.Option("--during", help="What was being done.", show_default="write")] = None,
    format_: FormatOption = Format.TEXT,
    sets: SetOption = None,
    config: ConfigOption = None,
) -> int:
    """What a line of a production log means: paste it, and get the verdict that the exporter would reach."""
    from magictel.cli import output
    from magictel.diagnose.diagnose import Pasted

    answered = bool(status or header or body or text)
    name, words = _parted(about or (), answered)
    if words is not None and text is not None:
        raise UsageError(
            "usage.command-line", "the text is given twice, as --text and without", "leave one of them out"
        )
    text = text if words is None else words
    read = None if body is None else _body(body)
    if text == "-" or (text is None and read is None and status is None and not header):
        text = _piped(wanted=text == "-")
    pasted = Pasted(status, _headers(header or ()), read, text, during.value if during else None)
    diagnosis = _named(name, pasted, config, sets) if name is not None else _guessed(pasted)
    diagnosis = _followable(diagnosis, name)
    if format_ is Format.JSON:
        output.document(document(diagnosis))
    else:
        _show(diagnosis)
    return 0


def _parted(about: Sequence[str], answered: bool) -> tuple[str | None, str | None]:
    """The exporter or target, and the text. One argument is a name where the answer is given by options or where it looks like one."""
    match list(about):
        case []:
            return None, None
        case [alone]:
            return (alone, None) if answered or _NAME.fullmatch(alone) else (None, alone)
        case [first, second]:
            return first, second
    raise UsageError(
        "usage.command-line",
        "the text has to be one argument: put quotes around it",
        "magictel diagnose 'the error as the log shows it'",
    )


def _piped(*, wanted: bool) -> str | None:
    """What is piped in: nothing of a terminal, unless it is asked for by `-`."""
    try:
        if not wanted and (sys.stdin.closed or sys.stdin.isatty()):
            return None
        read = sys.stdin.buffer.read(_MOST).decode("utf-8", "replace")
    except (OSError, ValueError, AttributeError):  # no standard input at all
        return None
    return read if read.strip() else None


def _named(name: str, pasted: Pasted, config: str | None, sets: Sequence[str] | None) -> Diagnosis:
    from magictel.diagnose.diagnose import UNRECOGNISED, Pasted, diagnose

    try:
        instance, trouble = _exporter(name, config, sets)
    except UsageError:
        diagnosis = _guessed(Pasted(text=name)) if pasted.empty else None
        if diagnosis is None or diagnosis.code == UNRECOGNISED:
            raise
        return diagnosis  # an error of one word, not a name
    if pasted.empty and trouble is None:
        raise _nothing()
    try:
        return diagnose(instance, pasted, trouble)
    finally:
        instance.shutdown(0)


def _guessed(pasted: Pasted) -> Diagnosis:
    """Read by every exporter that can be loaded."""
    from magictel.diagnose.backend_guess import guess
    from magictel.registry import entry_points

    if pasted.empty:
        raise _nothing()
    exporters = []
    for name in entry_points.names():
        with suppress(MagictelError):  # a broken plugin diagnoses nothing
            exporters.append(_example(entry_points.load(name), name))
    try:
        return guess(exporters, pasted)
    finally:
        for exporter in exporters:
            exporter.shutdown(0)


def _followable(diagnosis: Diagnosis, name: str | None) -> Diagnosis:
    """The diagnosis with the target that was named, or the guessed exporter, in the commands of its remedies."""
    from magictel.operations.blanks import Blanks

    if not diagnosis.exporter:
        return diagnosis
    target = diagnosis.exporter if name is None or diagnosis.guessed else name
    blanks = Blanks({target: diagnosis.exporter})
    return replace(
        diagnosis,
        remedy=diagnosis.remedy and blanks.filled(target, diagnosis.remedy),
        alternatives=tuple(replace(other, why=blanks.filled(target, other.why)) for other in diagnosis.alternatives),
    )


def _nothing() -> UsageError:
    return UsageError(
        "usage.command-line",
        "nothing to diagnose: give the text, or --status, --body",
        "magictel diagnose 'the error as the log shows it'",
    )


def _show(diagnosis: Diagnosis) -> None:
    from magictel.cli.environment import environment
    from magictel.diagnose.diagnosis import UNRECOGNISED
    from magictel.reporters.check_page import write_remedy
    from magictel.reporters.terminal import sheet_for

    sheet = sheet_for(sys.stdout, environment())
    outcome = diagnosis.outcome or ("not recognised" if diagnosis.code == UNRECOGNISED else "no request happened")
    sheet.row([(f"{diagnosis.exporter}  ", "bold")] if diagnosis.exporter else [], outcome, diagnosis.code or "")
    for label, line in _lines(diagnosis):
        if label == _FIX:
            write_remedy(sheet, 2, line, label)
        else:
            sheet.note(2, line, label)


def document(diagnosis: Diagnosis) -> dict[str, Any]:
    """The document of `--format json`."""
    return {
        "schema": SCHEMA,
        "exporter": diagnosis.exporter or None,
        "outcome": diagnosis.outcome,
        "retry": diagnosis.retry,
        "after": diagnosis.after,
        "code": diagnosis.code,
        "message": diagnosis.message,
        "remedy": diagnosis.remedy,
        "alternatives": [{"code": other.code, "why": other.why} for other in diagnosis.alternatives],
        "answered_by": diagnosis.answered_by,
        "guessed": diagnosis.guessed,
    }


def _lines(diagnosis: Diagnosis) -> Iterator[tuple[str, str]]:
    from magictel.catalogue.retry import RETRY
    from magictel.diagnose.diagnosis import UNRECOGNISED

    yield "", diagnosis.message.removeprefix("not recognised: ")
    if diagnosis.guessed and diagnosis.exporter:
        yield "as:     ", f"{diagnosis.exporter}, a guess: {diagnosis.guessed}"
    if diagnosis.remedy:
        yield _FIX, diagnosis.remedy
    if diagnosis.retry and diagnosis.code != UNRECOGNISED:  # else the message repeats what the line says of it
        again = RETRY[diagnosis.retry]
        if diagnosis.after is not None:
            again += f" (asked to wait {diagnosis.after:g} s)"
        elif diagnosis.retry == "after-header":
            again = "with growing pauses: no time to wait is named"
        yield "again:  ", again
    for other in diagnosis.alternatives:
        yield "or:     ", f"{other.code}: {other.why}"
    if diagnosis.code:
        yield "more:   ", f"magictel explain {diagnosis.code}"


def _exporter(name: str, config: str | None, sets: Sequence[str] | None) -> tuple[Exporter[Any], MagictelError | None]:
    """The exporter with the target's settings; where those are unusable, with examples in their place, and why."""
    from magictel.cli.targets import chosen_targets

    chosen = chosen_targets([name], config=config, sets=sets)[0]
    try:
        return chosen.build(), None
    except MagictelError as failure:
        if chosen.exporter is None:
            raise
        return _example(chosen.exporter, chosen.name), failure


def _example(exporter: type[Any], target: str) -> Exporter[Any]:
    """An exporter that reads and never sends: whatever must be set is an example."""
    from magictel.settings.fields import fields_of

    given: Mapping[str, Any] = {one.key: one.example for one in fields_of(exporter.Settings) if one.required}
    made: Exporter[Any] = exporter(exporter.Settings(**given), target=target)
    return made


def _headers(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for one in given:
        name, colon, value = one.partition(":")
        if not colon or not name.strip():
            raise UsageError(
                "usage.command-line", "--header: there is no colon in it", "write it like --header 'Retry-After: 5'"
            )
        found[name.strip().lower()] = value.strip()
    return found


def _body(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read(_MOST)
        with Path(name).open("rb") as file:
            return file.read(_MOST)
    except OSError as failure:
        why = (failure.strerror or "it cannot be read").lower()
        raise UsageError(
            "usage.command-line",
            f"--body {name}: {why}",
            "give a file that this user can read, or - for standard input",
        ) from None
