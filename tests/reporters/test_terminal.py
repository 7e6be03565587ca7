"""What people read: whole pages against golden files, and what must hold of every page."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from magictel.model.events import CheckFinished, Event, Waited
from magictel.model.finding import Finding, Rung, Status
from magictel.reporters.layout import Sheet
from magictel.reporters.progress import Progress
from magictel.reporters.terminal import TerminalReporter, sheet_for
from magictel.reporters.tty import is_terminal
from tests.reporters.cases import (
    CASES,
    EXPIRED,
    GOOD,
    LOST,
    STOPPED,
    UNREADABLE,
    VERIFIED,
    check_events,
    checked,
    send_events,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "reporters"
WRITE = os.environ.get("MAGICTEL_GOLDEN") == "write"
"""`MAGICTEL_GOLDEN=write pytest tests/reporters` writes the files anew: read the difference before it is committed."""
MODES: dict[str, int | None] = {"80": 80, "120": 120, "pipe": None}


class Screen(io.StringIO):
    """A text stream that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True


def page(events: Iterable[Event], sheet: Sheet, progress: Progress | None = None) -> None:
    reporter = TerminalReporter(sheet, progress)
    for event in events:
        reporter.on(event)
    reporter.finish()


def text(events: Iterable[Event], width: int | None = None) -> str:
    stream = io.StringIO()
    page(events, Sheet(stream, width=width))
    return stream.getvalue()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES)
def test_whole_pages_are_as_in_the_golden_files(case: str, mode: str) -> None:
    file = GOLDEN / f"{case}.{mode}.txt"
    shown = text(CASES[case], MODES[mode])
    if WRITE:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(shown, "utf-8")
    assert shown == file.read_text("utf-8")


@pytest.mark.parametrize("case", CASES)
def test_nothing_but_what_cannot_be_broken_is_wider_than_the_terminal(case: str) -> None:
    for line in text(CASES[case], 80).splitlines():
        assert len(line) <= 80 or len(line.split()[-1]) > 40 or "blocked by" in line or "skipped (" in line, line


@pytest.mark.parametrize(
    ("events", "last"),
    [
        (
            send_events(*(replace(UNREADABLE, target=f"t{number}") for number in range(300))),
            "300 of 300 targets unverified: t0, t1, t2, t3, t4, t5, t6 and 293 more",
        ),
        (
            send_events(VERIFIED, UNREADABLE, LOST, STOPPED),
            "2 of 4 targets FAILED: prod-es undelivered (tls.expired), lossy lost (verify.lost); unverified: write-only",
        ),
        (
            check_events(*(replace(EXPIRED, target=f"t{number}") for number in range(300))),
            f"300 of 300 targets FAILED: {', '.join(f't{number} at tls (tls.expired)' for number in range(7))} and 293 more",
        ),
    ],
)
def test_the_verdict_over_many_names_the_worst_first_and_counts_the_rest(events: list[Event], last: str) -> None:
    assert text(events, None).rstrip("\n").split("\n")[-1].rpartition("  ")[0] == last


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_long_verdict_wraps_between_words(width: int) -> None:
    for events in (
        check_events(*(replace(EXPIRED, target=f"production-{number}") for number in range(6))),
        send_events(*(replace(STOPPED, target=f"production-{number}") for number in range(6))),
    ):
        end = text(events, width).rstrip("\n").split("\n\n")[-1].splitlines()
        assert 2 <= len(end) < 12
        assert all(len(line) <= width for line in end)
        assert all(line.startswith("  ") for line in end[1:])
        assert "production-5" in " ".join(end)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("width", [60, 70, 80, 90, 100])
def test_no_line_ends_between_a_number_and_its_unit(case: str, width: int) -> None:
    shown = text(CASES[case], width)
    assert not re.search(r"\d\n +(ms|s|min|h|%)\b", shown)
    assert "\x1f" not in shown


def test_an_option_to_copy_is_not_broken_and_its_blank_is_one() -> None:
    for words in range(20, 90):
        stream = io.StringIO()
        Sheet(stream, width=80).row([("  ", "")], "x" * words + " --set max_batch_points=4000 makes 3 of 5")
        assert "--set max_batch_points=4000" in stream.getvalue()


def test_a_figure_at_the_very_edge_goes_to_the_next_line_whole() -> None:
    for words in range(20, 90):
        stream = io.StringIO()
        Sheet(stream, width=80).row([("  ", "")], "x" * words + " visible after 0.02 s and more")
        assert "0.02 s" in stream.getvalue()


@pytest.mark.parametrize("case", CASES)
def test_a_pipe_gets_the_same_words_as_a_terminal(case: str) -> None:
    words = sorted(text(CASES[case]).split())
    assert words == sorted(text(CASES[case], 80).split()) == sorted(text(CASES[case], 120).split())


@pytest.mark.parametrize("case", CASES)
def test_colours_only_repeat_what_the_words_say(case: str) -> None:
    coloured = Screen()
    page(CASES[case], sheet_for(coloured, {"TERM": "xterm-256color", "COLUMNS": "80"}))
    assert "\x1b[" in coloured.getvalue()
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured.getvalue()) == text(CASES[case], 80)


