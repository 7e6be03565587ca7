"""magictel proves that telemetry arrives: a library of OpenTelemetry metric exporters, and a command that uses the same objects.

This module exports, on demand, what the author of an exporter needs; an application needs `magictel.runtime.start()`.
A new exporter is a subclass of `HttpExporter` (or `Exporter`) with a settings model, an `Encoder`, `route` and, if the backend supports
them, `judge`, probes and a `ReadBack`; a page that is scraped is a `PageExporter`. It is registered as an entry point of
`magictel.exporters`:

    class AcmeEncoder(Encoder["AcmeExporter"]):
        def encode(self, series: Series, point: Point) -> bytes: ...        # the reference encoding: one item on the wire

    class AcmeExporter(HttpExporter[AcmeSettings]):
        interface = 2                                                       # the version it was built for
        name = "acme"
        Encoder = AcmeEncoder
        def judge(self, payload: Payload, reply: Reply) -> Outcome: ...     # the only place that interprets a reply

The packages from top to bottom; each imports only those below it (`lint-imports`):

    cli           `magictel NAME` is cli.NAME; what it does is in operations.NAME
    reporters     events as text, JSON, JUnit, HTML …    runtime     start-up for applications
    conformance   the laws that every exporter must obey, for the command and for pytest
    sandbox       embedded backends, with their own decoders
    operations    check, send, replay, record, run, prepare, clean: generators of events
    diagnose      explains a pasted error, log line or reply as a finding
    verify        compares sent points with those that the backend shows
    registry      entry points: exporters by name, loaded, and why one is broken; those of other packages as otel:NAME
    exporters     elasticsearch (and OpenSearch), otlp, prometheus (page), prometheus_remote_write, console, file; never imported by name
    promql        read-back from Prometheus, Mimir, VictoriaMetrics: queries, expected points, deletion
    plugin        interface and http_interface (an author's half), exporter, http_exporter and page_exporter (inherited), foreign
    delivery      retry( breaker( rate limit( attempt ) ) ), outbox, ledger     ladder      rungs, probes, the climb
    transports    send requests: HTTP, sockets, files     sources     readers of recordings
    gateway       metrics of an AI gateway: the mapping of a request, for applications and for the replay of request logs
    formats       OTLP in JSON and protobuf; Prometheus names, numbers, series and collisions: shared by sources and exporters
    settings      models, layers with each value's origin, trust in files, descriptions, edits
    encoding      templates, payloads, redaction of attributes, invalid points, temporality
    http          requests and replies, the responder (a proxy, another product, AWS), classification of replies
    net           endpoint, address, dns, proxy, tls, connect: shared by transports and ladder
    model         metrics, outcome, finding, verification, timing, observer, events: values shared by all packages
    secrets       secret values; the redactor masks known ones in any spelling, `patterns` masks what looks like one
    catalogue     pages of the codes; facts about built-in exporters
    clock, env_quotes, errors, files, text

Where to look first; `NAME` is a backend, and every backend has the same file names:

    a new backend             `magictel new exporter` copies the folders of scaffold; in this tree copy exporters.otlp
    a point as bytes          exporters.NAME.encoding (document, protobuf message), .columns (many at once, by encoding.templates)
    what a reply means        exporters.NAME.response (items of a bulk, partial success); replies that no backend knows: http.classify
    a backend's error texts   exporters.NAME.errors: text to code; pages of codes: catalogue; other programs' texts: diagnose.error_text
    a too large request       delivery.retry sends the halves that encoding.payload cuts; limits before sending: encoding.packing
    waits and queues          delivery.backoff, delivery.circuit_breaker, delivery.rate_limit, delivery.outbox; the counts: delivery.ledger
    the outbox on disk        delivery.spool; its file: delivery.spool_file
    temporality               encoding.deltas (cumulative to delta), encoding.intervals (a series), encoding.totals (delta to cumulative)
    reading points back       exporters.NAME.readback; Prometheus' query API: promql.readback; until they are visible: verify.polling
    sent against seen         model.verification (field by field), verify.sample, verify.replay; allowed differences: formats.lossy
    check, rung by rung       model.finding (the rungs), ladder.climb, ladder.steps; a backend's own: exporters.NAME.probes
    host name resolution      net.dns; its rung: ladder.dns
    masking of secrets        secrets.redactor (values of settings), secrets.patterns (what looks like one)
    secrets in attributes     encoding.redaction (the rules), secrets.shapes (what is surely secret)
    settings of an exporter   settings.model (its base classes), settings.login; a backend's own: exporters.NAME.settings
    origin of a setting       settings.load, settings.interpolate (`${VAR}`), settings.locate (which file), settings.trust
    reading OTLP JSON         sources.otlp_json (lines), formats.otlp.messages (the members)
    requests of a gateway     gateway.request (a record), gateway.mapping (what is measured), gateway.instruments (names, buckets)
    exit codes, failures      cli.exit_codes, cli.errors
    unknown keys, variables   settings.reading (keys: an error), settings.warnings (variables)
    `runtime.start()`         runtime.application; its targets: runtime.targets; the connection test: runtime.connection
    health of an application  model.health, runtime.health; over HTTP: runtime.health_page; `magictel status`: operations.status
    plugins' entry points     registry.entry_points

The data's path: `MetricsData` → `prepare`, once a collection (`redaction` → `possible` → `totals` → `deduplicate` → `convert` →
`deltas`) → `payloads`, pure and repeatable (`encode` or template → `pack` under the limits of each route) → pipeline → `judge` →
`Receipt`, in which `sent = delivered + unconfirmed + rejected + withheld + kept + dropped` at every moment.

Departures from the architecture plan, and their reasons:

- `HttpExporter` is a subclass of `Exporter`: the only base class that uses transports and ladder.
- `ReadBack.expect` returns how the backend should show a sent point, so that `verify` compares in the backend's terms and an exporter
  declares its lossy forms; `seen` alone could not distinguish a declared loss from an altered value.
- A payload is plain data (`delivery.stored` writes it to disk) with the positions of its points: refusals, drops and `given_up` name points
  by position, and what is left out while encoding travels among the payloads.
- What a reply means is decided by its own request (`Reply.request`, `Payload.form`), never by state that another thread may change.
- A refused credential (401, 403) is `Unavailable(needs_operator=True)`: points wait, and the files of secrets and of TLS are read again.
- Items may begin with a `resource_prefix` (data common to a resource), and may have to be sent `in_time_order`.
- `export()` bounds waits and retries by `retry_budget`, not attempts: a slow backend may answer (`AdaptiveTimeout`); one that never
  answers gets short attempts, because the SDK's shutdown shares its time among all readers.
- A request of a backend for one payload (Retry-After, a full disk) applies to all, across exports, for five minutes at most.
- `Reason.maybe_stored` marks points that may be stored although they count as rejected or dropped.
- The threads for `in_flight` are daemons: a `ThreadPoolExecutor` accepts no work while the interpreter exits.
- The sockets below httpx are our own: a library hides the failed phase and the bytes received instead of a reply.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `import magictel` alone imports nothing: the command first installs its signal handlers
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "magictel.clock": ("Clock",),
    "magictel.delivery.attempt": ("Attempted",),
    "magictel.errors": ("MagictelError", "PluginError", "SettingsError", "UsageError", "WireError"),
    "magictel.plugin.exporter": ("Exporter",),
    "magictel.model.finding": ("Finding", "Status", "Rung", "SideEffect"),
    "magictel.plugin.http_exporter": ("HttpExporter", "HttpReadBack"),
    "magictel.plugin.http_interface": ("Preparation",),
    "magictel.plugin.page_exporter": ("PageExporter",),
    "magictel.settings.page": ("PageSettings",),
    "magictel.plugin.interface": ("INTERFACE", "Encoder", "ReadBack"),
    "magictel.ladder.probe": ("probe",),
    "magictel.http.classify": ("judge_status",),
    "magictel.http.error_rules": ("Rule",),
    "magictel.catalogue.retry": ("RetryClass",),
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
    "magictel.encoding.templates": ("Filled",),
    "magictel.encoding.withheld": ("Withheld",),
    "magictel.model.verification": ("RUN_ID", "Expected", "SampleQuery", "Seen", "Unreadable", "Value"),
    "magictel.http.wire": ("Reply", "Request", "Transport", "Wire"),
    "magictel.net.address": ("Address", "parse_endpoint"),
    "magictel.net.endpoint": ("Endpoint",),
}

__all__ = sorted(["__version__", *(name for names in _HOMES.values() for name in names)])


def __getattr__(name: str) -> Any:
    """Load a public name on first use: `import magictel` alone imports nothing else."""
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'magictel' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
