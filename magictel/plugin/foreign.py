"""Exporters of other packages: an OpenTelemetry `MetricExporter`, driven as the SDK drives it.

Such an exporter takes whole collections, reads its own settings and retries itself. Its result proves nothing about storage, so the
points of a success are unconfirmed; after a failure some may be stored. What it logs is the only evidence.
"""

from __future__ import annotations

import os
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, ClassVar

from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExporter, MetricExportResult

from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route
from magictel.errors import PluginError
from magictel.model.finding import Finding, Rung
from magictel.model.metrics import Group, Point, Series
from magictel.model.metrics_data import metrics_data
from magictel.model.outcome import Outcome, Rejected, Unconfirmed
from magictel.model.verification import SampleQuery, Unreadable
from magictel.plugin.exporter import Exporter
from magictel.plugin.foreign_call import ExportCall, described
from magictel.plugin.interface import Encoder, ReadBack
from magictel.secrets.patterns import masked
from magictel.settings.model import ExporterSettings, Problem, duration
from magictel.settings.secret_values import userinfo_secrets

_UNLIMITED = 1 << 62
_SHUTDOWN = 1.0
"""Seconds that the exporter may take to shut down."""
_KEPT = 8
"""Collections that may be between `prepare` and `attempt`."""
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|AUTH|HEADERS|COOKIE", re.IGNORECASE)
"""Variables whose values are masked in what the exporter logs."""


