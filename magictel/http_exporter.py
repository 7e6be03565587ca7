"""Exporters that speak HTTP: endpoints, credentials, compression, fail-over, and the wire of probes and read-backs."""

from __future__ import annotations

import contextlib
import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

from opentelemetry.sdk.metrics.export import MetricsData

from magictel.delivery.retry import Attempted
from magictel.errors import SettingsError, WireError
from magictel.exporter import Exporter
from magictel.finding import Finding, Rung
from magictel.front import Front, Kind, failure_within, front_of, own_words, words_of
from magictel.ladder.steps import http_steps
from magictel.outcome import Delivered, Outcome, Partial, Reason, Rejected, Throttled, TooLarge, Unavailable
from magictel.payload import Payload
from magictel.proxy import proxy_for
from magictel.settings.model import HttpSettings
from magictel.stopwatch import Stopwatch
from magictel.tls import TlsOptions, ssl_context
from magictel.transports.compression import gzip
from magictel.transports.http import HttpTransport
from magictel.verification import SampleQuery, Seen, Unreadable
from magictel.wire import Endpoint, Reply, Request, Transport, Wire

S = TypeVar("S", bound=HttpSettings)

_RETRIED = frozenset({408, 425})
_NEVER = frozenset({501, 505, 506, 508, 510, 511})
"""5xx that say what the server cannot do at all."""
_GATEWAY = frozenset({502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530, 561})
"""What a proxy, a load balancer or Cloudflare (52x, 530) says of the backend behind it."""
_UNKNOWN = frozenset({500, 502, 504, 520, 524, 598, 599})
_ABOUT_THE_REQUEST = frozenset({400, 401, 404, 405, 406, 407, 408, 410, 411, 413, 414, 415, 422, 425, 431})
_CODES = {
    401: "http.unauthorized",
    403: "http.forbidden",
    404: "http.not-found",
    405: "http.method",
    407: "http.proxy.auth",
    511: "http.not-a-backend",
}


@dataclass(frozen=True, slots=True)
class Preparation:
    """One request that prepares a backend before data comes, and the sentence that says what it is for."""

    purpose: str
    method: str
    path: str
    body: Mapping[str, Any]


