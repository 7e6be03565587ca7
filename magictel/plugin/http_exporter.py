"""Exporters over HTTP: endpoints, credentials, compression, fail-over, and the connection of probes and read-backs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

import msgspec
from opentelemetry.sdk.metrics.export import MetricsData

from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route
from magictel.encoding.prepared import Prepared
from magictel.errors import SettingsError, WireError
from magictel.http.classify import judge_status
from magictel.http.error_rules import Rule, match, read_error
from magictel.http.messages import MISREAD, malformed
from magictel.http.wire import Reply, Request, Transport, Wire
from magictel.ladder.credentials import SentCredentials, sent_credentials
from magictel.ladder.steps import http_steps
from magictel.model.finding import Finding, Rung
from magictel.model.outcome import Delivered, Outcome, Partial, Rejected, Throttled, TooLarge, Unavailable
from magictel.model.verification import Unreadable
from magictel.net.endpoint import Endpoint
from magictel.net.proxy import proxy_for
from magictel.net.tls import TlsOptions, file_stamps, ssl_context
from magictel.plugin.exporter import Exporter
from magictel.plugin.interface import ReadBack
from magictel.plugin.log_replies import reply_in
from magictel.plugin.sent_bodies import SentBodies, SentBody
from magictel.settings.model import HttpSettings
from magictel.transports.compression import gzip
from magictel.transports.http import HttpTransport, import_all

__all__ = ["HttpExporter", "HttpReadBack", "Preparation", "judge_status"]

S = TypeVar("S", bound=HttpSettings)
H = TypeVar("H", bound="HttpExporter[Any]")
_REFUSED = (401, 403)
_MOST_BODIES = 16


class Preparation(msgspec.Struct, frozen=True):
    """One request that prepares a backend before data arrives, and a sentence that explains it.

    `by_hand`: shown and never sent, because it moves or deletes stored data.
    """

    purpose: str
    method: str
    path: str
    body: Mapping[str, Any]
    by_hand: bool = False


class HttpReadBack(ReadBack[H]):
    """A read-back over HTTP. `wire()` returns a wire to the endpoint that delivery uses, with the exporter's credentials."""

    def __init__(self, exporter: H) -> None:
        super().__init__(exporter)
        self.wire: Callable[[], Wire] = exporter.wire

    def visible_delay(self) -> float | Unreadable:
        """Seconds after acceptance until the backend shows a point, by its own settings."""
        return 1.0


