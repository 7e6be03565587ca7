"""An emulator of New Relic: the Metric API, which accepts with 202 whatever it is sent, and the NRQL that read-back needs.

It drops in silence what New Relic drops: metrics sent with another key, outside the window of time, or without the interval that counts and
summaries need. Not emulated: `NrIntegrationError` events, and NRQL beyond aggregates of one metric with FACET.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from magictel.clock import Clock, SystemClock
from magictel.http.wire import Reply, Request
from magictel.sandbox.endpoints import Routes, dated, decompressed, json_reply

INTAKE, GRAPHQL = "/metric/v1", "/graphql"
LICENSE_KEY, USER_KEY, ACCOUNT = "0123456789abcdef" * 2 + "0123NRAL", "NRAK-0123456789ABCDEF0123456789A", 1234567
_WINDOW = -48 * 3600, 24 * 3600
_QUERY = re.compile(
    r"SELECT (?P<select>.+?) FROM Metric(?: WHERE (?P<where>.+?))?(?: FACET (?P<facet>.+?))?"
    r" SINCE (?P<since>\d+|1 MINUTE AGO)(?: UNTIL (?P<until>\d+))?(?: LIMIT MAX)?"
)
_AGGREGATE = re.compile(r"(\w+)\((`[^`]+`|\*)\) AS '([^']+)'")
_CONDITION = re.compile(r"`?([^`= ]+)`? = '([^']*)'")
Handler = Callable[[Request], Reply]


class Stored(NamedTuple):
    """A stored metric with its attributes, those of `common` included."""

    name: str
    kind: str
    value: Any
    milliseconds: int
    attributes: Mapping[str, Any]


class NewRelicEmulator:
    """A New Relic in memory. `metrics` has what it stores, `requests` the ids of accepted requests."""

    name = "newrelic"

    def __init__(self, *, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.metrics: list[Stored] = []
        self.requests: list[str] = []
        self.routes: Routes[Handler] = Routes()
        self.routes.on("POST", INTAKE)(self.take)
        self.routes.on("*", INTAKE)(lambda request: Reply(405, {"allow": "POST"}))
        self.routes.on("POST", GRAPHQL)(self.graphql)

    @property
    def stored(self) -> int:
        """The number of stored metrics."""
        return len(self.metrics)

    def is_write(self, request: Request) -> bool:
        """True for the Metric API."""
        return request.method == "POST" and request.path == INTAKE

    def environment(self, origin: str) -> dict[str, str]:
        """Return the variables that point the exporter here."""
        return {
            "NEW_RELIC_URL": origin,
            "NEW_RELIC_QUERY_URL": origin,
            "NEW_RELIC_LICENSE_KEY": LICENSE_KEY,
            "NEW_RELIC_USER_KEY": USER_KEY,
            "NEW_RELIC_ACCOUNT_ID": str(ACCOUNT),
        }

    def refusal(self, status: int) -> Reply:
        """Return New Relic's reply with this status: a 403 has an empty object, others nothing."""
        return dated(json_reply({}, status) if status == 403 else Reply(status), self.clock)

    def handle(self, request: Request) -> Reply:
        """Answer one request."""
        route = self.routes.find(request.method, request.path)
        return dated(Reply(404) if isinstance(route, list) else route[0](request), self.clock)

    def take(self, request: Request) -> Reply:
        """Accept metrics, and store those that New Relic would."""
        if not request.header("Api-Key"):
            return json_reply({}, 403)
        if (request_id := request.header("x-request-id")) in self.requests:  # a repeat
            return json_reply({"requestId": request_id}, 202)
        body = decompressed(request)
        try:
            batches = json.loads(body or b"")
            given = [(batch.get("common") or {}, metric) for batch in batches for metric in batch["metrics"]]
            for common, metric in given:
                self._store(request, common, metric)
        except (ValueError, KeyError, TypeError, AttributeError):
            return Reply(400)
        if request_id:
            self.requests.append(request_id)
        return json_reply({"requestId": request_id or "none"}, 202)

    def graphql(self, request: Request) -> Reply:
        """Answer NerdGraph's NRQL; errors come with 200, but for a wrong key."""
        if request.header("API-Key") != USER_KEY:
            return json_reply(
                {"errors": [{"message": "Invalid API key", "extensions": {"error_code": "BAD_API_KEY"}}]}, 401
            )
        variables = json.loads(request.body)["variables"]
        if variables["account"] != ACCOUNT:
            return json_reply({"data": {"actor": {"account": None}}, "errors": [{"message": "Access denied."}]})
        query = _QUERY.fullmatch(variables["nrql"])
        if query is None or (query["facet"] or "").count(",") > 4:  # FACET takes five attributes at most
            return json_reply({"data": None, "errors": [{"message": "NRQL Syntax Error"}]})
        return json_reply({"data": {"actor": {"account": {"nrql": {"results": self._rows(query)}}}}})

    def _rows(self, query: re.Match[str]) -> list[dict[str, Any]]:
        if query["since"] == "1 MINUTE AGO":
            return [{"count": len(self.metrics)}]
        wanted = dict(_CONDITION.findall(query["where"] or ""))
        keys = [key.strip(" `") for key in query["facet"].split(",")]
        since, until = int(query["since"]), int(query["until"])
        groups: dict[tuple[Any, ...], list[Stored]] = {}
        for metric in list(self.metrics):
            shown = {**metric.attributes, "metricName": metric.name}
            if since <= metric.milliseconds <= until and all(str(shown.get(k)) == text for k, text in wanted.items()):
                groups.setdefault(tuple(metric.attributes.get(key) for key in keys), []).append(metric)
        return [
            {
                "facet": list(facet) if len(facet) > 1 else facet[0],
                **{
                    part: _aggregated(function, argument, metrics)
                    for function, argument, part in _AGGREGATE.findall(query["select"])
                },
            }
            for facet, metrics in groups.items()
        ]

    def _store(self, request: Request, common: Mapping[str, Any], metric: Mapping[str, Any]) -> None:
        milliseconds = metric.get("timestamp", common.get("timestamp", int(self.clock.now() * 1000)))
        kind, name, value = metric["type"], metric["name"], metric["value"]
        timed = kind == "gauge" or metric.get("interval.ms", common.get("interval.ms"))
        before, after = _WINDOW
        in_time = before <= milliseconds / 1000 - self.clock.now() <= after
        if request.header("Api-Key") == LICENSE_KEY and timed and in_time and len(name) <= 255:
            attributes = {**(common.get("attributes") or {}), **(metric.get("attributes") or {})}
            self.metrics.append(Stored(name, kind, value, milliseconds, attributes))


def _aggregated(function: str, argument: str, metrics: list[Stored]) -> Any:
    if argument == "*":
        return len(metrics)
    name = argument.strip("`")
    if name != metrics[-1].name:
        return metrics[-1].attributes.get(name)
    values = [metric.value for metric in metrics]
    if function == "latest":
        return float(values[-1])
    if not isinstance(values[0], dict):
        return float(sum(values))
    numbers = [value[function] for value in values]
    return float(min(numbers) if function == "min" else max(numbers) if function == "max" else sum(numbers))
