"""Laws on what an exporter says of itself: its description, its secrets, its probes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from magictel.conformance.case import Case, options_of
from magictel.conformance.law import LawRegistry, Level, Violation, broken_unless, first
from magictel.conformance.points import collection
from magictel.conformance.requirements import Need
from magictel.ladder.climb import climb
from magictel.ladder.probe import probes_of
from magictel.model.finding import Finding, Rung, SideEffect, Status
from magictel.plugin.exporter import Exporter
from magictel.plugin.interface import INTERFACE, declared_interface
from magictel.secrets.secret import Secret
from magictel.settings.describe import json_schema, option_rows, sample_toml

LAWS = LawRegistry()
_PLANTED = "c0nf0rmance-pl4nted-s3cret"
_CHANGES = frozenset({"PUT", "DELETE", "PATCH"})


@LAWS.law("describe.interface", "It says what it is called, what it is, and for which interface it was built.")
def interface(case: Case) -> Violation | None:
    """Name, summary, interface, settings."""
    exporter = case.exporter()
    number = declared_interface(type(exporter))
    return first(
        broken_unless(getattr(exporter, "name", ""), "it has no name"),
        broken_unless(getattr(exporter, "summary", ""), "it has no summary"),
        broken_unless(number is not None, f"its own class does not say interface = {INTERFACE}"),
        broken_unless(number == INTERFACE, f"it was built for interface {number}"),
    )


@LAWS.law("describe.options", "Every option has a sentence and a variable, and a sample file and a schema can be made.")
def options(case: Case) -> Violation | None:
    """By the same code as `magictel describe`."""
    exporter = case.exporter()
    model = type(exporter.settings)
    for row in option_rows(model):
        if not row.description.strip():
            return Violation(f"the option {row.name} has no sentence")
        if not row.env:
            return Violation(f"the option {row.name} has no variable")
    return first(
        broken_unless(sample_toml(model, exporter.name), "no sample file can be made"),
        broken_unless(json_schema(model, exporter.name), "no schema can be made"),
    )


@LAWS.law("describe.cost", "It says what a point costs, and what the backend refuses or changes.", level=Level.SHOULD)
def cost(case: Case) -> Violation | None:
    """Shown by `magictel describe`."""
    exporter = case.exporter()
    return first(
        broken_unless(exporter.cost, "it does not say what a point costs"),
        broken_unless(exporter.limits, "it does not say what is refused or changed"),
    )


@LAWS.law(
    "secrets.nowhere",
    "No secret shows in repr, logs, receipts or findings, even where the backend says it back.",
    Need.SECRETS,
    Need.BACKEND,
)
def secrets(case: Case) -> Violation | None:
    """Each secret option by itself, planted; the backend answers with what it was sent."""
    if case.served:
        case.script(f"400 body='no entry for {_PLANTED}' x40, then 503 body='{_PLANTED}' forever")
    tried = 0
    for one in options_of(case.exporter()):
        if not one.secret or one.kind not in ("secret", "secrets"):
            continue
        value: Any = Secret(_PLANTED) if one.kind == "secret" else {"X-Planted": Secret(_PLANTED)}
        exporter = case.exporter(**{one.key: value})
        tried += 1
        shown = [repr(exporter), repr(exporter.settings), exporter.endpoint()]
        receipt = exporter.deliver(collection(case.run_id, 1, case.clock.now()), seconds=1.0)
        shown += [f"{reason.message} {reason.example}" for reason in receipt.reasons]
        exporter.export(collection(case.run_id, 1, case.clock.now()), timeout_millis=200)
        shown += [f"{found.message} {found.remedy} {found.evidence}" for found in _climbed(exporter)]
        exporter.shutdown(0)
        if any(_PLANTED in text for text in (*shown, *case.logs, case.printed.getvalue())):
            return Violation(f"the value of {one.key} is shown")
    return broken_unless(tried, "no secret could be planted")


@LAWS.law("probes.hold", "Before a healthy backend no rung of its ladder fails, and no probe breaks.", Need.BACKEND)
def probes_hold(case: Case) -> Violation | None:
    """All rungs that it can climb."""
    for found in _climbed(case.exporter()):
        if found.outcome is Status.FAIL:
            return Violation(f"{found.rung}: {found.code}: {found.message}")
    return None


@LAWS.law("probes.side-effects", "Probes do no more than they declare: read-only ones write nothing.", Need.BACKEND)
def side_effects(case: Case) -> Violation | None:
    """A backend that takes notes."""
    exporter = case.exporter()
    files = _files(case.folder)
    list(_climbed(exporter))
    declared = {one.side_effect for one in probes_of(type(exporter))} & exporter.allowed
    if case.served:
        for request in case.server.requests:
            wrote = case.emulator.is_write(request) and SideEffect.CANARY_WRITE not in declared
            if wrote or request.method in _CHANGES:
                return Violation(f"a probe that declares to read only sent {request.method} {request.path}")
    return broken_unless(_files(case.folder) == files, "climbing the ladder changed files")


def _climbed(exporter: Exporter[Any]) -> tuple[Finding, ...]:
    return tuple(climb(exporter.steps(5.0), until=Rung.WRITE, clock=exporter.clock))


def _files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
