"""`GatewayMetrics`: records the requests of an AI gateway with the instruments of OpenTelemetry's SDK."""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Mapping as Record
from typing import Any

from opentelemetry import metrics
from opentelemetry.metrics import Meter, MeterProvider

from magictel.gateway.instruments import SCOPE, Instrument
from magictel.gateway.mapping import Mapping
from magictel.gateway.request import GatewayRequest, RecordError, read_request

_log = logging.getLogger("magictel.gateway")
_Record = Callable[[float, dict[str, Any]], None]


class GatewayMetrics:
    """The metrics of a gateway. Create one for a process; threads may share it.

    `meter_provider`: by default OpenTelemetry's global one. `mapping`: what is measured, and how; by default `Mapping()`.
    """

    def __init__(self, meter_provider: MeterProvider | None = None, mapping: Mapping | None = None) -> None:
        self.mapping = mapping or Mapping()
        self.invalid = 0
        """Records that could not be read."""
        self._meter = (meter_provider or metrics.get_meter_provider()).get_meter(SCOPE)
        self._recorders: list[_Record] = []

    def record(self, request: GatewayRequest | Record[str, Any]) -> None:
        """Record a request, or a gateway's own record of it (see `read_request`). Never raises: an invalid record is counted and logged."""
        try:
            measured = self.mapping(request if isinstance(request, GatewayRequest) else read_request(request))
            recorders = self._recorders
            if len(recorders) < len(self.mapping.instruments):
                recorders = self._created()
            for (at, attributes), value in measured:
                recorders[at](value, attributes)
        except Exception as failure:
            self.invalid += 1
            if self.invalid == 1:
                why = str(failure) if isinstance(failure, RecordError) else type(failure).__name__
                _log.warning("gateway.record: a request was not recorded: %s; further ones are counted only", why)

    def _created(self) -> list[_Record]:
        """Create the instruments that are new. The SDK returns the same one to two threads."""
        self._recorders = [_recorder(self._meter, instrument) for instrument in list(self.mapping.instruments)]
        return self._recorders


def _recorder(meter: Meter, instrument: Instrument) -> _Record:
    named = instrument.name, instrument.unit, instrument.description
    match instrument.kind:
        case "counter":
            return meter.create_counter(*named).add
        case "up_down_counter":
            return meter.create_up_down_counter(*named).add
        case "gauge":
            return meter.create_gauge(*named).set
        case "histogram":
            return meter.create_histogram(*named, explicit_bucket_boundaries_advisory=list(instrument.bounds)).record
