"""Settings of an exporter that is created without arguments, as OpenTelemetry's auto-instrumentation does: from the environment."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from magictel.errors import MagictelError, SettingsError
from magictel.plugin.interface import Described, M
from magictel.settings.load import Resolved, resolve_settings


def settings_from_environment(
    exporter: type[Described[M]], environment: Mapping[str, str], log: logging.Logger
) -> tuple[M, SettingsError | None]:
    """Return settings and None, or, after an error in the log, defaults and why the settings are unusable. Never raise."""
    try:
        resolved: Resolved[Any] = resolve_settings(
            exporter.name, exporter.name, exporter.Settings, environment=environment, config=None, overrides={}
        )
        settings: M = resolved.settings
        exporter.check_settings(settings)
        for warning in resolved.warnings:
            log.warning("config.warning: %s", warning)
    except Exception as failure:  # whatever it is, traces and logs must live
        unusable = _unusable(failure)
        origin = f" (from {unusable.origin})" if unusable.origin else ""
        message_format = "%s: %s: every metric is dropped until this is fixed%s"
        log.error(message_format, unusable.code, unusable.message, origin)  # noqa: TRY400 # one sentence
        return exporter.Settings.unusable(), unusable  # type: ignore[return-value] # M's own defaults
    return settings, None


def _unusable(failure: Exception) -> SettingsError:
    if isinstance(failure, SettingsError):
        return failure
    if isinstance(failure, MagictelError):
        return SettingsError(failure.code, failure.message, failure.remedy, failure.origin)
    return SettingsError("internal.export", f"the settings could not be read: {type(failure).__name__}")
