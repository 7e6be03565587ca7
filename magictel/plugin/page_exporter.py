"""What every scraped page inherits: listening, collections at each scrape, forks, its ledger, and the delivery of a sample.

A page is a `MetricReader`. Its author writes `page`, the exposition, and what `Described` asks for.
"""

from __future__ import annotations

import contextlib
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, final

from msgspec.structs import replace
from opentelemetry.sdk.metrics.export import MetricReader, MetricsData

from magictel.encoding.prepared import Prepared
from magictel.encoding.withheld import Withheld
from magictel.errors import WireError
from magictel.http.messages import reading
from magictel.model.finding import Finding, Rung
from magictel.model.metrics import Group, count_points
from magictel.model.outcome import Fate, Receipt
from magictel.model.verification import Unreadable
from magictel.net.tls import ssl_context, tls_options
from magictel.net.tls_server import ServerTls
from magictel.plugin.collection import SharedCollection
from magictel.plugin.configured import ALIVE, Configured
from magictel.plugin.page_listener import PageListener, explained
from magictel.plugin.page_scrapes import Scrapes, receipt_of, undelivered
from magictel.plugin.temporality import preferred_temporality
from magictel.settings.page import PageSettings
from magictel.transports.page_reply import PageReply

if TYPE_CHECKING:
    from email.message import Message

P = TypeVar("P", bound=PageSettings)
_POLL = 1.0
"""Seconds between two questions to a scraper about its failures."""
_MARGIN = 0.5
"""Seconds of a scraper's timeout that are left for the reply."""
_PATIENCE = 30.0
"""Seconds that a collection may take."""


