"""An emulator of Datadog's API: the metrics intake, which accepts with 202 whatever it is sent, and the queries of read-back.

It decodes with protobuf's own classes, and drops in silence what Datadog drops: points sent with another key or outside the window of
time, names and tags without a letter. Not emulated: other aggregates than a query's own, roll-ups, v1's intake.
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
    r"(?P<aggregate>\w+):(?P<metric>[\w.]+)\{(?P<filter>[^}]*)\}(?:\s*by\s*\{(?P<by>[^}]*)\})?(?:\.as_\w+\(\))?"
)
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
        """Answer a query of one metric, filtered by tags and grouped by keys."""
        if request.header("DD-APPLICATION-KEY") != APP_KEY:
            return errors(403, "Forbidden")
        refused = self._refused(request)
        if refused is not None:
            return refused
        parameters = urllib.parse.parse_qs(urllib.parse.urlsplit(request.url).query)
        query = _QUERY.fullmatch(parameters.get("query", [""])[0])
        if query is None:
            return errors(400, "Error parsing query")
        since, until = int(parameters["from"][0]), int(parameters["to"][0])
        wanted = {tag for tag in query["filter"].split(",") if tag != "*"}
        keys = [key for key in (query["by"] or "").split(",") if key]
        groups: dict[tuple[str, ...], list[Stored]] = {}
        for point in self.points:
            if point.metric == query["metric"] and wanted <= set(point.tags) and since <= point.seconds <= until:
                groups.setdefault(tuple(_group(point, keys)), []).append(point)
        rows = [
            {
                "metric": query["metric"],
                "tag_set": list(tags),
                "scope": ",".join((*tags, *sorted(wanted))),
                "pointlist": [[point.seconds * 1000.0, number] for point in points for number in _shown(point, query)],
            }
            for tags, points in groups.items()
        ]
        return json_reply({"status": "ok", "res_type": "time_series", "series": rows})

    def _store(
        self, request: Request, metric: str, tags: Iterable[str], host: str, seconds: int, numbers: Mapping[str, float]
    ) -> None:
        """Store a point, unless Datadog would drop it in silence; a later one of the same series and second replaces it."""
        name = re.sub(r"[^\w.]", "_", metric, flags=re.ASCII)
        before, after = _WINDOW
        in_time = before <= seconds - self.clock.now() <= after
        if request.header("DD-API-KEY") == API_KEY and in_time and name[:1].isalpha() and len(name) <= 200:
            lower = tuple(tag.lower() for tag in tags if tag[:1].isalpha() and len(tag) <= 200)
            self._stored[name, lower, host, seconds] = Stored(name, lower, host, seconds, numbers)

    def _refused(self, request: Request) -> Reply | None:
        key = request.header("DD-API-KEY")
        if not key:
            return errors(403, "API key required")
        return None if key == API_KEY else errors(403, "Forbidden")


def errors(status: int, text: str) -> Reply:
    """Return an error in the API's format."""
    return json_reply({"errors": [text]}, status)


def _group(point: Stored, keys: Iterable[str]) -> Iterator[str]:
    for key in keys:
        yield next((tag for tag in point.tags if tag.startswith(f"{key}:")), f"{key}:N/A")


def _shown(point: Stored, query: re.Match[str]) -> Iterator[float]:
    aggregate = query["aggregate"]
    if aggregate in point.numbers:
        yield point.numbers[aggregate]
    elif "value" in point.numbers:
        yield point.numbers["value"]
