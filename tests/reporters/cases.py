"""Results to be reported: what `check` and `send-sample` may find, with fixed times and ids."""

from __future__ import annotations

from msgspec.structs import replace

from magictel.model.events import (
    Accepted,
    CheckFinished,
    CheckResult,
    CheckStarted,
    Event,
    RunCleaned,
    RunCounted,
    SendFinished,
    SendOutcome,
    SendResult,
    SendStarted,
    TargetChecked,
    TargetSent,
    Waited,
    check_outcome,
)
from magictel.model.finding import Finding, Rung, Status
from magictel.model.outcome import Fate, Reason, Receipt
from magictel.model.timing import Timing
from magictel.model.verification import Difference, Verification


def timed(finding: Finding, seconds: float) -> Finding:
    return Finding(
        finding.rung,
        finding.outcome,
        finding.message,
        finding.code,
        finding.remedy,
        finding.evidence,
        finding.blocked_by,
        seconds,
    )


def blocked(by: Rung, *rungs: Rung) -> tuple[Finding, ...]:
    return tuple(Finding(rung, Status.BLOCKED, f"blocked by {by}", blocked_by=by) for rung in rungs)


def checked(
    target: str, exporter: str, endpoint: str, *rungs: Finding, unusable: bool = False, until: Rung | None = None
) -> CheckResult:
    return CheckResult(target, exporter, check_outcome(rungs, until), endpoint, rungs, unusable, 0.125)


GOOD = checked(
    "elasticsearch",
    "elasticsearch",
    "http://localhost:9200",
    Finding.passed(Rung.CONFIG, "2 of 19 options set"),
    timed(Finding.passed(Rung.DNS, "localhost is 127.0.0.1, ::1"), 0.002),
    timed(Finding.passed(Rung.TCP, "127.0.0.1:9200 connected; [::1]:9200 refused"), 0.001),
    timed(Finding.skipped(Rung.TLS, "not used: the address is http://"), 0.0),
    timed(Finding.passed(Rung.HTTP, "Elasticsearch 8.19.0, cluster magictel-test"), 0.006),
    timed(Finding.passed(Rung.AUTH, "security is disabled: anyone may write"), 0.003),
    timed(Finding.passed(Rung.CLOCK, "less than 1 s apart"), 0.004),
    timed(Finding.passed(Rung.HEALTH, "yellow, as is normal with one data node"), 0.004),
    timed(
        Finding.warned(
            Rung.WRITE,
            "es.mapping.unprepared",
            "allowed; no template for this index: decimals would be stored as 32-bit floats, which keep seven digits of a value",
            "magictel prepare elasticsearch --apply",
            index="magicapi-metrics",
        ),
        0.009,
    ),
    Finding.skipped(Rung.ROUND_TRIP, "skipped (add --round-trip)"),
)

EXPIRED = checked(
    "prod-es",
    "elasticsearch",
    "https://es.example.net:9243",
    Finding.passed(Rung.CONFIG, "url from magictel.toml:4, api_key from ES_KEY"),
    timed(Finding.passed(Rung.DNS, "es.example.net is 10.2.0.7, 10.2.0.8"), 0.011),
    timed(Finding.passed(Rung.TCP, "2 of 2 addresses connected"), 0.019),
    timed(
        Finding.failed(
            Rung.TLS,
            "tls.expired",
            "the certificate of CN=es.example.net expired 3 days ago, on 2026-11-21 08:00 UTC",
            "renew the certificate on the server",
            subject="CN=es.example.net",
            issuer="CN=Example CA 2",
            not_after="2026-11-21 08:00 UTC",
            chain=[{"subject": "CN=es.example.net"}],
            days_left=-3.2,
        ),
        0.024,
    ),
    *blocked(Rung.TLS, Rung.HTTP, Rung.AUTH, Rung.CLOCK, Rung.HEALTH, Rung.WRITE, Rung.ROUND_TRIP),
)

UNUSABLE = checked(
    "canary",
    "elasticsearch",
    "",
    Finding.failed(
        Rung.CONFIG,
        "config.url",
        "url: the port 99999 is not between 1 and 65535",
        None,
        origin="ELASTICSEARCH_URL = http://localhost:99999",
    ),
    *blocked(Rung.CONFIG, *list(Rung)[1:]),
    unusable=True,
)

