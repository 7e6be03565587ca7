"""The plugin interface: what the author of an exporter writes, all of it pure but `attempt`.

An author gives a settings model, `encode` (the plain truth: one item on the wire), `judge` (the one place that reads a
reply), probes for the ladder, and `expect` + `read_back` (how a sent point looks in the backend).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, TypeVar

from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route
from magictel.encoding.templates import Template, Withheld
from magictel.model.finding import Finding, Rung
from magictel.model.metrics import Group, Point, Series, Stream
from magictel.model.outcome import Outcome
from magictel.model.timing import Stopwatch
from magictel.model.verification import Counted, Expected, SampleQuery, Seen, Unreadable, Value
from magictel.settings.model import ExporterSettings

S = TypeVar("S", bound=ExporterSettings)
INTERFACE = 2
"""The plugin interface's major version; an exporter that declares another is shown as broken."""
ExporterKind = Literal["push", "page", "foreign"]
"""*push* sends, *page* is scraped, *foreign* drives somebody else's OpenTelemetry exporter."""


class Authored(ABC, Generic[S]):
    """An exporter's own half."""

    interface: ClassVar[int] = INTERFACE
    """A plugin writes the number itself: what it inherits is the version that it runs under, not the one it was built for."""
    kind: ClassVar[ExporterKind] = "push"
    name: ClassVar[str]
    summary: ClassVar[str]
    Settings: ClassVar[type[ExporterSettings]]
    limits: ClassVar[tuple[str, ...]] = ()
    """Sentences on what the backend or the format refuses or changes; shown by `describe`."""
    cost: ClassVar[str] = ""
    """What a point costs at the backend; shown by `describe`."""
    temporalities: ClassVar[tuple[str, ...]] = ("cumulative", "delta")
    log_words: ClassVar[tuple[str, ...]] = ()
    """Words, in lower case, by which logs and addresses name this backend: `diagnose` guesses by them."""
    code_families: ClassVar[tuple[str, ...]] = ()
    """First parts of the codes that only this backend gives (`es` of `es.write.queue-full`); `diagnose` goes by them."""
    in_time_order: ClassVar[bool] = False
    """True: the points of a metric travel in the order of their times (a backend that refuses what is older than the newest)."""

    writes_to: ClassVar[Literal["network", "file", "stream"]] = "network"
    """What the laws hinder: a backend, a file of its own (its option of a path), or `sys.stdout` and `sys.stderr`."""
    confirms: ClassVar[bool] = True
    """False: the protocol has no answers (UDP), so `Unconfirmed` is what an export ends in when all is well."""

    statuses: ClassVar[Mapping[int, bool]] = {}
    """Where this backend's retry table differs from the general one: a status, and whether it passes by itself."""

    settings: S
    stopwatch: Stopwatch | None

    @abstractmethod
    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """One point as one item on the wire, or the documented rule by which it is left out."""

    def template(self) -> Template | None:
        """For speed: the template whose bytes equal `encode`'s. None: every point is encoded."""
        return None

    def resource_prefix(self, group: Group) -> bytes:
        """What a collection says once of a resource: it goes before the first item of each, as part of that item."""
        return b""

    def deduplicate(self, groups: Iterable[Group]) -> Iterable[Group | Withheld]:
        """A collection's groups without the points that the backend could not tell from others of it, and why each is left out."""
        return groups

    def convert(self, groups: Iterable[Group], batch: int) -> Iterable[Group | Withheld]:
        """What happens to points once per collection, the last before they are encoded, and may keep state: a window of times, deltas
        of cumulative points. The positions of points in payloads of this `batch` count what comes out here.
        """
        return groups

    def given_up(self, payload: Payload) -> None:
        """Take note of a payload, or a piece of one, that is given up (`at`, `batch`); of each exactly once. From any thread.

        Its points are certainly not with the backend unless `payload.attempted`.
        """

    def envelope(self, group: Group) -> tuple[bytes, ...]:
        """What encloses the items of a group on the wire, outermost first: `frame` finds it in the payload's `runs`."""
        return ()

    @abstractmethod
    def route(self) -> Route:
        """Where payloads go, and the limits they are packed under; of several routes the first."""

    def routes(self) -> tuple[Route, ...]:
        """All routes, each with a name of its own."""
        return (self.route(),)

    def route_of(self, stream: Stream) -> str:
        """The name of the route that the points of a stream take."""
        return ""

    def split(self, body: bytes) -> list[bytes]:
        """Cut a body into its items; needed where a template gives no item lengths."""
        raise NotImplementedError

    def frame(self, payload: Payload) -> bytes:
        """The payload's items in their frame, as they travel before compression; where a format has none, the items."""
        return payload.body

    def before_delivery(self, timeout: float) -> None:
        """Ask the backend what encoding depends on. Called before a collection is encoded to be sent, never in a dry run; never raises."""

    @abstractmethod
    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        """Send a payload once and judge the reply. Never raises for expected trouble."""

    def secrets(self) -> Iterable[str]:
        """Every secret value of the settings, for the redactor."""
        return self.settings.secret_values()

    def endpoint(self) -> str:
        """Where data goes, for people: without credentials."""
        return ""

    def steps(self, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
        """The rungs this exporter can climb below the round trip; a rung without a step is skipped."""
        return {}

    def expect(self, series: Series, point: Point) -> Expected | None:
        """How the backend should show a sent point; None: it cannot be looked for."""
        return None

    def identify(self, series: Series, point: Point) -> Expected | None:
        """As `expect`, for any point: its key is what the backend can be asked for. None: it is not sent, or has no identity."""
        return None

    def find(self, expected: Sequence[Expected]) -> Sequence[Seen] | Unreadable:
        """What the backend shows now of some thousand points that `identify` gave, by their keys. Raises `WireError`."""
        return Unreadable("verify.unsupported", f"{self.name} has no way to ask what the backend holds")

    def count(self, metrics: Sequence[Counted]) -> Sequence[int] | Unreadable:
        """How many points of each metric the backend shows with times from `since` to `until`: for points that `identify` does not
        tell apart. Raises `WireError`.
        """
        why = self.find(())
        return (
            why if isinstance(why, Unreadable) else Unreadable("verify.unsupported", f"{self.name} cannot count points")
        )

    def declared(self, field: str, sent: Value, seen: Value) -> str | None:
        """The documented lossy form that explains a difference between sent and seen, or None: then the point is altered."""
        return None

    def seen(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        """What the backend shows of a run's points now, as its users see them. Raises `WireError`."""
        return Unreadable("verify.unsupported", f"{self.name} has no way to ask what the backend holds")

    def visible_delay(self) -> float | Unreadable:
        """Seconds after acceptance until the backend shows a point, by its own settings. Raises `WireError`."""
        return 0.0

    def poll_every(self) -> float:
        """Seconds between two questions while points are not visible yet; longer where the backend limits its queries."""
        return 0.25

    def run_size(self, run_id: str) -> int | Unreadable:
        """How many items of a run the backend holds; said before `forget_run`. Raises `WireError`."""
        return Unreadable("verify.no-clean", f"{self.name} cannot delete what it wrote")

    def forget_run(self, run_id: str) -> int | Unreadable:
        """Delete exactly what a run wrote; how many items went. Raises `WireError`."""
        return Unreadable("verify.no-clean", f"{self.name} cannot delete what it wrote")

    def refused_by_system(self, failure: OSError) -> Outcome | None:
        """The verdict on an error of the operating system (a full disk, a closed pipe), for `diagnose`; None: it means nothing here."""
        return None

    def close(self) -> None:
        """Free what the transport holds; may be called twice, and after a fork."""

    def time_with(self, watch: Stopwatch | None) -> None:
        """Measure what deliveries spend their time on, until this is called with None."""
        self.stopwatch = watch

    def after_fork(self) -> None:
        """In a forked child: let go of what is the parent's; nothing is sent on its connections. Default: `close`."""
        self.close()

    @classmethod
    def check_settings(cls, settings: Any) -> None:
        """Raise `SettingsError` for what the model alone cannot see (an address that does not parse)."""


def declared_interface(exporter: type[Any]) -> int | None:
    """Return the interface that a class was built for, as it or a class of its own package says; None where none of them does."""
    for ancestor in exporter.__mro__:
        if "interface" in vars(ancestor):
            return vars(ancestor)["interface"] if is_ours(exporter) or not is_ours(ancestor) else None
    return None


def is_ours(exporter: type[Any]) -> bool:
    """Whether a class is part of magictel."""
    return exporter.__module__.partition(".")[0] == __name__.partition(".")[0]
