"""The cost of importing a plugin, measured in a separate process: the import may hang, end the process, or print."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass

_LINE = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)
_MARK = "magictel: the plugin's own imports begin"
_SCRIPT = (
    "import sys\n"
    "sys.path[:] = sys.argv[2:]\n"
    "import magictel.plugin.http_exporter\n"
    f"print({_MARK!r}, file=sys.stderr, flush=True)\n"
    "__import__(sys.argv[1])\n"  # -X importtime leaves out the module that importlib.import_module() is called with
)
LONGEST = 30.0
"""Seconds after which an import counts as hanging."""


@dataclass(frozen=True, slots=True)
class ImportCost:
    """Seconds that a plugin's import takes beyond what magictel imports anyway (`ours`), and which packages take them.

    `ended` False: it was still running after `LONGEST`. `exit_code` is that of the process, 0 where the import succeeded.
    """

    seconds: float
    ours: float
    packages: tuple[tuple[str, float], ...] = ()
    ended: bool = True
    exit_code: int = 0


def import_cost(module: str, longest: float = LONGEST) -> ImportCost:
    """Import a module in a separate process and return the cost."""
    command = [sys.executable, "-X", "importtime", "-c", _SCRIPT, module, *sys.path]
    try:
        ran = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=longest,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ImportCost(longest, 0.0, ended=False, exit_code=-1)
    before, _, after = ran.stderr.partition(_MARK)
    totals: Counter[str] = Counter()
    for microseconds, name in _LINE.findall(after):
        totals[name.partition(".")[0]] += int(microseconds)
    ours = sum(int(microseconds) for microseconds, _ in _LINE.findall(before))
    packages = tuple((name, total / 1e6) for name, total in totals.most_common(3))
    return ImportCost(totals.total() / 1e6, ours / 1e6, packages, exit_code=ran.returncode)
