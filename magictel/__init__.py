"""magictel proves that telemetry arrives: a library of OpenTelemetry metric exporters, and a command over the very same objects.

What the author of an exporter needs stands here, loaded when it is asked for; an application needs `magictel.runtime.start()`.
A new exporter is a subclass of `HttpExporter` (or `Exporter`) with a settings model, `encode`, `route` and, as far as the
backend allows, `judge`, probes, `expect` and `read_back`; it is registered as an entry point of `magictel.exporters`:

    class AcmeExporter(HttpExporter[AcmeSettings]):
        name = "acme"
        def encode(self, series: Series, point: Point) -> bytes: ...        # the plain truth: one item on the wire
        def judge(self, payload: Payload, reply: Reply) -> Outcome: ...     # the one place that reads a reply

A guide to the house, top to bottom; a room imports those below it only (`lint-imports`):

    cli           the command: a lazy table of commands, one module for each
    reporters     events as text, JSON, JUnit, HTML …    runtime     start-up for applications
    conformance   the laws that every exporter must pass, for the command and for pytest
    sandbox       embedded backends; they decode with code of their own
    operations    check, send, replay, record, prepare, clean: generators of events
    diagnose      a pasted error, log line or reply becomes a finding
    verify        sent points against the points that the backend shows
    registry      entry points: exporters by name, loaded, and why one is broken
    exporters     one module or folder for each backend; nobody imports one by name
    plugin        interface (what an author writes), exporter and http_exporter (what is inherited and final)
    promql        read-back from Prometheus, Mimir, VictoriaMetrics: queries, expected points, deletion
    formats       OTLP JSON; Prometheus names, series and collisions: shared by several exporters
    delivery      retry( breaker( rate limit( attempt ) ) ), outbox, ledger     ladder      rungs, probes, the climb
    transports    how a request travels                sources     where data comes from
    settings      models, layers with each value's origin, which secrets a file may send where (trust), describing, editing
    encoding      templates, payloads, redaction of attributes, points that cannot exist
    http          requests and replies, who answered (a proxy, another product, AWS), and how a reply is classified
    net           endpoint, address, dns, proxy, tls, connect: what transport and ladder both need
    model         metrics, outcome, finding, verification, timing, events: the values that rooms hand to each other
    secrets       secret values, and the redactor that finds them in a text in every spelling
    catalogue     pages of the codes; what is known of built-in exporters without importing them
    clock, env_quotes, errors, files, text

The data's path: `MetricsData` → `scrub` → `possible` → `deduplicate` → `encode` or template → `pack` under the route's limits → pipeline
→ `judge` → `Receipt`, in which `sent = delivered + unconfirmed + rejected + withheld + kept + dropped` at every moment, whatever breaks.

Where the code departs from the architecture plan, and why:

- `HttpExporter` stands above `Exporter`: it is the one base that knows transports and ladder.
- `expect` says how the backend should show a sent point, so that `verify` compares in the backend's terms and an exporter
  `declare`s its lossy forms; `read_back` alone could not tell a declared loss from an altered value.
- Items may begin with a `resource_prefix` (what is said once of a resource), and may be told to travel `in_time_order`.
- `export()` bounds waits and retries by `retry_budget`, not attempts: a backend that answers slowly may answer (`Patience`); one
  that lets us wait in vain gets short attempts, since the SDK's shutdown gives all readers one time together.
- What a backend asks of one payload (Retry-After, a full disk) holds for all, across exports, for five minutes at most.
- `Reason.unknown` marks points that may be with the backend although they count as rejected or dropped.
- Threads for `in_flight` are our own daemons: a `ThreadPoolExecutor` takes no work while the interpreter ends.
- The sockets below httpx are ours: which phase failed, and what came instead of an answer, is lost behind a library.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `import magictel` alone imports nothing: the command listens to signals before anything else
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "magictel.clock": ("Clock",),
    "magictel.delivery.attempt": ("Attempted",),
    "magictel.errors": ("MagictelError", "PluginError", "SettingsError", "UsageError", "WireError"),
    "magictel.plugin.exporter": ("INTERFACE", "Exporter"),
    "magictel.model.finding": ("Finding", "Status", "Rung", "SideEffect"),
    "magictel.plugin.http_exporter": ("HttpExporter", "Preparation"),
    "magictel.ladder.probe": ("probe",),
    "magictel.http.classify": ("judge_status",),
    "magictel.model.metrics": ("Attributes", "Group", "Kind", "Point", "Series", "Stream"),
    "magictel.model.outcome": (
        *("Delivered", "Fate", "ItemVerdict", "Outcome", "Partial", "Reason", "Receipt"),
        *("Rejected", "Throttled", "TooLarge", "Unavailable", "Unconfirmed"),
    ),
    "magictel.encoding.payload": ("Payload", "Route", "Run"),
    "magictel.encoding.prepared": ("Prepared",),
    "magictel.secrets.secret": ("Secret",),
    "magictel.settings.login": ("LoginSettings", "TenantSettings"),
    "magictel.settings.model": ("ExporterSettings", "HttpSettings", "option"),
    "magictel.encoding.templates": ("Filled", "Template", "Withheld"),
    "magictel.model.verification": ("Expected", "SampleQuery", "Seen", "Unreadable", "Value"),
    "magictel.sources.sample": ("RUN_ID",),
    "magictel.http.wire": ("Reply", "Request", "Transport", "Wire"),
    "magictel.net.address": ("Address", "parse_endpoint"),
    "magictel.net.endpoint": ("Endpoint",),
}

__all__ = sorted(["__version__", *(name for names in _HOMES.values() for name in names)])


def __getattr__(name: str) -> Any:
    """The public face, loaded when it is asked for: `import magictel` alone costs nothing."""
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'magictel' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
