"""The page: a collection as a scraper reads it, family by family, in pieces of about 64 KiB.

What is on it, by OpenTelemetry's specification ("Prometheus and OpenMetrics Compatibility"): `target_info` with the resource's attributes;
monotonic sums as counters (`_total`), other sums and gauges as gauges, histograms as classic ones, each with the labels of its scope.
Points carry no time: a sample is of the time of the scrape.

Exponential histograms are native ones in protobuf. Text has none: there they are classic ones whose only bucket is `+Inf`, like those of
client_golang and the Collector, so that count and sum arrive. So is, in every form, one of a scale below -4: no native one has it.

What is left out, each under its code: delta points, names without a usable character, integers beyond a 64-bit float, metrics that
would give a family two types, and points that would be the same series as another one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

from magictel.encoding.chunks import Chunk, chunks
from magictel.encoding.layouts import Layouts
from magictel.encoding.protobuf import varint
from magictel.encoding.withheld import Withheld
from magictel.exporters.prometheus.families import Family, families
from magictel.exporters.prometheus.names import PageNames
from magictel.exporters.prometheus.negotiation import Form
from magictel.exporters.prometheus.protobuf import ProtobufFamily
from magictel.exporters.prometheus.text import TextFamily
from magictel.formats.prometheus.collisions import SampleCollisions
from magictel.formats.prometheus.label_columns import Labellers
from magictel.formats.prometheus.names import LabelNames, TranslationStrategy
from magictel.model.metrics import Group

_PIECE = 65_536
"""Bytes of a piece of the page, about."""
_SLICE = 500
"""Points that are encoded at a time."""
_FORMS = 3
"""Maximum number of forms whose constant text is kept from one scrape to the next: those of the latest scrapers."""
_TARGET_INFO = Family("target_info", "info", frozenset({"target_info"}), "Target metadata")


class PageEncoding:
    """Encodes pages, for any number of threads. `target_info`, `scope_labels`: whether the page has them. `native_histograms`:
    whether exponential histograms are native ones in protobuf. `created`: whether OpenMetrics has `_created` lines.
    """

    def __init__(
        self,
        *,
        translation_strategy: TranslationStrategy = "UnderscoreEscapingWithSuffixes",
        label_names: LabelNames = "prometheus",
        target_info: bool = True,
        scope_labels: bool = True,
        native_histograms: bool = True,
        created: bool = True,
    ) -> None:
        self._strategy: TranslationStrategy = translation_strategy
        self._label_names: LabelNames = label_names
        self._target_info, self._scope_labels = target_info, scope_labels
        self._native_histograms, self._created = native_histograms, created
        self._names: dict[tuple[Form, bool], PageNames] = {}
        self._writers: OrderedDict[tuple[Form, bool], _Writer] = OrderedDict()
        self._lock = threading.Lock()

    def names(self, form: Form, *, several: bool = False) -> PageNames:
        """Return how a page of this form names its series; `several`: a page of several resources."""
        known = self._names.get((form, several))
        if known is not None:
            return known
        names = self._names[form, several] = PageNames(
            self._strategy,
            form.escaping,
            scope_labels=self._scope_labels,
            label_names=self._label_names,
            several=several,
            native_histograms=self._native_histograms and form.syntax == "protobuf",
        )
        return names

    def page(self, groups: Sequence[Group], form: Form) -> Iterator[bytes | Withheld]:
        """Yield the page of a prepared collection, piece by piece, and a reason for every point left out.

        Pages may be read side by side: each piece is made under a lock, none of them while another is sent.
        """
        parts = self._parts(groups, form)
        while True:
            with self._lock:
                part = next(parts, None)
            if part is None:
                return
            yield part

    def _parts(self, groups: Sequence[Group], form: Form) -> Iterator[bytes | Withheld]:
        pieces: list[bytes] = []
        size = 0
        for part in self._writer(groups, form).page(groups):
            if isinstance(part, Withheld):
                yield part
                continue
            pieces.append(part)
            size += len(part)
            if size >= _PIECE:
                yield b"".join(pieces)
                pieces, size = [], 0
        if pieces:
            yield b"".join(pieces)

    def _writer(self, groups: Sequence[Group], form: Form) -> _Writer:
        """Return the writer of a form, which keeps what scrapes have in common."""
        resources = [group.stream.resource for group in groups]
        several = any(resource is not resources[0] and resource != resources[0] for resource in resources)
        key = form, several
        writer = self._writers.get(key)
        if writer is None:
            names = self.names(form, several=several)
            writer = _Writer(names, form, target_info=self._target_info, created=self._created)
            self._writers[key] = writer
            if len(self._writers) > _FORMS:
                self._writers.popitem(last=False)
        self._writers.move_to_end(key)
        return writer


class _Writer:
    """Writes pages of one form."""

    def __init__(self, names: PageNames, form: Form, *, target_info: bool, created: bool) -> None:
        self._names, self._form = names, form
        self._target_info, self._created = target_info, created
        self._layouts = Layouts()
        self._labellers: Labellers = {}
        self._collisions = SampleCollisions(names, "prom.page.collision", lambda _: False, timed=False)

    def page(self, groups: Sequence[Group]) -> Iterator[bytes | Withheld]:
        """Yield the page in pieces of any size."""
        infos = self._infos(groups) if self._target_info else []
        shown: list[Family] = [_TARGET_INFO] if infos else []
        for part in families(groups, self._names, shown):
            if isinstance(part, Withheld):
                yield part
            else:
                shown.append(part)
        yield from self._deduplicate(shown)
        taken = {name for family in shown for name in family.claimed}
        for family in shown:
            yield from self._family(family, taken, infos if family is _TARGET_INFO else [])
        if self._form.syntax == "openmetrics":
            yield b"# EOF\n"

    def _deduplicate(self, shown: Sequence[Family]) -> Iterator[Withheld]:
        """Remove the points that are the same series as another one from their families, and yield them."""
        by_name = {family.name: family for family in shown}
        going = [group for family in shown for group in family.groups]
        for family in shown:
            family.groups.clear()
        for part in self._collisions.deduplicate(going):
            if isinstance(part, Withheld):
                yield part
            else:
                by_name[self._names.name(part.stream) or ""].groups.append(part)

    def _infos(self, groups: Sequence[Group]) -> list[Mapping[str, str]]:
        """Return the labels of `target_info`, once for each resource; metrics of another page bring their own."""
        resources = {
            id(group.stream.resource): group.stream for group in groups if not self._names.verbatim(group.stream)
        }
        shown = [stream.resource for stream in resources.values() if self._names.has_target_info(stream.resource)]
        every = map(self._names.resource_labels, shown)
        return list({tuple(sorted(texts.items())): texts for texts in every if texts}.values())

    def _family(
        self, family: Family, taken: set[str], infos: Sequence[Mapping[str, str]]
    ) -> Iterator[bytes | Withheld]:
        encoder: TextFamily | ProtobufFamily
        if self._form.syntax == "protobuf":
            encoder = ProtobufFamily(self._names, family, self._labellers)
            return self._message(encoder, family, infos)
        openmetrics = self._form.syntax == "openmetrics"
        encoder = TextFamily(
            self._names, family, self._labellers, taken, openmetrics=openmetrics, created=self._created
        )
        return self._lines(encoder, family, infos)

    def _lines(
        self, encoder: TextFamily, family: Family, infos: Sequence[Mapping[str, str]]
    ) -> Iterator[bytes | Withheld]:
        """Yield a family's lines, with its metadata if there is a sample at all."""
        head = encoder.head()
        for part in self._bodies(encoder, family, infos):
            if head and isinstance(part, bytes):
                yield head
                head = b""
            yield part

    def _message(
        self, encoder: ProtobufFamily, family: Family, infos: Sequence[Mapping[str, str]]
    ) -> Iterator[bytes | Withheld]:
        """Yield a family as one message behind its size; a large one is encoded twice, as its size comes first."""
        head, size = encoder.head(), 0
        large = sum(len(group.points) for group in family.groups) > _SLICE
        bodies: list[bytes] = []
        for part in self._bodies(encoder, family, infos):
            if isinstance(part, Withheld):
                yield part
                continue
            size += len(part)
            if not large:
                bodies.append(part)
        if not size:
            return
        yield varint(len(head) + size) + head
        again = self._bodies(encoder, family, infos) if large else bodies
        yield from (part for part in again if isinstance(part, bytes))

    def _bodies(
        self, encoder: TextFamily | ProtobufFamily, family: Family, infos: Sequence[Mapping[str, str]]
    ) -> Iterator[bytes | Withheld]:
        yield from map(encoder.info, infos)
        for part in chunks(family.groups, encoder.encode, encoder, self._layouts, _SLICE):
            yield part.body if isinstance(part, Chunk) else part
