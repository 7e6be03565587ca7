"""Suppression of OpenTelemetry instrumentation during requests: an instrumented client would export its own exports."""

from __future__ import annotations

from types import TracebackType

from opentelemetry import context

# Instrumentations before 0.30 looked for the plain text.
_KEYS = (
    *(getattr(context, name, name) for name in ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY")),
    "suppress_instrumentation",
)


class uninstrumented:  # noqa: N801 # reads as a with statement's words; a generator would cost every send twice as much
    """A context that suppresses instrumentation in this thread (the SDK does so only in its reader's thread). Nested use does nothing."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        now = context.get_current()
        self._token = None
        if not all(map(now.get, _KEYS)):
            self._token = context.attach(context.Context({**now, **dict.fromkeys(_KEYS, True)}))

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            context.detach(self._token)
