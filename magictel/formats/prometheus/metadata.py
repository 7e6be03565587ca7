"""What Prometheus knows about a metric besides its series: type, help and unit."""

from __future__ import annotations

from magictel.formats.prometheus.names import unit_name
from magictel.model.metrics import PROMETHEUS_TYPE, SUMMARY_NAME, Kind, Stream

_TYPES = {
    "unknown": 0, "counter": 1, "gauge": 2, "histogram": 3, "gaugehistogram": 4, "summary": 5, "info": 6, "stateset": 7,
}  # fmt: skip
"""`MetricType` of io.prometheus.write.v2; `gaugehistogram` and so on are names of OpenMetrics."""


def metadata(stream: Stream) -> tuple[int, str, str]:
    """Return the number of a metric's type, its help and its unit. A metric of a Prometheus page has the type that it has there."""
    facts = dict(stream.metadata)
    unit = unit_name(stream.unit)
    if PROMETHEUS_TYPE in facts:
        return _TYPES.get(facts[PROMETHEUS_TYPE], 0), stream.description, unit
    if SUMMARY_NAME in facts:
        return _TYPES["summary"], stream.description, unit
    if stream.kind in (Kind.HISTOGRAM, Kind.EXPONENTIAL_HISTOGRAM):
        return _TYPES["histogram"], stream.description, unit
    return _TYPES["counter" if stream.monotonic else "gauge"], stream.description, unit
