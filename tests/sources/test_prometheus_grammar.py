"""Lines of pages, taken or refused as Prometheus' own parser does (model/textparse of 3.x said so of each of these)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from magictel.formats.prometheus.numbers import number, open_metrics
from magictel.sources.batching import Part
from magictel.sources.errors import SourceError
from magictel.sources.prometheus_text import PrometheusText

NOW = 1_900_000_000_000_000_000


def read(page: bytes, *, openmetrics: bool | None = None, errors: list[str] | None = None) -> list[Part]:
    """The parts of a page; its errors are raised, or gathered."""

    def on_broken(error: SourceError) -> None:
        if errors is None:
            raise error
        errors.append(error.message)

    reader = PrometheusText("p", NOW, openmetrics=openmetrics)
    return [part for batch in reader.read([page], on_broken) for part in batch]


def samples(page: bytes, *, openmetrics: bool) -> list[tuple[str, dict[str, Any], float, int]]:
    """Name, labels, value and Unix milliseconds of a page's points."""
    return [
        (part.head.name, dict(point.attributes or {}), point.value, point.time_unix_nano // 1_000_000)  # type: ignore[union-attr]
        for part in read(page, openmetrics=openmetrics)
        for point in part.points
    ]


T = NOW // 1_000_000
TAKEN_AS_TEXT: dict[bytes, tuple[str, dict[str, str], float, int]] = {
    b"a 1": ("a", {}, 1.0, T),
    b" \ta \t1\t 2 ": ("a", {}, 1.0, 2),
    b"a+5": ("a", {}, 5.0, T),
    b"a{}1": ("a", {}, 1.0, T),
    b'a \t{ x = "1" , } 1 01': ("a", {"x": "1"}, 1.0, 1),
    b'a{x="1" y="2"} 1': ("a", {"x": "1", "y": "2"}, 1.0, T),
    b'a{x="1","y.z"="2"} 1': ("a", {"x": "1", "y.z": "2"}, 1.0, T),
    b'{"my metric", "my label"="v"} 3': ("my metric", {"my label": "v"}, 3.0, T),
    b'{x="1" "a"} 1': ("a", {"x": "1"}, 1.0, T),
    b'{"a\\"b\\\\c\\nd\\e"} 1': ('a"b\\c\nd\\e', {}, 1.0, T),
    b'a{x="}{ # ,"} 1': ("a", {"x": "}{ # ,"}, 1.0, T),
    b'a{x="\0"} 1': ("a", {"x": "\0"}, 1.0, T),
    b'a{x=""} 1': ("a", {}, 1.0, T),
    b'a{""=""} 1': ("a", {}, 1.0, T),
    b'a{x="over\nlines"} 1': ("a", {"x": "over\nlines"}, 1.0, T),
    b'{"over\nlines"} 1': ("over\nlines", {}, 1.0, T),
    b"# a comment\n#\n#another\n# HELPER a\n# TYPE\n\t\na 1": ("a", {}, 1.0, T),
    b"# HELP a-what it is\n# HELP b\n  # TYPE a\tgauge\na 1": ("a", {}, 1.0, T),
    b'# TYPE "\xff" counter\na 1': ("a", {}, 1.0, T),
    b"a .5e1 1": ("a", {}, 5.0, 1),
    b"a -inFinity": ("a", {}, float("-inf"), T),
    b"a 1e-400": ("a", {}, 0.0, T),
}


@pytest.mark.parametrize("page", TAKEN_AS_TEXT)
def test_text_that_prometheus_takes_is_taken(page: bytes) -> None:
    assert samples(page, openmetrics=False) == [TAKEN_AS_TEXT[page]]
    assert samples(page + b"\n", openmetrics=False) == [TAKEN_AS_TEXT[page]]


REFUSED_AS_TEXT = {
    b"9 1": (1, "expected a metric's name"),
    b"a": (2, "expected a value"),
    b"a x": (3, "expected a number, got 'x'"),
    b"a 1_0": (3, "expected a number"),
    b"a 0x1p2": (3, "expected a number"),
    b"a -nan": (3, "expected a number"),
    b"a 1e400": (3, "expected a number"),
    b"a 1\r": (3, "expected a number"),
    b"a 1\0": (3, "expected a number"),
    b"a 1 -1": (5, "expected a time in milliseconds"),
    b"a 1 1.5": (5, "expected a time in milliseconds"),
    b"a 1 1_2": (5, "expected a time in milliseconds, got '1_2'"),
    b"a 1 9223372036854775808": (5, "expected a time in milliseconds"),
    b"a 1 1 1": (7, "expected the line's end after value and time"),
    b'a 1 # {x="1"} 1': (5, "expected the line's end: only OpenMetrics has exemplars"),
    b'a{x="1",x="2"} 1': (9, "expected labels of different names, got 'x' twice"),
    b'a{x="1","x"="2"} 1': (9, "expected labels of different names"),
    b'a{__name__="b"} 1': (3, "expected a label, got __name__"),
    b'a{"__name__"="b"} 1': (3, "expected a label, got __name__"),
    b'{x="1"} 1': (2, "expected a metric's name in quotes"),
    b'{"a","b"} 1': (6, "expected the metric's name, got a second one"),
    b'{""} 1': (2, "expected the metric's name, got an empty one"),
    b'a{"b"} 1': (3, "expected labels, got a second name"),
    b'{"a\0"} 1': (2, "expected a name without the character NUL"),
    b'a{""="1"} 1': (3, "expected a label's name, got an empty one"),
    b"a{,} 1": (3, "expected a label's name"),
    b'a{x="1",,} 1': (9, "expected a label's name"),
    b'a{9x="1"} 1': (3, "expected a label's name"),
    b"a{x=1} 1": (5, "expected a label's value in quotes"),
    b"a{x} 1": (4, "expected a label's value in quotes"),
    b'a{x="1" 1': (10, "expected } after the labels"),
    b'a{x="1': (5, "expected a quote that closes this one"),
    b'a{x="\\"} 1': (5, "expected a quote that closes this one"),
    b'a{x="1"}{y="2"} 1': (9, "expected a value"),
    b'a{n="Mac 14" out R/W",id="1"} 7': (12, "expected , or } after this quote"),
    b'a{x="\xe9"} 1': (6, "expected UTF-8, got the byte 0xE9"),
    b'{"\xff"} 1': (3, "expected UTF-8, got the byte 0xFF"),
    b"# HELP a \xff": (10, "expected UTF-8, got the byte 0xFF"),
    b"# TYPE a thing": (10, "expected one of the types counter, gauge, histogram, summary, untyped, got 'thing'"),
    b"# TYPE a unknown": (10, "expected one of the types"),
    b"# TYPE a counter ": (10, "expected one of the types"),
    b"# TYPE a  counter": (10, "expected one of the types"),
    b"# TYPE a": (9, "expected one of the types"),
    b"# TYPE ": (8, "expected a metric's name"),
    b"\0a 1": (1, "expected a metric's name"),
}


@pytest.mark.parametrize("line", REFUSED_AS_TEXT)
def test_a_line_that_prometheus_refuses_is_broken_and_says_where(line: bytes) -> None:
    column, expected = REFUSED_AS_TEXT[line]
    with pytest.raises(SourceError) as raised:
        read(b"good 1\n" + line + b"\ngood 2\n", openmetrics=False)
    assert raised.value.message.startswith(f"p, line 2, column {column}: {expected}")


TAKEN_AS_OPENMETRICS: dict[bytes, tuple[str, dict[str, str], float, int]] = {
    b"a 1 1.5": ("a", {}, 1.0, 1500),
    b"a 1 1e3": ("a", {}, 1.0, 1_000_000),
    b"a 1 1520879607.789": ("a", {}, 1.0, 1_520_879_607_789),
    b'a{x="1",} 1': ("a", {"x": "1"}, 1.0, T),
    b"a 1 # {} 1": ("a", {}, 1.0, T),
    b'a 1 2 # {a="b",} 1 1': ("a", {}, 1.0, 2000),
    b'a 1 # {a="1",a="2"} 1': ("a", {}, 1.0, T),
    b'# UNIT "a b_s" s\na 1': ("a", {}, 1.0, T),
    b"# UNIT a_s \n# HELP a \na 1": ("a", {}, 1.0, T),
}


@pytest.mark.parametrize("page", TAKEN_AS_OPENMETRICS)
@pytest.mark.parametrize("end", [b"\n# EOF", b"\n# EOF\n"])
def test_openmetrics_that_prometheus_takes_is_taken(page: bytes, end: bytes) -> None:
    assert samples(page + end, openmetrics=True) == [TAKEN_AS_OPENMETRICS[page]]


REFUSED_AS_OPENMETRICS = {
    b"": (1, "expected a metric's name"),
    b"# a comment": (1, "expected # HELP, # TYPE, # UNIT or # EOF"),
    b"#EOF": (1, "expected # HELP"),
    b" a 1": (1, "expected a metric's name"),
    b"a  1": (3, "expected a value, and no more than one space before it"),
    b"a\t1": (2, "expected one space and a value"),
    b"a 1 ": (5, "expected a time or an exemplar"),
    b"a 1 1 1": (7, "expected an exemplar"),
    b"a 1 NaN": (5, "expected a time in seconds"),
    b"a 1 #": (5, "expected a time in seconds"),
    b'a{x="1" } 1': (7, "expected , or } after this quote"),
    b'a{x="1"}1': (9, "expected one space and a value"),
    b'a{x="1" y="2"} 1': (7, "expected , or } after this quote"),
    b'a{x="over\nlines"} 1': (5, "expected a label's value in quotes"),
    b'a 1 # {"a"} 1': (11, "expected a label's value in quotes"),
    b'a 1 # {a="\xff"} 1': (11, "expected UTF-8"),
    b'a 1 # {a="b"} x': (15, "expected a number"),
    b'a 1 # {a="b"} 1 NaN': (17, "expected a time in seconds"),
    b'a 1 # {a="b"}': (14, "expected an exemplar's value"),
    b"# TYPE a untyped": (10, "expected one of the types"),
    b"# TYPE a\tcounter": (8, "expected a metric's name and one space"),
    b"# HELP a": (8, "expected a metric's name and one space"),
    b"# UNIT a_s m": (12, "expected the unit that the metric's name ends with, got 'm'"),
    b"# UNIT s s": (10, "expected the unit"),
}


@pytest.mark.parametrize("line", REFUSED_AS_OPENMETRICS)
def test_what_is_no_openmetrics_says_where(line: bytes) -> None:
    column, expected = REFUSED_AS_OPENMETRICS[line]
    with pytest.raises(SourceError) as raised:
        read(b"good 1\n" + line + b"\n# EOF\n", openmetrics=True)
    assert raised.value.message.startswith(f"p, line 2, column {column}: {expected}")


@pytest.mark.parametrize("page", [b"", b"a 1\n", b"a 1\n# EOF\n\n", b"a 1\n# EOF\nb 1\n", b"a 1\n# EOF \n"])
def test_a_scrape_of_openmetrics_ends_with_eof_and_nothing_behind_it(page: bytes) -> None:
    with pytest.raises(SourceError, match="# EOF"):
        read(page, openmetrics=True)


def test_lines_that_are_skipped_take_no_others_along() -> None:
    errors: list[str] = []
    page = b'a 1\nb{x="1 2\nc 3\nd{x="y"} 4\n# TYPE e thing\ne 5 5 5\nf 6\n'
    parts = read(page, openmetrics=False, errors=errors)
    assert [part.head.name for part in parts] == ["a", "c", "d", "f"]
    assert [error.split(":")[0] for error in errors] == [
        "p, line 2, column 5",
        "p, line 5, column 10",
        "p, line 6, column 7",
    ]


def test_an_error_behind_a_value_of_several_lines_has_its_own_line() -> None:
    with pytest.raises(SourceError, match=r"^p, line 3, column 8: expected a number, got 'x'"):
        read(b'a 1\nb{y="1\nsome"} x\n', openmetrics=False)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: b'a{x="' + b'{\\"k\\":{},\\"v\\":[]},' * n + b'"} 1',
        lambda n: b'a{x="' + b"}" * 9 * n + b'"} 1',
        lambda n: b'a{x="' + b"\\\\\\n" * n + b'"} 1',
        lambda n: b"a{" + b",".join(b'l%d="v"' % number for number in range(n)) + b"} 1",
        lambda n: b'a{x="1" ' + b"y" * n + b"} 1",
        lambda n: b'a{x="' + b"\\" * 8 * n,
        lambda n: b'a{x="' + b'",y="' * n + b" 1",
        lambda n: b"a" + b" " * n + b"x",
        lambda n: b"a " + b"1 " * n,
        lambda n: b"a 0." + b"1" * n,
        lambda n: b"# HELP a " + b"\\n" * n,
        lambda n: b'# TYPE "' + b"\\\\" * n,
        lambda n: b'a{x="\n' * n,
    ],
)
def test_the_work_grows_with_a_lines_length_and_not_with_its_square(make: Callable[[int], bytes]) -> None:
    def work(size: int) -> int:
        calls = 0

        def count(frame: object, event: str, argument: object) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        errors: list[str] = []
        page = make(size)
        sys.setprofile(count)
        try:
            read(page, openmetrics=False, errors=errors)
        finally:
            sys.setprofile(None)
        return calls

    small, large = work(200), work(1_600)
    assert large < 9 * small + 500


def test_a_megabyte_of_json_in_a_label_is_one_label() -> None:
    value = b'{\\"name\\":\\"x\\",\\"spec\\":{\\"a\\":[{}]}}' * 25_000
    ((_, attributes, _, _),) = samples(b'a{n="d",j="' + value + b'"} 1', openmetrics=False)
    assert attributes["j"] == value.decode().replace('\\"', '"')


@pytest.mark.parametrize(("word", "value"), [("0." + "1" * 100_000, 1 / 9), ("1" + "0" * 999 + "e-999", 1.0)])
def test_numbers_of_many_digits_are_what_they_are(word: str, value: float) -> None:
    assert number(word.encode()) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.0"),
        (0.0, "0.0"),
        (-2.0, "-2.0"),
        (0.5, "0.5"),
        (2.50, "2.5"),
        (100_000.0, "100000.0"),
        (1e6, "1e+06"),
        (1_234_567.0, "1.234567e+06"),
        (1e-5, "1e-05"),
        (0.0001, "0.0001"),
        (1e100, "1e+100"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
    ],
)
def test_bounds_are_written_as_prometheus_stores_them(value: float, text: str) -> None:
    assert open_metrics(value) == text
