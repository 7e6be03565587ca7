"""Pages of other packages: entry points of the group `magictel.catalogues`, read without importing their code.

A value names a package, or one of its files: `acme_exporter` (every TOML file in it), `acme_exporter:catalogue.toml`.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from magictel.catalogue.retry import RETRY

GROUP = "magictel.catalogues"
_VALUE = re.compile(r"\s*[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\s*(:\s*\S+\s*)?")
_KEYS = frozenset({"title", "retry", "meaning", "why", "fix", "again"})


@functools.cache
def entries() -> Mapping[str, Mapping[str, Any]]:
    """Return the complete pages of other packages by code; an unreadable file has none (`doctor` reports why)."""
    complete: dict[str, Mapping[str, Any]] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        pages, _ = read(point)
        for code, page in pages.items():
            complete.setdefault(code, page)
    return complete


def read(point: EntryPoint) -> tuple[Mapping[str, Mapping[str, Any]], tuple[str, ...]]:
    """Return an entry point's complete pages by code, and its problems."""
    pages: dict[str, Mapping[str, Any]] = {}
    wrong: list[str] = []
    entry_point = f'the entry point {point.name} = "{point.value}"'
    if not _VALUE.fullmatch(point.value):
        return {}, (f"{entry_point} is not PACKAGE or PACKAGE:FILE.toml",)
    try:
        files = list(_files(point))
    except Exception as failure:  # finding a package imports its parents
        return {}, (f"{entry_point} names a package that cannot be found: {type(failure).__name__}",)
    if not files:
        wrong.append(f"{entry_point} names no TOML file")
    for file in files:
        try:
            content = tomllib.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as failure:
            wrong.append(f"{file} cannot be read: {failure}")
            continue
        for code, page in content.items():
            missing = sorted(_KEYS - page.keys()) if isinstance(page, dict) else sorted(_KEYS)
            if missing:
                wrong.append(f"{file}: the page {code} lacks {', '.join(missing)}")
            elif str(page["retry"]) not in RETRY:
                wrong.append(f"{file}: the page {code} has the unknown retry class {page['retry']!r}")
            else:
                pages[code] = page
    return pages, tuple(wrong)


def _files(point: EntryPoint) -> Iterator[Path]:
    package, _, name = point.value.partition(":")
    spec = importlib.util.find_spec(package.strip())
    for folder in map(Path, (spec and spec.submodule_search_locations) or ()):
        if name:
            yield folder / name.strip()
        else:
            yield from sorted(folder.glob("*.toml"))
