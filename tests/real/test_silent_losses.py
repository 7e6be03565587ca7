"""Losses behind a 2xx, on the real engines: what was accepted and is gone or changed is never called a success by a command.

Each command runs as a process of its own and is held against what the engine itself holds. The processes of this file run side by
side, since most of their time they wait for what never shows.

Run: `bash ../shared/real/start_prom3.sh -- bash ../shared/real/start_search.sh --with es7,es8,es9,os2,os3 -- bash
../shared/real/start_real.sh --without rotel -- python -m pytest -m real tests/real/test_silent_losses.py`
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.running import magictel, process
from tests.real.losses import (
    ALL,
    CAPTIVE,
    CASES,
    DAY,
    DECLARED,
    GOOD,
    LINES,
    LINES_3,
    NO_NAN,
    SEARCH,
    VICTORIA,
    Case,
    Line,
    Point,
    Told,
    recording,
)

HOW = "bash ../shared/real/start_real.sh --without rotel -- python -m pytest -m real tests/real/test_silent_losses.py"
SCRIPT = Path(__file__).parents[3] / "shared" / "real" / "start_real.sh"
LIST = Path(__file__).parents[3] / "shared" / "reference" / "real_servers.md"
VARIABLES = {
    "prometheus2": "MT_PROM_URL",
    "prometheus3": "MT_PROM3_URL",
    "victoriametrics-1.79": "MT_VM_URL",
    "victoriametrics-1.151": "MT_VM3_URL",
    CAPTIVE: "MT_FAULT_URL",
    **{name: f"MT_{name.upper()}_URL" for name in SEARCH},
}
ROWS = [(case, engine) for case, row in CASES.items() for engine in row.outcomes]
AT_ONCE = 6
pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


@dataclass(frozen=True)
class Ran:
    """What a command said, and the samples or documents that the engine holds as they were sent."""

    ended: Told
    document: Any
    error: str


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[tuple[str, str], Future[Ran]]]:
    """The commands of the rows that were asked for, under way."""
    asked = [
        (item.callspec.params["case"], item.callspec.params["engine"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module and "case" in item.fixturenames
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            (case, engine): pool.submit(ran, CASES[case], engine, os.environ[VARIABLES[engine]], folder)
            for case, engine in asked
            if os.environ.get(VARIABLES[engine])
            for folder in [tmp_path_factory.mktemp("run")]
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(("case", "engine"), ROWS, ids=[f"{case}-{engine}" for case, engine in ROWS])
def test_a_command_says_what_the_engine_holds(
    case: str, engine: str, runs: Mapping[tuple[str, str], Future[Ran]]
) -> None:
    if (case, engine) not in runs:
        pytest.skip(f"{VARIABLES[engine]} is not set; {HOW}")
    seen = runs[case, engine].result()
    if seen.ended.whole < handed(CASES[case], engine, seen.ended.delivered):
        failures = ((1, "lost"), (1, "altered"), (1, "rejected"), (3, "unverified"))
        declared = seen.ended == NO_NAN and DECLARED in json.dumps(seen.document)
        assert declared or (seen.ended.exit, seen.ended.outcome) in failures, seen
    assert seen.ended == CASES[case].outcomes[engine], seen


def test_a_future_sample_closes_prometheus_2_for_every_later_one_and_that_is_told(tmp_path: Path) -> None:
    """On a server of its own, which is stopped afterwards. It keeps the sample, so the command that sent it succeeds."""
    if not SCRIPT.exists():
        pytest.skip("this needs a Prometheus of its own: no ../shared/real/start_real.sh here")
    options = ["--without", "rotel,victoria,nginx", "--env-file", str(tmp_path / "env"), "--for", "60"]
    with subprocess.Popen(["bash", str(SCRIPT), *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as server:
        try:
            until = time.monotonic() + 20
            while not (tmp_path / "env").exists() and server.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            match = re.search(r"MT_PROM_URL=(\S+)", (tmp_path / "env").read_text() if server.poll() is None else "")
            if match is None:
                pytest.skip("no Prometheus of our own came up")
            ahead = Case({}, (GOOD, Point("silent.ahead", 2.5, 3 * DAY)))
            lines = [
                ran(case, "prometheus2", match[1], tmp_path).ended
                for case in (ahead, CASES["sample, native histograms"])
            ]
        finally:
            server.terminate()
    assert lines == [ALL, Told(1, "rejected", 0, rejected=10, withheld=2)]


def handed(case: Case, engine: str, delivered: int) -> int:
    """Samples or documents of what the command calls delivered: two of the sample's points are histograms of eight samples."""
    return delivered + 14 * (case.command == "send-sample" and engine not in SEARCH and delivered > 0)