class HttpExporter(Exporter[S]):
    """An exporter whose payloads are request bodies. The author adds `judge`, probes and a read-back."""

    ReadBack = HttpReadBack

    method: ClassVar[str] = "POST"
    content_type: ClassVar[str] = "application/json"
    errors: ClassVar[tuple[Rule, ...]] = ()
    """What the backend's error replies mean: the first matching rule counts for delivery, ladder and `diagnose`; other replies go by
    status, headers and responder."""
    rights_codes: ClassVar[tuple[str, ...]] = ()
    """Prefixes of codes for missing credentials or permissions: such items wait, as all do after a 401."""
    renewed_by_files: ClassVar[tuple[str, ...]] = ("tls.",)
    """Prefixes of the codes of failures that other TLS files may fix: they are read again."""
    products: ClassVar[tuple[str, ...]] = ()
    """The backend's names in `magictel.http.products`: a server that names another product fails at rung http."""

    def __init__(
        self, settings: S | None = None, *, transport: Transport | None = None, prepare: bool = True, **options: Any
    ) -> None:
        """Create the exporter. `prepare`: import and create now what a send needs, not in the first one."""
        self._given = transport
        self._transports: dict[str, Transport] = {}
        self._first = 0
        self._endpoints: tuple[Endpoint, ...] | None = None
        self._bodies = SentBodies(_MOST_BODIES)
        self._locked_out = False
        super().__init__(settings, **options)
        self._tls_files = file_stamps(self.tls_options())
        if prepare and transport is None and self.unusable is None:
            self._prepare()

    # ---- the author's half -------------------------------------------------------------------------------------------

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The backend's addresses, in the order they are tried (delivery fails over on connect errors only); default: `url`.

        Empty if the settings cannot be used.
        """
        if self._endpoints is None:
            addresses = () if self.unusable is not None else self.settings.addresses()
            self._endpoints = tuple(address.endpoint for address in addresses)
        return self._endpoints

    def headers(self) -> Mapping[str, str]:
        """Headers of every request, credentials included; default: from the settings."""
        return self.settings.request_headers()

    def form(self) -> str:
        """The protocol variant that the next attempt uses, if there are several; stored in `payload.form`."""
        return ""

    def form_headers(self, form: str) -> Mapping[str, str]:
        """Headers that depend on the protocol variant of the payload; they override the content type."""
        return {}

    def authorize(self, request: Request) -> Request:
        """Sign a complete request, body included; default: unchanged."""
        return request

    def compress(self, body: bytes) -> tuple[bytes, Mapping[str, str]]:
        """The compressed body, and the headers that declare it."""
        if self.settings.compression == "gzip":
            return gzip(body), {"Content-Encoding": "gzip"}
        return body, {}

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        """Turn a reply into an outcome. The default reads `errors`, then status and headers; override it for verdicts per item."""
        known = None if reply.ok or reply.looks_like_html else match(read_error(reply), self.errors)
        if known is not None:
            return known.outcome(reply, self.clock.now(), " ".join(reply.text[:200].split()))
        return judge_status(reply, self.clock.now(), self.products)

    def parse_log(self, text: str, status: int | None) -> Reply | None:
        """The backend's reply quoted in a line of a log, for `diagnose`; None: the line quotes none.

        Default: the first JSON value in the line that `judge` knows.
        """
        return reply_in(self.verdict, text, status)

    def unverified_code(self, reply: Reply) -> str | None:
        """The code for what a 2xx does not prove (stored? visible?), for `diagnose`; None: it proves all."""
        return None

    def preparations(self, wire: Wire) -> Sequence[Preparation] | Unreadable:
        """What to create in the backend before data arrives; empty: nothing."""
        return ()

    def window(self) -> tuple[float, float]:
        """Seconds before and after the backend's clock within which timestamps are accepted; infinite: no known limit."""
        return float("inf"), 600.0

    # ---- inherited ---------------------------------------------------------------------------------------------------

    def secrets(self) -> Iterator[str]:
        """Return all secrets, with those of a proxy from the environment."""
        yield from super().secrets()
        settings = self.settings
        with contextlib.suppress(SettingsError):  # an address or proxy that does not parse is not used either
            for endpoint in self.endpoints():
                proxy = proxy_for(endpoint, settings.proxy, trust_env=settings.trust_env, environment=os.environ)  # noqa: TID251
                yield from proxy.secrets if proxy is not None else ()

    def endpoint(self) -> str:
        """Return the endpoints for display, without credentials."""
        return ", ".join(map(str, self.endpoints()))

    def tls_options(self) -> TlsOptions:
        """The TLS settings, for the transport and the ladder."""
        return _tls_options(self.settings)

    @classmethod
    def check_settings(cls, settings: Any) -> None:
        """Check that the TLS files exist and can be used; an exporter may add checks. Raise `SettingsError`."""
        if settings.ca_file or settings.client_cert_file or settings.client_key_file:
            ssl_context(_tls_options(settings))

    @property
    def transport(self) -> Transport:
        """The pooled transport, created at first use."""
        if self._given is not None:
            return self._given
        transport = self._transports.get("http")
        if transport is None:
            created = self.create_transport()
            # atomic: threads that come together get the same one
            transport = self._transports.setdefault("http", created)
        return transport

    def create_transport(self) -> Transport:
        """Return a new transport, with the TLS files of now; default: HTTP/1.1 over pooled connections."""
        return HttpTransport(
            self.tls_options(),
            connect_timeout=self.settings.connect_timeout,
            proxy=self.settings.proxy,
            trust_env=self.settings.trust_env,
            redact=self.redact,
            observer=self.observers,
        )

    def wire(
        self,
        endpoint: Endpoint | None = None,
        timeout: float | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Wire:
        """Return a wire to one endpoint for probes and read-backs (default: the endpoint that delivery uses now).

        `headers`: sent in place of the exporter's own headers and signature, for an API with a key of its own, which must not get those
        of delivery.
        """
        return Wire(
            self.transport,
            endpoint or self.endpoints()[self._first % len(self.endpoints())],
            self._all_headers() if headers is None else {**_user_agent(), **headers},
            redact=self.redact,
            timeout=timeout or self.settings.timeout,
            authorize=self.authorize if headers is None else None,
        )

    def request(self, endpoint: Endpoint, payload: Payload) -> Request:
        """Return the request that carries a payload to an endpoint."""
        sent = self._bodies.of(payload, self._sent_body)
        route = self._route(payload)
        content_type = route.content_type or self.content_type
        variant = self.form_headers(payload.form)
        headers = {"Content-Type": content_type, **variant, **self._all_headers(), **sent.headers}
        return self.authorize(Request(self.method, endpoint.url(route.path), headers, sent.body))

    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        """Send once, to the endpoint that replied last; fail over on connect errors.

        Rejected credentials are read again and, if they have changed, sent once more. `timeout` bounds what the backend takes,
        not our own work: on a slow CPU that alone may take longer.
        """
        payload = self._formed(payload)
        if self._locked_out:
            self.renew()
        attempted = self._attempt_once(payload, timeout)
        self._locked_out = self._may_be_renewed(attempted)
        if self._locked_out and self.renew():
            before = attempted
            waited = before.waited or 0.0
            attempted = self._attempt_once(payload, timeout - waited)
            self._locked_out = self._may_be_renewed(attempted)
            waited += attempted.waited or 0.0
            attempted = msgspec.structs.replace(attempted, bytes=before.bytes + attempted.bytes, waited=waited)
        if not isinstance(attempted.outcome, Throttled | Unavailable):
            self._bodies.forget(payload)
        return attempted

    def renew(self) -> bool:
        """Reload the secret and TLS files for later sends; return True if one of them has changed."""
        renewed = [secret for secret in self.settings.secrets() if secret.renew()]
        self.redact.add(renewed)
        files = file_stamps(self.tls_options())
        changed, self._tls_files = files != self._tls_files, files
        if changed:
            # Not closed: other threads may be sending on it. Its connections are closed when the last of them lets it go.
            self._transports.pop("http", None)
        return bool(renewed) or changed

    def _may_be_renewed(self, attempted: Attempted) -> bool:
        """Return whether other credentials or certificates may fix this failure."""
        code = getattr(attempted.outcome, "code", "")
        return attempted.status in _REFUSED or (attempted.status is None and code.startswith(self.renewed_by_files))

    def _sent_body(self, payload: Payload) -> SentBody:
        framed = self.encoder.frame(payload)
        with self.observers.step("compress"):
            return SentBody(*self.compress(framed))

    def _attempt_once(self, payload: Payload, timeout: float) -> Attempted:
        endpoints = self.endpoints()
        travelled = 0
        waited = 0.0
        failure: WireError | None = None
        first = self._first
        most = self._route(payload).max_sent_bytes
        for offset in range(len(endpoints)):
            number = (first + offset) % len(endpoints)
            request = self.request(endpoints[number], payload)
            if most is not None and len(request.body) > most:
                why = f"{len(request.body)} bytes after compression, over this route's limit of {most}"
                return Attempted(TooLarge("http.too-large", why), travelled, None, waited)
            left = timeout - waited
            if left <= 0 and failure is not None:
                break
            transport = self.transport
            self.observers.requested()
            began = self.clock.monotonic()
            try:
                reply = transport.send(request, max(0.001, left))
            except WireError as error:
                waited += self.clock.monotonic() - began
                failure = error.with_traceback(None)  # its frames would keep a transport that was renewed
                if error.maybe_delivered or error.phase in ("write", "read"):
                    travelled += len(request.body)
                    break
                self._first = (number + 1) % len(endpoints)  # the next attempt may have no time for this one again
                continue
            waited += self.clock.monotonic() - began
            self._first = number
            reply = replace(reply, request=request)
            outcome = self._kept_waiting(self.verdict(payload, reply), reply)
            return Attempted(outcome, travelled + len(request.body), reply.status, waited)
        assert failure is not None
        return Attempted(self.classify_wire_error(failure), travelled, None, waited)

    def verdict(self, payload: Payload, reply: Reply) -> Outcome:
        """Run `judge` on the masked reply; if it raises, the outcome is a reply without a verdict."""
        reply = reply.masked(self.redact)
        try:
            return self.judge(payload, reply)
        except MISREAD as failure:
            if not reply.ok and not isinstance(general := judge_status(reply, self.clock.now()), Delivered | Partial):
                return general
            return self.classify_wire_error(malformed(f"{self.method} {self.route().path or '/'}", failure))

    def _kept_waiting(self, outcome: Outcome, reply: Reply) -> Outcome:
        """Keep points that the backend refuses for their credentials: an operator can fix those."""
        if isinstance(outcome, Rejected) and reply.status in _REFUSED:
            return Unavailable(outcome.code, outcome.message, needs_operator=True)
        if not isinstance(outcome, Partial) or not self.rights_codes:
            return outcome
        denied = {at: why for at, why in outcome.rejected.items() if why.code.startswith(self.rights_codes)}
        if not denied:
            return outcome
        rejected = {at: why for at, why in outcome.rejected.items() if at not in denied}
        alone = outcome.needs_operator or not outcome.retry
        return msgspec.structs.replace(
            outcome, rejected=rejected, retry={**outcome.retry, **denied}, needs_operator=alone
        )

    def classify_wire_error(self, failure: WireError) -> Outcome:
        """Return the verdict on a request without a complete reply: the items may have arrived or not."""
        return Unavailable(failure.code, failure.message, maybe_stored=failure.maybe_delivered)

    def requests(self, data: Prepared | MetricsData) -> Iterator[tuple[Request, bytes]]:
        """Yield the requests for a collection, with each body uncompressed, and send nothing."""
        for part in self.payloads(data):
            if isinstance(part, Payload):
                yield self.as_request(part)

    def as_request(self, payload: Payload) -> tuple[Request, bytes]:
        """Return the request that carries a payload, and its uncompressed body."""
        payload = self._formed(payload)
        return self.request(self.endpoints()[0], payload), self.encoder.frame(payload)

    def _route(self, payload: Payload) -> Route:
        return next(route for route in self.routes() if route.name == payload.route)

    def _formed(self, payload: Payload) -> Payload:
        form = self.form()
        return payload if form == payload.form else replace(payload, form=form)

    def steps(self, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
        """The rungs from dns to write, over every endpoint."""
        return http_steps(self, timeout)

    def close(self) -> None:
        """Close pooled connections; the next send opens new ones."""
        self._bodies.clear()
        for transport in (self._given, self._transports.pop("http", None)):
            if transport is not None:
                transport.close()

    def after_fork(self) -> None:
        """Drop cached bodies, whose lock a thread of the parent may hold; the transport resets its own connections."""
        self._bodies = SentBodies(_MOST_BODIES)

    def _prepare(self) -> None:
        """Import what a send needs and create what it reuses: the first send would spend its timeout on it, and a child forked
        meanwhile would inherit a locked import lock.
        """
        import_all()
        with contextlib.suppress(Exception):  # such as a TLS file that does not exist yet: the first send reports it
            transport = self.transport
            if isinstance(transport, HttpTransport):
                transport.prepare(endpoint.url("/") for endpoint in self.endpoints())

    def sent_credentials(self) -> SentCredentials:
        """Return the credentials that are sent, with the remedy for a 401."""
        return sent_credentials(self.settings, self.origins)

    def _all_headers(self) -> dict[str, str]:
        extra = {name: value.reveal() for name, value in self.settings.headers.items()}
        return {**_user_agent(), **self.headers(), **extra}


def _user_agent() -> dict[str, str]:
    from magictel import __version__

    return {"User-Agent": f"magictel/{__version__}"}


def _tls_options(settings: HttpSettings) -> TlsOptions:
    return TlsOptions(
        ca_file=settings.ca_file,
        ca_fingerprint=settings.ca_fingerprint,
        client_cert_file=settings.client_cert_file,
        client_key_file=settings.client_key_file,
        verify=settings.verify,
        server_name=settings.server_name,
    )
