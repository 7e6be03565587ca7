"""The address of the query API of a Prometheus that receives OTLP; the queries themselves are in `magictel.promql`."""

from __future__ import annotations

from magictel.exporters.otlp.settings import OtlpSettings
from magictel.http.wire import Wire
from magictel.model.verification import Unreadable
from magictel.net.endpoint import Endpoint

_PATHS = (("/api/v1/otlp/v1/metrics", ""), ("/otlp/v1/metrics", "/prometheus"))
"""Ends of write paths, and their replacements for queries: Prometheus and Mimir."""


def query_wire(settings: OtlpSettings, wire: Wire) -> Wire | None:
    """Return a wire to the query API, or None where no option gives its address and the path is not Prometheus'."""
    query = settings.query_endpoint()
    if query is not None:
        return wire.at(query)
    here = wire.endpoint
    for ending, instead in _PATHS:
        if here.path.endswith(ending):
            return wire.at(Endpoint(here.scheme, here.host, here.port, here.path.removesuffix(ending) + instead))
    return None


def wire_to_query(settings: OtlpSettings, wire: Wire) -> Wire | Unreadable:
    """Return a wire to the query API, or why there is none."""
    return query_wire(settings, wire) or Unreadable(
        "verify.unsupported",
        f"{wire.endpoint} cannot be queried: OTLP has no query",
        "if the receiver is a Prometheus, set query_url; otherwise look for the run id in the backend behind the receiver",
    )
