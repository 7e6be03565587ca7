"""The sandbox's Prometheus, extended: version 3, an out-of-order window, flags that are off, credentials, the rest of the query API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cramjam

from magictel.clock import Clock
from magictel.http.wire import Reply, Request
from magictel.sandbox import prometheus_remote_write as sandbox
from magictel.sandbox import prometheus_store
from magictel.sandbox.endpoints import json_reply
from magictel.sandbox.prometheus_query import ParseError, number, parse, seconds
from magictel.sandbox.prometheus_remote_write import Parameters, bad_data, sentence, success
from magictel.sandbox.prometheus_store import Labels, RefusedError, Sample, Series, is_stale, repeated
from tests.emulators.logins import Logins

_LOOK_BACK = 300_000
_FAR_FUTURE = 600_000
_LARGEST = 33_554_432


class Store(prometheus_store.Store):
    """`window`: milliseconds of `out_of_order_time_window`; `major`: 2 or 3."""

    def __init__(self, *, major: int = 2, window: int = 0) -> None:
        super().__init__()
        self.major = major
        self.window = window
        self.invalid = 0
        """Samples dropped for their labels although the answer was 204 (3 only)."""

    def names(self, matches: Any) -> list[Labels]:
        """Series that match, whether or not samples of them are left."""
        return [labels for labels in sorted(self.series) if matches(labels)]

    def labels(self, pairs: Sequence[tuple[str, str]], samples: int) -> Labels | None:
        names = dict(pairs)
        if self.major >= 3 and (repeated(pairs) is not None or "" in names or not names.get("__name__")):
            self.invalid += samples
            return None
        return super().labels(pairs, samples)

    def check(self, labels: Labels, sample: Sample, now: int) -> None:
        if self.major >= 3 and sample[0] > now + _FAR_FUTURE:
            raise RefusedError(400, "out of bounds: timestamp is too far in the future")
        try:
            super().check(labels, sample, now)
        except RefusedError as refused:
            if refused.sentence.startswith("duplicate"):
                raise self._duplicate(refused, self.series[labels], sample) from None
            if not self.window:
                raise
            if self.newest is None or sample[0] < self.newest - self.window:
                raise RefusedError(500 if self.major < 3 else 400, "too old sample") from None

    def commit(self, series: Series, sample: Sample) -> None:
        older = series.newest is not None and sample[0] <= series.newest[0]
        if older and self.window and all(sample[0] != known for known, _ in series.samples):
            series.samples.append(sample)
            series.samples.sort(key=lambda sample: sample[0])
        super().commit(series, sample)

    def _duplicate(self, refused: RefusedError, series: Series, sample: Sample) -> RefusedError:
        if self.major < 3 or series.newest is None:
            return refused
        values = f"existing {series.newest[1]:g}, new value {sample[1]:g}"
        return RefusedError(400, f"{refused.sentence} {sample[0]}; overrides not allowed: {values}")


class PrometheusRemoteWriteEmulator(sandbox.PrometheusRemoteWriteEmulator):
    """A Prometheus of any version. `receiver` and `admin` are its two flags; `users` and `token` ask for credentials on every path.

    `out_of_order_window` in seconds.
    """

    store: Store

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
        super().__init__(clock=clock)
        self.version = version
        self.understands_2 = int(version.split(".")[0]) >= 3
        self.receiver = receiver
        self.admin = admin
        self.is_ready = ready
        self.logins = Logins(dict(users or {}), token)
        self.store = Store(major=int(version.split(".")[0]), window=int(out_of_order_window * 1000))
        self.routes.on("GET", "/-/healthy")(self.healthy)
        self.routes.on("GET POST", "/api/v1/query_range")(self.query_range)
        self.routes.on("GET POST", "/api/v1/series")(self.series)

    def answer(self, request: Request) -> Reply:
        if not self.logins.accept(request):
            reply = sentence(401, "Unauthorized")
            return Reply(401, {**reply.headers, "www-authenticate": self.logins.challenge}, reply.body)
        return super().answer(request)

    def ready(self, request: Request, parameters: Parameters) -> Reply:
        return super().ready(request, parameters) if self.is_ready else sentence(503, "Service Unavailable")

    def healthy(self, request: Request, parameters: Parameters) -> Reply:
        return sentence(200, "Prometheus Server is Healthy.")

    def flags(self, request: Request, parameters: Parameters) -> Reply:
        flags = super().flags(request, parameters).json()["data"]
        flags["web.enable-remote-write-receiver"] = str(self.receiver).lower()
        flags["web.enable-admin-api"] = str(self.admin).lower()
        return success(flags)

    def write(self, request: Request, parameters: Parameters) -> Reply:
        if not self.receiver:
            return self.refusal(404)
        return self._refused_by_3(request) or super().write(request, parameters)

    def _refused_by_3(self, request: Request) -> Reply | None:
        if self.store.major < 3:
            return None
        encoding, kind = request.header("Content-Encoding"), request.header("Content-Type")
        if kind.split(";")[0].strip() not in {"", "application/x-protobuf"}:
            return sentence(415, f"expected application/x-protobuf as the first (media) part, got {kind} content-type")
        if encoding not in {"", "snappy"}:
            return sentence(
                415, f"{encoding} encoding (compression) is not accepted by this server; only snappy is acceptable"
            )
        try:
            body = bytes(cramjam.snappy.decompress_raw(request.body))
        except cramjam.DecompressionError:
            return sentence(400, "s2: corrupt input")
        return sentence(400, f"decoded size exceeds the {_LARGEST} bytes limit") if len(body) > _LARGEST else None

    def query(self, request: Request, parameters: Parameters) -> Reply:
        query = parameters.get("query", [""])[0]
        if query.replace(" ", "") == "vector(1)" or (selector := parse(query)).range is not None:
            return super().query(request, parameters)
        time = self.time(parameters, "time", self.now())
        result = [
            {"metric": dict(labels), "value": [seconds(time), number(value)]}
            for labels, samples in self.store.select(selector.matches, time - _LOOK_BACK, time)
            if (value := _latest(samples)) is not None
        ]
        return success({"resultType": "vector", "result": result})

    def query_range(self, request: Request, parameters: Parameters) -> Reply:
        step = int(float(parameters.get("step", ["15"])[0].removesuffix("s")) * 1000)
        if step <= 0:
            return bad_data("zero or negative query resolution step widths are not accepted. Try a positive integer")
        selector = parse(parameters.get("query", [""])[0])
        if selector.range is not None:
            raise ParseError('invalid expression type "range vector" for range query, must be Scalar or instant Vector')
        start, end = self.time(parameters, "start", self.now()), self.time(parameters, "end", self.now())
        rows = []
        for labels, samples in self.store.select(selector.matches, start - _LOOK_BACK, end):
            values = []
            for at in range(start, end + 1, step):
                value = _latest([sample for sample in samples if at - _LOOK_BACK <= sample[0] <= at])
                if value is not None:
                    values.append([seconds(at), number(value)])
            if values:
                rows.append({"metric": dict(labels), "values": values})
        return success({"resultType": "matrix", "result": rows})

    def series(self, request: Request, parameters: Parameters) -> Reply:
        if "match[]" not in parameters:
            return bad_data("no match[] parameter provided")
        selectors = [parse(selector) for selector in parameters["match[]"]]
        names = self.store.names(lambda labels: any(selector.matches(labels) for selector in selectors))
        return success([dict(labels) for labels in names])

    def delete(self, request: Request, parameters: Parameters) -> Reply:
        if not self.admin:
            return json_reply({"status": "error", "errorType": "unavailable", "error": "admin APIs disabled"}, 500)
        return super().delete(request, parameters)


def _latest(samples: list[Sample]) -> float | None:
    return None if not samples or is_stale(samples[-1][1]) else samples[-1][1]
