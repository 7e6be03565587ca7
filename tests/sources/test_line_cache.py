"""A line that is read by its shape means what the decoder says, whatever is changed in it; what is broken in it is said as ever."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictel.model.metrics import NumberPoints
from magictel.sources.errors import SourceError
from magictel.sources.otlp_json import OtlpJsonReader

SHIFT = 1_000
KEY = '"timeUnixNano":"1700000000000000000"'

texts = st.one_of(
    st.sampled_from(["eu", "", "UnixNano", '","asDouble":1', "\n", "\\", "}},{", KEY, "ä"]), st.text(max_size=3)
)
attributes = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "timeUnixNano"]),
        st.one_of(
            texts.map(lambda text: {"stringValue": text}),
            st.integers(-3, 3).map(lambda number: {"intValue": str(number)}),
            st.booleans().map(lambda flag: {"boolValue": flag}),
            st.just({"doubleValue": 1.5}),
        ),
    ),
    max_size=3,
)
points = st.tuples(
    attributes, st.sampled_from(["asDouble", "asInt"]), st.sampled_from([None, "5", "1699999999000000000"])
)
metrics = st.tuples(
    st.sampled_from(["m", "n", "asInt"]), st.sampled_from(["gauge", "sum"]), st.lists(points, max_size=4), st.booleans()
)
shapes = st.lists(st.lists(metrics, min_size=1, max_size=3), min_size=1, max_size=2)
decimals = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-9, 9), st.sampled_from(["NaN", 1e300, -0.0])
)
odd_bytes = st.sampled_from([bytes((byte,)) for byte in b'0159",.:{}[]eE+-x \\'] + [b"", b"\xff"])


def written(shape: Any, numbers: Any, *, one_kind: bool, extra: str) -> bytes:
    """A line of the shape; `numbers` draws times and values."""
    resources = []
    for around in shape:
        metrics = []
        for name, kind, given_points, _ in around:
            rows = []
            for pairs, member, start in given_points:
                whole = (given_points[0][1] if one_kind else member) == "asInt"
                time, value = numbers(whole)
                row: dict[str, Any] = {"attributes": [{"key": key, "value": value} for key, value in pairs]}
                if start is not None:
                    row["startTimeUnixNano"] = start
                row["timeUnixNano"] = str(time)
                row["asInt" if whole else "asDouble"] = str(value) if whole else value
                if extra == "flags":
                    row["flags"] = 0
                if extra == "exemplars":
                    row["exemplars"] = [{"timeUnixNano": str(time), "asDouble": 1}]
                if extra == "first":
                    row = dict(reversed(row.items()))
                rows.append(row)
            metrics.append({"name": name, kind: {"dataPoints": rows}})
        resources.append({"scopeMetrics": [{"scope": {"name": "s"}, "metrics": metrics}]})
    return json.dumps({"resourceMetrics": resources}, separators=(",", ":")).encode()


def decoded(decoder: OtlpJsonReader, line: bytes) -> Any:
    try:
        parts = decoder.line(line, 7)
    except SourceError as failure:
        return failure.message
    return [(part.head, repr(list(part.points)), list(part.keys)) for part in parts]


def plain(line: bytes) -> Any:
    """What a decoder says that has never seen such a line."""
    return decoded(OtlpJsonReader("j", SHIFT), line)


def same(value: Any, other: Any) -> bool:
    if isinstance(value, str) or isinstance(other, str):
        return bool(value == other)
    # Heads hold resources, which a decoder makes for itself.
    return [(repr(head[2:]), head[0].attributes, *rest) for head, *rest in value] == [
        (repr(head[2:]), head[0].attributes, *rest) for head, *rest in other
    ]


@given(shapes, st.booleans(), st.sampled_from(["", "", "", "flags", "exemplars", "first"]), st.booleans(), st.data())
def test_a_line_means_the_same_however_often_its_shape_came(
    shape: Any, one_kind: bool, extra: str, one_time: bool, data: st.DataObject
) -> None:
    decoder = OtlpJsonReader("j", SHIFT)
    for number in range(5):
        moment = 1_700_000_000_000_000_000 + number

        def drawn(whole: bool, moment: int = moment) -> tuple[int, Any]:
            time = moment if one_time else data.draw(st.integers(moment, moment + 2))
            return time, data.draw(st.integers(-(2**63), 2**63 - 1) if whole else decimals)

        line = written(shape, drawn, one_kind=one_kind, extra=extra)
        assert same(decoded(decoder, line), plain(line))
        at = data.draw(st.integers(0, len(line) - 1))
        changed = line[:at] + data.draw(odd_bytes) + line[at + data.draw(st.integers(0, 1)) :]
        assert same(decoded(decoder, changed), plain(changed))


def numbers_line(*values: str, member: str = '"asDouble":', time: str = "1700000000000000000") -> bytes:
    rows = ",".join(
        f'{{"attributes":[{{"key":"k","value":{{"intValue":"{at}"}}}}],"timeUnixNano":"{time}",{member}{value}}}'
        for at, value in enumerate(values)
    )
    return f'{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m","gauge":{{"dataPoints":[{rows}]}}}}]}}]}}]}}'.encode()


def used(decoder: OtlpJsonReader) -> int:
    return sum(known.used for known in decoder._shapes._known.values())


def test_the_third_line_of_a_shape_is_read_by_it() -> None:
    decoder = OtlpJsonReader("j", SHIFT)
    for number, values in enumerate((("1", "2"), ("1.5", "-2e-3"), ("3", "4.25"))):
        assert used(decoder) == 0
        (part,) = decoder.line(numbers_line(*values, time=str(1_700_000_000_000_000_000 + number)), 1)
    assert used(decoder) == 1
    assert isinstance(part.points, NumberPoints)
    assert part.points.values == [3.0, 4.25]
    assert set(map(type, part.points.values)) == {float}
    assert part.points.times == [1_700_000_000_000_000_002 + SHIFT] * 2
    assert [point.attributes for point in part.points] == [{"k": 0}, {"k": 1}]


def test_a_line_of_one_time_is_read_with_one_look_for_time_and_value(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = OtlpJsonReader("j", SHIFT)
    line = numbers_line("1", "2")
    for _ in range(3):
        decoder.line(line, 1)
    monkeypatch.delattr("magictel.sources.line_cache._Run.numbers")
    (part,) = decoder.line(numbers_line("7", "8.5", time="1700000000000000009"), 1)
    assert list(part.points) == list(
        OtlpJsonReader("j", SHIFT).line(numbers_line("7", "8.5", time="1700000000000000009"), 1)[0].points
    )
    assert used(decoder) == 2


def test_lines_that_have_several_times_are_no_longer_looked_at_as_if_they_had_one() -> None:
    decoder, at = OtlpJsonReader("j", SHIFT), "1700000000000000000"
    several = numbers_line("1", "2", time=at).replace(at.encode(), b"1700000000000000001", 1)
    for number in range(8):
        assert same(decoded(decoder, several), plain(several)), number
    (known,) = decoder._shapes._known.values()
    assert known.shape is not None
    assert known.shape.unlike == 3
    assert same(decoded(decoder, numbers_line("1", "2")), plain(numbers_line("1", "2")))


@pytest.mark.parametrize(
    ("member", "values"),
    [
        ('"asDouble":', ("1,2", "")),
        ('"asDouble":', ("1", '"NaN"')),
        ('"asDouble":', ("1", "null")),
        ('"asDouble":', ("[1", "2]")),
        ('"asDouble":', ("01", "2")),
        ('"asDouble":', ("1e999", "2")),
        ('"asDouble":', ("1", '2,"flags":1')),
        ('"asInt":', ('"99999999999999999999999"', '"1"')),
        ('"asInt":', ('"1.5"', '"1"')),
        ('"asInt":', ("5", "6")),
        ('"asInt":', ('"-0"', '"1"')),
        ('"asInt":', ('"007"', '"1"')),
        ('"asInt":', ('" 7"', '"1"')),
        ('"asInt":', ('"18446744073709551615"', '"1"')),
    ],
)
def test_an_odd_value_is_read_as_the_decoder_does(member: str, values: tuple[str, str]) -> None:
    decoder = OtlpJsonReader("j", SHIFT)
    good = ('"3"', '"4"') if "Int" in member else ("3", "4.5")
    for _ in range(3):
        decoder.line(numbers_line(*good, member=member), 1)
    assert used(decoder) == 1
    line = numbers_line(*values, member=member)
    assert same(decoded(decoder, line), plain(line))
    assert not same(decoded(decoder, numbers_line(*good, member=member)), decoded(decoder, line))


def test_a_negative_zero_keeps_its_sign_as_go_writes_it() -> None:
    decoder = OtlpJsonReader("j", SHIFT)
    line = numbers_line("-0", "4.5")
    for _ in range(4):
        (part,) = decoder.line(line, 1)
        assert str(part.points[0].value) == "-0.0"
    assert used(decoder) >= 1
    text = numbers_line("1", "2").replace(b'"intValue":"1"', b'"stringValue":":-0,-0}"')
    (part,) = OtlpJsonReader("j", SHIFT).line(text, 1)
    assert part.points[1].attributes == {"k": ":-0,-0}"}


def test_a_shape_that_no_longer_fits_is_made_anew_and_not_for_ever() -> None:
    decoder = OtlpJsonReader("j")
    for count in range(2, 60):
        for _ in range(4):
            (part,) = decoder.line(numbers_line(*map(str, range(count))), 1)
            assert len(part.points) == count
    (known,) = decoder._shapes._known.values()
    assert 2 < known.created < 60
    assert known.used > 30


def test_shapes_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magictel.sources.line_cache._MOST_BYTES", 20_000)
    decoder = OtlpJsonReader("j")
    for name in range(60):
        for _ in range(3):
            line = numbers_line("1", "2", "3").replace(b'"m"', b'"m%d"' % name)
            (part,) = decoder.line(line, 1)
            assert math.fsum(part.points.values) == 6.0  # type: ignore[attr-defined]
    assert 0 < sum(known.shape is not None for known in decoder._shapes._known.values()) < 30
    assert decoder._shapes._bytes < 22_000
