"""Plays a scenario's steps and makes the answers comparable: without what cannot be the same on two servers."""

from __future__ import annotations

import hashlib
import json
import re
import time
from datetime import UTC, datetime
from typing import Any

import httpx

from magictel.http.wire import Request
from tests.emulators.elasticsearch import SearchEmulator
from tests.sandbox.scenarios import Scenario, Step

ENGINES = {"es7": "7.17.29", "es8": "8.19.0", "es9": "9.2.0", "os2": "2.19.4", "os3": "3.3.0"}
# Of the engine's own making, or about its hardware.
VOLATILE = {
    "took", "ingest_took", "index_uuid", "uuid", "node", "_shards", "shard", "line", "col", "creation_date", "root_cause",
    "failed_shards", "created_date", "created_date_millis", "modified_date", "modified_date_millis",
}  # fmt: skip


class Direct(httpx.BaseTransport):
    """Hands requests to an emulator without a socket."""

    def __init__(self, emulator: SearchEmulator) -> None:
        self.emulator = emulator

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        reply = self.emulator.handle(Request(request.method, str(request.url), dict(request.headers), body))
        return httpx.Response(reply.status, headers=dict(reply.headers), content=reply.body)


def emulated(engine: str, version: str | None = None) -> httpx.Client:
    """A client of a fresh emulator of that engine."""
    product = "elasticsearch" if engine.startswith("es") else "opensearch"
    emulator = SearchEmulator(product, version or ENGINES[engine])
    return httpx.Client(base_url="http://emulator", transport=Direct(emulator))


def clock_text() -> str:
    """A moment that lies in every open window, as a document writes it."""
    return datetime.fromtimestamp(time.time() - 5, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def digests(client: httpx.Client, scenario: Scenario, name: str) -> list[str]:
    """One short digest a step, of its comparable answer."""
    now = clock_text()
    try:
        answers = [play(client, step, name, now) for step in scenario.steps]
    finally:
        clean(client, name)
    return [hashlib.sha256(json.dumps(answer, sort_keys=True).encode()).hexdigest()[:12] for answer in answers]


def clean(client: httpx.Client, name: str) -> None:
    """Take away what a scenario made."""
    for path in (f"/_data_stream/{name}", f"/{name}", f"/_index_template/{name}-t", f"/_component_template/{name}-c"):
        client.delete(path)


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
        "body": comparable(body, name, now),
    }


def comparable(value: Any, name: str, now: str = "{now}", key: str = "") -> Any:
    """The same value with what is volatile made equal, and types told apart (1 is not 1.0 is not true)."""
    if isinstance(value, dict):
        return {
            comparable_text(k, name, now): comparable(v, name, now, k) for k, v in value.items() if k not in VOLATILE
        }
    if isinstance(value, list):
        return [comparable(item, name, now, key) for item in value]
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
    return comparable_text(value, name, now)


def comparable_text(text: str, name: str, now: str = "{now}") -> str:
    """A text without names, places, ids and times that differ from run to run."""
    text = text.replace(name, "{x}").replace(now, "{now}")
    text = re.sub(r"\n at \[Source: .*?(; line: \d+, column: \d+\]|\Z)", "", text, flags=re.DOTALL)
    text = re.sub(r"\[\d+:\d+\]", "[n:n]", text)
    if text.startswith(("Fielddata is not supported on field [_", "Fielddata access on the _id")):
        return "one of the engine's own fields has no doc values"
    if match := re.search(r"allowed: \[([A-Z, ]+)\]", text):
        text = text.replace(match[1], ", ".join(sorted(match[1].split(", "))))
    text = re.sub(r"\bat \d+:\d+", "at n:n", text)
    text = re.sub(r"\{x\}/[\w-]{22}\]", "{x}/uuid]", text)
    text = re.sub(r"\.ds-\{x\}-(\d{4}\.\d\d\.\d\d-)?\d{6}", ".ds-{x}", text)
    text = re.sub(r"\[[\w-]{20,30}\]\[[\w+/=-]{20,80}@", "[id][series@", text)
    text = re.sub(r"_id must be unset or set to \[[^\]]*\]", "_id must be unset or set to [id]", text)
    text = re.sub(r"in document with id '[\w-]{20}'", "in document with id 'made'", text)
    return re.sub(r"\[\[[\d:TZ.-]+,[\d:TZ.-]+\]\]", "[[window]]", text)
