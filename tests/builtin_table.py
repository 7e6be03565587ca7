"""The table of built-in exporters (`magictel/catalogue/builtin_exporters.py`), written by `python -m tests.builtin_table`."""

from __future__ import annotations

import json
from pathlib import Path

from magictel.catalogue import builtin_exporters
from magictel.registry import entry_points

_FILE = Path(builtin_exporters.__file__)


def source() -> str:
    """Return the file's text with the table that the exporters themselves give."""
    head, mark, _ = _FILE.read_text("utf-8").partition("BUILT_IN: Mapping[str, BuiltIn] = {\n")
    rows = []
    for points in entry_points.installed().values():
        if not entry_points.is_built_in(points[0]):
            continue
        exporter = entry_points.load(points[0].name)
        required = "".join(
            f"({_quoted(key)}, {_quoted(name)})," for key, name in entry_points.required_options(exporter)
        )
        rows.append(
            f"    {_quoted(points[0].name)}: BuiltIn(\n"
            f"        {_quoted(points[0].value)},\n"
            f"        {_quoted(exporter.summary)},\n"
            f"        ({required}),\n"
            "    ),\n"
        )
    return head + mark + "".join(rows) + "}\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


if __name__ == "__main__":
    _FILE.write_text(source(), "utf-8")
