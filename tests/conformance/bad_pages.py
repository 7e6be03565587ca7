"""For each law on pages a page that breaks it: the one for Prometheus, which obeys all of them, with one member changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import msgspec

from magictel.encoding.withheld import Withheld
from magictel.exporters.prometheus import PrometheusExporter
from magictel.model.outcome import Receipt
from tests.conformance.bad import breaks

Chunk = bytes | Withheld


class Page(PrometheusExporter):
    """Ours as another package would inherit it."""

    interface = 2


def _showing(change: Any) -> Any:
    """Change the chunks of a page that is read by a law, which names no form; the emulator's scrapes do."""

    def page(self: Page, groups: Any, accept: str | None) -> tuple[str, Iterator[Chunk]]:
        content_type, chunks = PrometheusExporter.page(self, groups, accept)
        return content_type, chunks if accept else change(self, chunks)

    return page


def _without_codes(page: Page, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    return (dataclasses.replace(chunk, code="") if isinstance(chunk, Withheld) else chunk for chunk in chunks)


def _without_points(page: Page, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        if isinstance(chunk, Withheld):
            yield chunk
        else:
            yield b"".join(line for line in chunk.splitlines(keepends=True) if not line.startswith(b"magictel"))


def _with_the_day(page: Page, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    return chain(chunks, [b"# %d\n" % (page.clock.now() // 86_400)])


def _with_the_count(page: Page, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    return chain(chunks, [b"# %d\n" % page.ledger.sent])


@breaks("page.every-point")
class ThatLeavesOutWithoutACode(Page):
    page = _showing(_without_codes)


@breaks("page.every-point")
class ThatForgets(Page):
    page = _showing(_without_points)


@breaks("page.repeatable")
class ThatShowsTheDay(Page):
    page = _showing(_with_the_day)


@breaks("page.redacted")
class ThatRedactsNothing(Page):
    def __init__(self, settings: Any = None, **options: Any) -> None:
        super().__init__(settings, **options)
        self.redaction = iter  # type: ignore[assignment]


@breaks("page.side-by-side")
class ThatCountsItsScrapes(Page):
    page = _showing(_with_the_count)


@breaks("page.side-by-side")
class ThatBoasts(Page):
    @property
    def ledger(self) -> Receipt:  # type: ignore[misc]
        true = super().ledger
        return msgspec.structs.replace(true, sent=8, delivered=8) if true.sent == 7 else true


@breaks("page.port-in-use")
class ThatRaises(Page):
    def listen(self) -> None:  # type: ignore[misc]
        failure = self._listener.listen_on([self.settings.port])
        if failure is not None:
            raise failure


@breaks("page.port-in-use")
class ThatGivesUpInSilence(Page):
    def listen(self) -> None:  # type: ignore[misc]
        self._listener.listen_on([self.settings.port])


@breaks("page.shutdown")
class ThatStays(Page):
    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:  # type: ignore[misc]
        if timeout_millis == 0:  # as the suite ends an exporter
            super().shutdown(timeout_millis)


@breaks("page.fork")
class ThatStaysItsParent(Page):
    def _after_fork(self) -> None:
        pass
