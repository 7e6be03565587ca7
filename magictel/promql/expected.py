"""Comparison in Prometheus' terms: how a point should look in query results, and how query results become points.

A point's fields: `name`, `keys`, `time_unix_nano`, one `labels.…` per label, one `target_info.…` per other attribute of the
resource, then `value`, or `count`, `sum` and one `bucket …` per bound (cumulative, as stored).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.sdk.metrics.export import NumberDataPoint

from magictel.formats import lossy
from magictel.formats.prometheus.names import label_name, label_value
from magictel.formats.prometheus.native import seen_numbers, sent_numbers
from magictel.formats.prometheus.series import SeriesNames, reserved
from magictel.model.metrics import Point, Series, Stream
from magictel.model.verification import POINT, Expected, Seen, Value

_NOT_CARRIED = frozenset({"start_time_unix_nano", "min", "max"})


def expected(names: SeriesNames, series: Series, point: Point, *, target_info: bool) -> Expected:
    """Return how a sent point should be shown."""
    labels = names.labels(series)
    fields: dict[str, Value] = {
        "name": series.stream.name,
        "keys": tuple(sorted(key for key, value in series.attributes.items() if label_value(value))),
        "time_unix_nano": point.time_unix_nano,
        "start_time_unix_nano": point.start_time_unix_nano,
        **{f"labels.{name}": value for name, value in labels.items()},
    }
    named = names.named(series.stream)
    by_name = {named(key): key for key in series.attributes}
    if len(by_name) == len(series.attributes):  # no two keys share a name: the value as sent, not as text
        taken = reserved(series.stream, names.fixed(series.stream))
        for name, key in by_name.items():
            fields[f"labels.exported_{name}" if name in taken else f"labels.{name}"] = _value(series.attributes[key])
    resource = series.stream.resource
    if target_info and names.has_target_info(resource):
        fields.update({f"target_info.{name}": value for name, value in names.resource_labels(resource).items()})
    fields.update(_numbers(names, series.stream, point))
    point_label = names.label(POINT)
    point_name = labels.get(point_label)
    return Expected(
        key_of(labels, point_label), f"{series.stream.name} {point_name}" if point_name else str(series), fields
    )


def key_of(labels: Mapping[str, str], point_label: str) -> str:
    """Return the key of a point: its name in the run, otherwise all of its labels."""
    return labels.get(point_label) or ",".join(f"{name}={labels[name]}" for name in sorted(labels))


@dataclass(slots=True)
class _Gathered:
    labels: dict[str, str]
    names: list[str] = field(default_factory=list)
    fields: dict[str, Value] = field(default_factory=dict)


def seen(
    results: Iterable[Any], infos: Iterable[Any], wanted: Sequence[Expected], named: Callable[[str], str] = label_name
) -> list[Seen]:
    """Return the points of a query's `matrix` result: samples with the same point, time and labels form one.

    `infos`: `target_info`. `named`: returns the label name of a key.
    """
    point_label = named(POINT)
    sent_as = {point.key: point for point in wanted}
    gathered: dict[tuple[str, int, tuple[tuple[str, str], ...]], _Gathered] = {}
    for result in results:
        labels = dict(result["metric"])
        name, bound = labels.pop("__name__", ""), labels.pop("le", "")
        if name.endswith("_bucket"):
            bound = labels.pop("vmrange", bound)
        want = sent_as.get(key_of(labels, point_label))
        histogram = want is not None and "count" in want.fields
        for time, shown in samples_of(result):
            key = key_of(labels, point_label), round(float(time) * 1000), tuple(sorted(labels.items()))
            gathered_point = gathered.setdefault(key, _Gathered(labels))
            family, part = _part(name, bound, histogram)
            gathered_point.names.append(family)
            # A second series of the same point and part would hide the first: show both.
            gathered_point.fields[part if part not in gathered_point.fields else f"{part} of {name}"] = shown
    resources = {_identity(info["metric"]): info["metric"] for info in infos}
    points = []
    for (point, moment, _), gathered_point in gathered.items():
        want = sent_as.get(point)
        fields: dict[str, Value] = {
            "name": "|".join(sorted(set(gathered_point.names))),
            "time_unix_nano": moment * 1_000_000,
        }
        fields["keys"] = _keys(gathered_point.labels, want, named)
        fields |= {f"labels.{name}": value for name, value in gathered_point.labels.items()}
        info = resources.get(_identity(gathered_point.labels), {})
        fields |= {
            f"target_info.{name}": value for name, value in info.items() if name not in ("__name__", "job", "instance")
        }
        points.append(Seen(point, fields | gathered_point.fields))
    return points


def samples_of(row: Mapping[str, Any]) -> Iterator[tuple[Any, Value]]:
    """Yield time and value of each sample in a row of a `matrix`: a number, or the numbers of a native histogram."""
    for time, text in row.get("values", ()):
        yield time, float(text)
    for time, histogram in row.get("histograms", ()):
        yield time, seen_numbers(histogram)


def declared(
    field: str,
    sent: Value,
    seen: Value,
    names: Mapping[str, Iterable[str]],
    carrier: str,
    named: Callable[[str], str] = label_name,
) -> str | None:
    """Return the declared lossy form that explains a difference, or None; `names` are each sent metric's names in Prometheus.

    `carrier`: the displayed name of the format that carried the points. `named`: returns the label name of a key.
    """
    if field in _NOT_CARRIED and seen is None:
        return f"start time and min/max not carried by {carrier}"
    if field == "time_unix_nano":
        return lossy.milliseconds(sent, seen)
    if field == "name":
        return "normalised names" if seen in set(names.get(str(sent), ())) else None
    if field == "keys" and isinstance(sent, tuple) and isinstance(seen, tuple):
        return "normalised names" if sorted(set(map(named, sent))) == sorted(seen) else None
    if field.startswith("labels."):
        return lossy.text(label_value(list(sent) if isinstance(sent, tuple) else sent), seen or "", "labels are text")
    return lossy.double(sent, seen)


def _numbers(names: SeriesNames, stream: Stream, point: Point) -> Mapping[str, Value]:
    if isinstance(point, NumberDataPoint):
        return {"value": _number(point.value)}
    if names.native(stream):
        return {"value": sent_numbers(point), "min": point.min, "max": point.max}
    fields: dict[str, Value] = {"min": point.min, "max": point.max}
    for suffix, extra, value in names.samples(stream, point):
        fields[f"bucket {bound_of(extra)}" if extra else suffix.removeprefix("_")] = _number(value)
    return fields


def bound_of(extra: Mapping[str, str]) -> str:
    """Return what tells a bucket from the others of its histogram: an upper bound (`le`) or a range (`vmrange`); empty for other series."""
    return next(iter(extra.values()), "")


def _number(value: float) -> Value:
    """Return a number as a double if that is exact (as Prometheus stores it), otherwise as sent."""
    if value != value:
        return float("nan")
    return float(value) if float(value) == value else value


def _value(value: Any) -> Value:
    return tuple(value) if isinstance(value, list | tuple) else value


def _part(name: str, bound: str, histogram: bool) -> tuple[str, str]:
    if bound and name.endswith("_bucket"):
        return name.removesuffix("_bucket"), f"bucket {bound}"
    if histogram:
        for part in ("sum", "count"):
            if name.endswith(f"_{part}"):
                return name.removesuffix(f"_{part}"), part
    return name, "value"


def _keys(labels: Mapping[str, str], want: Expected | None, named: Callable[[str], str]) -> Value:
    """Return the label names of a point's keys: those that its attributes could have produced."""
    sent = want.fields.get("keys") if want is not None else ()
    could = set(map(named, sent)) if isinstance(sent, tuple) else set()
    return tuple(sorted(name for name in could if name in labels or f"exported_{name}" in labels))


def _identity(labels: Mapping[str, str]) -> tuple[str, str]:
    return labels.get("job", ""), labels.get("instance", "")
