"""Route templates in place of raw paths, and the operation that a path says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

ROUTES = (
    *("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/messages", "/v1/responses", "/v1/models"),
    *(
        "/v1/models/{model}",
        "/v1/images/generations",
        "/v1/audio/speech",
        "/v1/audio/transcriptions",
        "/v1/moderations",
    ),
    *("/v1beta/models/{model}", "/openai/deployments/{deployment}/chat/completions", "/model/{model}/converse"),
    *("/openai/deployments/{deployment}/completions", "/openai/deployments/{deployment}/embeddings", "/health"),
)
"""The routes of the usual AI interfaces."""
_OPERATIONS = (
    ("chat/completions", "chat"),
    ("messages", "chat"),
    ("converse", "chat"),
    ("responses", "chat"),
    ("completions", "text_completion"),
    ("embeddings", "embeddings"),
)


def route_matcher(routes: Iterable[str]) -> Callable[[str], str]:
    """Return a function that returns the template of a path, or an empty text if no template matches."""
    templates = [(_pattern(route), route) for route in routes]

    @lru_cache(10_000)
    def matching(path: str) -> str:
        plain = path.partition("?")[0].rstrip("/") or "/"
        return next((route for pattern, route in templates if pattern.fullmatch(plain)), "")

    return matching


def _pattern(route: str) -> re.Pattern[str]:
    pieces = re.split(r"\{[^{}]+\}", route)
    return re.compile("[^/]+".join(map(re.escape, pieces)))


@lru_cache(1_000)
def operation(route: str) -> str:
    """Return the name of the operation (`gen_ai.operation.name`) that a route says; `chat` without a sign of another."""
    plain = route.rstrip("/")
    return next((name for end, name in _OPERATIONS if plain.endswith(end)), "chat")
