"""`magictel diagnose`: what a production log shows, as the exporter itself would have read it. Nothing is sent."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magictel.cli.output import Format
from magictel.cli.targets import ConfigOption, FormatOption, SetOption
from magictel.errors import MagictelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from magictel.exporter import Exporter
    from magictel.operations.diagnose import Diagnosis

_MEND = "fix:    "
SCHEMA = "magictel.diagnose/1"
_MOST = 8 * 1024 * 1024


class Step(StrEnum):
    """What was being done when the answer or the error came."""

    AUTH = "auth"
    HEALTH = "health"
    WRITE = "write"
    READ = "read"


def command(
    exporter: Annotated[str, typer.Argument(metavar="EXPORTER", show_default=False, help="An exporter, or a target.")],
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
    from magictel.cli.environment import environment
    from magictel.operations.diagnose import Pasted, diagnose
    from magictel.reporters.check_page import write_remedy
    from magictel.reporters.terminal import sheet_for

    read = None if body is None else _body(body)
    pasted = Pasted(status, _headers(header or ()), read, text, during.value if during else None)
    made, trouble = _exporter(exporter, config, sets)
    if pasted.empty and trouble is None:
        raise UsageError(
            "usage.command-line",
            "nothing to diagnose: give --status, --body or --text",
            "magictel diagnose EXPORTER --text 'the error as the log shows it'",
        )
    try:
        found = diagnose(made, pasted, trouble)
    finally:
        made.shutdown(0)
    if format_ is Format.JSON:
        output.document(document(found))
    else:
        sheet = sheet_for(sys.stdout, environment())
        sheet.row([(f"{found.exporter}  ", "bold")], found.outcome or "no request happened", found.code or "")
        for label, line in _lines(found):
            if label == _MEND:
                write_remedy(sheet, 2, line, label)
            else:
                sheet.note(2, line, label)
    return 0


def document(found: Diagnosis) -> dict[str, Any]:
    """The document of `--format json`."""
    return {
        "schema": SCHEMA,
        "exporter": found.exporter,
        "outcome": found.outcome,
        "retry": found.retry,
        "after": found.after,
        "code": found.code,
        "message": found.message,
        "remedy": found.remedy,
        "alternatives": [{"code": one.code, "why": one.why} for one in found.alternatives],
        "answered_by": found.answered_by,
    }


def _lines(found: Diagnosis) -> Iterator[tuple[str, str]]:
    from magictel.catalogue import RETRY

    yield "", found.message
    if found.remedy:
        yield _MEND, found.remedy
    if found.retry:
        wait = f" (asked to wait {found.after:g} s)" if found.after is not None else ""
        yield "again:  ", f"{RETRY[found.retry]}{wait}"
    for one in found.alternatives:
        yield "or:     ", f"{one.code}: {one.why}"
    if found.code:
        yield "more:   ", f"magictel explain {found.code}"


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
