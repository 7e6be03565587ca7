"""What is written to a Prometheus, and asked of it, step by step: the same steps for the emulator and the real server.

`{m}` stands for a name of the scenario's own; ages are milliseconds before one moment that all steps share.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import Any

import cramjam

from magictel.sandbox.prometheus_protobuf import WriteRequest

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
HOUR, MINUTE, SECOND = 3_600_000, 60_000, 1000


@dataclass(frozen=True)
class Write:
    """A remote write: series as (labels in the order given, [(age, value)])."""

    series: tuple[tuple[tuple[tuple[str, str], ...], tuple[tuple[int, float], ...]], ...] = ()
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def bytes(self, name: str, now: int) -> bytes:
        """The body as it travels."""
        if self.body is not None:
            return self.body
        request = WriteRequest()
        for labels, samples in self.series:
            series = request.timeseries.add()
            for label, value in labels:
                series.labels.add(name=label, value=value.replace("{m}", name))
            for age, number in samples:
                series.samples.add(timestamp=now - age, value=number)
        return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))


@dataclass(frozen=True)
class Ask:
    """A GET or POST, and whether its answer's status alone is compared."""

    path: str
    parameters: dict[str, Any] = field(default_factory=dict)
    method: str = "GET"
    status_only: bool = False


Step = Write | Ask


def named(*pairs: tuple[str, str], name: str = "{m}") -> tuple[tuple[str, str], ...]:
    return (("__name__", name), *pairs)


def single(*samples: tuple[int, float], labels: tuple[tuple[str, str], ...] | None = None) -> Write:
    return Write(((named() if labels is None else labels, samples),))


def two(first: tuple[int, float], second: tuple[int, float]) -> Write:
    return Write(((named(("s", "1")), (first,)), (named(("s", "2")), (second,))))


def raw(body: bytes) -> Write:
    return Write(body=body)


ALL = Ask("/api/v1/query", {"query": "{m}[2h]"})
NOW = Ask("/api/v1/query", {"query": "{m}"})

