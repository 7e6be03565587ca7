"""Custom metrics of a gateway: from code, or from tables `[metrics.NAME]` of `magictel.toml`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import msgspec

from magictel.errors import SettingsError
from magictel.gateway.instruments import Instrument, Kind
from magictel.settings.file import ConfigFile
from magictel.settings.locate import find
from magictel.settings.names import did_you_mean, either

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,254}")
_BUCKETS = (0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0)
"""Those of OpenTelemetry's SDK."""
_KEYS = ("kind", "unit", "description", "from", "buckets")


class CustomMetric(msgspec.Struct, frozen=True, kw_only=True):
    """A metric that takes the value of a record's field, `source`: a name, or a path such as `tokens.cached`.

    A counter or up-down counter adds the value, a histogram (with `buckets`, the upper bounds) records it, a gauge is set to it.
    Without a `source`, a counter counts requests.
    """

    name: str
    kind: Kind
    unit: str = ""
    description: str = ""
    source: str = ""
    buckets: tuple[float, ...] = ()

    @property
    def instrument(self) -> Instrument:
        """Return the metric's instrument."""
        bounds = self.buckets or _BUCKETS if self.kind == "histogram" else ()
        return Instrument(self.name, self.kind, self.unit, self.description, bounds)

    def value(self, fields: Mapping[str, Any]) -> float | None:
        """Return the value of a record's fields, or None if it has no such number."""
        if not self.source:
            return 1
        value: Any = fields.get(self.source)
        if value is None and "." in self.source:
            value = fields
            for key in self.source.split("."):
                value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, bool):
            return int(value)
        if (
            not isinstance(value, int | float)
            or value != value
            or (value < 0 and self.kind in ("counter", "histogram"))
        ):
            return None
        return value


def custom_metrics(
    config: str | Path | None = None, environment: Mapping[str, str] | None = None
) -> tuple[CustomMetric, ...]:
    """Return the metrics of a file: of `config`, otherwise of `MAGICTEL_CONFIG`, or of `magictel.toml` in the working directory.

    Raise `SettingsError` for an invalid table.
    """
    env: Mapping[str, str] = os.environ if environment is None else environment  # noqa: TID251
    file = find(None if config is None else str(config), env, Path())
    return () if file is None else metrics_of(file)


def metrics_of(file: ConfigFile) -> tuple[CustomMetric, ...]:
    """Return the metrics of a parsed file. Raise `SettingsError`."""
    return tuple(_metric(name, table, file.shown) for name, table in file.metrics.items())


def _metric(name: str, table: Any, shown: str) -> CustomMetric:
    def refused(message: str, remedy: str) -> SettingsError:
        return SettingsError("config.metric", f"metrics.{name}: {message}", remedy, shown)

    if not isinstance(table, dict):
        raise refused("it is not a table", "each metric is a separate table: [metrics.NAME]")
    if not _NAME.fullmatch(name):
        raise refused("not a valid metric name", "use letters, digits, _ . - and /, beginning with a letter")
    for key in table:
        if key not in _KEYS:
            hint = did_you_mean(key, _KEYS)
            raise refused(f"{key}: no such key" + (f". {hint}" if hint else ""), f"use {either(_KEYS)}")
    kinds = get_args(Kind)
    if table.get("kind") not in kinds:
        raise refused("kind is missing or unknown", f"use kind = {either(kinds)}")
    for key in ("unit", "description", "from"):
        if not isinstance(table.get(key, ""), str):
            raise refused(f"{key} is not a text", f'for example {key} = "units"')
    buckets = table.get("buckets", [])
    numbers = isinstance(buckets, list) and all(
        isinstance(bound, int | float) and not isinstance(bound, bool) for bound in buckets
    )
    if not numbers or any(low >= high for low, high in pairwise(buckets)):
        raise refused("buckets is not a list of increasing numbers", "for example buckets = [1, 10, 100]")
    if table["kind"] != "counter" and not table.get("from"):
        raise refused(f"a {table['kind']} needs a field", 'for example from = "queue_length"')
    return CustomMetric(
        name=name,
        kind=table["kind"],
        unit=table.get("unit", ""),
        description=table.get("description", ""),
        source=table.get("from", ""),
        buckets=tuple(map(float, buckets)),
    )
