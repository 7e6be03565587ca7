"""The targets of an application with their exporters, from the environment and the file or from a `TelemetryConfig`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magictel.errors import MagictelError, SettingsError
from magictel.operations.target_run import Job
from magictel.plugin.any_exporter import AnyExporter
from magictel.registry import entry_points, foreign
from magictel.runtime.config import Target, TelemetryConfig
from magictel.runtime.counting import CountingExporter
from magictel.secrets.redactor import Redactor
from magictel.settings.file import ConfigFile
from magictel.settings.load import given_value, resolve_settings
from magictel.settings.locate import find
from magictel.settings.model import SettingsModel
from magictel.settings.select import TargetSpec, enabled_names, listed_targets, targets

RunningExporter = AnyExporter | CountingExporter
_DEFAULT_CHECK = "background"


@dataclass(slots=True)
class RunningTarget:
    """A target of the application. `job` creates another exporter like it; None: the settings are unusable.

    `start_check` is the option of this name.
    """

    name: str
    exporter: RunningExporter
    job: Job | None
    start_check: str


def running_targets(config: str | Path | TelemetryConfig | None, environment: Mapping[str, str]) -> list[RunningTarget]:
    """Create the exporter of every enabled target. Never raises: an unusable target counts what it drops."""
    if isinstance(config, TelemetryConfig):
        return [_coded(name, target) for name, target in config.targets.items() if target.enabled]
    unique: dict[str, RunningTarget] = {}
    for target in _configured(None if config is None else str(config), environment):
        unique.setdefault(target.name, target)
    return list(unique.values())


def unusable_target(name: str, failure: Exception, start_check: str) -> RunningTarget:
    """Return a target that counts what it drops, because of `failure`."""
    if not isinstance(failure, MagictelError):  # only the type: a plugin's message may contain a secret
        failure = SettingsError("plugin.broken", f"{name} could not be created: {type(failure).__name__}")
    return RunningTarget(name, CountingExporter(name, failure), None, start_check)


def _configured(config: str | None, environment: Mapping[str, str]) -> Iterator[RunningTarget]:
    listed = enabled_names(environment)
    try:
        file = find(config, environment, Path())
    except SettingsError as failure:  # without the file, a name has no meaning
        for name in listed or ("runtime",):
            yield unusable_target(name, failure, _DEFAULT_CHECK)
        return
    if listed is None:
        specs = targets(file, environment)
    else:
        others = foreign.others() if any(name.startswith(entry_points.FOREIGN) for name in listed) else ()
        names = (*entry_points.names(), *(registration.name for registration in others))
        specs = listed_targets(file, environment, names)
    for spec in specs:
        if spec.enabled:
            yield _specified(spec, environment, file)


def _specified(spec: TargetSpec, environment: Mapping[str, str], file: ConfigFile | None) -> RunningTarget:
    start_check = _DEFAULT_CHECK
    if spec.unusable is not None:
        return unusable_target(spec.name, spec.unusable, start_check)
    try:
        exporter_class = entry_points.load(spec.exporter)
        model = exporter_class.Settings
        written = given_value("start_check", spec.name, model, environment=environment, config=file)
        start_check = written if isinstance(written, str) else start_check
        resolved = resolve_settings(spec.name, spec.exporter, model, environment=environment, config=file)
    except Exception as failure:  # also a bug of a plugin: it must not end the application
        return unusable_target(spec.name, failure, start_check)
    target = _created(spec.name, exporter_class, resolved.settings)
    if not isinstance(target.exporter, CountingExporter):
        for warning in resolved.warnings:
            target.exporter.log.warning("config.warning: %s", warning)
    return target


def _coded(name: str, target: Target[Any]) -> RunningTarget:
    settings = target.settings
    redact = Redactor(settings.secret_values())
    for _, code, message, remedy in settings.problems():
        why = SettingsError(code, redact(message), redact(remedy) if remedy else None, "TelemetryConfig")
        return unusable_target(name, why, settings.start_check)
    return _created(name, target.exporter, settings)


def _created(name: str, exporter_class: Any, settings: SettingsModel) -> RunningTarget:
    def build(**options: Any) -> AnyExporter:
        exporter_class.check_settings(settings)
        exporter: AnyExporter = exporter_class(settings, target=name, **options)
        return exporter

    try:
        exporter = build()
    except Exception as failure:
        return unusable_target(name, failure, settings.start_check)
    job = Job(name, exporter_class.name, lambda: build(prepare=False))
    return RunningTarget(name, exporter, job, settings.start_check)
