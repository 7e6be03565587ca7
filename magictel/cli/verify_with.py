"""`verify_with` and `--verify-with`: jobs of targets whose points are read back from another target, which stores what they forward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from magictel.cli.options import config_file
from magictel.cli.targets import Chosen, chosen_targets
from magictel.errors import MagictelError, SettingsError, UsageError
from magictel.settings.names import find, normal

if TYPE_CHECKING:
    from magictel.operations.target_run import Job

CODE = "config.verify-with"
OPTION = "--verify-with"


def jobs_of(
    chosen: Sequence[Chosen],
    named: str | None = None,
    *,
    config: str | None = None,
    sets: Sequence[str] | None = None,
    sandbox: bool = False,
) -> list[Job]:
    """Return the jobs of chosen targets, each with the job of the target that reads back for it: `named`, or its setting's.

    A target whose setting names an unusable one fails like one with unusable settings, and the others run. In the sandbox every target
    reads back itself. Raise `SettingsError` if `named` is unusable, `UsageError` if it is given in the sandbox.
    """
    if named is not None and not named.strip():
        raise SettingsError(
            CODE, f"{OPTION}: the name is empty", "name a target of the file, or remove the option", OPTION
        )
    if sandbox:
        if named is not None:
            message = f"{OPTION} names a real backend, but with --sandbox each backend is read back itself"
            raise UsageError("usage.run", message, f"remove {OPTION} or --sandbox")
        return [target.job() for target in chosen]
    return [_job(target, named, config, sets) for target in chosen]


def own_sets(sets: Sequence[str] | None, named: str | None) -> list[str]:
    """Return the values of `--set` that are not for the target that `--verify-with` names."""
    return [text for text in sets or () if not _is_for(text, named)]


def verifier(name: str, origin: str, *, config: str | None = None, sets: Sequence[str] | None = None) -> Chosen:
    """Return the target of this name, with its own settings and credentials. Raise `SettingsError` if it cannot read back for another."""
    try:
        (target,) = chosen_targets([name], config=config, sets=[text for text in sets or () if _is_for(text, name)])
    except UsageError as unknown:
        raise SettingsError(CODE, f"verify_with: {unknown.message}", unknown.remedy, origin) from None
    if target.failure is not None:
        failure = target.failure
        raise SettingsError(failure.code, f"verify_with: {target.name}: {failure.message}", failure.remedy, origin)
    another = getattr(target.resolved.settings, "verify_with", None) if target.resolved else None
    if another:
        message = f"verify_with: {target.name} is itself read back from {another}"
        raise SettingsError(CODE, message, "name a target that reads back itself", origin)
    return target


def _job(target: Chosen, named: str | None, config: str | None, sets: Sequence[str] | None) -> Job:
    if target.resolved is None:
        return target.job()
    job = replace(target.job(), others=partial(_others, target.name, config))
    settings = target.resolved.settings
    if named and not hasattr(settings, "verify_with"):
        message = f"verify_with: {target.name} is scraped and sends nothing"
        raise SettingsError(CODE, message, f"set {target.name}.prometheus_url for its read-back", OPTION)
    name = named or getattr(settings, "verify_with", None)
    if not name:
        return job
    origin = OPTION if named else str(target.resolved.origins["verify_with"])
    try:
        if normal(name) == normal(target.name):
            remedy = "name the target that stores what this one forwards"
            raise SettingsError(CODE, f"verify_with: {name} is the target itself", remedy, origin)
        return replace(job, verify_with=verifier(name, origin, config=config, sets=sets).job())
    except MagictelError as failure:
        if named:
            raise
        return target._replace(failure=failure).job()


def _others(name: str, config: str | None) -> Sequence[str]:
    """Return the other targets of the configuration file whose backend can be queried."""
    file = config_file(config)
    if file is None or not file.tables:
        return ()
    others = [target for target in chosen_targets(None, all=True, config=config) if target.name != name]
    return [target.name for target in others if _can_be_queried(target)]


def _can_be_queried(target: Chosen) -> bool:
    if (
        target.resolved is None
        or not hasattr(target.resolved.settings, "verify_with")
        or target.resolved.settings.verify_with
    ):
        return False
    try:
        exporter = target.build(prepare=False)
    except MagictelError:  # an exporter of another package that cannot be constructed
        return False
    readable = exporter.writes_to == "network" and exporter.readback.cannot_query() is None
    exporter.shutdown(0)
    return readable


def _is_for(text: str, name: str | None) -> bool:
    head, dot, _ = text.partition("=")[0].partition(".")
    return bool(name and dot and find(head.strip(), [name]))
