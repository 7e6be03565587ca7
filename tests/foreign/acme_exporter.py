"""What another package's exporter looks like: it knows `magictel`'s public face and nothing below it. Built into a wheel by the tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar
from urllib.parse import quote

from magictel import (
    Encoder,
    Expected,
    Finding,
    HttpExporter,
    HttpReadBack,
    HttpSettings,
    Point,
    Route,
    Rung,
    SampleQuery,
    Secret,
    Seen,
    Series,
    Unreadable,
    Wire,
    option,
    probe,
)


class AcmeSettings(HttpSettings, frozen=True, kw_only=True):
    """Where Acme listens, and who we are there."""

    env_prefix: ClassVar[str] = "ACME_"

    url: Annotated[str, option("Address of Acme.", example="http://acme.example.net:8000", address=True)]
    token: Annotated[Secret | None, option("The token.")] = None


class AcmeReadBack(HttpReadBack["AcmeExporter"]):
    """What Acme shows."""

    def expect(self, series: Series, point: Point) -> Expected:
        """What was encoded."""
        fields = _described(series, point)
        return Expected(_key(fields), series.stream.name, _fields(fields))

    def seen(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        """All points of a run."""
        reply = self.wire().get(f"/points?run={quote(query.run_id)}")
        if not reply.ok:
            return Unreadable("acme.unreadable", f"Acme answers {reply.status}")
        shown = [json.loads(line) for line in reply.text.splitlines()]
        return [Seen(_key(document), _fields(document)) for document in shown]

    def visible_delay(self) -> float:
        """At once."""
        return 0.0


class AcmeEncoder(Encoder["AcmeExporter"]):
    """A JSON line for each point."""

    def encode(self, series: Series, point: Point) -> bytes:
        """One line."""
        return json.dumps(_described(series, point)).encode() + b"\n"


class AcmeExporter(HttpExporter[AcmeSettings]):
    """A JSON line for each point."""

    interface = 2
    name = "acme"
    summary = "Acme's collector of everything"
    Settings = AcmeSettings
    Encoder = AcmeEncoder
    ReadBack = AcmeReadBack
    content_type = "application/x-ndjson"

    def route(self) -> Route:
        """One path for all."""
        return Route("/points", self.settings.max_batch_points, self.settings.max_batch_bytes)

    def headers(self) -> Mapping[str, str]:
        """The token."""
        token = self.settings.token
        return {"Authorization": f"Bearer {token.reveal()}"} if token else {}

    @probe(Rung.HEALTH, "Acme is well")
    def health(self, wire: Wire) -> Finding:
        """Ask it."""
        reply = wire.get("/health")
        if reply.ok:
            return Finding.passed(Rung.HEALTH, reply.text)
        return Finding.failed(Rung.HEALTH, "acme.ill", f"Acme answers {reply.status}", "call a doctor")


def _described(series: Series, point: Point) -> dict[str, Any]:
    numbers = {"value", "count", "sum", "min", "max", "bucket_counts", "explicit_bounds", "scale", "zero_count"}
    fields = {name: getattr(point, name) for name in sorted(numbers) if hasattr(point, name)}
    for side in ("positive", "negative"):
        if hasattr(point, side):
            fields[side] = [getattr(point, side).offset, *getattr(point, side).bucket_counts]
    attributes = dict(point.attributes or {})
    return {"name": series.stream.name, "time": point.time_unix_nano, "attributes": attributes, **fields}


def _key(row: Mapping[str, Any]) -> str:
    return str(row["attributes"].get("magictel.sample.point", row["name"]))


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    flat = {**row, **{f"attributes.{key}": value for key, value in row["attributes"].items()}}
    del flat["attributes"]
    return {key: tuple(value) if isinstance(value, list | tuple) else value for key, value in flat.items()}
