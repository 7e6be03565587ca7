"""Probes: methods of an exporter that check a rung, each with a sentence for success and a declared side effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from magictel.http.messages import reading
from magictel.http.wire import Wire
from magictel.model.finding import Finding, Rung, SideEffect

F = TypeVar("F", bound=Callable[..., Finding])
_MARK = "__magictel_probe__"


class ProbeInfo(msgspec.Struct, frozen=True):
    """The declaration of a probe: its rung, sentence, side effect, and method name."""

    rung: Rung
    sentence: str
    side_effect: SideEffect
    method: str

    def climb(self, exporter: Any, wire: Wire) -> Finding:
        """Run the probe and return its finding. Raise the probe's exceptions, and `WireError` for an unexpected reply."""
        with reading():
            finding: Finding = getattr(exporter, self.method)(wire)
        return finding


def probe(rung: Rung, sentence: str, side_effect: SideEffect = SideEffect.READ_ONLY) -> Callable[[F], F]:
    """Declare a method `(self, wire) -> Finding` as the probe of a rung."""

    def mark(method: F) -> F:
        setattr(method, _MARK, (Rung(rung), sentence, SideEffect(side_effect)))
        return method

    return mark


def probes_of(exporter_class: type) -> tuple[ProbeInfo, ...]:
    """Return the probes of an exporter class in the ladder's order, including inherited ones; the most derived class decides."""
    probes: dict[str, ProbeInfo] = {}
    for ancestor in reversed(exporter_class.__mro__):
        for name, member in vars(ancestor).items():
            mark = getattr(member, _MARK, None)
            if mark is not None:
                rung, sentence, side_effect = mark
                probes[name] = ProbeInfo(rung, sentence, side_effect, name)
            elif name in probes and not callable(member):
                del probes[name]  # a subclass disables a probe with `name = None`
    order = list(Rung)
    return tuple(sorted(probes.values(), key=lambda probe_info: order.index(probe_info.rung)))
