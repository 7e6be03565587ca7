"""What pushing exporters and pages inherit: settings from the caller or the environment, log, clock, redaction, and forks."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from opentelemetry.sdk.metrics.export import MetricsData

from magictel.clock import Clock, SystemClock
from magictel.delivery.log import DeliveryLog
from magictel.encoding.impossible import possible
from magictel.encoding.redaction import Redaction, Rules
from magictel.encoding.withheld import Withheld
from magictel.errors import SettingsError
from magictel.model.finding import SideEffect
from magictel.model.metrics import Group, groups
from magictel.model.observer import Observers
from magictel.plugin.environment import settings_from_environment
from magictel.plugin.interface import Described, M
from magictel.secrets.redactor import Redactor
from magictel.settings.model import SettingsModel

_OVER_HTTP = frozenset({"prepare", "transport"})
"""Arguments of exporters over HTTP, which others ignore: a caller need not know what it creates."""


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
        Raise `TypeError` for any other argument: an option (a password, for example) would otherwise be ignored.
        """
        for key in others.keys() - _OVER_HTTP:
            name, model = type(self).__name__, type(self).Settings.__name__
            raise TypeError(
                f"{name} has no argument {key}: options are passed in its settings, {name}({model}({key}=…))"
            )
        self.target = target or self.name
        self.log = logging.getLogger(f"magictel.{self.target}")
        self.clock: Clock = clock or SystemClock()
        self.unusable: SettingsError | None = None
        self.origins: Mapping[str, str] = {}
        """Where the values of options come from, for remedies; empty if the settings were made by a program."""
        self.allowed: frozenset[SideEffect] = frozenset()
        """Side effects that probes may have beyond read-only (`check --allow`)."""
        self.probe_other_sites = False
        """Whether a probe may send the key to other sites of the backend, to find the one that it is of (`check --probe-other-sites`)."""
        self.climb_until: float | None = None
        """Deadline of all rungs together, on the monotonic clock; None: each rung has its own timeout."""
        if settings is None:
            env: Mapping[str, str] = os.environ if environment is None else environment  # noqa: TID251
            settings, self.unusable = settings_from_environment(type(self), env, self.log)
        self.settings: M = settings
        self.redact = Redactor(self.secrets(), settings.plain_values())
        self.redaction = Redaction(_rules(settings), partial(self.log.warning, "%s: %s"))
        self.observers = Observers()
        """What follows its deliveries: its log, and what an operation adds."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(target={self.target!r})"

    def __reduce__(self) -> Any:
        raise TypeError("an exporter is never pickled: it holds credentials and connections")

    def _possible(self, data: MetricsData) -> Iterator[Group | Withheld]:
        """Yield a collection with its attributes redacted, and without impossible points."""
        return possible(self.redaction(groups(data)))

    def _closed_because(self) -> tuple[str, str] | None:
        """Return the code and message of why nothing can be sent, or None."""
        if self.unusable is not None:
            return self.unusable.code, self.unusable.message
        return ("delivery.shutdown", "exported after shutdown") if self._shut.is_set() else None

    def _start_life(self) -> None:
        """Begin as a new object, or in a forked child: with new locks, and nothing of the parent's."""
        self._shut = threading.Event()
        self.observers.reset(DeliveryLog(self.log, self.clock, confirms=self.confirms))
        ALIVE.add(self)

    def _after_fork(self) -> None:
        """Reset a forked child. The parent delivers its own points."""
        self._start_life()
        self.after_fork()


def _rules(settings: SettingsModel) -> Rules:
    return Rules(
        settings.redact_attributes,
        settings.drop_attributes,
        settings.hash_attributes,
        settings.keep_attributes,
        settings.redact_shapes,
        settings.redact_patterns,
        settings.redact_with,
        settings.hash_salt.reveal() if settings.hash_salt else "",
    )


ALIVE: weakref.WeakSet[Configured[Any]] = weakref.WeakSet()
"""Exporters not shut down yet: a fork resets them, and the end of the process shuts down those that push."""


def _renew_in_child() -> None:
    for exporter in list(ALIVE):
        exporter._after_fork()  # noqa: SLF001 # this file's own


os.register_at_fork(after_in_child=_renew_in_child)
