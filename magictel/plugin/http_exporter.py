"""Exporters over HTTP: requests, attempts with fail-over and renewed credentials, and the verdicts on replies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

import msgspec
from opentelemetry.sdk.metrics.export import MetricsData

from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route
from magictel.encoding.prepared import Prepared
from magictel.errors import WireError
from magictel.http.classify import judge_status
from magictel.http.error_rules import Rule
from magictel.http.messages import MISREAD, malformed
from magictel.http.wire import Reply, Request, Wire
from magictel.ladder.credentials import SentCredentials, sent_credentials
from magictel.ladder.steps import http_steps
from magictel.model.finding import Finding, Rung
from magictel.model.outcome import Delivered, Outcome, Partial, Rejected, Throttled, TooLarge, Unavailable
from magictel.model.verification import Unreadable
from magictel.net.endpoint import Endpoint
from magictel.plugin.http_connection import HttpConnection
from magictel.plugin.http_interface import S
from magictel.plugin.interface import ReadBack
from magictel.plugin.sent_bodies import SentBodies, SentBody

H = TypeVar("H", bound="HttpExporter[Any]")
_REFUSED = (401, 403)
_MOST_BODIES = 16


class HttpReadBack(ReadBack[H]):
    """A read-back over HTTP. `wire()` returns a wire to the endpoint that delivery uses, with the exporter's credentials."""

    errors: ClassVar[tuple[Rule, ...]] = ()
    """What error replies to queries mean, for diagnose; the last rule has no condition. Without rules, it asks `run_size`."""

    def __init__(self, exporter: H) -> None:
        super().__init__(exporter)
        self.wire: Callable[[], Wire] = exporter.wire

    def visible_delay(self) -> float | Unreadable:
        """Seconds after acceptance until the backend shows a point, by its own settings."""
        return 1.0


class HttpExporter(HttpConnection[S]):
    """An exporter whose payloads are request bodies. The author adds `judge`, probes and a read-back."""

    ReadBack = HttpReadBack

    def __init__(self, settings: S | None = None, **options: Any) -> None:
        """As `HttpConnection`."""
        self._bodies = SentBodies(_MOST_BODIES)
        self._locked_out = False
        super().__init__(settings, **options)

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
        super().close()

    def after_fork(self) -> None:
        """Drop cached bodies, whose lock a thread of the parent may hold; the transport resets its own connections."""
        self._bodies = SentBodies(_MOST_BODIES)

    def sent_credentials(self) -> SentCredentials:
        """Return the credentials that are sent, with the remedy for a 401."""
        return sent_credentials(self.settings, self.origins)
