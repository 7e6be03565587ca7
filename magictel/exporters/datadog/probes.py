"""Probes of Datadog's API: the address, the API key, the application key. None of them writes."""

from __future__ import annotations

import contextlib
import re

from magictel.errors import WireError
from magictel.exporters.datadog.errors import NO_KEY, QUERY_RULES
from magictel.exporters.datadog.response import errors_of
from magictel.exporters.datadog.settings import SITES, DatadogSettings
from magictel.http.asking import ask
from magictel.http.wire import Reply, Wire
from magictel.ladder.http import unavailable
from magictel.ladder.probe import probe
from magictel.model.finding import Finding, Rung
from magictel.model.verification import Unreadable
from magictel.net.address import parse_endpoint
from magictel.net.endpoint import Endpoint
from magictel.plugin.http_exporter import HttpExporter

VALIDATE = "/api/v1/validate"
QUERY = "/api/v1/query"
_API_KEY = re.compile(r"[0-9a-f]{32}")
_APP_KEY = re.compile(r"[0-9a-f]{40}|ddapp_[0-9A-Za-z]{34}")
_API = "Datadog's API"


class DatadogProbes(HttpExporter[DatadogSettings]):
    """The probes; `DatadogExporter` adds the rest."""

    products = ("VictoriaMetrics",)

    @probe(Rung.HTTP, "this address is Datadog's API")
    def api(self, wire: Wire) -> Finding:
        """Ask whether a key is valid, without one: the API answers in JSON, its web pages do not."""
        reply = wire.request("GET", VALIDATE, credentials=False)
        seen = {"status": reply.status}
        if NO_KEY in errors_of(reply) or _validated(reply):
            return Finding.passed(Rung.HTTP, "Datadog's API answers", **seen)
        busy = unavailable(reply, wire, self.clock.now(), _API)
        if busy is not None:
            return busy
        if reply.status in (401, 403) and not reply.looks_like_html:
            return Finding.passed(Rung.HTTP, f"it answers {reply.status}: it asks for a key", **seen)
        host = wire.endpoint.host
        site = next((site for site in SITES if host == site or host.endswith("." + site)), None)
        if site is not None and host != f"api.{site}":
            message = f"{host} is Datadog's web application, not its API"
            return Finding.failed(Rung.HTTP, "dd.site.custom-domain", message, f"set site to {site} and no url", **seen)
        remedy = f"set DD_SITE to your site, such as {SITES[0]} or datadoghq.eu, and no url"
        message = f"{wire.endpoint} does not answer as Datadog's API does: {reply.status}"
        return Finding.failed(
            Rung.HTTP, "http.not-a-backend", message, remedy, first_bytes=wire.first_bytes(reply), **seen
        )

    @probe(Rung.AUTH, "the API key is valid")
    def api_key(self, wire: Wire) -> Finding:
        """Ask Datadog whether the key is valid."""
        reply = wire.get(VALIDATE)
        if _validated(reply):
            return Finding.passed(Rung.AUTH, "the API key is valid")
        if reply.status in (401, 403) and not reply.looks_like_html:
            message = f"{reply.status}: the API key is not valid at {wire.endpoint}{self._shape()}"
            remedy = "copy the API key (not the application key) of this site again: Organization Settings, API Keys"
            if not self.probe_other_sites:
                remedy += f"; to ask the other sites: magictel check {self.target} --probe-other-sites"
            else:
                site, answered = self._site_of_key(wire)
                if site is not None:
                    message = f"the API key is of {site}, not of {wire.endpoint.host}"
                    remedy = f"set DD_SITE={site} and no url"
                elif answered:
                    message += ", nor at any other site that answered"
                else:
                    message += "; no other site answered"
            return Finding.failed(Rung.AUTH, "dd.auth.invalid", message, remedy, first_bytes=wire.first_bytes(reply))
        busy = unavailable(reply, wire, self.clock.now(), _API)
        if busy is not None:
            return busy
        message = f"{reply.status}: {VALIDATE} does not say whether the key is valid"
        return Finding.warned(Rung.AUTH, "dd.auth.unknown", message, first_bytes=wire.first_bytes(reply))

    @probe(Rung.HEALTH, "queries are allowed")
    def app_key(self, wire: Wire) -> Finding:
        """Ask for a metric, with the application key; without one, nothing can be read back."""
        remedy = "set DD_APP_KEY to an application key: only a query shows that metrics arrive"
        if self.settings.app_key is None:
            message = "no application key is set: deliveries cannot be read back, and stay unverified"
            return Finding.skipped(Rung.HEALTH, message, "dd.no-app-key", remedy)
        now = int(self.clock.now())
        answer = ask(
            self.query_wire(wire), f"{QUERY}?from={now - 60}&to={now}&query=avg:magictel.check{{*}}", QUERY_RULES
        )
        if not isinstance(answer, Unreadable):
            return Finding.passed(Rung.HEALTH, "the application key may query")
        key = self.settings.app_key.reveal()
        unlike = answer.code == "dd.auth.app-key" and not _APP_KEY.fullmatch(key)
        shape = "; it does not look like an application key (40 hex digits, or ddapp_…)" if unlike else ""
        return Finding.warned(Rung.HEALTH, answer.code, f"{answer.message}{shape}", answer.remedy)

    def query_wire(self, wire: Wire | None = None) -> Wire:
        """Return a wire with both keys: the application key is sent with queries only."""
        keys = {"DD-API-KEY": self.settings.api_key.reveal()}
        if self.settings.app_key is not None:
            keys["DD-APPLICATION-KEY"] = self.settings.app_key.reveal()
        extra = {name: value.reveal() for name, value in self.settings.headers.items()}
        return self.wire(wire.endpoint if wire is not None else None, headers={**keys, **extra})

    def _site_of_key(self, wire: Wire) -> tuple[str | None, bool]:
        """Return the other site that accepts the API key, and whether any answered. Each gets the key, none of the other headers."""
        answered = False
        for site in SITES:
            other = self.wire(api_of(site), wire.timeout, headers={"DD-API-KEY": self.settings.api_key.reveal()})
            other.until = wire.until
            if other.endpoint.host == wire.endpoint.host:
                continue
            with contextlib.suppress(WireError):
                reply = other.get(VALIDATE)
                answered = True
                if _validated(reply):
                    return site, answered
        return None, answered

    def _shape(self) -> str:
        """Return a hint from the key's form, which decides nothing: forms change."""
        key = self.settings.api_key.reveal()
        if _APP_KEY.fullmatch(key):
            return "; it looks like an application key"
        return "" if _API_KEY.fullmatch(key) else "; it does not look like an API key (32 hex digits)"


def api_of(site: str) -> Endpoint:
    """Return the address of a site's API."""
    return parse_endpoint(f"https://api.{site}").endpoint


def _validated(reply: Reply) -> bool:
    body = reply.json()
    return reply.ok and isinstance(body, dict) and body.get("valid") is True
