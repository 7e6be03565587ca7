"""An emulator of Datadog's API: the metrics intake, which accepts with 202 whatever it is sent, and the queries of read-back.

It decodes with protobuf's own classes, and drops in silence what Datadog drops: points sent with another key or outside the window of
time, names and tags without a letter. Queries are rolled up as Datadog does, and no further than to 1500 points. Not emulated: v1's intake.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from google.protobuf.json_format import ParseDict
from google.protobuf.json_format import ParseError as JsonError
from google.protobuf.message import DecodeError
from google.protobuf.text_format import MessageToString

from magictel.clock import Clock, SystemClock
from magictel.http.wire import Reply, Request
from magictel.sandbox.datadog_protobuf import MetricPayload, SketchPayload
from magictel.sandbox.endpoints import Routes, dated, decompressed, json_reply

SERIES, SKETCHES = "/api/v2/series", "/api/beta/sketches"
API_KEY, APP_KEY = "0123456789abcdef" * 2, "0123456789abcdef" * 2 + "01234567"
_WINDOW = -3600, 600
_QUERY = re.compile(
    r"(?P<aggregate>\w+):(?P<metric>[\w.]+)\{(?P<filter>[^}]*)\}(?:\s*by\s*\{(?P<by>[^}]*)\})?"
    r"(?:\.rollup\((?:(?P<method>\w+),)?(?P<interval>\d+)\))?"
)
_SEPARATED = re.compile(r",(?![^{(]*[)}])")
"""A comma between queries."""
_MOST_POINTS, _INTERVAL = 1_500, 20
_AGGREGATES: Mapping[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "count": sum,
    "avg": lambda numbers: sum(numbers) / len(numbers),
    "min": min,
    "max": max,
}
_REFUSALS = {
    400: "Payload is not in the expected format: invalid character",
    403: "Forbidden",
    408: "Request timeout",
    413: "Payload too big",
    429: "Too many requests",
}
Handler = Callable[[Request], Reply]


class Stored(NamedTuple):
    """A stored point: `numbers` are its value, or the count, sum, min and max of a distribution."""

    metric: str
    tags: tuple[str, ...]
    host: str
    seconds: int
    numbers: Mapping[str, float]


class DatadogEmulator:
    """A Datadog in memory. `points` has what it stores."""

    name = "datadog"

    def __init__(self, *, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self._stored: dict[tuple[str, tuple[str, ...], str, int], Stored] = {}
        self.sketches: list[Any] = []
        self.routes: Routes[Handler] = Routes()
        self.routes.on("GET", "/api/v1/validate")(self.validate)
        self.routes.on("POST", SERIES)(self.series)
        self.routes.on("POST", SKETCHES)(self.distributions)
        self.routes.on("GET", "/api/v1/query")(self.query)

    @property
    def points(self) -> list[Stored]:
        """Return what is stored."""
        return list(self._stored.values())

    @property
    def stored(self) -> int:
        """The number of stored points."""
        return len(self._stored)

    def is_write(self, request: Request) -> bool:
        """True for both routes of the intake."""
        return request.method == "POST" and request.path in (SERIES, SKETCHES)

    def environment(self, origin: str) -> dict[str, str]:
        """Return the variables that point the exporter here."""
        return {"DD_DD_URL": origin, "DD_API_KEY": API_KEY, "DD_APP_KEY": APP_KEY}

    def refusal(self, status: int) -> Reply:
        """Return Datadog's reply with this status."""
        return dated(errors(status, _REFUSALS[status]) if status in _REFUSALS else Reply(status), self.clock)

    def readable(self, body: bytes) -> list[str]:
        """Return a line for each series or sketch of a body."""
        for payload, name in ((MetricPayload, "series"), (SketchPayload, "sketches")):
            try:
                items = getattr(payload.FromString(body), name)
            except DecodeError:
                continue
            if name == "sketches" or all(item.metric and item.points for item in items):
                return [f"{name} {{ {MessageToString(item, as_one_line=True, as_utf8=True)} }}" for item in items]
        return []

    def handle(self, request: Request) -> Reply:
        """Answer one request."""
        route = self.routes.find(request.method, request.path)
        return dated(errors(404, "Not found") if isinstance(route, list) else route[0](request), self.clock)

    def validate(self, request: Request) -> Reply:
        """Say whether the API key is valid."""
        return self._refused(request) or json_reply({"valid": True})

    def series(self, request: Request) -> Reply:
        """Accept numbers, in protobuf or JSON."""
        body = decompressed(request) or b"\xff"  # which is no message
        try:
            if "json" in request.header("Content-Type"):
                payload = ParseDict(json.loads(body), MetricPayload(), ignore_unknown_fields=True)
            else:
                payload = MetricPayload.FromString(body)
        except (DecodeError, JsonError, ValueError):
            return errors(400, _REFUSALS[400])
        for series in payload.series:
            host = next((resource.name for resource in series.resources if resource.type == "host"), "")
            for point in series.points:
                self._store(request, series.metric, series.tags, host, point.timestamp, {"value": point.value})
        return json_reply({"errors": []}, 202)

    def distributions(self, request: Request) -> Reply:
        """Accept sketches."""
        body = decompressed(request) or b"\xff"  # which is no message
        try:
            payload = SketchPayload.FromString(body)
        except DecodeError:
            return errors(400, _REFUSALS[400])
        self.sketches += payload.sketches
        for item in payload.sketches:
            for sketch in item.dogsketches:
                numbers = {"count": float(sketch.cnt), "sum": sketch.sum, "min": sketch.min, "max": sketch.max}
                self._store(request, item.metric, item.tags, item.host, sketch.ts, numbers)
        return json_reply({"errors": []}, 202)

    def query(self, request: Request) -> Reply:
        """Answer queries of metrics, filtered by tags and grouped by keys."""
        if request.header("DD-APPLICATION-KEY") != APP_KEY:
            return errors(403, "Forbidden")
        refused = self._refused(request)
        if refused is not None:
            return refused
        parameters = urllib.parse.parse_qs(urllib.parse.urlsplit(request.url).query)
        since, until = int(parameters["from"][0]), int(parameters["to"][0])
        rows: list[dict[str, Any]] = []
        for index, text in enumerate(_SEPARATED.split(parameters.get("query", [""])[0])):
            query = _QUERY.fullmatch(text)
            if query is None:
                return errors(400, "Error parsing query")
            rows += [{**row, "query_index": index} for row in self._rows(query, since, until)]
        return json_reply({"status": "ok", "res_type": "time_series", "series": rows})

    def _rows(self, query: re.Match[str], since: int, until: int) -> Iterator[dict[str, Any]]:
        wanted = {tag for tag in query["filter"].split(",") if tag != "*"}
        keys = [key for key in (query["by"] or "").split(",") if key]
        interval = max(int(query["interval"] or _INTERVAL), (until - since) // _MOST_POINTS)
        groups: dict[tuple[str, ...], dict[int, list[Stored]]] = {}
        for point in self.points:
            if point.metric == query["metric"] and wanted <= _tags(point) and since <= point.seconds <= until:
                group = groups.setdefault(tuple(_group(point, keys)), {})
                group.setdefault(point.seconds // interval * interval, []).append(point)
        for tags, points in groups.items():
            yield {
                "metric": query["metric"],
                "tag_set": list(tags),
                "scope": ",".join((*tags, *sorted(wanted))),
                "interval": interval,
                "pointlist": [[second * 1000.0, _rolled_up(points[second], query)] for second in sorted(points)],
            }

    def _store(
        self, request: Request, metric: str, tags: Iterable[str], host: str, seconds: int, numbers: Mapping[str, float]
    ) -> None:
        """Store a point, unless Datadog would drop it in silence; a later one of the same series and second replaces it, or is merged."""
        name = re.sub(r"[^\w.]", "_", metric, flags=re.ASCII)
        before, after = _WINDOW
        in_time = before <= seconds - self.clock.now() <= after
        if request.header("DD-API-KEY") == API_KEY and in_time and name[:1].isalpha() and len(name) <= 200:
            plain = tuple(
                re.sub(r"[^\w:./-]", "_", tag.lower()) for tag in tags if tag[:1].isalpha() and len(tag) <= 200
            )
            place = name, plain, host, seconds
            earlier = self._stored.get(place)
            if earlier is not None and "count" in numbers:
                numbers = {part: _AGGREGATES[part]([number, earlier.numbers[part]]) for part, number in numbers.items()}
            self._stored[place] = Stored(name, plain, host, seconds, numbers)

    def _refused(self, request: Request) -> Reply | None:
        key = request.header("DD-API-KEY")
        if not key:
            return errors(403, "API key required")
        return None if key == API_KEY else errors(403, "Forbidden")


def errors(status: int, text: str) -> Reply:
    """Return an error in the API's format."""
    return json_reply({"errors": [text]}, status)


def _tags(point: Stored) -> set[str]:
    return {*point.tags, f"host:{point.host.lower()}"} if point.host else set(point.tags)


def _group(point: Stored, keys: Iterable[str]) -> Iterator[str]:
    for key in keys:
        yield next((tag for tag in sorted(_tags(point)) if tag.startswith(f"{key}:")), f"{key}:N/A")


def _rolled_up(points: list[Stored], query: re.Match[str]) -> float:
    """Return the aggregate over time of each series, and then over the series; distributions are merged."""
    aggregate = query["aggregate"]
    if aggregate in points[0].numbers:
        return _AGGREGATES[aggregate]([point.numbers[aggregate] for point in points])
    series: dict[tuple[str, ...], list[float]] = {}
    for point in points:
        series.setdefault((*point.tags, point.host), []).append(point.numbers["value"])
    over_time = _AGGREGATES[query["method"] or "avg"]
    return _AGGREGATES[aggregate]([over_time(numbers) for numbers in series.values()])
