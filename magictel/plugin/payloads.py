"""The half of an exporter that turns collections into payloads, under the limits of its routes. It sends nothing."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from hashlib import blake2b
from typing import Any, TypeVar, final

from opentelemetry.sdk.metrics.export import MetricsData

from magictel.encoding.chunks import Surroundings, chunks
from magictel.encoding.deltas import Deltas
from magictel.encoding.layouts import Layouts
from magictel.encoding.packing import pack
from magictel.encoding.payload import Payload
from magictel.encoding.prepared import Prepared
from magictel.encoding.totals import Totals
from magictel.encoding.withheld import BUG, Withheld
from magictel.errors import MagictelError
from magictel.model.metrics import Group, Point, Series, count_points, in_time_order
from magictel.plugin.configured import Configured
from magictel.plugin.interface import INTERFACE, Authored, Encoder, S
from magictel.settings.model import HttpSettings
from magictel.transports.instrumentation import uninstrumented

_Method = TypeVar("_Method", bound=Callable[..., Any])
_INHERITED = frozenset(filter(callable, vars(Encoder).values()))
_SLICE = 2_500
"""Points encoded at a time, which bounds an encoder's memory."""


class PayloadEncoder(Configured[S], Authored[S]):
    """Prepares collections and encodes them as payloads."""

    deltas: Deltas | None = None
    """Turns cumulative points into deltas, if the backend takes only these."""
    totals: Totals | None = None
    """Turns deltas into cumulative points, if the backend takes only these."""

    def __init__(self, settings: S | None = None, **options: Any) -> None:
        super().__init__(settings, **options)
        self._layouts = Layouts()
        self._careful = False
        self._batches = itertools.count(1)

    @final
    def prepare(self, data: MetricsData, *, ask_within: float | None = None) -> Prepared:
        """Return a collection ready to encode: redacted, checked, `deduplicate`d, ordered, `convert`ed, and in a temporality that
        the backend takes. Once per collection.

        `ask_within`: timeout in seconds of `before_delivery`, which queries the backend; None: no query.
        """
        if ask_within is not None:
            self._before_delivery(ask_within)
        batch = next(self._batches)
        parts: Iterable[Group | Withheld] = self._possible(data)
        if self.totals is not None:
            parts = _through(parts, self.totals.convert)
        if (deduplicate := overridden(self.encoder.deduplicate)) is not None:
            parts = _through(parts, deduplicate)
        if self.in_time_order:
            parts = (in_time_order(part) if isinstance(part, Group) else part for part in parts)
        if (convert := overridden(self.encoder.convert)) is not None:
            parts = _through(parts, lambda kept: convert(kept, batch))
        if self.deltas is not None:  # the last stage: what another leaves out, or a bug in one, loses no interval
            parts = _through(list(parts), self.deltas.convert)
        prepared = Prepared.of(parts, count_points(data), batch)
        if self.deltas is not None:
            self.deltas.remember(prepared)
        return prepared

    @final
    def begin_recording(self) -> None:
        """Expect a recording, from its beginning: deltas and totals begin anew, and series that start within it have a first delta."""
        temporality = self.deltas or self.totals
        if temporality is not None:
            temporality.restart()
        self.encoder.begin_recording()

    @final
    def learn(self, data: MetricsData) -> None:
        """Learn points of a recording that were sent before: deltas and totals of later points continue from them."""
        temporality = self.deltas or self.totals
        if temporality is not None:
            for _ in temporality.convert(part for part in self._possible(data) if isinstance(part, Group)):
                pass

    @final
    def payloads(self, data: Prepared | MetricsData) -> Iterator[Payload | Withheld]:
        """Yield a collection's payloads, uncompressed, within the limits of their routes, and the reasons for points left out.

        Can be called again on a prepared collection.
        """
        prepared = data if isinstance(data, Prepared) else self.prepare(data)
        if prepared is not data:
            yield from prepared.withheld
        encoder = self.encoder
        encode = self._encode_carefully if self._careful else encoder.encode
        template = None if overridden(encoder.columns) is None else encoder
        routes = {route.name: route for route in self.routes()}
        points = min(_SLICE, *(route.max_points for route in routes.values()))
        try:
            parts = chunks(prepared.groups, encode, template, self._layouts, points, self._surroundings)
            yield from pack(parts, routes, encoder.split, prepared.batch)
        except Exception:
            self._careful = True  # one odd point must not cost every later collection
            self._layouts.clear()
            raise

    def _before_delivery(self, seconds: float) -> None:
        with uninstrumented(), contextlib.suppress(MagictelError):  # TLS files that are not there (yet)
            self.before_delivery(min(seconds, self.settings.timeout))

    def fingerprint(self) -> str:
        """Fingerprint of what payloads mean and where they go; stored payloads are sent only under the same one."""
        names = set(type(self.settings).__struct_fields__).difference(HttpSettings.__struct_fields__)
        own_settings = [(key, repr(getattr(self.settings, key))) for key in sorted(names)]
        return blake2b(repr((self.name, INTERFACE, self.endpoint(), own_settings)).encode(), digest_size=16).hexdigest()

    @cached_property
    def _surroundings(self) -> Surroundings:
        return Surroundings(
            overridden(self.encoder.resource_prefix),
            overridden(self.encoder.envelope),
            None if type(self).route_of is Authored.route_of else self.route_of,
        )

    def _encode_carefully(self, series: Series, point: Point) -> bytes | Withheld:
        try:
            return self.encoder.encode(series, point)
        except Exception as failure:
            why = f"a bug in encode, not the backend: {type(failure).__name__}: {failure}"
            return Withheld(BUG, why, series.stream.name)


def overridden(method: _Method) -> _Method | None:
    """Return a method of an encoder, or None if it is inherited from `Encoder`, where it changes nothing."""
    return None if getattr(method, "__func__", None) in _INHERITED else method


def _through(
    parts: Iterable[Group | Withheld], stage: Callable[[Iterable[Group]], Iterable[Group | Withheld]]
) -> Iterator[Group | Withheld]:
    """Apply a stage to groups; what was left out before bypasses it."""
    aside: list[Withheld] = []

    def groups_only() -> Iterator[Group]:
        for part in parts:
            if isinstance(part, Group):
                yield part
            else:
                aside.append(part)

    yield from stage(groups_only())
    yield from aside
