"""Start-up for applications: metrics to every enabled target, in one line.

    from magictel import runtime

    telemetry = runtime.start()

or, for FastAPI, Starlette and other ASGI applications, `FastAPI(lifespan=runtime.lifespan)`.

`ENABLED_EXPORTERS` and `magictel.toml` select the targets, as for the command line. An unusable target is logged in one sentence and
its points are counted; it never stops the application, unless it says `start_check = "required"`. The same exporters also work without
code under `opentelemetry-instrument` (`OTEL_METRICS_EXPORTER=magictel_elasticsearch`).
"""

from __future__ import annotations

from magictel.runtime.application import lifespan, start
from magictel.runtime.config import Target, TelemetryConfig
from magictel.runtime.connection import StartError
from magictel.runtime.telemetry import Telemetry

__all__ = ["StartError", "Target", "Telemetry", "TelemetryConfig", "lifespan", "start"]
