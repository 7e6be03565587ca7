"""`magictel conformance`: test an exporter against the laws that every exporter must obey."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from magictel.cli import output
from magictel.cli.options import FormatOption
from magictel.cli.output import Format
from magictel.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magictel.conformance.law import Law
    from magictel.conformance.runner import Result
    from magictel.conformance.under_test import Subject

_KINDS = ("json", "junit")


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", show_default=False, help="An exporter. Without one, list the laws.")
    ] = None,
    law: Annotated[
        list[str] | None, typer.Option("--law", metavar="ID", help="Test only this law; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of random choices.")] = 0,
    emulator: Annotated[
        str | None,
        typer.Option("--emulator", metavar="MODULE:NAME", help="The backend's emulator, if the sandbox has none."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 3 if a SHOULD law is broken.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also show the laws that pass, and why laws were skipped.")
    ] = False,
    format_: FormatOption = Format.TEXT,
    report: Annotated[
        list[str] | None,
        typer.Option("--report", metavar="KIND=PATH", help="Also write a report to a file: json=PATH or junit=PATH."),
    ] = None,
) -> int:
    """Test an exporter against the laws that every exporter must obey: life cycle, faults, ledger, read-back, secrets.

    Each law runs with a new exporter and a new emulator on loopback. Your settings and your backends are not used.
    """
    from magictel.cli.exit_codes import Ending, exit_code
    from magictel.conformance.laws import chosen
    from magictel.conformance.report import document, lines, outcome
    from magictel.conformance.runner import run

    laws = chosen(law or ())
    if name is None:
        _list(laws, format_)
        return 0
    subject = _subject(name, emulator)
    with contextlib.ExitStack() as opened:
        files = [(kind, opened.enter_context(_opened(path))) for kind, path in map(_split, report or ())]
        results = list(run(subject, laws, seed))
        for kind, file in files:
            _write(kind, file, subject.name, seed, results)
    if format_ is Format.JSON:
        output.document(document(subject.name, seed, results))
    else:
        for line in lines(subject.name, results, all_=verbose):
            output.say(line)
    came = outcome(results)
    return exit_code(Ending(failed=came == "fail", doubtful=strict and came == "warn"))


def _list(laws: Sequence[Law], how: Format) -> None:
    if how is Format.JSON:
        rows = [{"law": law.id, "level": law.level.value, "sentence": law.sentence} for law in laws]
        output.document({"schema": "magictel.laws/1", "laws": rows})
        return
    for law in laws:
        output.say(f"{law.id:<26} {law.level.value:<6} {law.sentence}")


def _subject(name: str, emulator: str | None) -> Subject:
    from magictel.conformance.under_test import registered
    from magictel.errors import PluginError

    try:
        return registered(name, emulator)
    except PluginError as failure:
        if failure.code == "plugin.unknown":
            raise UsageError("usage.unknown-target", failure.message, failure.remedy) from None
        raise


def _split(text: str) -> tuple[str, str]:
    from magictel.reporters.formats import KINDS

    kind, _, path = text.partition("=")
    remedy = f"--report {'=PATH or --report '.join(_KINDS)}=PATH"
    if kind in KINDS and kind not in _KINDS:
        raise UsageError("usage.report", f"--report {text}: laws are reported as {' or '.join(_KINDS)}", remedy)
    if not path or kind not in _KINDS:
        raise UsageError("usage.report", f"--report {text}: write it as KIND=PATH", remedy)
    return kind, path


def _opened(path: str) -> TextIO:
    """Open the report before any law runs: without its report, the run would be useless."""
    try:
        return Path(path).open("w", encoding="utf-8")
    except (OSError, ValueError) as failure:
        raise _unwritten(path, failure) from None


def _unwritten(path: str, failure: OSError | ValueError) -> UsageError:
    why = failure.strerror if isinstance(failure, OSError) else "the path is not valid"
    return UsageError(
        "usage.report", f"--report: {path} cannot be written: {why}", "name a file in an existing directory"
    )


def _write(kind: str, file: TextIO, exporter: str, seed: int, results: Sequence[Result]) -> None:
    import json

    from magictel.conformance.report import document, junit

    text = (
        junit(exporter, results) if kind == "junit" else json.dumps(document(exporter, seed, results), indent=2) + "\n"
    )
    try:
        file.write(text)
        file.flush()
    except OSError as failure:
        with contextlib.suppress(OSError):  # its buffer cannot be written either
            file.close()
        raise _unwritten(file.name, failure) from None
