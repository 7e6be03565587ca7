"""`magictel diagnose`: explain an error from a production log as the exporter itself classifies it. Sends nothing."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magictel.cli.options import ConfigOption, FormatOption, SetOption
from magictel.cli.output import Format
from magictel.errors import MagictelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from magictel.diagnose.diagnosis import Diagnosis, Pasted
    from magictel.plugin.any_exporter import AnyExporter

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
SCHEMA = "magictel.diagnose/1"
_MOST = 8 * 1024 * 1024


class Step(StrEnum):
    """The operation during which the error occurred."""

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
            help="An exporter or a target (optional), and the error text from the log; - reads standard input.",
        ),
    ] = None,
    status: Annotated[
        int | None, typer.Option("--status", min=100, max=999, help="HTTP status of the response.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", metavar="'NAME: VALUE'", help="Header of the response; repeatable.")
    ] = None,
    body: Annotated[
        str | None,
        typer.Option("--body", metavar="FILE", help="Body of the response: a file, or - for standard input."),
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="Error text from a log.")] = None,
    during: Annotated[
        Step | None, typer.Option("--during", help="The operation that failed.", show_default="write")
    ] = None,
    format_: FormatOption = Format.TEXT,
    sets: SetOption = None,
    config: ConfigOption = None,
) -> int:
    """Explain an error from a production log, classified as the exporter itself would do.

    Exit codes: 0 recognised; 1 not recognised; 2 nothing to diagnose.
    """
    from magictel.cli import output
    from magictel.cli.exit_codes import Exit
    from magictel.diagnose.diagnosis import UNRECOGNISED, Pasted

    answered = bool(status or header or body or text)
    name, words = _parted(about or (), answered)
    if words is not None and text is not None:
        raise UsageError(
            "usage.command-line", "the text is given twice, as --text and as an argument", "remove one of them"
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
    return Exit.FAILED if diagnosis.code == UNRECOGNISED else Exit.OK


def _parted(about: Sequence[str], answered: bool) -> tuple[str | None, str | None]:
    """Return the exporter or target, and the text. A single argument is a name if options give the reply, or if it looks like one."""
    match list(about):
        case []:
            return None, None
        case [alone]:
            return (alone, None) if answered or _NAME.fullmatch(alone) else (None, alone)
        case [first, second]:
            return first, second
    raise UsageError(
        "usage.command-line",
        "the text must be a single argument: put quotes around it",
        "magictel diagnose 'the error text from the log'",
    )


def _piped(*, wanted: bool) -> str | None:
    """Return the piped text; read from a terminal only for `-`."""
    try:
        if not wanted and (sys.stdin.closed or sys.stdin.isatty()):
            return None
        read = sys.stdin.buffer.read(_MOST).decode("utf-8", "replace")
    except (OSError, ValueError, AttributeError):  # no standard input at all
        return None
    return read if read.strip() else None


def _named(name: str, pasted: Pasted, config: str | None, sets: Sequence[str] | None) -> Diagnosis:
    from magictel.diagnose.diagnose import diagnose
    from magictel.diagnose.diagnosis import UNRECOGNISED, Pasted

    try:
        instance, trouble = _exporter(name, config, sets)
    except UsageError:
        diagnosis = _guessed(Pasted(text=name)) if pasted.empty else None
        if diagnosis is None or diagnosis.code == UNRECOGNISED:
            raise
        return diagnosis  # a one-word error, not a name
    if pasted.empty and trouble is None:
        raise _nothing()
    try:
        return diagnose(instance, pasted, trouble)
    finally:
        instance.shutdown(0)


def _guessed(pasted: Pasted) -> Diagnosis:
    """Diagnose with every exporter that can be loaded."""
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
    """Return the diagnosis with the named target, or the guessed exporter, in the commands of its remedies."""
    from magictel.operations.remedies import Blanks

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
        "nothing to diagnose: add the text, or --status or --body",
        "magictel diagnose 'the error text from the log'",
    )


def _show(diagnosis: Diagnosis) -> None:
    from magictel.catalogue.retry import waits_for
    from magictel.cli import output
    from magictel.diagnose.diagnosis import UNRECOGNISED
    from magictel.reporters.check_page import write_remedy

    sheet = output.page()
    outcome: str = diagnosis.outcome or ("not recognised" if diagnosis.code == UNRECOGNISED else "no request happened")
    if outcome == "rejected" and waits_for(diagnosis.code or "", diagnosis.retry or ""):
        outcome = "request rejected, points wait"
    sheet.row([(f"{diagnosis.exporter}  ", "bold")] if diagnosis.exporter else [], outcome, diagnosis.code or "")
    sheet.note(2, diagnosis.message.removeprefix("not recognised: "))
    for label, line in _lines(diagnosis):
        write_remedy(sheet, 2, line, label)


def document(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the document of `--format json`."""
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
    from magictel.catalogue.retry import again
    from magictel.diagnose.diagnosis import UNRECOGNISED

    if diagnosis.guessed and diagnosis.exporter:
        yield "as:     ", f"{diagnosis.exporter}, a guess: {diagnosis.guessed}"
    if diagnosis.remedy:
        yield "fix:    ", diagnosis.remedy
    # what is not recognised: the message already says whether the log line names a retry
    if diagnosis.retry and diagnosis.code and diagnosis.code != UNRECOGNISED:
        retry = again(diagnosis.code, diagnosis.retry)
        if diagnosis.after is not None:
            retry += f" (the response says to wait {diagnosis.after:g} s)"
        elif diagnosis.retry == "after-header":
            retry = "with backoff: the response names no time"
        yield "again:  ", retry
    for other in diagnosis.alternatives:
        yield "or:     ", f"{other.code}: {other.why}"
    if diagnosis.code:
        yield "more:   ", f"magictel explain {diagnosis.code}"


def _exporter(name: str, config: str | None, sets: Sequence[str] | None) -> tuple[AnyExporter, MagictelError | None]:
    """Return the exporter with the target's settings, or, if they are unusable, with example values and the reason."""
    from magictel.cli.targets import chosen_targets

    chosen = chosen_targets([name], config=config, sets=sets)[0]
    try:
        return chosen.build(), None
    except MagictelError as failure:
        if chosen.exporter is None:
            raise
        return _example(chosen.exporter, chosen.name), failure


def _example(exporter: type[Any], target: str) -> AnyExporter:
    """Return an exporter that only classifies and never sends, with example values for required options."""
    from magictel.settings.fields import fields_of

    examples: Mapping[str, Any] = {field.key: field.example for field in fields_of(exporter.Settings) if field.required}
    instance: AnyExporter = exporter(exporter.Settings(**examples), target=target)
    return instance


def _headers(lines: Sequence[str]) -> dict[str, str]:
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise UsageError(
                "usage.command-line", "--header: the colon is missing", "for example: --header 'Retry-After: 5'"
            )
        headers[name.strip().lower()] = value.strip()
    return headers


def _body(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read(_MOST)
        with Path(name).open("rb") as file:
            return file.read(_MOST)
    except OSError as failure:
        why = (failure.strerror or "not readable").lower()
        raise UsageError(
            "usage.command-line",
            f"--body {name}: {why}",
            "name a readable file, or - for standard input",
        ) from None
