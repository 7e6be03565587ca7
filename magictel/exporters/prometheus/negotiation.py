"""Which form of the page a scraper gets, by its Accept header: Prometheus' own negotiation (prometheus.io, "Content negotiation")."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from magictel.formats.prometheus.escaping import SCHEMES, Escaping

Syntax = Literal["text", "openmetrics", "protobuf"]
_TYPES: dict[str, tuple[Syntax, str, tuple[str, ...]]] = {
    "text/plain": ("text", "0.0.4", ("0.0.4", "1.0.0")),
    "application/openmetrics-text": ("openmetrics", "0.0.1", ("0.0.1", "1.0.0")),
}
"""Media types of text: the syntax, the version where none is named, and the versions that a page can have."""
_PROTOBUF = "application/vnd.google.protobuf"
_MESSAGE = "io.prometheus.client.MetricFamily"
_ALIASES = {"allow-utf8": "allow-utf-8"}
"""OpenTelemetry's specification spells it so."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form of the page: `version` is that of the syntax (empty for protobuf), `escaping` how names beyond Prometheus 2's become such."""

    syntax: Syntax = "text"
    version: str = "0.0.4"
    escaping: Escaping = "underscores"

    @property
    def content_type(self) -> str:
        """Return the Content-Type of a page in this form."""
        if self.syntax == "protobuf":
            return f"{_PROTOBUF}; proto={_MESSAGE}; encoding=delimited; escaping={self.escaping}"
        media_type = next(name for name, (syntax, *_) in _TYPES.items() if syntax == self.syntax)
        return f"{media_type}; version={self.version}; charset=utf-8; escaping={self.escaping}"


def negotiate(accept: str | None) -> Form:
    """Return the form that an Accept header prefers among those that a page can have; text 0.0.4 where it names none of them.

    A wildcard (`*/*`, what curl and browsers send) also gets text 0.0.4. Escaping is `underscores` unless the same clause names another.
    """
    for media_type, parameters in _by_preference(accept or ""):
        form = _form(media_type, parameters)
        if form is not None:
            return form
    return Form()


def _by_preference(accept: str) -> list[tuple[str, dict[str, str]]]:
    """Return the clauses of an Accept header, those with the same weight in their order; none that is refused by `q=0`."""
    clauses = sorted(_clauses(accept), key=lambda clause: -clause[0])
    return [(media_type, parameters) for weight, media_type, parameters in clauses if weight > 0]


def _clauses(accept: str) -> Iterator[tuple[float, str, dict[str, str]]]:
    for clause in accept.split(","):
        media_type, *pairs = clause.split(";")
        parameters = {}
        for pair in pairs:
            key, _, value = pair.partition("=")
            parameters[key.strip().lower()] = value.strip().strip('"')
        weight = 1.0
        with suppress(ValueError):
            weight = float(parameters.get("q", "1"))
        yield weight, media_type.strip().lower(), parameters


def _form(media_type: str, parameters: dict[str, str]) -> Form | None:
    named = parameters.get("escaping", "")
    escaping = SCHEMES.get(_ALIASES.get(named, named), "underscores")
    if media_type == _PROTOBUF:
        delimited = parameters.get("proto") == _MESSAGE and parameters.get("encoding") == "delimited"
        return Form("protobuf", "", escaping) if delimited else None
    if media_type not in _TYPES:
        return None
    syntax, default, versions = _TYPES[media_type]
    version = parameters.get("version") or default
    return Form(syntax, version, escaping) if version in versions else None
