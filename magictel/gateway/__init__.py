"""Metrics of an AI gateway, by OpenTelemetry's conventions for HTTP and generative AI.

    from magictel.gateway import GatewayMetrics, GatewayRequest

    gateway_metrics = GatewayMetrics()
    gateway_metrics.record(GatewayRequest(provider="openai", model="gpt-4o", duration=1.25, input_tokens=48, output_tokens=865))

`record` also takes a gateway's own record of a request, as in its request log; `magictel replay` uses the same mapping.
"""

from __future__ import annotations

from magictel.gateway.custom import CustomMetric, custom_metrics
from magictel.gateway.mapping import Mapping
from magictel.gateway.metrics import GatewayMetrics
from magictel.gateway.middleware import AsgiMetrics, WsgiMetrics, annotate
from magictel.gateway.request import GatewayRequest, RecordError, read_request

__all__ = [
    "AsgiMetrics",
    "CustomMetric",
    "GatewayMetrics",
    "GatewayRequest",
    "Mapping",
    "RecordError",
    "WsgiMetrics",
    "annotate",
    "custom_metrics",
    "read_request",
]
