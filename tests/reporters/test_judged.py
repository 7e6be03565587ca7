"""Reports held against checkers that others wrote (tap.py, a browser), and against hundreds of targets with hostile names."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace
from tap.parser import Parser

from magictel.model.events import Event
from magictel.reporters.formats import KINDS
from tests.reporters.cases import ACCEPTED, CASES, EXPIRED, LOST, MIXED, STOPPED, TIMED, check_events, send_events
from tests.reporters.junit_schema import judged
from tests.reporters.reporting import NASTY, failed, nasty_check, nasty_send, replay, report
from tests.reporters.test_nagios import parsed as nagios
from tests.reporters.test_prometheus import parsed as prometheus

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MANY = 300
RUNS: dict[str, list[Event]] = {
    **CASES,
    "replay": replay(TIMED, MIXED, STOPPED, skipped=2),
    "nasty-check": nasty_check(),
    "nasty-send": nasty_send(),
}


@pytest.mark.parametrize("run", RUNS)
def test_tap_py_reads_every_line_as_what_it_is(run: str) -> None:
    text, _ = report("tap", RUNS[run])
    lines = list(Parser().parse(io.StringIO(text)))
    assert not [line for line in lines if line.category in ("unknown", "bail", "diagnostic")]
    assert [line.category for line in lines[:2]] == ["version", "plan"]
    tests = [line for line in lines if line.category == "test"]
    assert len(tests) == len(lines) - 2 == lines[1].expected_tests
    for test in tests:
        assert not test.todo
        warned = test.yaml_block is not None and test.yaml_block["severity"] == "warning"
        assert (test.yaml_block is None) == (test.ok and not warned)


def test_tap_py_hears_of_a_run_that_never_began() -> None:
    _, bail = Parser().parse(io.StringIO(failed("tap")[0]))
    assert (bail.category, bail.reason) == ("bail", "usage.unknown-target: there is | no <such> target")


def crowd(command: str) -> list[Event]:
    """Many targets, each with a hostile name of its own."""
    names = [f"{number} {NASTY}" for number in range(MANY)]
    if command == "check":
        return check_events(*(replace(EXPIRED, target=name) for name in names))
    results = [replace(LOST if number % 2 else ACCEPTED, target=name) for number, name in enumerate(names)]
    return replay(*results) if command == "replay" else send_events(*results)


@pytest.mark.parametrize("command", ["check", "send-sample", "replay"])
@pytest.mark.parametrize("kind", KINDS)
def test_hundreds_of_targets_with_hostile_names_are_reported(kind: str, command: str) -> None:
    text, beside = report(kind, crowd(command))
    match kind:
        case "json":
            assert len(json.loads(text)["targets"]) == MANY
        case "junit":
            assert len(judged(text)) == MANY + (command == "replay")
        case "tap":
            (plan,) = re.findall(r"^1\.\.(\d+)$", text, re.MULTILINE)
            assert int(plan) == len(re.findall(r"^(?:not )?ok \d+ - ", text, re.MULTILINE)) >= 2 * MANY
        case "github":
            assert len(text.encode()) < 1024 * 1024
            assert 1 <= len(beside.splitlines()) <= 30
            assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in beside.splitlines())
        case "nagios":
            data = nagios(text)[2]
            assert len(text.encode()) <= 4000
            assert (data["targets"], int(data["unlisted"]) < MANY) == (str(MANY), True)
        case "prometheus":
            holds = [labels for name, labels in prometheus(text) if name == "magictel_target_holds"]
            assert len(holds) == MANY
        case "html":
            assert text.count("<section>") == MANY + (command == "replay")
            assert "<script" not in text


def framed(pages: dict[str, str], width: int) -> str:
    """A page that shows each of these in a frame and says of each how wide it is, what it loaded and whether a script ran."""
    frames = "".join(
        f'<iframe data-name="{name}" width="{width}" height="900" srcdoc="{html.escape(page)}"></iframe>'
        for name, page in pages.items()
    )
    script = """
    addEventListener("load", () => {
      const told = {};
      for (const frame of document.querySelectorAll("iframe")) {
        const inner = frame.contentWindow, root = frame.contentDocument.documentElement;
        told[frame.dataset.name] = [root.scrollWidth, inner.performance.getEntriesByType("resource").length,
          frame.contentDocument.scripts.length, frame.contentDocument.querySelectorAll("section").length];
      }
      document.body.innerHTML = "<pre id='told'></pre>";
      document.getElementById("told").textContent = JSON.stringify(told);
    });"""
    return f"<!DOCTYPE html><meta charset='utf-8'><body style='margin:0'>{frames}<script>{script}</script></body>"


def browsed(folder: Path, *arguments: str) -> str:
    assert CHROMIUM is not None
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ]
    command = [CHROMIUM, *options, f"--user-data-dir={folder / 'browser'}", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: the Debian package chromium")
@pytest.mark.parametrize("width", [360, 1200])
def test_a_browser_shows_every_page_in_its_width_and_loads_and_runs_nothing(width: int, tmp_path: Path) -> None:
    pages = {run: report("html", events)[0] for run, events in RUNS.items()} | {"failed": failed("html")[0]}
    (tmp_path / "frames.html").write_text(framed(pages, width), "utf-8")
    dom = browsed(tmp_path, "--window-size=1300,1000", "--dump-dom", (tmp_path / "frames.html").as_uri())
    document = json.loads(html.unescape(dom.split('<pre id="told">')[1].split("</pre>")[0]))
    assert document.keys() == pages.keys()
    for run, (wide, loaded, scripts, sections) in document.items():
        assert (run, wide, loaded, scripts) == (run, width, 0, 0)
        assert sections >= 1


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: the Debian package chromium")
def test_a_browser_draws_the_page(tmp_path: Path) -> None:
    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    page.write_text(report("html", RUNS["replay"])[0], "utf-8")
    browsed(tmp_path, "--window-size=600,1200", f"--screenshot={picture}", page.as_uri())
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (600, 1200)
    assert len(content) > 20_000  # an empty page takes a fraction of it
