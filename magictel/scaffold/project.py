"""A new exporter's package: its files, made from those beside this module."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["http", "datagram", "file"]
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME = 100
"""Characters of a name: with what is added to it, file names stay within the usual 255."""
_FOLDER = Path(__file__).parent
_SUFFIX = ".in"
_ACME = re.compile(r"acme|Acme|ACME")


@dataclass(frozen=True, slots=True)
class Names:
    """The spellings of an exporter's name: `acme-metrics`, `acme_metrics`, `AcmeMetrics`, `ACME_METRICS`, and `acmemetrics` in codes."""

    name: str

    @property
    def package(self) -> str:
        """The name of the distribution, and of the folder that is written."""
        return f"{self.name}-exporter"

    @property
    def module(self) -> str:
        """The name of the Python package."""
        return f"{self.name.replace('-', '_')}_exporter"

    def replace(self, text: str) -> str:
        """Return a text with this name in place of acme."""
        return _ACME.sub(self._spelled, text)

    def _spelled(self, match: re.Match[str]) -> str:
        before, after = match.string[: match.start()], match.string[match.end() :]
        if match[0] == "Acme":
            return "".join(part.capitalize() for part in self.name.split("-"))
        if match[0] == "ACME":
            return self.name.replace("-", "_").upper()
        if after.startswith("_") or before.endswith("_"):
            return self.name.replace("-", "_")
        if re.match(r"\.[a-z]", after):  # a code: its first part is one word
            return self.name.replace("-", "")
        return self.name


def files(names: Names, kind: Kind) -> Mapping[str, str]:
    """Return the text of every file of a new package, by its path within the package's folder."""
    files: dict[str, str] = {}
    for folder in (_FOLDER / "shared", _FOLDER / kind):
        for path in sorted(folder.rglob(f"*{_SUFFIX}")):
            name = str(path.relative_to(folder)).removesuffix(_SUFFIX)
            files[names.replace(name)] = names.replace(path.read_text("utf-8"))
    return dict(sorted(files.items()))
