"""The planned backends, what each needs of the interface, and the test that proves that it is there. What is missing is said as well."""

from __future__ import annotations

from pathlib import Path

import pytest

import magictel
from magictel.delivery.stored import StoredPayload
from magictel.encoding.payload import Payload, Route, Run
from magictel.encoding.prepared import Prepared
from magictel.http.wire import Reply
from magictel.model.outcome import Delivered, Partial, Reason, Unavailable
from magictel.plugin.exporter import Exporter
from magictel.plugin.http_exporter import HttpExporter
from magictel.plugin.interface import Encoder
from magictel.settings.model import ExporterSettings

HERE = Path(__file__).parent
FITS = {
    "OTLP over HTTP": (
        "test_otlp_runs.py",
        [
            (Encoder, "envelope"),
            (Payload, "runs"),
            (Partial, "unnamed"),
            (Partial, "why"),
            (Delivered, "warning"),
            (Reason, "unnamed"),
        ],
    ),
    "its variables": (
        "../settings/test_env_names.py",
        [(ExporterSettings, "env_names"), (ExporterSettings, "env_read")],
    ),
    "remote write 2.0": (
        "../exporters/prometheus_remote_write/test_downgrade.py",
        [(HttpExporter, "form"), (Payload, "form"), (Reply, "request")],
    ),
    "Datadog: two routes": (
        "test_two_routes.py",
        [
            (Exporter, "routes"),
            (Exporter, "route_of"),
            (Route, "max_sent_bytes"),
            (Route, "content_type"),
            (Payload, "route"),
        ],
    ),
    "Datadog and New Relic: deltas": (
        "test_deltas.py",
        [
            (Encoder, "convert"),
            (Encoder, "given_up"),
            (Payload, "at"),
            (Payload, "batch"),
            (Payload, "id"),
            (Prepared, "at"),
        ],
    ),
    "StatsD": ("test_datagrams.py", [(Exporter, "confirms"), (Route, "max_bytes")]),
    "durable spool": (
        "test_stored_payload.py",
        [(StoredPayload, "read"), (Exporter, "fingerprint"), (Exporter, "send_stored")],
    ),
    "rotated keys": (
        "../plugin/test_credentials_renewed.py",
        [(HttpExporter, "renew"), (Unavailable, "needs_operator")],
    ),
    "a protocol that is switched": ("test_protocol_switch.py", [(Reply, "request")]),
}
MISSING = {
    "gRPC and Kafka": "the laws' scripted backend speaks HTTP only; network rungs are there (`network_steps`)",
    "a page that is scraped": "the registry accepts `kind = page`; nothing serves one yet",
    "foreign exporters": "`kind = foreign` is let in; nothing rebuilds a collection from `Prepared.at` yet",
    "a proof of deltas": "`replay --verify` prepares each slice again, where a `convert` that keeps state makes other points",
    "several points in one item": "an item is one point (Elasticsearch's otel mode)",
}


@pytest.mark.parametrize("need", FITS)
def test_what_a_planned_backend_needs_is_there_and_tried(need: str) -> None:
    test, members = FITS[need]
    assert (HERE / test).exists()
    for owner, name in members:
        assert hasattr(owner, name) or name in getattr(owner, "__dataclass_fields__", {}), f"{owner.__name__}.{name}"


def test_what_an_author_needs_of_it_is_public() -> None:
    assert {"Payload", "Prepared", "Route", "Run", "Withheld", "Partial", "Unconfirmed"} <= set(magictel.__all__)
    assert Run is magictel.Run
