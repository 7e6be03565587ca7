"""The targets of a Prometheus: which of them is a page, and what Prometheus knows of it. Everything here may raise `WireError`."""

from __future__ import annotations

from magictel.exporters.prometheus.errors import READ_RULES, scrape_error
from magictel.exporters.prometheus.response import Target, of_page, targets_of
from magictel.http.asking import ask
from magictel.http.wire import Wire
from magictel.model.finding import Finding, Rung
from magictel.model.verification import Unreadable
from magictel.net.endpoint import Endpoint
from magictel.promql.query import QueryApi, any_of

_AMBIGUOUS = "set url to the address that Prometheus scrapes"
_DROPPED = "see relabel_configs of the scrape job: a keep or drop rule does not fit this target"


def target_of(wire: Wire, page: Endpoint) -> Target | Finding:
    """Return the target that is a page, or the failed finding of the write rung."""
    known = _targets(wire)
    if isinstance(known, Unreadable):
        return Finding.failed(Rung.WRITE, known.code, known.message, known.remedy)
    active, dropped = known
    alike = of_page(active, page)
    urls = [target.url for target in active]
    if len(alike) == 1:
        return alike[0]
    if alike:
        several = ", ".join(target.url for target in alike[:4])
        message = f"several targets of {wire.endpoint} may be this page: {several}"
        return Finding.warned(Rung.WRITE, "prom.page.ambiguous", message, _AMBIGUOUS, targets=urls[:20])
    gone = next((url for url in dropped if url.endswith(f":{page.port}{page.path or '/'}")), None)
    if gone is not None:
        message = f"{wire.endpoint} discovers {gone}, but a rule of relabel_configs drops it"
        return Finding.failed(Rung.WRITE, "prom.page.target-dropped", message, _DROPPED)
    targets = f"{len(active)} target{'' if len(active) == 1 else 's'}"
    others = f"it is not among its {targets}" if active else "it has no targets"
    message = f"{wire.endpoint} does not scrape {page}: {others}"
    remedy = f"add to scrape_configs: static_configs with targets: ['{page.host}:{page.port}'], and reload Prometheus"
    return Finding.failed(Rung.WRITE, "prom.page.no-target", message, remedy, targets=urls[:20])


def failure_of(wire: Wire, page: Endpoint) -> Unreadable | None:
    """Return the latest error of the target that is a page, if it has one."""
    known = _targets(wire)
    if isinstance(known, Unreadable):
        return known
    failed = [target for target in of_page(known[0], page) if target.error]
    return scrape_error(failed[0].error, failed[0].url).unreadable() if failed else None


def added_labels(wire: Wire, page: Endpoint) -> frozenset[str]:
    """Return the names of the labels that the Prometheus adds to the series of a page."""
    known = _targets(wire)
    targets = [] if isinstance(known, Unreadable) else of_page(known[0], page)
    return frozenset(name for target in targets for name in target.labels)


def latest(wire: Wire, name: str, target: Target, now: float) -> float | None:
    """Return the latest value of a metric that Prometheus writes for each scrape, or None."""
    labels = ",".join(f"{label}=~{any_of([target.labels.get(label, '')])}" for label in ("job", "instance"))
    since = now - 3 * (target.interval or 60) - 60
    rows = QueryApi(wire, now, READ_RULES).samples(f'__name__="{name}",{labels}', since, now + 1)
    if isinstance(rows, Unreadable):
        return None
    values = [sample for row in rows for sample in row.get("values", ())]
    return float(max(values)[1]) if values else None


def _targets(wire: Wire) -> tuple[list[Target], list[str]] | Unreadable:
    answer = ask(wire, "/api/v1/targets", READ_RULES)
    return answer if isinstance(answer, Unreadable) else targets_of(answer)
