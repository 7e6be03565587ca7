"""Laws on the declarations of an exporter: its description, its secrets, its probes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from magictel.conformance.case import Case, options_of
from magictel.conformance.law import Broken, LawRegistry, Level, Need, require
from magictel.ladder.climb import climb
from magictel.ladder.probe import probes_of
from magictel.model.finding import Finding, Rung, SideEffect, Status
from magictel.plugin.exporter import Exporter
from magictel.plugin.interface import INTERFACE, declared_interface
from magictel.secrets.secret import Secret
from magictel.settings.describe import json_schema, option_rows, sample_toml

LAWS = LawRegistry()
_PLANTED = "c0nf0rmance-pl4nted-s3cret"


@LAWS.law("describe.interface")
def interface(case: Case) -> None:
    """The exporter declares its name, a summary, and its interface version."""
    exporter = case.exporter()
    number = declared_interface(type(exporter))
    require(getattr(exporter, "name", ""), "it has no name")
    require(getattr(exporter, "summary", ""), "it has no summary")
    require(number is not None, f"its own class does not set interface = {INTERFACE}")
    require(number == INTERFACE, f"it was built for interface {number}")


@LAWS.law("describe.options")
def options(case: Case) -> None:
    """Every option has a description and a variable, and a sample file and a schema can be generated."""
    exporter = case.exporter()
    model = type(exporter.settings)
    for row in option_rows(model):
        require(row["description"].strip(), f"the option {row['name']} has no description")
        require(row["env"], f"the option {row['name']} has no variable")
    require(sample_toml(model, exporter.name), "no sample file can be generated")
    require(json_schema(model, exporter.name), "no schema can be generated")


@LAWS.law("describe.cost", level=Level.SHOULD)
def cost(case: Case) -> None:
    """The exporter declares the cost of a point, and what the backend rejects or changes."""
    exporter = case.exporter()
    require(exporter.cost, "it does not declare the cost of a point")
    require(exporter.limits, "it does not declare what is rejected or changed")


@LAWS.law("secrets.nowhere", Need.SECRETS, Need.BACKEND)
def secrets(case: Case) -> None:
    """No secret appears in repr, logs, receipts or findings, even if the backend echoes it."""
    if case.stage.replies:
        case.script(f"400 body='no entry for {_PLANTED}' x40, then 503 body='{_PLANTED}' forever")
    tried = 0
    for secret_option in options_of(case.exporter()):
        if not secret_option.secret or secret_option.kind not in ("secret", "secrets"):
            continue
        value: Any = Secret(_PLANTED) if secret_option.kind == "secret" else {"X-Planted": Secret(_PLANTED)}
        exporter = case.exporter(**{secret_option.key: value})
        tried += 1
        shown = [repr(exporter), repr(exporter.settings), exporter.endpoint()]
        receipt = exporter.deliver(case.collection(1), seconds=1.0)
        shown += [f"{reason.message} {reason.example}" for reason in receipt.reasons]
        if isinstance(exporter, Exporter):
            exporter.export(case.collection(1), timeout_millis=200)
        shown += [f"{finding.message} {finding.remedy} {finding.evidence}" for finding in _climbed(exporter)]
        exporter.shutdown(0)
        leaked = any(_PLANTED in text for text in (*shown, *case.logs, case.printed.getvalue()))
        require(not leaked, f"the value of {secret_option.key} is shown")
    require(tried, "no secret could be planted")


@LAWS.law("probes.hold", Need.BACKEND)
def probes_hold(case: Case) -> None:
    """With a healthy backend no rung of the ladder fails, and no probe raises an exception."""
    for finding in _climbed(case.exporter()):
        if finding.outcome is Status.FAIL:
            raise Broken(f"{finding.rung}: {finding.code}: {finding.message}")


@LAWS.law("probes.side-effects", Need.BACKEND)
def side_effects(case: Case) -> None:
    """Probes do no more than they declare: read-only ones write nothing."""
    exporter = case.exporter()
    files = _files(case.folder)
    _climbed(exporter)
    allowed = {probe.side_effect for probe in probes_of(type(exporter))} & exporter.allowed
    writes = () if SideEffect.CANARY_WRITE in allowed else case.writes()
    for name in (*case.stage.side_effects(), *(write.name for write in writes)):
        raise Broken(f"a probe that declares to read only sent {name}")
    require(_files(case.folder) == files, "climbing the ladder changed files")


def _climbed(exporter: Exporter[Any]) -> tuple[Finding, ...]:
    return tuple(climb(exporter.steps(5.0), until=Rung.WRITE, clock=exporter.clock))


def _files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