PORTAL = checked(
    "wifi",
    "elasticsearch",
    "http://es.example.net",
    Finding.passed(Rung.CONFIG, "1 of 19 options set"),
    timed(Finding.passed(Rung.DNS, "es.example.net is 192.0.2.1"), 0.002),
    timed(Finding.passed(Rung.TCP, "192.0.2.1:80 answers"), 0.001),
    Finding.skipped(Rung.TLS, "not used: the address is http://"),
    timed(
        Finding.failed(
            Rung.HTTP,
            "http.not-a-backend",
            "http://es.example.net:80 answers 200 with a web page, not like a backend's API",
            "check the host, port and path: a user interface, a login page or another service is listening there",
            status=200,
            server="nginx/1.24",
            content_type="text/html",
            first_bytes="<!DOCTYPE html><html><head><title>Guest access – größe</title>\x1b[31mred\u202e</head>"
            + "<p>text</p>" * 30,
        ),
        1.25,
    ),
    *blocked(Rung.HTTP, Rung.AUTH, Rung.CLOCK, Rung.HEALTH, Rung.WRITE, Rung.ROUND_TRIP),
)

NODES = checked(
    "three-nodes",
    "elasticsearch",
    "http://a:9200, http://b:9200, http://c:9200",
    Finding.passed(Rung.CONFIG, "1 of 19 options set"),
    timed(Finding.passed(Rung.DNS, "3 of 3 nodes hold; http://a:9200: a is 10.0.0.1"), 0.002),
    timed(
        Finding.warned(
            Rung.TCP,
            "net.tcp.refused",
            "1 of 3 nodes fail; http://b:9200: connection refused: nothing is listening on 10.0.0.2:9200",
            "start the backend, or check the port; inside a container, localhost is the container itself",
            endpoints=[
                {"endpoint": "http://a:9200", "outcome": "pass", "message": "10.0.0.1:9200 answers", "evidence": {}},
                {
                    "endpoint": "http://b:9200",
                    "outcome": "fail",
                    "message": "connection refused: nothing is listening on 10.0.0.2:9200",
                    "evidence": {},
                },
                {"endpoint": "http://c:9200", "outcome": "pass", "message": "10.0.0.3:9200 answers", "evidence": {}},
            ],
        ),
        0.004,
    ),
    Finding.skipped(Rung.TLS, "not used: the address is http://"),
    timed(Finding.passed(Rung.HTTP, "Elasticsearch 9.1.2, cluster c"), 0.004),
    *(Finding.skipped(rung, "skipped (after --until http)") for rung in list(Rung)[5:]),
    until=Rung.HTTP,
)


def check_events(*results: CheckResult, order: tuple[int, ...] | None = None, interrupted: bool = False) -> list[Event]:
    """Events of a check of `results`; `order` is the one in which they end, and with `interrupted` only those end."""
    ended = tuple(range(len(results))) if order is None else order
    events: list[Event] = [CheckStarted(tuple(result.target for result in results))]
    events.append(Waited(results[0].target, "tcp: nothing listens", 1.0, 60.0))
    events += [TargetChecked(results[index]) for index in ended]
    done = tuple(result for index, result in enumerate(results) if index in ended)
    events.append(CheckFinished(done, 0.25, interrupted))
    return events


RUN = "3f9c21aa07be"
_PARTS = {"attempts": 1, "bytes": 4321, "seconds": 0.045}

VERIFIED = SendResult(
    "elasticsearch",
    "elasticsearch",
    SendOutcome.VERIFIED,
    Receipt(12, 12, **_PARTS),
    Verification(
        12,
        12,
        time_to_visible=1.0312,
        differences=(
            Difference("magictel.sample.requests point-01", "@timestamp", 1.5, 1.25, "times are cut to milliseconds"),
            Difference("magictel.sample.requests point-02", "@timestamp", 1.5, 1.25, "times are cut to milliseconds"),
        ),
    ),
    endpoint="http://localhost:9200",
    seconds=1.19,
)

MIXED = SendResult(
    "staging-es",
    "elasticsearch",
    SendOutcome.REJECTED,
    Receipt(
        12,
        11,
        1,
        attempts=1,
        bytes=4321,
        seconds=0.045,
        reasons=(
            Reason(
                "es.write.mapping-type",
                'failed to parse field [attributes.zone] of type [long]: the index holds it as a number, the sample sends "eu-1"',
                1,
                Fate.REJECTED,
                "magictel.sample.temperature",
            ),
            Reason("es.write.duplicate", "stored by an earlier attempt", 2, Fate.DELIVERED),
        ),
    ),
    Verification(
        11,
        11,
        altered=2,
        time_to_visible=1.25,
        differences=(
            Difference("magictel.sample.cost point-03", "value.double", 0.5, 0.0),
            Difference("magictel.sample.latency point-09", "counts", (4, 5, 0, 3, 1, 1), (5, 4, 0, 3, 1, 1)),
        ),
    ),
    "es.write.mapping-type",
    "failed to parse field [attributes.zone]",
    "magictel prepare staging-es",
    "http://staging:9200",
    seconds=1.9,
)

