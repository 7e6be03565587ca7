"""What the guide's Docker Compose file configures, held against the real programs.

Run: `bash ../shared/real/start_collector.sh -- python -m pytest -m real tests/real/test_compose_real.py`
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.test_readme_compose import PARSED

HOW = "bash ../shared/real/start_collector.sh -- python -m pytest -m real tests/real/test_compose_real.py"
pytestmark = pytest.mark.real


def test_the_collector_accepts_its_configuration(tmp_path: Path) -> None:
    pid = os.environ.get("MT_PID_OTELCOL")
    if not pid:
        pytest.skip(f"MT_PID_OTELCOL is not set; this runs it: {HOW}")
    content = PARSED["configs"]["collector"]["content"]
    program = Path(f"/proc/{pid}/exe").resolve()
    for number, text in enumerate((content, content.replace("counter_type: float", "counter_type: decimal"))):
        (tmp_path / "config.yaml").write_text(text)
        command = [program, "validate", "--config", "config.yaml"]
        judged = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert judged.returncode == number, judged.stderr
