"""The plugin interface: what the author of an exporter writes. All of it but `attempt` is pure.

An author gives a settings model, an `Encoder` (one point is one item on the wire), `judge` (the one place that reads a reply), probes
for the ladder, and a `ReadBack` (how a sent point looks in the backend). A page that is scraped has `Described` only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Generic, Literal, TypeVar

from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route
from magictel.encoding.templates import Constant, Filled
from magictel.encoding.withheld import Withheld
from magictel.model.finding import Finding, Rung
from magictel.model.metrics import Attributes, Group, Point, Series, Stream
from magictel.model.outcome import ItemVerdict, Outcome
from magictel.model.verification import Counted, Expected, SampleQuery, Seen, Unreadable, Value
from magictel.settings.model import ExporterSettings, SettingsModel

S = TypeVar("S", bound=ExporterSettings)
M = TypeVar("M", bound=SettingsModel)
E = TypeVar("E", bound="Described[Any]")
INTERFACE = 2
"""The plugin interface's major version; an exporter that declares another is shown as broken."""


class Encoder(ABC, Generic[E]):
    """How points become items, which a payload consists of, and items the body of a request.

    An exporter names its class as `Encoder`. `encode` is the reference: pure and repeatable. `columns` and `constants` give the same
    bytes faster, as a template does (`magictel.encoding.templates`).
    """

    whole_scrapes = False
    """Whether each collection is a whole scrape of one page, as in `magictel run`: a series that it lacks has ended."""

    def __init__(self, exporter: E) -> None:
        self.exporter = exporter

    @abstractmethod
    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """Encode one point as one item on the wire, or name the documented rule that leaves it out."""

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """For speed: the bytes of these points that change from export to export (the holes), by column; None: encode them one by one."""
        return None

    def constants(self, stream: Stream, variant: Hashable, attributes: Sequence[Attributes]) -> Sequence[Constant]:
        """The bytes around the holes of these series, which are kept for later exports: one more constant than holes."""
        raise NotImplementedError

    def split(self, body: bytes) -> list[bytes]:
        """Split a body into its items; needed if `columns` gives no lengths (`Filled.width`)."""
        raise NotImplementedError

    def frame(self, payload: Payload) -> bytes:
        """Wrap the payload's items in their frame, before compression; default: the items alone."""
        return payload.body

    def begin_recording(self) -> None:
        """Forget earlier collections: a recording follows from its beginning, which may be the same again, for comparison."""

    def envelope(self, group: Group) -> tuple[bytes, ...]:
        """What encloses the items of a group on the wire, outermost first; `frame` gets it in the payload's `runs`."""
        return ()

    def resource_prefix(self, group: Group) -> bytes:
        """Bytes to send once per resource and collection; they are put in front of the resource's first item and belong to it."""
        return b""

    def deduplicate(self, groups: Iterable[Group]) -> Iterable[Group | Withheld]:
        """Leave out points that the backend cannot tell from others of the same collection, each with its reason."""
        return groups

    def convert(self, groups: Iterable[Group], batch: int) -> Iterable[Group | Withheld]:
        """Convert or leave out points once per collection, as the last stage before `encode` but for deltas; may keep state (a time
        window). Positions of points in payloads of this `batch` count what this returns, or the deltas of it.
        """
        return groups

    def expired(self, payload: Payload) -> Outcome | None:
        """Return the outcome of a payload that is not worth sending any more, because it waited too long; None: send it."""
        return None

    def given_up(self, payload: Payload) -> None:
        """Learn which points are dropped, for example from a full outbox; called once for each payload or part of one, from any thread.

        `payload.positions` are the places of the points in the collection `payload.batch`. The backend has none of them unless
        `payload.attempted`. The body is empty if a bug in `encode` or an interrupt came before the points were encoded.
        """