class HttpExporter(Exporter[S]):
    """An exporter whose payloads are request bodies. The author adds `endpoints`, `headers`, `judge`, probes and `read_back`."""

    method: ClassVar[str] = "POST"
    content_type: ClassVar[str] = "application/json"

    def __init__(self, settings: S | None = None, *, transport: Transport | None = None, **options: Any) -> None:
        self._given = transport
        self._made: dict[str, Transport] = {}
        self._first = 0
        super().__init__(settings, **options)

    # ---- the author's half -------------------------------------------------------------------------------------------

    @abstractmethod
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The backend's addresses, in the order they are tried; delivery fails over on connect errors only."""

    def headers(self) -> Mapping[str, str]:
        """Credentials and what else every request carries."""
        return {}

    def authorize(self, request: Request) -> Request:
        """Sign a complete request (where the body is signed); default: as it is."""
        return request

    def compress(self, body: bytes) -> tuple[bytes, Mapping[str, str]]:
        """The body as it travels, and the headers that say so."""
        if self.settings.compression == "gzip":
            return gzip(body), {"Content-Encoding": "gzip"}
        return body, {}

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        """Read a reply, once, into an outcome. The default reads status and Retry-After; a backend with item verdicts overrides it."""
        return judge_status(reply, self.clock.now())

    def read_back(self, wire: Wire, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        """What the backend shows of a run's points, as its users see them. Raises `WireError`."""
        return Unreadable("verify.unsupported", f"{self.name} has no way to ask what the backend holds")

    def pasted(self, text: str, status: int | None) -> Reply | None:
        """The reply that a line of a log shows in this backend's own words, for `diagnose`; None: nothing in it is the backend's."""
        return None

    def unproven(self, reply: Reply) -> str | None:
        """The code of what a 2xx leaves open (stored? shown already?), for `diagnose`; None: it leaves nothing open."""
        return None

    def visible_after(self, wire: Wire) -> float | Unreadable:
        """How many seconds after acceptance the backend shows a point by its own settings."""
        return 1.0

    def count_run(self, wire: Wire, run_id: str) -> int | Unreadable:
        """How many items of a run the backend holds: said before `delete_run`."""
        return Unreadable("verify.no-clean", f"{self.name} cannot delete what it wrote")

    def delete_run(self, wire: Wire, run_id: str) -> int | Unreadable:
        """Delete exactly what a run wrote; how many items went."""
        return Unreadable("verify.no-clean", f"{self.name} cannot delete what it wrote")

    def preparations(self, wire: Wire) -> Sequence[Preparation] | Unreadable:
        """What the backend should have before data comes; empty: nothing."""
        return ()

    def window(self) -> tuple[float, float]:
        """Seconds into the past and the future of the backend's clock that a point's time may lie; infinite: no limit known."""
        return float("inf"), 600.0

    def seen(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        """What the backend shows of a run's points now."""
        return self.read_back(self.wire(), query)

    def visible_delay(self) -> float | Unreadable:
        """Seconds until the backend shows a point."""
        return self.visible_after(self.wire())

    def run_size(self, run_id: str) -> int | Unreadable:
        """How many items of a run the backend holds."""
        return self.count_run(self.wire(), run_id)

    def forget_run(self, run_id: str) -> int | Unreadable:
        """Delete exactly what a run wrote."""
        return self.delete_run(self.wire(), run_id)

    # ---- inherited ---------------------------------------------------------------------------------------------------

    def secrets(self) -> Iterator[str]:
        """Adds what a proxy of the environment is told."""
        yield from super().secrets()
        own = self.settings
        with contextlib.suppress(SettingsError):  # an address or proxy that does not parse is not used either
            for endpoint in self.endpoints():
                proxy = proxy_for(endpoint, own.proxy, trust_env=own.trust_env, environment=os.environ)  # noqa: TID251
                yield from proxy.secrets if proxy is not None else ()

    def endpoint(self) -> str:
        """The endpoints, for people: without credentials."""
        return ", ".join(map(str, self.endpoints()))

    def tls_options(self) -> TlsOptions:
        """How TLS is spoken, for transport and ladder alike."""
        return _tls_options(self.settings)

    @classmethod
    def check_settings(cls, settings: Any) -> None:
        """The files of TLS are there and can be used; an exporter adds its own to this. Raises `SettingsError`."""
        if settings.ca_file or settings.client_cert_file or settings.client_key_file:
            ssl_context(_tls_options(settings))

    @property
    def transport(self) -> Transport:
        """The pooled transport, made at first use."""
        if self._given is not None:
            return self._given
        transport = self._made.get("http")
        if transport is None:
            made = HttpTransport(
                self.tls_options(),
                connect_timeout=self.settings.connect_timeout,
                proxy=self.settings.proxy,
                trust_env=self.settings.trust_env,
                redact=self.redact,
            )
            transport = self._made.setdefault("http", made)  # atomic: threads that come together get the same one
        return transport

    def wire(self, endpoint: Endpoint | None = None, timeout: float | None = None) -> Wire:
        """A wire for probes and read-backs to one endpoint (default: the one delivery uses now)."""
        return Wire(
            self.transport,
            endpoint or self.endpoints()[self._first % len(self.endpoints())],
            self._all_headers(),
            redact=self.redact,
            timeout=timeout or self.settings.timeout,
            authorize=self.authorize,
        )

    def request(self, endpoint: Endpoint, payload: Payload) -> Request:
        """The request that carries a payload to an endpoint."""
        framed = self.frame(payload)
        if self.stopwatch is None:
            body, encoding = self.compress(framed)
        else:
            with self.stopwatch.lap("compress"):
                body, encoding = self.compress(framed)
        headers = {"Content-Type": self.content_type, **self._all_headers(), **encoding}
        return self.authorize(Request(self.method, endpoint.url(self.route().path), headers, body))

    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        """Send once: to the endpoint that answered last, failing over on errors before a connection stood."""
        deadline = self.clock.monotonic() + timeout
        endpoints = self.endpoints()
        travelled = 0
        failure: WireError | None = None
        first = self._first
        for offset in range(len(endpoints)):
            number = (first + offset) % len(endpoints)
            request = self.request(endpoints[number], payload)
            left = deadline - self.clock.monotonic()
            if left <= 0 and failure is not None:
                break
            try:
                reply = self.transport.send(request, max(0.001, left))
            except WireError as error:
                failure = error
                if error.maybe_delivered or error.phase in ("write", "read"):
                    travelled += len(request.body)
                    break
                self._first = (number + 1) % len(endpoints)  # the next attempt may have no time for this one again
                continue
            self._first = number
            return Attempted(self.judge(payload, reply), travelled + len(request.body))
        assert failure is not None
        return Attempted(self.unanswered(failure), travelled)

    def unanswered(self, failure: WireError) -> Outcome:
        """The verdict on a request without a complete reply: nobody answered, and the items may have arrived or not."""
        return Unavailable(failure.code, failure.message, unknown=failure.maybe_delivered)

    def requests(self, data: MetricsData, withheld: list[Reason] | None = None) -> Iterator[tuple[Request, bytes]]:
        """What the transport would get for a collection, with each body uncompressed: nothing is sent."""
        for payload in self.payloads(data, withheld):
            yield self.request(self.endpoints()[0], payload), self.frame(payload)

    def steps(self, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
        """The rungs from dns to write, over every endpoint."""
        return http_steps(self, timeout)

    def close(self) -> None:
        """Close pooled connections; the next send makes new ones."""
        for transport in (self._given, self._made.pop("http", None)):
            if transport is not None:
                transport.close()

    def time_with(self, watch: Stopwatch | None) -> None:
        """Adds what happens on the wire."""
        super().time_with(watch)
        transport = self.transport
        if isinstance(transport, HttpTransport):
            transport.stopwatch = watch

    def forked(self) -> None:
        """Nothing: the transport sees to its connections itself."""

    def _all_headers(self) -> dict[str, str]:
        from magictel import __version__

        extra = {name: value.reveal() for name, value in self.settings.headers.items()}
        return {"User-Agent": f"magictel/{__version__}", **self.headers(), **extra}


def judge_status(reply: Reply, now: float) -> Outcome:
    """A verdict from status, headers, content type and who answered, for replies without item verdicts.

    5xx are worth another try but those that say "never" (501, 505 and the like); 4xx are not, unless they name a time to wait.
    A 2xx delivers, unless it is a page, comes from a gRPC service, or reports a failure in its own JSON.
    """
    status = reply.status
    front = front_of(reply)
    said = words_of(reply)
    example = " ".join(reply.text[:200].split())
    lead = f"{status} from {front}" if front.named else str(status)
    told = f"{lead}: {said}" if said else f"{lead} without a word"
    if 200 <= status < 300:
        return _judge_success(reply, now, front, said, example)
    if 300 <= status < 400:
        where = reply.headers.get("location", "nowhere")
        page = " (a login page)" if front.kind is Kind.LOGIN else ""
        return Rejected(
            "http.redirect", f"{status}: redirected to {where}{page}; credentials do not follow", None, example
        )
    if not 200 <= status < 600:
        return Rejected("http.unknown-status", f"{told}: HTTP knows no such status", None, example)
    own = own_words(reply)
    if own is not None:
        return Rejected(own, told, None, example)
    after = _told_to_wait(reply, now)
    if status == 413:
        return TooLarge(
            "http.too-large", f"{lead}: the request body is over a limit of the backend or of a proxy before it"
        )
    waits = after is not None and 400 <= status < 500 and status not in _ABOUT_THE_REQUEST
    if status in (420, 429, 509) or waits:
        return Throttled("http.throttled", f"{lead}: asked to slow down{': ' + said if said else ''}", after)
    if status in _RETRIED or (status >= 500 and status not in _NEVER):
        # Behind these the backend may have stored everything and answered too late, or lost the answer.
        unknown = status in _UNKNOWN
        if status in _GATEWAY and front.named:
            return Unavailable("http.bad-gateway", f"{told} (not the backend itself)", after, unknown)
        return Unavailable("http.server-error" if status >= 500 else "http.timeout", told, after, unknown)
    return Rejected(_CODES.get(status, "http.refused"), told, None, example)


def _judge_success(reply: Reply, now: float, front: Front, said: str, example: str) -> Outcome:
    if reply.looks_like_html:
        what = "a login page" if front.kind is Kind.LOGIN else "a web page"
        return Rejected(
            "http.not-a-backend", f"{reply.status} with {what}: something else than the backend answered", None, example
        )
    if front.kind is Kind.GRPC:
        return Rejected(
            "http.grpc-port",
            f"{reply.status} from {front}: {said or 'it speaks gRPC'}; no plain HTTP is answered here",
            None,
            example,
        )
    within = failure_within(reply)
    if within is None:
        return Delivered()
    inner = judge_status(Reply(within, reply.headers, reply.body), now)
    assert not isinstance(inner, Delivered | Partial)
    return replace(inner, message=f"{reply.status}, and its body reports a failure: {inner.message}")


def _told_to_wait(reply: Reply, now: float) -> float | None:
    """Seconds from Retry-After, or from the headers of a rate limit: seconds left, or the Unix time (s or ms) of its end."""
    after = reply.retry_after(now)
    if after is not None or reply.status not in (420, 429, 503):
        return after
    for name in ("ratelimit-reset", "x-ratelimit-reset-after", "x-ratelimit-reset", "x-rate-limit-reset"):
        with contextlib.suppress(ValueError):
            number = float(reply.headers.get(name, ""))
            if number >= 0 and number < 1e14:
                seconds = number if number < 1e9 else (number / 1000 if number > 1e12 else number) - now
                return max(0.0, seconds)
    return None


def _tls_options(settings: HttpSettings) -> TlsOptions:
    return TlsOptions(
        ca_file=settings.ca_file,
        ca_fingerprint=settings.ca_fingerprint,
        client_cert_file=settings.client_cert_file,
        client_key_file=settings.client_key_file,
        verify=settings.verify,
        server_name=settings.server_name,
    )
