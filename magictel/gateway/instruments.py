"""The instruments of a gateway: names, units and buckets of OpenTelemetry's semantic conventions 1.41.1 (`gen_ai.*`, `http.*`).

What has no convention is called `gateway.*`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["counter", "up_down_counter", "histogram", "gauge"]
Convention = Literal["1.41.1", "inference"]
"""`inference`: the names of open-telemetry/semantic-conventions-genai that are to replace `gen_ai.client.token.usage`."""

SCOPE = "magictel.gateway"


class Instrument(msgspec.Struct, frozen=True):
    """A metric: its name, kind, unit and description, and the upper bounds of a histogram's buckets."""

    name: str
    kind: Kind
    unit: str
    description: str
    bounds: tuple[float, ...] = ()


_DURATIONS = tuple(0.01 * 2**power for power in range(14))
_HTTP_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_FIRST_TOKEN = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_PER_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_TOKENS = tuple(float(4**power) for power in range(14))
_SIZES = tuple(float(4**power) for power in range(3, 14))
"""From 64 bytes to 64 MiB: the conventions have no buckets for sizes."""


def _histogram(name: str, unit: str, description: str, bounds: tuple[float, ...]) -> Instrument:
    return Instrument(name, "histogram", unit, description, bounds)


SERVER_DURATION = _histogram("http.server.request.duration", "s", "Duration of HTTP server requests.", _HTTP_DURATIONS)
REQUEST_SIZE = _histogram("http.server.request.body.size", "By", "Size of HTTP server request bodies.", _SIZES)
RESPONSE_SIZE = _histogram("http.server.response.body.size", "By", "Size of HTTP server response bodies.", _SIZES)
CLIENT_HTTP_DURATION = _histogram(
    "http.client.request.duration", "s", "Duration of HTTP client requests.", _HTTP_DURATIONS
)
OPERATION_DURATION = _histogram("gen_ai.client.operation.duration", "s", "GenAI operation duration.", _DURATIONS)
FIRST_CHUNK = _histogram(
    "gen_ai.client.operation.time_to_first_chunk", "s", "Time to receive the first chunk of a stream.", _FIRST_TOKEN
)
TOKEN_USAGE = _histogram("gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.", _TOKENS)
GENAI_DURATION = _histogram("gen_ai.server.request.duration", "s", "Generative AI server request duration.", _DURATIONS)
FIRST_TOKEN = _histogram(
    "gen_ai.server.time_to_first_token", "s", "Time to generate the first token of a stream.", _FIRST_TOKEN
)
PER_TOKEN = _histogram(
    "gen_ai.server.time_per_output_token", "s", "Time per output token after the first one.", _PER_TOKEN
)
INPUT_TOKENS = _histogram(
    "gen_ai.client.inference.operation.input_tokens", "{token}", "Input tokens of an operation.", _TOKENS
)
OUTPUT_TOKENS = _histogram(
    "gen_ai.client.inference.operation.output_tokens", "{token}", "Output tokens of an operation.", _TOKENS
)
USED_INPUT = Instrument("gen_ai.client.inference.usage.input_tokens", "counter", "{token}", "Input tokens used.")
USED_OUTPUT = Instrument("gen_ai.client.inference.usage.output_tokens", "counter", "{token}", "Output tokens used.")
CACHE_READ = Instrument(
    "gen_ai.client.inference.usage.cache_read.input_tokens", "counter", "{token}", "Input tokens read from a cache."
)
CACHE_WRITTEN = Instrument(
    "gen_ai.client.inference.usage.cache_write.input_tokens", "counter", "{token}", "Input tokens written to a cache."
)
REASONING = Instrument(
    "gen_ai.client.inference.usage.reasoning.output_tokens", "counter", "{token}", "Output tokens used for reasoning."
)
COST = Instrument("gateway.request.cost", "counter", "{USD}", "Cost of requests.")
ERRORS = Instrument("gateway.errors", "counter", "{error}", "Errors, by type.")
RETRIES = Instrument("gateway.retries", "counter", "{retry}", "Requests sent to a provider again.")
FALLBACKS = Instrument("gateway.fallbacks", "counter", "{fallback}", "Requests sent to another provider or model.")
CACHED = Instrument("gateway.cache.requests", "counter", "{request}", "Requests looked up in the gateway's cache.")
RATE_LIMITED = Instrument("gateway.rate_limits", "counter", "{request}", "Requests rejected by a rate limit.")
