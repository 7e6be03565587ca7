"""Writes down what real engines answer: `start_search.sh --with es7,es8,es9,os2,os3 -- python -m tests.sandbox.record`.

`recorded.json` then holds the emulator to it where no engine is to be had.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import httpx

from tests.sandbox.replay import ENGINES, digests
from tests.sandbox.scenarios import SCENARIOS
from tests.sandbox.test_differential import engine_url

RECORDED = Path(__file__).with_name("recorded.json")


def main() -> None:
    """Record every engine that is there; the others keep what they have."""
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    for engine in ENGINES:
        url = engine_url(engine)
        if url is None:
            print(f"{engine}: not here, kept")
            continue
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as real:
            version = real.get("/").json()["version"]["number"]
            answers = {
                scenario.name: digests(real, scenario, f"mtx{uuid.uuid4().hex[:10]}")
                for scenario in SCENARIOS
                if engine in scenario.engines
            }
        recorded[engine] = {"version": version, "answers": answers}
        print(f"{engine} {version}: {len(answers)} scenarios")
    RECORDED.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