STOPPED = SendResult(
    "prod-es",
    "elasticsearch",
    SendOutcome.UNDELIVERED,
    Receipt(12, dropped=12, reasons=(Reason("tls.expired", "the certificate expired", 12, Fate.DROPPED),)),
    None,
    "tls.expired",
    "the certificate expired",
    "renew the certificate on the server",
    "https://es.example.net:9243",
    seconds=0.2,
    findings=(EXPIRED.rungs[3],),
)

UNREADABLE = SendResult(
    "write-only",
    "elasticsearch",
    SendOutcome.UNVERIFIED,
    Receipt(12, 12, **_PARTS),
    Verification(
        12,
        unverified=12,
        code="es.read.forbidden",
        message="the key may write and not read, so what arrived cannot be shown",
        remedy="a key with the privilege read on magicapi-metrics would prove it",
    ),
    "es.read.forbidden",
    "the key may write and not read",
    None,
    "http://localhost:9200",
    seconds=0.3,
    findings=(timed(Finding.warned(Rung.CLOCK, "clock.unreadable", "the backend does not tell its time"), 0.003),),
)

LOST = SendResult(
    "lossy",
    "prometheus-remote-write",
    SendOutcome.LOST,
    Receipt(
        12,
        10,
        withheld=2,
        attempts=2,
        bytes=900,
        seconds=0.1,
        reasons=(
            Reason(
                "prom.exponential-histogram",
                "version 1.0 has no form for exponential histograms",
                2,
                Fate.WITHHELD,
                "magictel.sample.size",
            ),
        ),
    ),
    Verification(10, 7, 3, duplicated=1, missing_points=("cost point-03", "cost point-04", "latency point-09")),
    "verify.lost",
    "3 of 10 accepted points did not become visible in time: cost point-03, cost point-04, latency point-09",
    None,
    "http://localhost:9090/api/v1/write",
    seconds=5.4,
)

ACCEPTED = SendResult(
    "quick",
    "elasticsearch",
    SendOutcome.ACCEPTED,
    Receipt(12, 12, **_PARTS),
    endpoint="http://localhost:9200",
    seconds=0.05,
)


TIMED = replace(
    VERIFIED, target="timed", timing=Timing(0.0012, 0.0004, 0.0002, 0.031, 0.018, 1.0312, requests=1, connections=1)
)
TIMED_FILE = replace(ACCEPTED, target="lines", exporter="file", timing=Timing(0.004))


def send_events(
    *results: SendResult,
    order: tuple[int, ...] | None = None,
    interrupted: bool = False,
    cleaned: tuple[RunCleaned, ...] = (),
) -> list[Event]:
    ended = tuple(range(len(results))) if order is None else order
    events: list[Event] = [SendStarted(RUN, 12, 6, tuple(result.target for result in results))]
    for index in ended:
        events.append(Accepted(results[index].target, results[index].receipt))
        events.append(TargetSent(results[index]))
    done = tuple(result for index, result in enumerate(results) if index in ended)
    events.append(SendFinished(RUN, done, 1.21, interrupted))
    for line in cleaned:
        if line.found is not None:
            events.append(RunCounted(line.target, line.run_id, line.found))
        events.append(line)
    return events


CLEANED = RunCleaned("elasticsearch", "elasticsearch", RUN, 12, 12)
UNCLEAN = RunCleaned(
    "lossy",
    "prometheus-remote-write",
    RUN,
    None,
    0,
    "verify.no-clean",
    "prometheus-remote-write cannot delete what it wrote",
    None,
)

CASES: dict[str, list[Event]] = {
    "check-good": check_events(GOOD),
    "check-expired": check_events(EXPIRED),
    "check-unusable": check_events(UNUSABLE),
    "check-portal": check_events(PORTAL),
    "check-nodes": check_events(NODES),
    "check-several": check_events(GOOD, EXPIRED, NODES, order=(2, 1, 0)),
    "check-interrupted": check_events(GOOD, EXPIRED, NODES, order=(2,), interrupted=True),
    "send-verified": send_events(VERIFIED),
    "send-mixed": send_events(MIXED),
    "send-stopped": send_events(STOPPED),
    "send-unverified": send_events(UNREADABLE),
    "send-lost": send_events(LOST, cleaned=(UNCLEAN,)),
    "send-accepted": send_events(ACCEPTED),
    "send-several": send_events(VERIFIED, MIXED, STOPPED, order=(1, 2, 0)),
    "send-timed": send_events(TIMED, TIMED_FILE),
    "send-cleaned": send_events(VERIFIED, cleaned=(CLEANED,)),
    "send-interrupted": send_events(VERIFIED, MIXED, order=(0,), interrupted=True),
    "clean-later": [RunCounted("elasticsearch", RUN, 12), CLEANED],
}
