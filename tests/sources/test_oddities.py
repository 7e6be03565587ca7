"""Recordings as they come from other tools and other systems: what is odd and whole is read, what is not is one sentence."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zstandard
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from magictel.errors import UsageError
from magictel.sources.bytestream import shipped
from magictel.sources.errors import SourceError
from magictel.sources.gateway_log import GatewayLog
from magictel.sources.otlp_json import OtlpJsonReader
from magictel.sources.otlp_protobuf import OtlpProtobuf
from magictel.sources.recording import Recordings

TIME = 1_700_000_000_000_000_000


def request(**members: Any) -> str:
    """A line with one point."""
    point = {"timeUnixNano": str(TIME), "asDouble": 1.5, **members}
    point = {name: value for name, value in point.items() if value is not None}
    metric = {"name": "m", "gauge": {"dataPoints": [point]}}
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]})


TWO = f"{request()}\n{request(asDouble=2.5)}\n".encode()
PAGE = b"# TYPE g gauge\ng 1.5 1700000000000\ng 2.5 1700000000000\n"
MESSAGE = Parse(request(), ExportMetricsServiceRequest()).SerializeToString()
EXPOSITION = (
    b'# TYPE c counter\nc_total 1.5 1700000000 # {trace_id="a"} 0.5 1699999999\nc_total 2.5 1700000000\n# EOF\n'
)


def read(path: Path | str, **options: Any) -> list[tuple[Any, int]]:
    """The values and times of all points."""
    with Recordings((str(path),), now=TIME, **options) as recordings:
        points = [point for batch in recordings.batches() for part in batch for point in part.points]
    return [(getattr(point, "value", None), point.time_unix_nano) for point in points]


ODD = {
    "zstd in several frames": zstandard.compress(TWO[:99]) + zstandard.compress(TWO[99:]),
    "zstd behind a frame that is skipped": b"\x5a\x2a\x4d\x18\x03\0\0\0abc" + zstandard.compress(TWO),
    "gzip in several members": gzip.compress(TWO[:99]) + gzip.compress(TWO[99:]),
    "gzip on a tape": gzip.compress(TWO) + bytes(512),
    "line ends of Windows": TWO.replace(b"\n", b"\r\n"),
    "a byte order mark": b"\xef\xbb\xbf" + TWO,
    "a packed byte order mark": gzip.compress(b"\xef\xbb\xbf" + TWO),
    "blank lines": b"\n \n" + TWO.replace(b"\n", b"\n\r\n\t\n"),
    "no line end at the end": TWO[:-1],
    "a page with line ends of Windows": PAGE.replace(b"\n", b"\r\n"),
    "a page behind a byte order mark": b"\xef\xbb\xbf" + PAGE,
    "an exposition with exemplars": EXPOSITION,
    "an exposition whose end is said twice": EXPOSITION + b"# EOF\n\n",
}


@pytest.mark.parametrize("case", ODD)
def test_what_is_odd_and_whole_is_read(tmp_path: Path, case: str) -> None:
    (tmp_path / "r").write_bytes(ODD[case])
    assert read(tmp_path / "r") == [(1.5, TIME), (2.5, TIME)]


BAD = {
    "UTF-16": (TWO.decode().encode("utf-16"), "r is UTF-16: expected UTF-8"),
    "only blank lines": (b"\r\n\n \t\n", "r is empty"),
    "packed nothing": (zstandard.compress(b""), "r is empty"),
    "zeros": (bytes(5_000), "r is in none of"),
    "a line of zeros": (TWO + b"\0\0\0\n", "r, line 3, column 1: expected JSON"),
    "gzip's first two bytes": (b"\x1f\x8b", "r is truncated: its gzip data"),
    "something behind gzip": (gzip.compress(TWO) + b"more", "r: its gzip data is corrupt"),
    "something behind zstd": (zstandard.compress(TWO) + b"more than that", "r: its zstd data is corrupt"),
    "gzip in gzip": (gzip.compress(gzip.compress(TWO)), "r is in none of"),
    "Latin-1": (TWO.replace(b'"m"', b'"\xe9"', 1), "r, line 1, column 63: expected UTF-8, got the byte 0xe9"),
    "a number beyond a double": (
        TWO.replace(b"2.5", b"1e400"),
        "r, line 2, column 144: number out of range, in resourceMetrics",
    ),
    "an integer beyond 64 bits": (
        request(asDouble=None, asInt=str(2**63)).encode(),
        "r, line 1, column 141: expected int <= 92",
    ),
    "five thousand digits": (
        request(asDouble=None, asInt="9" * 5_000).encode(),
        "r, line 1, column 141: integer value out of range",
    ),
    "a time beyond": (
        request(timeUnixNano=str(2**64 - 1)).encode(),
        "r, line 1, column 109: m: timeUnixNano is not a time of the years 1970 to",
    ),
    "a time before": (
        request(timeUnixNano="-5").encode(),
        "r, line 1, column 109: m: timeUnixNano is not a time of the years 1970 to 2262, in res",
    ),
    "a start beyond": (
        request(startTimeUnixNano=str(2**63)).encode(),
        "r, line 1, column 170: m: startTimeUnixNano is not a time of the years",
    ),
    "a message's time beyond": (
        MESSAGE.replace(TIME.to_bytes(8, "little"), b"\xff" * 8),
        "r, message 1: m: timeUnixNano is not a time of the years 1970 to 2262, in resourceMetrics[0].sc",
    ),
    "a sample's time beyond": (b"g 1 9223372036854775807\n", "r, line 1, column 5: expected a time"),
    "a sample's time that is none": (b"# TYPE g gauge\ng 1 NaN\n", "r, line 2, column 5: expected a time"),
    "a sample beyond a double": (b"g 1\ng 1e400\n", "r, line 2, column 3: expected a number, got '1e400'"),
    "a sample as Python writes it": (b"g 1_000\n", "r, line 1, column 3: expected a number, got '1_000'"),
    "another JSON": (b'{"message":"hi"}\n', "r, line 1, column 1: expected the member resourceMetrics, got message"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_bad_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    content, message = BAD[case]
    monkeypatch.chdir(tmp_path)
    Path("r").write_bytes(content)
    with pytest.raises(SourceError) as failure:
        read("r")
    assert failure.value.message.startswith(message)
    assert "\n" not in failure.value.message


def test_infinity_and_nan_of_a_page_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(b"a NaN 1\na +Inf 1\na -inf 1\na 1e-400 1\n")
    assert [str(value) for value, _ in read(tmp_path / "r")] == ["nan", "inf", "-inf", "0.0"]


def test_wherever_a_message_is_cut_it_is_said(tmp_path: Path) -> None:
    framed = 2 * (len(MESSAGE).to_bytes(4, "big") + MESSAGE)
    whole = {0, len(framed) // 2, len(framed)}
    for end in set(range(2, len(framed))) - whole:
        (tmp_path / "r").write_bytes(framed[:end])
        with pytest.raises(SourceError):
            read(tmp_path / "r")
    for end in range(2, len(MESSAGE)):
        (tmp_path / "r").write_bytes(MESSAGE[:end])
        with pytest.raises(SourceError):
            read(tmp_path / "r")


def test_the_times_of_a_line_that_is_skipped_do_not_move_the_others(tmp_path: Path) -> None:
    for beyond in (2**64 - 1, 2**63):
        (tmp_path / "r").write_text(f"{request(timeUnixNano=str(beyond))}\n{request()}\n")
        with Recordings((str(tmp_path / "r"),), skip_broken=True) as recordings:
            assert recordings.span().newest == TIME


def test_a_pipe_is_read_twice_as_a_file_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(gzip.compress(TWO),), daemon=True).start()
    with Recordings((str(tmp_path / "pipe"),), twice=True) as recordings:
        assert recordings.span().newest == TIME
        for _ in range(2):
            assert sum(len(part.points) for batch in recordings.batches() for part in batch) == 2


def test_standard_input_can_be_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TWO)))
    with pytest.raises(UsageError, match="named twice"), Recordings(("-", "-")):
        pass


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "'': no path"),
        ("no", "no: no such file"),
        (".", ". is a directory"),
        ("a\0b", "no path"),
        ("~nobody9/x", ""),
    ],
)
def test_what_is_no_file_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as failure:
        read(name, twice=True)
    assert message in failure.value.message


def _spots(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON value, as container and key."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [spot for key in keys for spot in ((value, key), *_spots(value[key]))]


STRANGE = [
    None,
    "x",
    -1,
    10**400,
    1.5,
    True,
    [],
    {},
    "NaN",
    "",
    [1],
    {"a": 1},
    "9" * 25,
    2**64,
    "-1",
    "9999-12-31T23:59:59-14:00",
]


@pytest.mark.parametrize("seed", range(3))
def test_a_record_with_anything_anywhere_is_read_or_refused(seed: int) -> None:
    chance = random.Random(seed)  # no secret
    logs = shipped("@gateway").read_text().splitlines()[:20]
    for number in range(400):
        for text, decode in ((request(), OtlpJsonReader("r").line), (chance.choice(logs), GatewayLog("r").line)):
            record = json.loads(text)
            place, key = chance.choice(_spots(record))
            place[key] = chance.choice(STRANGE)
            refused_or_read(decode, json.dumps(record).encode(), number)
        message = bytearray(MESSAGE)
        for _ in range(chance.randint(1, 3)):
            message[chance.randrange(len(message))] = chance.randrange(256)
        refused_or_read(OtlpProtobuf("r").message, bytes(message), number)


def refused_or_read(decode: Any, raw: bytes, number: int) -> None:
    """Nothing else may happen."""
    parts = []
    with suppress(SourceError):
        parts = decode(raw, number)
    assert all(len(part.points) == len(part.keys) for part in parts)
