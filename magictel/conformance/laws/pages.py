"""Laws on pages: what a scraper gets, collections, ports in use, forks and shutdown."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricsData

from magictel.clock import SystemClock
from magictel.conformance.case import Case
from magictel.conformance.law import LawRegistry, Need, points, require
from magictel.conformance.laws.lifecycle import exit_code_of_child
from magictel.conformance.points import odd, shapes
from magictel.encoding.withheld import Withheld
from magictel.model.metrics import Group

LAWS = LawRegistry(Need.PAGE)
_SOON = 10.0


@LAWS.law("page.every-point")
def every_point(case: Case) -> None:
    """Every point is on the page, or is left out for a reason with a code."""
    exporter: Any = case.exporter()
    for name, data in chain.from_iterable(named(case.run_id, case.clock.now()) for named in (shapes, odd)):
        prepared = exporter.prepare(data)
        withheld = [*prepared.withheld, *_shown(exporter, prepared.groups)[1]]
        require(all(part.code and part.message for part in withheld), f"{name}: left out without a code or a message")
        bugs = [part.code for part in withheld if part.code.startswith("internal.")]
        require(not bugs, f"{name}: {', '.join(bugs)}")
        for group in prepared.groups:
            for point in group.points:
                other = replace(point, attributes={**(point.attributes or {}), "other": "1"})
                alone, both = (replace(group, points=kept, attributes=None) for kept in ([point], [point, other]))
                body, left_out = _shown(exporter, [alone])
                require(left_out or body != _shown(exporter, [both])[0], f"{name}: neither on the page nor left out")


@LAWS.law("page.repeatable")
def repeatable(case: Case) -> None:
    """The same points always give the same page, in every exporter with the same settings."""
    earlier, later = case.exporter(), case.exporter()
    data = case.collection(30)
    body = _page(earlier, data)
    require(body == _page(earlier, data), "a second scrape of the same points differs")
    case.clock.wait(86_400.0)
    require(body == _page(later, data), "two exporters show the same points differently, a day apart")


@LAWS.law("page.redacted")
def redacted(case: Case) -> None:
    """Dropped or redacted attributes are not on the page."""
    data = case.collection(6)
    for settings in ({"drop_attributes": ["zone"]}, {"redact_attributes": ["zo*"]}):
        body = _page(case.exporter(**settings), data)
        shown = any(f"zone-{n}".encode() in body for n in range(1, 5))
        require(not shown, f"an attribute is shown despite {next(iter(settings))}")


@LAWS.law("page.side-by-side")
def side_by_side(case: Case) -> None:
    """Scrapes at the same time all get the whole page, and every point that they took is counted."""
    exporter, provider = _serving(case)
    alone = _get(exporter.port)
    taken: list[bytes] = []
    threads = [threading.Thread(target=lambda: taken.append(_get(exporter.port)), daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_SOON)
    require(len(taken) == 6, f"of 6 scrapes at the same time, {len(taken)} were answered")
    require(all(body == alone for body in taken), "scrapes at the same time got other pages than one alone")
    _until(lambda: exporter.ledger.sent == 7)  # a scrape is counted when its last byte has left
    ledger = exporter.ledger
    require(
        ledger.balanced and ledger.delivered == 7, f"7 scrapes of a point, but {points(ledger.delivered)} delivered"
    )
    provider.shutdown()


@LAWS.law("page.port-in-use")
def port_in_use(case: Case) -> None:
    """A port in use raises nothing, is logged with a code, and the page appears when the port is free."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        exporter, provider = _serving(case, port=port)
        require(exporter.port is None, "it listens on a port that another server has")
        require(case.warnings, "the port in use is not logged")
    _until(lambda: exporter.port is not None)
    require(exporter.port == port, "the port is free again, but the page has not appeared")
    provider.shutdown()


@LAWS.law("page.shutdown")
def shutdown(case: Case) -> None:
    """After shutdown nothing listens; it may be called twice, with any timeout."""
    exporter, provider = _serving(case)
    port = exporter.port
    provider.shutdown()
    exporter.shutdown(-1)
    exporter.shutdown(timeout=1000.0)
    with socket.socket() as client:
        client.settimeout(_SOON)
        require(client.connect_ex(("127.0.0.1", port or 0)) != 0, "the page is served after shutdown")


@LAWS.law("page.fork", Need.FORK)
def fork(case: Case) -> None:
    """A forked child starts empty, on a port of its own; the parent's page is served as before."""
    exporter, provider = _serving(case)
    _get(exporter.port)
    port = exporter.port
    code = exit_code_of_child(lambda: _as_child(exporter, port))
    body = _get(port)
    provider.shutdown()
    require(code != 2, "the child inherited the parent's ledger")
    require(code == 0, "the child has no page of its own")
    require(body, "the parent's page is not served after the fork")


def _as_child(exporter: Any, port: int | None) -> int:
    if exporter.ledger.sent:
        return 2
    _until(lambda: exporter.port is not None)
    if exporter.port is None or exporter.port == port:
        return 3
    return 0 if _get(exporter.port) else 4


def _until(reached: Callable[[], bool]) -> None:
    clock = SystemClock()
    end = clock.monotonic() + _SOON / 2
    while not reached() and clock.monotonic() < end:
        clock.wait(0.01)


def _serving(case: Case, **settings: Any) -> tuple[Any, MeterProvider]:
    """Return an exporter with a provider that has measured a point; `port` 0 is any free one."""
    exporter: Any = case.exporter(**{"host": "127.0.0.1", "port": 0, **settings})
    provider = MeterProvider(metric_readers=[exporter])
    provider.get_meter("conformance").create_counter("calls").add(1)
    return exporter, provider


def _page(exporter: Any, data: MetricsData) -> bytes:
    return _shown(exporter, exporter.prepare(data).groups)[0]


def _shown(exporter: Any, groups: Sequence[Group]) -> tuple[bytes, list[Withheld]]:
    """Return the page of these groups, and the points that it leaves out."""
    parts = list(exporter.page(groups, None)[1])
    withheld = [part for part in parts if isinstance(part, Withheld)]
    return b"".join(part for part in parts if isinstance(part, bytes)), withheld


def _get(port: int | None) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port or 0, timeout=_SOON)
    try:
        connection.request("GET", "/metrics")
        reply = connection.getresponse()
        body = reply.read()
    finally:
        connection.close()
    require(reply.status == 200, f"a scrape was answered with {reply.status}")
    return body
