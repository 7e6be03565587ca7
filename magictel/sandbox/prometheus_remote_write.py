"""An emulator of Prometheus as a remote-write receiver, and the requests to its query and admin API that commands send.

By remote write 1.0 it answers as Prometheus 2.42, by 2.0 as Prometheus 3. It decodes with protobuf's own classes and cramjam's snappy.
`tests/emulators/prometheus.py` extends it to all of version 3, an out-of-order window, credentials and the rest of the query API;
`tests/real/test_prometheus_real.py` compares that with real servers. Neither supports rules, scraping, or PromQL beyond selectors.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable
from typing import Any

import cramjam
from google.protobuf.message import DecodeError
from google.protobuf.text_format import MessageToString

from magictel.clock import Clock, SystemClock
from magictel.http.wire import Reply, Request
from magictel.sandbox.endpoints import Routes, dated, json_reply, text_reply
from magictel.sandbox.prometheus_protobuf import Request2, WriteRequest
from magictel.sandbox.prometheus_query import ParseError, parse, raw_samples, seconds
from magictel.sandbox.prometheus_store import NativeHistogram, RefusedError, Store
from magictel.sandbox.prometheus_write_2 import MEDIA_TYPE, Pairs, Received

WRITE = "/api/v1/write"
_REFUSALS = {
    400: "out of order sample",
    401: "Unauthorized",
    404: "remote write receiver needs to be enabled with --enable-feature=remote-write-receiver",
    500: "empty labelset: invalid sample",
    503: "Service Unavailable",
}
Parameters = dict[str, list[str]]
Handler = Callable[[Request, Parameters], Reply]


class PrometheusRemoteWriteEmulator:
    """A Prometheus in memory, with its remote-write receiver and its admin API. `store` has the written samples."""

    name = "prometheus-remote-write"
    version = "2.42.0"
    understands_2 = True
    """Whether it knows remote write 2.0; if not, it reads such a request as an empty one of 1.0, and answers 204."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.store = Store()
        self.exemplars: list[tuple[Pairs, Pairs, float, int]] = []
        self.metadata: dict[str, tuple[int, str, str]] = {}
        self.routes: Routes[Handler] = Routes()
        self.routes.on("GET", "/-/ready")(self.ready)
        self.routes.on("GET", "/api/v1/status/buildinfo")(self.build)
        self.routes.on("GET", "/api/v1/status/flags")(self.flags)
        self.routes.on("GET POST", "/api/v1/query")(self.query)
        self.routes.on("POST PUT", "/api/v1/admin/tsdb/delete_series")(self.delete)
        self.routes.on("POST", WRITE)(self.write)
        self.routes.on("*", WRITE)(self.not_a_write)

    def samples(self) -> list[tuple[dict[str, str], int, float]]:
        """Return everything stored: labels, milliseconds, value."""
        stored = self.store.select(lambda _: True)
        return [
            (dict(labels), time, value)
            for labels, samples in stored
            for time, value in samples
            if not isinstance(value, NativeHistogram)
        ]

    @property
    def stored(self) -> int:
        """The number of stored samples."""
        return self.store.stored

    def is_write(self, request: Request) -> bool:
        """True for remote writes, empty ones too."""
        return request.method == "POST" and request.path == WRITE

    def environment(self, origin: str) -> dict[str, str]:
        """Return the variable that points the exporter here."""
        return {"PROMETHEUS_REMOTE_WRITE_URL": origin + WRITE}

    def refusal(self, status: int) -> Reply:
        """Return Prometheus' reply with a status; for others the body is empty."""
        return dated(sentence(status, _REFUSALS[status]) if status in _REFUSALS else Reply(status), self.clock)

    def readable(self, body: bytes) -> list[str]:
        """Return a write request with a line for each series, and for the table of symbols."""
        try:
            message, message_2 = WriteRequest.FromString(body), Request2.FromString(body)
        except DecodeError:
            return []
        if message_2.symbols:  # the two versions have no field number in common
            lines = [f"symbols: {json.dumps(list(message_2.symbols), ensure_ascii=False)}"]
            return [*lines, *(_line("timeseries", series) for series in message_2.timeseries)]
        return [_line(name, item) for name in ("metadata", "timeseries") for item in getattr(message, name)]

    def handle(self, request: Request) -> Reply:
        """Answer one request."""
        return dated(self.answer(request), self.clock)

    def answer(self, request: Request) -> Reply:
        """Answer one request, without a date."""
        parameters = urllib.parse.parse_qs(urllib.parse.urlsplit(request.url).query)
        if request.method == "POST" and "form-urlencoded" in request.header("Content-Type"):
            parameters |= urllib.parse.parse_qs(request.body.decode("utf-8", "replace"))
        route = self.routes.find(request.method, request.path)
        if isinstance(route, list):
            return sentence(404, "404 page not found")
        try:
            return route[0](request, parameters)
        except ParseError as failure:
            return bad_data(f'invalid parameter "{"match[]" if "match[]" in parameters else "query"}": {failure}')
        except ValueError:
            return bad_data("invalid parameter: cannot parse to a valid timestamp")

    def ready(self, request: Request, parameters: Parameters) -> Reply:
        """Report that the server is ready."""
        return sentence(200, "Prometheus Server is Ready.")

    def build(self, request: Request, parameters: Parameters) -> Reply:
        """Show the version."""
        return success({"version": self.version, "revision": "sandbox", "goVersion": "none"})

    def flags(self, request: Request, parameters: Parameters) -> Reply:
        """Show the flags that commands read."""
        return success(
            {
                "web.enable-remote-write-receiver": "true",
                "web.enable-otlp-receiver": "false",
                "web.enable-admin-api": "true",
                "enable-feature": "",
            }
        )

    def write(self, request: Request, parameters: Parameters) -> Reply:
        """Store a write request: of 1.0 all of it or nothing, of 2.0 what can be stored."""
        newer = self.understands_2 and request.header("Content-Type") == MEDIA_TYPE
        try:
            message = (Request2 if newer else WriteRequest).FromString(
                bytes(cramjam.snappy.decompress_raw(request.body))
            )
        except cramjam.DecompressionError:
            return sentence(400, "snappy: corrupt input")
        except DecodeError:
            return sentence(400, "unexpected EOF")
        if newer:
            return self._write_2(message)
        series = [
            (
                [(label.name, label.value) for label in series.labels],
                [(sample.timestamp, sample.value) for sample in series.samples],
            )
            for series in message.timeseries
        ]
        try:
            self.store.append(series, self.now())
        except RefusedError as refused:
            return sentence(refused.status, refused.sentence)
        return Reply(204)

    def _write_2(self, message: Any) -> Reply:
        received = Received(message, self.store, self.now())
        self.exemplars += received.exemplars
        self.metadata |= received.metadata
        reply = sentence(400, "\n".join(received.refused)) if received.refused else Reply(204)
        return Reply(reply.status, {**reply.headers, **received.headers}, reply.body)

    def not_a_write(self, request: Request, parameters: Parameters) -> Reply:
        """Refuse other methods at the write path."""
        reply = sentence(405, "Method Not Allowed")
        return Reply(405, {**reply.headers, "allow": "OPTIONS, POST"}, reply.body)

    def query(self, request: Request, parameters: Parameters) -> Reply:
        """Answer a range selector, or the `vector(1)` of probes."""
        query, time = parameters.get("query", [""])[0], self.time(parameters, "time", self.now())
        if query.replace(" ", "") == "vector(1)":
            return success({"resultType": "vector", "result": [{"metric": {}, "value": [seconds(time), "1"]}]})
        return success(raw_samples(self.store, parse(query), time))

    def delete(self, request: Request, parameters: Parameters) -> Reply:
        """Delete series by their labels."""
        if "match[]" not in parameters:
            return bad_data("no match[] parameter provided")
        selectors = [parse(selector) for selector in parameters["match[]"]]
        since, until = self.time(parameters, "start", -(1 << 62)), self.time(parameters, "end", 1 << 62)
        self.store.delete(lambda labels: any(selector.matches(labels) for selector in selectors), since, until)
        return Reply(204)

    def time(self, parameters: Parameters, name: str, default: int) -> int:
        """Return a parameter in milliseconds. Raise `ValueError`."""
        given = parameters.get(name)
        return round(float(given[0]) * 1000) if given else default

    def now(self) -> int:
        """Return the time in milliseconds."""
        return int(self.clock.now() * 1000)


def _line(name: str, item: Any) -> str:
    return f"{name} {{ {MessageToString(item, as_one_line=True, as_utf8=True)} }}"


def sentence(status: int, text: str) -> Reply:
    """Return an error text in the format of Go's server."""
    return text_reply(f"{text}\n", status, x_content_type_options="nosniff")


def success(data: Any) -> Reply:
    """Return a result in the query API's format."""
    return json_reply({"status": "success", "data": data})


def bad_data(error: str) -> Reply:
    """Return the query API's error for a wrong parameter."""
    return json_reply({"status": "error", "errorType": "bad_data", "error": error}, 400)
