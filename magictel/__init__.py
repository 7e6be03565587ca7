"""magictel proves that telemetry arrives: a library of OpenTelemetry metric exporters, and a command over the very same objects.

What the author of an exporter needs stands here, loaded when it is asked for; an application needs `magictel.runtime.start()`.
A new exporter is a subclass of `HttpExporter` (or `Exporter`) with a settings model, `encode`, `endpoints`, `route` and, as far
as the backend allows, `judge`, probes, `expect` and `read_back`; it is registered as an entry point of `magictel.exporters`:

    class AcmeExporter(HttpExporter[AcmeSettings]):
        name = "acme"
        def encode(self, series: Series, point: Point) -> bytes: ...        # the plain truth: one item on the wire
        def judge(self, payload: Payload, reply: Reply) -> Outcome: ...     # the one place that reads a reply

A guide to the house, top to bottom; a room imports those below it only (`lint-imports`):

    cli           the command: a lazy table, one module for each command
    reporters     what a format makes of events        runtime     start-up for applications
    conformance   the laws that every exporter must hold, for the command and for pytest
    operations    check, send, replay, record, prepare, clean, diagnose: generators of events, without secrets and with remedies to follow
    registry      entry points: names, loading, what is broken (builtin: ours)
    exporters     one module or folder for each backend; nobody imports one by name
    http_exporter, exporter, authored     the plugin interface: the author's half (authored), and what is inherited and final
    impossible    points that cannot be, left out before anything is encoded
    delivery      retry( breaker( rate limit( attempt ) ) ), outbox, ledger     ladder      rungs, probes, the climb
    transports    how a request travels                sources     where data comes from
    settings      models, layers with each value's origin, whose secrets a file may send where (trust), describing, editing
    events, verification, finding, outcome, payload     the values that rooms hand to each other
    judgement     a reply without item verdicts as an outcome
    front, reply_words, products, amazon     who gave a reply (a proxy, another product, AWS), and what it says
    address, credentials, proxy, resolver, tls, dial    what transport and ladder both need to connect
    tls_faults, quotation, stopwatch     why a handshake failed; text cut for people; where the time of a delivery goes
    wire, reply   a request and where it goes; a reply, and the guard that makes one of any shape a value or a `WireError`
    redactor, spellings     finds known secrets in a text, in every spelling
    env_quotes, regular_file     a variable's value that kept its quotes; opening a file that must not be a pipe
    templates, scrub, model, clock, instrumentation, secrets, catalogue, errors
    sandbox       embedded backends, beside all this: they decode with code of their own

The data's path: `MetricsData` → `scrub` → `possible` → `distinct` → `encode` or template → `pack` under the route's limits → pipeline
→ `judge` → `Receipt`, in which `sent = delivered + unconfirmed + rejected + withheld + kept + dropped` at every moment, whatever breaks.

Where the code departs from the architecture plan, and why:

- `HttpExporter` is a room of its own above `exporter`: it is the one base that knows transports and ladder.
- `expect` says how the backend should show a sent point, so that `verify` compares in the backend's terms and an exporter
  `declare`s its lossy forms; `read_back` alone could not tell a declared loss from an altered value.
- Items may begin with a `lead` (what is said once of a resource), and may be told to travel `in_time_order`.
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
    "magictel.delivery.attempt": ("Attempted",),
    "magictel.errors": ("MagictelError", "PluginError", "SettingsError", "UsageError", "WireError"),
    "magictel.exporter": ("INTERFACE", "Exporter"),
    "magictel.finding": ("Finding", "Held", "Rung", "SideEffect"),
    "magictel.http_exporter": ("HttpExporter", "Preparation"),
    "magictel.ladder.probe": ("probe",),
    "magictel.model": ("Group", "Kind", "Point", "Series", "Stream"),
    "magictel.outcome": (
        *("Delivered", "Fate", "ItemVerdict", "Outcome", "Partial", "Reason", "Receipt"),
        *("Rejected", "Throttled", "TooLarge", "Unavailable", "Unconfirmed"),
    ),
    "magictel.payload": ("Payload", "Route"),
    "magictel.secrets": ("Secret",),
    "magictel.settings.model": ("ExporterSettings", "HttpSettings", "option"),
    "magictel.templates": ("Filled", "Template", "Withheld"),
    "magictel.verification": ("Expected", "SampleQuery", "Seen", "Unreadable"),
    "magictel.wire": ("Endpoint", "Reply", "Request", "Transport", "Wire"),
}

__all__ = [
    "INTERFACE",
    "Attempted",
    "Delivered",
    "Endpoint",
    "Expected",
    "Exporter",
    "ExporterSettings",
    "Fate",
    "Filled",
    "Finding",
    "Group",
    "Held",
    "HttpExporter",
    "HttpSettings",
    "ItemVerdict",
    "Kind",
    "MagictelError",
    "Outcome",
    "Partial",
    "Payload",
    "PluginError",
    "Point",
    "Preparation",
    "Reason",
    "Receipt",
    "Rejected",
    "Reply",
    "Request",
    "Route",
    "Rung",
    "SampleQuery",
    "Secret",
    "Seen",
    "Series",
    "SettingsError",
    "SideEffect",
    "Stream",
    "Template",
    "Throttled",
    "TooLarge",
    "Transport",
    "Unavailable",
    "Unconfirmed",
    "Unreadable",
    "UsageError",
    "Wire",
    "WireError",
    "Withheld",
    "__version__",
    "option",
    "probe",
]


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
