"""What every HTTP exporter inherits: fail-over, what counts as travelled, one transport, the default judge."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from magictel.catalogue.retry import RetryClass
from magictel.encoding.payload import Payload
from magictel.errors import Phase, WireError
from magictel.exporters.elasticsearch import ElasticsearchExporter
from magictel.http.classify import judge_status
from magictel.http.error_rules import Rule
from magictel.http.wire import Reply, Request
from magictel.model.outcome import Delivered, Outcome, Rejected, Throttled, TooLarge, Unavailable
from magictel.plugin.http_exporter import HttpExporter
from magictel.secrets.secret import Secret

NOW = 1_800_000_000.0
PAYLOAD = Payload(b"{}\n{}\n", 1)


class Nodes:
    """A transport whose nodes answer or fail by name; what was asked is in `asked`."""

    def __init__(self, **nodes: Callable[[], Reply]) -> None:
        self.nodes = nodes
        self.asked: list[str] = []

    def send(self, request: Request, timeout: float) -> Reply:
        if request.method == "GET":
            return Reply(404)
        name = request.url.split("//")[1].split(":")[0]
        self.asked.append(name)
        return self.nodes[name]()

    def close(self) -> None:
        pass


def fails(phase: Phase, *, maybe_delivered: bool = False) -> Callable[[], Reply]:
    def fail() -> Reply:
        raise WireError("net.test", "it failed", phase=phase, maybe_delivered=maybe_delivered)

    return fail


def takes() -> Reply:
    return Reply(200, {"content-type": "application/json"}, b'{"errors":false,"items":[{"create":{"status":201}}]}')


def exporter(transport: Any, *names: str) -> ElasticsearchExporter:
    settings = ElasticsearchExporter.Settings(url=[f"http://{name}:9200" for name in names], compression="none")
    return ElasticsearchExporter(settings, transport=transport)


def test_a_node_that_cannot_be_reached_is_passed_over_each_node_once() -> None:
    nodes = Nodes(a=fails("tcp"), b=fails("dns"), c=takes)
    http_exporter = exporter(nodes, "a", "b", "c")
    assert isinstance(http_exporter.attempt(PAYLOAD, 5).outcome, Delivered)
    assert nodes.asked == ["a", "b", "c"]
    assert isinstance(http_exporter.attempt(PAYLOAD, 5).outcome, Delivered)
    assert nodes.asked == ["a", "b", "c", "c"], "the node that answered last is asked first"


@pytest.mark.parametrize("phase", ["tcp", "tls", "dns", "proxy"])
def test_when_no_node_can_be_reached_nothing_has_travelled(phase: Phase) -> None:
    nodes = Nodes(a=fails(phase), b=fails(phase))
    attempted = exporter(nodes, "a", "b").attempt(PAYLOAD, 5)
    assert sorted(nodes.asked) == ["a", "b"]
    assert attempted.bytes == 0
    assert isinstance(attempted.outcome, Unavailable)
    assert not attempted.outcome.maybe_stored


@pytest.mark.parametrize("phase", ["write", "read"])
def test_after_a_connection_stood_no_other_node_is_asked_since_the_first_may_have_it(phase: Phase) -> None:
    nodes = Nodes(a=fails(phase, maybe_delivered=True), b=takes)
    attempted = exporter(nodes, "a", "b").attempt(PAYLOAD, 5)
    assert nodes.asked == ["a"]
    assert attempted.bytes == len(PAYLOAD.body)
    assert isinstance(attempted.outcome, Unavailable)
    assert attempted.outcome.maybe_stored


def test_threads_that_come_together_get_the_same_transport() -> None:
    http_exporter = ElasticsearchExporter(ElasticsearchExporter.Settings())
    together = threading.Barrier(8)
    identities: list[int] = []

    def ask() -> None:
        together.wait(100)
        identities.append(id(http_exporter.transport))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert len(identities) == 8
    assert len(set(identities)) == 1
    http_exporter.shutdown(0)


PAGE = {"content-type": "text/html", "server": "nginx"}


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(200), Delivered()),
        (Reply(204), Delivered()),
        (Reply(200, PAGE, b"<html>hello"), Rejected("http.not-a-backend", "", None, "<html>hello")),
        (Reply(301, {"location": "https://x/"}), Rejected("http.redirect", "", None, "")),
        (Reply(400, {}, b"bad line"), Rejected("http.refused", "", None, "bad line")),
        (Reply(401), Rejected("http.unauthorized", "", None, "")),
        (Reply(403), Rejected("http.forbidden", "", None, "")),
        (Reply(404), Rejected("http.not-found", "", None, "")),
        (Reply(405), Rejected("http.method", "", None, "")),
        (Reply(413), TooLarge("http.too-large", "")),
        (Reply(429, {"retry-after": "7"}), Throttled("http.throttled", "", 7.0)),
        (Reply(429), Throttled("http.throttled", "")),
        (Reply(408), Unavailable("http.timeout", "")),
        (Reply(500), Unavailable("http.server-error", "", maybe_stored=True)),
        (Reply(503, {"retry-after": "Fri, 15 Jan 2027 08:00:30 GMT"}), Unavailable("http.server-error", "", 30.0)),
        (Reply(504), Unavailable("http.server-error", "", maybe_stored=True)),
        (Reply(502, PAGE, b"<html>"), Unavailable("http.bad-gateway", "", maybe_stored=True)),
        (Reply(503, PAGE, b"<html>"), Unavailable("http.bad-gateway", "")),
    ],
    ids=lambda value: f"{value.status}" if isinstance(value, Reply) else "",
)
def test_the_default_judge_reads_status_retry_after_and_media_type(reply: Reply, outcome: Outcome) -> None:
    from msgspec.structs import replace

    judged = judge_status(reply, NOW)
    assert judged == (outcome if isinstance(outcome, Delivered) else replace(outcome, message=judged.message))  # type: ignore[union-attr]


class WithTable(ElasticsearchExporter):
    errors = (
        Rule("acme.quota", "{status}: {message}", "ask for more", RetryClass.SLOW, statuses=(429,), types=("quota",)),
    )
    judge = HttpExporter.judge


def test_the_default_judge_reads_the_table_of_errors_before_the_status() -> None:
    http_exporter = WithTable(ElasticsearchExporter.Settings(), transport=Nodes())
    quota = Reply(429, {}, b'{"error": {"type": "quota", "message": "used up"}}')
    assert http_exporter.judge(PAYLOAD, quota) == Throttled("acme.quota", "429: used up", None, needs_operator=True)
    assert http_exporter.judge(PAYLOAD, Reply(429)) == Throttled("http.throttled", "429: throttled")
    assert HttpExporter.parse_log(http_exporter, 'failed: {"error": {"type": "quota"}}', 429) is not None


def test_a_wire_with_headers_of_its_own_sends_none_of_deliverys() -> None:
    class Records(Nodes):
        def send(self, request: Request, timeout: float) -> Reply:
            headers.append(dict(request.headers))
            return Reply(200)

    headers: list[dict[str, str]] = []
    settings = ElasticsearchExporter.Settings(username="me", password=Secret("ingest"), headers={"X-Own": Secret("x")})
    http_exporter = ElasticsearchExporter(settings, transport=Records())
    http_exporter.wire().get("/")
    http_exporter.wire(headers={"Api-Key": "query"}).get("/")
    ours, other = headers
    assert {"Authorization", "X-Own"} <= ours.keys()
    assert other == {"User-Agent": ours["User-Agent"], "Api-Key": "query"}
