"""Probes of a page: is it a page, does it parse, and does the Prometheus scrape it? They read only."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from magictel.errors import SettingsError, WireError
from magictel.exporters.prometheus.errors import scrape_error
from magictel.exporters.prometheus.settings import PrometheusSettings
from magictel.exporters.prometheus.targets import failure_of, latest, target_of
from magictel.http.messages import reading
from magictel.http.wire import Wire
from magictel.ladder.credentials import REFUSED, accepted
from magictel.ladder.http import explain_wire_error, not_a_backend
from magictel.ladder.probe import ProbeInfo, probe, probes_of
from magictel.ladder.steps import network_steps
from magictel.model.finding import Finding, Rung
from magictel.model.verification import Unreadable
from magictel.net.address import parse_endpoint
from magictel.net.endpoint import Endpoint
from magictel.net.tls import TlsOptions, ssl_context, tls_options
from magictel.plugin.page_exporter import PageExporter
from magictel.sources.errors import SourceError
from magictel.sources.prometheus_pages import ACCEPT, OPENMETRICS
from magictel.sources.recording import Recordings
from magictel.transports.http import HttpTransport

_SCRAPED, _KEPT = "scrape_samples_scraped", "scrape_samples_post_metric_relabeling"
"""What Prometheus stores for each scrape: the samples of the page, and those that its rules keep."""
_PATH = "correct url, host, port and path: the page is where the application serves it"
_COLLECTION = "see the log of the application"
_LOGIN = "set username and password to those of the page"
_UNPARSABLE = "fix the program that serves the page; a page of magictel with this error is a bug: please report it"
_EMPTY = "use the application once, and check that it measures with the MeterProvider of magictel.runtime"
_NOT_YET = "magictel check TARGET --wait 60s"
_OLD = "see whether this Prometheus is overloaded, or its clock wrong: magictel check TARGET --wait 60s"
_RELABELLED = "see metric_relabel_configs of the scrape job"
_NOT_SERVED = "start the application with this exporter; in a container or on another machine set url to its address"
_ANY_PORT = "set url to the address of the page, which the application logs when it begins to listen"
_CA_FILE = "set prometheus_ca_file to a readable PEM file"
_DELAY = 3.0
"""Scrapes of a target that may be missing before its latest one counts as old."""


class PrometheusProbes(PageExporter[PrometheusSettings]):
    """The probes, and the wires to the page and to the Prometheus."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the address of the running page."""
        return (self.settings.page_address().endpoint,)

    def tls_options(self) -> TlsOptions:
        """Return the TLS options of a client of the page."""
        return tls_options(self.settings)

    def steps(self, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
        """Return the steps to the running page, never to one of our own, and to the Prometheus."""
        network = network_steps(self, timeout)
        wire = self.page_wire(str(self.endpoints()[0]), timeout)
        steps = {**network, Rung.TCP: lambda: self._connect(network[Rung.TCP])}
        return steps | {known.rung: self._step(known, wire, timeout) for known in probes_of(type(self))}

    def _connect(self, connect: Callable[[], Finding]) -> Finding:
        """Return the tcp rung's finding; nothing that listens means that no application serves the page."""
        if not self.settings.port and not self.settings.url:
            message = "the port of the page is not known: port 0 is any free one"
            return Finding.failed(Rung.TCP, "prom.page.not-served", message, _ANY_PORT)
        finding, page = connect(), self.endpoints()[0]
        if finding.code != "net.tcp.refused":
            return finding
        message = f"no application serves this page now: nothing is listening on {page.host}:{page.port}"
        return replace(finding, code="prom.page.not-served", message=message, remedy=_NOT_SERVED)

    def _step(self, of: ProbeInfo, wire: Wire, timeout: float) -> Callable[[], Finding]:
        def step() -> Finding:
            asked = wire if of.rung is not Rung.WRITE else self.prometheus_wire(timeout)
            if asked is None:
                return Finding.skipped(of.rung, "skipped (set prometheus_url to ask whether it scrapes this page)")
            asked.until = min(time.monotonic() + timeout, self.climb_until or float("inf"))
            try:
                return of.climb(self, asked)
            except WireError as failure:
                finding = explain_wire_error(failure, asked, of.rung)
                return finding if asked is wire else replace(finding, message=f"prometheus_url: {finding.message}")

        return step

    def page_wire(self, url: str, timeout: float | None = None) -> Wire:
        """Return a wire to a page, which asks for it as `record` does."""
        settings = self.settings
        login = settings.client_authorization()
        transport = HttpTransport(
            self.tls_options(), connect_timeout=settings.connect_timeout, proxy="", redact=self.redact
        )
        headers = {"Accept": ACCEPT, "Accept-Encoding": "gzip", **({"Authorization": login} if login else {})}
        endpoint = parse_endpoint(url).endpoint
        return Wire(transport, endpoint, headers, redact=self.redact, timeout=timeout or settings.timeout)

    def prometheus_wire(self, timeout: float | None = None) -> Wire | None:
        """Return a wire to the Prometheus, or None where no option names it. Raise `SettingsError` for an unusable file of CAs."""
        settings = self.settings
        address = settings.prometheus_address()
        if address is None:
            return None
        tls = TlsOptions(ca_file=settings.prometheus_ca_file)
        if tls.ca_file:
            try:
                ssl_context(tls)
            except SettingsError as failure:
                raise SettingsError(failure.code, f"prometheus_{failure.message}", _CA_FILE) from None
        transport = HttpTransport(tls, connect_timeout=settings.connect_timeout, redact=self.redact)
        headers = settings.prometheus_headers()
        return Wire(transport, address.endpoint, headers, redact=self.redact, timeout=timeout or settings.timeout)

    # ---- the running page ----------------------------------------------------------------------------------------------

    @probe(Rung.HTTP, "the address has a page of metrics")
    def is_a_page(self, wire: Wire) -> Finding:
        """Read the page: distinguish another service, another path and a proxy."""
        reply = wire.get_once("")
        if reply.status in REFUSED:
            return Finding.passed(Rung.HTTP, f"answers {reply.status}: it asks for credentials", status=reply.status)
        other = not_a_backend(reply, wire)
        if other is not None:
            return other
        evidence = {"status": reply.status, "content_type": reply.content_type, "first_bytes": wire.first_bytes(reply)}
        if reply.status == 404:
            message = f"no page at {wire.endpoint.path or '/'}: {wire.endpoint.origin} answers 404"
            return Finding.failed(Rung.HTTP, "prom.page.path", message, _PATH, **evidence)
        if not reply.ok:
            message = f"the page answers {reply.status}: {wire.first_bytes(reply)[:200]}"
            return Finding.failed(Rung.HTTP, "prom.page.application-error", message, _COLLECTION, **evidence)
        if reply.content_type not in OPENMETRICS:
            what = reply.content_type or "missing"
            message = f"{wire.endpoint} is not a page of metrics: its Content-Type is {what}"
            return Finding.failed(Rung.HTTP, "http.not-a-backend", message, _PATH, **evidence)
        return Finding.passed(Rung.HTTP, f"a page of metrics ({reply.content_type})", **evidence)

    @probe(Rung.AUTH, "the page accepts the credentials")
    def credentials(self, wire: Wire) -> Finding:
        """Check whether the page can be read with the credentials of the settings, and without them."""
        reply = wire.get_once("")
        given = self.settings.client_authorization() is not None
        if reply.status not in REFUSED:
            return accepted(wire, "", given)
        code = "http.unauthorized" if reply.status == 401 else "http.forbidden"
        what = "the page refuses the credentials" if given else "the page needs credentials"
        return Finding.failed(Rung.AUTH, code, f"{what} ({reply.status})", _LOGIN, status=reply.status)

    @probe(Rung.HEALTH, "every line of the page can be parsed")
    def parses(self, wire: Wire) -> Finding:
        """Parse the page as Prometheus does, which stores nothing of a page with an invalid line."""
        reply = wire.get_once("")
        recordings = Recordings((str(wire.endpoint),), skip_broken=True, time=int(self.clock.now() * 1e9))
        points, names = 0, set()
        problems = recordings.skips.examples
        try:
            for batch in recordings.page(str(wire.endpoint), reply.body, OPENMETRICS.get(reply.content_type)):
                for part in batch:
                    points += len(part.points)
                    names.add(part.head.name)
        except SourceError as failure:  # a line that is too long
            problems.insert(0, failure.message)
        evidence = {"points": points, "metrics": len(names), "bytes": len(reply.body), "seconds": reply.seconds}
        if problems:
            message = f"Prometheus cannot parse the page: {self.redact(str(problems[0]))[:300]}"
            return Finding.failed(Rung.HEALTH, "prom.page.unparsable", message, _UNPARSABLE, **evidence)
        if not points:
            return Finding.warned(Rung.HEALTH, "prom.page.empty", "the page has no metric yet", _EMPTY, **evidence)
        shown = f"{_number(points, 'point')} of {_number(len(names), 'metric')}"
        took = f"{len(reply.body) / 1000:.1f} kB in {reply.seconds * 1000:.0f} ms"
        return Finding.passed(Rung.HEALTH, f"{shown}, {took}", **evidence)

    # ---- the Prometheus ------------------------------------------------------------------------------------------------

    @probe(Rung.WRITE, "the Prometheus at prometheus_url scrapes the page")
    def is_scraped(self, wire: Wire) -> Finding:
        """Ask the Prometheus for its target, and how many samples it stores of it."""
        page = self.endpoints()[0]
        target = target_of(wire, page)
        if isinstance(target, Finding):
            return target
        evidence: dict[str, Any] = {"target": target.url, "labels": dict(target.labels), "health": target.health}
        if target.error or target.health == "down":
            return scrape_error(target.error, target.url).finding(Rung.WRITE, error=target.error, **evidence)
        every = f" every {target.interval:g} s" if target.interval else ""
        if target.scraped is None:
            message = f"{wire.endpoint} knows {target.shown} and has not scraped it yet"
            return Finding.warned(Rung.WRITE, "prom.page.not-yet-scraped", message, _NOT_YET, **evidence)
        ago = max(0.0, self.clock.now() - target.scraped)
        message = f"{wire.endpoint} scrapes {target.shown}{every}: up, last {ago:.0f} s ago"
        if target.interval and ago > _DELAY * target.interval + 5:
            return Finding.warned(Rung.WRITE, "prom.page.old", f"{message}, too long ago", _OLD, **evidence)
        samples, kept = (latest(wire, name, target, self.clock.now()) for name in (_SCRAPED, _KEPT))
        if samples is None or kept is None:
            return Finding.passed(Rung.WRITE, message, **evidence)
        evidence |= {"samples": samples, "kept": kept}
        if kept < samples:
            lost = f"{message}; {samples - kept:g} of {samples:g} samples are dropped by metric_relabel_configs"
            return Finding.warned(Rung.WRITE, "prom.page.relabelled", lost, _RELABELLED, **evidence)
        return Finding.passed(Rung.WRITE, f"{message}, {samples:g} samples", **evidence)

    # ---- the page of a sample ------------------------------------------------------------------------------------------

    def scrapes_the_sample(self, timeout: float) -> Finding:
        """Return the http rung of a send: the Prometheus has a target for the sample's page, and scrapes often enough."""
        wire = self.prometheus_wire(timeout)
        assert wire is not None
        page = self.sample_page()
        try:
            with reading():
                target = target_of(wire, page)
        except WireError as failure:
            finding = explain_wire_error(failure, wire)
            return replace(finding, message=f"prometheus_url: {finding.message}")
        if isinstance(target, Finding):
            return replace(target, rung=Rung.HTTP)
        left = float("inf") if self.climb_until is None else self.climb_until - time.monotonic()
        if target.interval is not None and target.interval > left:
            message = (
                f"{wire.endpoint} scrapes {target.shown} every {target.interval:g} s, longer than the {left:.0f} s left"
            )
            remedy = f"magictel send-sample {self.target} --deadline {math.ceil(1.5 * target.interval)}s"
            return Finding.failed(Rung.HTTP, "prom.page.interval", message, remedy, target=target.url)
        return Finding.passed(Rung.HTTP, f"{wire.endpoint} scrapes {target.shown}", target=target.url)

    def sample_page(self) -> Endpoint:
        """Return the address of the page that is served for a sample."""
        settings = self.settings
        return parse_endpoint(settings.served_at(settings.sample_port or settings.port or 80)).endpoint

    def scrape_failure(self, timeout: float) -> Unreadable | None:
        """Return the latest error of the target that is the sample's page, if it has one. Raise `WireError`."""
        wire = self.prometheus_wire(min(timeout, self.settings.timeout))
        return None if wire is None else failure_of(wire, self.sample_page())


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