def test_every_line_of_the_list_is_in_the_table() -> None:
    if not LIST.exists():
        pytest.skip("the list of silent losses is not here")
    [table] = re.findall(r"### 2\.1 .*?\n((?:\|.*\n)+)", LIST.read_text())
    listed = [tuple(cell.strip() for cell in row.split("|")[1:3]) for row in table.splitlines()[2:]]
    assert [(line.server, line.sent) for line in LINES] == listed
    [block] = re.findall(r"### 6\.3 .*?\n```\n(.*?)```", LIST.read_text(), re.DOTALL)
    longer = [(row[:15].strip(), row[15:90].strip()) for row in block.splitlines()]
    ours = {"prom3 rw1", "prom3 rw2", "prom3 otlp", "prom3 scrape", "vm otlp", "vm rw", "vm datadog"}
    assert [(line.server, line.sent) for line in LINES_3] == [line for line in longer if line[0] in ours]


def test_what_never_leaves_is_said_beforehand(tmp_path: Path) -> None:
    """Exemplars: nothing to read back, so the exporter's description is where they are told of."""
    run = magictel("describe", "prometheus-remote-write", folder=tmp_path)
    assert (run.code, "exemplars" in " ".join(run.out.split())) == (0, True)


@pytest.mark.parametrize("line", [*LINES, *LINES_3], ids=lambda line: f"{line.server}-{line.sent}")
def test_a_line_has_cases_or_a_reason_why_not(line: Line) -> None:
    assert bool(line.cases or line.tests) != bool(line.why_not)
    assert all(CASES[case].outcomes for case in line.cases)
    for path, _, test in (name.partition("::") for name in line.tests):
        assert f"def {test}(" in (Path(__file__).parents[2] / path).read_text()


def ran(case: Case, engine: str, url: str, folder: Path, within: str = "6s") -> Ran:
    """The command on this engine, as a shell would run it, and what is there afterwards."""
    run = f"r{uuid.uuid4().hex[:10]}"
    search = engine in SEARCH
    exporter = ("elasticsearch" if engine.startswith("es") else "opensearch") if search else "prometheus-remote-write"
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
        if search:
            http.put(f"/{run}", json=case.index).raise_for_status()
            settings = [f"url={url}", f"index={run}"]
        else:
            settings = [f"url={url}{'/html' if engine == CAPTIVE else ''}/api/v1/write"]
        words = [case.command]
        if case.command == "replay":
            (folder / "r.jsonl").write_text(recording(case, run))
            words += ["r.jsonl", "--to", exporter, "--shift", "keep", "--verify"]
        else:
            given = {"a_run": run, **case.attributes}
            words += [exporter, *(word for key in given for word in ("--attribute", f"{key}={given[key]}"))]
        words += [word for setting in settings for word in ("--set", setting)]
        command, environment = process(*words, *case.options, "--within", within, "--format", "json")
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=90)
        document = json.loads(done.stdout)
        whole = documents(http, run, case.field) if search else samples(http, engine, run, case)
    if "targets" not in document:
        return Ran(Told(done.returncode, document["code"], 0, whole=whole), document, done.stderr)
    (target,) = document["targets"]
    receipt, seen = target["receipt"], target["verification"] or {"missing": 0, "altered": 0}
    counts = [receipt[key] for key in ("delivered", "rejected", "withheld")] + [seen["missing"], seen["altered"]]
    return Ran(Told(done.returncode, document["outcome"], *counts, whole), document, done.stderr)


def documents(http: httpx.Client, index: str, field: str) -> int:
    """How many documents of the index are shown with the value of this field that was sent, or were sent without one."""
    http.post(f"/{index}/_refresh")
    reply = http.post(f"/{index}/_search", json={"size": 100, "docvalue_fields": [field]}).json()
    http.delete(f"/{index}")
    whole = 0
    for hit in reply["hits"]["hits"] if "hits" in reply else ():  # of a text field nothing can be shown
        value = hit["_source"]
        for part in field.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        whole += value is None or hit.get("fields", {}).get(field) == [value]
    return whole


def samples(http: httpx.Client, engine: str, run: str, case: Case) -> int:
    """How many samples of the run the engine holds with name, value and every label as they were sent."""
    if engine == CAPTIVE:
        return 0
    if engine in VICTORIA:
        http.get("/internal/force_flush")
        exported = http.get("/api/v1/export", params={"match[]": f'{{a_run="{run}"}}', "start": "1"}).text
        rows = [(row["metric"], row["values"]) for row in map(json.loads, exported.splitlines())]
    else:
        asked = {"query": f'{{a_run="{run}"}}[500d]', "time": f"{time.time() + 5 * DAY:.0f}"}
        result = http.get("/api/v1/query", params=asked).json()["data"]["result"]
        rows = [
            (
                row["metric"],
                [float(value) for _, value in row.get("values", ())] + [math.nan for _ in row.get("histograms", ())],
            )
            for row in result
        ]
    if case.command == "send-sample":
        return sum(len(values) for labels, values in rows if case.attributes.items() <= labels.items())
    return sum(
        any(
            labels.get("__name__") == plain(point.name)
            and {plain(key): value for key, value in point.attributes.items()}.items() <= labels.items()
            and str(float(point.value)) in map(str, values)
            for labels, values in rows
        )
        for point in case.points
    )


def plain(name: str) -> str:
    """A name as Prometheus has it."""
    return re.sub(r"\W", "_", name)
