"""The observers of an exporter's deliveries: its log, the stopwatch of `--timing`, and others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, TypeVar

from magictel.model.outcome import Reason, Receipt

T = TypeVar("T")
Listener = Callable[[str, Any], None]
"""Receives the events of an exchange, as httpcore's `trace` extension names them."""
_NOTHING = nullcontext()
_PER_PAYLOAD = ("step", "encoded", "requested", "listener")
"""The methods that are called for each payload or request, not only for each export."""


class Observer:
    """A follower of an exporter's deliveries, called from any thread. A method does nothing unless a subclass overrides it."""

    def step(self, name: str, code: str | None = None) -> AbstractContextManager[Any]:
        """Return what encloses a step: `encode`, `compress`, or a wait (`limited`, `throttled`, `away`) after a failure with a code."""
        return _NOTHING

    def encoded(self) -> None:
        """A payload is encoded."""

    def requested(self) -> None:
        """A request with points begins."""

    def listener(self) -> Listener | None:
        """Return a listener to the exchange that begins, or None."""
        return None

    def exported(self, ledger: Receipt) -> None:
        """An export has ended; `ledger` counts every point so far."""

    def after_shutdown(self, receipt: Receipt) -> None:
        """An export came after the shutdown: its points are dropped."""

    def ended(self, ledger: Receipt, dropped: Receipt) -> None:
        """The exporter has shut down; `dropped` is what was still queued."""


class Observers(Observer):
    """All observers of an exporter. Delivery and transport get this object once; observers come and go."""

    def __init__(self, *observers: Observer) -> None:
        self.reset(*observers)

    def reset(self, *observers: Observer) -> None:
        """Replace all observers."""
        self._observers = observers
        # Observers of whole exports, such as the log, cost a payload nothing.
        self._of_payloads = tuple(filter(_follows_payloads, observers))

    def add(self, observer: Observer) -> None:
        """Begin to call an observer."""
        self.reset(*self._observers, observer)

    def remove(self, observer: Observer) -> None:
        """Stop calling an observer."""
        self.reset(*(other for other in self._observers if other is not observer))

    def step(self, name: str, code: str | None = None) -> AbstractContextManager[Any]:
        """Return what encloses a step for every observer."""
        if not self._of_payloads:
            return _NOTHING
        stack = ExitStack()
        for observer in self._of_payloads:
            stack.enter_context(observer.step(name, code))
        return stack

    def each_encoded(self, parts: Iterable[T]) -> Iterable[T]:
        """Pass on payloads, and the reasons of points left out, as they are encoded."""
        return self._each_encoded(parts) if self._of_payloads else parts

    def _each_encoded(self, parts: Iterable[T]) -> Iterator[T]:
        source = iter(parts)
        while True:
            with self.step("encode"):
                try:
                    part = next(source)
                except StopIteration:
                    return
            if not isinstance(part, Reason):
                self.encoded()
            yield part
            del part  # free it before the next one is encoded

    def encoded(self) -> None:
        """A payload is encoded."""
        for observer in self._of_payloads:
            observer.encoded()

    def requested(self) -> None:
        """A request with points begins."""
        for observer in self._of_payloads:
            observer.requested()

    def listener(self) -> Listener | None:
        """Return a listener that passes events on to those of the observers, or None if there are none."""
        listeners = [listener for observer in self._of_payloads if (listener := observer.listener()) is not None]
        if len(listeners) < 2:
            return listeners[0] if listeners else None

        def hear(event: str, details: Any) -> None:
            for listener in listeners:
                listener(event, details)

        return hear

    def exported(self, ledger: Receipt) -> None:
        """An export has ended."""
        for observer in self._observers:
            observer.exported(ledger)

    def after_shutdown(self, receipt: Receipt) -> None:
        """An export came after the shutdown."""
        for observer in self._observers:
            observer.after_shutdown(receipt)

    def ended(self, ledger: Receipt, dropped: Receipt) -> None:
        """The exporter has shut down."""
        for observer in self._observers:
            observer.ended(ledger, dropped)


def _follows_payloads(observer: Observer) -> bool:
    return any(getattr(type(observer), name) is not getattr(Observer, name) for name in _PER_PAYLOAD)
