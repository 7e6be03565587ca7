"""Packing under a route's limits, and shrinking: nothing is lost, doubled or put out of order. Checked over random items."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictel.encoding.payload import Payload, Route, pack
from magictel.encoding.templates import Chunk

ITEMS = st.lists(st.integers(1, 40), min_size=0, max_size=60)


def item(number: int, size: int) -> bytes:
    return f"{number}:".encode().ljust(size + 6, b".") + b"\n"


def split(body: bytes) -> list[bytes]:
    return body.splitlines(keepends=True)


def chunks(sizes: Sequence[int], cuts: Sequence[bool], known: Sequence[bool]) -> tuple[list[bytes], list[Chunk]]:
    items = [item(number, size) for number, size in enumerate(sizes)]
    grouped: list[list[bytes]] = []
    for number, one in enumerate(items):
        if not grouped or cuts[number]:
            grouped.append([])
        grouped[-1].append(one)
    return items, [
        Chunk(b"".join(group), len(group), tuple(map(len, group)) if known[number] else None)
        for number, group in enumerate(grouped)
    ]


@given(
    ITEMS, st.lists(st.booleans(), min_size=60, max_size=60), st.lists(st.booleans(), min_size=60, max_size=60),
    st.integers(1, 12), st.integers(8, 300),
)  # fmt: skip
def test_packing_keeps_every_item_in_order_under_both_limits(
    sizes: list[int], cuts: list[bool], known: list[bool], most_points: int, most_bytes: int
) -> None:
    items, given_chunks = chunks(sizes, cuts, known)
    payloads = list(pack(given_chunks, Route("/", most_points, most_bytes), split))
    assert [one for payload in payloads for one in payload.items()] == items
    for payload in payloads:
        assert payload.points == len(payload.items()) >= 1
        assert payload.points <= most_points
        assert len(payload.body) <= most_bytes or payload.points == 1, "only one item alone may be too large"


@given(st.lists(st.integers(1, 40), min_size=2, max_size=30), st.booleans(), st.data())
def test_shrinking_and_halving_keep_what_they_should(sizes: list[int], known: bool, data: st.DataObject) -> None:
    items = [item(number, size) for number, size in enumerate(sizes)]
    payload = Payload(b"".join(items), len(items), split, tuple(map(len, items)) if known else None, attempted=True)
    first, second = payload.halves()
    assert first.items() + second.items() == items
    assert abs(first.points - second.points) <= 1
    assert first.attempted
    assert second.attempted
    wanted = data.draw(st.sets(st.integers(0, len(items) - 1), min_size=1))
    fewer = payload.only(list(wanted))
    assert fewer.items() == [items[index] for index in sorted(wanted)]
    assert (fewer.points, fewer.attempted) == (len(wanted), True)


@pytest.mark.parametrize("sizes", [(3, 3), None])
def test_neighbouring_chunks_share_a_payload(sizes: tuple[int, int] | None) -> None:
    (payload,) = pack([Chunk(b"a.\nb.\n", 2, sizes), Chunk(b"c.\n", 1, (3,))], Route("/", 99, 999), split)
    assert payload.items() == [b"a.\n", b"b.\n", b"c.\n"]
    assert payload.sizes == ((3, 3, 3) if sizes else None)


def test_a_payload_shows_no_data() -> None:
    assert "hunter2" not in repr(Payload(b"hunter2", 1, split))
