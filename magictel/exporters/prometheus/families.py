"""The page's metric families: groups of one name, whatever their scopes, under one type, help and unit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from magictel.encoding.withheld import Withheld
from magictel.exporters.prometheus.names import PageNames
from magictel.model.metrics import PROMETHEUS_TYPE, Group, Kind, Series, Stream

Type = Literal["counter", "gauge", "histogram", "info", "unknown"]


class Family(msgspec.Struct):
    """Groups that share a name on the page. The first description and the first unit count; `claimed` are the names of its samples."""

    name: str
    type: Type
    claimed: frozenset[str]
    help: str = ""
    unit: str = ""
    groups: list[Group] = msgspec.field(default_factory=list)


def families(groups: Iterable[Group], names: PageNames, earlier: Iterable[Family] = ()) -> Iterator[Family | Withheld]:
    """Yield a reason for every point that no page can show, and then the families in the order of their first points.

    `earlier`: families that the page has already, to which no metric can belong.

    Of two metrics that would be a family of two types, or a family and the samples of another, the first is shown (OpenTelemetry's
    specification: "drop entire metrics to prevent conflicting TYPE comments").
    """
    by_name: dict[str, Family] = {}
    owners = {name: family for family in earlier for name in family.claimed}
    for group in groups:
        stream = group.stream
        name = names.name(stream) or ""
        why = left_out(stream)
        if why is None and not name:
            why = "prom.page.name", "the metric's name has no letter or digit that Prometheus allows"
        if why is not None:
            yield from _withheld(group, *why, refused=False)
            continue
        kind = _type(stream, name)
        family = by_name.get(name)
        if family is None:
            family = Family(name, kind, frozenset(f"{name}{suffix}" for suffix in ("", *names.sample_suffixes(stream))))
            other = next((owners[sample] for sample in sorted(family.claimed) if sample in owners), None)
        else:
            other = None if family.type == kind else family
        if other is not None:
            why = "prom.page.type", f"the page already has the {other.type} {other.name}: a name can have only one type"
            yield from _withheld(group, *why, refused=True)
            continue
        if name not in by_name:
            by_name[name] = family
            owners.update(dict.fromkeys(family.claimed, family))
        family.help = family.help or stream.description
        family.unit = family.unit or names.unit(stream)
        family.groups.append(group)
    yield from by_name.values()


def left_out(stream: Stream) -> tuple[str, str] | None:
    """Return code and sentence of the rule by which a whole stream is left out."""
    if stream.kind is Kind.GAUGE or stream.temporality == "cumulative":
        return None
    temporality = stream.temporality or "of no known temporality"
    return "prom.page.delta", f"Prometheus needs cumulative points, these are {temporality}"


def _type(stream: Stream, name: str) -> Type:
    """Return a stream's type; a metric of a Prometheus page keeps the types `unknown` and `info`."""
    if stream.monotonic:
        return "counter"
    if stream.kind in (Kind.HISTOGRAM, Kind.EXPONENTIAL_HISTOGRAM):
        return "histogram"
    known = dict(stream.metadata).get(PROMETHEUS_TYPE)
    if known == "info" and name.endswith("_info"):
        return "info"
    return "unknown" if known == "unknown" else "gauge"


def _withheld(group: Group, code: str, message: str, *, refused: bool) -> Iterator[Withheld]:
    for point in group.points:
        yield Withheld(code, message, str(Series(group.stream, point.attributes or {})), refused)
