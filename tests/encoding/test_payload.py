"""Packing under a route's limits, and shrinking: nothing is lost, doubled or put out of order. Checked over random items."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictel.encoding.chunks import Chunk
from magictel.encoding.packing import pack
from magictel.encoding.payload import Payload, Route, Run
from magictel.encoding.withheld import Withheld

ITEMS = st.lists(st.integers(1, 40), min_size=0, max_size=60)
FLAGS = st.lists(st.booleans(), min_size=60, max_size=60)
ENVELOPES = (), (b"resource 1", b"scope"), (b"resource 2", b"scope")


def item(number: int, size: int) -> bytes:
    return f"{number}:".encode().ljust(size + 6, b".") + b"\n"


def split(body: bytes) -> list[bytes]:
    return body.splitlines(keepends=True)


def chunks(
    sizes: Sequence[int], cuts: Sequence[bool], known: Sequence[bool], envelopes: Sequence[int] = ()
) -> tuple[list[bytes], list[Chunk]]:
    items = [item(number, size) for number, size in enumerate(sizes)]
    grouped: list[list[bytes]] = []
    for number, part in enumerate(items):
        if not grouped or cuts[number]:
            grouped.append([])
        grouped[-1].append(part)
    starts = [0, *accumulate(map(len, grouped))]
    return items, [
        Chunk(
            b"".join(group),
            len(group),
            tuple(map(len, group)) if known[number] else None,
            ENVELOPES[envelopes[number] if envelopes else 0],
            range(starts[number], starts[number + 1]),
        )
        for number, group in enumerate(grouped)
    ]


def packed(given_chunks: Sequence[Chunk], route: Route) -> list[Payload]:
    return [payload.cut(split) for payload in pack(given_chunks, {"": route}, split) if isinstance(payload, Payload)]


def enclosed(payload: Payload) -> Iterator[tuple[bytes, ...]]:
    """The envelope of each item."""
    for run in payload.runs:
        yield from [run.envelope] * run.points


@given(ITEMS, FLAGS, FLAGS, st.integers(1, 12), st.integers(8, 300), st.integers(0, 20))
def test_packing_keeps_every_item_in_order_under_both_limits(
    sizes: list[int], cuts: list[bool], known: list[bool], most_points: int, most_bytes: int, frame: int
) -> None:
    items, given_chunks = chunks(sizes, cuts, known)
    payloads = packed(given_chunks, Route("/", most_points, most_bytes, frame_bytes=frame))
    assert [item for payload in payloads for item in payload.items()] == items
    assert [position for payload in payloads for position in payload.at] == list(range(len(items)))
    for payload in payloads:
        assert payload.points == len(payload.items()) >= 1
        assert payload.points <= most_points
        assert frame + len(payload.body) <= most_bytes or payload.points == 1, "only one item alone may be too large"


@given(ITEMS, FLAGS, FLAGS, st.lists(st.integers(0, 2), min_size=60, max_size=60), st.integers(60, 300))
def test_runs_say_what_encloses_each_item_and_an_envelope_counts(
    sizes: list[int], cuts: list[bool], known: list[bool], envelopes: list[int], most_bytes: int
) -> None:
    _, given_chunks = chunks(sizes, cuts, known, [max(1, envelope) for envelope in envelopes])
    wanted = [chunk.envelope for chunk in given_chunks for _ in range(chunk.points)]
    payloads = packed(given_chunks, Route("/", 99, most_bytes))
    assert [envelope for payload in payloads for envelope in enclosed(payload)] == wanted
    for payload in payloads:
        around = sum(len(b"".join(run.envelope)) for run in payload.runs)
        assert around + len(payload.body) <= most_bytes or payload.points == 1
        assert sum(run.size for run in payload.runs) == len(payload.body)
        assert all(run.envelope != other.envelope for run, other in pairwise(payload.runs))


@given(st.lists(st.integers(20, 155), min_size=40, max_size=300), st.integers(1, 60), st.booleans())
def test_datagrams_are_at_least_nine_tenths_full(sizes: list[int], group: int, known: bool) -> None:
    """All but the last; nothing larger than a tenth of the limit could fill what is left."""
    cuts = [number % group == 0 for number in range(len(sizes))]
    _, given_chunks = chunks(sizes, cuts, [known] * len(sizes))
    payloads = packed(given_chunks, Route("", 10_000, 1_660))
    for payload in payloads[:-1]:
        assert len(payload.body) >= 0.9 * 1_660


@pytest.mark.parametrize(
    ("known", "size", "points"),
    [(True, 10, [4, 2]), (False, 10, [4, 2]), (True, 30_000, [3, 3]), (False, 30_000, [3, 3])],
)
def test_a_chunk_is_not_read_only_to_fill_a_payload_unless_it_is_small(
    known: bool, size: int, points: list[int]
) -> None:
    _, given_chunks = chunks([size] * 6, [True, False, False] * 2, [known] * 6)
    assert [payload.points for payload in packed(given_chunks, Route("/", 4, 10**9))] == points


def test_each_route_has_its_own_limits_and_what_is_left_out_passes() -> None:
    _, given_chunks = chunks([5] * 9, [True] * 9, [True] * 9)
    routed = [replace(chunk, route="ab"[number % 2]) for number, chunk in enumerate(given_chunks)]
    left_out = Withheld("x.nan", "no NaN", "m")
    routes = {"a": Route("/a", 2, 999, "a"), "b": Route("/b", 3, 999, "b")}
    parts = list(pack([*routed[:4], left_out, *routed[4:]], routes, split, 7))
    assert left_out in parts
    payloads = [part for part in parts if isinstance(part, Payload)]
    assert {payload.batch for payload in payloads} == {7}
    positions = {name: [list(payload.at) for payload in payloads if payload.route == name] for name in "ab"}
    assert positions == {"a": [[0, 2], [4, 6], [8]], "b": [[1, 3, 5], [7]]}


@given(st.lists(st.integers(1, 40), min_size=2, max_size=30), st.booleans(), st.integers(0, 29), st.data())
def test_shrinking_and_halving_keep_what_they_should(
    sizes: list[int], known: bool, border: int, data: st.DataObject
) -> None:
    items = [item(number, size) for number, size in enumerate(sizes)]
    border = min(border, len(items))
    parts = [(ENVELOPES[1], items[:border]), (ENVELOPES[2], items[border:])]
    runs = tuple(Run(envelope, len(part), len(b"".join(part))) for envelope, part in parts if part)
    lengths = tuple(map(len, items)) if known else None
    at = range(100, 100 + len(items))
    payload = Payload(b"".join(items), len(items), lengths, attempted=True, runs=runs, at=at, batch=3).cut(split)
    first, second = payload.halves()
    assert first.items() + second.items() == items
    assert [*first.at, *second.at] == list(at)
    assert [*enclosed(first), *enclosed(second)] == list(enclosed(payload))
    assert abs(first.points - second.points) <= 1
    assert first.attempted
    assert second.attempted
    assert len({payload.id, first.id, second.id}) == 3
    wanted = data.draw(st.sets(st.integers(0, len(items) - 1), min_size=1))
    fewer = payload.only(list(wanted))
    assert fewer.items() == [items[index] for index in sorted(wanted)]
    assert list(fewer.at) == [100 + index for index in sorted(wanted)]
    assert list(enclosed(fewer)) == [list(enclosed(payload))[index] for index in sorted(wanted)]
    assert sum(run.size for run in fewer.runs) == len(fewer.body)
    assert (fewer.points, fewer.attempted, fewer.batch) == (len(wanted), True, 3)


@pytest.mark.parametrize("sizes", [(3, 3), None])
def test_neighbouring_chunks_share_a_payload(sizes: tuple[int, int] | None) -> None:
    (payload,) = pack([Chunk(b"a.\nb.\n", 2, sizes), Chunk(b"c.\n", 1, (3,))], {"": Route("/", 99, 999)}, split)
    assert isinstance(payload, Payload)
    assert payload.cut(split).items() == [b"a.\n", b"b.\n", b"c.\n"]
    assert payload.sizes == ((3, 3, 3) if sizes else None)


def test_the_id_is_that_of_the_content_whatever_became_of_it() -> None:
    payload = Payload(b"a.\nb.\n", 2, (3, 3), at=(0, 1))
    assert replace(payload, attempted=True, form="2.0", batch=9).id == payload.id
    assert replace(payload, runs=(Run((b"r",), 2, 6),)).id != payload.id
    assert replace(payload, runs=(Run((b"r", b""), 2, 6),)).id != replace(payload, runs=(Run((b"", b"r"), 2, 6),)).id


def test_a_payload_is_plain_data() -> None:
    payload = Payload(b"a.\nb.\n", 2, (3, 3), runs=(Run((b"r",), 2, 6),), at=range(2))
    assert pickle.loads(pickle.dumps(payload)) == payload


def test_a_payload_shows_no_data() -> None:
    payload = Payload(b"hunter2", 1, runs=(Run((b"hunter2",), 1, 7),))
    assert "hunter2" not in repr(payload)
