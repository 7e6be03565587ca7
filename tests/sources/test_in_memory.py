"""A small recording of plain numbers is decoded once, and what is sent is the same as if it had been read again."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from magictel.sources import otlp_json, times
from magictel.sources.batching import Part
from magictel.sources.recording import Recordings

TIME = 1_700_000_000_000_000_000
SHIFT = 7_000_000


def line(*values: Any, at: int = TIME, start: int = 0, step: int = 0, **members: Any) -> str:
    points = [
        {
            "attributes": [{"key": "n", "value": {"intValue": str(number)}}],
            "timeUnixNano": str(at + number * step),
            "asInt" if isinstance(value, str) else "asDouble": value,
            **({"startTimeUnixNano": str(start)} if start else {}),
            **members,
        }
        for number, value in enumerate(values)
    ]
    metric = {"name": "m", "gauge": {"dataPoints": points}}
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}, separators=(",", ":"))


EXEMPLAR: dict[str, Any] = {"exemplars": [{"timeUnixNano": str(TIME + 5), "asDouble": 1}]}
NUMBERS = [line(number, 2.5, at=TIME + number, start=number % 2 and TIME - 9) for number in range(5)]
RECORDINGS = {
    "numbers": (NUMBERS, True),
    "several times in a line": ([line(1, 2, 3, at=TIME + number, step=11) for number in range(5)], True),
    "integers": ([line("1", "2", at=TIME + number) for number in range(4)], True),
    "a time of zero": ([line(1, at=0), *NUMBERS], False),
    "milliseconds": ([line(1, at=TIME // 10**6), *NUMBERS], False),
    "a line of logs": (['{"resourceLogs":[]}', *NUMBERS], False),
    "exemplars": ([*NUMBERS, line(1, **EXEMPLAR)], False),
    "a series that has ended": ([*NUMBERS, line(None, flags=1)], False),
    "integers and decimals": ([*NUMBERS, line(1.5, "1")], False),
    "a broken line": ([*NUMBERS, "{", *NUMBERS], False),
}


def shown(batches: Any) -> list[Any]:
    return [(part.head[4:], list(part.points), list(part.keys)) for batch in batches for part in batch]


@pytest.mark.parametrize("case", RECORDINGS)
def test_what_is_held_is_what_would_be_read(tmp_path: Path, case: str) -> None:
    text, expected = RECORDINGS[case]
    (tmp_path / "r").write_text("\n".join(text))
    names = (str(tmp_path / "r"), str(tmp_path / "r"))
    with Recordings(names, skip_broken=True) as known, Recordings(names, skip_broken=True) as read:
        span = known.span()
        moments = [point.time_unix_nano for batch in read.batches() for part in batch for point in part.points]
        assert span.newest == max(moments)
        assert (known._once is not None) is expected
        for shift in (SHIFT, 0, -SHIFT):
            assert shown(known.batches(shift)) == shown(read.batches(shift))
            assert known.skips == read.skips
        assert known.fraction == 1.0


def test_lines_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    plain = otlp_json.OtlpJsonReader.line

    def counted(self: otlp_json.OtlpJsonReader, text: bytes, number: int) -> list[Part]:
        decoded.append(number)
        return plain(self, text, number)

    monkeypatch.setattr(otlp_json.OtlpJsonReader, "line", counted)
    (tmp_path / "r").write_text("\n".join(NUMBERS))
    with Recordings((str(tmp_path / "r"),)) as recordings:
        recordings.span()
        shares = [recordings.fraction for _ in recordings.batches(SHIFT)]
        assert len(list(recordings.batches(SHIFT))) == len(NUMBERS)
    assert shares == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert decoded == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("packed", [False, True])
def test_what_is_not_small_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    text = "\n".join(NUMBERS).encode()
    (tmp_path / "r").write_bytes(gzip.compress(text) if packed else text)
    monkeypatch.setattr("magictel.sources.recording.SMALL", len(text) - 1)
    monkeypatch.setattr(times, "SMALL", len(NUMBERS[0]) * 3)
    with Recordings((str(tmp_path / "r"),)) as recordings:
        assert recordings.span().newest == TIME + 4
        assert recordings._once is None
        assert sum(1 for _ in recordings.batches()) == len(NUMBERS)