class ForeignSettings(ExporterSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What magictel decides about a call; the exporter reads its own variables."""

    env_prefix = "MAGICTEL_OTEL_"

    timeout: Annotated[
        float, duration("Time limit of one call of export(), with its own retries.", example=60, gt=0)
    ] = 30.0

    def problems(self) -> Iterable[Problem]:
        """Add: a spool, which stores bytes, and this exporter is given collections."""
        yield from super().problems()
        if self.spool is not None:
            why = "spool: an exporter of another package encodes its points itself, so they cannot be stored"
            yield "spool", "config.value", why, "remove spool from this target"


class ForeignEncoder(Encoder["ForeignExporter"]):
    """Keeps the points of a collection in place of bytes: the other exporter encodes them."""

    def __init__(self, exporter: ForeignExporter) -> None:
        super().__init__(exporter)
        self.collections: dict[int, tuple[Group, ...]] = {}
        """By batch."""

    def convert(self, groups: Iterable[Group], batch: int) -> Iterable[Group]:
        """Remember the collection for `attempt`."""
        kept = self.collections[batch] = tuple(groups)
        for old in list(self.collections)[:-_KEPT]:
            del self.collections[old]
        return kept

    def encode(self, series: Series, point: Point) -> bytes:
        """Return nothing: the other exporter encodes."""
        return b""


class ForeignReadBack(ReadBack["ForeignExporter"]):
    """No read-back: an OpenTelemetry exporter only sends."""

    def cannot_query(self) -> Unreadable:
        """Say what would verify it."""
        message = f"{self.exporter.name} can only send: what arrived can be read through a target of the same backend"
        return Unreadable("foreign.unconfirmed", message)

    def seen(self, query: SampleQuery) -> Unreadable:
        """Return the same."""
        return self.cannot_query()


class ForeignExporter(Exporter[ForeignSettings]):
    """Drives an exporter of another package, an `exporter_class` that is constructed without arguments, as auto-instrumentation does."""

    name = "otel"
    summary = "an OpenTelemetry exporter of another package"
    Settings = ForeignSettings
    Encoder = ForeignEncoder
    ReadBack = ForeignReadBack
    confirms = False
    limits = (
        "Its success does not confirm storage: only --verify-with reads back what arrived.",
        "It retries by its own rules; magictel sends every collection once.",
    )
    exporter_class: ClassVar[type[MetricExporter]]
    encoder: ForeignEncoder

    def __init__(self, settings: ForeignSettings | None = None, **options: Any) -> None:
        """Construct the other exporter too. Raise `PluginError` if it cannot be constructed."""
        self._exporter: MetricExporter | None = None
        self._call: ExportCall | None = None
        super().__init__(settings, **options)
        other = self._constructed()
        temporality: dict[type, AggregationTemporality] = getattr(other, "_preferred_temporality", None) or {}
        self._preferred_temporality = {**(self._preferred_temporality or {}), **temporality}
        self._preferred_aggregation = getattr(other, "_preferred_aggregation", None) or self._preferred_aggregation

    def route(self) -> Route:
        """One payload for a collection, however large."""
        return Route("", _UNLIMITED, _UNLIMITED)

    def endpoint(self) -> str:
        """The class: its address is among its own settings."""
        return f"{self.exporter_class.__module__}.{self.exporter_class.__qualname__}"

    def steps(self, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
        """No step: which server the exporter uses, and how, is not known."""
        why = f"{self.name} has no steps: magictel send-sample {self.name} shows whether it sends"
        return {Rung.HTTP: lambda: Finding.skipped(Rung.HTTP, why)}

    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        """Call the exporter once, and wait for it no longer than `timeout`."""
        groups = self.encoder.collections.pop(payload.batch, ())
        if self._call is not None and self._call.is_alive():
            return Attempted(self._rejected("foreign.timeout", "has not returned from an earlier call", ()))
        try:
            exporter = self._constructed()
        except PluginError as failure:
            return Attempted(Rejected(failure.code, failure.message, failure.remedy))
        self._call = call = ExportCall(exporter, metrics_data(groups), timeout)
        call.start()
        call.join(timeout)
        return Attempted(self._outcome(call, timeout))

    def _outcome(self, call: ExportCall, timeout: float) -> Outcome:
        lines = [self._shown(line) for line in call.lines]
        if call.is_alive():
            return self._rejected("foreign.timeout", f"did not return within {timeout:g} s", lines)
        if call.failure is not None:
            return self._rejected("foreign.exception", f"raised {self._shown(described(call.failure))}", lines)
        if call.result is MetricExportResult.SUCCESS:
            message = f"{self.name} reported success, which does not prove that anything is stored"
            return Unconfirmed("foreign.unconfirmed", message + _logged(lines), " | ".join(lines) or None)
        if call.result is MetricExportResult.FAILURE:
            return self._rejected("foreign.failure", "reported a failure", lines)
        return self._rejected("foreign.failure", f"returned {type(call.result).__name__} instead of a result", lines)

    def _rejected(self, code: str, what: str, lines: Sequence[str]) -> Rejected:
        message = f"{self.name} {what}{_logged(lines) or ', and logged nothing'}"
        return Rejected(code, message, None, " | ".join(lines) or None, maybe_stored=True)

    def _shown(self, line: str) -> str:
        return masked(self.redact(line))

    def _constructed(self) -> MetricExporter:
        """Return the other exporter, constructed anew after `close`."""
        if self._exporter is None:
            try:
                self._exporter = self.exporter_class()
            except (Exception, SystemExit) as failure:
                message = f"{self.name} cannot be constructed without arguments: {self._shown(described(failure))}"
                remedy = "set the variables that its documentation names; OpenTelemetry's auto-instrumentation cannot use it either"
                raise PluginError("foreign.constructor", message, remedy) from None
        return self._exporter

    def secrets(self) -> Iterator[str]:
        """Also the secrets of the environment: the other exporter reads, and may log, any of them."""
        yield from super().secrets()
        yield from environment_secrets(os.environ)  # noqa: TID251 # the other exporter reads the process's environment itself

    def close(self) -> None:
        """Shut the other exporter down; `attempt` constructs another one."""
        exporter, self._exporter = self._exporter, None
        if exporter is None or (self._call is not None and self._call.is_alive()):
            return

        def shut_down() -> None:
            with suppress(BaseException):  # SystemExit too
                exporter.shutdown(timeout_millis=_SHUTDOWN * 1000)

        ending = threading.Thread(target=shut_down, name="magictel-foreign-shutdown", daemon=True)
        ending.start()
        ending.join(2 * _SHUTDOWN)  # some ignore the time limit

    def after_fork(self) -> None:
        """Forget the parent's exporter without a shutdown, which would end the parent's connections."""
        self._exporter = self._call = None


def _logged(lines: Sequence[str]) -> str:
    """Return the first and the last line as the end of a sentence: usually the cause, and the conclusion."""
    ends = dict.fromkeys((*lines[:1], *lines[-1:]))
    return f"; it logged: {' | '.join(ends)}" if ends else ""


def environment_secrets(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the values of variables with a secret's name, the values within `name=value,…`, and passwords in addresses."""
    for name, value in environment.items():
        yield from userinfo_secrets(value)
        if not _SECRET.search(name) or not value:
            continue
        yield value
        for pair in value.split(","):
            _, equals, secret = pair.partition("=")
            if equals and secret.strip():
                yield from {secret.strip(), urllib.parse.unquote(secret.strip())}


def foreign_exporter(name: str, package: str, other: type[MetricExporter]) -> type[ForeignExporter]:
    """Return the class that drives `other`, under a name such as `otel:otlp_proto_http`."""
    shown, about = name, f"OpenTelemetry exporter of {package}"

    class Foreign(ForeignExporter):
        name = shown
        summary = about
        exporter_class = other

    return Foreign
