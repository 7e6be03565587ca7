"""For applications: metrics to every enabled target, in one line.

    from magictel import runtime

    running = runtime.start()

or, for FastAPI, Starlette and others that uvicorn serves, `FastAPI(lifespan=runtime.lifespan)`.

`ENABLED_EXPORTERS` and `magictel.toml` say where to, as for the command line. What cannot be used is logged in one sentence and
counted; it never stops the application. Without code the same exporters work under `opentelemetry-instrument`
(`OTEL_METRICS_EXPORTER=magictel_elasticsearch`).
"""

from __future__ import annotations

from magictel.runtime.application import Runtime, lifespan, start

__all__ = ["Runtime", "lifespan", "start"]
