"""`magictel doctor`: find out why a plugin is missing, duplicate, slow, or rejected."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magictel.cli import output
from magictel.cli.environment import environment, folder
from magictel.cli.exit_codes import Ending, exit_code
from magictel.cli.options import FormatOption
from magictel.cli.output import Format

if TYPE_CHECKING:
    from magictel.registry.doctor import Examination, Examined, Problem
    from magictel.reporters.layout import Sheet

SCHEMA = "magictel.doctor/1"
_NARROW = 24


def command(
    wanted: Annotated[
        str | None,
        typer.Argument(metavar="NAME", show_default=False, help="An exporter or a package. Without one: examine all."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 3 on warnings.")] = False,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Examine the installation: is a plugin missing, duplicate, slow to import, or built for another interface?"""
    from magictel.registry.doctor import examine

    examination = examine(environment(), folder().resolve(), wanted)
    if format_ is Format.JSON:
        output.document(document(examination))
    else:
        _write(examination)
    return exit_code(Ending(failed=examination.outcome == "fail", doubtful=strict and examination.outcome == "warn"))


def document(examination: Examination) -> dict[str, Any]:
    """Return the report as a JSON document."""
    facts = examination.installation
    return {
        "schema": SCHEMA,
        "outcome": examination.outcome,
        "magictel": {"version": facts.version, "folder": facts.folder, "interface": _interface()},
        "python": {
            "version": facts.python,
            "executable": facts.executable,
            "prefix": facts.prefix,
            "virtual_environment": facts.isolated,
            "openssl": facts.openssl,
            "encoding": facts.encoding,
        },
        "platform": facts.platform,
        "packages": dict(facts.packages),
        "exporters": [_row(examined) for examined in examination.exporters],
        "problems": [asdict(problem) for problem in examination.problems],
    }


def _row(examined: Examined) -> dict[str, Any]:
    shown, cost = examined.registration, examined.cost
    return {
        "name": shown.name,
        "package": shown.package,
        "version": shown.version,
        "also_registered_by": list(shown.rivals),
        "object": examined.value,
        "state": shown.state,
        "reason": shown.reason,
        "import_seconds": None if cost is None else round(cost.seconds, 3),
    }


def _interface() -> int:
    from magictel.plugin.interface import INTERFACE

    return INTERFACE


def _write(examination: Examination) -> None:
    sheet = output.page()
    facts = examination.installation
    place = "" if facts.isolated else ", no virtual environment"
    versions = [f"{name} {version}" for name, version in facts.packages if version]
    for text in (
        f"magictel {facts.version}, interface {_interface()}, in {facts.folder}",
        f"{facts.python}, OpenSSL {facts.openssl}, {facts.executable}{place}",
        f"{facts.platform}, output in {facts.encoding}",
        ", ".join(versions),
    ):
        if text:
            sheet.row([], text, hang=2)
    sheet.blank()
    problems = list(examination.problems)
    for examined in examination.exporters:
        mine = [problem for problem in problems if problem.name == examined.registration.name]
        problems = [problem for problem in problems if problem not in mine]
        _write_exporter(sheet, examined, mine)
    for problem in problems:
        _write_problem(sheet, problem)
    sheet.row([], _verdict(examination))
    sheet.flush()


def _write_exporter(sheet: Sheet, examined: Examined, problems: list[Problem]) -> None:
    shown, cost = examined.registration, examined.cost
    needs = f", {shown.says}" if shown.state == "needs" else ""
    took = f"imported in {cost.seconds:.2f} s" if cost is not None and shown.state != "broken" else ""
    failed = shown.state == "broken" or any(problem.level == "fail" for problem in problems)
    status = _status("fail" if failed else "warn" if problems else "pass")
    lead = [*sheet.signed(status), (f"{shown.name:<{_NARROW}} ", "")]
    sheet.row(lead, ", ".join((f"{shown.package} {shown.version}", *shown.rivals)) + needs, took)
    for problem in problems:
        _write_details(sheet, problem)


def _write_problem(sheet: Sheet, problem: Problem) -> None:
    sheet.row([*sheet.signed(_status(problem.level)), (problem.name, "")])
    _write_details(sheet, problem)


def _write_details(sheet: Sheet, problem: Problem) -> None:
    sheet.note(6, problem.message)
    sheet.note(6, problem.fix, "fix:   ")
    sheet.note(6, f"magictel explain {problem.code}", "more:  ")


def _status(level: str) -> Any:
    from magictel.model.finding import Status

    return {"pass": Status.PASS, "warn": Status.WARN, "fail": Status.FAIL}[level]


def _verdict(examination: Examination) -> str:
    failed = [problem for problem in examination.problems if problem.level == "fail"]
    warned = len(examination.problems) - len(failed)
    warnings = f"{warned} warning{'s' if warned != 1 else ''}"
    if failed:
        first = failed[0]
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        return f"FAILED: {first.name}: {first.message} ({first.code}){more}" + (f", {warnings}" if warned else "")
    return f"OK, {warnings}" if warned else "OK"
