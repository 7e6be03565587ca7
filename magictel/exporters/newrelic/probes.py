"""Probes of New Relic: the address, the keys. None writes: an empty array is no payload."""

from __future__ import annotations

from collections import deque
from typing import Any

from magictel.exporters.newrelic.errors import QUERY_RULES
from magictel.exporters.newrelic.settings import NewRelicSettings
from magictel.http.asking import ask
from magictel.http.wire import Wire
from magictel.ladder.http import unavailable
from magictel.ladder.probe import probe
from magictel.model.finding import Finding, Rung
from magictel.model.verification import Unreadable
from magictel.plugin.http_exporter import HttpExporter

INTAKE, OTLP, GRAPHQL = "/metric/v1", "/v1/metrics", "/graphql"
_MOST_IDS = 1_000


class NewRelicProbes(HttpExporter[NewRelicSettings]):
    """The probes; `NewRelicExporter` adds the rest."""

    def __init__(self, settings: NewRelicSettings | None = None, **options: Any) -> None:
        self.request_ids: deque[tuple[float, str]] = deque(maxlen=_MOST_IDS)
        """The ids of the latest requests, each with its time (Unix seconds)."""
        super().__init__(settings, **options)

    @property
    def in_otlp(self) -> bool:
        """Return whether the protocol is OTLP."""
        return self.settings.protocol == "otlp"

    @property
    def path(self) -> str:
        """Return the path that receives metrics."""
        return OTLP if self.in_otlp else INTAKE

    @probe(Rung.HTTP, "this address receives New Relic's metrics")
    def api(self, wire: Wire) -> Finding:
        """Send a GET, which writes nothing: only POST is accepted."""
        api = "New Relic's OTLP receiver" if self.in_otlp else "New Relic's Metric API"
        reply = wire.request("GET", self.path, credentials=False)
        seen = {"status": reply.status}
        if reply.status in (401, 403, 405) and not reply.looks_like_html:
            return Finding.passed(Rung.HTTP, f"{api} answers {reply.status} to a GET, as expected", **seen)
        if self.in_otlp and reply.status == 404 and not reply.body:
            return Finding.skipped(Rung.HTTP, "404 to a GET: only a POST shows whether it receives OTLP")
        busy = unavailable(reply, wire, self.clock.now(), api)
        if busy is not None:
            return busy
        message = f"{wire.endpoint} does not answer as {api} does: {reply.status} to a GET"
        remedy = "unset url, and set region to us, eu or fedramp"
        return Finding.failed(
            Rung.HTTP, "http.not-a-backend", message, remedy, first_bytes=wire.first_bytes(reply), **seen
        )

    @probe(Rung.AUTH, "the user key may query")
    def user_key(self, wire: Wire) -> Finding:
        """Query the account. New Relic has no request that checks a licence key without sending a metric."""
        unproven = "only a metric that arrives shows that the licence key is valid: add --round-trip"
        if self.settings.user_key is None:
            remedy = "set NEW_RELIC_USER_KEY and NEW_RELIC_ACCOUNT_ID: only a query shows that metrics arrive"
            return Finding.skipped(Rung.AUTH, f"{unproven}; no user key is set", "nr.no-user-key", remedy)
        answer = self.nrql("SELECT count(*) FROM Metric SINCE 1 MINUTE AGO")
        if isinstance(answer, Unreadable):
            return Finding.warned(Rung.AUTH, answer.code, answer.message, answer.remedy)
        return Finding.passed(Rung.AUTH, f"the user key may query account {self.settings.account_id}; {unproven}")

    def query_wire(self) -> Wire:
        """Return a wire to NerdGraph with the user key: the licence key never goes there."""
        key = self.settings.user_key.reveal() if self.settings.user_key is not None else ""
        return self.wire(self.settings.query_endpoint(), headers={"API-Key": key})

    def nrql(self, query: str) -> list[dict[str, Any]] | Unreadable:
        """Return the rows of an NRQL query. A 200 with errors is none. Raise `WireError`."""
        graph = (
            "query($account: Int!, $nrql: Nrql!) { actor { account(id: $account) { nrql(query: $nrql) { results } } } }"
        )
        variables = {"account": self.settings.account_id, "nrql": query}
        body = {"query": graph, "variables": variables}
        answer = ask(
            self.query_wire(),
            GRAPHQL,
            QUERY_RULES,
            body=body,
            accept=lambda reply: not reply.get("errors"),
            masked=False,  # attributes are compared
        )
        if isinstance(answer, Unreadable):
            return answer
        rows: list[dict[str, Any]] = answer["data"]["actor"]["account"]["nrql"]["results"]
        return rows
