"""A replay to New Relic is compared point by point with the rows that NRQL shows, and what New Relic discards is reported in its words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from magictel.exporters.newrelic import NewRelicExporter
from magictel.exporters.newrelic.readback import recordings
from magictel.exporters.newrelic.settings import NewRelicSettings
from magictel.http.wire import Request
from magictel.model.events import SendOutcome
from magictel.sandbox.faults import parse_faults
from magictel.sandbox.newrelic import ACCOUNT, GRAPHQL, LICENSE_KEY, USER_KEY, NewRelicEmulator
from magictel.sandbox.server import Server
from magictel.secrets.secret import Secret
from tests.cli.running import magictel
from tests.exporters.recorded import recording, replayed

Change = Callable[[NewRelicEmulator], None]
PROTOCOLS = pytest.mark.parametrize("protocol", ["metric-api", "otlp"])


@contextmanager
def serving(
    change: Change | None = None, faults: str = "ok", **options: Any
) -> Iterator[tuple[Server, NewRelicExporter]]:
    """An emulator that changes what it stores after each write."""
    emulator = NewRelicEmulator()
    handle = emulator.handle

    def handled(request: Request) -> Any:
        reply = handle(request)
        if change is not None and emulator.is_write(request):
            change(emulator)
        return reply

    emulator.handle = handled  # type: ignore[method-assign] # a backend of its own kind
    with Server(emulator, record=True, faults=parse_faults(faults)) as server:
        keys = {"license_key": Secret(LICENSE_KEY), "user_key": Secret(USER_KEY), "account_id": ACCOUNT}
        given = {"url": server.origin, "query_url": server.origin, **keys, **options}
        yield server, NewRelicExporter(NewRelicSettings(**given))


def queries(server: Server) -> int:
    """How many queries asked for points."""
    return sum(b"SELECT *" in request.body for request in server.requests)


@PROTOCOLS
def test_what_is_stored_is_verified_with_its_expected_losses(protocol: Any, tmp_path: Path) -> None:
    with serving(protocol=protocol) as (server, exporter):
        result = replayed(exporter, recording(tmp_path, moments=100))
    assert (result.outcome, result.receipt.delivered) == (SendOutcome.VERIFIED, 600), result
    assert result.verification is not None
    assert result.verification.found == 600
    declared = {difference.declared for difference in result.verification.differences}
    buckets = "buckets are not sent" if protocol == "metric-api" else "buckets are not read back"
    assert declared == {"times have whole milliseconds", buckets}
    assert queries(server) == 1


def test_a_count_is_stored_with_the_beginning_of_its_interval(tmp_path: Path) -> None:
    with serving() as (server, exporter):
        replayed(exporter, recording(tmp_path, moments=1))
    stored = {metric.name: metric for metric in server.emulator.metrics}  # type: ignore[attr-defined]
    assert {name: metric.end - metric.milliseconds for name, metric in stored.items()} == {
        "temperature": 0, "orders": 15_000, "latency": 15_000
    }  # fmt: skip
    assert len({metric.end for metric in stored.values()}) == 1


def test_more_rows_than_a_query_shows_need_more_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "_MOST_ROWS", 100)
    with serving() as (server, exporter):
        result = replayed(exporter, recording(tmp_path, moments=100))
    assert (result.outcome, result.verification and result.verification.found) == (SendOutcome.VERIFIED, 600)
    assert 7 <= queries(server) <= 31
    monkeypatch.setattr(recordings, "_MOST_ROWS", 1)
    with serving() as (_, exporter):
        result = replayed(exporter, recording(tmp_path, moments=1))
    assert (result.outcome, result.code) == (SendOutcome.UNVERIFIED, "verify.unreadable")


def test_a_name_with_quotes_is_found_and_counts_with_its_backslashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "_LONGEST", 60)  # latency and one of the others, 43 characters each; unescaped, all
    path = Path(recording(tmp_path, moments=1))
    quotes = "'" * 20
    path.write_text(path.read_text().replace("temperature", f"t{quotes}").replace("orders", f"o{quotes}"))
    with serving() as (server, exporter):
        result = replayed(exporter, str(path))
    assert result.outcome is SendOutcome.VERIFIED, result
    assert queries(server) == 2


def lose(emulator: NewRelicEmulator) -> None:
    emulator.metrics[:] = [metric for metric in emulator.metrics if metric.name != "orders"]


def alter(emulator: NewRelicEmulator) -> None:
    emulator.metrics[:] = [
        metric._replace(value=metric.value + 1) if metric.name == "temperature" else metric
        for metric in emulator.metrics
    ]


def rename(emulator: NewRelicEmulator) -> None:
    emulator.metrics[:] = [
        metric._replace(attributes={**metric.attributes, "zone": "elsewhere"}) for metric in emulator.metrics
    ]


def double(emulator: NewRelicEmulator) -> None:
    emulator.metrics *= 2


@PROTOCOLS
@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (lose, SendOutcome.LOST),
        (alter, SendOutcome.ALTERED),
        (rename, SendOutcome.LOST),
        (double, SendOutcome.DUPLICATED),
    ],
)
def test_what_is_lost_altered_or_doubled_is_seen(
    change: Change, outcome: SendOutcome, protocol: Any, tmp_path: Path
) -> None:
    with serving(change, protocol=protocol) as (_, exporter):
        assert replayed(exporter, recording(tmp_path, moments=1)).outcome is outcome


def test_a_value_in_an_unknown_form_is_unverified(tmp_path: Path) -> None:
    def unknown(emulator: NewRelicEmulator) -> None:
        emulator.metrics[:] = [metric._replace(kind="sketch", value={}) for metric in emulator.metrics]

    with serving(unknown) as (_, exporter):
        result = replayed(exporter, recording(tmp_path, moments=1))
    assert (result.outcome, result.code) == (SendOutcome.UNVERIFIED, "verify.unreadable")


def test_the_row_of_a_series_with_more_attributes_is_not_that_of_one_with_fewer(tmp_path: Path) -> None:
    def only_more(emulator: NewRelicEmulator) -> None:
        emulator.metrics[:] = [metric for metric in emulator.metrics if "zone" in metric.attributes]

    path = Path(recording(tmp_path, moments=1, zones=("eu",)))
    lines = path.read_text()
    path.write_text(lines + lines.replace('{"key": "zone", "value": {"stringValue": "eu"}}', ""))
    with serving() as (_, exporter):
        assert replayed(exporter, str(path)).outcome is SendOutcome.VERIFIED
    with serving(only_more) as (_, exporter):
        result = replayed(exporter, str(path))
    assert (result.outcome, result.verification and result.verification.missing) == (SendOutcome.LOST, 3)


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [("discard", "nr.loss.payload", "invalid attribute"), ("discard RateLimit", "nr.loss.rate", "DatapointsPerMinute")],
)
def test_what_new_relic_discards_later_is_lost_for_its_own_reason(
    fault: str, code: str, words: str, tmp_path: Path
) -> None:
    with serving(faults=fault) as (_, exporter):
        result = replayed(exporter, recording(tmp_path, moments=1))
    assert (result.outcome, result.code, result.remedy) == (SendOutcome.LOST, code, f"magictel explain {code}")
    assert result.message is not None
    assert words in result.message
    emulator = NewRelicEmulator()
    with Server(emulator, faults=parse_faults(fault)) as server:
        given = ("send-sample", "newrelic", "--within", "1s", "--format", "json")
        sent = magictel(*given, folder=tmp_path, environment=emulator.environment(server.origin))
    (target,) = sent.document["targets"]
    assert (sent.code != 0, target["outcome"], target["code"]) == (True, "lost", code)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (429, "", "nr.query.rate"),
        (200, '{"errors":[{"message":"NRDB:1109 Query rate limit exceeded"}]}', "nr.query.rate"),
        (200, '{"errors":[{"message":"Access denied."}]}', "nr.read.graphql-error"),
    ],
)
def test_a_query_without_an_answer_leaves_the_points_unverified(
    status: int, body: str, code: str, tmp_path: Path
) -> None:
    fault = f"probe ok x2, then ok, then probe {status} body='{body}' forever"
    with serving(faults=fault) as (server, exporter):
        result = replayed(exporter, recording(tmp_path, moments=1), force=True)
    assert (result.outcome, result.code) == (SendOutcome.UNVERIFIED, code), list(server.requests)
    assert result.verification is not None
    assert result.verification.unverified == 6


def test_events_of_other_requests_explain_nothing(tmp_path: Path) -> None:
    with serving(lose) as (server, exporter):
        event = {"category": "BadRequest", "message": "x", "requestId": "other", "timestamp": 1 << 50}
        server.emulator.errors.append(event)  # type: ignore[attr-defined]
        result = replayed(exporter, recording(tmp_path, moments=1))
    assert (result.outcome, result.code) == (SendOutcome.LOST, "verify.lost")


@PROTOCOLS
def test_the_licence_key_never_travels_to_the_query_address(protocol: Any, tmp_path: Path) -> None:
    emulator = NewRelicEmulator()
    with Server(emulator, record=True) as intake, Server(emulator, record=True) as asked:
        keys = {"license_key": Secret(LICENSE_KEY), "user_key": Secret(USER_KEY), "account_id": ACCOUNT}
        given = {"url": intake.origin, "query_url": asked.origin, "protocol": protocol, **keys}
        result = replayed(NewRelicExporter(NewRelicSettings(**given)), recording(tmp_path, moments=1))
        environment = {**emulator.environment(intake.origin), "NEW_RELIC_QUERY_URL": asked.origin}
        for command in (("check", "newrelic", "--round-trip"), ("send-sample", "newrelic")):
            assert magictel(*command, folder=tmp_path, environment=environment).code == 0
        seen, received = list(asked.requests), list(intake.requests)
    assert result.outcome is SendOutcome.VERIFIED
    assert {request.path for request in seen} == {GRAPHQL}
    assert not any(LICENSE_KEY in f"{request.url}{dict(request.headers)}{request.body!r}" for request in seen)
    assert not any(USER_KEY in f"{request.url}{dict(request.headers)}{request.body!r}" for request in received)
