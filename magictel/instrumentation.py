"""OpenTelemetry's instrumentations look away while we talk to a backend: an instrumented client would export its own exports."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from opentelemetry import context


@contextlib.contextmanager
def uninstrumented() -> Iterator[None]:
    """Suppress instrumentation in this thread (the SDK does it in its reader's thread only)."""
    quiet = context.get_current()
    for name in ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY"):
        quiet = context.set_value(getattr(context, name, name), True, quiet)
    # Instrumentations before 0.30 looked for the plain text.
    token = context.attach(context.set_value("suppress_instrumentation", True, quiet))
    try:
        yield
    finally:
        context.detach(token)
