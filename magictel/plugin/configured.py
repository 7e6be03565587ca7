"""What pushing exporters and pages inherit: settings from the caller or the environment, the target's name, log, clock and redactor."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from magictel.clock import Clock, SystemClock
from magictel.errors import SettingsError
from magictel.model.finding import SideEffect
from magictel.plugin.environment import settings_from_environment
from magictel.plugin.interface import Described, M
from magictel.secrets.redactor import Redactor
from magictel.settings.fields import fields_of


class Configured(Described[M]):
    """An exporter with its settings."""

    def __init__(
        self,
        settings: M | None = None,
        *,
        target: str | None = None,
        clock: Clock | None = None,
        environment: Mapping[str, str] | None = None,
        **others: Any,
    ) -> None:
        """Settings come from the caller or, with no argument, from the environment.

        A no-argument constructor never raises for bad settings: OpenTelemetry's auto-instrumentation makes exporters so,
        and an exception there would take traces and logs down as well. The exporter then logs one sentence, and drops and counts.
        Raise `TypeError` for an option given as an argument, which would otherwise be ignored: a password, for example.
        """
        for key in others.keys() & {field.key for field in fields_of(type(self).Settings)}:
            model = type(self).Settings.__name__
            raise TypeError(
                f"{key} is an option: pass it in the settings, as in {type(self).__name__}({model}({key}=…))"
            )
        self.target = target or self.name
        self.log = logging.getLogger(f"magictel.{self.target}")
        self.clock: Clock = clock or SystemClock()
        self.unusable: SettingsError | None = None
        self.origins: Mapping[str, str] = {}
        """Where the values of options come from, for remedies; empty if the settings were made by a program."""
        self.allowed: frozenset[SideEffect] = frozenset()
        """Side effects that probes may have beyond read-only (`check --allow`)."""
        self.climb_until: float | None = None
        """Deadline of all rungs together, on the monotonic clock; None: each rung has its own timeout."""
        if settings is None:
            env: Mapping[str, str] = os.environ if environment is None else environment  # noqa: TID251
            settings, self.unusable = settings_from_environment(type(self), env, self.log)
        self.settings: M = settings
        self.redact = Redactor(self.secrets(), settings.plain_values())

    def __repr__(self) -> str:
        return f"{type(self).__name__}(target={self.target!r})"

    def __reduce__(self) -> Any:
        raise TypeError("an exporter is never pickled: it holds credentials and connections")