def test_no_color_leaves_no_colour_and_a_dumb_terminal_no_escape_at_all() -> None:
    plain = Screen()
    page(CASES["check-several"], sheet_for(plain, {"TERM": "xterm-256color", "COLUMNS": "80", "NO_COLOR": "1"}))
    used = set(";".join(re.findall(r"\x1b\[([0-9;]*)m", plain.getvalue())).split(";"))
    assert used <= {"", "0", "1", "2"}  # reset, bold, dim
    dumb = Screen()
    page(CASES["check-several"], sheet_for(dumb, {"TERM": "dumb"}))
    assert "\x1b" not in dumb.getvalue()


@pytest.mark.parametrize("case", CASES)
def test_a_terminal_without_the_signs_gets_words_and_never_an_error(case: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="strict")
    page(CASES[case], Sheet(stream, width=80))
    stream.flush()
    shown = raw.getvalue().decode("ascii")
    assert ("FAIL" in shown) == ("×" in text(CASES[case]))
    assert ("  warn " in shown) == ("‼" in text(CASES[case]))


def test_what_a_server_says_does_not_steer_the_terminal() -> None:
    shown = text(CASES["check-portal"], 80)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\\x1b[31mred\\u202e" in shown


@pytest.mark.parametrize("case", [name for name in CASES if name.startswith("check-")])
def test_every_line_that_is_not_good_says_what_where_and_what_to_do(case: str) -> None:
    shown = text(CASES[case]).split("\n")
    for number, line in enumerate(shown):
        if line.startswith(("  ×", "  ‼")):
            below = []
            for under in shown[number + 1 :]:
                if not under.startswith("      "):
                    break
                below.append(under)
            assert any(under.startswith("      more:  magictel explain ") for under in below), line


@pytest.mark.parametrize("case", CASES)
def test_the_last_line_is_the_verdict(case: str) -> None:
    last = text(CASES[case]).rstrip("\n").split("\n")[-1]
    assert re.search(
        r"OK|FAILED|verified|accepted|unverified|interrupted|cleaned",
        last,
    ), last


HELD = st.sampled_from([Status.PASS, Status.WARN, Status.FAIL, Status.SKIPPED, Status.BLOCKED])


@given(st.lists(HELD, min_size=10, max_size=10), st.sampled_from([None, 40, 80, 120]), st.booleans())
def test_every_rung_always_appears_once(outcomes: list[Status], width: int | None, same: bool) -> None:
    findings = [
        Finding(
            rung,
            outcome,
            "one reason" if same else f"reason {number}",
            "http.redirect" if outcome in (Status.FAIL, Status.WARN) else None,
            blocked_by=Rung.CONFIG if outcome is Status.BLOCKED else None,
            seconds=0.01,
        )
        for number, (rung, outcome) in enumerate(zip(Rung, outcomes, strict=True))
    ]
    shown = text(check_events(checked("t", "t", "", *findings)), width)
    leads = [line for line in shown.split("\n") if re.match(r"  [√‼×·-] ", line)]
    names = [name for line in leads for name in re.split(r",? +", re.split(r"\s{2,}", line[4:])[0])]
    assert names == [rung.value for rung in Rung]


def test_blocks_come_in_the_order_given_and_as_soon_as_they_can() -> None:
    stream = io.StringIO()
    reporter = TerminalReporter(Sheet(stream))
    events = check_events(GOOD, EXPIRED, order=(1, 0))
    for event in events:
        if isinstance(event, CheckFinished):
            break
        before = stream.getvalue()
        reporter.on(event)
    assert before == ""  # the second ended first, and waits
    assert stream.getvalue().index("elasticsearch  http") < stream.getvalue().index("prod-es")


def test_a_closed_pipe_is_silent() -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    sheet = Sheet(Closed())
    page(CASES["check-several"], sheet)
    assert sheet.broken


def test_progress_is_gone_before_the_result_and_never_wider_than_the_terminal() -> None:
    screen = Screen()
    progress = Progress(screen, 60)
    progress.show(Waited("elasticsearch", "health: the cluster is red " * 5, 4.2, 60.0))
    line = screen.getvalue().removeprefix("\r\x1b[2K")
    assert len(line) < 60
    assert line.endswith("…  4 s of 60 s")
    progress.clear()
    assert screen.getvalue().endswith("\r\x1b[2K")
    page(CASES["check-good"], Sheet(io.StringIO()), progress)
    assert screen.getvalue().endswith("\r\x1b[2K")


def test_nobody_sees_progress_in_a_pipe() -> None:
    assert not is_terminal(io.StringIO(), {})
    page(CASES["check-good"], Sheet(io.StringIO()), Progress(None))  # says nothing, and does not fail


def test_wide_characters_do_not_push_figures_off_the_line() -> None:
    from rich.cells import cell_len

    finding = Finding(Rung.CONFIG, Status.PASS, "東京" * 15, seconds=0.1)
    dns = Finding(Rung.DNS, Status.PASS, "大阪 " * 25, seconds=0.1)
    screen = Screen()
    page(check_events(checked("t", "t", "", finding, dns)), sheet_for(screen, {"TERM": "xterm", "COLUMNS": "80"}))
    for line in re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).split("\n"):
        assert cell_len(line) <= 80, line
