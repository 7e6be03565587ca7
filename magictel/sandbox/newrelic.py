"""An emulator of New Relic: the Metric API and OTLP, which accept whatever they are sent, and the NRQL that read-back needs.

It drops in silence what New Relic drops: metrics sent with another key, outside the window of time, or without the interval that counts and
summaries need. The fault `discard` accepts a request, drops it, and reports it as an `NrIntegrationError` event. Not emulated: NRQL beyond
aggregates of one metric with FACET, rows of metrics, and rows of these events.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from magictel.clock import Clock, SystemClock
from magictel.http.wire import Reply, Request
from magictel.sandbox.endpoints import Routes, dated, decompressed, json_reply
from magictel.sandbox.otlp_protobuf import MetricsRequest
from magictel.sandbox.otlp_series import attributes

INTAKE, OTLP, GRAPHQL = "/metric/v1", "/v1/metrics", "/graphql"
LICENSE_KEY, USER_KEY, ACCOUNT = "0123456789abcdef" * 2 + "0123NRAL", "NRAK-0123456789ABCDEF0123456789A", 1234567
_WINDOW = -48 * 3600, 24 * 3600
_QUERY = re.compile(
    r"SELECT (?P<select>.+?) FROM Metric(?: WHERE (?P<where>.+?))?(?: FACET (?P<facet>.+?))?"
    r" SINCE (?P<since>\d+|1 MINUTE AGO)(?: UNTIL (?P<until>\d+))?(?: LIMIT MAX)?"
)
_ROWS = re.compile(
    r"SELECT \* FROM Metric WHERE metricName IN \((?P<names>.+)\) SINCE (?P<since>\d+) UNTIL (?P<until>\d+) LIMIT MAX"
)
_DISCARDED = re.compile(
    r"SELECT [\w, ]+ FROM NrIntegrationError WHERE newRelicFeature = 'Metrics' AND requestId IN \((?P<ids>.+)\)"
    r" SINCE (?P<since>\d+) LIMIT MAX"
)
_TEXT = re.compile(r"'((?:[^'\\]|\\.)*)'")
_MOST_ROWS = 5_000
_ERRORS = {
    "BadRequest": {"category": "BadRequest", "message": "Error unmarshalling metrics: invalid attribute"},
    "RateLimit": {
        "category": "RateLimit",
        "rateLimitType": "DatapointsPerMinute",
        "message": "The account has exceeded its limit of data points per minute",
    },
}
_AGGREGATE = re.compile(r"(\w+)\((`[^`]+`|\*)\) AS '([^']+)'")
_CONDITION = re.compile(r"`?([^`= ]+)`? = '([^']*)'")
Handler = Callable[[Request], Reply]


class Stored(NamedTuple):
    """A stored metric with its attributes, those of `common` included."""

    name: str
    kind: str
    value: Any
    milliseconds: int
    end: int
    attributes: Mapping[str, Any]

    @property
    def row(self) -> dict[str, Any]:
        """Return what `SELECT *` shows."""
        match self.kind:
            case "gauge":
                fields = {"count": 1, **dict.fromkeys(("sum", "min", "max", "latest"), self.value)}
            case "count":
                fields = {"count": self.value}
            case _:
                fields = dict(self.value)
        times = {"timestamp": self.milliseconds, "endTimestamp": self.end}
        return {**self.attributes, **times, "metricName": self.name, self.name: {"type": self.kind, **fields}}


class NewRelicEmulator:
    """A New Relic in memory. `metrics` has what it stores, `requests` the ids of accepted requests, `errors` its events."""

    name = "newrelic"
    reasons = tuple(_ERRORS)

    def __init__(self, *, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.metrics: list[Stored] = []
        self.requests: list[str] = []
        self.errors: list[dict[str, Any]] = []
        self.routes: Routes[Handler] = Routes()
        self.routes.on("POST", INTAKE)(self.take)
        self.routes.on("POST", OTLP)(self.take_otlp)
        self.routes.on("*", INTAKE)(lambda request: Reply(405, {"allow": "POST"}))
        self.routes.on("*", OTLP)(lambda request: Reply(405, {"allow": "POST"}))
        self.routes.on("POST", GRAPHQL)(self.graphql)

    @property
    def stored(self) -> int:
        """The number of stored metrics."""
        return len(self.metrics)

    def is_write(self, request: Request) -> bool:
        """True for the Metric API and for OTLP."""
        return request.method == "POST" and request.path in (INTAKE, OTLP)

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

    def discard(self, request: Request, reason: str) -> Reply:
        """Accept a request, store nothing, and report it as an event."""
        stored = list(self.metrics)
        reply = self.handle(request)
        self.metrics = stored
        event = {**_ERRORS[reason], "newRelicFeature": "Metrics", "requestId": request.header("x-request-id")}
        self.errors.append({**event, "timestamp": int(self.clock.now() * 1000)})
        return reply

    def take_otlp(self, request: Request) -> Reply:
        """Accept an OTLP request in protobuf, and store what New Relic would."""
        if request.header("Api-Key") != LICENSE_KEY:
            return Reply(403)
        try:
            message = MetricsRequest.FromString(decompressed(request) or b"\xff")
        except DecodeError:
            return Reply(400)
        for received in message.resource_metrics:
            shared = attributes(received.resource.attributes)
            for scope in received.scope_metrics:
                for metric in scope.metrics:
                    for kind, value, point in _points(metric):
                        start, end = point.start_time_unix_nano // 1_000_000, point.time_unix_nano // 1_000_000
                        begin = start if start and kind != "gauge" else end
                        given = {**shared, **attributes(point.attributes)}
                        self._keep(
                            Stored(metric.name, kind, value, begin, end, {k: _plain(v) for k, v in given.items()})
                        )
        return Reply(200, {"content-type": "application/x-protobuf"})

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
        if (wanted := _ROWS.fullmatch(variables["nrql"])) is not None:
            return _results(self._metrics(wanted))
        if (wanted := _DISCARDED.fullmatch(variables["nrql"])) is not None:
            ids, since = _texts(wanted["ids"]), int(wanted["since"])
            return _results([each for each in self.errors if each["requestId"] in ids and each["timestamp"] >= since])
        query = _QUERY.fullmatch(variables["nrql"])
        if query is None or (query["facet"] or "").count(",") > 4:  # FACET takes five attributes at most
            return json_reply({"data": None, "errors": [{"message": "NRQL Syntax Error"}]})
        return _results(self._rows(query))

    def _metrics(self, query: re.Match[str]) -> list[dict[str, Any]]:
        names, since, until = _texts(query["names"]), int(query["since"]), int(query["until"])
        metrics = [each for each in self.metrics if each.name in names and since <= each.milliseconds < until]
        return [each.row for each in metrics[:_MOST_ROWS]]

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
        interval = metric.get("interval.ms", common.get("interval.ms"))
        if request.header("Api-Key") == LICENSE_KEY and (kind == "gauge" or interval):
            attributes = {**(common.get("attributes") or {}), **(metric.get("attributes") or {})}
            self._keep(Stored(name, kind, value, milliseconds, milliseconds + (interval or 0), attributes))

    def _keep(self, metric: Stored) -> None:
        """Store a metric, unless New Relic would drop it in silence."""
        before, after = _WINDOW
        in_time = before <= metric.milliseconds / 1000 - self.clock.now() <= after
        if in_time and len(metric.name) <= 255 and not (metric.kind == "count" and metric.value < 0):
            self.metrics.append(metric)


def _results(rows: list[dict[str, Any]]) -> Reply:
    return json_reply({"data": {"actor": {"account": {"nrql": {"results": rows}}}}})


def _texts(quoted: str) -> set[str]:
    return {re.sub(r"\\(.)", r"\1", text) for text in _TEXT.findall(quoted)}


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _points(metric: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield type, value and message of the points of an OTLP metric. Cumulative counters and histograms are not kept."""
    for kind in ("gauge", "sum", "histogram", "exponential_histogram"):
        data = getattr(metric, kind)
        if not metric.HasField(kind):
            continue
        delta = kind == "gauge" or data.aggregation_temporality == 1
        for point in data.data_points:
            if kind in ("gauge", "sum"):
                number = point.as_int if point.HasField("as_int") else point.as_double
                if kind == "gauge" or (not delta and not data.is_monotonic):
                    yield "gauge", number, point
                elif delta:
                    yield "count", number, point
            elif delta:
                edges = {edge: getattr(point, edge) for edge in ("min", "max") if point.HasField(edge)}
                yield "distribution", {"count": point.count, "sum": point.sum, **edges}, point


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
