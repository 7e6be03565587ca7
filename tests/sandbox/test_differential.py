"""The emulator against real engines: equal verdicts, equal search results, field by field. The engine is always right."""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from magictel.sandbox.elasticsearch import SearchEmulator
from magictel.sandbox.server import Server
from tests.sandbox.scenarios import SCENARIOS, Scenario, Step

ENGINES = ("es7", "es8", "es9", "os2", "os3")
HOW = "start_search.sh --with es7,es8,es9,os2,os3 -- python -m pytest -m real tests/sandbox/test_differential.py"
# Of the engine's own making, or about its hardware.
VOLATILE = {
    "took", "ingest_took", "index_uuid", "uuid", "node", "_shards", "shard", "line", "col", "creation_date", "root_cause",
    "failed_shards", "created_date", "created_date_millis", "modified_date", "modified_date_millis",
}  # fmt: skip


def _url(engine: str) -> str | None:
    named = os.environ.get(f"MT_{engine.upper()}_URL")
    if named:
        return named
    return os.environ.get({"es8": "MT_ES_URL", "os2": "MT_OS_URL"}.get(engine, ""))


@pytest.fixture(scope="module", params=ENGINES)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[str, httpx.Client, httpx.Client]]:
    """A real engine and an emulator of the same product and version."""
    engine = request.param
    url = _url(engine)
    if url is None:
        pytest.skip(f"no {engine} here (MT_{engine.upper()}_URL is not set); this runs it: {HOW}")
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as real:
        version = real.get("/").json()["version"]
        product = version.get("distribution", "elasticsearch")
        emulator = SearchEmulator(product, version["number"])
        with Server(emulator) as server, httpx.Client(base_url=server.origin, timeout=60, trust_env=False) as emulated:
            yield engine, real, emulated


@pytest.mark.real
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_the_emulator_answers_as_the_engine_does(
    pair: tuple[str, httpx.Client, httpx.Client], scenario: Scenario
) -> None:
    engine, real, emulated = pair
    if engine not in scenario.engines:
        pytest.skip(f"{engine} has no such thing")
    name = f"mtx{uuid.uuid4().hex[:10]}"
    now = datetime.fromtimestamp(time.time() - 5, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    try:
        for number, step in enumerate(scenario.steps):
            wanted = play(real, step, name, now)
            seen = play(emulated, step, name, now)
            assert seen == wanted, f"step {number}: {step.method} {step.path} {json.dumps(step.body)[:300]}"
    finally:
        for client in (real, emulated):
            for path in (
                f"/_data_stream/{name}",
                f"/{name}",
                f"/_index_template/{name}-t",
                f"/_component_template/{name}-c",
            ):
                client.delete(path)


def test_there_are_enough_scenarios_and_each_has_its_own_name() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS) >= 30


def play(client: httpx.Client, step: Step, name: str, now: str) -> Any:
    """The step's answer, without what cannot be the same."""

    def filled(text: str) -> str:
        return text.replace("{x}", name).replace("{now}", now)

    content: bytes | None = None
    if step.raw is not None:
        content = filled(step.raw.decode()).encode()
    elif isinstance(step.body, list):
        content = b"".join(
            (part if isinstance(part, bytes) else filled(json.dumps(part, ensure_ascii=False)).encode()) + b"\n"
            for part in step.body
        )
    elif step.body is not None:
        content = filled(json.dumps(step.body, ensure_ascii=False)).encode()
    headers = {"content-type": step.content_type} if content is not None and step.content_type else {}
    if step.encoding:
        headers["content-encoding"] = step.encoding
    reply = client.request(step.method, filled(step.path), content=content, headers=headers)
    try:
        body = json.loads(reply.text) if reply.text else None
    except ValueError:
        body = reply.text
    return {
        "status": reply.status_code,
        "product": reply.headers.get("x-elastic-product"),
        "content_type": reply.headers.get("content-type", "").lower().replace(" ", ""),
        "body": comparable(body, name),
    }


def comparable(value: Any, name: str, key: str = "") -> Any:
    """The same value with what is volatile made equal, and types told apart (1 is not 1.0 is not true)."""
    if isinstance(value, dict):
        return {comparable_text(k, name): comparable(v, name, k) for k, v in value.items() if k not in VOLATILE}
    if isinstance(value, list):
        return [comparable(item, name, key) for item in value]
    if key in {"_score", "max_score"}:
        return value is None  # relevance is not what the emulator is about
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return f"float {value!r}"
    if isinstance(value, int):
        return f"int {value}"
    if key == "_id" and not re.fullmatch(r"\d{1,3}|i{512}|own", value):
        return "made by the engine"
    return comparable_text(value, name)


def comparable_text(text: str, name: str) -> str:
    text = text.replace(name, "{x}")
    text = re.sub(r"\n at \[Source: .*?(; line: \d+, column: \d+\]|\Z)", "", text, flags=re.DOTALL)
    text = re.sub(r"\[\d+:\d+\]", "[n:n]", text)
    if text.startswith(("Fielddata is not supported on field [_", "Fielddata access on the _id")):
        return "one of the engine's own fields has no doc values"
    if found := re.search(r"allowed: \[([A-Z, ]+)\]", text):
        text = text.replace(found[1], ", ".join(sorted(found[1].split(", "))))
    text = re.sub(r"\bat \d+:\d+", "at n:n", text)
    text = re.sub(r"\{x\}/[\w-]{22}\]", "{x}/uuid]", text)
    text = re.sub(r"\.ds-\{x\}-(\d{4}\.\d\d\.\d\d-)?\d{6}", ".ds-{x}", text)
    text = re.sub(r"\[[\w-]{20,30}\]\[[\w+/=-]{20,80}@", "[id][series@", text)
    text = re.sub(r"_id must be unset or set to \[[^\]]*\]", "_id must be unset or set to [id]", text)
    text = re.sub(r"in document with id '[\w-]{20}'", "in document with id 'made'", text)
    return re.sub(r"\[\[[\d:TZ.-]+,[\d:TZ.-]+\]\]", "[[window]]", text)
