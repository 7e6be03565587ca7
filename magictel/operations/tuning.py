"""The exporter settings that affect the time of a delivery, for the advice of `--timing`."""

from __future__ import annotations

from typing import Any

from magictel.model.timing import Tuning
from magictel.plugin.exporter import Exporter


def tuning(exporter: Exporter[Any], points: int, together: int | None = None) -> Tuning:
    """Return the settings during a send of `points`, at most `together` of them at once."""
    settings = exporter.settings
    return Tuning(
        points,
        settings.max_batch_points,
        settings.max_batch_bytes,
        together,
        settings.rate_limit,
        settings.in_flight,
        exporter.in_time_order,
        getattr(settings, "compression", None),
    )
