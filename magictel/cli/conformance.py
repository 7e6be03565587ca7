"""`magictel conformance`: test an exporter against the laws that every exporter must obey."""

from __future__ import annotations

import contextlib
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
    from magictel.cli.reports import open_report
    from magictel.conformance.laws import chosen
    from magictel.conformance.report import document, lines, outcome
    from magictel.conformance.runner import run

    laws = chosen(law or ())
    if name is None:
        _list(laws, format_)
        return 0
    subject = _subject(name, emulator)
    with contextlib.ExitStack() as opened:
        # opened before any law runs: without its report, the run would be useless
        files = [(kind, opened.enter_context(open_report(path))) for kind, path in map(_split, report or ())]
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
    if not path or kind not in _KINDS:
        why = f"laws are reported as {' or '.join(_KINDS)}" if kind in set(KINDS) - set(_KINDS) else "use KIND=PATH"
        remedy = f"--report {'=PATH or --report '.join(_KINDS)}=PATH"
        raise UsageError("usage.report", f"--report {text}: {why}", remedy)
    return kind, path


def _write(kind: str, file: TextIO, exporter: str, seed: int, results: Sequence[Result]) -> None:
    import json

    from magictel.cli.reports import unwritten
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
        raise unwritten(file.name, failure) from None
