"""The mapping of a gateway's requests to metrics: the same for the runtime and for the replay of a request log.

Attributes are computed once for requests that differ only in their numbers. Each metric has a limit of attribute sets; what goes beyond
it is recorded in one series, `otel.metric.overflow=true`, which is counted and named.
"""

from __future__ import annotations

import fnmatch
import logging
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from magictel.gateway import instruments
from magictel.gateway.custom import CustomMetric
from magictel.gateway.instruments import Convention, Instrument
from magictel.gateway.request import GatewayRequest
from magictel.gateway.routes import ROUTES, operation, route_matcher

OVERFLOW = {"otel.metric.overflow": True}
_log = logging.getLogger("magictel.gateway")
_TOKEN_TYPE = "gen_ai.token.type"
_OPTIONAL = ("gateway.org.id", "gateway.project.id", "gateway.project.name")
"""Attributes with many values, which only `allow` adds."""


class Cell(NamedTuple):
    """A series of a gateway: the position of its instrument, and its attributes."""

    at: int
    attributes: dict[str, Any]


class _Cells(NamedTuple):
    """The series of requests that differ only in their numbers."""

    duration: Cell
    request_size: Cell
    response_size: Cell
    client_http: Cell
    operation: Cell
    first_chunk: Cell
    input_tokens: Cell
    output_tokens: Cell
    used_input: Cell
    used_output: Cell
    cache_read: Cell
    cache_written: Cell
    reasoning: Cell
    cost: Cell
    errors: Cell
    retries: Cell
    fallbacks: Cell
    hit: Cell
    miss: Cell
    rate_limited: Cell
    genai_duration: Cell
    first_token: Cell
    per_token: Cell
    custom: tuple[Cell, ...]


