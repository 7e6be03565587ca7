"""The health of the telemetry over HTTP, on loopback: `/healthz` and `/readyz` as JSON, `/metrics` for Prometheus."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.message import Message

import msgspec

from magictel.model.health import SCHEMA, Health, HealthStatus, TargetHealth
from magictel.model.outcome import Fate
from magictel.transports.page_reply import PageReply

VARIABLE = "MAGICTEL_HEALTH_PORT"
_HOST = "127.0.0.1"
_log = logging.getLogger("magictel.runtime")


def health_ports(environment: Mapping[str, str]) -> Sequence[int]:
    """Return the ports in `MAGICTEL_HEALTH_PORT`, `9465` or `9465-9472`; none if it is not set, or, with a line in the log, invalid."""
    text = environment.get(VARIABLE, "").strip()
    if not text:
        return ()
    first, _, last = text.partition("-")
    try:
        ports = range(int(first), int(last or first) + 1)
    except ValueError:
        ports = range(0)
    if not ports or ports[0] < 0 or ports[-1] > 65_535:
        _log.error("%s is neither a port nor a range of ports such as 9465-9472: there is no health page", VARIABLE)
        return ()
    return ports


class HealthPage:
    """Serves what `health` returns, on the first free one of the ports."""

    def __init__(self, health: Callable[[], Health], ports: Sequence[int]) -> None:
        from magictel.transports.page_server import PageServer  # only if it is wanted: it imports http.server

        self._health = health
        self._ports = ports
        pages = {"/healthz": self._healthz, "/readyz": self._readyz, "/metrics": self._metrics}
        self._server = PageServer(pages, log=_log)

    @property
    def port(self) -> int | None:
        """The port that it listens on, or None."""
        return self._server.port

    def listen(self) -> None:
        """Listen on the first free port; log an error if there is none. Never raises."""
        try:
            port = self._server.start(_HOST, self._ports)
        except OSError as failure:
            why = (failure.strerror or type(failure).__name__).lower()
            message = "no health page: %s port %d: %s; each process needs a port: %s=%d-%d"
            first = self._ports[0]
            _log.error(message, _HOST, first, why, VARIABLE, first, min(65_535, first + 7))
            return
        _log.info("health: http://%s:%d/healthz", _HOST, port)

    def listen_in_child(self) -> None:
        """In a forked child: leave the parent's port to it, and listen on another."""
        self._server.forget()
        threading.Thread(target=self.listen, name="magictel-health-fork", daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.stop()

    def _healthz(self, _headers: Message) -> PageReply:
        health = self._health()
        return _document(health, well=health.healthy)

    def _readyz(self, _headers: Message) -> PageReply:
        health = self._health()
        return _document(health, well=health.ready)

    def _metrics(self, _headers: Message) -> PageReply:
        text = "\n".join(_lines(self._health())) + "\n"
        return PageReply("text/plain; version=0.0.4; charset=utf-8", iter((text.encode(),)))


def _document(health: Health, *, well: bool) -> PageReply:
    facts = {"schema": SCHEMA, "healthy": health.healthy, "ready": health.ready, **msgspec.to_builtins(health)}
    return PageReply("application/json", iter((msgspec.json.encode(facts), b"\n")), 200 if well else 503)


def _lines(health: Health) -> Iterator[str]:
    """Yield the metrics, under the names of OpenTelemetry's SDK metrics where they exist."""
    counter, gauge = "counter", "gauge"
    exported = "otel_sdk_exporter_metric_data_point_exported_total"
    yield from _head(exported, counter, "Data points whose export has ended; error_type: why it failed.")
    for target in health.targets:
        yield _sample(exported, target, target.ledger.readable)
        for reason in target.ledger.reasons:
            if reason.fate in (Fate.REJECTED, Fate.WITHHELD, Fate.DROPPED):
                yield _sample(exported, target, reason.count, error_type=reason.code)
    inflight = "otel_sdk_exporter_metric_data_point_inflight"
    yield from _head(inflight, gauge, "Data points that wait for their export.")
    for target in health.targets:
        yield _sample(inflight, target, target.ledger.kept)
    for name, sentence, value in _OURS:
        yield from _head(name, gauge, sentence)
        for target in health.targets:
            number = value(target)
            if number is not None:
                yield _sample(name, target, number)


_OURS: Sequence[tuple[str, str, Callable[[TargetHealth], float | None]]] = (
    (
        "magictel_exporter_healthy",
        "1 unless the last export rejected, dropped or queued points.",
        lambda target: float(target.status in (HealthStatus.OK, HealthStatus.WAITING)),
    ),
    (
        "magictel_exporter_last_success_timestamp_seconds",
        "When the backend last accepted a point.",
        lambda target: target.last_success,
    ),
    (
        "magictel_exporter_queue_capacity_points",
        "Data points that may wait.",
        lambda target: (target.queue.max_points or None) if target.queue else None,
    ),
    (
        "magictel_exporter_paused_seconds",
        "Seconds for which nothing is sent.",
        lambda target: None if target.queue is None else target.queue.paused,
    ),
)


def _head(name: str, kind: str, sentence: str) -> Iterator[str]:
    yield f"# HELP {name} {sentence}"
    yield f"# TYPE {name} {kind}"


def _sample(name: str, target: TargetHealth, value: float, **labels: str) -> str:
    theirs = ":" in target.exporter
    component = target.exporter if theirs else f"magictel_{target.exporter.replace('-', '_')}"
    every = {"otel_component_name": target.target, "otel_component_type": component, **labels}
    inside = ",".join(f"{key}={msgspec.json.encode(label).decode()}" for key, label in every.items())
    return f"{name}{{{inside}}} {value:.16g}"