class ReadBack(Generic[E]):
    """How sent points look in the backend, and the queries for them: what `send-sample`, `replay --verify` and `clean` need.

    An exporter names its class as `ReadBack`. Every method that queries may raise `WireError`.
    """

    def __init__(self, exporter: E) -> None:
        self.exporter = exporter

    def cannot_query(self) -> Unreadable | None:
        """Why nothing can be read back by these settings alone: no query API, no address of one. None: the backend can be asked.

        Sends nothing. Default: `seen` is not implemented.
        """
        readable = type(self).seen is not ReadBack.seen
        return None if readable else self._unsupported("cannot read back what the backend stores")

    def expect(self, series: Series, point: Point) -> Expected | None:
        """How the backend should show a sent point; None: no query shows it, so it is *unverified* if it was accepted."""
        return None

    def seen(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        """The points of a run that the backend shows now, as its users see them."""
        return self._unsupported("cannot read back what the backend stores")

    def identify(self, series: Series, point: Point) -> Expected | None:
        """As `expect`, for any point, with a key that the backend can be queried for; None: not sent, or no identity."""
        return None

    def find(self, expected: Sequence[Expected]) -> Sequence[Seen] | Unreadable:
        """What the backend shows now, by key, of up to some thousand points from `identify`."""
        return self.cannot_query() or self._unsupported("can read back samples, but no recordings")

    def count(self, metrics: Sequence[Counted]) -> Sequence[int] | Unreadable:
        """Count the points of each metric that the backend shows from `since` to `until`, for points that `identify` cannot
        tell apart.
        """
        why = self.find(())
        return why if isinstance(why, Unreadable) else self._unsupported("cannot count points")

    def declared(self, field: str, sent: Value, seen: Value) -> str | None:
        """The documented expected loss that explains how a sent and a seen point differ; None: the point is altered."""
        return None

    def unproven(self) -> Unreadable | None:
        """Why points that `seen` shows equal are not proven to have arrived; None: they are."""
        return None

    def why_missing(self) -> ItemVerdict | Unreadable | None:
        """Why accepted points are not shown, as the backend itself reports it; None: it does not. Called if points are missing."""
        return None

    def visible_delay(self) -> float | Unreadable:
        """Seconds after acceptance until the backend shows a point, by its own settings."""
        return 0.0

    def poll_every(self) -> float:
        """Seconds between two queries while points are not visible yet; longer if the backend limits queries."""
        return 0.25

    def run_size(self, run_id: str) -> int | Unreadable:
        """Count the items of a run that the backend stores; shown before `forget_run`."""
        return self._unsupported("cannot delete what it wrote", "verify.no-clean")

    def forget_run(self, run_id: str) -> int | Unreadable:
        """Delete exactly what a run wrote; return how many items were deleted."""
        return self._unsupported("cannot delete what it wrote", "verify.no-clean")

    def _unsupported(self, what: str, code: str = "verify.unsupported") -> Unreadable:
        return Unreadable(code, f"{self.exporter.name} {what}")


_Encoder = Encoder  # `Encoder` and `ReadBack` are attributes in the classes below
_ReadBack = ReadBack


class Described(ABC, Generic[M]):
    """What every exporter declares, whether it pushes or is scraped: its name and settings, the ladder's steps, and its read-back."""

    interface: ClassVar[int] = INTERFACE
    """The version of the plugin interface that the exporter is written for. A plugin sets it itself, because an inherited number would be
    that of the installed magictel.
    """
    name: ClassVar[str]
    summary: ClassVar[str]
    Settings: ClassVar[type[SettingsModel]]
    ReadBack: ClassVar[type[_ReadBack[Any]]] = _ReadBack
    """How sent points look in the backend, and the queries for them."""
    limits: ClassVar[tuple[str, ...]] = ()
    """What the backend or the format refuses or changes, as sentences; shown by `describe`."""
    cost: ClassVar[str] = ""
    """What a point costs at the backend; shown by `describe`."""
    temporalities: ClassVar[tuple[str, ...]] = ("cumulative", "delta")
    """The temporalities that it can send. If it is only one, points of the other are converted, once per collection."""
    writes_to: ClassVar[Literal["network", "file", "stream"]] = "network"
    """Where the laws inject faults: the backend, the file that an option names, or `sys.stdout` and `sys.stderr`."""
    confirms: ClassVar[bool] = True
    """False: the protocol has no replies (UDP), so a successful export ends in `Unconfirmed`."""
    log_words: ClassVar[tuple[str, ...]] = ()
    """Lower-case words that name this backend in logs and addresses; `diagnose` guesses by them."""
    code_families: ClassVar[tuple[str, ...]] = ()
    """First parts of the codes that only this backend uses (`es` of `es.write.queue-full`), for `diagnose`."""

    settings: M

    def secrets(self) -> Iterable[str]:
        """All secret values of the settings, for redaction."""
        return self.settings.secret_values()

    def endpoint(self) -> str:
        """Where data goes, for display, without credentials."""
        return ""

    def steps(self, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
        """The steps of the ladder below the round trip; a rung without a step is skipped."""
        return {}

    def sending_steps(self, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
        """The steps that must pass before a command sends points; default: `steps`."""
        return self.steps(timeout)

    @cached_property
    def readback(self) -> _ReadBack[Any]:
        """The read-back of this exporter, created at first use."""
        return self.ReadBack(self)

    def read_through(self, behind: _ReadBack[Any]) -> _ReadBack[Any]:
        """The read-back of another target (`verify_with`) for what this one's receiver forwards to it; default: as it is."""
        return behind

    def refused_by_system(self, failure: OSError) -> Outcome | None:
        """The verdict on an error of the operating system (a full disk, a closed pipe), for `diagnose`; None: no verdict."""
        return None

    def close(self) -> None:
        """Release the transport's resources; may be called twice, and after a fork."""

    def after_fork(self) -> None:
        """In a forked child: drop the parent's connections without sending on them. Default: `close`."""
        self.close()

    @classmethod
    def check_settings(cls, settings: Any) -> None:
        """Raise `SettingsError` for errors that the model cannot detect (an address that does not parse)."""


class Authored(Described[S]):
    """What the author of an exporter that pushes writes besides."""

    Encoder: ClassVar[type[_Encoder[Any]]]
    """How points become items of payloads."""
    in_time_order: ClassVar[bool] = False
    """True: the points of a metric are sent in the order of their timestamps, for a backend that refuses older points."""

    statuses: ClassVar[Mapping[int, bool]] = {}
    """Statuses for which this backend differs from the general retry table, and whether each is temporary."""

    @cached_property
    def encoder(self) -> _Encoder[Any]:
        """The encoder of this exporter, created at first use."""
        return self.Encoder(self)

    @abstractmethod
    def route(self) -> Route:
        """Where payloads go, and the limits they are packed under; the first of several routes."""

    def routes(self) -> tuple[Route, ...]:
        """All routes, with distinct names."""
        return (self.route(),)

    def route_of(self, stream: Stream) -> str:
        """The name of the route for the points of a stream."""
        return ""

    def before_delivery(self, timeout: float) -> None:
        """Query the backend for what encoding depends on. Called before a collection is encoded, not in a dry run; never raises."""

    @abstractmethod
    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        """Send a payload once and judge the reply. Never raises for expected failures."""

    def last_payloads(self) -> Iterable[Payload]:
        """What `shutdown` sends once, without retries, after everything else is settled: it belongs to no point and is not counted."""
        return ()


def declared_interface(exporter: type[Any]) -> int | None:
    """Return the interface version that a class, or a base class in its package, declares; None: neither declares one."""
    for ancestor in exporter.__mro__:
        if "interface" in vars(ancestor):
            return vars(ancestor)["interface"] if is_ours(exporter) or not is_ours(ancestor) else None
    return None


def is_ours(exporter: type[Any]) -> bool:
    """Return whether a class is part of magictel."""
    return exporter.__module__.partition(".")[0] == __name__.partition(".")[0]