class Mapping:
    """A function from a request to its measurements: pairs of a `Cell` and a number. Threads may share it.

    `server`: also record `gen_ai.server.*`, for a gateway that is a model server to its clients. `allow` and `deny` are shell patterns
    over attribute names: `allow` adds `gateway.org.id`, `gateway.project.id` and `gateway.project.name`, `deny` removes any.
    `limit`: the most attribute sets of a metric. `routes`: templates of paths, besides those of the usual AI interfaces.
    """

    def __init__(
        self,
        *,
        convention: Convention = "1.41.1",
        server: bool = False,
        custom: Iterable[CustomMetric] = (),
        allow: Sequence[str] = (),
        deny: Sequence[str] = (),
        limit: int = 2_000,
        routes: Iterable[str] = (),
    ) -> None:
        self.custom = tuple(custom)
        self.overflowed: Counter[str] = Counter()
        """Attribute sets beyond the limit, by metric."""
        self.instruments: list[Instrument] = []
        self._at: dict[str, int] = {}
        self._server = server
        self._renamed = convention == "inference"
        self._allow, self._deny, self._limit = tuple(allow), tuple(deny), limit
        self._sets: dict[str, set[frozenset[tuple[str, Any]]]] = {}
        self._lock = threading.Lock()
        self._route = route_matcher((*routes, *ROUTES))
        self._cells = lru_cache(10_000)(self._make)

    def __call__(self, request: GatewayRequest) -> list[tuple[Cell, float]]:
        """Return the measurements of a request."""
        cells = self._cells(
            request.provider,
            request.model,
            request.response_model,
            request.operation,
            request.method,
            request.scheme,
            request.route or (self._route(request.path) if request.path else ""),
            request.server_address,
            request.server_port,
            request.status_code,
            request.provider_status_code,
            request.error_type,
            request.provider_error_type,
            request.org_id,
            request.project_id,
            request.project_name,
        )
        measured: list[tuple[Cell, float]] = []
        add = measured.append
        duration, provider_duration, first = request.duration, request.provider_duration, request.first_token
        if duration is not None:
            add((cells.duration, duration))
        if request.request_size is not None:
            add((cells.request_size, request.request_size))
        if request.response_size is not None:
            add((cells.response_size, request.response_size))
        if provider_duration is not None:
            add((cells.operation, provider_duration))
            if request.server_address:
                add((cells.client_http, provider_duration))
        if first is not None:
            add((cells.first_chunk, first))
        if request.input_tokens is not None:
            add((cells.input_tokens, request.input_tokens))
        if request.output_tokens is not None:
            add((cells.output_tokens, request.output_tokens))
        if request.cost:
            add((cells.cost, request.cost))
        if self._renamed:
            self._add_usage(request, cells, measured)
        if request.errors or request.error_type or request.provider_error_type:
            add((cells.errors, request.errors or 1))
        if request.retries:
            add((cells.retries, request.retries))
        if request.fallbacks:
            add((cells.fallbacks, request.fallbacks))
        if request.cache:
            add((cells.hit if request.cache == "hit" else cells.miss, 1))
        if request.rate_limited or request.status_code == 429:
            add((cells.rate_limited, 1))
        if self._server:
            self._add_server(request, cells, measured)
        for cell, metric in zip(cells.custom, self.custom, strict=True):
            value = metric.value(request.fields)
            if value is not None:
                add((cell, value))
        return measured

    @staticmethod
    def _add_usage(request: GatewayRequest, cells: _Cells, measured: list[tuple[Cell, float]]) -> None:
        for cell, tokens in (
            (cells.used_input, request.input_tokens),
            (cells.used_output, request.output_tokens),
            (cells.cache_read, request.cache_read_tokens),
            (cells.cache_written, request.cache_write_tokens),
            (cells.reasoning, request.reasoning_tokens),
        ):
            if tokens is not None:
                measured.append((cell, tokens))

    @staticmethod
    def _add_server(request: GatewayRequest, cells: _Cells, measured: list[tuple[Cell, float]]) -> None:
        if request.duration is not None:
            measured.append((cells.genai_duration, request.duration))
        if request.first_token is not None:
            measured.append((cells.first_token, request.first_token))
            if request.duration is not None and request.output_tokens is not None and request.output_tokens > 1:
                rest = max(0.0, request.duration - request.first_token)
                measured.append((cells.per_token, rest / (request.output_tokens - 1)))

    def _make(
        self,
        provider: str,
        model: str,
        response_model: str,
        given_operation: str,
        method: str,
        scheme: str,
        route: str,
        address: str,
        port: int,
        status: int,
        provider_status: int,
        error: str,
        provider_error: str,
        *optional: str,
    ) -> _Cells:
        extra = dict(zip(_OPTIONAL, optional, strict=True))
        http = {
            "http.request.method": method or "POST",
            "url.scheme": scheme or "https",
            "http.route": route,
            "http.response.status_code": status,
            "error.type": error or (str(status) if status >= 500 else ""),
            **extra,
        }
        server = {"server.address": address, "server.port": port if address else 0}
        client = {
            "http.request.method": method or "POST",
            **server,
            "http.response.status_code": provider_status,
            "error.type": provider_error or (str(provider_status) if provider_status >= 400 else ""),
        }
        failed = provider_error or error or (str(provider_status) if provider_status >= 400 else "")
        usage = {
            "gen_ai.operation.name": given_operation or operation(route),
            "gen_ai.provider.name": provider or "_OTHER",
            "gen_ai.request.model": model,
            "gen_ai.response.model": response_model,
            **server,
            **extra,
        }
        genai = {**usage, "error.type": failed}
        cell = self._cell
        tokens = instruments.INPUT_TOKENS, instruments.OUTPUT_TOKENS
        types: list[dict[str, Any]] = [usage, usage]
        if not self._renamed:
            tokens = instruments.TOKEN_USAGE, instruments.TOKEN_USAGE
            types = [{**usage, _TOKEN_TYPE: kind} for kind in ("input", "output")]
        with self._lock:
            return _Cells(
                cell(instruments.SERVER_DURATION, http),
                cell(instruments.REQUEST_SIZE, http),
                cell(instruments.RESPONSE_SIZE, http),
                cell(instruments.CLIENT_HTTP_DURATION, client),
                cell(instruments.OPERATION_DURATION, genai),
                cell(instruments.FIRST_CHUNK, usage),
                cell(tokens[0], types[0]),
                cell(tokens[1], types[1]),
                cell(instruments.USED_INPUT, usage),
                cell(instruments.USED_OUTPUT, usage),
                cell(instruments.CACHE_READ, usage),
                cell(instruments.CACHE_WRITTEN, usage),
                cell(instruments.REASONING, usage),
                cell(instruments.COST, usage),
                cell(instruments.ERRORS, {**usage, "error.type": failed or "_OTHER"}),
                cell(instruments.RETRIES, usage),
                cell(instruments.FALLBACKS, usage),
                cell(instruments.CACHED, {**usage, "gateway.cache.result": "hit"}),
                cell(instruments.CACHED, {**usage, "gateway.cache.result": "miss"}),
                cell(instruments.RATE_LIMITED, usage),
                cell(instruments.GENAI_DURATION, genai),
                cell(instruments.FIRST_TOKEN, usage),
                cell(instruments.PER_TOKEN, usage),
                tuple(cell(metric.instrument, usage) for metric in self.custom),
            )

    def _cell(self, instrument: Instrument, attributes: dict[str, Any]) -> Cell:
        """Return the series of an instrument with these attributes, without empty ones, within the metric's limit."""
        kept = {key: value for key, value in attributes.items() if value and self._is_allowed(key)}
        at = self._at.get(instrument.name)
        if at is None:
            at = self._at[instrument.name] = len(self.instruments)
            self.instruments.append(instrument)
        known = self._sets.setdefault(instrument.name, set())
        key = frozenset(kept.items())
        if key not in known:
            if len(known) >= self._limit:
                if not self.overflowed[instrument.name]:
                    _log.warning(
                        "gateway.cardinality: %s has %d sets of attributes: further ones are recorded with %s",
                        instrument.name,
                        self._limit,
                        "otel.metric.overflow=true",
                    )
                self.overflowed[instrument.name] += 1
                return Cell(at, OVERFLOW)
            known.add(key)
        return Cell(at, kept)

    @lru_cache(1_000)  # noqa: B019 # a mapping lives as long as its gateway
    def _is_allowed(self, key: str) -> bool:
        if any(fnmatch.fnmatchcase(key, pattern) for pattern in self._deny):
            return False
        return key not in _OPTIONAL or any(fnmatch.fnmatchcase(key, pattern) for pattern in self._allow)
