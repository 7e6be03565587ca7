"""Remote write 2.0 as Prometheus 3 receives it: good samples are stored, bad ones named, and all of them counted in headers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from magictel.sandbox.prometheus_store import Labels, NativeHistogram, RefusedError, Sample, Store

MEDIA_TYPE = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
"""The content type; Prometheus reads any other one, even with a blank in it, as remote write 1.0."""
_CUSTOM = -53
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
Pairs = list[tuple[str, str]]


class Received:
    """The result of a request: what was stored of it, and the lines of what was refused."""

    def __init__(self, message: Any, store: Store, now: int) -> None:
        """Store what can be stored. As in Prometheus, samples of one request are not compared, so that the counts may be too high."""
        self.samples = self.histograms = 0
        self.exemplars: list[tuple[Pairs, Pairs, float, int]] = []
        """Labels of the series and of the exemplar, value, milliseconds."""
        self.metadata: dict[str, tuple[int, str, str]] = {}
        """Type, help and unit by name of the series."""
        self.refused: list[str] = []
        self._accepted: list[tuple[Labels, Sample]] = []
        for series in message.timeseries:
            self._take(series, message.symbols, store, now)
        store.keep(self._accepted)

    @property
    def headers(self) -> dict[str, str]:
        """The counts of what was written."""
        counts = {"samples": self.samples, "histograms": self.histograms, "exemplars": len(self.exemplars)}
        return {f"x-prometheus-remote-write-{kind}-written": str(count) for kind, count in counts.items()}

    def _take(self, series: Any, symbols: Sequence[str], store: Store, now: int) -> None:
        labels = _labels(series.labels_refs, symbols)
        shown = _text(labels)
        if not dict(labels).get("__name__") or len(dict(labels)) < len(labels):
            self.refused.append(f"invalid metric name or labels, got {shown}")
            return
        if not series.samples and not series.histograms:
            self.refused.append(f"TimeSeries must contain at least one sample or histogram for series {shown}")
            return
        self.metadata[dict(labels)["__name__"]] = (
            *(series.metadata.type, symbols[series.metadata.help_ref]),
            symbols[series.metadata.unit_ref],
        )
        numbers: list[Sample] = [(sample.timestamp, sample.value) for sample in series.samples]
        try:
            natives: list[Sample] = [(histogram.timestamp, native(histogram)) for histogram in series.histograms]
        except ValueError as failure:
            self.refused.append(f"{failure} for series {shown}")
            return
        for sample in [*numbers, *natives]:
            try:
                self._accepted.append((store.verdict(labels, sample, now), sample))
            except RefusedError as refused:
                self.refused.append(f"{refused.sentence} for series {shown}")
                continue
            self.histograms += isinstance(sample[1], NativeHistogram)
            self.samples += not isinstance(sample[1], NativeHistogram)
        for exemplar in series.exemplars:
            trace = _labels(exemplar.labels_refs, symbols)
            if sum(len(name) + len(value) for name, value in trace) <= 128:
                self.exemplars.append((labels, trace, exemplar.value, exemplar.timestamp))


def native(histogram: Any) -> NativeHistogram:
    """Return a histogram's buckets with their bounds. Raise `ValueError` in Prometheus' words."""
    schema = histogram.schema
    if schema != _CUSTOM and not -4 <= schema <= 8:
        raise ValueError(
            "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets,"
            f" or -53 for custom buckets, got schema {schema}"
        )
    positive = dict(_counts(histogram.positive_spans, histogram.positive_deltas))
    negative = dict(_counts(histogram.negative_spans, histogram.negative_deltas))
    counted = sum(positive.values()) + sum(negative.values()) + histogram.zero_count_int
    if counted != histogram.count_int:
        raise ValueError(
            f"{counted} observations found in buckets, but the Count field is {histogram.count_int}: histogram's observation"
            " count should equal the number of observations found in the buckets (in absence of NaN)"
        )
    if schema == _CUSTOM:
        bounds = [-math.inf, *histogram.custom_values, math.inf]
        buckets = [(bounds[index], bounds[index + 1], count) for index, count in positive.items() if count]
        return NativeHistogram(histogram.count_int, histogram.sum, tuple(buckets))
    base = 2.0 ** (2.0**-schema)
    buckets = [(base ** (index - 1), base**index, count) for index, count in positive.items() if count]
    buckets += [(-(base**index), -(base ** (index - 1)), count) for index, count in negative.items() if count]
    if histogram.zero_count_int:
        buckets.append((-histogram.zero_threshold, histogram.zero_threshold, histogram.zero_count_int))
    return NativeHistogram(histogram.count_int, histogram.sum, tuple(sorted(buckets)))


def _counts(spans: Any, deltas: Any) -> Iterator[tuple[int, int]]:
    """Yield the index and count of each bucket."""
    counts = accumulate(deltas)
    index = 0
    for span in spans:
        index += span.offset
        for _ in range(span.length):
            yield index, next(counts)
            index += 1


def _labels(refs: Sequence[int], symbols: Sequence[str]) -> Pairs:
    texts = [symbols[ref] for ref in refs]
    return list(zip(texts[::2], texts[1::2], strict=True))


def _text(labels: Pairs) -> str:
    """Return labels as Prometheus shows them."""
    names = [name if _NAME.fullmatch(name) else json.dumps(name) for name, _ in labels]
    return f"{{{', '.join(f'{name}={json.dumps(value, ensure_ascii=False)}' for name, (_, value) in zip(names, labels, strict=True))}}}"
