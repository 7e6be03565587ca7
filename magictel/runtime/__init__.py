"""Start-up for applications: metrics to every enabled target, in one line.

    from magictel import runtime

    running = runtime.start()

or, for FastAPI, Starlette and other ASGI applications, `FastAPI(lifespan=runtime.lifespan)`.

`ENABLED_EXPORTERS` and `magictel.toml` select the targets, as for the command line. An unusable target is logged in one sentence and
its points are counted; it never stops the application. The same exporters also work without code under `opentelemetry-instrument`
(`OTEL_METRICS_EXPORTER=magictel_elasticsearch`).
"""

from __future__ import annotations

from magictel.runtime.application import Runtime, lifespan, start

__all__ = ["Runtime", "lifespan", "start"]