class PageExporter(Configured[P], MetricReader):
    """A page of metrics: a reader for the SDK's `MeterProvider`, which listens as soon as the provider has it.

    The constructor listens on nothing, so that a command may create it beside the running application.
    """

    temporalities: ClassVar[tuple[str, ...]] = ("cumulative",)

    def __init__(self, settings: P | None = None, **options: Any) -> None:
        """As `Configured`: without an argument, settings come from the environment."""
        super().__init__(settings, **options)
        MetricReader.__init__(self, preferred_temporality("cumulative"))
        self._start_life()

    def _start_life(self) -> None:
        super()._start_life()
        self.scrapes = Scrapes(self.observers)
        self._published: Prepared | None = None
        """The sample that is served in place of collections."""
        self._received: MetricsData | None = None
        self._collections = SharedCollection(self._collected)
        self._listener = PageListener(self.settings, self._answer, self._authorization, self.log, self.clock)

    # ---- the author's half -------------------------------------------------------------------------------------------

    @abstractmethod
    def page(self, groups: Sequence[Group], accept: str | None) -> tuple[str, Iterator[bytes | Withheld]]:
        """Return the content type and the chunks of the page for a scraper's Accept header, with the points left out among them.

        Called from several threads at once. State that they share must be new after a fork (`after_fork`): its lock may be taken.
        """

    def scraper(self) -> str:
        """The address of the scraper that reads the page of a sample, for display; empty: none is known."""
        return ""

    def scrape_failure(self, timeout: float) -> Unreadable | None:
        """Why the scraper cannot read the page, by its own account; None: it reports no failure (yet). Called about once a second."""
        return None

    # ---- the SDK's reader --------------------------------------------------------------------------------------------

    def _set_collect_callback(self, func: Any) -> None:  # type: ignore[misc] # the only sign that a provider has this reader
        super()._set_collect_callback(func)
        if func is not None and self.unusable is None:
            self.listen()

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> None:
        self._received = metrics_data

    @final
    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Return True: nothing is queued, and a page cannot make a scraper come."""
        return True

    @final
    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Stop listening. Idempotent. What was measured after the last scrape is on no page."""
        if self._shut.is_set():
            return
        self._shut.set()
        self._listener.stop()
        self.observers.ended(self.ledger, Receipt())
        self.close()
        ALIVE.discard(self)

    # ---- listening ---------------------------------------------------------------------------------------------------

    @property
    @final
    def port(self) -> int | None:
        """The port that it listens on, or None."""
        return self._listener.port

    @final
    def listen(self) -> None:
        """Listen on the first free port of the settings; while all are in use, log it once and try again. Never raises."""
        self._listener.listen()

    def endpoint(self) -> str:
        """Return the address of the page: of a sample, while one is served; otherwise of the running application."""
        served = self._listener.url if self._published is not None else None
        return served or str(self.settings.page_address().endpoint)

    @classmethod
    def check_settings(cls, settings: Any) -> None:
        """Check that the TLS files can be used. Raise `SettingsError`."""
        if settings.tls_cert_file:
            ServerTls(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)
        if settings.ca_file or settings.client_cert_file:
            ssl_context(tls_options(settings))

    # ---- a scrape ----------------------------------------------------------------------------------------------------

    @property
    @final
    def ledger(self) -> Receipt:
        """What became of every point of every scrape: delivered, if the scraper took the whole page."""
        return self.scrapes.ledger

    def _authorization(self) -> str | None:
        """Return the header that a scraper must send, with the password that its file contains now."""
        self.redact.add([secret for secret in self.settings.secrets() if secret.renew()])
        return self.settings.authorization()

    def _answer(self, headers: Message) -> PageReply:
        try:
            prepared = self._published or self._collections.latest(_seconds(headers))
        except TimeoutError:
            self.log.warning("page.slow-collection: a collection takes longer than the scraper waits")
            return _sentence(503, "the collection takes longer than this scraper waits")
        except Exception as failure:
            self.log.error("page.collection-failed: %s: this scrape got no page", type(failure).__name__)  # noqa: TRY400 # no traceback: it may quote data
            return _sentence(500, "the metrics could not be collected: see the log of the application")
        accept = headers.get("accept")
        withheld: list[Withheld] = []
        content_type, parts = self.page(prepared.groups, accept)
        return PageReply(
            content_type,
            _chunks(parts, withheld),
            sent=lambda: self.scrapes.add(receipt_of(prepared, withheld), accept),
        )

    def _collected(self) -> Prepared:
        self._received = None
        self.collect(timeout_millis=_PATIENCE * 1000)
        received, self._received = self._received, None
        return self.prepare(received if received is not None else MetricsData([]))

    # ---- a sample, for commands --------------------------------------------------------------------------------------

    def sending_steps(self, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
        """Return no steps: a sample needs no running application."""
        return {}

    @final
    def prepare(self, data: MetricsData, *, ask_within: float | None = None) -> Prepared:
        """Return a collection ready for the page: redacted and checked."""
        return Prepared.of(self._possible(data), count_points(data))

    @final
    def deliver(self, data: MetricsData | Prepared, *, seconds: float = 30.0, **_callbacks: Any) -> Receipt:
        """Serve a collection on the sample's port until `shutdown`; it is delivered when a scraper has taken the whole page.

        Without a known scraper, nothing is waited for and every point is unconfirmed. What a push does with refused points is ignored.
        """
        prepared = data if isinstance(data, Prepared) else self.prepare(data)
        closed = self._closed_because()
        if closed is not None:
            return undelivered(receipt_of(prepared, ()), Fate.DROPPED, *closed)
        began = self.clock.monotonic()
        scraper = self.scraper()
        ports = (self.settings.sample_port or (self.settings.port if scraper else 0),)
        self.scrapes.restart()
        self._published = prepared
        failure = self._listener.listen_on(ports) if self._listener.port is None else None
        if failure is not None:
            code, why, _ = explained(failure, self.settings.host, ports)
            return undelivered(receipt_of(prepared, ()), Fate.DROPPED, code, why)
        if not scraper:
            _, parts = self.page(prepared.groups, self.scrapes.accepted)
            receipt = receipt_of(prepared, [part for part in parts if isinstance(part, Withheld)])
            why = f"{self.endpoint()} has the points, but no scraper is known that reads it"
            return undelivered(receipt, Fate.UNCONFIRMED, "page.no-scraper", why)
        trouble = self._wait_for_a_scrape(began + seconds)
        if self.scrapes.first is None:
            why = f"{scraper} did not read {self.endpoint()} within {seconds:g} s"
            why = f"{why}: {trouble.message}" if trouble else why
            return undelivered(receipt_of(prepared, ()), Fate.DROPPED, "page.not-scraped", why)
        return replace(self.scrapes.first, attempts=1, seconds=self.clock.monotonic() - began)

    def _wait_for_a_scrape(self, until: float) -> Unreadable | None:
        trouble = None
        while not self.scrapes.taken.is_set() and (left := until - self.clock.monotonic()) > 0:
            with contextlib.suppress(WireError), reading():  # it may be busy: the time limit decides
                trouble = self.scrape_failure(left)
            self.clock.wait(min(_POLL, left), self.scrapes.taken)
        return trouble

    # ---- life cycle --------------------------------------------------------------------------------------------------

    def _after_fork(self) -> None:
        """Give a forked child a page of its own: its metrics are not the parent's."""
        served = self._collect is not None and self._closed_because() is None
        self._listener.forget()
        super()._after_fork()
        if served:
            threading.Thread(target=self.listen, name="magictel-page-fork", daemon=True).start()


def _chunks(parts: Iterator[bytes | Withheld], withheld: list[Withheld]) -> Iterator[bytes]:
    """Yield the chunks, and collect the points left out."""
    for part in parts:
        if isinstance(part, Withheld):
            withheld.append(part)
        else:
            yield part


def _sentence(status: int, sentence: str) -> PageReply:
    return PageReply("text/plain; charset=utf-8", iter((f"{sentence}\n".encode(),)), status)


def _seconds(headers: Message) -> float:
    """Return how long the scraper waits, less a margin for the reply."""
    try:
        given = float(headers.get("x-prometheus-scrape-timeout-seconds", ""))
    except ValueError:
        return _PATIENCE
    return min(_PATIENCE, max(0.1, given - _MARGIN)) if given == given else _PATIENCE
