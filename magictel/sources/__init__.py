"""Sources: where metrics come from. A source yields `MetricsData`, the OpenTelemetry SDK's own type."""

from __future__ import annotations
