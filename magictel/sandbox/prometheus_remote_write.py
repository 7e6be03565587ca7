"""An emulator of Prometheus as a remote-write 1.0 receiver, with the query and admin API around it.

It decodes with protobuf's own classes and cramjam's snappy. By default it answers as 2.42 does, with
`version="3.…"` as 3 does: both are compared with the real server by `tests/real/test_prometheus_real.py` (2.42) and was
measured (3). What it does not know: native histograms, exemplars, metadata, rules, scraping, PromQL beyond selectors.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from typing import Any

import cramjam
from google.protobuf.message import DecodeError
from google.protobuf.text_format import MessageToString

from magictel.clock import Clock, SystemClock
from magictel.http.wire import Reply, Request
from magictel.sandbox.logins import Logins
from magictel.sandbox.prometheus_protobuf import WriteRequest
from magictel.sandbox.prometheus_query import ParseError, instant, parse, ranged
from magictel.sandbox.prometheus_store import RefusedError, Store
from magictel.sandbox.replies import dated, json_reply, text_reply
from magictel.sandbox.routes import Routes

_WRITE = "/api/v1/write"
_LARGEST = 33_554_432
_REFUSALS = {
    400: "out of order sample",
    401: "Unauthorized",
    404: "remote write receiver needs to be enabled with --enable-feature=remote-write-receiver",
    500: "empty labelset: invalid sample",
    503: "Service Unavailable",
}
Parameters = dict[str, list[str]]
_PLAIN = {"x_content_type_options": "nosniff"}
_ROUTES: Routes[Callable[..., Reply]] = Routes()


class PrometheusRemoteWriteEmulator:
    """A Prometheus in memory. `receiver` and `admin` are its two flags; `users` and `token` ask for credentials on every path.

    `out_of_order_window` in seconds. `store` is public: tests may look.
    """

    name = "prometheus-remote-write"

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        version: str = "2.42.0",
        out_of_order_window: float = 0.0,
        receiver: bool = True,
        admin: bool = True,
        ready: bool = True,
        users: dict[str, str] | None = None,
        token: str | None = None,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.version = version
        self.receiver = receiver
        self.admin = admin
        self.ready = ready
        self.logins = Logins(dict(users or {}), token)
        self.store = Store(major=int(version.split(".")[0]), window=int(out_of_order_window * 1000))

    def samples(self) -> list[tuple[dict[str, str], int, float]]:
        """Everything stored: labels, milliseconds, value."""
        stored = self.store.select(lambda _: True, -(1 << 62), 1 << 62)
        return [(dict(labels), time, value) for labels, samples in stored for time, value in samples]

    @property
    def stored(self) -> int:
        """How many samples the store holds."""
        return self.store.stored

    def is_write(self, request: Request) -> bool:
        """True for remote writes, empty ones too."""
        return request.method == "POST" and request.path == _WRITE

    def environment(self, origin: str) -> dict[str, str]:
        """The variable that points the exporter here."""
        return {"PROMETHEUS_REMOTE_WRITE_URL": origin + _WRITE}

    def refusal(self, status: int) -> Reply:
        """Prometheus' own sentence for a status; without one, no body."""
        return dated(_text(status, _REFUSALS[status]) if status in _REFUSALS else Reply(status), self.clock)

    def readable(self, body: bytes) -> list[str]:
        """Return a write request with a line for each series."""
        try:
            message = WriteRequest.FromString(body)
        except DecodeError:
            return []
        return [
            f"{name} {{ {MessageToString(item, as_one_line=True, as_utf8=True)} }}"
            for name in ("metadata", "timeseries")
            for item in getattr(message, name)
        ]

    def handle(self, request: Request) -> Reply:
        """Answer one request."""
        return dated(self._handle(request), self.clock)

    def _handle(self, request: Request) -> Reply:
        if not self.logins.accept(request):
            return text_reply("Unauthorized\n", 401, www_authenticate=self.logins.challenge, **_PLAIN)
        query = urllib.parse.urlsplit(request.url).query
        parameters = urllib.parse.parse_qs(query)
        if request.method == "POST" and "form-urlencoded" in request.header("Content-Type"):
            parameters |= urllib.parse.parse_qs(request.body.decode("utf-8", "replace"))
        route = _ROUTES.find(request.method, request.path)
        return _text(404, "404 page not found") if isinstance(route, list) else route[0](self, request, parameters)

    @_ROUTES.on("GET", "/-/ready")
    def _ready(self, request: Request, parameters: Parameters) -> Reply:
        return _text(200, "Prometheus Server is Ready.") if self.ready else _text(503, "Service Unavailable")

    @_ROUTES.on("GET", "/-/healthy")
    def _healthy(self, request: Request, parameters: Parameters) -> Reply:
        return _text(200, "Prometheus Server is Healthy.")

    @_ROUTES.on("GET", "/api/v1/status/buildinfo")
    def _build(self, request: Request, parameters: Parameters) -> Reply:
        return _success({"version": self.version, "revision": "sandbox", "goVersion": "none"})

    @_ROUTES.on("GET", "/api/v1/status/flags")
    def _flags(self, request: Request, parameters: Parameters) -> Reply:
        flags = {
            "web.enable-remote-write-receiver": _flag(self.receiver),
            "web.enable-admin-api": _flag(self.admin),
            "enable-feature": "",
        }
        return _success(flags)

    @_ROUTES.on("POST", _WRITE)
    def _write(self, request: Request, parameters: Parameters) -> Reply:
        if not self.receiver:
            return _text(404, _REFUSALS[404])
        modern = self.store.major >= 3
        encoding, kind = request.header("Content-Encoding"), request.header("Content-Type")
        if modern and kind.split(";")[0].strip() not in {"", "application/x-protobuf"}:
            return _text(415, f"expected application/x-protobuf as the first (media) part, got {kind} content-type")
        if modern and encoding not in {"", "snappy"}:
            return _text(
                415, f"{encoding} encoding (compression) is not accepted by this server; only snappy is acceptable"
            )
        try:
            body = bytes(cramjam.snappy.decompress_raw(request.body))
        except cramjam.DecompressionError:
            return _text(400, "s2: corrupt input" if modern else "snappy: corrupt input")
        if modern and len(body) > _LARGEST:
            return _text(400, f"decoded size exceeds the {_LARGEST} bytes limit")
        try:
            decoded = WriteRequest.FromString(body)
        except DecodeError:
            return _text(400, "unexpected EOF")
        series = [
            (
                [(label.name, label.value) for label in series.labels],
                [(sample.timestamp, sample.value) for sample in series.samples],
            )
            for series in decoded.timeseries
        ]
        try:
            self.store.append(series, self._now())
        except RefusedError as refused:
            return _text(refused.status, refused.sentence)
        return Reply(204)

    @_ROUTES.on("*", _WRITE)
    def _not_a_write(self, request: Request, parameters: Parameters) -> Reply:
        return text_reply("Method Not Allowed\n", 405, allow="OPTIONS, POST", **_PLAIN)

    @_ROUTES.on("GET POST", "/api/v1/query", "/api/v1/query_range", "/api/v1/series")
    def _read(self, request: Request, parameters: Parameters) -> Reply:
        path = request.path
        try:
            if path == "/api/v1/series":
                if "match[]" not in parameters:
                    return _bad("no match[] parameter provided")
                selectors = [parse(selector) for selector in parameters["match[]"]]
                return _success(
                    [
                        dict(names)
                        for names in self.store.names(lambda labels: any(s.matches(labels) for s in selectors))
                    ]
                )
            query = parameters.get("query", [""])[0]
            if path == "/api/v1/query":
                return _success(instant(self.store, query, self._time(parameters, "time")))
            step = int(float(parameters.get("step", ["15"])[0].removesuffix("s")) * 1000)
            if step <= 0:
                return _bad("zero or negative query resolution step widths are not accepted. Try a positive integer")
            return _success(
                ranged(self.store, query, self._time(parameters, "start"), self._time(parameters, "end"), step)
            )
        except ParseError as failure:
            return _bad(f'invalid parameter "query": {failure}')
        except ValueError:
            return _bad("invalid parameter: cannot parse to a valid timestamp")

    @_ROUTES.on("POST PUT", "/api/v1/admin/tsdb/delete_series")
    def _delete(self, request: Request, parameters: Parameters) -> Reply:
        if not self.admin:
            return json_reply({"status": "error", "errorType": "unavailable", "error": "admin APIs disabled"}, 500)
        if "match[]" not in parameters:
            return _bad("no match[] parameter provided")
        try:
            selectors = [parse(selector) for selector in parameters["match[]"]]
        except ParseError as failure:
            return _bad(str(failure))
        since = self._time(parameters, "start") if "start" in parameters else -(1 << 62)
        until = self._time(parameters, "end") if "end" in parameters else 1 << 62
        self.store.delete(lambda labels: any(selector.matches(labels) for selector in selectors), since, until)
        return Reply(204)

    def _time(self, parameters: Parameters, name: str) -> int:
        given = parameters.get(name)
        return round(float(given[0]) * 1000) if given else self._now()

    def _now(self) -> int:
        return int(self.clock.now() * 1000)


def _flag(on: bool) -> str:
    return "true" if on else "false"


def _text(status: int, sentence: str) -> Reply:
    return text_reply(f"{sentence}\n", status, **_PLAIN)


def _success(data: Any) -> Reply:
    return json_reply({"status": "success", "data": data})


def _bad(error: str) -> Reply:
    return json_reply({"status": "error", "errorType": "bad_data", "error": error}, 400)
