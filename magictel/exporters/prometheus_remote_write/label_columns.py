"""Labels in the order of their names, as remote write needs them, cut where a histogram's own labels stand."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Collection, Mapping, Sequence

from magictel.encoding.templates import Column
from magictel.formats.prometheus.label_columns import LabelColumns, LabelRows, encoded_label, encoded_labels, joined
from magictel.formats.prometheus.names import labels


class SortedLabels(LabelColumns):
    """Encodes attributes as labels named by `named`."""

    def __init__(self, named: Callable[[str], str]) -> None:
        super().__init__(named, encoded_labels)

    def around(
        self,
        encoded: LabelRows,
        fixed: Mapping[str, bytes],
        reserved: Collection[str],
        marks: Sequence[str] = (),
        ending: bytes = b"",
    ) -> list[Column | bytes]:
        """Return the labels in the order of their names, joined with the `fixed` ones of the stream, and cut at the names `marks`.

        `ending` follows the last label. `bytes` are the same for all points. A name that is `reserved`, or comes twice, is settled
        point by point.
        """
        if encoded.clash or not frozenset(reserved).isdisjoint(encoded.names):
            texts = [labels(attributes, reserved, self.named) for attributes in encoded.rows.attributes]
            *parts, last = zip(*(_cut(each, fixed, marks) for each in texts), strict=True)
            return [*parts, joined([last, ending])]
        segments: list[list[Column | bytes]] = [[] for _ in range(len(marks) + 1)]
        named: list[tuple[str, Column | bytes]] = [*zip(encoded.names, encoded.columns, strict=True), *fixed.items()]
        for name, part in sorted(named, key=lambda pair: pair[0]):
            segments[bisect(marks, name)].append(part)
        segments[-1].append(ending)
        return list(map(joined, segments))


def _cut(texts: Mapping[str, str], fixed: Mapping[str, bytes], marks: Sequence[str]) -> list[bytes]:
    """Return one point's labels as `SortedLabels.around` cuts them."""
    parts: list[list[bytes]] = [[] for _ in range(len(marks) + 1)]
    for name, label in sorted({**{name: encoded_label(name, text) for name, text in texts.items()}, **fixed}.items()):
        parts[bisect(marks, name)].append(label)
    return list(map(b"".join, parts))