SCENARIOS: dict[str, tuple[Step, ...]] = {
    "ascending samples of one series": (single((2 * SECOND, 1), (SECOND, 2)), ALL, NOW),
    "an older sample within the window": (single((SECOND, 1)), single((3 * SECOND, 2)), ALL),
    "older than window and head": (single((0, 1)), single((3 * HOUR, 2)), ALL),
    "an hour and a minute old": (single((0, 1)), single((61 * MINUTE, 2), labels=named(("a", "b"))), ALL),
    "59 minutes old, a new series": (single((0, 1)), single((59 * MINUTE, 2), labels=named(("a", "b"))), ALL),
    "59 minutes old, of a series with newer samples": (single((0, 1)), single((59 * MINUTE, 2)), ALL),
    "the same sample twice": (single((0, 1)), single((0, 1)), ALL),
    "another value at the same time": (single((0, 1)), single((0, 2)), ALL),
    "minus zero over zero": (single((0, 0.0)), single((0, -0.0)), ALL),
    "a bad sample behind a good one undoes both": (
        single((0, 1)),
        two((0, 1), (0, 1)),
        Write(((named(("n", "x")), ((0, 5),)), (named(), ((0, 9),)))),
        ALL,
    ),
    "descending within one request": (single((0, 3), (SECOND, 2), (2 * SECOND, 1)), ALL),
    "two values for one time in one request": (single((0, 1), (0, 2)), ALL),
    "one series twice in one request, the second older": (Write(((named(), ((0, 2),)), (named(), ((SECOND, 1),)))), ALL),
    "one series twice in one request, the second newer": (Write(((named(), ((SECOND, 1),)), (named(), ((0, 2),)))), ALL),
    "no labels at all": (Write((((), ((0, 1),)),)),),
    "only empty values": (single((0, 1), labels=(("a", ""),)),),
    "no name": (single((0, 1), labels=(("only", "{m}"),)), Ask("/api/v1/query", {"query": '{only="{m}"}[1h]'})),
    "a label twice": (single((0, 1), labels=named(("a", "1"), ("a", "2"))), ALL),
    "an empty label name": (single((0, 1), labels=(("", "x"), *named())), ALL),
    "an empty label value": (single((0, 1), labels=named(("a", ""))), ALL),
    "a name that is none": (single((0, 1), labels=named(name="{m}-x")), Ask("/api/v1/query", {"query": '{__name__="{m}-x"}[1h]'})),
    "unsorted labels": (single((0, 1), labels=named(("b", "1"), ("a", "2"))), ALL, Ask("/api/v1/query", {"query": '{m}{a="2"}'})),
    "a series without samples": (Write(((named(), ()),)), ALL),
    "an empty write": (Write(), ALL),
    "no protobuf": (raw(bytes(cramjam.snappy.compress_raw(b"\xff\xff\xff"))),),
    "cut protobuf": (raw(bytes(cramjam.snappy.compress_raw(b"\x0a\x20abc"))),),
    "no snappy": (raw(b"zzzz"),),
    "no body": (raw(b""),),
    "framed snappy": (raw(bytes(cramjam.snappy.compress(b"\x0a\x00"))),),
    "GET at the write path": (Ask("/api/v1/write"),),
    "awkward numbers": (single((6, math.nan), (5, math.inf), (4, -math.inf), (3, -0.0), (2, 1e300), (1, 1e-7), (0, 0.1)), ALL),
    "more awkward numbers": (
        single((5, 9007199254740992.0), (4, 1e21), (3, 123456789012345680000.0), (2, 5e-324), (1, 1e-6), (0, 100.0)),
        ALL,
    ),
    "a stale marker ends a series": (single((SECOND, 1), (0, STALE)), ALL, NOW),
    "matchers": (
        Write(((named(("z", "eu-1")), ((0, 1),)), (named(("z", "us-2")), ((0, 2),)), (named(), ((0, 3),)))),
        Ask("/api/v1/query", {"query": '{m}{z=~"eu-.+"}'}),
        Ask("/api/v1/query", {"query": '{m}{z!~"eu-.+"}'}),
        Ask("/api/v1/query", {"query": '{m}{z!="us-2",poll!="7"}'}),
        Ask("/api/v1/query", {"query": '{m}{z=""}'}),
        Ask("/api/v1/query", {"query": '{__name__=~"{m}", z=~"eu|us"}'}),
        Ask("/api/v1/query", {"query": '{m}{z="e\\u0075-1"}'}),
    ),
    "unicode and quotes in values": (
        single((0, 1), labels=named(("z", 'größe-東京 "q" \\ \n'))),
        ALL,
        Ask("/api/v1/query", {"query": '{m}{z="größe-東京 \\"q\\" \\\\ \\n"}[1h]'}),
    ),
    "a selector that matches everything": (Ask("/api/v1/query", {"query": "{}"}, status_only=True),),
    "a selector of an empty matcher": (Ask("/api/v1/query", {"query": '{a=""}'}, status_only=True),),
    "a broken query": (Ask("/api/v1/query", {"query": "a{"}, status_only=True),),
    "an unknown path": (Ask("/api/v1/nope", status_only=True),),
    "vector(1)": (Ask("/api/v1/query", {"query": "vector(1)"}),),
    "a range query": (single((10 * SECOND, 1), (0, 2)), Ask("/api/v1/query_range", {"query": "{m}", "start": -20, "end": 20, "step": 5})),
    "series": (single((0, 1), labels=named(("a", "b"))), Ask("/api/v1/series", {"match[]": "{m}"}), Ask("/api/v1/series")),
    "delete": (
        two((0, 1), (0, 2)),
        Ask("/api/v1/admin/tsdb/delete_series", {"match[]": '{m}{s="1"}'}, method="POST"),
        ALL,
        Ask("/api/v1/series", {"match[]": "{m}"}),
        Write(((named(("s", "1")), ((-500, 5),)),)),
        ALL,
    ),
    "delete without a selector": (Ask("/api/v1/admin/tsdb/delete_series", method="POST"),),
    "ready and healthy": (Ask("/-/ready"), Ask("/-/healthy")),
}  # fmt: skip
