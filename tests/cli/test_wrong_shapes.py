"""The commands as a user runs them, against a server whose every answer has the same wrong shape: an exit code that is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import answering, magictel
from tests.wrong_shapes import BODIES

COMMANDS = (
    ("check", "{target}", "--timeout=2s"),
    ("prepare", "{target}", "--apply"),
    ("send-sample", "{target}", "--force", "--within=200ms", "--deadline=300ms"),
    ("send-sample", "{target}", "--clean", "--run=0123456789ab"),
    ("replay", "r.jsonl", "--to", "{target}", "--force", "--verify", "--within=200ms", "--deadline=300ms"),
)
FEW = ("null", "list of null", "number", "object", "latin-1", "deep object")
CASES = [("elasticsearch", name) for name in BODIES]
CASES += [(target, name) for target in ("opensearch", "prometheus-remote-write") for name in FEW]


@pytest.mark.parametrize(("target", "shape"), CASES)
def test_a_command_ends_with_a_known_code(target: str, shape: str, tmp_path: Path) -> None:
    body = BODIES[shape]
    kind = "text/html" if shape == "page" else "application/json"
    head = f"HTTP/1.1 200 OK\r\nX-Elastic-Product: Elasticsearch\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    point = {"timeUnixNano": "1795000000000000000", "asDouble": 1.5}
    line = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "gauge": {"dataPoints": [point]}}]}]}]}
    (tmp_path / "r.jsonl").write_text(json.dumps(line) + "\n")
    with answering(head.encode() + b"Connection: close\r\n\r\n" + body) as port:
        variable = f"{target.upper().replace('-', '_')}_URL"
        url = f"http://127.0.0.1:{port}" + ("/api/v1/write" if "remote" in target else "")
        for command in COMMANDS:
            arguments = [word.format(target=target) for word in command]
            ran = magictel(*arguments, folder=tmp_path, environment={variable: url})
            output = ran.out + ran.err
            assert ran.code in (0, 1, 3), (arguments, ran)
            assert "mistake" not in output, (arguments, output)
            assert "internal." not in output, (arguments, output)
            assert "Traceback" not in output, (arguments, output)
            if command[0] in ("send-sample", "replay") and target != "prometheus-remote-write":
                assert ran.code, (arguments, output)
