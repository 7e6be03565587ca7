"""What is known of an object is known of that object, and of no equal one; and what is known is bounded."""

from __future__ import annotations

import dataclasses
from typing import Any

from magictel.model.identity_cache import IdentityCache, StreamCache
from magictel.model.metrics import Kind, Stream

STREAM = Stream("m", "", "", Kind.GAUGE, None, False, {"k": 1}, "", "scope", "", {"s": 1}, "")


def test_equal_objects_are_told_apart_and_the_same_one_is_known() -> None:
    seen: list[Any] = []
    types = IdentityCache[Any, str](lambda given: seen.append(given) or type(given["k"]).__name__, 10)  # type: ignore[func-returns-value]
    first, second = {"k": 1}, {"k": True}
    assert [types(first), types(second), types(first)] == ["int", "bool", "int"]
    assert len(seen) == 2


def test_an_object_is_kept_so_that_its_id_is_not_anothers() -> None:
    values = IdentityCache[Any, Any](lambda given: given["k"], 1_000)
    assert [values({"k": number}) for number in range(900)] == list(range(900))


def test_no_more_than_the_most_are_kept() -> None:
    values = IdentityCache[Any, Any](lambda given: given, 3)
    streams = StreamCache[str](lambda stream: stream.name, 3)
    for number in range(20):
        values([number])
        streams(dataclasses.replace(STREAM, name=f"m{number}"))
        assert len(values._known) <= 3
        assert len(streams._known) <= 3


def test_a_stream_is_known_for_as_long_as_its_resource_and_scope_are_the_same_objects() -> None:
    streams: list[Stream] = []
    values = StreamCache[int](lambda stream: streams.append(stream) or len(streams), 10)  # type: ignore[func-returns-value]
    again = dataclasses.replace(STREAM)
    assert [values(STREAM), values(again), values(STREAM)] == [1, 1, 1]
    for field in ("resource", "scope_attributes"):
        other = dataclasses.replace(STREAM, **{field: dict.fromkeys(getattr(STREAM, field), True)})
        assert other == STREAM
        assert values(other) > 1
        assert values(STREAM) > 1
    assert len(streams) == 5


def test_streams_without_attributes_are_known_whatever_object_says_so() -> None:
    streams: list[Stream] = []
    values = StreamCache[None](streams.append, 10)
    for _ in range(3):
        values(dataclasses.replace(STREAM, resource={}, scope_attributes={}))
    assert len(streams) == 1
