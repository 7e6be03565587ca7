"""The configuration of an application in code: what `magictel.toml` says, typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from magictel.gateway.custom import CustomMetric
from magictel.plugin.configured import Configured
from magictel.plugin.interface import M


@dataclass(frozen=True, slots=True)
class Target(Generic[M]):
    """A target: the table `[targets.NAME]` of the file, with the settings of its exporter in place of the other keys."""

    exporter: type[Configured[M]]
    settings: M
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class TelemetryConfig:
    """What the file contains: targets by name. Neither `ENABLED_EXPORTERS` nor variables of targets change it.

    TelemetryConfig(targets={"prod": Target(ElasticsearchExporter, ElasticsearchSettings(url=["https://es:9200"]))})
    """

    targets: Mapping[str, Target[Any]]
    metrics: Sequence[CustomMetric] = ()
    """Custom metrics, the tables `[metrics.NAME]`: `GatewayMetrics(mapping=Mapping(custom=config.metrics))`."""
